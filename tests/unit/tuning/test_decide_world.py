"""One cycle after something else changed: a rule by hand, the policy, the past that is known."""

from dataclasses import replace

import numpy as np
import pytest

from daemon.tuning.change import Applied, Refused, evolve
from daemon.tuning.decide import decide
from daemon.tuning.model import Shift, Target
from daemon.tuning.reasons import Reason
from daemon.tuning.state import Phase, Quiet
from daemon.tuning.vocabulary import DecisionKind, Verdict
from tests.tuning_kit import (
    NOW,
    Loop,
    System,
    a_judgement,
    a_policy,
    a_rule,
    a_state,
    beliefs,
    blocks_in,
    calm,
    closing,
    inits,
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


def low(policy=POLICY, **changed):
    """A state that is idle, below its target, and knows what helps."""
    return a_state(policy, believed=beliefs([-1.0], [[0.3]], doubt=0.05), **changed)


def asked(state, policy=POLICY, blocks=None, rules=None):
    blocks = calm(policy, np.zeros(len(policy.signals()))) if blocks is None else blocks
    return decide(state, seen(policy, blocks, rules or rules_of(state, policy)), policy)


# ── a rule moved by somebody else ────────────────────────────────────────────
@pytest.mark.parametrize("make", [low, opening, observing, closing, returning])
def test_what_a_person_moved_is_theirs(make):
    state = make() if make is low else make(POLICY)
    decision, after = asked(state, rules={"r": 2.0})
    assert (decision.kind, decision.reason) == (DecisionKind.HOLD, Reason.SUPERSEDED)
    assert (after.setting, after.trial, decision.moves) == ((2.0,), None, ())


def test_a_value_that_was_rounded_on_its_way_is_the_same():
    state = low()
    decision, _ = asked(state, rules={"r": 5.0 * (1 + 1e-12)})
    assert decision.reason is Reason.BEST_EXPECTED
    assert decision.moves[0].old == 5.0


def test_a_change_counts_from_when_the_controls_had_it():
    late = NOW + 3
    state = evolve(opening(POLICY, levels=[-1.0]), Applied(late), POLICY)
    window = blocks_in(POLICY.settle_s + POLICY.observe_window_s)
    for length, kinds in ((window - 1, {DecisionKind.HOLD}), (window, {DecisionKind.KEEP})):
        rows = [0.0] * 60 + [0.5] * length
        blocks = past(("s",), rows, end=late + length)
        assert {asked(state, blocks=blocks)[0].kind} == kinds


# ── what is known of the past ────────────────────────────────────────────────
def test_time_that_nobody_saw_makes_everything_less_sure():
    state = low(noise=None, fitted=0)
    sure = asked(low(look=NOW + 9999), blocks=calm(POLICY, [0.0]))[1].believed
    gap = past(("s",), [NAN] * 1000, end=NOW + 1000)
    unsure = asked(low(look=NOW + 9999), blocks=gap)[1].believed
    assert (unsure.level_sd > sure.level_sd).all()
    assert unsure.level == pytest.approx(sure.level)
    assert state.phase is Phase.IDLE


def test_a_past_that_begins_anew_is_followed_from_where_it_begins():
    """The process was away: its state is old, and the blocks before it came back are gone."""
    blocks = calm(POLICY, [0.0], length=50, end=NOW + 3000)
    decision, after = asked(low(), blocks=blocks)
    assert decision.kind in {DecisionKind.HOLD, DecisionKind.APPLY}
    assert after.block == NOW + 3000
    assert np.isfinite(after.believed.mean).all()


def test_blocks_that_were_followed_are_not_followed_twice():
    once = asked(low(look=NOW + 99), blocks=calm(POLICY, [0.0], end=NOW + 5))[1]
    twice = asked(once, blocks=calm(POLICY, [0.0], end=NOW + 5))[1]
    assert (twice.believed.mean == once.believed.mean).all()
    assert (twice.believed.cov == once.believed.cov).all()


def test_a_quiet_stretch_that_is_no_longer_known_teaches_nothing():
    """Its blocks are gone: those that are known are of another setting."""
    rows = np.where(np.arange(100) < 50, 0.5, 0.0)
    rows = rows + 0.01 * np.random.default_rng(3).standard_normal(100)
    noises = []
    for quiet in ((), (Quiet(first=800, end=860, setting=(4.0,)),)):
        state = low(noise=None, fitted=0, quiet=quiet, quiet_since=950)
        _, after = asked(state, blocks=past(("s",), rows))
        noises.append(after.noise.processes[0].variance[0])
    assert noises[0] == noises[1] < 0.001


def test_signals_are_told_apart_by_their_names_and_not_by_their_place():
    policy = a_policy()
    blocks = calm(policy, [1.5, 0.0, 8.0])
    turned = past(blocks.signals[::-1], blocks.mean[:, ::-1], blocks.end)
    expected, _ = decide(None, seen(policy, blocks), policy)
    try:
        found, _ = decide(None, seen(policy, turned), policy)
    except ValueError:
        return  # to refuse is as good as to understand
    assert repr(found) == repr(expected)


# ── the policy was edited ────────────────────────────────────────────────────
def working(policy):
    slopes = [[-0.3, 0.0], [0.0, 0.0], [0.0, 1.0]]
    return Loop(policy, System(policy, slopes, [2.0, 50.0, 5.0], sd=0.02))


def retargeted(policy, errors):
    target = replace(policy.targets[0], high=errors)
    return replace(policy, targets=(target, policy.targets[1]))


def test_a_target_that_was_edited_is_aimed_at():
    loop = working(a_policy())
    for _ in range(40):
        if loop.run(10)[-1].reason is Reason.TARGETS_MET:
            break
    before = loop.rules["q"]
    assert before < 10.0
    loop.policy = retargeted(loop.policy, errors=0.6)
    loop.until(DecisionKind.APPLY)
    loop.run(200)
    assert loop.rules["q"] > before


def test_an_edit_that_changes_nothing_that_is_read_changes_nothing():
    policy = a_policy()
    state = a_state(policy, levels=[1.0, 0.0, -1.0])
    one = asked(state, policy)[0]
    other = asked(state, replace(policy, digest="another"))[0]
    assert repr(one) == repr(other)


@pytest.mark.parametrize("bounds", [(0.0, 4.5), (5.5, 10.0), (4.9, 5.1)])
def test_bounds_that_were_edited_hold_from_the_next_step_on(bounds):
    policy = lone(rules=(a_rule(low=bounds[0], high=bounds[1]),))
    decision, _ = asked(low(), policy)
    for move in decision.moves:
        assert bounds[0] <= move.new <= bounds[1]


def test_limits_survive_an_edit_of_the_signals():
    """What was changed within the hour counts, and rules rest, whatever is watched now."""
    policy = a_policy(changes_per_hour=1, cooldown_s=3600.0)
    state = with_memory(a_state(policy), tried=(NOW - 9,), resting={"q": NOW + 600}, given_up=3)
    state = replace(state, changes=7)
    edited = replace(policy, warn={})
    decision, after = asked(state, edited)
    assert decision.kind is DecisionKind.HOLD
    assert after.memory.tried == (NOW - 9,)
    assert after.memory.resting == {"q": NOW + 600}
    assert after.changes == 7


def test_an_edit_never_repeats_a_number_nor_breaks_the_budget():
    loop = working(a_policy(changes_per_hour=2))
    loop.until(DecisionKind.APPLY)
    loop.run(3)
    loop.policy = retargeted(loop.policy, errors=0.9)
    loop.run(100)
    loop.policy = replace(loop.policy, min_gain=0.001)
    loop.run(300)
    numbers = [one.change for one in loop.decisions if one.kind is DecisionKind.APPLY]
    assert numbers == sorted(set(numbers))
    assert len(numbers) <= 2


def test_a_rule_that_is_new_is_learned_of_from_the_beginning():
    policy = lone(rules=(a_rule("r"), a_rule("new")))
    blocks = calm(policy, [0.0], length=10)
    decision, after = asked(low(), policy, blocks, rules={"r": 5.0, "new": 5.0})
    assert decision.kind is DecisionKind.HOLD
    assert after.phase is Phase.WARMING
    assert after.setting == (5.0, 5.0)


def test_a_target_that_is_new_is_learned_of_from_the_beginning():
    policy = lone(targets=(*POLICY.targets, Target(signal="t", high=1.0)))
    decision, after = asked(low(), policy, calm(policy, [0.0, 0.0], length=10))
    assert (decision.kind, after.phase) == (DecisionKind.HOLD, Phase.WARMING)


OTHER = replace(POLICY, warn={"t": Shift(rise=1.0)})


@pytest.mark.parametrize("make", [observing, closing])
def test_what_is_open_is_taken_back_before_another_signal_is_read(make):
    """Nobody could judge it any more; the way back is asked for until it is done."""
    state = make(POLICY, found=a_judgement(Verdict.WORSE)) if make is closing else make(POLICY)
    for later in range(3):
        blocks = calm(OTHER, [0.0, 0.0], length=10, end=NOW + later)
        decision, state = asked(state, OTHER, blocks)
        assert decision.kind in {DecisionKind.REVERT, DecisionKind.ROLLBACK}
        assert [(move.old, move.new) for move in decision.moves] == [(6.0, 5.0)]
        state = evolve(state, Refused(NOW + later), OTHER)
    if make is observing:
        assert decision.reason is Reason.POLICY_CHANGED
    state = evolve(state, Applied(NOW + 3), OTHER)
    blocks = calm(OTHER, [0.0, 0.0], length=10, end=NOW + 4)
    decision, after = asked(state, OTHER, blocks, rules={"r": 5.0})
    assert (decision.kind, after.phase, after.trial) == (DecisionKind.HOLD, Phase.WARMING, None)


@pytest.mark.parametrize("make", [opening, returning])
def test_what_is_not_in_force_is_forgotten_when_another_signal_is_read(make):
    blocks = calm(OTHER, [0.0, 0.0], length=10)
    decision, after = asked(make(POLICY), OTHER, blocks)
    assert (decision.kind, after.phase, after.trial) == (DecisionKind.HOLD, Phase.WARMING, None)


def test_a_target_that_is_edited_during_the_warm_up_is_the_one_that_counts():
    _, state = decide(None, seen(POLICY, calm(POLICY, [0.0], length=5)), POLICY)
    edited = lone(targets=(replace(POLICY.targets[0], low=-3.0),))
    decision, after = asked(state, edited, calm(POLICY, [0.0], length=60, end=NOW + 30))
    assert decision.reason is Reason.TARGETS_MET
    assert after.score == 1.0


@pytest.mark.parametrize("make", [a_state, opening, observing, closing, returning])
def test_an_edited_target_shows_the_same_past_in_another_frame(make):
    """What is known, in the signal's own unit, is what it was."""
    state = replace(make(POLICY), baseline=np.array([0.0]), look=NOW + 99)
    edited = lone(targets=(replace(POLICY.targets[0], low=3.0, scale=2.0),))
    _, before = asked(state)
    _, after = asked(state, edited)
    levels = [one.frame.anchor + one.frame.scale * one.believed.level for one in (before, after)]
    assert levels[0] == pytest.approx(levels[1], abs=1e-6)
    assert after.score < before.score


# ── two things at once ───────────────────────────────────────────────────────
PAIR = a_policy(max_concurrent_changes=2)
FIRST, SECOND = (rule.name for rule in PAIR.rules[:2])


@pytest.mark.parametrize("make", [observing, closing])
def test_of_two_rules_that_moved_together_the_one_that_is_still_ours_is_taken_back(make):
    state = make(PAIR, {FIRST: 1.0, SECOND: -1.0})
    blocks = calm(PAIR)
    theirs = rules_of(state, PAIR) | {FIRST: 2.0}
    decision, after = asked(state, PAIR, blocks, theirs)
    (kept,) = [move for move in state.trial.moves if move.rule == SECOND]
    assert (decision.kind, decision.reason) == (DecisionKind.REVERT, Reason.SUPERSEDED)
    assert decision.moves == (kept.back(),)
    after = evolve(after, Applied(NOW), PAIR)
    assert after.phase is Phase.RETURNING
    assert dict(zip(inits(PAIR), after.setting, strict=True)) == theirs | {SECOND: kept.old}


def test_what_a_person_moved_is_theirs_when_the_policy_changes_too():
    blocks = calm(OTHER, [0.0, 0.0], length=10)
    decision, after = asked(observing(POLICY), OTHER, blocks, rules={"r": 2.0})
    assert (decision.kind, decision.moves, after.phase) == (DecisionKind.HOLD, (), Phase.WARMING)


def test_a_step_that_was_made_when_another_policy_already_held_is_taken_back():
    state = evolve(opening(POLICY), Applied(NOW), OTHER)
    decision, _ = asked(state, OTHER, calm(OTHER, [0.0, 0.0], length=10), rules={"r": 6.0})
    assert (decision.kind, decision.reason) == (DecisionKind.REVERT, Reason.POLICY_CHANGED)
    assert [(move.old, move.new) for move in decision.moves] == [(6.0, 5.0)]


def test_a_step_that_was_refused_when_another_policy_already_held_is_forgotten():
    assert evolve(opening(POLICY), Refused(NOW), OTHER).trial is None
