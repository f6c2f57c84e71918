"""One cycle: every phase of the loop, and every reason to do nothing."""

from dataclasses import replace

import numpy as np
import pytest

from daemon.tuning.change import Refused
from daemon.tuning.decide import decide
from daemon.tuning.guards import HOUR
from daemon.tuning.model import Shift
from daemon.tuning.reasons import Reason
from daemon.tuning.state import Memory, Phase
from daemon.tuning.vocabulary import DecisionKind, Verdict
from daemon.tuning.windows import BLOCK_US
from tests.tuning_kit import (
    NOW,
    Loop,
    System,
    a_judgement,
    a_policy,
    a_state,
    beliefs,
    blocks_in,
    calm,
    closing,
    lone,
    observing,
    opening,
    past,
    returning,
    rules_of,
    seen,
    with_memory,
)

NAN = float("nan")
POLICY = lone()
SETTLE, WINDOW = blocks_in(POLICY.settle_s), blocks_in(POLICY.observe_window_s)


def asked(state, policy=POLICY, blocks=None, **more):
    """Decide with controls that hold what the state thinks they do."""
    blocks = calm(policy, np.zeros(len(policy.signals()))) if blocks is None else blocks
    rules = more.pop("rules", None) or rules_of(state, policy)
    return decide(state, seen(policy, blocks, rules, **more), policy)


def low(policy=POLICY, **changed):
    """A state that is idle, below its target, and knows what helps."""
    return a_state(policy, believed=beliefs([-1.0], [[0.3]], doubt=0.05), **changed)


def said(outcome):
    return outcome[0].kind, outcome[0].reason


def holds(outcome, reason):
    decision, state = outcome
    assert (decision.kind, decision.reason) == (DecisionKind.HOLD, reason)
    assert decision.moves == ()
    assert state.reason is reason
    return state


# ── warming up ───────────────────────────────────────────────────────────────
def test_at_first_one_watches():
    decision, state = decide(None, seen(POLICY, calm(POLICY, [0.0], length=3)), POLICY)
    assert (decision.kind, decision.reason) == (DecisionKind.HOLD, Reason.WARMING_UP)
    assert decision.at_us == NOW * BLOCK_US
    assert decision.change is None
    assert (state.phase, state.setting, state.first) == (Phase.WARMING, (5.0,), NOW - 3)


def test_the_warm_up_lasts_as_long_as_it_is_said_to():
    loop = Loop(POLICY, System(POLICY, [[0.3]], [0.0]))
    reasons = [loop.cycle().reason for _ in range(blocks_in(POLICY.warmup_s))]
    assert set(reasons[:-1]) == {Reason.WARMING_UP}
    assert reasons[-1] is not Reason.WARMING_UP
    assert loop.decisions[-1].numbers.score == pytest.approx(0.0, abs=0.1)


def test_a_baseline_that_is_too_short_to_know_the_noise_by_is_prolonged():
    policy = lone(warmup_s=50.0)
    loop = Loop(policy, System(policy, [[0.3]], [-1.0]))
    assert {decision.reason for decision in loop.run(23)} == {Reason.WARMING_UP}
    assert loop.cycle().reason is not Reason.WARMING_UP


def test_a_signal_that_is_mostly_missing_is_no_baseline():
    rows = [0.0 if k % 3 == 0 else NAN for k in range(100)]
    state = holds(decide(None, seen(POLICY, past(("s",), rows)), POLICY), Reason.SIGNAL_UNFIT)
    assert state.phase is Phase.WARMING
    half = [0.1 * (k % 4) if k % 2 == 0 else NAN for k in range(100)]
    _, state = decide(None, seen(POLICY, past(("s",), half)), POLICY)
    assert state.phase is not Phase.WARMING


def test_no_block_at_all_is_a_hold():
    for policy in (POLICY, a_policy()):
        blocks = past(policy.signals(), [])
        holds(decide(None, seen(policy, blocks), policy), Reason.WARMING_UP)


def test_who_moves_a_rule_meanwhile_starts_the_warm_up_again():
    _, state = decide(None, seen(POLICY, calm(POLICY, [0.0], length=5)), POLICY)
    state = holds(asked(state, rules={"r": 6.0}), Reason.SUPERSEDED)
    assert (state.phase, state.setting) == (Phase.WARMING, (6.0,))
    holds(asked(state, blocks=calm(POLICY, [0.0], end=NOW + 20)), Reason.WARMING_UP)


# ── idle ─────────────────────────────────────────────────────────────────────
def test_the_best_step_is_asked_for():
    decision, state = asked(low())
    assert (decision.kind, decision.reason) == (DecisionKind.APPLY, Reason.BEST_EXPECTED)
    (move,) = decision.moves
    assert (move.rule, move.old, move.new) == ("r", 5.0, 6.0)
    assert decision.change == state.changes == state.trial.number == 1
    assert decision.numbers.chosen.moves == decision.moves
    assert (state.phase, state.setting) == (Phase.OPENING, (5.0,))


def test_a_step_that_was_tried_before_is_a_retry():
    decision, state = asked(with_memory(low(), repeats={"r+": 2}))
    assert (decision.kind, decision.reason) == (DecisionKind.APPLY, Reason.RETRY)
    assert state.trial.repeats == 2


def test_between_two_looks_the_last_reason_stands():
    state = low(look=NOW + 1, reason=Reason.NOT_WORTH_IT)
    holds(asked(state), Reason.NOT_WORTH_IT)
    assert asked(replace(state, look=NOW))[0].kind is DecisionKind.APPLY


def test_nothing_is_tried_while_all_is_held():
    state = holds(asked(low(), held="a HOLD file"), Reason.HELD)
    assert state.phase is Phase.IDLE
    assert state.look > NOW


def test_nothing_is_tried_while_a_signal_is_no_evidence():
    holds(asked(low(), unfit={"s": "frozen"}), Reason.SIGNAL_UNFIT)
    holds(asked(low(), blocks=past(("s",), [0.0] * 94 + [NAN] * 6)), Reason.SIGNAL_UNFIT)


def test_a_few_missing_blocks_are_none_the_worse():
    blocks = past(("s",), [-1.0] * 96 + [NAN] * 4)
    assert asked(low(), blocks=blocks)[0].kind is DecisionKind.APPLY


def test_after_a_change_the_system_rests_a_minute():
    holds(asked(low(quiet_since=NOW - 11)), Reason.RESTING)
    assert asked(low(quiet_since=NOW - 12))[0].kind is DecisionKind.APPLY


def test_the_budget_of_an_hour_is_kept():
    policy = lone(changes_per_hour=2)
    state = with_memory(low(), tried=(NOW - HOUR + 1, NOW - 50))
    holds(asked(state, policy), Reason.BUDGET_SPENT)
    state = with_memory(low(), tried=(NOW - HOUR, NOW - 50))
    assert asked(state, policy)[0].kind is DecisionKind.APPLY


def test_another_system_is_doubted_and_watched():
    state = with_memory(low(), failures={"r+": 3}, resting={"r": NOW - 1}, tried=(NOW - 90,))
    blocks = past(("s",), [0.0] * 140 + [2.0] * 12)
    decision, after = asked(state, blocks=blocks)
    assert (decision.kind, decision.reason) == (DecisionKind.HOLD, Reason.REGIME_CHANGED)
    _, doubt = after.believed.of_steps(np.eye(1))
    assert doubt[0, 0] > 0.1
    assert after.memory == Memory(tried=(NOW - 90,), resting={"r": NOW - 1})
    assert after.believed.level[0] == pytest.approx(1.0, abs=0.1)
    holds(asked(after, blocks=past(("s",), [2.0] * 60, end=NOW + 4)), Reason.TARGETS_MET)


def test_where_nothing_helped_one_looks_in_now_and_then():
    state = with_memory(low(), idle_until=NOW + 1, given_up=9)
    holds(asked(state), Reason.NOTHING_HELPS)
    assert asked(with_memory(state, idle_until=NOW))[0].kind is DecisionKind.APPLY


def test_a_score_that_fell_wakes_who_had_given_up():
    """What is followed says that the score is 0."""
    given_up = {"idle_until": NOW + 99, "given_up": 9}
    blocks = calm(POLICY, [0.0])
    for score, reason in ((0.0, Reason.NOTHING_HELPS), (0.5, Reason.BEST_EXPECTED)):
        decision, after = asked(with_memory(low(), score=score, **given_up), blocks=blocks)
        assert decision.reason is reason
        if reason is Reason.BEST_EXPECTED:
            assert after.memory.given_up < 9
            assert after.memory.score == pytest.approx(0.0, abs=0.1)


def test_where_all_targets_are_met_nothing_is_tried():
    state = a_state(POLICY, believed=beliefs([0.5], [[0.3]], doubt=0.05))
    state = holds(asked(state, blocks=calm(POLICY, [1.5])), Reason.TARGETS_MET)
    assert state.score == 1.0


def test_where_no_step_brings_enough_nothing_is_tried():
    state = a_state(POLICY, believed=beliefs([-1.0], [[0.0]], doubt=0.0001))
    decision, after = asked(state)
    holds((decision, after), Reason.NOT_WORTH_IT)
    assert {one.refused for one in decision.numbers.passed_over} == {Reason.NOT_WORTH_IT}


def test_where_every_step_is_refused_nothing_is_tried():
    decision, state = asked(low(), barred={"r": "a person's"})
    holds((decision, state), Reason.NO_CANDIDATE)
    assert {one.refused for one in decision.numbers.passed_over} == {Reason.BARRED}


def test_the_noise_is_learned_anew_now_and_then():
    state = low(fitted=NOW - 10_000)
    _, after = asked(state)
    assert after.fitted == NOW
    assert after.noise is not state.noise
    _, later = asked(after, blocks=calm(POLICY, [-1.0], end=NOW + 1))
    assert later.noise is after.noise


def test_where_the_noise_cannot_be_learned_the_old_one_stands():
    state = low(fitted=NOW - 10_000, quiet_since=NOW - 15)
    _, after = asked(state)
    assert after.noise is state.noise


# ── opening ──────────────────────────────────────────────────────────────────
def test_a_step_that_nobody_reported_was_not_made():
    state = opening(POLICY, look=NOW + 9)
    decision, after = asked(state)
    assert decision.kind is DecisionKind.HOLD
    assert (after.phase, after.trial) == (Phase.IDLE, None)


def test_a_dry_run_never_judges_what_did_not_happen():
    loop = Loop(POLICY, System(POLICY, [[0.3]], [-1.0]))
    for _ in range(300):
        loop.watch()
        if loop.ask().moves:
            loop.report(Refused(loop.blocks.end))
    kinds = {decision.kind for decision in loop.decisions}
    assert kinds == {DecisionKind.HOLD, DecisionKind.APPLY}
    assert Reason.SUPERSEDED not in {decision.reason for decision in loop.decisions}
    assert loop.rules == {"r": 5.0}
    assert loop.state.setting == (5.0,)


# ── observing ────────────────────────────────────────────────────────────────
def watched(level, length, policy=POLICY, state=None, **more):
    """Ask so many blocks after a step, with the signal where it is from then on."""
    state = state or observing(policy, {"r": 1.0}, levels=[-1.0], responses=[[0.0]])
    rows = [0.0] * 60 + [1.0 + level] * length
    return asked(state, policy, past(("s",), rows, end=NOW + length), **more)


def test_until_the_window_is_full_one_observes():
    for length in range(SETTLE + WINDOW):
        decision, state = watched(-1.0, length)
        holds((decision, state), Reason.OBSERVING)
        assert state.phase is Phase.OBSERVING
        assert decision.change == 1


def test_what_helped_is_kept():
    decision, state = watched(-0.6, SETTLE + WINDOW)
    assert (decision.kind, decision.reason) == (DecisionKind.KEEP, Reason.IMPROVED)
    assert (decision.moves, decision.change) == ((), 1)
    assert decision.numbers.judgement.verdict is Verdict.BETTER
    assert decision.numbers.judgement.effects[0].samples == 25 * WINDOW
    assert (state.phase, state.trial, state.setting) == (Phase.IDLE, None, (6.0,))


def test_what_did_nothing_is_taken_back():
    decision, state = watched(-1.0, SETTLE + WINDOW)
    assert decision.kind is DecisionKind.REVERT
    assert decision.numbers.judgement.verdict is Verdict.INCONCLUSIVE
    (move,) = decision.moves
    assert (move.rule, move.old, move.new) == ("r", 6.0, 5.0)
    assert (state.phase, state.setting) == (Phase.CLOSING, (6.0,))


def test_a_loss_beyond_doubt_ends_the_observation_early():
    policy = replace(POLICY, observe_window_s=300.0)
    ended = [said(watched(-1.3, n, policy)) for n in range(2, 40)]
    early = next(n for n, (kind, _) in enumerate(ended, 2) if kind is not DecisionKind.HOLD)
    assert SETTLE < early < SETTLE + 30
    assert set(ended[: early - 2]) == {(DecisionKind.HOLD, Reason.OBSERVING)}
    assert ended[early - 2] == (DecisionKind.ROLLBACK, Reason.SCORE_FELL)


def test_what_is_in_doubt_is_observed_to_the_end():
    policy = replace(POLICY, observe_window_s=100.0)
    for length in range(SETTLE + 20):
        holds(watched(-0.95, length, policy), Reason.OBSERVING)


def test_a_guard_that_breaks_ends_the_observation_at_once():
    policy = lone(warn={"s": Shift(fall=-0.5)})
    decision, state = watched(-1.6, 2, policy)
    assert (decision.kind, decision.reason) == (DecisionKind.ROLLBACK, Reason.GUARD_BROKEN)
    assert decision.numbers.detail == {"signal": "s"}
    assert decision.moves[0].new == 5.0
    assert state.memory.no_go[0].beyond == (("r", 1, 6.0),)


def test_a_target_is_guarded_without_anybody_saying_so():
    assert said(watched(-1.6, 3)) == (DecisionKind.ROLLBACK, Reason.GUARD_BROKEN)


@pytest.mark.parametrize("unfit", [{}, {"s": "frozen"}])
def test_without_evidence_one_waits_a_second_window_and_then_takes_back(unfit):
    policy = lone(min_samples=1 if unfit else 10_000)
    for length in range(SETTLE + WINDOW, SETTLE + 2 * WINDOW):
        decision, state = watched(-0.6, length, policy, unfit=unfit)
        assert (decision.kind, decision.reason) == (DecisionKind.EXTEND, Reason.MORE_SAMPLES)
        assert state.phase is Phase.OBSERVING
    decision, _ = watched(-0.6, SETTLE + 2 * WINDOW, policy, unfit=unfit)
    assert (decision.kind, decision.reason) == (DecisionKind.REVERT, Reason.INSUFFICIENT_DATA)
    assert decision.numbers.judgement.verdict is Verdict.INVALID


def test_the_samples_asked_for_are_enough_and_one_less_is_not():
    samples = 25 * WINDOW
    assert said(watched(-0.6, SETTLE + WINDOW, lone(min_samples=samples)))[0] is DecisionKind.KEEP
    found = watched(-0.6, SETTLE + WINDOW, lone(min_samples=samples + 1))
    assert found[0].kind is DecisionKind.EXTEND


def test_what_is_still_settling_is_no_sample():
    """A window that is short of samples is not filled up from before it began."""
    policy = lone(min_samples=50)
    state = observing(policy, {"r": 1.0}, levels=[-1.0])
    rows = [0.0] * 60 + [0.4] * (SETTLE + 1) + [NAN] * (WINDOW - 1)
    blocks = past(("s",), rows, end=NOW + SETTLE + WINDOW)
    assert asked(state, policy, blocks)[0].kind is DecisionKind.EXTEND


def test_a_signal_that_vanished_is_never_kept():
    found = watched(NAN, SETTLE + 2 * WINDOW)
    assert said(found) == (DecisionKind.REVERT, Reason.INSUFFICIENT_DATA)


def test_a_hold_stops_no_rollback():
    assert said(watched(-1.6, 3, held="a HOLD file"))[0] is DecisionKind.ROLLBACK
    assert said(watched(-1.6, 3, barred={"r": "frozen"}))[0] is DecisionKind.ROLLBACK


# ── closing, returning ───────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (a_judgement(Verdict.WORSE, Reason.SCORE_FELL), DecisionKind.ROLLBACK),
        (a_judgement(Verdict.WORSE, Reason.GUARD_BROKEN), DecisionKind.ROLLBACK),
        (a_judgement(), DecisionKind.REVERT),
        (a_judgement(Verdict.INVALID, Reason.INSUFFICIENT_DATA), DecisionKind.REVERT),
    ],
)
def test_a_rollback_is_asked_for_until_it_is_done(found, kind):
    state = closing(POLICY, found=found)
    for later in range(1, 4):
        blocks = calm(POLICY, [0.0], end=NOW + later)
        decision, state = asked(state, blocks=blocks, held="a HOLD file")
        assert (decision.kind, decision.reason) == (kind, found.cause)
        assert decision.numbers.judgement is found
        assert [(move.old, move.new) for move in decision.moves] == [(6.0, 5.0)]
        assert state.phase is Phase.CLOSING


def test_after_the_way_back_its_window_is_watched_first():
    state = returning(POLICY, look=NOW + 999)
    for later in range(SETTLE + WINDOW):
        blocks = calm(POLICY, [0.0], end=NOW + later)
        held = holds(asked(state, blocks=blocks), Reason.MEASURING_REVERSAL)
        assert held.phase is Phase.RETURNING
    _, after = asked(state, blocks=calm(POLICY, [0.0], end=NOW + SETTLE + WINDOW))
    assert (after.phase, after.trial) != (Phase.RETURNING, state.trial)
