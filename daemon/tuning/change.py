"""A change on its way through the core: opened, watched, kept or taken back.

`decide` only asks. State moves on when whoever holds the controls reports what
became of it: so a dry run never judges a change that did not happen, and a
rollback that failed is asked for again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from daemon.tuning import effects
from daemon.tuning.guards import HOUR
from daemon.tuning.model import blocks_of, same_values
from daemon.tuning.reasons import Reason
from daemon.tuning.state import NoGo, Phase, Quiet, State, Trial
from daemon.tuning.verdict import NULL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.tuning.effects import Response
    from daemon.tuning.model import Judgement, Move, Observation, Policy
    from daemon.tuning.propose import Option
    from daemon.tuning.state import Memory

BACK_OFF_S = 120.0
BACK_OFF_MAX_S = 3600.0
"""A key that failed rests so long, twice as long each time, and at most an hour."""

DOUBLINGS = 20
"""More doublings than any pause has room for."""

GIVE_UPS = 4
"""Keys given up per rule before the loop slows down."""

DRY = 4
"""A change that is tried again counts as a quarter of a key given up."""

LIKELY = 0.5
"""Above this probability of having helped, an undecided change is worth another try."""

UNTAUGHT = {Reason.GUARD_BROKEN, Reason.INSUFFICIENT_DATA}
"""What teaches nothing: a cliff is no slope, and what sick signals said is not so."""

LONG_STEP = 1.5
"""A step of so many single ones is a long one; there is nothing beyond it to go to."""

LOOK = 4
"""Blocks until something is looked for again, after something was done or stood in the way."""

GROUND = 12
QUIET = 60
"""How many transitions and quiet stretches are remembered."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The controls hold what the decision asked for, from this block on."""

    block: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The controls were not touched: a dry run, or a refusal."""

    block: int


Event = Applied | Refused


def started(state: State, option: Option, gain: float, now: int) -> State:
    """Open a change: the step is asked for, and nobody said yet that it was made."""
    trial = Trial(
        number=state.changes + 1,
        key=option.key,
        moves=option.moves,
        steps=option.steps,
        since=now,
        before=_believed(state).level.copy(),
        doubt=_believed(state),
        expected=gain,
        repeats=state.memory.repeats.get(option.key, 0),
    )
    return replace(state, phase=Phase.OPENING, trial=trial, changes=trial.number, look=now + LOOK)


def evolve(state: State, event: Event, policy: Policy) -> State:
    """Take into account what became of a decision."""
    if state.trial is None or state.phase not in {Phase.OPENING, Phase.CLOSING}:
        return state
    if state.subject != policy.subject():
        return _overtaken(state, event)
    if state.phase is Phase.OPENING:
        then = _opened if _done(event) else _dropped
        return then(state, state.trial, event.block, policy)
    return _closed(state, state.trial, event.block, policy) if _done(event) else state


def _overtaken(state: State, event: Event) -> State:
    """Take a report into account that comes when another policy already holds.

    A step that was made is open: the next decision takes it back.
    """
    if state.phase is Phase.OPENING and _done(event):
        return replace(state, phase=Phase.OBSERVING)
    over = state.phase is Phase.OPENING or _done(event)
    return replace(state, phase=Phase.IDLE, trial=None) if over else state


def _done(event: Event) -> bool:
    return isinstance(event, Applied)


def _opened(state: State, trial: Trial, block: int, policy: Policy) -> State:
    goal = {move.rule: move.new for move in trial.moves}
    setting = _setting(state, policy, goal)
    ground = (*state.setting, *setting)
    new_ground = ground not in state.memory.ground
    memory = replace(
        _rested(state.memory, trial, block, policy),
        tried=(*(tried for tried in state.memory.tried if tried > block - HOUR), block),
        ground=(*state.memory.ground, ground)[-GROUND:],
    )
    return replace(
        _at_setting(state, setting, block, policy),
        phase=Phase.OBSERVING,
        believed=effects.moved(_believed(state), trial.steps, new_ground=new_ground),
        trial=replace(trial, since=block),
        memory=memory,
        reason=Reason.OBSERVING,
    )


def _dropped(state: State, trial: Trial, block: int, policy: Policy) -> State:
    """Nothing happened: neither this step nor another one is asked for again at once."""
    again = block + blocks_of(policy.cooldown_s)
    memory = replace(state.memory, until={**state.memory.until, trial.key: again})
    idle = replace(state, phase=Phase.IDLE, trial=None, memory=memory, reason=Reason.WAITING)
    return replace(idle, look=max(state.look, again))


def _closed(state: State, trial: Trial, block: int, policy: Policy) -> State:
    setting = _setting(state, policy, {move.rule: move.old for move in trial.moves})
    believed = (
        trial.doubt
        if trial.closed is not None and trial.closed.cause in UNTAUGHT
        else effects.moved(_believed(state), -trial.steps, new_ground=False)
    )
    return replace(
        _at_setting(state, setting, block, policy),
        phase=Phase.RETURNING,
        believed=believed,
        trial=replace(trial, since=block),
        memory=_rested(state.memory, trial, block, policy),
        reason=Reason.MEASURING_REVERSAL,
    )


def in_force(state: State, seen: Observation) -> bool:
    """Tell whether a change is open, and the controls still hold it."""
    trial = state.trial
    if trial is None or state.phase not in {Phase.OBSERVING, Phase.CLOSING}:
        return False
    return all(_holds(seen, move) for move in trial.moves)


def _holds(seen: Observation, move: Move) -> bool:
    return move.rule in seen.rules and same_values((seen.rules[move.rule],), (move.new,))


def left(state: State, seen: Observation, policy: Policy) -> Trial | None:
    """Find what is left of an open change when a person moved one of its two rules."""
    trial = state.trial
    if trial is None or state.phase not in {Phase.OBSERVING, Phase.CLOSING}:
        return None
    moves = tuple(move for move in trial.moves if _holds(seen, move))
    if not moves:
        return None
    ours = np.array([any(move.rule == rule.name for move in moves) for rule in policy.rules])
    return replace(trial, moves=moves, steps=trial.steps * ours, closed=None)


def superseded(state: State, setting: tuple[float, ...], block: int, policy: Policy) -> State:
    """Accept that somebody else moved a rule: what was open is not ours to judge any more."""
    believed = state.believed
    if believed is not None:
        pairs = zip(policy.rules, state.setting, setting, strict=True)
        steps = np.array([(new - old) / rule.step for rule, old, new in pairs])
        believed = effects.moved(believed, steps, new_ground=True)
    pairs = zip(policy.rules, state.setting, setting, strict=True)
    until = block + blocks_of(policy.cooldown_s)
    rest = {rule.name: until for rule, old, new in pairs if old != new}
    return replace(
        _at_setting(state, setting, block, policy),
        phase=Phase.WARMING if state.phase is Phase.WARMING else Phase.IDLE,
        believed=believed,
        trial=None,
        memory=replace(state.memory, resting={**state.memory.resting, **rest}),
    )


def _at_setting(state: State, setting: tuple[float, ...], block: int, policy: Policy) -> State:
    """Begin a new quiet stretch, the settle gap left out."""
    quiet = state.quiet
    if block > state.quiet_since:
        stretch = Quiet(first=state.quiet_since, end=block, setting=state.setting)
        quiet = (*quiet, stretch)[-QUIET:]
    since = block + blocks_of(policy.settle_s)
    return replace(state, setting=setting, quiet=quiet, quiet_since=since)


def _setting(state: State, policy: Policy, goal: dict[str, float]) -> tuple[float, ...]:
    pairs = zip(policy.rules, state.setting, strict=True)
    return tuple(goal.get(rule.name, value) for rule, value in pairs)


def _rested(memory: Memory, trial: Trial, block: int, policy: Policy) -> Memory:
    until = block + blocks_of(policy.cooldown_s)
    return replace(memory, resting={**memory.resting, **{move.rule: until for move in trial.moves}})


def _believed(state: State) -> Response:
    assert state.believed is not None  # noqa: S101 - no change opens before it is
    return state.believed


# ── what is remembered of how it ended ───────────────────────────────────────
def kept(state: State, trial: Trial) -> State:
    """Remember that a change helped."""
    memory = state.memory
    memory = replace(
        memory,
        failures=_without(memory.failures, trial.key),
        repeats=_without(memory.repeats, trial.key),
        given_up=0,
        dry=0,
        idle_until=0,
    )
    return replace(state, phase=Phase.IDLE, trial=None, memory=memory)


def taken_back(state: State, trial: Trial, found: Judgement, block: int, policy: Policy) -> State:
    """Remember that a change is to be taken back, and what that says of the next."""
    memory = replace(state.memory, dry=state.memory.dry + 1)
    if found.cause is Reason.GUARD_BROKEN:
        memory = _kept_off(memory, trial, block, policy)
    else:
        memory = _doubled(memory, trial, found, policy)
    if _again(memory, trial, found, policy):
        pause = blocks_of(policy.settle_s + policy.observe_window_s)
        memory = replace(
            memory,
            repeats={**memory.repeats, trial.key: memory.repeats.get(trial.key, 0) + 1},
            until={**memory.until, trial.key: block + pause},
        )
    else:
        memory = _given_up(memory, trial, block, policy)
        memory = replace(memory, score=state.score)
    return replace(state, phase=Phase.CLOSING, trial=replace(trial, closed=found), memory=memory)


def _kept_off(memory: Memory, trial: Trial, block: int, policy: Policy) -> Memory:
    """Stay away from values that broke a guard, longer each time."""
    beyond = tuple((move.rule, 1 if move.new > move.old else -1, move.new) for move in trial.moves)
    times = memory.failures.get(f"!{trial.key}", 0) + 1
    stop = NoGo(beyond, block + blocks_of(policy.no_go_s * times))
    live = tuple(other for other in memory.no_go if other.until > block)
    failures = {**memory.failures, f"!{trial.key}": times}
    return replace(memory, no_go=(*live, stop), failures=failures)


def _doubled(memory: Memory, trial: Trial, found: Judgement, policy: Policy) -> Memory:
    """Allow a longer step where a single one showed nothing but did not look bad."""
    longest = float(np.abs(trial.steps).max())
    enough = found.cause is not Reason.TOO_SMALL and found.probability > (
        0.5 if longest >= LONG_STEP else NULL
    )
    allowed = set(memory.doubled) - {trial.key}
    if enough and policy.max_step_mult > 1:
        allowed.add(trial.key)
    return replace(memory, doubled=tuple(sorted(allowed)))


def _again(memory: Memory, trial: Trial, found: Judgement, policy: Policy) -> bool:
    """Tell whether an undecided change is tried once more: A-B-A-B cancels drift."""
    if found.cause in {
        Reason.GUARD_BROKEN,
        Reason.SCORE_FELL,
        Reason.TOO_SMALL,
        Reason.INSUFFICIENT_DATA,
    }:
        return False
    if not policy.paired_toggling or fruitless(memory, policy) > 0:
        return False
    if memory.repeats.get(trial.key, 0) >= policy.max_extensions:
        return False
    short = trial.key in memory.doubled and float(np.abs(trial.steps).max()) < LONG_STEP
    return found.probability > LIKELY or short


def fruitless(memory: Memory, policy: Policy) -> float:
    """Tell by how much more was tried in vain than a loop should before it slows down."""
    return memory.given_up + memory.dry / DRY - GIVE_UPS * len(policy.rules)


def _given_up(memory: Memory, trial: Trial, block: int, policy: Policy) -> Memory:
    times = memory.failures.get(trial.key, 0)
    pause = min(BACK_OFF_S * 2.0 ** min(times, DOUBLINGS), BACK_OFF_MAX_S)
    memory = replace(
        memory,
        failures={**memory.failures, trial.key: times + 1},
        until={**memory.until, trial.key: block + blocks_of(pause)},
        repeats=_without(memory.repeats, trial.key),
        given_up=memory.given_up + 1,
    )
    over = fruitless(memory, policy)
    if over < 0:
        return memory
    idle = min(BACK_OFF_S * 2.0 ** min(over, DOUBLINGS), policy.idle_trial_s)
    return replace(memory, idle_until=block + blocks_of(idle))


def _without(mapping: Mapping[str, int], key: str) -> dict[str, int]:
    return {name: value for name, value in mapping.items() if name != key}
