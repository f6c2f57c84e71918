"""How far balances fall, and how long they stay below their peaks.

Pnl is affine in cost and size. So a path is followed once in bps of a position,
for one list of trades and one cost, and serves every size and every balance at
the start: of all falls only those can be the deepest in percent that are deeper
than every fall before them, because the peak never sinks. There are few of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.market.closes import in_time
from daemon.market.columns import SideBySide, changes, joined
from daemon.market.metrics import FLAT_BPS, drawdown_pct, stops, usd

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from daemon.market.closes import Closes
    from daemon.market.quotes import Quotes

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

TOGETHER = 64
"""Paths whose falls are looked for together,"""

ABREAST = 8
"""those that are followed side by side,"""

AT_ONCE = 1 << 17
"""and their closes of which the balances are computed at once: they stay in a core's cache."""


@dataclass(frozen=True, eq=False, slots=True)
class Paths(SideBySide):
    """Lists at a cost each; those of one list side by side."""

    number: Ints
    costs: Floats
    until: Ints
    """The close with which the run ends; the very last place if none ends it."""
    end_row: Ints
    """The last row that is processed."""


@dataclass(frozen=True, eq=False, slots=True)
class Falls(SideBySide):
    """Falls that may be the deepest in percent, path by path in order of time."""

    path: Ints
    first: Ints
    """The first and the last of the closes that it went through, below one peak:"""
    last: Ints
    """at the deepest of them it is told, and no close before was as deep."""
    peak: Floats
    fall: Floats


@dataclass(frozen=True, eq=False, slots=True)
class Depths(SideBySide):
    """What is known of paths beside their falls."""

    longest_rows: Ints
    longest_us: Floats
    noise: Floats
    """By how much rounding may have moved the balance, in bps."""
    unsure: Bools
    """Rounding may decide how long a drawdown lasted."""


class Keep(Enum):
    """Which falls are wanted."""

    NONE = auto()
    DEEPEST = auto()
    """Of those below one peak, the deepest:"""
    ALL = auto()
    """one of the others may stop a run before that."""


def follow(
    quotes: Quotes, closes: Closes, paths: Paths, keep: Keep = Keep.ALL
) -> tuple[Depths, Falls]:
    """Follow balances that begin at zero."""
    depths = Depths.empty(len(paths))
    depths.noise[:] = closes.noise(paths.number, paths.costs)
    clocks: list[tuple[NDArray[Any], Ints, Ints]] = [
        (depths.longest_rows, closes.row, paths.end_row + 1)
    ]
    if quotes.at_us is None:
        depths.longest_us[:] = np.nan
    else:
        clocks.append((depths.longest_us, quotes.at_us[closes.row], quotes.at_us[paths.end_row]))
    falls = [Falls.empty(0)]
    for start in range(0, len(paths), TOGETHER):
        part = slice(start, start + TOGETHER)
        some = paths[part]
        tops, below, depths.unsure[part] = _follow(closes, some, depths.noise[part].max())
        if keep is not Keep.NONE:
            found = _records(closes, some, tops, keep)
            found.path[:] += start
            falls.append(found)
        seen = _until(stretches(below), some.until)
        for longest, moments, ends in clocks:
            _longest(longest[part], seen, some.until, (moments, ends[part]))
    return depths, joined(falls)


@dataclass(frozen=True, eq=False, slots=True)
class _Tops:
    """Balances, block by block: (path, block)."""

    before: Floats
    """The peak up to the block,"""
    after: Floats
    """and up to its end."""
    deepest: Floats
    """The deepest that a balance lies below its peak in the block."""


def _follow(closes: Closes, paths: Paths, noise: float) -> tuple[_Tops, Bools, Bools]:
    """Follow some paths, as many blocks at once as the cache of a core has room for.

    Returns:
        Their peaks and depths; after which closes they are below their peaks, in
        order of time; and whose stretches below rounding may decide.
    """
    count, height = len(paths), closes.height
    width = int(paths.until.max()) // height + 1
    tops = _Tops(*np.zeros((3, count, width)))
    below = np.empty((count, width, height), np.bool_)
    unsure = np.zeros(count, np.bool_)
    for first in range(0, count, ABREAST):
        some = slice(first, first + ABREAST)
        number, costs = paths.number[some], paths.costs[some]
        carried = np.zeros(len(number))
        step = max(AT_ONCE // (height * len(number)), 1)
        for start in range(0, width, step):
            part = some, slice(start, min(start + step, width))
            path = closes.balances(number, costs, part[1])
            before, after = _around(path.max(axis=0), carried)
            fall = _falls(path, before)
            tops.before[part], tops.after[part], carried = before, after, after[:, -1]
            tops.deepest[part] = fall.max(axis=0)
            surely, maybe = fall > FLAT_BPS + noise, fall > FLAT_BPS - noise
            below[part] = in_time(maybe)
            if np.count_nonzero(surely) != np.count_nonzero(maybe):
                unsure[some] |= (surely != maybe).any(axis=(0, 2))
    return tops, below.reshape(count, -1), unsure


def _around(highest: Floats, carried: Floats) -> tuple[Floats, Floats]:
    """Give the peaks before and after every block, from the highest balance of each."""
    after = np.maximum(highest, carried[:, None])
    np.maximum.accumulate(after, axis=1, out=after)
    before = np.empty_like(after)
    before[:, 0], before[:, 1:] = carried, after[:, :-1]
    return before, after


def _falls(path: Floats, before: Floats) -> Floats:
    """Say how far balances are below their peaks, from the peaks before their blocks."""
    peak = np.empty_like(path)
    np.maximum(before, path[0], out=peak[0])
    for step in range(1, len(path)):
        np.maximum(peak[step - 1], path[step], out=peak[step])
    return np.subtract(peak, path, out=peak)


def _records(closes: Closes, paths: Paths, tops: _Tops, keep: Keep) -> Falls:
    """Find the falls that are deeper than all before: block by block, and in a block if need be."""
    earlier = np.zeros(tops.deepest.shape)
    np.maximum.accumulate(tops.deepest[:, :-1], axis=1, out=earlier[:, 1:])
    place = np.flatnonzero(tops.deepest > earlier)
    before, after, deepest, earlier = (
        one.reshape(-1)[place] for one in (tops.before, tops.after, tops.deepest, earlier)
    )
    path, block = np.divmod(place, tops.deepest.shape[1])
    first = block * closes.height
    whole = Falls(path, first, first + closes.height - 1, after, deepest)
    even = before == after
    wanted = even.copy()
    if keep is Keep.DEEPEST:
        wanted[:-1] &= ~even[1:] | changes(path)[1:] | changes(after)[1:]
    if even.all():
        return whole[wanted]
    moved = np.flatnonzero(~even)
    within = closes.within(paths.number[path[moved]], paths.costs[path[moved]], block[moved])
    peak = np.maximum.accumulate(np.maximum(within, before[moved]), axis=0)
    fall = np.vstack([earlier[None, moved], peak - within])
    reached = np.maximum.accumulate(fall, axis=0)
    step, which = np.nonzero(reached[1:] > reached[:-1])
    close = first[moved[which]] + step
    single = Falls(path[moved[which]], close, close, peak[step, which], fall[step + 1, which])
    both = joined([whole[wanted], single])
    return both[np.lexsort((both.first, both.path))]


# ── how long ─────────────────────────────────────────────────────────────────
def stretches(below: Bools) -> tuple[Ints, Ints, Ints]:
    """Find where each row is True without a break.

    Returns:
        The rows, in order, and the places at which stretches begin and end; one
        that does not end has the number of places.
    """
    count, places = below.shape
    changed = np.empty(below.shape, np.bool_)
    changed[:, :1] = below[:, :1]
    np.not_equal(below[:, 1:], below[:, :-1], out=changed[:, 1:])
    at = np.flatnonzero(changed)
    begins = np.searchsorted(at, np.arange(count + 1) * places)
    number = np.diff(begins)
    row = np.repeat(np.arange(count), number)
    at -= row * places
    endless = np.flatnonzero(number & 1)
    if len(endless):
        at = np.insert(at, begins[endless + 1], places)
        row = np.insert(row, begins[endless + 1], endless)
    return row[::2], at[::2], at[1::2]


def _until(found: tuple[Ints, Ints, Ints], until: Ints) -> tuple[Ints, Ints, Ints]:
    """Leave out stretches that begin when a run has ended."""
    path, start, stop = found
    seen = start <= until[path]
    return found if seen.all() else (path[seen], start[seen], stop[seen])


def _longest(
    longest: NDArray[Any], found: tuple[Ints, Ints, Ints], until: Ints, when: tuple[Ints, Ints]
) -> None:
    """Fill in how long balances stood below their peaks.

    ``when`` says at which moment each close happens, and at which each path ends.
    """
    path, start, stop = found
    moments, end = when
    if not len(path):
        return
    lasted = moments[stop] - moments[start]
    firsts = np.flatnonzero(changes(path))
    owner = path[firsts]
    lasts = np.append(firsts[1:], len(path)) - 1
    endless = stop[lasts] > until[owner]
    lasted[lasts[endless]] = end[owner[endless]] - moments[start[lasts[endless]]]
    longest[owner] = np.maximum(np.maximum.reduceat(lasted, firsts), 0)


def lasted(quotes: Quotes, fell: Ints, recovered: Ints, end_row: Ints) -> tuple[Ints, Floats]:
    """Say how many rows and microseconds stretches lasted; ``recovered`` is -1 if they did not."""
    never = recovered < 0
    rows = np.where(never, end_row + 1, recovered) - fell
    if quotes.at_us is None:
        return rows, np.full(len(rows), np.nan)
    us = quotes.at_us[np.where(never, end_row, recovered)] - quotes.at_us[fell]
    return rows, np.maximum(us, 0).astype(np.float64)


# ── one combination, rounded as the reference rounds ─────────────────────────
@dataclass(frozen=True, slots=True)
class Exact:
    """The path of one combination."""

    close: int
    """With which of its closes the run was stopped; -1 if it was not."""
    max_drawdown_pct: float
    start: Ints
    """The closes with which the balance fell below its peak,"""
    stop: Ints
    """and those with which it recovered; -1 if it did not."""


def exact(pnl_bps: Floats, ends: Ints, position: float, balance: float, limit: float) -> Exact:
    """Follow one combination trade by trade, adding in order and never otherwise.

    Where a drawdown meets the threshold, or a balance its peak, to the last digit,
    the outcome depends on how sums were rounded: here as row by row. ``ends`` are
    the last trades of those that are closed on one row.
    """
    realized = np.cumsum(usd(pnl_bps, position))[ends]
    peak = np.maximum.accumulate(np.maximum(realized, 0.0))
    drawdown = drawdown_pct(balance + peak, balance + realized)
    over = np.flatnonzero(stops(drawdown, limit))
    close = int(over[0]) if len(over) else -1
    seen = slice(close + 1 if len(over) else None)
    below = peak[seen] - realized[seen] > usd(FLAT_BPS, position)
    _, start, stop = stretches(below[None, :])
    stop[stop == below.size] = -1
    return Exact(close, float(drawdown[seen].max(initial=0.0)), start, stop)
