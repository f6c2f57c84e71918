"""Combinations by way of their trade lists: every exit model, exact stops, nothing looped by row.

Combinations that share a threshold and a number of open trades share a list;
those that share the cost as well share its path. What is left to each is its
size, its balance at the start, and where its drawdown stops it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.market.columns import SideBySide
from daemon.market.drawdowns import EPS, Falls, exact
from daemon.market.entries import WIDEST, begins_of
from daemon.market.metrics import usd
from daemon.market.paths import Book, Details, Outcomes, Paths, details, lasted, outcomes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from daemon.market.paths import Trades

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

TRADES = 1 << 18
"""Trades that are written down together."""

PAIRS = 1 << 20
"""Combinations times falls that are weighed together."""

NEARLY = 1e-9
"""A drawdown that is this near to the threshold is followed exactly."""


@dataclass(frozen=True, eq=False, slots=True)
class Asked(SideBySide):
    """Combinations of one exit model and one number of open trades."""

    place: Ints
    """The number of its list."""
    costs: Floats
    """What a trade pays in all, in bps."""
    position: Floats
    balance: Floats
    """What is there at the start."""
    limit: Floats
    """The drawdown in percent that stops a run; infinite if none does."""


@dataclass(frozen=True, eq=False, slots=True)
class Ended(SideBySide):
    """How far combinations came."""

    max_drawdown_pct: Floats
    stopped: Bools
    rows: Ints
    detailed: Bools
    """Whether the details were worked out: they are, of whatever was stopped."""


@dataclass(frozen=True, eq=False, slots=True)
class Answer:
    """What combinations brought: their whole path, or what a stop left of it."""

    outcome: Outcomes
    details: Details
    ended: Ended


def by_lists(trades: Trades, asked: Asked, *, detailed: bool) -> Answer:
    """Answer combinations, as many lists at once as there is room for.

    With ``detailed``, everything; without, only what sums over lists cannot tell.
    """
    count = len(asked)
    whole = Answer(Outcomes.empty(count), Details.empty(count), Ended.empty(count))
    whole.ended.detailed[:] = detailed
    order = np.argsort(asked.place, kind="stable")
    number = asked.place[order]
    for first, stop in _chunks(trades.entries.count()):
        here = order[slice(*np.searchsorted(number, [first, stop]).tolist())]
        book = Book.of(trades, first, stop)
        _Chunk(book, first, asked[here], detailed=detailed).answer(whole, here)
    return whole


def _chunks(lengths: Ints) -> list[tuple[int, int]]:
    """Cut lists into stretches that have so many trades together, or one list."""
    total = begins_of(lengths)
    cuts = [0]
    while cuts[-1] < len(lengths):
        fits = int(np.searchsorted(total, total[cuts[-1]] + TRADES, side="right")) - 1
        cuts.append(min(max(fits, cuts[-1] + 1), cuts[-1] + WIDEST))
    return list(pairwise(cuts))


class _Chunk:
    """Some lists written down, and the combinations that have one of them."""

    def __init__(self, book: Book, first: int, asked: Asked, *, detailed: bool) -> None:
        self.book, self.asked, self.detailed = book, asked, detailed
        place = asked.place - first
        order = np.lexsort((asked.costs, place))
        listed, costs = place[order], asked.costs[order]
        new = _changes(listed) | _changes(costs)
        self.path_of = np.empty(len(order), np.int64)
        self.path_of[order] = np.cumsum(new) - 1
        begin, end = book.begins[listed[new]], book.begins[listed[new] + 1]
        self.last_row = len(book.trades.quotes) - 1
        self.paths = Paths(begin, end - begin, costs[new], np.full(len(begin), self.last_row))

    def answer(self, whole: Answer, here: Ints) -> None:
        """Fill in what the combinations brought, at the places ``here``."""
        found, falls = outcomes(self.book, self.paths)
        verdict = _weigh(found, falls, self.path_of, self.asked)
        doubtful = np.flatnonzero(verdict.doubt | found.unsure[self.path_of])
        longest = [self._exactly(place, verdict) for place in doubtful.tolist()]
        whole.outcome.put(here, **found[self.path_of].named())
        if self.detailed:
            whole.details.put(here, **details(self.book, self.paths)[self.path_of].named())
        whole.ended.put(here, rows=self.last_row + 1)
        self._cut_short(whole, here, verdict.trade)
        whole.ended.put(here, max_drawdown_pct=verdict.deepest)
        if longest:
            rows, us = zip(*longest, strict=True)
            places = here[doubtful]
            whole.outcome.put(places, longest_drawdown_rows=rows, longest_drawdown_us=us)

    def _cut_short(self, whole: Answer, here: Ints, trade: Ints) -> None:
        """Work out again what runs brought that were stopped: lists that end with the stop."""
        stopped = np.flatnonzero(trade >= 0)
        if not len(stopped):
            return
        base = int(self.paths.length.max()) + 1
        ways, way_of = np.unique(self.path_of[stopped] * base + trade[stopped], return_inverse=True)
        path, last = ways // base, ways % base
        begin = self.paths.begin[path]
        end_row = self.book.closed_at(begin + last)
        short = Paths(begin, last + 1, self.paths.costs[path], end_row)
        found, _ = outcomes(self.book, short)
        places = here[stopped]
        whole.outcome.put(places, **found[way_of].named())
        whole.details.put(places, **details(self.book, short)[way_of].named())
        whole.ended.put(places, stopped=True, detailed=True, rows=end_row[way_of] + 1)

    def _exactly(self, place: int, verdict: _Verdict) -> tuple[int, float]:
        """Follow one combination as the reference does; give its longest drawdown."""
        path, asked = self.path_of[place], self.asked
        begin, length = int(self.paths.begin[path]), int(self.paths.length[path])
        seen = exact(
            self.book.value[begin : begin + length] - self.paths.costs[path],
            self.book.ends_of(begin, length),
            float(asked.position[place]),
            float(asked.balance[place]),
            float(asked.limit[place]),
        )
        verdict.put(np.array([place]), trade=seen.trade, deepest=seen.max_drawdown_pct)
        end_row = self.last_row if seen.trade < 0 else int(self.book.closed_at(begin + seen.trade))
        recovered = np.where(seen.stop < 0, -1, self.book.closed_at(begin + seen.stop))
        fell = self.book.closed_at(begin + seen.start)
        quotes = self.book.trades.quotes
        rows, us = lasted(quotes, fell, recovered, np.full(len(fell), end_row))
        none = 0.0 if quotes.at_us is not None else np.nan
        return int(rows.max(initial=0)), float(us.max(initial=none))


# ── percent ──────────────────────────────────────────────────────────────────
@dataclass(frozen=True, eq=False, slots=True)
class _Verdict(SideBySide):
    """Per combination, what its falls mean."""

    deepest: Floats
    """The deepest drawdown in percent, up to the stop if there is one."""
    trade: Ints
    """The last trade before the stop; -1 if nothing stops it."""
    doubt: Bools
    """Rounding may decide whether the threshold is met."""


def _weigh(found: Outcomes, falls: Falls, path_of: Ints, asked: Asked) -> _Verdict:
    """Turn falls into percent of each combination's balance, and see which stops it first."""
    count = len(asked)
    made = _Verdict.empty(count)
    made.trade[:] = -1
    begins = np.searchsorted(falls.path, np.arange(len(found.closed) + 1))
    number = np.diff(begins)[path_of]
    total = np.cumsum(number)
    start = 0
    while start < count:
        past = total[start - 1] if start else 0
        stop = max(int(np.searchsorted(total, past + PAIRS, side="right")), start + 1)
        part = np.arange(start, stop)
        lengths = number[part]
        owner = np.repeat(part, lengths)
        shift = begins[path_of[part]] - (np.cumsum(lengths) - lengths)
        at = np.arange(len(owner)) + np.repeat(shift, lengths)
        pairs = Falls(owner, falls.trade[at], falls.peak[at], falls.fall[at])
        _weigh_pairs(made, pairs, found.noise[path_of[owner]], asked[owner])
        start = stop
    return made


def _weigh_pairs(made: _Verdict, pairs: Falls, noise: Floats, asked: Asked) -> None:
    """Weigh falls that are listed combination by combination, each in order of time."""
    if not len(pairs.path):
        return
    peak = asked.balance + usd(pairs.peak, asked.position)
    drawdown = 100.0 * usd(pairs.fall, asked.position) / peak
    blur = 200.0 * (usd(noise, asked.position) + 4 * EPS * asked.balance) / peak
    near = np.flatnonzero(drawdown >= asked.limit * (1 - NEARLY) - blur)
    first = near[_changes(pairs.path[near])]
    owner = pairs.path[first]
    made.trade[owner] = pairs.trade[first]
    made.doubt[owner] = drawdown[first] < asked.limit[first] * (1 + NEARLY) + blur[first]
    until = np.full(len(made.trade), len(drawdown))
    until[owner] = first
    drawdown[np.arange(len(drawdown)) > until[pairs.path]] = 0.0
    begins = np.flatnonzero(_changes(pairs.path))
    made.deepest[pairs.path[begins]] = np.maximum.reduceat(drawdown, begins)


def _changes(values: NDArray[Any]) -> Bools:
    """Mark the first of every stretch of equal values."""
    new = np.ones(len(values), np.bool_)
    new[1:] = values[1:] != values[:-1]
    return new
