"""What may not be done, whatever it promises.

Every rule here is checked again by whoever writes the controls; here it keeps
the loop from asking. A rollback is never asked about any of this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.tuning.model import BLOCK_S
from daemon.tuning.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.tuning.model import Move, Observation, Policy, Rule
    from daemon.tuning.state import State

HOUR = round(3600 / BLOCK_S)
"""Blocks of an hour."""


def refusal(
    key: str, moves: tuple[Move, ...], state: State, seen: Observation, policy: Policy
) -> Reason | None:
    """Say why a step may not be made now; None if it may."""
    now, memory = seen.blocks.end, state.memory
    for move in moves:
        if move.rule in seen.barred:
            return Reason.BARRED
        if memory.resting.get(move.rule, 0) > now:
            return Reason.COOLDOWN
    if forbidden(moves, state, policy, now):
        return Reason.NO_GO
    if memory.until.get(key, 0) > now:
        return Reason.BACKED_OFF
    return None if admissible(moves, policy) else Reason.AT_BOUND


def admissible(moves: tuple[Move, ...], policy: Policy) -> bool:
    """Tell whether every value is within its bounds, and no step longer than allowed."""
    rules = {rule.name: rule for rule in policy.rules}
    if len(moves) > policy.max_concurrent_changes:
        return False
    return all(inside(move, rules) and near(move, rules, policy) for move in moves)


def inside(move: Move, rules: Mapping[str, Rule]) -> bool:
    """Tell whether a value is within its bounds."""
    return rules[move.rule].low <= move.new <= rules[move.rule].high


def near(move: Move, rules: Mapping[str, Rule], policy: Policy) -> bool:
    """Tell whether a step is no longer than one may be."""
    return abs(move.new - move.old) <= rules[move.rule].step * max(policy.max_step_mult, 1.0) * (
        1 + 1e-9
    )


def forbidden(moves: tuple[Move, ...], state: State, policy: Policy, now: int) -> bool:
    """Tell whether a step leads into a corner where a guard was broken not long ago."""
    values = dict(zip((rule.name for rule in policy.rules), state.setting, strict=True))
    goal = values | {move.rule: move.new for move in moves}
    moved = {move.rule: move.new - move.old for move in moves}
    return any(
        now < stop.until
        and any(way * moved.get(rule, 0.0) > 0 for rule, way, _ in stop.beyond)
        and all(_beyond(goal[rule], way, value) for rule, way, value in stop.beyond)
        for stop in state.memory.no_go
    )


def _beyond(goal: float, way: int, value: float) -> bool:
    return way * (goal - value) > -1e-9 * max(abs(value), 1.0)


def spent(state: State, policy: Policy, now: int) -> bool:
    """Tell whether this hour's changes have been made."""
    lately = [block for block in state.memory.tried if block > now - HOUR]
    return len(lately) >= policy.changes_per_hour
