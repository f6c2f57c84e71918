"""What a cycle comes to: a decision, and the state that goes with it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from daemon.tuning.change import kept
from daemon.tuning.model import Decision, Verdicts
from daemon.tuning.state import State
from daemon.tuning.vocabulary import DecisionKind

if TYPE_CHECKING:
    from daemon.tuning.model import Observation
    from daemon.tuning.reasons import Reason

Outcome = tuple[Decision, State]


def hold(
    state: State, seen: Observation, reason: Reason, numbers: Verdicts | None = None
) -> Outcome:
    """Change nothing, and say why."""
    decision = Decision(
        kind=DecisionKind.HOLD,
        reason=reason,
        at_us=seen.at_us,
        change=state.trial.number if state.trial else None,
        numbers=numbers or Verdicts(score=state.score),
    )
    return decision, state if state.reason is reason else replace(state, reason=reason)


def act(
    kind: DecisionKind, reason: Reason, state: State, seen: Observation, numbers: Verdicts
) -> Outcome:
    """Do something about the change that is open."""
    assert state.trial is not None  # noqa: S101 - an act is about a change
    moves = state.trial.moves if kind is DecisionKind.APPLY else ()
    if kind in {DecisionKind.ROLLBACK, DecisionKind.REVERT}:
        moves = tuple(move.back() for move in state.trial.moves)
    decision = Decision(
        kind=kind,
        reason=reason,
        at_us=seen.at_us,
        moves=moves,
        change=state.trial.number,
        numbers=numbers,
    )
    return decision, replace(state, reason=reason)


def keep(state: State, seen: Observation, reason: Reason, numbers: Verdicts) -> Outcome:
    """Keep the change that is open, and look for the next one."""
    assert state.trial is not None  # noqa: S101 - it is what is kept
    decision, _ = act(DecisionKind.KEEP, reason, state, seen, numbers)
    return decision, replace(kept(state, state.trial), look=seen.blocks.end)
