"""Quotes of two venues, row by row, and the spreads between them.

A row is sound or it is not: one rule, for every parameter and for both engines.
The prices may stand in a file that is mapped into memory and shared by workers;
what is computed of them is computed once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

T = TypeVar("T")

BPS = 1e4
"""Basis points in one."""

DAY_US = 86_400 * 1_000_000

PRICES = ("best_bid_a", "best_ask_a", "best_bid_b", "best_ask_b")

AT_ONCE = 1 << 15
"""Rows that are computed at once: what lies between stays in the cache of a core."""


@dataclass(frozen=True, eq=False, slots=True)
class Spreads:
    """What buying on one venue and selling on the other would bring, before costs."""

    ab: Floats
    """Buy on A, sell on B, in bps."""
    ba: Floats
    """Buy on B, sell on A, in bps."""
    valid: Bools
    """Rows that may open and close trades."""


@dataclass(frozen=True, eq=False, slots=True)
class Days:
    """The calendar days (UTC) on which there are rows, numbered as they first appear."""

    of_row: Ints
    """The number of each row's day."""
    seen: Ints
    """How many days there were up to each row, its own included."""

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.seen[-1]) if len(self.seen) else 0


@dataclass(frozen=True, eq=False, slots=True)
class Quotes:
    """The best prices of both venues; they never change.

    Raises:
        ValueError: the columns are not equally long.
    """

    best_bid_a: Floats
    best_ask_a: Floats
    best_bid_b: Floats
    best_ask_b: Floats
    at_us: Ints | None = None
    """When, in UTC microseconds; None where the timestamps are no moments."""
    digest: str = ""
    """What names their content; empty where nobody computed it."""
    _known: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        lengths = {len(column) for column in (*self.prices, self.at_us) if column is not None}
        if len(lengths) > 1:
            raise ValueError(f"the columns of quotes differ in length: {sorted(lengths)}")

    def __len__(self) -> int:
        return len(self.best_bid_a)

    @property
    def prices(self) -> tuple[Floats, Floats, Floats, Floats]:
        """The four columns, in the order of `PRICES`."""
        return self.best_bid_a, self.best_ask_a, self.best_bid_b, self.best_ask_b

    def once(self, name: Hashable, compute: Callable[[], T]) -> T:
        """Compute something of these quotes the first time it is asked for."""
        if name not in self._known:
            self._known[name] = compute()
        found: T = self._known[name]
        return found

    def part(self, rows: slice) -> Quotes:
        """Look at some rows; what was computed row by row is computed for them."""
        at_us = None if self.at_us is None else self.at_us[rows]
        bid_a, ask_a, bid_b, ask_b = (column[rows] for column in self.prices)
        known: dict[Hashable, Any] = {
            name: Spreads(found.ab[rows], found.ba[rows], found.valid[rows])
            for name, found in tuple(self._known.items())  # other threads may add to it
            if isinstance(found, Spreads)
        }
        return Quotes(bid_a, ask_a, bid_b, ask_b, at_us, _known=known)

    def spreads(self, rate: float = 1.0) -> Spreads:
        """Give both spreads, B's prices multiplied by the rate first."""
        return self.once(("spreads", rate), lambda: _spreads(self, rate))

    def days(self) -> Days | None:
        """Number the days; None where the timestamps are no moments."""
        at_us = self.at_us
        return None if at_us is None else self.once("days", lambda: _days(at_us))


def _spreads(quotes: Quotes, rate: float) -> Spreads:
    rows = len(quotes)
    made = Spreads(np.empty(rows), np.empty(rows), np.empty(rows, np.bool_))
    with np.errstate(all="ignore"):  # what overflows or is no number makes its row invalid
        for start in range(0, rows, AT_ONCE):
            part = slice(start, start + AT_ONCE)
            bid_a, ask_a, bid_b, ask_b = (column[part] for column in quotes.prices)
            sound = (bid_a > 0) & (bid_a < ask_a) & (ask_a < np.inf)
            sound &= (bid_b > 0) & (bid_b < ask_b) & (ask_b < np.inf)
            bid_b, ask_b = bid_b * rate, ask_b * rate
            made.ab[part] = (bid_b - ask_a) / ask_a * BPS
            made.ba[part] = (bid_a - ask_b) / ask_b * BPS
            sound &= (bid_b > 0) & np.isfinite(made.ab[part]) & np.isfinite(made.ba[part])
            made.valid[part] = sound
    return made


def _days(at_us: Ints) -> Days:
    if len(at_us) and (at_us[1:] >= at_us[:-1]).all():
        first, last = (int(at_us[place]) // DAY_US for place in (0, -1))
        if last - first < len(at_us):
            begins = np.searchsorted(at_us, DAY_US * np.arange(first, last + 2))
            rows = np.diff(begins)
            of_row = np.repeat(np.arange(np.count_nonzero(rows)), rows[rows > 0])
            return Days(of_row, of_row + 1)
    found, first_row, place = np.unique(at_us // DAY_US, return_index=True, return_inverse=True)
    number = np.empty(len(found), np.int64)
    number[np.argsort(first_row)] = np.arange(len(found))
    new = np.zeros(len(at_us), np.int64)
    new[first_row] = 1
    return Days(number[place], np.cumsum(new))
