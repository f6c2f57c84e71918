"""Decisions from any state: bounds, limits and evidence hold whatever is remembered."""

from dataclasses import fields, is_dataclass, replace

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from daemon.tuning.change import Applied, Refused, evolve
from daemon.tuning.decide import decide
from daemon.tuning.guards import forbidden, spent
from daemon.tuning.state import Phase
from daemon.tuning.vocabulary import DecisionKind, Verdict
from tests.tuning_kit import bits, blocks_in, past, rules_of, stored
from tests.tuning_strategies import cycles, looking, watching

EPSILON = 1 + 1e-9

MORE = settings(max_examples=4 * settings.default.max_examples)
"""For what few states lead to: a step, or that one is kept."""


def values_in(value):
    """Every number of a decision, wherever in it."""
    if isinstance(value, float):
        yield value
    elif is_dataclass(value):
        for item in fields(value):
            yield from values_in(getattr(value, item.name))
    elif isinstance(value, tuple):
        for item in value:
            yield from values_in(item)


def arrays_in(value):
    """Every array of a state, wherever in it."""
    if isinstance(value, np.ndarray):
        yield value
    elif is_dataclass(value):
        for item in fields(value):
            yield from arrays_in(getattr(value, item.name))
    elif isinstance(value, tuple):
        for item in value:
            yield from arrays_in(item)


# ── what may be asked of the controls ────────────────────────────────────────
@MORE
@given(looking)
def test_no_step_leaves_its_bounds_or_is_longer_than_allowed(cycle):
    policy, state, observation = cycle
    decision, _ = decide(state, observation, policy)
    if decision.kind is not DecisionKind.APPLY:
        return
    rules = {rule.name: rule for rule in policy.rules}
    assert 1 <= len(decision.moves) <= policy.max_concurrent_changes
    assert len({move.rule for move in decision.moves}) == len(decision.moves)
    for move in decision.moves:
        rule = rules[move.rule]
        assert rule.low <= move.new <= rule.high
        assert move.old == rules_of(state, policy)[move.rule] != move.new
        assert abs(move.new - move.old) <= rule.step * policy.max_step_mult * EPSILON


@MORE
@given(looking)
def test_no_step_is_made_that_anything_forbids(cycle):
    policy, state, observation = cycle
    decision, after = decide(state, observation, policy)
    if decision.kind is not DecisionKind.APPLY:
        return
    now, memory = observation.blocks.end, after.memory
    assert observation.held is None
    assert not observation.unfit
    assert not spent(state, policy, now) or memory is not state.memory
    assert not forbidden(decision.moves, after, policy, now)
    assert memory.until.get(after.trial.key, 0) <= now
    assert memory.idle_until <= now
    for move in decision.moves:
        assert move.rule not in observation.barred
        assert state.memory.resting.get(move.rule, 0) <= now


@given(cycles)
def test_what_is_taken_back_goes_exactly_where_it_was(cycle):
    policy, state, observation = cycle
    decision, after = decide(state, observation, policy)
    if decision.kind in {DecisionKind.ROLLBACK, DecisionKind.REVERT}:
        ours = observation.rules  # what a person moved meanwhile is not taken back
        moves = [m for m in state.trial.moves if ours[m.rule] == m.new]
        assert [(m.rule, m.old, m.new) for m in decision.moves] == [
            (m.rule, m.new, m.old) for m in moves
        ]
        assert decision.change == state.trial.number
        back = evolve(after, Applied(observation.blocks.end), policy)
        for move in moves:
            assert rules_of(back, policy)[move.rule] == move.old
        worse = decision.numbers.judgement.verdict is Verdict.WORSE
        assert (decision.kind is DecisionKind.ROLLBACK) == worse


@MORE
@given(watching)
def test_nothing_is_kept_without_evidence(cycle):
    policy, state, observation = cycle
    decision, _ = decide(state, observation, policy)
    if decision.kind is not DecisionKind.KEEP:
        return
    found = decision.numbers.judgement
    assert state.phase is Phase.OBSERVING
    assert found.verdict is Verdict.BETTER
    assert found.probability >= policy.confidence
    assert found.gain > 0
    assert not observation.unfit
    start = state.trial.since + blocks_in(policy.settle_s)
    assert observation.blocks.end - start >= blocks_in(policy.observe_window_s)
    window = observation.blocks.window(start, observation.blocks.end)
    assert window.n.min() >= policy.min_samples
    assert [effect.samples for effect in found.effects] == window.n.tolist()


@given(cycles)
def test_a_decision_has_no_number_that_is_none(cycle):
    policy, state, observation = cycle
    decision, after = decide(state, observation, policy)
    assert np.isfinite(list(values_in(decision))).all()
    assert decision.at_us == observation.at_us
    if after.believed is not None:
        assert np.isfinite(after.believed.mean).all()
        assert np.isfinite(after.believed.cov).all()
        assert (np.diagonal(after.believed.cov, axis1=1, axis2=2) > -1e-9).all()


@given(cycles)
def test_only_what_is_reported_moves_what_the_core_thinks_the_rules_are(cycle):
    policy, state, observation = cycle
    decision, after = decide(state, observation, policy)
    held = rules_of(after, policy)
    for rule, value in observation.rules.items():
        assert abs(held[rule] - value) <= 1e-8 * max(abs(value), 1.0)
    if not decision.moves:
        return
    end = observation.blocks.end
    made = rules_of(evolve(after, Applied(end), policy), policy)
    assert made == held | {move.rule: move.new for move in decision.moves}
    assert rules_of(evolve(after, Refused(end), policy), policy) == held


# ── a function, and nothing else ─────────────────────────────────────────────
@given(cycles)
def test_deciding_twice_gives_the_same_and_alters_nothing(cycle):
    policy, state, observation = cycle
    before, rules = bits(state), dict(observation.rules)
    for array in arrays_in(state):
        array.flags.writeable = False
    one, after = decide(state, observation, policy)
    other, again = decide(state, observation, policy)
    assert repr(one) == repr(other)
    assert bits(after) == bits(again)
    assert bits(state) == before
    assert observation.rules == rules


@given(cycles)
def test_a_state_that_was_stored_decides_the_same_to_the_last_bit(cycle):
    policy, state, observation = cycle
    assert bits(stored(state)) == bits(state)
    one, after = decide(state, observation, policy)
    other, again = decide(stored(state), observation, policy)
    assert repr(one) == repr(other)
    assert bits(after) == bits(again)
    for event in (Applied(observation.blocks.end), Refused(observation.blocks.end)):
        made, remade = (evolve(one, event, policy) for one in (after, stored(after)))
        assert bits(made) == bits(remade)


@given(cycles, st.data())
def test_a_report_nobody_waits_for_is_heard_by_nobody(cycle, data):
    policy, state, _ = cycle
    event = data.draw(st.sampled_from([Applied, Refused]))(state.block)
    waiting = {Phase.OPENING}
    if isinstance(event, Applied):
        waiting.add(Phase.CLOSING)
    if state.phase not in waiting:
        assert evolve(state, event, policy) is state
    else:
        assert evolve(state, event, policy).phase is not state.phase


# ── signals that are sick ────────────────────────────────────────────────────
@given(cycles)
def test_where_no_signal_says_anything_nothing_is_tried_or_kept(cycle):
    policy, state, observation = cycle
    end, length = observation.blocks.end, observation.blocks.end - state.block + 60
    gone = np.full((length, len(policy.signals())), np.nan)
    observation = replace(observation, blocks=past(policy.signals(), gone, end))
    decision, _ = decide(state, observation, policy)
    assert decision.kind not in {DecisionKind.APPLY, DecisionKind.KEEP}


# ── what must not matter ─────────────────────────────────────────────────────
def turned(policy, order):
    """The same policy, its file written in another order."""
    return replace(
        policy,
        targets=tuple(policy.targets[k] for k in order if k < len(policy.targets)),
        warn=dict(reversed(policy.warn.items())),
        good=dict(reversed(policy.good.items())),
    )


@given(cycles, st.permutations(range(3)))
def test_the_order_of_targets_and_guards_does_not_matter(cycle, order):
    policy, state, observation = cycle
    one, after = decide(state, observation, policy)
    other, again = decide(state, observation, turned(policy, order))
    assert repr(one) == repr(other)
    assert bits(after) == bits(again)


@given(cycles)
def test_the_order_of_what_is_remembered_and_seen_does_not_matter(cycle):
    policy, state, observation = cycle
    memory = state.memory
    mixed = replace(
        memory,
        resting=dict(reversed(memory.resting.items())),
        failures=dict(reversed(memory.failures.items())),
        until=dict(reversed(memory.until.items())),
        repeats=dict(reversed(memory.repeats.items())),
    )
    told = replace(observation, rules=dict(reversed(observation.rules.items())))
    one, _ = decide(state, observation, policy)
    other, _ = decide(replace(state, memory=mixed), told, policy)
    assert repr(one) == repr(other)


def in_unit(shift, factor):
    return replace(
        shift,
        rise=None if shift.rise is None else shift.rise * factor,
        fall=None if shift.fall is None else shift.fall * factor,
    )


def scaled(policy, state, observation, factors):
    """The same cycle with every signal in another unit."""
    policy = replace(
        policy,
        targets=tuple(
            replace(
                target,
                low=None if target.low is None else target.low * factors[target.signal],
                high=None if target.high is None else target.high * factors[target.signal],
                scale=None if target.scale is None else target.scale * factors[target.signal],
            )
            for target in policy.targets
        ),
        warn={name: in_unit(shift, factors[name]) for name, shift in policy.warn.items()},
        good={name: in_unit(shift, factors[name]) for name, shift in policy.good.items()},
    )
    by = np.array([factors[name] for name in policy.signals()])
    if state.frame is not None:
        frame = replace(state.frame, anchor=state.frame.anchor * by, scale=state.frame.scale * by)
        state = replace(state, frame=frame)
    old = observation.blocks
    blocks = type(old).empty(old.signals, old.first).extend(old.first, old.mean * by, old.count)
    return policy, state, replace(observation, blocks=blocks)


def gist(decision):
    """What a decision says, its numbers left out."""
    return decision.kind, decision.reason, decision.moves, decision.change


@given(cycles, st.data())
def test_the_unit_of_a_signal_does_not_matter(cycle, data):
    """A power of two is exact, to the last bit; a thousand is not, but decides alike."""
    policy, state, observation = cycle
    whole = data.draw(st.booleans())
    choices = [2.0**-20, 0.5, 1.0, 2.0, 2.0**30] if whole else [1e-3, 1.0, 1e3]
    factors = {name: data.draw(st.sampled_from(choices)) for name in policy.signals()}
    if any(t.scale is None and 0.0 in (t.low, t.high) for t in policy.targets):
        assume(state.frame is not None)  # a target of zero with no scale has no unit
    one, after = decide(state, observation, policy)
    policy, state, observation = scaled(policy, state, observation, factors)
    other, again = decide(state, observation, policy)
    assert gist(one) == gist(other)
    assert one.numbers.score == other.numbers.score or not whole
    if whole and after.believed is not None:
        assert bits(after.believed) == bits(again.believed)
