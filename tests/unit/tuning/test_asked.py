"""A step that a person asks for: what is done at their word, and what is refused."""

from dataclasses import replace

import pytest

from daemon.tuning.asked import GUARDS, objections, refusal
from daemon.tuning.change import Applied, Refused, evolve
from daemon.tuning.decide import decide
from daemon.tuning.model import Asked, Move
from daemon.tuning.reasons import Reason
from daemon.tuning.state import NoGo, Phase
from daemon.tuning.vocabulary import DecisionKind
from tests.asking_kit import POLICY, a_step, answer, low, told
from tests.tuning_kit import (
    NOW,
    Loop,
    System,
    a_policy,
    a_state,
    bits,
    blocks_in,
    calm,
    lone,
    opening,
    past,
    returning,
    seen,
    with_memory,
)

NAN = float("nan")
PAIR = a_policy()
"""Two rules, of which the loop itself moves one at a time."""


def refused(state, asked, policy=POLICY, blocks=None, **more):
    """Say why, and see to it that the cycle was a quiet one otherwise."""
    observation = told(state, asked, policy, blocks, **more)
    decision, after = decide(state, observation, policy)
    assert decision.kind is DecisionKind.HOLD
    assert decision.moves == ()
    assert decision.reason is refusal(state, observation, policy)
    (candidate,) = decision.numbers.passed_over
    assert (candidate.moves, candidate.refused) == (asked.moves, decision.reason)
    assert (after.look, after.reason, after.memory) == (state.look, state.reason, state.memory)
    assert after.block == observation.blocks.end
    return decision.reason


def test_only_what_is_known_may_be_asked_for():
    with pytest.raises(ValueError, match="'jump' was asked for; it may be step, keep, extend"):
        Asked(kind="jump")


def test_where_nothing_is_asked_nothing_is_refused():
    assert refusal(low(), seen(POLICY), POLICY) is None
    assert refusal(None, seen(POLICY), POLICY) is None


# ── a step ───────────────────────────────────────────────────────────────────
def test_a_step_that_a_person_asks_for_opens_a_change_as_one_of_our_own_does():
    ours, mine = decide(low(), told(low(), None), POLICY)
    decision, state = answer(low(), a_step(low(), r=6.0))
    assert (decision.kind, decision.reason) == (DecisionKind.APPLY, Reason.ASKED)
    assert (decision.moves, decision.change) == (ours.moves, ours.change)
    assert decision.numbers.chosen == ours.numbers.chosen
    assert bits(replace(state, reason=mine.reason)) == bits(mine)


def test_a_step_is_taken_though_it_is_not_the_time_to_look_and_seems_to_make_no_sense():
    state = with_memory(low(look=NOW + 99), idle_until=NOW + 99, given_up=9)
    decision, after = answer(state, a_step(state, r=4.0))
    assert (decision.kind, decision.reason) == (DecisionKind.APPLY, Reason.ASKED)
    assert decision.moves == (Move("r", 5.0, 4.0),)
    assert decision.numbers.chosen.gain < 0
    assert (after.trial.key, after.trial.steps.tolist()) == ("r-", [-1.0])


def test_what_keeps_the_loop_from_a_step_does_not_stop_a_person():
    policy = lone(changes_per_hour=1, harm_budget=0.01)
    state = with_memory(
        low(policy, quiet_since=NOW + 1),
        tried=(NOW - 9,),
        until={"r-": NOW + 50},
        no_go=(NoGo((("r", -1, 4.5),), NOW + 50),),
    )
    decision, _ = answer(state, a_step(state, r=4.0), policy)
    assert decision.kind is DecisionKind.APPLY
    assert decision.numbers.chosen.risk > 0.9


def test_any_number_of_rules_may_be_moved_and_are_judged_as_one():
    state = a_state(PAIR)
    decision, after = answer(state, a_step(state, PAIR, r=4.75, q=7.0), PAIR)
    assert PAIR.max_concurrent_changes == 1
    assert decision.moves == (Move("q", 5.0, 7.0), Move("r", 5.0, 4.75))
    assert (after.trial.key, after.trial.steps.tolist()) == ("q+,r-", [2.0, -0.5])


def test_a_rule_that_stays_where_it_is_is_left_out():
    state = a_state(PAIR)
    decision, after = answer(state, a_step(state, PAIR, q=5.0, r=5.5), PAIR)
    assert decision.moves == (Move("r", 5.0, 5.5),)
    assert after.trial.key == "r+"


def test_a_step_starts_from_what_the_core_knows_to_be_in_force():
    rounded = 5.0 * (1 + 1e-12)
    asked = Asked(kind="step", moves=(Move("r", rounded, 6.0),))
    decision, _ = answer(low(), asked, rules={"r": rounded})
    assert decision.moves == (Move("r", 5.0, 6.0),)


def test_a_step_that_was_tried_before_counts_on():
    state = with_memory(low(), repeats={"r+": 2})
    decision, after = answer(state, a_step(state, r=6.0))
    assert (decision.reason, after.trial.repeats) == (Reason.ASKED, 2)


def test_a_way_back_is_cut_short():
    state = returning(POLICY, at=NOW - 9)
    decision, after = answer(state, a_step(state, r=4.0))
    assert (decision.kind, decision.change) == (DecisionKind.APPLY, 2)
    assert after.phase is Phase.OPENING
    after = evolve(after, Applied(NOW), POLICY)
    assert (after.phase, after.setting) == (Phase.OBSERVING, (4.0,))


def test_a_step_of_which_nobody_heard_makes_room():
    state = opening(POLICY)
    decision, after = answer(state, a_step(state, r=4.0))
    assert (decision.reason, decision.change, after.setting) == (Reason.ASKED, 2, (5.0,))


def test_the_noise_is_learned_anew_first_if_it_is_time_to():
    state = low(fitted=0)
    _, after = answer(state, a_step(state, r=6.0))
    assert after.fitted == NOW


def test_a_step_that_was_asked_for_is_taken_back_if_it_harms():
    policy = lone()
    loop = Loop(policy, System(policy, [[0.4]], [0.5], sd=0.02))
    loop.run(blocks_in(policy.warmup_s))
    while loop.state.phase not in {Phase.IDLE, Phase.RETURNING}:
        loop.cycle()
    decision = loop.cycle(asked=a_step(loop.state, policy, r=loop.rules["r"] - 1.0))
    assert decision.reason is Reason.ASKED
    back = loop.until(DecisionKind.ROLLBACK)
    assert back.moves == (decision.moves[0].back(),)
    assert back.change == decision.change


def test_a_step_that_could_not_be_made_is_forgotten():
    decision, after = answer(low(), a_step(low(), r=6.0))
    after = evolve(after, Refused(NOW), POLICY)
    assert decision.kind is DecisionKind.APPLY
    assert (after.phase, after.trial, after.setting) == (Phase.IDLE, None, (5.0,))


# ── a step that is refused ───────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("goal", "why"),
    [
        ({"r": 7.0}, None),
        ({"r": 7.0 + 1e-6}, Reason.TOO_FAR),
        ({"r": 2.9}, Reason.TOO_FAR),
        ({"r": 10.5}, Reason.AT_BOUND),
        ({"r": -1.0}, Reason.AT_BOUND),
        ({"r": NAN}, Reason.AT_BOUND),
        ({"r": float("inf")}, Reason.AT_BOUND),
        ({"r": 5.0}, Reason.NO_CANDIDATE),
        ({}, Reason.NO_CANDIDATE),
    ],
)
def test_a_step_stays_within_its_bounds_and_its_length(goal, why):
    asked = a_step(low(), **goal)
    if why is None:
        assert answer(low(), asked)[0].reason is Reason.ASKED
    else:
        assert refused(low(), asked) is why


def test_a_value_outside_of_its_bounds_may_only_be_moved_inside():
    state = low(setting=(11.5,))
    assert refused(state, a_step(state, r=10.5)) is Reason.AT_BOUND
    assert answer(state, a_step(state, r=10.0))[0].kind is DecisionKind.APPLY


def test_a_rule_that_there_is_not_or_is_named_twice_is_no_candidate():
    for moves in ((Move("x", 1.0, 2.0),), (Move("r", 5.0, 6.0), Move("r", 5.0, 4.0))):
        assert refused(low(), Asked(kind="step", moves=moves)) is Reason.NO_CANDIDATE


def test_a_step_from_a_value_that_is_not_in_force_any_more_is_stale():
    assert refused(low(), Asked(kind="step", moves=(Move("r", 4.0, 6.0),))) is Reason.STALE
    stays = Asked(kind="step", moves=(Move("q", 5.0, 6.0), Move("r", 4.0, 5.0)))
    assert refused(a_state(PAIR), stays, PAIR) is Reason.STALE


def test_nothing_is_moved_while_all_is_held():
    assert refused(low(), a_step(low(), r=6.0), held="a HOLD file") is Reason.HELD


def test_a_rule_that_is_barred_or_rests_is_not_moved():
    state = a_state(PAIR)
    asked = a_step(state, PAIR, q=6.0)
    assert refused(state, asked, PAIR, barred={"q": "frozen"}) is Reason.BARRED
    assert answer(state, asked, PAIR, barred={"r": "frozen"})[0].kind is DecisionKind.APPLY
    for rule, until, free in (("q", NOW + 1, False), ("q", NOW, True), ("r", NOW + 1, True)):
        resting = with_memory(state, resting={rule: until})
        if free:
            assert answer(resting, asked, PAIR)[0].kind is DecisionKind.APPLY
        else:
            assert refused(resting, asked, PAIR) is Reason.COOLDOWN


def test_a_step_that_could_not_be_judged_is_not_made():
    asked = a_step(low(), r=6.0)
    assert refused(low(), asked, unfit={"s": "frozen"}) is Reason.SIGNAL_UNFIT
    gone = past(("s",), [0.0] * 94 + [NAN] * 6)
    assert refused(low(), asked, blocks=gone) is Reason.SIGNAL_UNFIT


def test_before_the_warm_up_is_over_no_step_is_made():
    early = told(low(), a_step(low(), r=6.0), blocks=calm(POLICY, [0.0], length=3))
    decision, state = decide(None, early, POLICY)
    assert (decision.kind, decision.reason) == (DecisionKind.HOLD, Reason.WARMING_UP)
    assert refusal(None, early, POLICY) is Reason.WARMING_UP
    enough = calm(POLICY, [0.0], length=60, end=NOW + 30)
    assert refused(state, a_step(state, r=6.0), blocks=enough) is Reason.WARMING_UP
    _, state = answer(state, a_step(state, r=6.0), blocks=enough)
    assert state.phase is Phase.WARMING
    assert decide(state, told(state, None, blocks=enough), POLICY)[1].phase is not Phase.WARMING


def test_a_refused_step_of_which_nobody_heard_the_last_one_leaves_nothing_open():
    decision, after = answer(opening(POLICY), a_step(opening(POLICY), r=99.0))
    assert (decision.reason, decision.change) == (Reason.AT_BOUND, None)
    assert (after.phase, after.trial) == (Phase.IDLE, None)


def test_what_a_refused_step_interrupts_goes_on_in_the_next_cycle():
    state = returning(POLICY, at=NOW - 2)
    assert refused(state, a_step(state, r=99.0)) is Reason.AT_BOUND
    _, after = answer(state, a_step(state, r=99.0))
    decision, _ = decide(after, told(after, None, blocks=calm(POLICY, [0.0], end=NOW + 1)), POLICY)
    assert (decision.reason, decision.change) == (Reason.MEASURING_REVERSAL, 1)


def test_all_that_stands_against_a_step_can_be_named_in_the_order_of_the_guards():
    state = with_memory(low(), resting={"r": NOW + 5})
    asked = Asked(kind="step", moves=(Move("r", 4.0, 13.0),))
    observation = told(state, asked, held="by hand", barred={"r": "frozen"}, unfit={"s": "silent"})
    found = list(objections(state, observation, POLICY))
    assert found == [reason for reason in GUARDS if reason in found]
    assert found == [
        Reason.STALE,
        Reason.AT_BOUND,
        Reason.TOO_FAR,
        Reason.HELD,
        Reason.BARRED,
        Reason.COOLDOWN,
        Reason.SIGNAL_UNFIT,
    ]
    assert refusal(state, observation, POLICY) is Reason.STALE
    _, warming = decide(None, seen(POLICY, calm(POLICY, length=3)), POLICY)
    assert list(objections(warming, told(warming, a_step(warming)), POLICY)) == [
        Reason.WARMING_UP,
        Reason.NO_CANDIDATE,
    ]
