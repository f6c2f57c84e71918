"""Lists of trades, followed one by one in time: what sums over trades cannot tell.

Quoted exits can lose, so the order of trades matters: drawdown, a stop that ends
the run, how many trades lost at this cost. Lists are laid side by side as rows of
a matrix, each at one cost; nothing here loops over rows of quotes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from daemon.market.columns import SideBySide
from daemon.market.drawdowns import Falls, follow, noise_of
from daemon.market.metrics import sharpe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from daemon.market.drawdowns import Followed
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
    entries: Entries
    value: Floats
    """What it brings before costs, in bps."""
    opened: Ints
    closed: Ints
    """Row numbers."""
    run: Ints
    alone: bool
    """No two trades of one combination are open at once."""

    @classmethod
    def of(
        cls, quotes: Quotes, runs: Runs, entries: Entries, *, quoted: bool, alone: bool
    ) -> Trades:
        """Say what trades bring that open like this and are closed in this way."""
        run = runs.run[entries.at]
        value = runs.spread[entries.at]
        if quoted:
            value = value + runs.reverse[run]
        opened, closed = runs.row[entries.at], runs.close_row[run]
        return cls(quotes, entries, value, opened, closed, run, alone)

    def only(self, numbers: Ints) -> Trades:
        """Look at some lists only, given in order; they are numbered anew."""
        return replace(self, entries=self.entries.only(numbers))


@dataclass(frozen=True, eq=False, slots=True)
class Book:
    """Trades of several lists, one list behind the other, each in order of time."""

    trades: Trades
    which: Ints
    """Places in the arrays of ``trades``."""
    value: Floats
    begins: Ints
    """Where each list begins, and where the last one ends."""
    ends: Ints | None
    """The last of those trades that are closed on one row; None if each is closed alone."""

    @classmethod
    def of(cls, trades: Trades, first: int, stop: int) -> Book:
        """Write down lists ``[first, stop)``."""
        begins, which = trades.entries.lists(first, stop)
        ends = None
        if not trades.alone:
            run = trades.run[which]
            last = np.ones(len(run) + 1, np.bool_)
            last[1:-1] = run[1:] != run[:-1]
            last[begins] = True
            ends = np.flatnonzero(last[1:])
        return cls(trades, which, trades.value[which], begins, ends)

    def closed_at(self, places: Ints | int) -> Ints:
        """Give the rows on which trades were closed."""
        found: Ints = self.trades.closed[self.which[places]]
        return found

    def ends_of(self, begin: int, length: int) -> Ints:
        """Give the trades of one list that are the last to be closed on a row."""
        if self.ends is None:
            return np.arange(length)
        first, count = self.ends_in(begin, length)
        return self.ends[int(first) : int(first + count)] - begin

    def ends_in(self, begin: Ints | int, length: Ints | int) -> tuple[Ints, Ints]:
        """Say which ``ends`` lie in stretches of trades: from where, and how many."""
        assert self.ends is not None  # noqa: S101 - asked only of trades that are not alone
        first = np.searchsorted(self.ends, begin)
        return first, np.searchsorted(self.ends, np.add(begin, length)) - first


@dataclass(frozen=True, eq=False, slots=True)
class Paths(SideBySide):
    """Lists at a cost each: where they begin in a book, how long they are, and until when."""

    begin: Ints
    length: Ints
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
    longest_drawdown_rows: Ints
    longest_drawdown_us: Floats
    noise: Floats
    """By how much rounding may have moved the balance."""
    unsure: Bools
    """Rounding may decide how long a drawdown lasted."""


@dataclass(frozen=True, eq=False, slots=True)
class Details(SideBySide):
    """What need not be asked of a list where sums over all lists have told it already."""

    pnl_sharpe: Floats
    day_sharpe: Floats
    exposed_rows: Ints
    held_rows: Ints
    held_us: Floats


def outcomes(book: Book, paths: Paths) -> tuple[Outcomes, Falls]:
    """Work out what every path brought, and the falls that may be its deepest in percent."""
    found = Outcomes.empty(len(paths))
    if book.trades.quotes.at_us is None:
        found.longest_drawdown_us[:] = np.nan
    falls = [_Matrix(book, paths[part]).outcome(found, part) for part in _batches(paths, 1)]
    if not falls:
        return found, Falls.empty(0)
    columns = [one.named() for one in falls]
    joined = Falls(**{name: np.concatenate([one[name] for one in columns]) for name in columns[0]})
    return found, joined[np.argsort(joined.path, kind="stable")]


def details(book: Book, paths: Paths) -> Details:
    """Work out the rest."""
    found = Details.empty(len(paths))
    found.pnl_sharpe[:] = found.day_sharpe[:] = np.nan
    days = book.trades.quotes.days()
    if days is None:
        found.held_us[:] = np.nan
    for part in _batches(paths, days.count if days else 1):
        matrix = _Matrix(book, paths[part])
        found.put(part, **matrix.held(), **matrix.sharpes())
    return found


def _batches(paths: Paths, narrowest: int) -> Iterator[Ints]:
    """Part the paths that have trades: those of like length together, same lists side by side."""
    order = np.lexsort((paths.begin, -paths.length))
    order = order[: np.count_nonzero(paths.length)]
    start = 0
    while start < len(order):
        width = max(int(paths.length[order[start]]), narrowest)
        stop = start + max(AT_ONCE // width, 1)
        yield order[start:stop]
        start = stop


# ── paths as a matrix ────────────────────────────────────────────────────────
class _Matrix:
    """Some paths, a row each; columns behind the end of a list hold trades that bring nothing."""

    def __init__(self, book: Book, paths: Paths) -> None:
        self.book, self.paths, self.trades = book, paths, book.trades
        new = np.ones(len(paths), np.bool_)
        new[1:] = (paths.begin[1:] != paths.begin[:-1]) | (paths.length[1:] != paths.length[:-1])
        lists = np.flatnonzero(new)
        self.list_of = np.cumsum(new) - 1
        self.begin, self.length = paths.begin[lists], paths.length[lists]
        column = np.arange(int(paths.length[0]))
        self.at = np.minimum(self.begin[:, None] + column, len(book.value) - 1)
        self.inside = column < self.length[:, None]
        self.full = bool(self.inside.all())
        self.value = book.value[self.at]
        self.pnl = self.within(self.value[self.list_of] - paths.costs[:, None])

    def within(self, values: Floats) -> Floats:
        """Put zeros behind the ends of the lists."""
        if not self.full:
            values *= self.inside[self.list_of]
        return values

    def outcome(self, found: Outcomes, part: Ints) -> Falls:
        """Count, add up, and follow the balance of those that lose anything at all."""
        pnl = self.pnl
        gain, loss = np.maximum(pnl, 0).sum(axis=1), -np.minimum(pnl, 0).sum(axis=1)
        noise = noise_of(gain + loss, self.paths.length)
        found.put(
            part,
            closed=self.paths.length,
            wins=np.count_nonzero(pnl > 0, axis=1),
            total=gain - loss,
            gain=gain,
            loss=loss,
            noise=noise,
        )
        lose = np.flatnonzero(loss)
        if not len(lose):
            return Falls.empty(0)
        path = np.cumsum(pnl if len(lose) == len(part) else pnl[lose], axis=1)
        ends = self._ends()
        if ends is not None:
            path = np.take_along_axis(path, ends[self.list_of[lose]], axis=1)
        seen = follow(path, noise[lose])
        found.put(part[lose], unsure=seen.unsure)
        self._longest(found, part[lose], (lose, seen, ends))
        falls = seen.falls
        if ends is not None:
            falls.trade[:] = ends[self.list_of[lose[falls.path]], falls.trade]
        return Falls(part[lose[falls.path]], falls.trade, falls.peak, falls.fall)

    def _ends(self) -> Ints | None:
        """Per list, its trades that are the last to be closed on a row; the last one repeated."""
        book = self.book
        if book.ends is None:
            return None
        begin, length = self.begin, self.length
        first, count = book.ends_in(begin, length)
        column = np.minimum(np.arange(int(count.max())), count[:, None] - 1)
        found: Ints = book.ends[first[:, None] + column] - begin[:, None]
        return found

    def _longest(self, found: Outcomes, part: Ints, of: tuple[Ints, Followed, Ints | None]) -> None:
        """Fill in how long the balances stood below their peaks."""
        lose, seen, ends = of
        row = self.list_of[lose[seen.path]]
        begin = self.begin[row]
        fell, recovered = (
            self.book.closed_at(begin + (column if ends is None else ends[row, column]))
            for column in (seen.start, seen.stop)
        )
        end_row = self.paths.end_row[lose[seen.path]]
        recovered = np.where(seen.stop < 0, -1, recovered)
        rows, us = lasted(self.trades.quotes, fell, recovered, end_row)
        np.maximum.at(found.longest_drawdown_rows, part[seen.path], rows)
        if self.trades.quotes.at_us is not None:
            np.maximum.at(found.longest_drawdown_us, part[seen.path], us)

    def held(self) -> dict[str, NDArray[np.generic]]:
        """Add up how long trades were open, and how long any was."""
        which = self.book.which[self.at]
        rows = (self.trades.closed[which] - self.trades.opened[which]) * self.inside
        run = self.trades.run[which]
        first = np.ones(run.shape, np.bool_)
        first[:, 1:] = run[:, 1:] != run[:, :-1]
        found = {"held_rows": rows.sum(axis=1), "exposed_rows": (rows * first).sum(axis=1)}
        at_us = self.trades.quotes.at_us
        if at_us is not None:
            us = (at_us[self.trades.closed[which]] - at_us[self.trades.opened[which]]) * self.inside
            found["held_us"] = us.sum(axis=1, dtype=np.float64)
        return {name: column[self.list_of] for name, column in found.items()}

    def sharpes(self) -> dict[str, NDArray[np.generic]]:
        """Compare what trades and days brought with how much they differ."""
        n = self.paths.length
        mean = self.pnl.sum(axis=1) / n
        off = self.within(self.pnl - mean[:, None])
        found = {"pnl_sharpe": sharpe(mean, (off**2).sum(axis=1), n)}
        days = self.trades.quotes.days()
        if days is None:
            return dict(found)
        width, lists, inside = days.count, len(self.at), self.inside
        closed = self.book.closed_at(self.at)
        day = (days.of_row[closed] + width * np.arange(lists)[:, None])[inside]
        brought = np.bincount(day, self.value[inside], lists * width).reshape(lists, width)
        count = np.bincount(day, minlength=lists * width).reshape(lists, width)
        pnl = brought[self.list_of] - self.paths.costs[:, None] * count[self.list_of]
        seen = days.seen[self.paths.end_row]
        mean = pnl.sum(axis=1) / seen
        off = (pnl - mean[:, None]) * (np.arange(width) < seen[:, None])
        found["day_sharpe"] = sharpe(mean, (off**2).sum(axis=1), seen)
        return dict(found)


def lasted(quotes: Quotes, fell: Ints, recovered: Ints, end_row: Ints) -> tuple[Ints, Floats]:
    """Say how many rows and microseconds stretches lasted; ``recovered`` is -1 if they did not."""
    never = recovered < 0
    rows = np.where(never, end_row + 1, recovered) - fell
    if quotes.at_us is None:
        return rows, np.full(len(rows), np.nan)
    us = quotes.at_us[np.where(never, end_row, recovered)] - quotes.at_us[fell]
    return rows, np.maximum(us, 0).astype(np.float64)
