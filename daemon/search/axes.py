"""What the axes of a grid changed: some nothing at all, others nothing between some values.

An axis is dead if no metric of any job depends on it. Nobody sees that in a
ranking: it shows as ties, or as a parameter that seems to have found its value.
What is said here is said of the jobs that were run, and only if each value of the
axis was compared with another under otherwise equal parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.market.metrics import NAMES
from daemon.search.ranking import ALIKE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from daemon.search.grid import Grid, Line, Value
    from daemon.search.ranking import Columns

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


AT_ONCE = 1 << 18
"""Cells that are compared at once."""


@dataclass(frozen=True, slots=True)
class Alike:
    """Values of an axis, side by side, that gave the same outcome wherever they were compared."""

    axis: str
    values: tuple[Value, ...]
    """In order."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What the axes of a session changed."""

    dead: tuple[str, ...]
    """Axes that changed nothing."""
    alike: tuple[Alike, ...]
    """Of the others, the values between which nothing changed."""


def changes(grid: Grid, columns: Columns, *, done: Bools | None = None) -> Changes:
    """Find out what changes nothing; ``columns`` are read one at a time.

    A job that failed beside one that did not is a change. Two numbers are equal
    up to rounding, whole numbers exactly, and what means nothing equals its like.
    """
    have = np.ones(grid.jobs, np.bool_) if done is None else done
    known = grid.fill(have, nothing=False)
    failed = grid.fill(~have, nothing=False)
    axes = [
        _Axis(place, line, known, failed)
        for place, line in enumerate(grid.lines)
        if len(line.values) > 1
    ]
    for name in NAMES:
        open_axes = [axis for axis in axes if axis.undecided]
        if name in columns and open_axes:
            cells = grid.fill(columns[name], 0)
            for axis in open_axes:
                axis.look(cells)
    return Changes(
        tuple(axis.line.name for axis in axes if axis.dead),
        tuple(group for axis in axes if not axis.dead for group in axis.groups()),
    )


class _Axis:
    """What is known of one axis after some metrics: pairs of its values that were never unlike."""

    def __init__(self, place: int, line: Line, known: Bools, failed: Bools) -> None:
        self.line, self._place = line, place
        self._known = np.moveaxis(known, place, 0)
        self._failed = np.moveaxis(failed, place, 0)
        others = np.arange(1, len(line.values))
        from_first = np.stack((np.zeros_like(others), others), axis=1)
        self._pairs = np.concatenate((line.pairs, from_first))
        self._same = np.concatenate([self._comparable(part) for part in self._parts(self._pairs)])

    def _parts(self, pairs: Ints) -> Iterator[Ints]:
        """Cut pairs into parts that are compared together."""
        size = max(1, AT_ONCE * len(self._known) // max(self._known.size, 1))
        for start in range(0, len(pairs), size):
            yield pairs[start : start + size]

    def _comparable(self, pairs: Ints) -> Bools:
        """Tell whether values were ever compared, and none failed where the other did not."""
        one, other = pairs.T
        compared: Bools = np.any(_rows(self._known[one] & self._known[other]), axis=1)
        parted = (self._known[one] & self._failed[other]) | (self._failed[one] & self._known[other])
        alike: Bools = ~np.any(_rows(parted), axis=1)
        return compared & alike

    @property
    def undecided(self) -> bool:
        """Some values may still turn out to be alike."""
        return bool(self._same.any())

    @property
    def dead(self) -> bool:
        """Whatever value it had, nothing was different."""
        return self.line.whole and bool(self._same[len(self.line.pairs) :].all())

    def look(self, cells: NDArray[Any]) -> None:
        """Compare one metric."""
        moved = np.moveaxis(cells, self._place, 0)
        left = np.flatnonzero(self._same)
        found = []
        for pairs in self._parts(self._pairs[left]):
            one, other = pairs.T
            unknown = ~(self._known[one] & self._known[other])
            found.append(np.all(_rows(equal(moved[one], moved[other]) | unknown), axis=1))
        self._same[left] = np.concatenate(found)

    def groups(self) -> Iterator[Alike]:
        """Give the longest stretches of values that are alike."""
        group: list[int] = []
        same = self._same[: len(self.line.pairs)].tolist()
        for (one, other), alike in zip(self.line.pairs.tolist(), same, strict=True):
            if not alike or (group and group[-1] != one):
                yield from self._group(group)
                group = []
            if alike:
                group = group or [one]
                group.append(other)
        yield from self._group(group)

    def _group(self, places: list[int]) -> Iterator[Alike]:
        if places:
            yield Alike(self.line.name, tuple(self.line.values[place] for place in places))


def _rows(found: Bools) -> Bools:
    """Lay out what was found of each pair in a row."""
    return found.reshape(len(found), -1)


def equal(one: NDArray[Any], other: NDArray[Any]) -> Bools:
    """Compare element by element: exactly, but for the rounding of what is no whole number."""
    found: Bools = one == other
    if one.dtype.kind == "f":
        with np.errstate(invalid="ignore", over="ignore"):
            size = np.maximum(np.maximum(np.abs(one), np.abs(other)), 1.0)
            found |= np.abs(one - other) <= np.where(np.isfinite(size), ALIKE * size, 0.0)
        found |= np.isnan(one) & np.isnan(other)
    return found
