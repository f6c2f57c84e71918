"""How far a balance falls, how long it stays below its peak, and where that stops a run.

Pnl is affine in cost and size. So a path is followed once in bps of a position,
for one list of trades and one cost, and serves every size and every balance at
the start: of all falls only those can be the deepest in percent that are deeper
than every fall before them, because the peak never sinks. There are few of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon.market.columns import SideBySide
from daemon.market.metrics import FLAT_BPS, drawdown_pct, usd

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False, slots=True)
class Falls(SideBySide):
    """Falls that may be the deepest in percent, path by path in order of time."""

    path: Ints
    trade: Ints
    """The place in its list of the last trade that was closed with it."""
    peak: Floats
    fall: Floats


@dataclass(frozen=True, eq=False, slots=True)
class Followed:
    """Paths in bps of a position, a row a path and a column a moment."""

    falls: Falls
    """Their ``trade`` is the moment."""
    path: Ints
    """Per stretch below the peak: whose it is,"""
    start: Ints
    """the moment at which it begins,"""
    stop: Ints
    """and the one at which it ends; -1 if it does not."""
    unsure: Bools
    """Per path: rounding may decide whether the balance stood at its peak."""


def follow(path: Floats, noise: Floats) -> Followed:
    """Follow the balance along every row; it begins at zero, and rounding may have moved it."""
    peak = np.maximum.accumulate(np.maximum(path, 0.0), axis=1)
    fall = np.subtract(peak, path, out=path)
    deepest = np.maximum.accumulate(fall, axis=1)
    deeper = np.empty(fall.shape, np.bool_)
    deeper[:, :1] = fall[:, :1] > 0
    np.greater(deepest[:, 1:], deepest[:, :-1], out=deeper[:, 1:])
    row, column = _places(deeper)
    falls = Falls(row, column, peak[row, column], fall[row, column])
    below = fall > FLAT_BPS
    unsure: Bools = np.any(below != (fall > FLAT_BPS - noise[:, None]), axis=1)
    unsure |= np.any(below != (fall > FLAT_BPS + noise[:, None]), axis=1)
    return Followed(falls, *stretches(below), unsure)


def stretches(below: Bools) -> tuple[Ints, Ints, Ints]:
    """Find where each row is True without a break: the row, from where, and until where or -1."""
    changes = np.empty(below.shape, np.bool_)
    changes[:, :1] = below[:, :1]
    np.not_equal(below[:, 1:], below[:, :-1], out=changes[:, 1:])
    row, column = _places(changes)
    starts = np.flatnonzero(below[row, column])
    follows = np.minimum(starts + 1, len(row) - 1)
    ends = (starts < follows) & (row[follows] == row[starts])
    return row[starts], column[starts], np.where(ends, column[follows], -1)


def _places(marks: Bools) -> tuple[Ints, Ints]:
    """Find marks in a matrix, row by row."""
    row, column = np.divmod(np.flatnonzero(marks), marks.shape[1])
    return row, column


def noise_of(gross_bps: Floats, trades: Ints) -> Floats:
    """Say by how much the rounding of a sum may differ from that of another, in bps."""
    found: Floats = 4 * EPS * np.sqrt(trades) * gross_bps
    return found


# ── one combination, rounded as the reference rounds ─────────────────────────
@dataclass(frozen=True, slots=True)
class Exact:
    """The path of one combination."""

    trade: int
    """The place in its list of the last trade before the run was stopped; -1 if it was not."""
    max_drawdown_pct: float
    start: Ints
    """Places of the trades with which the balance fell below its peak,"""
    stop: Ints
    """and of those with which it recovered; -1 if it did not."""


def exact(pnl_bps: Floats, ends: Ints, position: float, balance: float, limit: float) -> Exact:
    """Follow one combination trade by trade, adding in order and never otherwise.

    Where a drawdown meets the threshold, or a balance its peak, to the last digit,
    the outcome depends on how sums were rounded: here as row by row. ``ends`` are
    the last trades of those that are closed on one row.
    """
    realized = np.cumsum(usd(pnl_bps, position))[ends]
    peak = np.maximum.accumulate(np.maximum(realized, 0.0))
    drawdown = drawdown_pct(balance + peak, balance + realized)
    over = np.flatnonzero(drawdown >= limit)
    if len(over):
        cut = int(over[0]) + 1
        ends, realized, peak = ends[:cut], realized[:cut], peak[:cut]
    below = peak - realized > usd(FLAT_BPS, position)
    _, start, stop = stretches(below[None, :])
    trade = int(ends[-1]) if len(over) else -1
    deepest = float(drawdown[: len(ends)].max(initial=0.0))
    return Exact(trade, deepest, ends[start], np.where(stop < 0, -1, ends[stop]))
