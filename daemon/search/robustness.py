"""Which job would still be good if its parameters were a little off.

The best of many jobs is partly the luckiest. Luck is a matter of one cell, while
what a market really pays changes little from one step of a parameter to the next;
so a job is scored by the mean over its neighbourhood: itself and the cells one
step away along any axes, diagonals included. Along each axis it counts twice and
a neighbour once: so, without noise, a hill that falls off evenly keeps its top
even where the rim of the grid is near. The worst of them and how far they lie
apart stand beside it.

What that trades: the mean blurs. An optimum that is gone after a step to either
side is given up for a broader, lower one; if it was real, that is a loss. How
large a step is was decided by whoever wrote the grid: where neighbours are so far
apart that they say nothing of each other, the score mixes strangers. At the rim
there are fewer neighbours, so luck is averaged out less there. And all jobs saw
the same quotes: luck that neighbours share is not averaged out at all. Words have
no order: along such an axis there are no neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.search.ranking import ANY, Filters, Keys, in_order, judged

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from daemon.search.grid import Grid
    from daemon.search.ranking import Columns

    Join = Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]
    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


OWN = 2
"""How often a cell counts in its own mean, along each axis; a neighbour counts once."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Robust:
    """What the neighbourhood says of every job, an element a job."""

    score: Floats
    """The weighted mean pnl of the neighbourhood; NaN where most neighbours have no result."""
    worst: Floats
    """The smallest pnl in it."""
    spread: Floats
    """The largest less the smallest."""
    neighbours: Ints
    """How many cells beside its own are known."""
    rank: Ints
    """1, 2, 2, 4 among those that may be ranked; 0 for the others."""
    best: int | None
    """The place of the best of them."""
    axes: tuple[str, ...]
    """Along which there are neighbours; where this is empty, each cell stands alone."""


def robust(
    grid: Grid, columns: Columns, filters: Filters = ANY, *, done: Bools | None = None
) -> Robust:
    """Score every job by its neighbourhood, and rank those that pass the filters.

    Jobs that failed, and those whose pnl is no finite number, count in no mean. A
    job of which most neighbours were planned and have no result gets no score: a
    lone survivor would be its own neighbourhood.
    """
    pnl = columns["realized_pnl_usd"].astype(np.float64)
    known = np.isfinite(pnl) if done is None else done & np.isfinite(pnl)
    planned = _gathered(grid, np.ones(grid.jobs, np.int64), np.add, 0)
    count = _gathered(grid, known.astype(np.int64), np.add, 0)
    weight = _gathered(grid, known.astype(np.float64), np.add, 0.0, OWN)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        score = _gathered(grid, np.where(known, pnl, 0.0), np.add, 0.0, OWN) / weight
        worst = _gathered(grid, np.where(known, pnl, np.inf), np.minimum, np.inf)
        most = _gathered(grid, np.where(known, pnl, -np.inf), np.maximum, -np.inf)
        sound = known & (2 * (count - 1) >= planned - 1)
        score, worst = np.where(sound, score, np.nan), np.where(sound, worst, np.nan)
        spread = np.where(sound, most - worst, np.nan)
    left, _ = judged(columns, filters, done, grid.jobs)
    rank, best = _ranked(left, score, worst)
    return Robust(
        score=score,
        worst=worst,
        spread=spread,
        neighbours=np.where(known, count - 1, 0),
        rank=rank,
        best=best,
        axes=tuple(line.name for line in grid.lines if line.ordered and len(line.pairs)),
    )


def _ranked(left: Bools, score: Floats, worst: Floats) -> tuple[Ints, int | None]:
    """Rank by the score, equal ones by the worst neighbour."""
    at = np.flatnonzero(left & np.isfinite(score))
    found = in_order(Keys(score[at], -worst[at], at, at))
    rank = np.zeros(len(left), np.int64)
    rank[found.places] = found.ranks
    return rank, int(found.places[0]) if len(at) else None


def _gathered(
    grid: Grid, column: NDArray[Any], join: Join, nothing: float, own: int = 1
) -> NDArray[Any]:
    """Join every cell, multiplied by ``own``, with its neighbours, one axis after the other.

    Joined along every axis in turn, a cell has met all cells that are at most one
    step away on each of them: the cost is that of the axes, not of their 3^d cells.
    """
    cells = grid.fill(column, nothing)
    for place, line in enumerate(grid.lines):
        if line.ordered and len(line.pairs):
            cells = _along(cells, own * cells, place, line.pairs, join)
    return grid.flat(cells)


def _along(
    cells: NDArray[Any], made: NDArray[Any], place: int, pairs: Ints, join: Join
) -> NDArray[Any]:
    before, after = np.moveaxis(cells, place, 0), np.moveaxis(made, place, 0)
    one, other = _places(pairs[:, 0]), _places(pairs[:, 1])
    after[one] = join(after[one], before[other])
    after[other] = join(after[other], before[one])
    return made


def _places(places: Ints) -> Ints | slice:
    """Give places that follow each other as a slice, which is much faster."""
    follow = bool((np.diff(places) == 1).all())
    return slice(int(places[0]), int(places[-1]) + 1) if follow else places
