"""What people may ask for, of any state: their word overrules judgement, never a limit."""

from dataclasses import replace
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.tuning.asked import GUARDS, objections, refusal
from daemon.tuning.change import Applied, Refused, evolve
from daemon.tuning.decide import decide
from daemon.tuning.model import LONGER_S, Asked, Move
from daemon.tuning.outlook import expected, look_now
from daemon.tuning.reasons import Reason
from daemon.tuning.state import Phase
from daemon.tuning.vocabulary import DecisionKind
from tests.tuning_kit import BLOCK_S, Loop, System, a_policy, bits, rules_of, stored
from tests.tuning_strategies import any_cycle, phases, seeds

MORE = settings(max_examples=2 * settings.default.max_examples)
RUNS = settings(max_examples=max(6, settings.default.max_examples // 8))
"""For properties whose every example is a quarter of an hour and more."""

DONE = {Reason.ASKED, Reason.CONFIRMED}
OPEN = {Phase.OBSERVING, Phase.CLOSING}
MOST = LONGER_S / BLOCK_S


# ── what may be asked for ────────────────────────────────────────────────────
def any_goal(random: Random, rule, value: float, mult: float) -> float:
    """A step, the longest one, one too long, a bound, beyond it, or no movement at all."""
    way = random.choice([1, -1]) * rule.step
    return random.choice(
        [
            *(value + way * by for by in (1.0, 1.0, 0.5, 0.01, mult, mult + 0.1)),
            *(rule.low, rule.high, rule.low - way, value),
            min(max(value + way, rule.low), rule.high),
        ]
    )


def any_request(random: Random, policy, rules) -> Asked:
    """What anybody might ask for, sensible or not."""
    kind = random.choice(["step", "step", "step", "keep", "extend"])
    if kind != "step":
        return Asked(kind=kind, blocks=random.choice([1, 12, 8640, 8641, 0, -3]))
    chosen = random.sample(policy.rules, random.randint(1, len(policy.rules)))
    if random.random() < 0.03:
        return Asked(kind=kind, moves=(Move("nobody", 1.0, 2.0),))
    stale = random.random() < 0.05
    moves = tuple(
        Move(
            rule.name,
            rules[rule.name] + stale,
            any_goal(random, rule, rules[rule.name], policy.max_step_mult),
        )
        for rule in chosen
    )
    return Asked(kind=kind, moves=moves)


def any_asking(phase, seed):
    """A cycle of any kind in which a person asks for something."""
    policy, state, observation = any_cycle(phase, seed)
    random = Random(seed + 1)
    return policy, state, replace(observation, asked=any_request(random, policy, observation.rules))


asking = st.builds(any_asking, phases, seeds)


# ── limits ───────────────────────────────────────────────────────────────────
@MORE
@given(asking)
def test_a_step_that_is_asked_for_keeps_every_limit(cycle):
    policy, state, observation = cycle
    decision, after = decide(state, observation, policy)
    if decision.reason is not Reason.ASKED or decision.kind is not DecisionKind.APPLY:
        return
    rules, now = {rule.name: rule for rule in policy.rules}, observation.blocks.end
    wanted = {move.rule: move.new for move in observation.asked.moves}
    assert state.phase not in OPEN | {Phase.WARMING}
    assert observation.held is None
    assert not observation.unfit
    assert decision.moves
    assert after.phase is Phase.OPENING
    assert after.trial.moves == decision.moves
    assert decision.change == after.changes == state.changes + 1
    for move in decision.moves:
        rule = rules[move.rule]
        assert move.new == wanted[move.rule]
        assert move.old == rules_of(state, policy)[move.rule] != move.new
        assert rule.low <= move.new <= rule.high
        assert abs(move.new - move.old) <= rule.step * policy.max_step_mult * (1 + 1e-9)
        assert move.rule not in observation.barred
        assert state.memory.resting.get(move.rule, 0) <= now


@MORE
@given(asking)
def test_a_second_change_is_never_opened_and_an_open_one_goes_on_as_always(cycle):
    policy, state, observation = cycle
    decision, after = decide(state, observation, policy)
    if state.phase not in OPEN:
        return
    assert decision.kind is not DecisionKind.APPLY
    assert after.changes == state.changes
    if decision.reason in DONE:
        assert state.phase is Phase.OBSERVING
        return
    unasked, same = decide(state, replace(observation, asked=None), policy)
    assert repr(decision) == repr(unasked)
    assert bits(after) == bits(same)


@MORE
@given(asking)
def test_what_is_refused_beforehand_is_what_is_refused(cycle):
    policy, state, observation = cycle
    why = refusal(state, observation, policy)
    decision, _ = decide(state, observation, policy)
    assert (why is None) is (decision.reason in DONE)
    found = list(objections(state, observation, policy))
    assert (found[0] if found else None) is why
    if observation.asked.kind == "step":
        assert found == [reason for reason in GUARDS if reason in found]
        if why is not None and state.phase not in OPEN:
            assert (decision.kind, decision.reason) == (DecisionKind.HOLD, why)


@MORE
@given(asking)
def test_a_step_that_is_refused_leaves_what_comes_next_as_it_would_have_been(cycle):
    """But for the block that passed, a refused step is no news to the core."""
    policy, state, observation = cycle
    decision, after = decide(state, observation, policy)
    refused = decision.numbers.detail.get("asked") == "step"
    if not refused:
        return
    assert decision.moves == ()
    kept = replace(
        after,
        block=state.block,
        believed=state.believed,
        score=state.score,
        phase=state.phase,
        trial=state.trial,
    )
    assert bits(kept) == bits(state)
    same_phase = after.phase is state.phase
    assert same_phase or (state.phase, after.phase) == (Phase.OPENING, Phase.IDLE)


@MORE
@given(st.builds(any_asking, st.just(Phase.OBSERVING), seeds))
def test_what_a_person_keeps_or_has_watched_moves_nothing(cycle):
    policy, state, observation = cycle
    decision, after = decide(state, observation, policy)
    if decision.reason is Reason.CONFIRMED:
        found = decision.numbers.judgement
        assert decision.kind is DecisionKind.KEEP
        assert (after.phase, after.trial) == (Phase.IDLE, None)
        assert found.cause is not Reason.CONFIRMED
        assert np.isfinite([found.probability, found.gain, found.spread]).all()
    elif decision.reason is Reason.ASKED:
        assert decision.kind is DecisionKind.EXTEND
        assert after.trial.extra == state.trial.extra + observation.asked.blocks <= MOST
    else:
        return
    assert decision.moves == ()
    assert decision.change == state.trial.number
    assert after.setting == state.setting


@given(asking)
def test_a_word_is_taken_the_same_way_every_time_and_from_a_stored_state(cycle):
    policy, state, observation = cycle
    before = bits(state)
    one, after = decide(state, observation, policy)
    told = replace(observation, asked=stored(observation.asked))
    other, again = decide(stored(state), told, policy)
    assert repr(one) == repr(other)
    assert bits(after) == bits(again)
    assert bits(state) == before
    for event in (Applied(observation.blocks.end), Refused(observation.blocks.end)):
        made, remade = (evolve(one, event, policy) for one in (after, stored(after)))
        assert bits(made) == bits(remade)


# ── looking ahead ────────────────────────────────────────────────────────────
@given(asking)
def test_what_is_expected_of_a_step_is_what_its_decision_says(cycle):
    policy, state, observation = cycle
    asked = observation.asked
    found = expected(state, observation, policy, asked.moves)
    step = replace(observation, asked=Asked(kind="step", moves=asked.moves))
    assert found.refused is refusal(state, step, policy)
    assert np.isfinite([found.gain, found.spread, found.risk]).all()
    decision, _ = decide(replace(state, fitted=observation.blocks.end), step, policy)
    if decision.reason is Reason.ASKED:
        chosen = decision.numbers.chosen
        assert (found.gain, found.spread, found.risk) == (chosen.gain, chosen.spread, chosen.risk)


@given(asking)
def test_a_look_now_is_the_cycle_that_would_come_if_it_were_time_for_it(cycle):
    policy, state, observation = cycle
    decision, _ = look_now(state, observation, policy)
    assert decision.reason not in DONE
    due = replace(state, look=0, memory=replace(state.memory, idle_until=0))
    plain, _ = decide(due, replace(observation, asked=None), policy)
    assert repr(plain) == repr(decision)
    if decision.kind is DecisionKind.APPLY:
        assert observation.held is None
        assert not observation.unfit


# ── over time ────────────────────────────────────────────────────────────────
@RUNS
@given(seeds)
def test_people_who_ask_all_the_time_never_break_the_loop(seed):
    """One change at a time, each judged or kept or taken back, values within their bounds."""
    random = Random(seed)
    policy = a_policy(cooldown_s=10.0)
    system = System(policy, [[-0.3, 0], [0, 0], [0, 1.0]], [1.9, 50.0, 6.0], sd=0.03)
    system.random = np.random.default_rng(seed)
    loop = Loop(policy, system)
    numbers, open_ = [], None
    for _ in range(200):
        loop.watch()
        asked = any_request(random, policy, loop.rules) if random.random() < 0.3 else None
        decision = loop.ask(asked=asked)
        if decision.kind is DecisionKind.APPLY:
            assert open_ is None
            open_ = decision
            numbers.append(decision.change)
        elif decision.kind is not DecisionKind.HOLD:
            assert decision.change == open_.change
        if decision.kind is DecisionKind.KEEP:
            open_ = None
        if decision.moves:
            loop.do(decision)
            if decision.kind is not DecisionKind.APPLY:
                assert decision.moves == tuple(move.back() for move in open_.moves)
                open_ = None
        loop.state = stored(loop.state)
        assert rules_of(loop.state, policy) == loop.rules
        for rule in policy.rules:
            assert rule.low <= loop.rules[rule.name] <= rule.high
    assert numbers == list(range(1, len(numbers) + 1))
