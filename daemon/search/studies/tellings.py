"""What a sampler was told, in one order, whatever the order in which it heard of it.

Samplers learn from this and from nothing else. So one that was told everything
anew, after the process that asked it was killed, knows what the first one knew.
"""

from __future__ import annotations

import math
from bisect import insort
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from daemon.search.studies.domain import Domain, Point

    Floats = NDArray[np.float64]

WORST = 1e300
"""How far from holding its constraints a point counts that failed or was pruned."""


class Heard(Protocol):
    """What is told of a point: see `daemon.ports.Told`."""

    @property
    def point(self) -> Point:
        """The point."""
        ...

    @property
    def values(self) -> tuple[float, ...] | None:
        """One an objective; None if it failed or was pruned."""
        ...

    @property
    def violation(self) -> float:
        """How far it is from holding all constraints."""
        ...

    @property
    def batch(self) -> int:
        """The batch that it belongs to."""
        ...


class Telling(NamedTuple):
    """What became of a point."""

    batch: int
    key: str
    point: Point
    costs: tuple[float, ...] | None
    """Its values, turned so that less is better; None if there are none."""
    violation: float
    """0 if it holds its constraints, and never infinite."""


class Tellings:
    """Everything a sampler was told, by batch and then by the names of the points."""

    def __init__(self, domain: Domain, directions: Sequence[str]) -> None:
        self._domain = domain
        self._signs = tuple(-1.0 if direction == "maximize" else 1.0 for direction in directions)
        self._told: list[Telling] = []

    def tell(self, told: Iterable[Heard]) -> None:
        """Take in what became of some points."""
        for one in told:
            point = self._domain.snap(one.point)
            costs = self._costs(one.values)
            violation = WORST if costs is None else _bounded(one.violation)
            insort(
                self._told,
                Telling(one.batch, self._domain.key(point), point, costs, violation),
                key=lambda telling: telling[:2],
            )

    def __len__(self) -> int:
        return len(self._told)

    def __iter__(self) -> Iterator[Telling]:
        return iter(self._told)

    @property
    def points(self) -> list[Point]:
        """The points."""
        return [telling.point for telling in self._told]

    def keys(self) -> set[str]:
        """Name the points."""
        return {telling.key for telling in self._told}

    def batches(self) -> list[list[Telling]]:
        """Give them batch by batch."""
        return [[*group] for _, group in groupby(self._told, key=lambda telling: telling.batch)]

    def costs(self) -> Floats:
        """Give the costs, (n, objectives); NaN where there are none."""
        nothing = (math.nan,) * len(self._signs)
        rows = [nothing if one.costs is None else one.costs for one in self._told]
        return np.array(rows, np.float64).reshape(len(rows), len(self._signs))

    def violations(self) -> Floats:
        """Say how far each is from holding its constraints."""
        return np.array([one.violation for one in self._told], np.float64)

    def _costs(self, values: tuple[float, ...] | None) -> tuple[float, ...] | None:
        """Turn values so that less is better; what is no number is none."""
        if values is None or not all(map(math.isfinite, values)):
            return None
        return tuple(sign * value for sign, value in zip(self._signs, values, strict=True))


def standing(tellings: Sequence[Telling]) -> Floats:
    """Say where each of them stands by its first cost: 0 is the best; equal ones stand together.

    Those that hold their constraints stand before those that do not, and these stand
    by how far they are from it.
    """
    measure = [
        (one.violation, 0.0) if one.violation > 0 or one.costs is None else (0.0, one.costs[0])
        for one in tellings
    ]
    places = {found: place for place, found in enumerate(sorted(set(measure)))}
    return np.array([places[one] for one in measure], np.float64)


def _bounded(violation: float) -> float:
    return min(max(violation, 0.0), WORST) if violation == violation else WORST  # noqa: PLR0124 - NaN
