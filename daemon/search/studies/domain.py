"""What a study searches: its axes, the points between them, and how points are named and numbered.

A point says the value of every parameter that is looked at there, and of no other:
one that depends on another is *active* only where that other has the value asked
for. So the points of conditional axes are a tree, and where all axes are discrete
its leaves have numbers, known without writing any of them out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.search.studies.numbering import Numbering
from daemon.search.studies.scales import Axis, Choice, Profiles, Real, Value, When, Whole, axis_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Self

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["Axis", "Choice", "Domain", "Point", "Profiles", "Real", "Value", "When", "Whole"]

Point = Mapping[str, Value]
"""The values of the active parameters, in the order of the axes; a profile under its axis."""

NEAR = 1 / 20
"""How far a neighbour lies on an axis without steps, as a share of it."""


@dataclass(frozen=True)
class Domain:
    """All points that a study may propose.

    Raises:
        ValueError: there is no axis, two have one name, there is more than one axis of
            profiles, a profile sets what an axis sets, or a condition makes no sense.
    """

    axes: tuple[Axis, ...]

    def __post_init__(self) -> None:
        if not self.axes:
            raise ValueError("there is nothing to search: no parameter is given a range")
        if len(self.named) < len(self.axes):
            raise ValueError("a parameter stands there twice")
        self._check_profiles()
        for axis in self.axes:
            for parent, value in axis.when.items():
                self._check_condition(axis, parent, value)
        self.order  # noqa: B018 - finds circles

    # ── what it is made of ───────────────────────────────────────────────────
    @cached_property
    def named(self) -> Mapping[str, Axis]:
        """The axes by their names."""
        return {axis.name: axis for axis in self.axes}

    @cached_property
    def order(self) -> tuple[Axis, ...]:
        """The axes so that each comes after those that it depends on.

        Raises:
            ValueError: some depend on each other in a circle.
        """
        found: dict[str, Axis] = {}
        while len(found) < len(self.axes):
            free = [
                one
                for one in self.axes
                if one.name not in found and one.when.keys() <= found.keys()
            ]
            if not free:
                circle = ", ".join(axis.name for axis in self.axes if axis.name not in found)
                raise ValueError(f"these depend on each other in a circle: {circle}")
            found |= {axis.name: axis for axis in free}
        return tuple(found.values())

    @property
    def conditional(self) -> bool:
        """Tell whether some parameters are looked at only here and there."""
        return any(axis.when for axis in self.axes)

    @cached_property
    def cells(self) -> int | None:
        """How many points there are; None where an axis has no steps."""
        return self._numbering.cells if self._discrete else None

    # ── one point ────────────────────────────────────────────────────────────
    def active(self, point: Point) -> tuple[str, ...]:
        """Name the parameters that are looked at, given the values of those they depend on."""
        found = {axis.name for axis in self._walk(point)}
        return tuple(axis.name for axis in self.axes if axis.name in found)

    def snap(self, point: Point) -> Point:
        """Move a point to the nearest legal one; what is not active there is left out.

        Raises:
            ValueError: an active parameter is missing, or has a value of another kind.
        """
        found: dict[str, Value] = {}
        for axis in self.order:
            if all(found.get(name) == value for name, value in axis.when.items()):
                if axis.name not in point:
                    raise ValueError(f"{axis.name} is missing")
                found[axis.name] = axis.snap(point[axis.name])
        return self._ordered(found)

    def check(self, point: Point) -> None:
        """Hold a point against the axes.

        Raises:
            ValueError: it is not one of this domain; the sentence says what is wrong.
        """
        if unknown := sorted(point.keys() - self.named.keys()):
            raise ValueError(f"there is no axis {', '.join(unknown)}")
        legal = self.snap(point)
        if idle := [name for name in point if name not in legal]:
            raise ValueError(f"{', '.join(idle)} must be left out here: it is not looked at")
        for name, value in legal.items():
            if point[name] != value:
                raise ValueError(
                    f"{name} is {point[name]!r}: the nearest value it can have is {value!r}"
                )

    def key(self, point: Point) -> str:
        """Name a point: equal points have equal names, however their numbers were written."""
        return _TEXT(list(self.snap(point).items()))

    def params(self, point: Point, fixed: Mapping[str, Value]) -> dict[str, Value]:
        """Give the parameters of the backtest: what is fixed, a profile's, and the point's own."""
        found = dict(fixed)
        own = dict(point)
        for axis in self.axes:
            if isinstance(axis, Profiles) and axis.name in own:
                found |= axis.profiles[str(own.pop(axis.name))]
        return found | own

    def neighbours(self, point: Point) -> list[Point]:
        """Give the points one step away along each axis that has an order.

        On an axis without steps a step is a twentieth of it. A parameter that becomes
        active by the step stands in the middle of its axis.
        """
        return self._moved(point, [axis for axis in self._walk(point) if axis.ordered])

    def beside(self, point: Point) -> list[Point]:
        """Give its neighbours, and the points that differ in one value that has no order."""
        return self._moved(point, self._walk(point))

    # ── numbers of points ────────────────────────────────────────────────────
    def index(self, point: Point) -> int:
        """Give the number of a point of a discrete domain; the first has number 0.

        Raises:
            ValueError: the domain has axes without steps.
        """
        return self._numbered.index(point)

    def at(self, index: int) -> Point:
        """Give the point of a number; the last axis turns fastest.

        Raises:
            IndexError: there is none of this number.
            ValueError: the domain has axes without steps.
        """
        return self._ordered(self._numbered.at(index))

    # ── shares ───────────────────────────────────────────────────────────────
    def unit(self, points: Iterable[Point]) -> Floats:
        """Say where points lie, (n, axes): between 0 and 1, and NaN where an axis is not active."""
        rows = [
            [axis.share(point[axis.name]) if axis.name in point else math.nan for axis in self.axes]
            for point in points
        ]
        return np.array(rows, np.float64).reshape(len(rows), len(self.axes))

    def back(self, shares: Floats) -> list[Point]:
        """Give the points that lie at shares; NaN on an active axis stands for its middle."""
        rows = np.where(np.isnan(shares), 0.5, shares).tolist()
        places = [(axis, self.axes.index(axis)) for axis in self.order]
        found = []
        for row in rows:
            values: dict[str, Value] = {}
            for axis, place in places:
                if all(values.get(name) == value for name, value in axis.when.items()):
                    values[axis.name] = axis.at(row[place])
            found.append(self._ordered(values))
        return found

    # ── as JSON ──────────────────────────────────────────────────────────────
    def document(self) -> list[dict[str, Any]]:
        """Say it as JSON can hold it."""
        return [axis.document() for axis in self.axes]

    @classmethod
    def of(cls, document: Sequence[Mapping[str, Any]]) -> Self:
        """Read a domain back from its document.

        Raises:
            ValueError: it is none.
        """
        return cls(tuple(axis_of(one) for one in document))

    # ── inside ───────────────────────────────────────────────────────────────
    @property
    def _discrete(self) -> bool:
        return all(axis.size is not None for axis in self.axes)

    @cached_property
    def _numbering(self) -> Numbering:
        return Numbering(self.order)

    @property
    def _numbered(self) -> Numbering:
        if not self._discrete:
            endless = ", ".join(axis.name for axis in self.axes if axis.size is None)
            raise ValueError(f"points have no numbers: {endless} has no steps")
        return self._numbering

    def _walk(self, point: Point) -> list[Axis]:
        """Give the active axes, those first on which others depend."""
        found: dict[str, Axis] = {}
        for axis in self.order:
            if all(name in found and point.get(name) == value for name, value in axis.when.items()):
                found[axis.name] = axis
        return list(found.values())

    def _moved(self, point: Point, axes: Iterable[Axis]) -> list[Point]:
        found: dict[str, Point] = {}
        for axis in axes:
            for value in _beside(axis, point[axis.name]):
                other = self._completed({**point, axis.name: value})
                found.setdefault(self.key(other), other)
        found.pop(self.key(point), None)
        return list(found.values())

    def _completed(self, point: Point) -> Point:
        middle = {axis.name: axis.at(0.5) for axis in self.axes}
        return self.snap({**middle, **point})

    def _ordered(self, values: Mapping[str, Value]) -> Point:
        return {axis.name: values[axis.name] for axis in self.axes if axis.name in values}

    def _check_profiles(self) -> None:
        sets = [axis for axis in self.axes if isinstance(axis, Profiles)]
        if len(sets) > 1:
            raise ValueError(
                f"{sets[0].name} and {sets[1].name} are both profiles: one is possible"
            )
        for axis in sets:
            for name, values in axis.profiles.items():
                if twice := sorted(values.keys() & self.named.keys()):
                    raise ValueError(f"profile {name} sets {', '.join(twice)}, which has an axis")

    def _check_condition(self, axis: Axis, parent: str, value: Value) -> None:
        above = self.named.get(parent)
        if above is None:
            raise ValueError(f"{axis.name} depends on {parent}, which is no axis")
        if above.size is None:
            raise ValueError(f"{axis.name} depends on {parent}, which has no steps to be met")
        try:
            near: Value | None = above.snap(value)
        except ValueError:
            near = None
        if near != value:
            raise ValueError(f"{axis.name} asks for {parent} {value!r}, which it can never be")


_TEXT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def _beside(axis: Axis, value: Value) -> list[Value]:
    """Give the values one step below and above; of values without an order, all others."""
    if axis.size is not None and not axis.ordered:
        return [other for other in map(axis.value, range(axis.size)) if other != value]
    if axis.size is not None:
        place = axis.place(value)
        return [axis.value(one) for one in (place - 1, place + 1) if 0 <= one < axis.size]
    share = axis.share(value)
    return [axis.at(one) for one in (share - NEAR, share + NEAR)]
