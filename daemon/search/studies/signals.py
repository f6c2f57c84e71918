"""Signals of the running system, day by day: is any of them worse than it used to be?

Only turns for the worse count, away from where a target wants a signal. A change
that the loop keeps makes things better; were that a reason too, every winner that
it adopts would ask for the next study.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon.search.studies.watching import Channel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float64]

HOURS = 24
HOURS_MIN = 12
"""A day counts that has so many hours of a signal."""

PRESENT = 0.8
"""A signal is watched that was there on such a share of the days of the one that was there most."""

SCORE = "score"
"""What all signals come to together, each weighing what its target weighs."""

STILL = 1e-6
"""A signal that moved by a smaller share of itself is measured as if it had moved so much."""


@dataclass(frozen=True, slots=True)
class Wish:
    """Where a signal is wanted; at least one bound is set."""

    signal: str
    low: float | None = None
    high: float | None = None
    weight: float = 0.0

    def turned(self, values: Floats) -> Floats:
        """Turn values so that less is worse: in a band, what is farther from its middle."""
        if self.low is not None and self.high is not None:
            found: Floats = -np.abs(values - (self.low + self.high) / 2)
            return found
        return values if self.low is not None else -values


def by_day(hours: Floats) -> Floats:
    """Take the median hour of each day; NaN where there are too few."""
    days = hours.reshape(-1, HOURS)
    there = np.isfinite(days).sum(axis=1) >= HOURS_MIN
    found = np.full(len(days), np.nan)
    if there.any():
        found[there] = np.nanmedian(days[there], axis=1)
    return found


def channels(wishes: Sequence[Wish], days: Sequence[Floats], seen: int) -> list[Channel]:
    """Lay signals side by side, each in its own spread from day to day before the study.

    Args:
        wishes: where each is wanted.
        days: a row a signal; NaN on days without it.
        seen: how many of the days lie before the study.

    Returns:
        Those that were there often enough, and all of them weighed into one score;
        days on which one of them was missing are left out.
    """
    there = [int(np.isfinite(row[:seen]).sum()) for row in days]
    enough = max(PRESENT * max(there, default=0), 1)
    kept = [place for place, count in enumerate(there) if count >= enough]
    if not kept:
        return []
    values = np.column_stack([wishes[place].turned(days[place]) for place in kept])
    whole: Bools = np.logical_and.reduce(np.isfinite(values), axis=1)
    before, since = values[:seen][whole[:seen]], values[seen:][whole[seen:]]
    if not len(before):
        return []
    size = np.abs(before).max(axis=0)
    spread = np.maximum(before.std(axis=0), STILL * np.where(size > 0, size, 1.0))
    middle = before.mean(axis=0)
    before, since = (before - middle) / spread, (since - middle) / spread
    found = [
        Channel(wishes[place].signal, before[:, column, None], since[:, column, None])
        for column, place in enumerate(kept)
    ]
    weights = np.array([wishes[place].weight for place in kept])
    if len(kept) > 1 and weights.sum() > 0:
        share = weights / weights.sum()
        found.append(Channel(SCORE, (before @ share)[:, None], (since @ share)[:, None]))
    return found
