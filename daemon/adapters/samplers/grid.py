"""Every point of a discrete space once."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from daemon.ports import Told
    from daemon.search.studies.domain import Domain, Point

GOLDEN = (math.sqrt(5) - 1) / 2


class GridSampler:
    """Goes through all points in steps that have nothing in common with their number.

    Each step is about the golden section of the grid: whenever the budget ends, what
    was looked at is spread over all of it. A point that was not told of is given again
    until it is.
    """

    def __init__(
        self, domain: Domain, directions: Sequence[str], seed: int, options: Mapping[str, Any]
    ) -> None:
        del directions, options
        self._domain = domain
        self._cells = domain.cells or 0
        self._step = _coprime(self._cells)
        self._first = seed % self._cells
        self._told: set[int] = set()
        self._passed = 0
        """So many steps from the first on lead to points that were told."""

    def ask(self, count: int, batch: int) -> Sequence[Point]:
        """Give the next points that nobody has told of; fewer at the end."""
        del batch
        found: list[Point] = []
        steps = self._passed
        while len(found) < count and steps < self._cells:
            index = self._index(steps)
            if index not in self._told:
                found.append(self._domain.at(index))
            elif not found and steps == self._passed:
                self._passed += 1
            steps += 1
        return found

    def tell(self, told: Sequence[Told]) -> None:
        """Cross points off."""
        self._told.update(self._domain.index(self._domain.snap(one.point)) for one in told)

    def _index(self, steps: int) -> int:
        return (self._first + steps * self._step) % self._cells


def _coprime(cells: int) -> int:
    """Give a number near the golden section of another that has no factor in common with it."""
    near = max(round(cells * GOLDEN), 1)
    return next(
        number
        for away in range(cells + 1)
        for number in (near + away, near - away)
        if number > 0 and math.gcd(number, cells) == 1
    )
