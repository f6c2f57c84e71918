"""A change on its way: every phase, every event, and what is remembered of how it ended."""

from dataclasses import replace

import numpy as np
import pytest

from daemon.tuning import effects
from daemon.tuning.change import (
    BACK_OFF_MAX_S,
    BACK_OFF_S,
    GROUND,
    QUIET,
    Applied,
    Refused,
    evolve,
    kept,
    superseded,
    taken_back,
)
from daemon.tuning.decide import decide
from daemon.tuning.guards import HOUR
from daemon.tuning.reasons import Reason
from daemon.tuning.state import Memory, NoGo, Phase, Quiet
from daemon.tuning.vocabulary import Verdict
from tests.tuning_kit import (
    NOW,
    a_judgement,
    a_policy,
    a_state,
    a_trial,
    bits,
    blocks_in,
    calm,
    closing,
    lone,
    observing,
    opening,
    returning,
    seen,
    with_memory,
)

POLICY = a_policy(max_concurrent_changes=2)
WORSE = a_judgement(Verdict.WORSE, Reason.SCORE_FELL, 0.01)
BROKEN = a_judgement(Verdict.WORSE, Reason.GUARD_BROKEN, 0.4)
UNSURE = a_judgement(probability=0.6)
UNLIKELY = a_judgement(cause=Reason.NO_EFFECT, probability=0.1)


def taken(found, state=None, policy=POLICY, ways=None, at=NOW, **remembered):
    state = with_memory(state or observing(policy, ways), **remembered)
    return taken_back(state, state.trial, found, at, policy)


# ── every phase, every event ─────────────────────────────────────────────────
@pytest.mark.parametrize("event", [Applied(NOW + 3), Refused(NOW + 3)])
def test_a_report_that_nobody_waits_for_changes_nothing(event):
    warming = decide(None, seen(POLICY, calm(POLICY, length=5)), POLICY)[1]
    for state in (warming, a_state(POLICY), observing(POLICY), returning(POLICY)):
        assert evolve(state, event, POLICY) is state


def test_a_report_of_no_change_changes_nothing():
    state = replace(opening(POLICY), trial=None)
    assert evolve(state, Applied(NOW), POLICY) is state


def test_a_step_that_was_made_is_observed_from_its_block_on():
    state = evolve(opening(POLICY, {"q": 1.0, "r": -1.0}), Applied(NOW + 2), POLICY)
    assert (state.phase, state.trial.since, state.reason) == (
        Phase.OBSERVING,
        NOW + 2,
        Reason.OBSERVING,
    )
    assert state.setting == (6.0, 4.5)
    assert state.quiet_since == NOW + 2 + blocks_in(POLICY.settle_s)
    assert state.quiet[-1].end == NOW + 2
    assert state.quiet[-1].setting == (5.0, 5.0)


def test_what_was_moved_rests_and_counts():
    state = evolve(opening(POLICY, {"r": 1.0}), Applied(NOW + 2), POLICY)
    assert state.memory.resting == {"r": NOW + 2 + blocks_in(POLICY.cooldown_s)}
    assert state.memory.tried == (NOW + 2,)


def test_what_is_older_than_an_hour_no_longer_counts():
    state = with_memory(opening(POLICY), tried=(NOW - HOUR, NOW - HOUR + 1, NOW - 9))
    state = evolve(state, Applied(NOW), POLICY)
    assert state.memory.tried == (NOW - HOUR + 1, NOW - 9, NOW)


def test_the_level_goes_along_with_what_the_step_is_believed_to_do():
    state = opening(POLICY, {"q": 1.0}, responses=[[0.2, 0], [0, 0], [-0.3, 0]])
    moved = evolve(state, Applied(NOW), POLICY)
    np.testing.assert_allclose(moved.believed.level, [0.2, 0.0, -0.3])
    assert moved.trial.doubt is state.believed


def test_only_a_transition_that_was_not_made_lately_is_new_ground():
    first = evolve(opening(POLICY), Applied(NOW), POLICY)
    assert first.memory.ground == ((5.0, 5.0, 6.0, 5.0),)
    again = evolve(with_memory(opening(POLICY), ground=first.memory.ground), Applied(NOW), POLICY)
    _, doubt = again.believed.of_steps(np.eye(2))
    _, more = first.believed.of_steps(np.eye(2))
    assert (more[0] > doubt[0]).all()


def test_of_grounds_and_quiet_stretches_only_so_many_are_remembered():
    quiet = tuple(Quiet(first=k, end=k + 1, setting=(5.0, 5.0)) for k in range(QUIET))
    ground = tuple((float(k),) for k in range(GROUND))
    state = with_memory(opening(POLICY, quiet=quiet), ground=ground)
    state = evolve(state, Applied(NOW), POLICY)
    assert len(state.quiet) == QUIET
    assert state.quiet[0].first == 1
    assert len(state.memory.ground) == GROUND
    assert state.memory.ground[0] == (1.0,)


def test_a_stretch_that_ended_before_it_began_is_none():
    state = evolve(opening(POLICY, quiet_since=NOW + 4), Applied(NOW + 2), POLICY)
    assert state.quiet == ()


def test_a_step_that_was_refused_is_not_asked_for_again_at_once():
    before = opening(POLICY, {"r": 1.0})
    state = evolve(before, Refused(NOW), POLICY)
    assert (state.phase, state.trial, state.setting) == (Phase.IDLE, None, before.setting)
    assert state.memory.until == {"r+": NOW + blocks_in(POLICY.cooldown_s)}
    assert (state.memory.tried, state.memory.resting) == ((), {})
    assert state.believed is before.believed


def test_a_rollback_that_was_refused_is_still_wanted():
    state = closing(POLICY)
    assert evolve(state, Refused(NOW), POLICY) is state


def test_a_rollback_that_was_done_is_measured_from_its_block_on():
    state = evolve(closing(POLICY, {"q": 1.0, "r": -1.0}), Applied(NOW + 30), POLICY)
    assert (state.phase, state.trial.since, state.reason) == (
        Phase.RETURNING,
        NOW + 30,
        Reason.MEASURING_REVERSAL,
    )
    assert state.setting == (5.0, 5.0)
    until = NOW + 30 + blocks_in(POLICY.cooldown_s)
    assert state.memory.resting == {"q": until, "r": until}
    assert state.memory.tried == (NOW,)


def test_taking_back_takes_the_level_back_and_keeps_what_was_learned():
    responses = [[0.2, 0], [0, 0], [-0.3, 0]]
    state = closing(POLICY, found=UNSURE, responses=responses)
    back = evolve(state, Applied(NOW + 30), POLICY)
    np.testing.assert_allclose(back.believed.level, np.zeros(3), atol=1e-12)
    np.testing.assert_allclose(back.believed.mean[:, effects.FIRST :], responses)


SICK = a_judgement(Verdict.INVALID, Reason.INSUFFICIENT_DATA, 0.99)


@pytest.mark.parametrize("found", [BROKEN, SICK])
def test_after_what_teaches_nothing_only_what_was_believed_before_is_believed(found):
    state = closing(POLICY, found=found)
    assert evolve(state, Applied(NOW + 30), POLICY).believed is state.trial.doubt


# ── somebody else ────────────────────────────────────────────────────────────
@pytest.mark.parametrize("make", [a_state, opening, observing, closing, returning])
def test_who_moves_a_rule_ends_what_was_open(make):
    state = superseded(make(POLICY), (5.0, 7.0), NOW + 9, POLICY)
    assert (state.phase, state.trial, state.setting) == (Phase.IDLE, None, (5.0, 7.0))
    assert state.quiet_since == NOW + 9 + blocks_in(POLICY.settle_s)


def test_a_person_s_move_takes_the_level_along_in_steps_of_the_rule():
    state = a_state(POLICY, responses=[[0.0, 0.1], [0, 0], [0, 0]])
    state = superseded(state, (5.0, 7.0), NOW, POLICY)
    assert state.believed.level[0] == pytest.approx(0.4)  # four steps of a half


def test_a_system_that_is_still_watched_is_watched_anew():
    warming = decide(None, seen(POLICY, calm(POLICY, length=5)), POLICY)[1]
    state = superseded(warming, (5.0, 7.0), NOW, POLICY)
    assert (state.phase, state.believed, state.setting) == (Phase.WARMING, None, (5.0, 7.0))
    assert state.quiet_since == NOW + blocks_in(POLICY.settle_s)


# ── how it ended ─────────────────────────────────────────────────────────────
def test_what_helped_is_forgiven_everything():
    state = with_memory(
        observing(POLICY, {"q": 1.0}),
        failures={"q+": 3, "r-": 1},
        repeats={"q+": 2, "r-": 1},
        given_up=7,
        idle_until=NOW + 99,
    )
    state = kept(state, state.trial)
    assert (state.phase, state.trial) == (Phase.IDLE, None)
    memory = state.memory
    assert (memory.failures, memory.repeats) == ({"r-": 1}, {"r-": 1})
    assert (memory.given_up, memory.idle_until) == (0, 0)
    assert memory.resting == {"q": NOW + blocks_in(POLICY.cooldown_s)}


@pytest.mark.parametrize("found", [WORSE, BROKEN, UNSURE, UNLIKELY])
def test_what_is_taken_back_waits_for_the_controls(found):
    state = taken(found)
    assert state.phase is Phase.CLOSING
    assert state.trial.closed is found
    assert state.setting == (6.0, 5.0)


def test_what_nobody_could_tell_is_tried_again_after_a_window():
    state = taken(UNSURE)
    pause = blocks_in(POLICY.settle_s + POLICY.observe_window_s)
    assert state.memory.repeats == {"q+": 1}
    assert state.memory.until == {"q+": NOW + pause}
    assert state.memory.failures == {}


def test_it_is_tried_again_only_so_often():
    policy = replace(POLICY, max_extensions=3)
    state = taken(UNSURE, policy=policy, repeats={"q+": 2})
    assert state.memory.repeats == {"q+": 3}
    state = taken(UNSURE, policy=policy, repeats={"q+": 3})
    assert state.memory.repeats == {}
    assert state.memory.failures == {"q+": 1}


@pytest.mark.parametrize(
    "found",
    [
        WORSE,
        BROKEN,
        a_judgement(cause=Reason.TOO_SMALL, probability=0.99),
        a_judgement(Verdict.INVALID, Reason.INSUFFICIENT_DATA, 0.6),
        UNLIKELY,
    ],
)
def test_what_is_known_well_enough_is_given_up(found):
    state = taken(found)
    assert state.memory.repeats == {}
    assert state.memory.failures["q+"] == 1
    assert state.memory.until["q+"] == NOW + blocks_in(BACK_OFF_S)
    assert state.memory.given_up == 1


def test_without_toggling_nothing_is_tried_twice():
    state = taken(UNSURE, policy=replace(POLICY, paired_toggling=False))
    assert state.memory.failures == {"q+": 1}


def test_once_the_loop_slowed_down_nothing_is_tried_twice():
    state = taken(UNSURE, given_up=1000)
    assert state.memory.failures == {"q+": 1}


@pytest.mark.parametrize("times", [0, 1, 4, 5, 99])
def test_a_key_rests_twice_as_long_each_time_and_an_hour_at_most(times):
    state = taken(WORSE, failures={"q+": times})
    pause = min(BACK_OFF_S * 2**times, BACK_OFF_MAX_S)
    assert state.memory.until["q+"] == NOW + blocks_in(pause)
    assert state.memory.failures == {"q+": times + 1}


@pytest.mark.parametrize("times", [1023, 1024, 10_000, 1_000_000])
def test_a_year_of_failures_is_no_overflow(times):
    state = taken(WORSE, failures={"q+": times}, given_up=times)
    assert state.memory.until["q+"] == NOW + blocks_in(BACK_OFF_MAX_S)
    assert state.memory.idle_until == NOW + blocks_in(POLICY.idle_trial_s)


def test_what_is_given_up_in_a_row_slows_the_loop_down_more_and_more():
    state, pauses = taken(WORSE), []
    for _ in range(60):
        opened = replace(state, phase=Phase.OBSERVING)
        state = taken_back(opened, opened.trial, WORSE, NOW, POLICY)
        pauses.append(max(state.memory.idle_until - NOW, 0))
    assert pauses == sorted(pauses)
    assert pauses[0] == 0
    assert pauses[-1] == blocks_in(POLICY.idle_trial_s)
    assert len(set(pauses)) > 3
    assert state.memory.score == state.score


# ── longer steps ─────────────────────────────────────────────────────────────
def test_a_step_that_showed_nothing_allows_a_longer_one():
    assert taken(UNSURE).memory.doubled == ("q+",)
    assert taken(a_judgement(probability=0.3)).memory.doubled == ("q+",)
    assert taken(UNLIKELY, doubled=("q+", "r-")).memory.doubled == ("r-",)


def test_a_long_step_must_look_better_than_even_to_be_allowed_again():
    for probability, expected in ((0.6, ("q+",)), (0.4, ())):
        state = taken(a_judgement(probability=probability), ways={"q": 2.0}, doubled=("q+",))
        assert state.memory.doubled == expected


def test_what_is_known_to_be_too_small_needs_no_longer_step():
    found = a_judgement(cause=Reason.TOO_SMALL, probability=0.99)
    assert taken(found, doubled=("q+",)).memory.doubled == ()


def test_where_one_step_is_the_longest_none_is_allowed():
    assert taken(UNSURE, policy=replace(POLICY, max_step_mult=1.0)).memory.doubled == ()


def test_a_short_step_that_showed_little_is_tried_again_at_once_as_a_long_one():
    little = a_judgement(probability=0.4)
    assert taken(little).memory.repeats == {"q+": 1}
    assert taken(little, ways={"q": 2.0}).memory.repeats == {}


# ── corners ──────────────────────────────────────────────────────────────────
def test_where_a_guard_broke_nobody_goes_for_a_while_longer_each_time():
    pause = blocks_in(POLICY.no_go_s)
    state = taken(BROKEN, ways={"q": 1.0, "r": -1.0})
    corner = (("q", 1, 6.0), ("r", -1, 4.5))
    assert state.memory.no_go == (NoGo(corner, NOW + pause),)
    old = NoGo(corner, NOW)
    young = NoGo((("q", -1, 1.0),), NOW + 1)
    failures = dict(state.memory.failures)
    again = taken(BROKEN, ways={"q": 1.0, "r": -1.0}, no_go=(old, young), failures=failures)
    assert again.memory.no_go == (young, NoGo(corner, NOW + 2 * pause))


def test_only_a_broken_guard_shuts_a_corner():
    for found in (WORSE, UNSURE, UNLIKELY):
        assert taken(found).memory.no_go == ()


def test_nothing_of_a_state_is_altered_by_what_comes_after():
    state = observing(POLICY)
    before = bits(state)
    taken_back(state, state.trial, BROKEN, NOW, POLICY)
    kept(state, state.trial)
    superseded(state, (1.0, 1.0), NOW, POLICY)
    evolve(closing(POLICY), Applied(NOW), POLICY)
    assert bits(state) == before


def test_a_rule_that_was_moved_alone_leaves_the_others_where_they_are():
    policy = lone(rules=(a_policy().rules))
    state = a_state(policy)
    trial = a_trial(state, policy, {"r": 1.0})
    state = evolve(replace(state, phase=Phase.OPENING, trial=trial), Applied(NOW), policy)
    assert state.setting == (5.0, 5.5)
    assert state.memory == replace(
        Memory(), tried=(NOW,), resting={"r": NOW + 8}, ground=((5.0, 5.0, 5.0, 5.5),)
    )
