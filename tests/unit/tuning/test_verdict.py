"""Verdicts: what is kept, what is taken back at once, what nobody can say."""

from dataclasses import replace

import numpy as np
import pytest

from daemon.tuning import effects
from daemon.tuning.model import Effect, Shift, Target
from daemon.tuning.objective import frame_of
from daemon.tuning.reasons import Reason
from daemon.tuning.verdict import (
    clearly_worse,
    guard_broken,
    judge,
    measure,
    reaches,
    regime_changed,
    worth,
)
from daemon.tuning.vocabulary import Verdict
from tests.tuning_kit import (
    NOW,
    PER_BLOCK,
    a_judgement,
    a_noise,
    a_policy,
    a_state,
    a_trial,
    beliefs,
    lone,
    past,
)

NAN = float("nan")
LEVEL = -1.0
"""A whole scale below the target."""


def judged(response, doubt=0.01, policy=None, steps=1.0, samples=500):
    """Judge one step of one rule after which a lone signal, far from its target, moved so."""
    policy = policy or lone()
    state = a_state(policy, levels=[LEVEL], responses=[[response]])
    trial = a_trial(state, policy, {"r": steps})
    known = beliefs([LEVEL], [[response]], doubt=doubt)
    known = effects.moved(known, trial.steps, new_ground=False)
    frame = replace(state.frame, scale=np.array([2.0]))
    return judge(trial, known, frame, policy, np.array([samples]))


# ── rulings ──────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("response", "doubt", "verdict", "cause"),
    [
        (0.2, 0.01, Verdict.BETTER, Reason.IMPROVED),
        (-0.2, 0.01, Verdict.WORSE, Reason.SCORE_FELL),
        (0.05, 0.1, Verdict.INCONCLUSIVE, Reason.NOT_PROVEN),
        (-0.1, 0.1, Verdict.INCONCLUSIVE, Reason.NO_EFFECT),
        (0.2, 0.5, Verdict.INCONCLUSIVE, Reason.NOT_PROVEN),
        (0.0001, 0.000001, Verdict.INCONCLUSIVE, Reason.NOT_PROVEN),  # sure, and nothing
    ],
)
def test_a_ruling_follows_the_probability_that_the_score_rose(response, doubt, verdict, cause):
    found = judged(response, doubt)
    assert (found.verdict, found.cause) == (verdict, cause)


@pytest.mark.parametrize("confidence", [0.8, 0.9, 0.97])
def test_nothing_is_kept_with_less_than_the_confidence_asked_for(confidence):
    for response in np.linspace(-0.2, 0.4, 31):
        found = judged(float(response), 0.1, lone(confidence=confidence))
        kept = found.verdict is Verdict.BETTER
        assert kept == (found.probability >= confidence)
        worse = found.verdict is Verdict.WORSE
        assert worse == (found.probability <= 1 - confidence)


def test_a_change_that_did_nothing_at_all_is_as_likely_as_not():
    found = judged(0.0, 0.0)
    assert (found.probability, found.gain, found.spread) == (0.5, 0.0, 0.0)
    assert found.cause is Reason.NOT_PROVEN


def test_a_warning_reached_is_worse_however_good_the_score():
    found = judged(0.2, policy=lone(warn={"s": Shift(rise=0.3)}))
    assert found.effects[0].delta == pytest.approx(0.4)  # in the signal's unit: two to a scale
    assert (found.verdict, found.cause) == (Verdict.WORSE, Reason.GUARD_BROKEN)
    found = judged(0.2, policy=lone(warn={"s": Shift(rise=0.5)}))
    assert found.verdict is Verdict.BETTER


def test_a_fall_warns_as_a_rise_does():
    assert judged(0.2, policy=lone(warn={"s": Shift(fall=-0.1)})).verdict is Verdict.BETTER
    assert judged(-0.2, policy=lone(warn={"s": Shift(fall=-0.1)})).cause is Reason.GUARD_BROKEN


@pytest.mark.parametrize(
    ("good", "verdict"),
    [
        (Shift(rise=0.3), Verdict.BETTER),
        (Shift(rise=0.41), Verdict.BETTER),  # may be as large, within what is known
        (Shift(rise=0.6), Verdict.INCONCLUSIVE),
        (Shift(fall=-0.6), Verdict.INCONCLUSIVE),
    ],
)
def test_a_gain_smaller_than_what_counts_as_good_is_too_small(good, verdict):
    found = judged(0.2, doubt=0.02, policy=lone(good={"s": good}))
    assert found.verdict is verdict
    assert found.cause is (Reason.IMPROVED if verdict is Verdict.BETTER else Reason.TOO_SMALL)


def test_half_a_step_need_bring_only_half_of_what_is_good():
    policy = lone(good={"s": Shift(rise=0.7)})
    whole = judged(0.2, doubt=0.02, policy=policy, steps=1.0)
    half = judged(0.4, doubt=0.04, policy=policy, steps=0.5)  # the same movement
    assert whole.gain == pytest.approx(half.gain)
    assert (whole.cause, half.cause) == (Reason.TOO_SMALL, Reason.IMPROVED)


def test_two_steps_must_bring_as_much_as_is_good_and_no_more():
    found = judged(0.2, doubt=0.01, policy=lone(good={"s": Shift(rise=0.7)}), steps=2.0)
    assert found.cause is Reason.IMPROVED


def test_a_score_that_rose_by_as_much_as_is_good_counts_whichever_signals_moved():
    targets = tuple(Target(signal=s, low=2.0, scale=1.0, weight=0.5) for s in "ab")
    policy = lone(targets=targets, good={"a": Shift(rise=0.4)})
    state = a_state(policy, levels=[-1.0, -1.0], responses=[[0.0], [0.5]])
    trial = a_trial(state, policy, {"r": 1.0})
    for response, cause in ((0.5, Reason.IMPROVED), (0.3, Reason.TOO_SMALL)):
        known = beliefs([-1.0, -1.0], [[0.0], [response]], doubt=0.001)
        found = judge(trial, known, state.frame, policy, np.array([500, 500]))
        assert found.cause is cause


# ── what the least good movement is worth ────────────────────────────────────
@pytest.mark.parametrize(
    ("good", "expected"),
    [
        ({}, 0.0),
        ({"errors": Shift(fall=-0.25)}, 0.6 * 0.25 / 0.5),
        ({"speed": Shift(rise=2.0)}, 0.4 * 2.0 / 4.0),
        ({"errors": Shift(fall=-0.25), "speed": Shift(rise=2.0)}, 0.2),
        ({"speed": Shift(rise=2.0, fall=-1.0)}, 0.1),
        ({"unread": Shift(rise=0.001)}, 0.0),
    ],
)
def test_the_least_movement_that_is_good_has_its_worth_in_score(good, expected):
    policy = a_policy(good=good)
    assert worth(frame_of(policy, np.zeros(3)), policy) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("shift", "delta", "expected"),
    [
        (Shift(rise=1.0), 1.0, True),
        (Shift(rise=1.0), 0.9, False),
        (Shift(rise=1.0), -5.0, False),
        (Shift(fall=-1.0), -1.0, True),
        (Shift(fall=-1.0), -0.9, False),
        (Shift(fall=-1.0), 5.0, False),
        (Shift(rise=1.0, fall=-2.0), -2.5, True),
        (Shift(rise=1.0, fall=-2.0), -1.5, False),
        (Shift(), 5.0, False),
        (Shift(rise=1.0, fall=-1.0), NAN, False),
    ],
)
def test_a_shift_is_reached_at_its_bound(shift, delta, expected):
    assert reaches(shift, delta) is expected


# ── what is told ─────────────────────────────────────────────────────────────
def test_effects_are_told_in_the_units_of_the_signals_with_their_interval():
    policy = a_policy()
    state = a_state(policy)
    trial = a_trial(state, policy, {"q": 1.0})
    known = beliefs([1.0, 0.0, -1.0], [[0.1, 9], [0.0, 9], [0.25, 9]], doubt=0.02)
    found = measure(trial, known, state.frame, policy, np.array([7, 8, 9]))
    errors, heat, speed = found.effects
    reach = 1.959964 * 0.02
    assert speed == Effect(
        signal="speed",
        before=pytest.approx(10.0 + 4.0 * (-1.0 - 0.25)),
        delta=pytest.approx(1.0),
        low=pytest.approx(4.0 * (0.25 - reach)),
        high=pytest.approx(4.0 * (0.25 + reach)),
        samples=9,
    )
    assert (errors.signal, errors.samples, errors.delta) == ("errors", 7, pytest.approx(0.05))
    assert (heat.signal, heat.delta) == ("heat", 0.0)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.cause is Reason.OBSERVING


def test_gain_and_spread_are_those_of_the_score():
    found = judged(0.3, 0.1)
    assert found.gain == pytest.approx(0.3, abs=0.01)
    assert found.spread == pytest.approx(0.1, rel=0.15)
    assert found.worthwhile > 0.95


@pytest.mark.parametrize(
    ("gain", "spread", "expected"),
    [(-0.2, 0.05, True), (-0.2, 0.08, False), (-0.005, 0.0, False), (0.2, 0.0, False)],
)
def test_a_loss_is_clear_when_it_matters_and_is_beyond_doubt(gain, spread, expected):
    assert clearly_worse(a_judgement(gain=gain, spread=spread)) is expected


# ── guards ───────────────────────────────────────────────────────────────────
def guarded(policy, *rows, levels=None, since=None, noise=None, before=0.0):
    """The blocks since a change, as means in the signals' own units."""
    state = a_state(policy, levels=levels)
    trial = a_trial(state, policy, {policy.rules[0].name: 1.0})
    trial = replace(trial, since=NOW - len(rows) if since is None else since)
    blocks = past(policy.signals(), rows)
    noise = noise or a_noise(len(policy.signals()))
    tracker = effects.tracker(noise, PER_BLOCK, policy.forget_h, len(policy.rules))
    return guard_broken(trial, blocks, tracker, state.frame, policy)


HOT = (0.0, 3.5, 10.0)
"""Errors and speed on target, heat beyond its guard of 3."""
FINE = (1.0, 0.0, 10.0)


def test_a_guard_that_is_named_breaks_when_its_signal_moved_as_far():
    assert guarded(a_policy(), *[HOT] * 4) == "heat"
    assert guarded(a_policy(), *[(1.0, 2.5, 10.0)] * 4) is None
    assert guarded(a_policy(), *[(1.0, -3.5, 10.0)] * 4) is None
    assert guarded(a_policy(), *[FINE] * 4) is None


@pytest.mark.parametrize(("length", "found"), [(0, None), (1, None), (2, "heat"), (9, "heat")])
def test_one_block_may_be_a_hiccup_of_the_change(length, found):
    rows = [HOT] * max(length, 1)
    assert guarded(a_policy(), *rows, since=NOW - length) == found


def test_only_the_newest_half_minute_counts():
    assert guarded(a_policy(), *[FINE] * 20, *[HOT] * 6) == "heat"
    assert guarded(a_policy(), *[HOT] * 20, *[FINE] * 6) is None


@pytest.mark.parametrize(("variance", "found"), [(1e-6, "heat"), (1e-3, "heat"), (1.0, None)])
def test_what_noise_does_breaks_no_guard(variance, found):
    assert guarded(a_policy(), *[HOT] * 4, noise=a_noise(3, variance=variance)) == found


def test_a_target_that_noise_may_have_moved_is_not_broken():
    rows = [(1.3, 0.0, 10.0)] * 4
    assert guarded(a_policy(), *rows, noise=a_noise(3, variance=1.0)) is None


def test_a_signal_without_samples_breaks_nothing():
    assert guarded(a_policy(), *[(1.0, NAN, 10.0)] * 4) is None
    assert guarded(a_policy(), *[(NAN, 3.5, NAN)] * 4) == "heat"


def test_a_target_guards_itself_once_the_score_fell_and_it_is_clearly_missed():
    assert guarded(a_policy(), *[(1.3, 0.0, 10.0)] * 4) == "errors"
    assert guarded(a_policy(), *[(1.15, 0.0, 10.0)] * 4) is None  # missed, but not by far
    assert guarded(a_policy(), *[(0.5, 0.0, 10.0)] * 4) is None  # moved, and the right way


def test_a_target_that_is_missed_while_the_score_rose_is_for_the_verdict():
    rows = [(1.3, 0.0, 10.0)] * 4
    assert guarded(a_policy(), *rows, levels=[0.0, 0.0, -2.0]) is None


def test_the_first_signal_by_name_is_named():
    assert guarded(a_policy(), *[(1.5, 3.5, 10.0)] * 4) == "errors"


# ── another system ───────────────────────────────────────────────────────────
def jumped(policy, rows, since=0, **more):
    frame = frame_of(policy, np.zeros(len(policy.signals())))
    return regime_changed(past(policy.signals(), rows), since, a_noise(3, **more), frame)


CALM = [FINE] * 48


@pytest.mark.parametrize("row", [(2.0, 0.0, 10.0), (1.0, 3.0, 10.0), (1.0, 0.0, 5.0)])
def test_a_last_minute_unlike_all_before_is_another_system(row):
    assert jumped(a_policy(), CALM + [row] * 12)
    assert not jumped(a_policy(), CALM + [FINE] * 12)


@pytest.mark.parametrize(("variance", "expected"), [(1e-6, True), (1e-3, True), (4.0, False)])
def test_a_jump_within_what_noise_does_is_none(variance, expected):
    assert jumped(a_policy(), CALM + [(2.0, 0.0, 10.0)] * 12, variance=variance) is expected


def test_three_minutes_of_one_setting_are_needed_to_tell():
    rows = CALM + [(9.0, 0.0, 10.0)] * 12
    assert not jumped(a_policy(), rows, since=NOW - 35)
    assert jumped(a_policy(), rows, since=NOW - 36)


def test_what_was_long_ago_is_no_measure():
    rows = [(50.0, 0.0, 10.0)] * 100 + [FINE] * 60
    assert not jumped(a_policy(), rows)


def test_a_signal_that_was_mostly_missing_says_nothing():
    gone = [(NAN, 0.0, 10.0)] * 7
    assert not jumped(a_policy(), CALM + gone + [(9.0, 0.0, 10.0)] * 5)
    assert not jumped(a_policy(), [(NAN, 0.0, 10.0)] * 48 + [(9.0, 0.0, 10.0)] * 12)
