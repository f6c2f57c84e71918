"""A look at a stored state without making it one: what it is at, and how well it does.

Whoever only asks how things stand needs none of the arrays in it, nor the
library that computes with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daemon.tuning.state import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """What a person asks of a state first; moments are block numbers."""

    phase: Phase
    score: float | None
    look: int
    """When a proposal is considered next."""
    idle_until: int


def glance(plain: Mapping[str, Any]) -> Glance | None:
    """Read it from what `codec.dump` wrote; None if it was not that, or another version's."""
    try:
        return Glance(
            phase=Phase(plain["phase"]["is"]),
            score=_number(plain["score"]),
            look=int(plain["look"]),
            idle_until=int(plain["memory"]["idle_until"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _number(plain: Any) -> float | None:
    """Read a number: those that JSON has no form for are named."""
    if plain is None:
        return None
    return float(plain["is"] if isinstance(plain, dict) else plain)
