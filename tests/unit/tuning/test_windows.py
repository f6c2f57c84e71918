"""From samples to evidence: what counts as an outlier, what is remembered, what says nothing."""

import numpy as np
import pytest

from daemon.tuning.windows import (
    BLOCK_US,
    LARGEST,
    Blocks,
    Need,
    Unfit,
    block_fitness,
    effective_n,
    fitness,
    lag_one,
    summarise,
)

NAN = float("nan")


def column(values):
    return np.array(values, dtype=np.float64)


def block(values, k=0):
    """Summarise samples as one block."""
    mean, n = summarise(k * BLOCK_US + np.arange(len(values)), column(values), k, 1)
    return mean[0], n[0]


def rows(*means, n=25):
    """Write rows of blocks with one signal; None is a block without samples."""
    mean = column([NAN if one is None else one for one in means])[:, None]
    return mean, np.where(np.isnan(mean), 0, n)


def past(*means, end=None, keep=1440):
    start = Blocks.empty(("s",), 0 if end is None else end - len(means), keep)
    return start.extend(start.end, *rows(*means))


def means_of(blocks):
    return [None if np.isnan(one) else one for one in blocks.mean[:, 0].tolist()]


# ── one block ────────────────────────────────────────────────────────────────
def test_a_block_without_outliers_is_its_mean():
    values = np.linspace(1.0, 2.0, 25)
    assert block(values) == (pytest.approx(1.5, rel=1e-15), 25)


@pytest.mark.parametrize("at", [0, 12, 24])
@pytest.mark.parametrize("far", [1e3, -1e3, 1e6, 1e299])
def test_one_outlier_moves_a_block_by_less_than_its_noise(at, far):
    values = np.random.default_rng(5).standard_normal(25)
    clean, _ = block(values)
    values[at] = far
    assert abs(block(values)[0] - clean) < 0.3


def test_how_far_an_outlier_lies_says_nothing():
    values = np.random.default_rng(5).standard_normal(25)
    values[7] = 1e3
    near, _ = block(values)
    values[7] = 1e9
    assert block(values)[0] == near


@pytest.mark.parametrize("outliers", [1, 2])
def test_outliers_leave_a_constant_block_exactly_as_it_was(outliers):
    assert block([0.3] * (25 - outliers) + [1e6] * outliers) == (0.3, 25)


@pytest.mark.parametrize("size", [3, 4, 5, 9, 10])
def test_one_outlier_in_a_short_block_is_none_of_it(size):
    assert block([0.3] * (size - 1) + [1e6]) == (0.3, size)


@pytest.mark.parametrize("n", [1, 3, 5, 24, 25, 26])
def test_equal_values_have_exactly_that_mean(n):
    """So that a frozen signal shows in its blocks, whatever the rounding of a sum."""
    assert block([0.1] * n) == (0.1, n)


@pytest.mark.parametrize("ones", [3, 5, 8, 12, 13, 17, 22])
def test_a_signal_of_two_values_is_averaged_and_not_clipped_to_the_more_frequent(ones):
    """Its median deviation is 0 or nearly so: clipping at three of them would leave one value."""
    assert block([1.0] * ones + [0.0] * (25 - ones))[0] == pytest.approx(ones / 25)


def test_a_signal_of_two_modes_keeps_the_rarer_one():
    noise = 0.01 * np.random.default_rng(2).standard_normal(25)
    values = noise + np.where(np.arange(25) % 4 == 0, 1.0, 0.0)
    assert block(values)[0] == pytest.approx(values.mean(), abs=0.003)


@pytest.mark.parametrize(("values", "mean"), [([7.0], 7.0), ([1.0, 4.0], 2.5)])
def test_one_or_two_values_have_no_outlier(values, mean):
    assert block(values) == (mean, len(values))


@pytest.mark.parametrize("bad", [NAN, np.inf, -np.inf, LARGEST, -LARGEST])
def test_what_is_not_finite_is_not_counted(bad):
    assert block([1.0, bad, 3.0, bad]) == (2.0, 2)
    mean, n = block([bad])
    assert np.isnan(mean)
    assert n == 0


def test_zero_has_one_sign():
    assert np.signbit(block([-0.0, 0.0, -0.0])[0]) == np.signbit(block([-0.0] * 3)[0]) == False  # noqa: E712


# ── several blocks ───────────────────────────────────────────────────────────
def test_a_sample_belongs_to_the_block_of_its_moment():
    at_us = np.array([4 * BLOCK_US - 1, 4 * BLOCK_US, 5 * BLOCK_US - 1, 5 * BLOCK_US, 7 * BLOCK_US])
    mean, n = summarise(at_us, column([9, 1, 3, 5, 9]), 4, 3)
    assert n.tolist() == [2, 1, 0]
    assert mean[:2].tolist() == [2.0, 5.0]
    assert np.isnan(mean[2])
    assert (mean.dtype, n.dtype) == (np.dtype("f8"), np.dtype("i8"))


def test_no_samples_are_blocks_without_samples():
    mean, n = summarise(np.array([], np.int64), column([]), 3, 2)
    assert np.isnan(mean).all()
    assert n.tolist() == [0, 0]
    assert [len(one) for one in summarise(np.array([1]), column([1]), 0, 0)] == [0, 0]


def test_moments_before_1970_have_blocks_too():
    mean, n = summarise(np.array([-1, 0]), column([1, 2]), -1, 2)
    assert (mean.tolist(), n.tolist()) == ([1, 2], [1, 1])


# ── the recent past ──────────────────────────────────────────────────────────
def test_a_past_grows_by_its_newest_blocks():
    blocks = Blocks.empty(("a", "b"), 7).extend(7, column([[1, 2], [3, 4]]), np.array([[5, 5]] * 2))
    assert (blocks.signals, blocks.first, blocks.end, len(blocks)) == (("a", "b"), 7, 9, 2)
    assert blocks.mean.tolist() == [[1, 2], [3, 4]]
    assert blocks.count.tolist() == [[5, 5], [5, 5]]


def test_blocks_left_out_had_no_samples():
    blocks = past(1.0, end=10).extend(12, *rows(2.0))
    assert means_of(blocks) == [1.0, None, None, 2.0]
    assert blocks.count[:, 0].tolist() == [25, 0, 0, 25]
    assert (blocks.first, blocks.end) == (9, 13)


@pytest.mark.parametrize(
    ("gap", "expected"),
    [(0, [2, 3, 9]), (1, [3, None, 9]), (2, [9]), (3, [9]), (10**9, [9])],
)
def test_only_so_many_blocks_are_kept_and_a_long_gap_empties_the_past(gap, expected):
    blocks = past(1.0, 2.0, 3.0, end=3, keep=3).extend(3 + gap, *rows(9.0))
    assert means_of(blocks) == expected
    assert blocks.end == 4 + gap


def test_the_first_block_of_all_may_be_any():
    assert means_of(Blocks.empty(("s",)).extend(350_000_000, *rows(1.0))) == [1.0]


def test_of_more_blocks_than_are_kept_the_newest_stay():
    blocks = past(1.0, keep=2).extend(1, *rows(2.0, 3.0, 4.0))
    assert means_of(blocks) == [3.0, 4.0]
    assert (blocks.first, blocks.end) == (2, 4)


def test_no_blocks_change_nothing():
    blocks = past(1.0)
    assert means_of(blocks.extend(1, *rows())) == [1.0]


def test_a_past_that_is_continued_twice_keeps_both_futures_apart():
    blocks = past(1.0)
    one, other = blocks.extend(1, *rows(2.0)), blocks.extend(1, *rows(3.0))
    assert (means_of(blocks), means_of(one), means_of(other)) == ([1.0], [1.0, 2.0], [1.0, 3.0])
    assert means_of(one.extend(2, *rows(4.0))) == [1.0, 2.0, 4.0]


def test_a_past_does_not_change_while_others_go_on():
    blocks = past(1.0, 2.0, 3.0, keep=3)
    before = means_of(blocks)
    newest = blocks
    for k in range(20):
        newest = newest.extend(newest.end, *rows(float(k)))
        assert means_of(blocks) == before
    assert means_of(newest) == [17.0, 18.0, 19.0]


def test_a_past_cannot_be_written_to():
    blocks = past(1.0)
    with pytest.raises(ValueError, match="read-only"):
        blocks.mean[0, 0] = 2.0
    with pytest.raises(ValueError, match="read-only"):
        blocks.count[0, 0] = 2


def test_what_is_added_is_copied():
    mean, count = rows(1.0)
    blocks = Blocks.empty(("s",)).extend(0, mean, count)
    mean[0] = 2.0
    assert means_of(blocks) == [1.0]


def test_a_block_is_added_once():
    with pytest.raises(ValueError, match="block 0 is not new: 1 comes next"):
        past(1.0).extend(0, *rows(1.0))


@pytest.mark.parametrize(
    ("mean", "count"), [((1, 2), (1, 2)), ((1,), (1,)), ((2, 1), (1, 1)), ((1, 1), (1,))]
)
def test_rows_are_of_the_signals_of_the_past(mean, count):
    with pytest.raises(ValueError, match="are not rows of"):
        past(1.0).extend(1, np.zeros(mean), np.zeros(count, np.int64))


def test_to_look_at_a_part_copies_nothing():
    blocks = past(1.0, 2.0, 3.0, 4.0, end=14)
    assert means_of(blocks.last(2)) == [3.0, 4.0]
    assert (blocks.last(2).first, blocks.last(2).end) == (12, 14)
    assert means_of(blocks.between(11, 13)) == [2.0, 3.0]
    assert np.shares_memory(blocks.between(11, 13).mean, blocks.mean)


@pytest.mark.parametrize(
    ("first", "end", "expected", "at"),
    [
        (0, 99, [1.0, 2.0], (10, 12)),
        (0, 11, [1.0], (10, 11)),
        (11, 99, [2.0], (11, 12)),
        (12, 99, [], (12, 12)),
        (0, 3, [], (10, 10)),
        (11, 10, [], (10, 10)),
    ],
)
def test_a_part_is_what_is_known_of_it(first, end, expected, at):
    part = past(1.0, 2.0, end=12).between(first, end)
    assert means_of(part) == expected
    assert (part.first, part.end) == at


def test_a_part_has_a_future_of_its_own():
    blocks = past(1.0, 2.0, 3.0)
    assert means_of(blocks.between(0, 2).extend(2, *rows(9.0))) == [1.0, 2.0, 9.0]
    assert means_of(blocks.last(1).extend(3, *rows(9.0))) == [3.0, 9.0]
    assert means_of(blocks) == [1.0, 2.0, 3.0]


# ── windows ──────────────────────────────────────────────────────────────────
def test_a_window_weighs_blocks_by_their_samples():
    blocks = Blocks.empty(("a", "b")).extend(
        0, column([[1, NAN], [4, NAN], [NAN, NAN]]), np.array([[20, 0], [10, 0], [0, 0]])
    )
    window = blocks.window(0, 3)
    assert (window.signals, window.first, window.end) == (("a", "b"), 0, 3)
    assert window.mean[0] == 2.0
    assert np.isnan(window.mean[1])
    assert window.n.tolist() == [30, 0]
    assert window.share.tolist() == pytest.approx([2 / 3, 0])


def test_what_a_window_asks_for_beyond_the_past_had_no_samples():
    window = past(1.0, 3.0, end=12).window(8, 14)
    assert (window.mean[0], window.n[0], window.share[0]) == (2.0, 50, pytest.approx(1 / 3))


@pytest.mark.parametrize(("first", "end"), [(0, 0), (1, 0), (90, 95)])
def test_a_window_without_blocks_has_nothing(first, end):
    window = past(1.0).window(first, end)
    assert np.isnan(window.mean[0])
    assert (window.n[0], window.share[0]) == (0, 0)


# ── how much a series says ───────────────────────────────────────────────────
def ar1(phi, n, seed):
    random = np.random.default_rng(seed)
    noise = random.standard_normal(n) * np.sqrt(1 - phi * phi)
    noise[0] = random.standard_normal()
    for k in range(1, n):
        noise[k] += phi * noise[k - 1]
    return noise


@pytest.mark.parametrize(
    ("phi", "n", "times"), [(0.3, 18, 2000), (0.5, 18, 2000), (0.9, 60, 500), (0.98, 1440, 20)]
)
def test_the_correlation_of_a_series_is_found_whatever_its_length(phi, n, times):
    found = np.median([lag_one(ar1(phi, n, seed)) for seed in range(times)])
    assert found == pytest.approx(phi, abs=0.03)


def test_the_correlation_is_found_beside_blocks_without_samples():
    series = ar1(0.9, 1440, 1)
    series[np.random.default_rng(2).random(1440) < 0.3] = NAN
    assert lag_one(series) == pytest.approx(0.9, abs=0.05)


def test_a_series_that_alternates_is_not_correlated():
    assert lag_one(column([1, -1] * 20)) == 0


@pytest.mark.parametrize(
    "series", [[], [1], [1, 2, 3], [1, NAN, 2, NAN, 3, NAN, 4], [5] * 9, [0.1] * 9, [NAN] * 9]
)
def test_where_nothing_can_be_seen_all_is_correlated(series):
    assert lag_one(column(series)) == 1.0


@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e160, 1e299])
def test_the_unit_of_a_series_does_not_matter(scale):
    series = ar1(0.5, 100, 3)
    assert lag_one(series * scale) == pytest.approx(lag_one(series), rel=1e-6)


def test_independent_blocks_count_in_full_and_dependent_ones_as_one():
    series = np.arange(18.0)
    assert effective_n(series, 0.0) == 18
    assert effective_n(series, 1.0) == pytest.approx(1)
    assert effective_n(series, 0.5) == pytest.approx(6.5, abs=0.05)


@pytest.mark.parametrize(("series", "expected"), [([], 0), ([NAN], 0), ([1], 1), ([1] * 9, 1)])
def test_too_little_counts_as_one_at_most(series, expected):
    assert effective_n(column(series)) == pytest.approx(expected)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_the_variance_of_a_mean_is_that_of_so_many_independent_ones(phi):
    series = [ar1(phi, 60, seed) for seed in range(2000)]
    spread = np.var([one.mean() for one in series])
    assert 1 / spread == pytest.approx(effective_n(series[0], phi), rel=0.1)
    assert np.median([effective_n(one) for one in series]) == pytest.approx(1 / spread, rel=0.15)


# ── sick streams ─────────────────────────────────────────────────────────────
S = 1_000_000
NEED = Need(samples=3, fresh_us=10 * S, sound_share=0.5)


@pytest.mark.parametrize(
    ("values", "now_s", "expected"),
    [
        ([1, 2, 3], 3, None),
        ([], 3, Unfit.NO_DATA),
        ([NAN, NAN], 3, Unfit.NOT_FINITE),
        ([1, 2, 3, NAN, np.inf, LARGEST], 6, None),
        ([1, 2, 3, NAN, NAN, NAN, NAN], 6, Unfit.NOT_FINITE),
        ([1, 2, 3], 12, None),
        ([1, 2, 3], 12 + 1e-6, Unfit.STALE),
        ([1, 2, 3, NAN], 13, Unfit.STALE),
        ([1, 2], 3, Unfit.LOW_N),
        ([1, 2, NAN], 3, Unfit.LOW_N),
        ([5, 5, 5], 3, Unfit.FROZEN),
        ([5, 5, NAN, 5], 3, Unfit.FROZEN),
        ([5, 5, 5.000001], 3, None),
    ],
)
def test_samples_say_why_they_are_no_evidence(values, now_s, expected):
    at_us = S * np.arange(len(values))
    assert fitness(at_us, column(values), round(now_s * S), NEED) == expected


def test_one_sample_is_not_frozen():
    assert fitness(np.array([0]), column([1]), 0, Need(samples=1)) is None
    assert fitness(np.array([0]), column([NAN]), 0, Need(sound_share=0)) == Unfit.NOT_FINITE


@pytest.mark.parametrize(
    ("means", "late_s", "expected"),
    [
        ([1, 2], 0, None),
        ([], 0, Unfit.NO_DATA),
        ([None, None], 0, Unfit.NO_DATA),
        ([1, 2], 10, None),
        ([1, 2], 11, Unfit.STALE),
        ([1, 2, None], 6, Unfit.STALE),
        ([1, None, None, 2], 0, None),
        ([1], 0, Unfit.LOW_N),
        ([5, None, 5], 0, Unfit.FROZEN),
    ],
)
def test_blocks_say_why_they_are_no_evidence(means, late_s, expected):
    blocks = past(*means, end=100)
    now_us = 100 * BLOCK_US + late_s * S
    assert block_fitness(blocks, now_us, Need(samples=50, fresh_us=10 * S)) == (expected,)


def test_each_signal_is_judged_alone():
    blocks = Blocks.empty(("a", "b", "c")).extend(
        0, column([[1, 5, NAN], [2, 5, NAN]]), np.array([[25, 25, 0]] * 2)
    )
    found = block_fitness(blocks, 2 * BLOCK_US, Need(samples=50))
    assert found == (None, Unfit.FROZEN, Unfit.NO_DATA)
