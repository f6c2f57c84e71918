"""Plateau rather than peak: would a trial still be good if its parameters were a little off?

As for grids, in `robustness`, a trial is scored by the mean over itself and the points
one step away along each axis, itself counting twice; the worst of them stands beside it.
A study has no grid, so its neighbours are probed: backtests on the same training rows
that nobody proposed, and from which nobody is chosen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon.search.ranking import Keys, in_order

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

OWN = 2
"""How often a trial counts in its own mean; a neighbour counts once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plateau:
    """What the neighbourhood says of one trial."""

    score: float
    """The weighted mean of the neighbourhood; NaN where nobody can vouch for it."""
    worst: float
    own: float
    neighbours: int
    """How many were probed and have a value."""

    @property
    def kept(self) -> float:
        """Say what share of its own gain is left on average; NaN where it gained nothing."""
        return self.score / self.own if self.own > 0 else math.nan


def plateau(own: float, around: Floats) -> Plateau:
    """Score a trial by itself and its neighbours; the larger the better.

    Without a value for at least half of its neighbours there is no score. One that
    has no neighbours at all, because no axis has an order, stands for itself.
    """
    known = around[np.isfinite(around)]
    if not math.isfinite(own) or 2 * len(known) < len(around):
        return Plateau(score=math.nan, worst=math.nan, own=own, neighbours=len(known))
    return Plateau(
        score=(OWN * own + float(known.sum())) / (OWN + len(known)),
        worst=min(own, float(known.min(initial=math.inf))),
        own=own,
        neighbours=len(known),
    )


def robust_ranks(found: Sequence[Plateau]) -> Ints:
    """Rank by the score, equal ones by the worst neighbour; 0 without a score."""
    score = np.array([one.score for one in found], np.float64)
    worst = np.array([one.worst for one in found], np.float64)
    at = np.flatnonzero(np.isfinite(score))
    ordered = in_order(Keys(score[at], -worst[at], at, at))
    ranks = np.zeros(len(found), np.int64)
    ranks[ordered.places] = ordered.ranks
    return ranks
