"""The numbers of the points of a discrete domain: a bijection, though some axes depend on others.

How many points there are below a value depends only on the axes that conditions
ask for, and of their values only on those that are asked for: all others are
alike. So counting takes a few steps, however many values the axes have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from daemon.search.studies.scales import Axis, Value

    State = tuple[Value | None, ...]
    """The value of each axis so far that others depend on; None if none of them asks for it."""


class Numbering:
    """Numbers for the points of axes that all have steps, each after those it depends on."""

    def __init__(self, order: Sequence[Axis]) -> None:
        self._order = tuple(order)
        asked: dict[str, set[Value]] = {}
        for axis in self._order:
            for name, value in axis.when.items():
                asked.setdefault(name, set()).add(value)
        self._asked = {
            axis.name: sorted({axis.place(value) for value in asked[axis.name]})
            for axis in self._order
            if axis.name in asked
        }
        self._seats = {name: seat for seat, name in enumerate(self._asked)}
        self._counts: dict[tuple[int, State], int] = {}

    @property
    def cells(self) -> int:
        """How many points there are."""
        return self._count(0, ())

    def index(self, point: Mapping[str, Value]) -> int:
        """Give the number of a legal point."""
        number = 0
        state: State = ()
        for depth, axis in enumerate(self._order):
            if not self._active(axis, state):
                state = self._after(axis, None, state)
                continue
            place = axis.place(point[axis.name])
            for low, high, below in self._stretches(axis, state):
                if low <= place < high:
                    number += (place - low) * self._count(depth + 1, below)
                    state = below
                    break
                number += (high - low) * self._count(depth + 1, below)
        return number

    def at(self, index: int) -> dict[str, Value]:
        """Give the point of a number.

        Raises:
            IndexError: there is none of this number.
        """
        if not 0 <= index < self.cells:
            raise IndexError(f"there is no point {index} of {self.cells}")
        found: dict[str, Value] = {}
        state: State = ()
        for depth, axis in enumerate(self._order):
            if not self._active(axis, state):
                state = self._after(axis, None, state)
                continue
            for low, high, below in self._stretches(axis, state):
                each = self._count(depth + 1, below)
                if index < (high - low) * each:
                    steps, index = divmod(index, each)
                    found[axis.name] = axis.value(low + steps)
                    state = below
                    break
                index -= (high - low) * each
        return found

    def _count(self, depth: int, state: State) -> int:
        """Count the points below the first so many axes."""
        if depth == len(self._order):
            return 1
        if (depth, state) not in self._counts:
            axis = self._order[depth]
            if self._active(axis, state):
                found = sum(
                    (high - low) * self._count(depth + 1, below)
                    for low, high, below in self._stretches(axis, state)
                )
            else:
                found = self._count(depth + 1, self._after(axis, None, state))
            self._counts[depth, state] = found
        return self._counts[depth, state]

    def _stretches(self, axis: Axis, state: State) -> Iterator[tuple[int, int, State]]:
        """Cut an axis where values are that others ask for: from, up to, and the state below."""
        start, size = 0, axis.size or 0
        for place in self._asked.get(axis.name, ()):
            if place > start:
                yield start, place, self._after(axis, None, state)
            yield place, place + 1, self._after(axis, axis.value(place), state)
            start = place + 1
        if start < size:
            yield start, size, self._after(axis, None, state)

    def _after(self, axis: Axis, value: Value | None, state: State) -> State:
        return (*state, value) if axis.name in self._asked else state

    def _active(self, axis: Axis, state: State) -> bool:
        return all(state[self._seats[name]] == value for name, value in axis.when.items())
