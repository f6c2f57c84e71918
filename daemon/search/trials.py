"""What a finished session knows of its jobs, in the form in which it is examined."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from daemon.market.params import Combinations
    from daemon.market.quotes import Quotes
    from daemon.search.grid import Grid
    from daemon.search.ranking import Columns

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Trials:
    """All jobs of a session: element i of a column is that of job i + 1."""

    columns: Columns
    """By metric; they are read one at a time, so they may be loaded when they are asked for."""
    done: Bools
    """Which jobs have a result."""
    grid: Grid | None = None
    """None where the jobs are no grid: then they have no neighbours and no axes."""
    quotes: Quotes | None = None
    """None where they are not at hand: then nothing is said that needs them."""
    draw: Callable[[Ints], Combinations] | None = None
    """Give the parameters of jobs, by index from 0; only of such as have a result."""
    elsewhere: int = 0
    """How many trials other sessions have made on the same quotes."""

    def sample(self, most: int) -> Ints:
        """Pick jobs that have a result: all of them, or so many."""
        return evenly(np.flatnonzero(self.done), most)


def evenly(places: Ints, most: int) -> Ints:
    """Thin out places to so many at most, without a step that an axis might share."""
    if len(places) <= most:
        return places
    turns = np.arange(most) * GOLDEN % 1.0
    return places[np.unique((turns * len(places)).astype(np.int64))]
