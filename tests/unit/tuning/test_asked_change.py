"""A person's word on a change that is open: kept, observed longer, or left alone."""

from dataclasses import replace

import pytest

from daemon.tuning.asked import refusal
from daemon.tuning.decide import decide
from daemon.tuning.guards import HOUR
from daemon.tuning.model import LONGER_S, Asked, Move, Shift
from daemon.tuning.reasons import Reason
from daemon.tuning.state import Phase
from daemon.tuning.vocabulary import DecisionKind, Verdict
from tests.asking_kit import POLICY, a_step, answer, longer, low, told
from tests.tuning_kit import (
    NOW,
    bits,
    blocks_in,
    calm,
    closing,
    lone,
    observing,
    opening,
    past,
    returning,
    with_memory,
)

SETTLE, WINDOW = blocks_in(POLICY.settle_s), blocks_in(POLICY.observe_window_s)
KEEP = Asked(kind="keep")


# ── while a change is open ───────────────────────────────────────────────────
def same_as_unasked(state, asked, policy=POLICY, blocks=None):
    """A request that is not carried out and disturbs nothing; say what stood against it."""
    observation = told(state, asked, policy, blocks)
    why = refusal(state, observation, policy)
    assert why is not None
    decision, after = decide(state, observation, policy)
    plain, unasked = decide(state, replace(observation, asked=None), policy)
    assert repr(decision) == repr(plain)
    assert bits(after) == bits(unasked)
    return why


@pytest.mark.parametrize("make", [observing, closing])
def test_a_step_waits_for_the_change_that_is_open_and_does_not_disturb_it(make):
    for length in (1, SETTLE + WINDOW):
        blocks = calm(POLICY, [0.0], end=NOW + length)
        state = make(POLICY)
        assert same_as_unasked(state, a_step(state, r=7.0), blocks=blocks) is Reason.BUSY


@pytest.mark.parametrize("asked", [KEEP, longer(6)])
@pytest.mark.parametrize("make", [low, opening, closing, returning])
def test_where_no_change_is_observed_there_is_none_to_keep(make, asked):
    state = make() if make is low else make(POLICY)
    assert same_as_unasked(state, asked) is Reason.NOTHING_OPEN


@pytest.mark.parametrize("asked", [KEEP, longer(6)])
def test_before_anything_is_known_there_is_nothing_to_keep_either(asked):
    observation = told(low(), asked, blocks=calm(POLICY, [0.0], length=3))
    decision, _ = decide(None, observation, POLICY)
    assert decision.reason is Reason.WARMING_UP
    assert refusal(None, observation, POLICY) is Reason.NOTHING_OPEN


# ── a change that a person keeps ─────────────────────────────────────────────
def followed_by(level, length, **changed):
    """A change that is observed, so many blocks after it was made, and what is seen then."""
    state = observing(POLICY, levels=[-1.0], **changed)
    rows = [0.0] * 60 + [level] * length
    return state, past(("s",), rows, end=NOW + length)


def test_a_change_that_a_person_wants_is_kept_at_once():
    state, blocks = followed_by(0.0, 1)
    state = with_memory(state, failures={"r+": 2}, given_up=5, dry=3, idle_until=NOW + 99)
    decision, after = answer(state, KEEP, blocks=blocks)
    assert (decision.kind, decision.reason) == (DecisionKind.KEEP, Reason.CONFIRMED)
    assert (decision.moves, decision.change) == ((), 1)
    assert (after.phase, after.trial, after.setting) == (Phase.IDLE, None, (6.0,))
    assert (after.memory.failures, after.memory.given_up) == ({}, 0)
    assert (after.memory.dry, after.memory.idle_until, after.look) == (0, 0, NOW + 1)
    found = decision.numbers.judgement
    assert (found.verdict, found.cause) == (Verdict.INCONCLUSIVE, Reason.OBSERVING)
    assert [effect.samples for effect in found.effects] == [0]


@pytest.mark.parametrize(
    ("level", "length", "verdict"),
    [
        (0.5, SETTLE + WINDOW, Verdict.BETTER),
        (0.5, SETTLE + WINDOW - 1, Verdict.INCONCLUSIVE),
        (0.0, SETTLE + WINDOW, Verdict.INCONCLUSIVE),
        (-0.9, SETTLE + 3, Verdict.WORSE),
    ],
)
def test_what_was_measured_is_said_as_it_is(level, length, verdict):
    state, blocks = followed_by(level, length)
    decision, _ = answer(state, KEEP, blocks=blocks)
    assert decision.reason is Reason.CONFIRMED
    found = decision.numbers.judgement
    assert found.verdict is verdict
    broken = decision.numbers.detail.get("signal")
    assert (broken == "s") is (found.cause is Reason.GUARD_BROKEN) is (verdict is Verdict.WORSE)


def test_a_broken_guard_is_named_but_does_not_overrule_a_person():
    policy = lone(warn={"s": Shift(fall=-0.5)})
    state = observing(policy, levels=[-1.0])
    blocks = past(("s",), [0.0] * 60 + [-0.9] * 5, end=NOW + 5)
    plain, _ = decide(state, told(state, None, policy, blocks), policy)
    assert plain.kind is DecisionKind.ROLLBACK
    decision, _ = answer(state, KEEP, policy, blocks)
    assert decision.kind is DecisionKind.KEEP
    assert decision.numbers.judgement.cause is Reason.GUARD_BROKEN
    assert decision.numbers.judgement.effects == plain.numbers.judgement.effects


@pytest.mark.parametrize("lacking", ["samples", "fitness"])
def test_without_evidence_no_verdict_is_claimed(lacking):
    state, blocks = followed_by(0.5, SETTLE + WINDOW)
    policy = lone(min_samples=10_000) if lacking == "samples" else POLICY
    unfit = {"s": "stale"} if lacking == "fitness" else {}
    decision, _ = answer(state, KEEP, policy, blocks, unfit=unfit)
    found = decision.numbers.judgement
    assert decision.kind is DecisionKind.KEEP
    assert (found.verdict, found.cause) == (Verdict.INCONCLUSIVE, Reason.OBSERVING)
    assert found.probability > 0.97


def test_to_keep_a_change_nothing_is_moved_so_nothing_forbids_it():
    state, blocks = followed_by(0.0, 3)
    more = {"held": "by hand", "barred": {"r": "frozen"}, "unfit": {"s": "stale"}}
    assert answer(state, KEEP, blocks=blocks, **more)[0].kind is DecisionKind.KEEP
    assert answer(state, longer(6), blocks=blocks, **more)[0].kind is DecisionKind.EXTEND


# ── a change that is observed longer ─────────────────────────────────────────
def test_a_change_is_judged_so_many_blocks_later():
    state, blocks = followed_by(0.5, SETTLE + WINDOW)
    decision, after = answer(state, longer(4), blocks=blocks)
    assert (decision.kind, decision.reason) == (DecisionKind.EXTEND, Reason.ASKED)
    assert decision.moves == ()
    assert decision.numbers.detail == {"blocks": 4, "extra": 4}
    assert (after.phase, after.trial.extra) == (Phase.OBSERVING, 4)
    kinds = []
    for later in (3, 4):
        _, blocks = followed_by(0.5, SETTLE + WINDOW + later)
        kinds.append(decide(after, told(after, None, blocks=blocks), POLICY)[0].kind)
    assert kinds == [DecisionKind.HOLD, DecisionKind.KEEP]


def test_the_end_for_want_of_samples_comes_later_too():
    policy = lone(min_samples=10_000)
    for extra, kind in ((0, DecisionKind.REVERT), (4, DecisionKind.EXTEND)):
        state, blocks = followed_by(0.5, SETTLE + 2 * WINDOW)
        state = replace(state, trial=replace(state.trial, extra=extra))
        assert decide(state, told(state, None, policy, blocks), policy)[0].kind is kind


def test_what_is_clearly_worse_is_not_watched_to_the_end():
    state, blocks = followed_by(0.0, 1)
    _, state = answer(state, longer(999), blocks=blocks)
    _, blocks = followed_by(-0.9, SETTLE + 8)
    decision, _ = decide(state, told(state, None, blocks=blocks), POLICY)
    assert decision.kind is DecisionKind.ROLLBACK


def test_a_change_is_observed_half_a_day_longer_at_most():
    most = round(LONGER_S / 3600) * HOUR
    state, blocks = followed_by(0.0, 1)
    _, after = answer(state, longer(most - 1), blocks=blocks)
    assert same_as_unasked(after, longer(2), blocks=blocks) is Reason.TOO_FAR
    _, after = answer(after, longer(1), blocks=blocks)
    assert after.trial.extra == most
    for nothing in (0, -5):
        assert same_as_unasked(state, longer(nothing), blocks=blocks) is Reason.NO_CANDIDATE


# ── when the world moved meanwhile ───────────────────────────────────────────
@pytest.mark.parametrize("kind", ["step", "keep", "extend"])
def test_where_somebody_else_moved_a_rule_that_is_said(kind):
    asked = Asked(kind=kind, moves=(Move("r", 2.0, 3.0),), blocks=1)
    for state in (low(), observing(POLICY)):
        observation = told(state, asked, rules={"r": 2.0})
        assert refusal(state, observation, POLICY) is Reason.SUPERSEDED
        decision, after = decide(state, observation, POLICY)
        assert decision.reason is Reason.SUPERSEDED
        assert after.trial is None


@pytest.mark.parametrize("kind", ["step", "keep", "extend"])
def test_where_the_policy_is_another_one_what_is_open_is_taken_back_first(kind):
    other = replace(POLICY, warn={"t": Shift(rise=1.0)})
    blocks = calm(other, [0.0, 0.0], length=10)
    asked = Asked(kind=kind, moves=(Move("r", 6.0, 7.0),), blocks=1)
    state = observing(POLICY)
    observation = told(state, asked, other, blocks, rules={"r": 6.0})
    assert refusal(state, observation, other) is Reason.POLICY_CHANGED
    assert decide(state, observation, other)[0].reason is Reason.POLICY_CHANGED
    state = low()
    observation = told(state, asked, other, blocks, rules={"r": 5.0})
    why = Reason.WARMING_UP if kind == "step" else Reason.NOTHING_OPEN
    assert refusal(state, observation, other) is why
    assert decide(state, observation, other)[0].reason is Reason.WARMING_UP
