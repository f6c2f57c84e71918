"""What parameters earned on each day, marked to the market: what was promised, and what came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon.search.studies.marked import marked

if TYPE_CHECKING:
    from daemon.market.params import Combinations
    from daemon.market.quotes import Quotes
    from daemon.search.studies.drift import Days, Floats, Ints

COVERED = 0.9
"""Of a day that counts at least this share of the rows was traded on."""


@dataclass(frozen=True, eq=False, slots=True)
class Earned:
    """What was earned on some days."""

    usd: Floats
    """On each of the days that were asked for."""
    rows: Ints
    """On how many rows of each."""

    def plus(self, other: Earned) -> Earned:
        """Add what was earned on other rows."""
        return Earned(self.usd + other.usd, self.rows + other.rows)

    def times(self, weight: float) -> Earned:
        """Count it so many times."""
        return Earned(self.usd * weight, self.rows)


def nothing(days: Days) -> Earned:
    """Give what is earned on no rows."""
    return Earned(np.zeros(len(days.numbers)), np.zeros(len(days.numbers), np.int64))


def earned(quotes: Quotes, trial: Combinations, of_row: Ints, days: Days) -> Earned:
    """Run one combination over quotes, and say what it earned on each day.

    Args:
        quotes: rows in order of time.
        trial: exactly one combination.
        of_row: the day of each row.
        days: the days that are asked for; what is earned on others is left out.
    """
    none = nothing(days)
    if not len(quotes) or not len(days.numbers):
        return none
    ends = np.flatnonzero(np.append(np.diff(of_row) != 0, True))
    gained = marked(quotes, trial, ends)[:, 0]
    rows = np.diff(ends, prepend=-1)
    place = np.minimum(np.searchsorted(days.numbers, of_row[ends]), len(days.numbers) - 1)
    known = days.numbers[place] == of_row[ends]
    np.add.at(none.usd, place[known], gained[known])
    np.add.at(none.rows, place[known], rows[known])
    return none


def covered(part: Earned, whole: Ints) -> Ints:
    """Give the places of the days of which nearly all rows were traded on."""
    found: Ints = np.flatnonzero((whole > 0) & (part.rows >= COVERED * whole))
    return found
