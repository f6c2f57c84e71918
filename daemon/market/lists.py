"""Combinations by way of their trade lists: what depends on the order of trades in time.

Combinations that share a threshold and a number of open trades share a list;
those that share the cost as well share its path. What is left to each is its
size, its balance at the start, and where its drawdown stops it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon.market.closes import Closes, closes_of
from daemon.market.columns import SideBySide, changes
from daemon.market.drawdowns import Keep, Paths, exact, follow, lasted
from daemon.market.entries import WIDEST, begins_of
from daemon.market.paths import Book, Outcomes, Parts, Sharpes, outcomes, sharpes
from daemon.market.stops import Asked, weigh

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from daemon.market.drawdowns import Depths, Falls
    from daemon.market.paths import Trades
    from daemon.market.stops import Verdict

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

CELLS = 1 << 19
"""Lists times closes that are laid side by side."""

TRADES = 1 << 18
"""Trades that are written down together."""


@dataclass(frozen=True, eq=False, slots=True)
class Ended(SideBySide):
    """How far combinations came."""

    max_drawdown_pct: Floats
    longest_drawdown_rows: Ints
    longest_drawdown_us: Floats
    stopped: Bools
    rows: Ints


@dataclass(frozen=True, eq=False, slots=True)
class Answer:
    """How far combinations came, and of those that were stopped, what they brought until then."""

    ended: Ended
    outcome: Outcomes
    sharpes: Sharpes


def by_closes(trades: Trades, asked: Asked) -> Answer:
    """Answer combinations that lose something, as many lists at once as there is room for."""
    count = len(asked)
    whole = Answer(Ended.empty(count), Outcomes.empty(count), Sharpes.empty(count))
    numbers, place = np.unique(asked.place, return_inverse=True)
    order = np.argsort(place, kind="stable")
    number, trades = place[order], trades.only(numbers)
    for first, stop in _neighbours(closes_of(trades)):
        here = order[slice(*np.searchsorted(number, [first, stop]).tolist())]
        mine = asked[here]
        mine.place[:] = place[here] - first
        _Chunk(trades.between(first, stop), mine).answer(whole, here)
    return whole


def _neighbours(lengths: Ints) -> Iterator[tuple[int, int]]:
    """Part lists, the longest of which comes first: those that are not half as long as others."""
    first = 0
    while first < len(lengths):
        longest = int(lengths[first])
        near = int(np.searchsorted(-lengths, -longest // 2, side="right"))
        stop = max(min(near, first + CELLS // longest), first + 1)
        yield first, stop
        first = stop


class _Chunk:
    """Some lists laid side by side, and the combinations that have one of them."""

    def __init__(self, trades: Trades, asked: Asked) -> None:
        self.trades, self.asked = trades, asked
        self.closes = Closes.of(trades)
        order = np.lexsort((asked.costs, asked.place))
        listed, costs = asked.place[order], asked.costs[order]
        new = changes(listed) | changes(costs)
        self.path_of = np.empty(len(order), np.int64)
        self.path_of[order] = np.cumsum(new) - 1
        self.last_row = len(trades.quotes) - 1
        paths = int(np.count_nonzero(new))
        never, last_row = np.full(paths, self.closes.size - 1), np.full(paths, self.last_row)
        self.paths = Paths(listed[new], costs[new], never, last_row)
        self.lists: dict[int, Ints] = {}

    def answer(self, whole: Answer, here: Ints) -> None:
        """Fill in what became of the combinations, at the places ``here``."""
        limited = np.isfinite(self.asked.limit).any()
        depths, falls = self._follow(self.paths, Keep.ALL if limited else Keep.DEEPEST)
        verdict = weigh(self.closes, (self.paths, falls, depths.noise), self.path_of, self.asked)
        doubtful = np.flatnonzero(verdict.doubt | depths.unsure[self.path_of])
        longest = [self._exactly(place, verdict) for place in doubtful.tolist()]
        ended = whole.ended
        ended.put(here, rows=self.last_row + 1)
        self._put_longest(ended, here, depths, self.path_of)
        self._cut_short(whole, here, verdict.close)
        ended.put(here, max_drawdown_pct=verdict.deepest)
        if longest:
            rows, us = zip(*longest, strict=True)
            ended.put(here[doubtful], longest_drawdown_rows=rows, longest_drawdown_us=us)

    def _follow(self, paths: Paths, keep: Keep) -> tuple[Depths, Falls]:
        return follow(self.trades.quotes, self.closes, paths, keep)

    @staticmethod
    def _put_longest(ended: Ended, places: Ints, depths: Depths, which: Ints) -> None:
        rows, us = depths.longest_rows[which], depths.longest_us[which]
        ended.put(places, longest_drawdown_rows=rows, longest_drawdown_us=us)

    def _cut_short(self, whole: Answer, here: Ints, close: Ints) -> None:
        """Work out what runs brought that were stopped: lists that end with the stop."""
        stopped = np.flatnonzero(close >= 0)
        if not len(stopped):
            return
        base = len(self.paths)
        ways, way_of = np.unique(close[stopped] * base + self.path_of[stopped], return_inverse=True)
        path, last = ways % base, ways // base
        number, costs = self.paths.number[path], self.paths.costs[path]
        end_row = self.closes.row[last]
        places = here[stopped]
        whole.ended.put(places, stopped=True, rows=end_row[way_of] + 1)
        depths, _ = self._follow(Paths(number, costs, last, end_row), Keep.NONE)
        self._put_longest(whole.ended, places, depths, way_of)
        listed, list_of = np.unique(number, return_inverse=True)
        book = Book.of(self.trades.only(listed), 0, len(listed))
        length = self.closes.counted(number, last)
        parts = Parts(book.begins[list_of], length, costs, end_row)
        whole.outcome.put(places, **outcomes(book, parts)[way_of].named())
        whole.sharpes.put(places, **sharpes(book, parts)[way_of].named())

    def _exactly(self, place: int, verdict: Verdict) -> tuple[int, float]:
        """Follow one combination as the reference does; give its longest drawdown."""
        asked, trades = self.asked, self.trades
        number = int(asked.place[place])
        if number not in self.lists:
            self.lists[number] = trades.list(number)
        which = self.lists[number]
        ends = np.append(np.flatnonzero(np.diff(trades.run[which])), len(which) - 1)
        seen = exact(
            trades.value[which] - asked.costs[place],
            ends,
            float(asked.position[place]),
            float(asked.balance[place]),
            float(asked.limit[place]),
        )
        row, end_row, close = trades.runs.close_row[trades.run[which[ends]]], self.last_row, -1
        if seen.close >= 0:
            end_row = int(row[seen.close])
            close = int(np.searchsorted(self.closes.row, end_row))
        verdict.put(np.array([place]), close=close, deepest=seen.max_drawdown_pct)
        recovered = np.where(seen.stop < 0, -1, row[seen.stop])
        fell = row[seen.start]
        rows, us = lasted(trades.quotes, fell, recovered, np.full(len(fell), end_row))
        none = 0.0 if trades.quotes.at_us is not None else np.nan
        return int(rows.max(initial=0)), float(us.max(initial=none))


# ── trade by trade ───────────────────────────────────────────────────────────
def sharpes_by_lists(trades: Trades, place: Ints, costs_bps: Floats) -> Sharpes:
    """Compare the trades and days of whole lists one by one, each at a cost."""
    found = Sharpes.empty(len(place))
    numbers, number_of = np.unique(place, return_inverse=True)
    order = np.argsort(number_of, kind="stable")
    number, trades = number_of[order], trades.only(numbers)
    last_row = len(trades.quotes) - 1
    for first, stop in _chunks(trades.entries.count()):
        here = order[slice(*np.searchsorted(number, [first, stop]).tolist())]
        book = Book.of(trades, first, stop)
        some = number_of[here] - first
        begin = book.begins[some]
        length = book.begins[some + 1] - begin
        parts = Parts(begin, length, costs_bps[here], np.full(len(here), last_row))
        found.put(here, **sharpes(book, parts).named())
    return found


def _chunks(lengths: Ints) -> Iterator[tuple[int, int]]:
    """Cut lists into stretches that have so many trades together, or one list."""
    total = begins_of(lengths)
    first = 0
    while first < len(lengths):
        fits = int(np.searchsorted(total, total[first] + TRADES, side="right")) - 1
        stop = min(max(fits, first + 1), first + WIDEST)
        yield first, stop
        first = stop
