"""The jobs of a session as the cells of a grid, and which of them stand side by side.

Job i is cell i, the last axis turning fastest. A session that was cut short by a
limit has only the first cells: axes are cut down to the values that occur, so the
grid is never more than twice as large as the session, however many combinations
the full product has.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Self

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

Value = int | float | str


class Named(Protocol):
    """An axis as a session's plan has it."""

    @property
    def name(self) -> str:
        """The parameter that it changes."""
        ...

    @property
    def values(self) -> Sequence[Value]:
        """Its values in the order written, none of them twice."""
        ...


@dataclass(frozen=True, eq=False, slots=True)
class Line:
    """One axis of a grid."""

    name: str
    values: tuple[Value, ...]
    """Those that occur in the session, in the order written."""
    whole: bool
    """Whether these are all the values that it has."""
    ordered: bool
    """Whether they are numbers: those of words have no neighbours."""
    pairs: Ints
    """(n, 2): places of values with none between them; of words, as they are written."""


@dataclass(frozen=True, eq=False, slots=True)
class Grid:
    """The cells of a session."""

    lines: tuple[Line, ...]
    jobs: int

    @classmethod
    def of(cls, axes: Iterable[Named], jobs: int) -> Self:
        """Lay out the first so many combinations of some axes.

        Raises:
            ValueError: there are fewer combinations than jobs.
        """
        lines: list[Line] = []
        inner = 1
        for axis in reversed([*axes]):
            used = min(len(axis.values), -(-jobs // inner)) if jobs else 0
            lines.append(_line(axis, used))
            inner *= len(axis.values)
        if jobs > inner:
            raise ValueError(f"there are {jobs} jobs, and only {inner} combinations")
        return cls(tuple(reversed(lines)), jobs)

    @property
    def shape(self) -> tuple[int, ...]:
        """How many values each axis has here."""
        return tuple(len(line.values) for line in self.lines)

    def fill(self, column: NDArray[Any], nothing: Any) -> NDArray[Any]:
        """Lay a column of the jobs out on the grid; where no job is, stands ``nothing``."""
        cells = int(np.prod(self.shape, dtype=np.int64))
        if len(column) == cells:
            return column.reshape(self.shape)
        made = np.full(cells, nothing, column.dtype)
        made[: self.jobs] = column
        return made.reshape(self.shape)

    def flat(self, cells: NDArray[Any]) -> NDArray[Any]:
        """Take a column of the jobs back from the grid."""
        return cells.reshape(-1)[: self.jobs]


def _line(axis: Named, used: int) -> Line:
    values = tuple(axis.values)
    ordered = all(not isinstance(value, str) for value in values)
    places = range(len(values))
    order = sorted(places, key=lambda place: values[place]) if ordered else [*places]
    pairs = [(one, other) for one, other in pairwise(order) if one < used and other < used]
    return Line(
        axis.name,
        values[:used],
        used == len(values),
        ordered,
        np.array(pairs, np.int64).reshape(-1, 2),
    )
