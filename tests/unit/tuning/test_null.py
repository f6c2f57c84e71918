"""The noise: variances against sums written out, fits against processes that are known."""

import numpy as np
import pytest

from daemon.tuning.null import (
    COARSE,
    FLOOR,
    PHI_MAX,
    SETTING_MIN,
    TINY,
    Noise,
    Stretch,
    fit,
    placebos,
    scaled,
)
from tests.tuning_kit import a_process

NAN = float("nan")


def column(*values):
    return np.array(values, dtype=np.float64)


def ar1(phi, sd, length, seed=1, signals=1):
    """A stationary AR(1) process with this standard deviation."""
    random = np.random.default_rng(seed)
    fresh = random.standard_normal((length, signals))
    rows = np.empty((length, signals))
    rows[0] = fresh[0]
    for k in range(1, length):
        rows[k] = phi * rows[k - 1] + np.sqrt(1 - phi**2) * fresh[k]
    return sd * rows


def stretch(rows, setting=(0.0,)):
    return Stretch(setting, np.array(rows, dtype=np.float64))


# ── variances ────────────────────────────────────────────────────────────────
def written_out(phi, variance, before, gap, after):
    """The variance of (mean after - mean before), every covariance added up."""
    early = [(k, -1 / before) for k in range(before)] if before else []
    late = [(before + gap + k, 1 / after) for k in range(after)]
    every = early + late
    return sum(a * b * variance * phi ** abs(i - j) for i, a in every for j, b in every)


@pytest.mark.parametrize("phi", [0.0, 0.3, 0.9, 0.99])
@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_the_variance_of_a_mean_is_the_sum_of_its_covariances(phi, n):
    found = a_process(1, column(phi), column(2.0)).of_mean(n)
    assert found == pytest.approx(written_out(phi, 2.0, 0, 0, n), rel=1e-9)


@pytest.mark.parametrize("phi", [0.0, 0.3, 0.9, 0.99])
@pytest.mark.parametrize("windows", [(1, 0, 1), (18, 6, 18), (60, 3, 2), (5, 40, 9)])
def test_the_variance_of_a_difference_is_the_sum_of_its_covariances(phi, windows):
    found = a_process(1, column(phi), column(0.5)).of_difference(*windows)
    assert found == pytest.approx(written_out(phi, 0.5, *windows), rel=1e-9)


def test_a_coarse_process_counts_in_its_own_steps():
    coarse, fine = (a_process(span, column(0.6), column(1.0)) for span in (COARSE, 1))
    assert coarse.of_mean(3 * COARSE) == fine.of_mean(3)
    assert coarse.of_mean(1) == fine.of_mean(1)  # less than a step is one
    found = coarse.of_difference(3 * COARSE, 2 * COARSE, 4 * COARSE)
    assert found == fine.of_difference(3, 2, 4)
    assert coarse.of_difference(1, 0, 1) == fine.of_difference(1, 0, 1)


def test_a_difference_is_never_wholly_certain():
    assert a_process(1, column(0.5), column(0.0)).of_difference(9, 1, 9) == [TINY]
    assert a_process(1, column(0.5), column(0.0)).of_mean(9) == [0.0]


def test_of_two_scales_the_one_that_promises_less_wins_for_each_signal():
    fine = a_process(1, column(0.9, 0.1), column(1.0, 1.0))
    coarse = a_process(COARSE, column(0.5, 0.9), column(0.1, 1.0))
    noise = Noise((fine, coarse))
    for of in ("of_mean", "of_difference"):
        windows = (18,) if of == "of_mean" else (18, 6, 18)
        one, other = getattr(fine, of)(*windows), getattr(coarse, of)(*windows)
        assert one[0] > other[0]
        assert one[1] < other[1]
        assert getattr(noise, of)(*windows).tolist() == [one[0], other[1]]


# ── what lasts, and what does not ────────────────────────────────────────────
def test_one_scale_splits_into_memory_slow_and_a_floor_of_fast():
    memory, slow, fast = Noise((a_process(1, column(0.8), column(2.0)),)).split()
    assert (memory, slow) == (0.8, pytest.approx((1 - FLOOR) * 2.0))
    assert fast == pytest.approx(FLOOR * 2.0)
    assert slow + fast == pytest.approx(2.0)


def test_a_slower_second_scale_gives_the_memory_and_the_rest_is_fast():
    """Half white, half an AR(1) of two minutes: the coarse scale sees the slow half alone."""
    memory_of_slow = np.exp(-5 / 120)
    fine = a_process(1, column(0.5 * memory_of_slow), column(2.0))
    coarse = a_process(COARSE, column(memory_of_slow**COARSE), column(1.0))
    memory, slow, fast = Noise((fine, coarse)).split()
    assert memory == pytest.approx(memory_of_slow)
    assert 1.0 < slow < 1.2  # a mean of six blocks has a little less variance than its blocks
    assert slow + fast == pytest.approx(2.0)


def test_a_second_scale_that_promises_no_more_changes_nothing():
    fine = a_process(1, column(0.9), column(2.0))
    coarse = a_process(COARSE, column(0.2), column(0.1))
    assert Noise((fine, coarse)).split() == Noise((fine,)).split()


def test_a_slow_part_is_never_larger_than_the_noise():
    fine = a_process(1, column(0.5), column(1.0))
    coarse = a_process(COARSE, column(0.9), column(4.0))
    memory, slow, fast = Noise((fine, coarse)).split()
    assert memory == pytest.approx(0.9 ** (1 / COARSE))
    assert slow <= 4.0
    assert fast > 0


def test_each_signal_is_split_by_itself():
    fine = a_process(1, column(0.5, 0.5), column(1.0, 1.0))
    coarse = a_process(COARSE, column(0.9, 0.1), column(1.0, 0.01))
    memory, _, _ = Noise((fine, coarse)).split()
    assert memory.tolist() == [pytest.approx(0.9 ** (1 / COARSE)), 0.5]


def test_the_noise_of_another_unit_is_the_same_noise():
    noise = Noise(
        (a_process(1, column(0.5), column(4.0)), a_process(COARSE, column(0.5), column(1.0)))
    )
    other = scaled(noise, column(3.0))
    assert [process.variance.tolist() for process in other.processes] == [[36.0], [9.0]]
    assert [process.phi.tolist() for process in other.processes] == [[0.5], [0.5]]


# ── fitting ──────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("phi", "within"), [(0.0, 0.04), (0.6, 0.04), (0.9, 0.03), (0.98, 0.02)])
@pytest.mark.parametrize("gaps", [False, True])
def test_a_long_series_gives_its_memory_and_variance(phi, within, gaps):
    rows = ar1(phi, 0.3, 6000)
    if gaps:
        rows[np.random.default_rng(2).random(6000) < 0.2] = NAN
    fine, coarse = fit([stretch(rows)]).processes
    assert fine.phi == pytest.approx(phi, abs=within)
    assert fine.variance == pytest.approx(0.09, rel=0.35 if phi > 0.9 else 0.12)
    of_means = written_out(phi, 0.09, 0, 0, COARSE)
    allowed = 0.5 if phi > 0.9 else 0.2
    fewer = 1.25 if gaps else 1.0  # a mean of five blocks says less than one of six
    assert of_means * (1 - allowed) < coarse.variance < of_means * fewer * (1 + allowed)


def test_signals_are_fitted_one_by_one():
    rows = np.hstack([ar1(0.2, 1.0, 4000), 1e-3 * ar1(0.9, 1.0, 4000, seed=2)])
    (both, _), (alone, _) = (fit([stretch(part)]).processes for part in (rows, rows[:, 1:]))
    assert both.phi[1] == pytest.approx(alone.phi[0])
    assert both.variance[1] == pytest.approx(alone.variance[0])
    assert both.phi == pytest.approx(column(0.2, 0.9), abs=0.05)


def test_settings_apart_are_no_noise():
    calm = [stretch(ar1(0.3, 0.1, 300, seed=k) + 5.0 * k, (float(k),)) for k in range(4)]
    assert fit(calm).processes[0].variance == pytest.approx(0.01, rel=0.2)


def test_visits_of_one_setting_are_measured_from_one_mean():
    """What lies between two visits is slow noise, and would be lost if each had its own mean."""
    visits = [stretch(ar1(0.3, 0.1, 100, seed=k) + (k % 2)) for k in range(6)]
    assert fit(visits).processes[0].variance > 0.1


def test_a_rare_outlier_is_no_noise_level():
    rows = ar1(0.5, 0.1, 2000)
    clean = fit([stretch(rows)]).processes[0]
    rows[::200] += 2.0  # twenty deviations
    dirty = fit([stretch(rows)]).processes[0]
    assert dirty.variance == pytest.approx(clean.variance, rel=0.3)


def test_what_never_moves_has_the_least_noise_there_is():
    for process in fit([stretch(np.full((300, 1), 7.0))]).processes:
        assert process.variance == [TINY]
        assert 0 <= process.phi[0] <= PHI_MAX


def test_a_signal_without_any_sample_does_not_spoil_the_others():
    rows = np.hstack([ar1(0.5, 0.1, 2000), np.full((2000, 1), NAN)])
    with_none, alone = (fit([stretch(part)]).processes[0] for part in (rows, rows[:, :1]))
    assert with_none.variance[0] == pytest.approx(alone.variance[0])
    assert with_none.variance[1] == TINY


def test_memory_stays_below_one():
    ramp = np.arange(600.0)[:, None]
    assert all(process.phi <= PHI_MAX for process in fit([stretch(ramp)]).processes)


@pytest.mark.parametrize(
    "lengths",
    [
        [],
        [0],
        [1] * 50,  # neighbours are what is fitted
        [23],
        [SETTING_MIN[1] - 1] * 5,  # of a setting each: no mean means anything
    ],
)
def test_too_little_is_no_noise_yet(lengths):
    calm = [
        stretch(ar1(0.0, 1.0, n) if n else np.empty((0, 1)), (float(k),))
        for k, n in enumerate(lengths)
    ]
    assert fit(calm) is None


def test_half_a_minute_of_neighbours_is_not_enough():
    pairs = [stretch(ar1(0.0, 1.0, 2, seed=k)) for k in range(11)]
    more = [*pairs, *(stretch(np.zeros((1, 1))) for _ in range(30))]
    assert fit(more) is None
    assert fit([*pairs, stretch(ar1(0.0, 1.0, 2))]) is not None


@pytest.mark.parametrize(("length", "scales"), [(24, 1), (119, 1), (120, 2)])
def test_the_second_scale_comes_with_ten_minutes(length, scales):
    assert len(fit([stretch(ar1(0.5, 1.0, length))]).processes) == scales


def test_two_minutes_with_gaps_are_fitted_coarsely_by_what_is_there():
    rows = ar1(0.5, 1.0, 240)
    rows[5::6] = NAN
    rows[60:72] = NAN  # two whole means
    coarse = fit([stretch(rows)]).processes[1]
    assert np.isfinite(coarse.phi).all()
    assert np.isfinite(coarse.variance).all()


# ── placebos ─────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("windows", [(3, 2, 4), (1, 0, 1), (5, 1, 2)])
def test_placebos_are_every_difference_of_windows(windows):
    before, gap, after = windows
    rows = np.random.default_rng(3).standard_normal((30, 2))
    rows[10:14, 0] = NAN
    rows[20, 1] = NAN
    expected = []
    for start in range(30 - sum(windows) + 1):
        early, late = rows[start : start + before], rows[start + before + gap :][:after]
        row = [
            late[np.isfinite(late[:, k]), k].sum() / n - early[np.isfinite(early[:, k]), k].mean()
            if (n := np.isfinite(late[:, k]).sum()) and np.isfinite(early[:, k]).any()
            else NAN
            for k in range(2)
        ]
        expected.append(row)
    np.testing.assert_allclose(placebos(rows, *windows), expected, atol=1e-12)


def test_a_past_that_is_shorter_than_the_windows_has_no_placebo():
    assert placebos(np.zeros((8, 3)), 4, 1, 4).shape == (0, 3)
    assert placebos(np.zeros((9, 3)), 4, 1, 4).shape == (1, 3)


def test_placebos_spread_as_the_process_says():
    rows = ar1(0.9, 0.2, 20_000)
    found = placebos(rows, 18, 6, 18)
    expected = a_process(1, column(0.9), column(0.04)).of_difference(18, 6, 18)
    assert found.var() == pytest.approx(expected[0], rel=0.15)
