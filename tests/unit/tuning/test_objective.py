"""The score: what a target is worth, where zero is, and what unsure effects would gain."""

from statistics import NormalDist

import numpy as np
import pytest

from daemon.tuning.model import Shift, Target
from daemon.tuning.objective import DRAWS, WORST, Frame, frame_of, normal_draws
from tests.tuning_kit import a_policy, lone

INF = float("inf")


def frame(*targets, at=None, **more):
    policy = a_policy(targets=targets, **({"warn": {}} | more))
    return frame_of(policy, np.zeros(len(policy.signals())) if at is None else np.array(at, float))


def column(*values):
    return np.array(values, dtype=np.float64)


# ── where zero is, and one ───────────────────────────────────────────────────
def test_zero_is_the_target_and_one_its_scale():
    found = frame(Target(signal="s", high=10.0, scale=4.0))
    assert found.within(column(10.0, 14.0, 2.0)).tolist() == [0.0, 1.0, -2.0]


def test_zero_is_the_middle_of_two_bounds():
    found = frame(Target(signal="s", low=2.0, high=6.0, scale=2.0))
    assert (found.anchor[0], found.low[0], found.high[0]) == (4.0, -1.0, 1.0)


@pytest.mark.parametrize(
    ("target", "at", "scale"),
    [
        (Target(signal="s", low=8.0, scale=3.0), 100.0, 3.0),
        (Target(signal="s", low=8.0), 8.0, 2.0),  # a quarter of its size
        (Target(signal="s", low=8.0), 3.0, 5.0),  # the distance at the start
        (Target(signal="s", high=-8.0), -8.0, 2.0),
        (Target(signal="s", low=-4.0, high=8.0), 9.0, 2.0),  # of the larger bound
        (Target(signal="s", low=-4.0, high=8.0), -14.0, 10.0),  # to the nearer bound
        (Target(signal="s", low=0.0), 0.0, 1.0),  # nothing to measure by
        (Target(signal="s", low=8.0), float("nan"), 2.0),
    ],
)
def test_a_scale_that_nobody_gave_comes_from_the_target_or_the_start(target, at, scale):
    assert frame(target, at=[at]).scale[0] == scale


def test_signals_come_by_name_whatever_the_order_of_the_file():
    a, b = Target(signal="a", low=1.0, scale=1.0), Target(signal="b", high=2.0, scale=2.0)
    one, other = frame(a, b), frame(b, a)
    assert one.anchor.tolist() == other.anchor.tolist() == [1.0, 2.0]
    assert one.high.tolist() == other.high.tolist() == [INF, 0.0]


def test_weights_add_up_to_one():
    heavy = Target(signal="a", low=1.0, weight=3.0)
    light = Target(signal="b", low=1.0, weight=1.0)
    assert frame(heavy, light).weight.tolist() == [0.75, 0.25]


def test_targets_that_all_weigh_nothing_are_no_score():
    found = frame(Target(signal="a", low=1.0, weight=0.0))
    assert found.score(column(-7.0)) == 1.0


@pytest.mark.parametrize(
    ("shift", "scale"),
    [(Shift(rise=2.0), 5.0), (Shift(fall=-2.0), 5.0), (Shift(rise=3.0, fall=-2.0), 5.0)],
)
def test_a_signal_that_is_only_guarded_starts_at_zero_and_weighs_nothing(shift, scale):
    target = Target(signal="z", low=1.0, scale=1.0)
    found = frame(target, at=[7.0, 1.0], warn={"heat": shift})
    assert (found.anchor[0], found.scale[0], found.weight[0]) == (7.0, pytest.approx(scale), 0.0)
    assert found.excess(column(1e6, 0.0)).tolist() == [0.0, 0.0]


# ── how good it is ───────────────────────────────────────────────────────────
TWO = Frame(
    anchor=column(0, 0), scale=column(1, 1), low=column(-1, -INF), high=column(2, 0),
    weight=column(0.25, 0.75),
)  # fmt: skip


@pytest.mark.parametrize(
    ("at", "excess", "sense", "score"),
    [
        ((0.0, -5.0), (0.0, 0.0), (0, 0), 1.0),
        ((-1.0, 0.0), (0.0, 0.0), (0, 0), 1.0),  # on the bound is inside
        ((-1.5, 0.0), (0.5, 0.0), (1, 0), 1 - 0.25 * 0.5),
        ((4.0, 1.0), (2.0, 1.0), (-1, -1), 1 - 0.25 * 2 - 0.75),
        ((2.0, 9.0), (0.0, 9.0), (0, -1), 1 - 0.75 * WORST),
        ((-99.0, 99.0), (98.0, 99.0), (1, -1), 1 - WORST),
    ],
)
def test_a_miss_costs_its_weight_per_scale_and_a_disaster_not_more_than_the_worst(
    at, excess, sense, score
):
    at = column(*at)
    assert TWO.excess(at).tolist() == list(excess)
    assert TWO.sense(at).tolist() == list(sense)
    assert TWO.score(at) == pytest.approx(score)


def test_many_settings_are_scored_at_once():
    rows = np.array([[[0.0, 0.0], [-2.0, 0.0]], [[0.0, 1.0], [3.0, 1.0]]])
    assert TWO.score(rows) == pytest.approx(np.array([[1.0, 0.75], [0.25, 0.0]]))


def test_aiming_keeps_a_margin_inside_of_each_bound():
    aimed = TWO.aimed(0.1)
    assert (aimed.low.tolist(), aimed.high.tolist()) == ([-0.9, -INF], [1.9, -0.1])


def test_a_margin_never_closes_a_narrow_target():
    narrow = frame(Target(signal="s", low=1.0, high=1.2, scale=1.0)).aimed(5.0)
    assert narrow.high - narrow.low == pytest.approx(column(0.1))
    point = frame(Target(signal="s", low=1.0, high=1.0, scale=1.0)).aimed(5.0)
    assert point.excess(column(0.0)).tolist() == [0.0]


def test_nothing_is_aimed_at_where_there_is_no_target():
    found = frame(Target(signal="z", low=1.0), at=[0.0, 1.0], warn={"heat": Shift(rise=1.0)})
    assert (found.aimed(0.1).low[0], found.aimed(0.1).high[0]) == (-INF, INF)


# ── what unsure effects gain ─────────────────────────────────────────────────
ONE = Frame(
    anchor=column(0), scale=column(1), low=column(0), high=column(INF), weight=column(1)
)  # fmt: skip


def gains(frame, level, spread, *effects, doubt=0.0):
    effect = np.array(effects, float).reshape(len(effects), -1)
    return frame.gains(column(*level), column(*spread), effect, np.full(effect.shape, doubt))


def test_what_is_known_exactly_gains_exactly_that():
    found = gains(ONE, [-1.0], [0.0], [0.25], [-0.5], [3.0])
    assert found.shape == (3, DRAWS)
    assert (found == np.array([[0.25], [-0.5], [1.0]])).all()


def test_far_from_a_bound_the_draws_have_the_mean_and_spread_that_went_in():
    found = gains(ONE, [-1.5], [0.01], [0.3], doubt=0.2)
    assert found.mean() == pytest.approx(0.3, abs=1e-12)  # antithetic: no error at all
    assert found.std() == pytest.approx(0.2, rel=0.1)


def test_a_doubtful_effect_on_a_met_target_can_only_lose():
    """At the bound: E[min(x, 0)] of N(0, sd) is -sd / sqrt(2 pi)."""
    found = gains(ONE, [0.0], [0.0], [0.0], doubt=0.4)
    assert found.max() == 0.0
    assert found.mean() == pytest.approx(-0.4 / np.sqrt(2 * np.pi), rel=0.1)


def test_steps_that_are_alike_gain_alike_in_every_draw():
    found = gains(TWO, [-2.0, 1.0], [0.1, 0.1], [0.2, -0.1], [0.2, -0.1], doubt=0.3)
    assert (found[0] == found[1]).all()


def splitmix(count):
    """SplitMix64 of a counter, written out."""
    state = 0x9E3779B97F4A7C15 * count & (mask := 2**64 - 1)
    state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9 & mask
    state = (state ^ (state >> 27)) * 0x94D049BB133111EB & mask
    return state ^ (state >> 31)


def test_draws_are_normal_and_come_with_their_opposites():
    drawn, half = normal_draws(6), DRAWS // 2
    assert drawn.shape == (DRAWS, 6)
    assert (drawn[:half] == -drawn[half:]).all()
    assert drawn.std(axis=0) == pytest.approx(np.ones(6), abs=0.02)
    assert np.abs(np.corrcoef(drawn.T) - np.eye(6)).max() < 0.25
    middles = [NormalDist().inv_cdf((share + 0.5) / DRAWS) for share in range(DRAWS)]
    for column in drawn.T:
        np.testing.assert_allclose(np.sort(column), middles, atol=1e-12)


def test_draws_are_the_same_for_ever():
    drawn, half = normal_draws(3), DRAWS // 2
    sizes = [NormalDist().inv_cdf(0.5 + (i + 0.5) / DRAWS) for i in range(half)]
    for column in range(3):
        numbers = [splitmix(3 * row + column + 1) for row in range(half)]
        order = sorted(range(half), key=numbers.__getitem__)
        signs = [1 if number & 1 else -1 for number in numbers]
        expected = [sizes[k] * sign for k, sign in zip(order, signs, strict=True)]
        assert drawn[:half, column].tolist() == expected
    assert not drawn.flags.writeable


def test_a_policy_with_one_target_alone_is_laid_out():
    assert frame_of(lone(), column(0.0)).weight.tolist() == [1.0]
