"""Which rows a study saw: told apart from those that came later, whatever became of the file.

A file of quotes grows, is cut off at its beginning, goes on in a new file, or is
replaced by other quotes under the same name. Rows are compared by what they hold,
never by how many there are.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from numpy.typing import NDArray

    from daemon.market.quotes import Quotes

TAILS = (10_000, 1_000, 100, 10, 1)
"""So many of the last rows are named by themselves: what is left when a file loses its first."""


class Became(StrEnum):
    """What became of the rows that a study saw."""

    SAME = "same"
    """They are all there, and no others."""
    GROWN = "grown"
    """They are all there, and others follow."""
    ROLLED = "rolled"
    """The last of them are there, and others follow; the first are gone."""
    RESUMED = "resumed"
    """None of them is there, and all that is there is newer."""
    REPLACED = "replaced"
    """What is there is something else."""


@dataclass(frozen=True, slots=True)
class Newer:
    """Where in a file the rows begin that a study did not see."""

    became: Became
    start: int
    """The place of the first of them; meaningless where the rows were replaced."""
    seen: int
    """How many of the rows before it the study saw."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """The rows that a study saw, named by what they hold."""

    rows: int
    digest: str
    first_us: int | None = None
    last_us: int | None = None
    tails: Mapping[int, str] = field(default_factory=dict)

    @classmethod
    def of(cls, quotes: Quotes) -> Self:
        """Name the rows of some quotes."""
        rows, at_us = len(quotes), quotes.at_us
        timed = at_us is not None and rows > 0
        return cls(
            rows=rows,
            digest=_named(quotes, 0, rows),
            first_us=int(at_us[0]) if timed and at_us is not None else None,
            last_us=int(at_us[-1]) if timed and at_us is not None else None,
            tails={count: _named(quotes, rows - count, rows) for count in TAILS if count <= rows},
        )

    def document(self) -> dict[str, Any]:
        """Say it as JSON can hold it."""
        return {
            "rows": self.rows,
            "digest": self.digest,
            "first_us": self.first_us,
            "last_us": self.last_us,
            "tails": {str(count): name for count, name in self.tails.items()},
        }

    @classmethod
    def of_document(cls, told: Mapping[str, Any]) -> Self:
        """Read what `document` gave."""
        return cls(
            rows=told["rows"],
            digest=told["digest"],
            first_us=told["first_us"],
            last_us=told["last_us"],
            tails={int(count): name for count, name in told["tails"].items()},
        )

    def newer(self, quotes: Quotes) -> Newer:
        """Find the rows that came after these."""
        if len(quotes) >= self.rows and _named(quotes, 0, self.rows) == self.digest:
            became = Became.SAME if len(quotes) == self.rows else Became.GROWN
            return Newer(became, self.rows, self.rows)
        return self._cut(quotes) or Newer(Became.REPLACED, 0, 0)

    def _cut(self, quotes: Quotes) -> Newer | None:
        """Find them by their moments in a file that has lost its first rows."""
        at_us = quotes.at_us
        if at_us is None or not len(at_us) or self.last_us is None:
            return None
        if (np.diff(at_us) < 0).any():
            return None
        start = int(np.searchsorted(at_us, self.last_us, "right"))
        if start == 0:
            return Newer(Became.RESUMED, 0, 0)
        count = next((count for count in TAILS if count <= start and count in self.tails), None)
        if count is None or _named(quotes, start - count, start) != self.tails[count]:
            return None
        seen = start - int(np.searchsorted(at_us, self.first_us or 0, "left"))
        return Newer(Became.ROLLED, start, seen)


def _named(quotes: Quotes, start: int, stop: int) -> str:
    """Name rows by what they hold."""
    at_us = quotes.at_us
    found = hashlib.sha256(b"untimed" if at_us is None else _plain(at_us, start, stop))
    for column in quotes.prices:
        found.update(_plain(column, start, stop))
    return found.hexdigest()


def _plain(column: NDArray[Any], start: int, stop: int) -> memoryview:
    """Give rows as they lie in memory: a file may hold more than is worth copying."""
    return np.ascontiguousarray(column[start:stop]).data
