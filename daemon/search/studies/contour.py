"""What a page draws of two parameters at once: the values found, cell by cell."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

CELLS = 12
"""Cells along an axis, at most."""

PAIRS = 6
"""Pairs of parameters, at most: those of the most important ones."""


@dataclass(frozen=True, eq=False, slots=True)
class Contour:
    """Two axes, cut into cells, and what was found in each of them."""

    axes: tuple[int, int]
    edges: tuple[Floats, Floats]
    """Where the cells of each axis begin, and where the last one ends, as shares of the axis."""
    mean: Floats
    """(cells of the one, cells of the other); NaN where nobody was."""
    best: Floats
    """The largest."""
    count: Ints

    def document(self, names: Sequence[str]) -> dict[str, Any]:
        """Give it as JSON can hold it; cells where nobody was are null."""
        return {
            "axes": [names[axis] for axis in self.axes],
            "edges": [edges.tolist() for edges in self.edges],
            "mean": _plain(self.mean),
            "best": _plain(self.best),
            "count": self.count.tolist(),
        }


def _plain(cells: Floats) -> list[list[float | None]]:
    return [[value if math.isfinite(value) else None for value in row] for row in cells.tolist()]


def contours(unit: Floats, values: Floats, important: Floats) -> list[Contour]:
    """Draw the most important pairs of axes; those whose importance is not known come last."""
    weight = np.where(np.isfinite(important), important, -1.0)
    order = np.argsort(-weight, kind="stable").tolist()
    pairs = sorted(combinations(range(len(order)), 2), key=lambda pair: (sum(pair), pair))
    chosen = [(order[one], order[other]) for one, other in pairs[:PAIRS]]
    return [contour(unit, values, min(pair), max(pair)) for pair in chosen]


def contour(unit: Floats, values: Floats, one: int, other: int) -> Contour:
    """Bin the points of two axes; those at which either is not looked at are left out."""
    known = np.isfinite(values) & np.isfinite(unit[:, one]) & np.isfinite(unit[:, other])
    values = values[known]
    edges = (_edges(unit[known, one]), _edges(unit[known, other]))
    shape = (len(edges[0]) - 1, len(edges[1]) - 1)
    place = _place(unit[known, one], edges[0]) * shape[1] + _place(unit[known, other], edges[1])
    count = np.bincount(place, minlength=shape[0] * shape[1])
    total = np.bincount(place, values, shape[0] * shape[1])
    best = np.full(shape[0] * shape[1], -np.inf)
    np.maximum.at(best, place, values)
    some = count > 0
    mean = np.where(some, total / np.maximum(count, 1), np.nan)
    return Contour(
        (one, other),
        edges,
        mean.reshape(shape),
        np.where(some, best, np.nan).reshape(shape),
        count.reshape(shape),
    )


def _edges(shares: Floats) -> Floats:
    """Cut an axis between its values where it has few, and evenly where it has many."""
    places = np.unique(shares)
    if len(places) > CELLS:
        return np.linspace(0.0, 1.0, CELLS + 1)
    middles = (places[1:] + places[:-1]) / 2
    return np.concatenate(([0.0], middles, [1.0]))


def _place(shares: Floats, edges: Floats) -> Ints:
    found: Ints = np.clip(np.searchsorted(edges, shares, side="right") - 1, 0, len(edges) - 2)
    return found
