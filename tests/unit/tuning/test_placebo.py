"""How often the verdict errs, on noise whose nature is known."""

from dataclasses import replace

import numpy as np
import pytest

from daemon.tuning import calibration, placebo
from daemon.tuning.model import Shift, Target
from tests.calibration_kit import a_policy, noise, past, quiet

HOURS_4 = 2880


def scene(policy, rows, *breaks):
    blocks = past(policy, rows)
    spans = tuple(quiet(blocks, *breaks))
    return placebo.Scene(policy, blocks, spans, calibration._frame(policy, blocks, spans))


# ── the rate and its interval ────────────────────────────────────────────────
def test_no_error_in_39_trials_still_allows_one_in_eleven():
    rate = placebo.rate(0.0, 39)
    assert (rate.share, rate.low) == (0.0, 0.0)
    assert rate.high == pytest.approx(0.0897, abs=1e-3)


def test_an_interval_is_that_of_wilson():
    rate = placebo.rate(0.1, 100)
    assert (rate.low, rate.high) == pytest.approx((0.0552, 0.1744), abs=1e-4)


def test_no_trial_at_all_says_nothing():
    rate = placebo.rate(0.0, 0)
    assert rate.high > 0.7


# ── how many there are ───────────────────────────────────────────────────────
def test_placebos_fit_behind_one_another_after_the_warm_up():
    policy = a_policy()
    one = scene(policy, noise(24 + 10 * 14 + 13, 2, 0.0))
    assert one.independent(0.0) == one.independent(30.0) == 10
    assert one.independent(35.0) == 153 // (14 + 14)


def test_a_change_in_between_costs_another_warm_up():
    policy = a_policy()
    rows = noise(600, 2, 0.0)
    assert scene(policy, rows).room() == 600 - 24
    assert scene(policy, rows, 1300).room() == 600 - 10 - 2 * 24
    assert len(placebo.walk(scene(policy, rows, 1300)).forks) < len(
        placebo.walk(scene(policy, rows)).forks
    )


def test_a_span_without_room_has_no_placebo():
    assert placebo.walk(scene(a_policy(), noise(24 + 13, 2, 0.0))).forks == []


def test_a_noise_that_is_not_known_yet_is_waited_for():
    policy = a_policy(warmup_s=40.0)
    walk = placebo.walk(scene(policy, noise(200, 2, 0.0)))
    assert walk.forks[0].row >= placebo.REFIT
    assert walk.noises


def test_a_past_too_short_for_any_noise_has_none():
    policy = a_policy(warmup_s=40.0)
    walk = placebo.walk(scene(policy, noise(30, 2, 0.0)))
    assert (walk.forks, walk.noises) == ([], [])


def test_a_long_past_is_tried_at_so_many_moments_and_no_more():
    walk = placebo.walk(scene(a_policy(1), noise(9_000, 1, 0.0)))
    assert 0.6 * placebo.MOST < len(walk.forks) <= placebo.MOST


# ── what they come to ────────────────────────────────────────────────────────
@pytest.mark.parametrize("sd", [0.01, 0.2])
@pytest.mark.parametrize("phi", [0.0, 0.9, 0.99])
def test_at_most_one_in_twenty_is_kept_where_nothing_was_changed(phi, sd):
    policy = a_policy(4, good={"s0": Shift(fall=-0.01)})
    one = scene(policy, noise(HOURS_4, 4, phi, sd=sd, seed=round(1000 * phi)))
    found = placebo.tally(one, placebo.walk(one).forks)
    error = (0.05 * 0.95 / one.independent(0.0)) ** 0.5
    assert found.better <= 0.05 + 2 * error
    assert found.worse <= 0.05 + 2 * error


def test_a_verdict_that_asks_for_little_is_found_out():
    policy = a_policy(1, confidence=0.6)
    one = scene(policy, noise(HOURS_4, 1, 0.9))
    assert placebo.tally(one, placebo.walk(one).forks).better > 0.2


def test_a_guard_within_the_noise_takes_back_what_was_never_done():
    policy = a_policy(1, warn={"s0": Shift(rise=0.001)})
    one = scene(policy, noise(HOURS_4, 1, 0.9))
    assert placebo.tally(one, placebo.walk(one).forks).worse > 0.2


def test_several_rules_and_longer_steps_are_tried_too():
    policy = a_policy(1, max_step_mult=2.0, max_concurrent_changes=2)
    rule = policy.rules[0]
    policy = replace(policy, rules=(rule, replace(rule, name="t"), replace(rule, name="u")))
    one = scene(policy, noise(600, 1, 0.9))
    forks = placebo.walk(one).forks
    alone = placebo._judged(one, forks, np.array([1.0, 0.0, 0.0]), np.zeros(1))
    together = placebo.tally(one, forks)
    assert together.better >= alone[0]
    assert together.worse >= alone[1]


# ── the smallest effect that is found ────────────────────────────────────────
@pytest.mark.parametrize("phi", [0.0, 0.95])
@pytest.mark.parametrize("rises", [True, False])
def test_an_effect_said_to_be_detectable_is_found_in_80_percent_of_other_data(phi, rises):
    bound = {"low": 10.0} if rises else {"high": 0.0}
    targets = (Target(signal="s0", scale=1.0, weight=1.0, **bound),)
    policy = a_policy(1, targets=targets, max_step_mult=1.0)
    first = scene(policy, noise(HOURS_4, 1, phi, seed=11))
    size = placebo.found(first, placebo.walk(first).forks, 0, 0.01)
    other = scene(policy, noise(HOURS_4, 1, phi, seed=12))
    way = size if rises else -size
    better, worse = placebo._judged(other, placebo.walk(other).forks, np.ones(1), np.array([way]))
    assert better == pytest.approx(0.8, abs=0.15), "64 moments fix it no better"
    assert worse == 0.0


def test_a_guess_that_is_too_large_is_halved():
    one = scene(a_policy(1), noise(600, 1, 0.0))
    forks = placebo.walk(one).forks
    assert placebo.found(one, forks, 0, 2.0) == pytest.approx(
        placebo.found(one, forks, 0, 0.01), rel=0.2
    )


def test_nothing_is_found_of_a_signal_that_does_not_count():
    policy = a_policy(1, warn={"heat": Shift(rise=3.0)})
    one = scene(policy, noise(600, 2, 0.0))
    assert policy.signals() == ("heat", "s0")
    assert placebo.found(one, placebo.walk(one).forks, 0, 1.0) is None


def test_an_effect_beyond_all_measure_is_none():
    one = scene(a_policy(1, confidence=0.9999), noise(600, 1, 0.99, sd=5.0))
    assert placebo.found(one, placebo.walk(one).forks, 0, 1.0) is None


def test_every_target_is_missed_by_a_scale_whichever_way_it_pulls():
    policy = a_policy(
        0,
        targets=(
            Target(signal="both", low=-1.0, high=1.0, scale=1.0),
            Target(signal="down", high=5.0, scale=2.0),
            Target(signal="up", low=5.0, scale=2.0),
        ),
        warn={"watched": Shift(rise=1.0)},
    )
    frame = calibration.frame_of(policy, np.zeros(4))
    level = np.array([0.2, 0.4, 0.6, 0.8])
    pretended = placebo.missed(frame, level)
    assert pretended.excess(level).tolist() == pytest.approx([1.0, 1.0, 1.0, 0.0])
    assert pretended.sense(level).tolist() == [-1.0, -1.0, 1.0, 0.0]
    assert placebo.wanted(frame).tolist() == [-1.0, -1.0, 1.0, 0.0]
