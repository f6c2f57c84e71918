"""Lists of trades, one trade after the other: what sums over all lists cannot tell.

That is what a stop has left of a list, and how much trades differ that differ so
little that squares of them have lost the digits that count. Lists are laid side
by side as rows of a matrix, each at one cost; nothing here loops over rows of
quotes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from daemon.market.columns import SideBySide
from daemon.market.metrics import sharpe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from daemon.market.entries import Entries
    from daemon.market.quotes import Quotes
    from daemon.market.runs import Runs

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

AT_ONCE = 1 << 15
"""Elements of a matrix: what is computed of them stays in the cache of a core."""


# ── trades, list by list ─────────────────────────────────────────────────────
@dataclass(frozen=True, eq=False, slots=True)
class Trades:
    """Every closed trade that some combination makes, in order of time."""

    quotes: Quotes
    runs: Runs
    entries: Entries
    run: Ints
    """The run in which it is open: its number in ``runs``."""
    value: Floats
    """What it brings before costs, in bps."""

    @classmethod
    def of(cls, quotes: Quotes, runs: Runs, entries: Entries, *, quoted: bool) -> Trades:
        """Say what trades bring that open like this and are closed in this way."""
        run = runs.run[entries.at]
        value = runs.spread[entries.at]
        if quoted:
            value = value + runs.reverse[run]
        return cls(quotes, runs, entries, run, value)

    @property
    def opened(self) -> Ints:
        """The rows on which trades open."""
        return self.runs.row[self.entries.at]

    @property
    def closed(self) -> Ints:
        """The rows on which they are closed."""
        return self.runs.close_row[self.run]

    def only(self, numbers: Ints) -> Trades:
        """Look at some lists only, given in order; they are numbered anew."""
        return replace(self, entries=self.entries.only(numbers))

    def between(self, first: int, stop: int) -> Trades:
        """Look at lists ``[first, stop)`` and at their trades only."""
        some, entries = self.entries.between(first, stop)
        return Trades(self.quotes, self.runs, entries, self.run[some], self.value[some])

    def list(self, number: int) -> Ints:
        """Give the trades of one list."""
        return np.flatnonzero((self.entries.low <= number) & (self.entries.high > number))


@dataclass(frozen=True, eq=False, slots=True)
class Book:
    """Trades of several lists, one list behind the other, each in order of time."""

    trades: Trades
    which: Ints
    """Places in the arrays of ``trades``."""
    begins: Ints
    """Where each list begins, and where the last one ends."""

    @classmethod
    def of(cls, trades: Trades, first: int, stop: int) -> Book:
        """Write down lists ``[first, stop)``."""
        begins, which = trades.entries.lists(first, stop)
        return cls(trades, which, begins)


@dataclass(frozen=True, eq=False, slots=True)
class Parts(SideBySide):
    """Lists, or what a stop has left of them, at a cost each."""

    begin: Ints
    """Where it begins in a book,"""
    length: Ints
    """and how many trades it has."""
    costs: Floats
    end_row: Ints
    """The last row that is processed."""


@dataclass(frozen=True, eq=False, slots=True)
class Outcomes(SideBySide):
    """What lists brought at their costs, an element for each; money in bps of a position."""

    closed: Ints
    wins: Ints
    total: Floats
    gain: Floats
    loss: Floats
    exposed_rows: Ints
    held_rows: Ints
    held_us: Floats


@dataclass(frozen=True, eq=False, slots=True)
class Sharpes(SideBySide):
    """What trades and days brought, compared with how much they differ."""

    pnl_sharpe: Floats
    day_sharpe: Floats


def outcomes(book: Book, parts: Parts) -> Outcomes:
    """Count and add up what every part brought."""
    found = Outcomes.empty(len(parts))
    if book.trades.quotes.at_us is None:
        found.held_us[:] = np.nan
    for some in _batches(parts, 1):
        matrix = _Matrix(book, parts[some])
        found.put(some, **matrix.sums(), **matrix.held())
    return found


def sharpes(book: Book, parts: Parts) -> Sharpes:
    """Compare trade by trade and day by day."""
    found = Sharpes.empty(len(parts))
    found.pnl_sharpe[:] = found.day_sharpe[:] = np.nan
    days = book.trades.quotes.days()
    for some in _batches(parts, days.count if days else 1):
        found.put(some, **_Matrix(book, parts[some]).sharpes())
    return found


def _batches(parts: Parts, narrowest: int) -> Iterator[Ints]:
    """Part those that have trades: those of like length together, same lists side by side."""
    order = np.lexsort((parts.begin, -parts.length))
    order = order[: np.count_nonzero(parts.length)]
    start = 0
    while start < len(order):
        width = max(int(parts.length[order[start]]), narrowest)
        stop = start + max(AT_ONCE // width, 1)
        yield order[start:stop]
        start = stop


# ── lists as a matrix ────────────────────────────────────────────────────────
class _Matrix:
    """Some parts, a row each; columns behind the end of a list hold trades that bring nothing."""

    def __init__(self, book: Book, parts: Parts) -> None:
        self.book, self.parts, self.trades = book, parts, book.trades
        new = np.ones(len(parts), np.bool_)
        new[1:] = (parts.begin[1:] != parts.begin[:-1]) | (parts.length[1:] != parts.length[:-1])
        lists = np.flatnonzero(new)
        self.list_of = np.cumsum(new) - 1
        begin, length = parts.begin[lists], parts.length[lists]
        column = np.arange(int(parts.length[0]))
        self.which = book.which[np.minimum(begin[:, None] + column, len(book.which) - 1)]
        self.inside = column < length[:, None]
        self.full = bool(self.inside.all())
        self.value = self.trades.value[self.which]
        self.pnl = self._within(self.value[self.list_of] - parts.costs[:, None])

    def _within(self, values: Floats) -> Floats:
        """Put zeros behind the ends of the lists."""
        if not self.full:
            values *= self.inside[self.list_of]
        return values

    def sums(self) -> dict[str, NDArray[np.generic]]:
        """Count and add up."""
        pnl = self.pnl
        gain, loss = np.maximum(pnl, 0).sum(axis=1), np.maximum(-pnl, 0).sum(axis=1)
        return {
            "closed": self.parts.length,
            "wins": np.count_nonzero(pnl > 0, axis=1),
            "total": gain - loss,
            "gain": gain,
            "loss": loss,
        }

    def held(self) -> dict[str, NDArray[np.generic]]:
        """Add up how long trades were open, and how long any was."""
        trades, run = self.trades, self.trades.run[self.which]
        opened = trades.runs.row[trades.entries.at[self.which]]
        closed = trades.runs.close_row[run]
        rows = (closed - opened) * self.inside
        first = np.ones(run.shape, np.bool_)
        first[:, 1:] = run[:, 1:] != run[:, :-1]
        found = {"held_rows": rows.sum(axis=1), "exposed_rows": (rows * first).sum(axis=1)}
        at_us = trades.quotes.at_us
        if at_us is not None:
            us = (at_us[closed] - at_us[opened]) * self.inside
            found["held_us"] = us.sum(axis=1, dtype=np.float64)
        return {name: column[self.list_of] for name, column in found.items()}

    def sharpes(self) -> dict[str, NDArray[np.generic]]:
        """Compare what trades and days brought with how much they differ."""
        n = self.parts.length
        mean = self.pnl.sum(axis=1) / n
        off = self._within(self.pnl - mean[:, None])
        found = {"pnl_sharpe": sharpe(mean, (off**2).sum(axis=1), n)}
        days = self.trades.quotes.days()
        if days is None:
            return dict(found)
        width, lists, inside = days.count, len(self.which), self.inside
        closed = self.trades.runs.close_row[self.trades.run[self.which]]
        day = (days.of_row[closed] + width * np.arange(lists)[:, None])[inside]
        brought = np.bincount(day, self.value[inside], lists * width).reshape(lists, width)
        count = np.bincount(day, minlength=lists * width).reshape(lists, width)
        pnl = brought[self.list_of] - self.parts.costs[:, None] * count[self.list_of]
        seen = days.seen[self.parts.end_row]
        mean = pnl.sum(axis=1) / seen
        off = (pnl - mean[:, None]) * (np.arange(width) < seen[:, None])
        found["day_sharpe"] = sharpe(mean, (off**2).sum(axis=1), seen)
        return dict(found)
