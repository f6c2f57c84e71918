"""What would be: for a person who wants to see it before anything is done.

Nothing here is part of a cycle, and no state that comes of it is kept.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from daemon.tuning.asked import refusal
from daemon.tuning.decide import decide
from daemon.tuning.follow import followed, reframed
from daemon.tuning.model import Asked, Candidate
from daemon.tuning.propose import promised, step_of
from daemon.tuning.reasons import Reason

if TYPE_CHECKING:
    from daemon.tuning.model import Move, Observation, Policy
    from daemon.tuning.outcome import Outcome
    from daemon.tuning.state import State

_UNTOLD = {Reason.SUPERSEDED, Reason.POLICY_CHANGED, Reason.WARMING_UP}
"""Where these stand in the way, nothing is known of what is in force now."""


def look_now(state: State | None, seen: Observation, policy: Policy) -> Outcome:
    """Decide as if it were time to look for a step: every guard holds, no pause does."""
    if state is not None:
        state = replace(state, look=0, memory=replace(state.memory, idle_until=0))
    return decide(state, replace(seen, asked=None), policy)


def expected(
    state: State | None, seen: Observation, policy: Policy, moves: tuple[Move, ...]
) -> Candidate:
    """Say what a step of a person's should bring, and why it would be refused, if it would.

    It has no numbers where nothing is known yet, or of rules and values that there are not.
    """
    asked = replace(seen, asked=Asked(kind="step", moves=moves))
    refused = refusal(state, asked, policy)
    rules = {rule.name for rule in policy.rules}
    sound = all(move.rule in rules and math.isfinite(move.new) for move in moves)
    if state is None or refused in _UNTOLD or not sound:
        return Candidate(moves=moves, refused=refused)
    if state.aims != policy.aims():
        state = reframed(state, policy)
    step = step_of(moves, state := followed(state, seen), policy)
    return replace(promised(step, state, policy), moves=moves, refused=refused)
