"""What would be: a look ahead that touches nothing, and what a step should bring."""

from dataclasses import replace

import numpy as np
import pytest

from daemon.tuning.decide import decide
from daemon.tuning.model import Asked, Move, Shift
from daemon.tuning.outlook import expected, look_now
from daemon.tuning.reasons import Reason
from daemon.tuning.vocabulary import DecisionKind
from tests.asking_kit import POLICY, low
from tests.tuning_kit import (
    NOW,
    a_policy,
    a_state,
    bits,
    calm,
    lone,
    observing,
    rules_of,
    seen,
    with_memory,
)


def view(state, policy=POLICY, **more):
    blocks = calm(policy, np.zeros(len(policy.signals())))
    return seen(policy, blocks, more.pop("rules", None) or rules_of(state, policy), **more)


# ── now ──────────────────────────────────────────────────────────────────────
def test_a_look_now_waits_for_no_pause():
    state = with_memory(low(look=NOW + 99), idle_until=NOW + 99, given_up=9)
    before = bits(state)
    assert decide(state, view(state), POLICY)[0].kind is DecisionKind.HOLD
    decision, after = look_now(state, view(state), POLICY)
    assert (decision.kind, decision.reason) == (DecisionKind.APPLY, Reason.BEST_EXPECTED)
    assert after.trial.moves == decision.moves
    assert bits(state) == before


@pytest.mark.parametrize(
    ("more", "reason"),
    [({"held": "by hand"}, Reason.HELD), ({"unfit": {"s": "silent"}}, Reason.SIGNAL_UNFIT)],
)
def test_a_look_now_overrules_no_guard(more, reason):
    state = low(look=NOW + 99)
    assert look_now(state, view(state, **more), POLICY)[0].reason is reason


def test_a_look_now_leaves_out_what_was_refused():
    state = with_memory(low(), resting={"r": NOW + 9})
    decision, _ = look_now(state, view(state), POLICY)
    assert decision.reason is Reason.NO_CANDIDATE
    assert {one.refused for one in decision.numbers.passed_over} == {Reason.COOLDOWN}


def test_a_look_now_asks_for_nothing_that_somebody_else_does():
    state = low()
    asked = Asked(kind="step", moves=(Move("r", 5.0, 4.0),))
    assert look_now(state, view(state, asked=asked), POLICY)[0].reason is Reason.BEST_EXPECTED


def test_a_look_now_at_nothing_or_at_an_open_change_is_a_cycle_like_any_other():
    assert look_now(None, seen(POLICY, calm(POLICY, length=3)), POLICY)[0].reason is (
        Reason.WARMING_UP
    )
    state = observing(POLICY, levels=[0.0])
    assert look_now(state, view(state), POLICY)[0].reason is Reason.OBSERVING


# ── what a step should bring ─────────────────────────────────────────────────
def test_a_step_of_ours_should_bring_what_the_core_said_of_it():
    state = low()
    chosen = decide(state, view(state), POLICY)[0].numbers.chosen
    assert expected(state, view(state), POLICY, chosen.moves) == chosen


def test_a_step_that_helps_gains_and_the_other_way_loses():
    state = low()
    up, down = (expected(state, view(state), POLICY, (Move("r", 5.0, new),)) for new in (6.0, 4.0))
    assert up.gain > 0 > down.gain
    assert up.risk < 0.01
    assert down.risk > 0.99
    assert 0 < up.spread < up.gain
    assert (up.refused, down.refused) == (None, None)


def test_a_step_that_would_be_refused_has_numbers_all_the_same():
    state = low()
    for moves, why in (
        ((Move("r", 5.0, 8.0),), Reason.TOO_FAR),
        ((Move("r", 5.0, 11.0),), Reason.AT_BOUND),
        ((Move("r", 4.0, 6.0),), Reason.STALE),
    ):
        found = expected(state, view(state), POLICY, moves)
        assert (found.moves, found.refused) == (moves, why)
        assert found.gain > 0
    still = expected(state, view(state), POLICY, (Move("r", 5.0, 5.0),))
    assert (still.gain, still.spread, still.refused) == (0.0, 0.0, Reason.NO_CANDIDATE)
    busy = observing(POLICY, levels=[-1.0])
    assert expected(busy, view(busy), POLICY, (Move("r", 6.0, 7.0),)).refused is Reason.BUSY


def test_of_two_rules_together_their_sum_is_expected():
    policy = a_policy()
    state = a_state(policy, levels=[1.0, 0.0, 0.0], responses=[[-0.4, -0.2], [0, 0], [0, 0]])
    one, other, both = (
        expected(state, view(state, policy), policy, moves).gain
        for moves in (
            (Move("q", 5.0, 6.0),),
            (Move("r", 5.0, 5.5),),
            (Move("r", 5.0, 5.5), Move("q", 5.0, 6.0)),
        )
    )
    assert min(one, other) > 0
    assert both == pytest.approx(one + other, rel=0.05)


def test_what_is_expected_is_told_in_the_frame_of_the_targets_as_they_are_now():
    state = low(baseline=np.array([0.0]))
    met = lone(targets=(replace(POLICY.targets[0], low=-3.0),))
    step = (Move("r", 5.0, 6.0),)
    assert expected(state, view(state), POLICY, step).gain > 0.1
    assert expected(state, view(state), met, step).gain == pytest.approx(0.0, abs=1e-6)


def test_where_nothing_is_known_no_number_is_claimed():
    step = (Move("r", 5.0, 6.0),)
    fresh = seen(POLICY, calm(POLICY, length=3))
    _, warming = decide(None, fresh, POLICY)
    other = replace(POLICY, warn={"t": Shift(rise=1.0)})
    unknown = [
        (None, fresh, POLICY, step, Reason.WARMING_UP),
        (warming, fresh, POLICY, step, Reason.WARMING_UP),
        (low(), view(low(), rules={"r": 2.0}), POLICY, step, Reason.SUPERSEDED),
        (low(), view(low(), other), other, step, Reason.WARMING_UP),
        (low(), view(low()), POLICY, (Move("x", 5.0, 6.0),), Reason.NO_CANDIDATE),
        (low(), view(low()), POLICY, (Move("r", 5.0, float("nan")),), Reason.AT_BOUND),
    ]
    for state, observation, policy, moves, why in unknown:
        found = expected(state, observation, policy, moves)
        assert (found.gain, found.spread, found.risk, found.refused) == (0.0, 0.0, 0.0, why)
