"""What sums over trades can tell, for every threshold at once.

Pnl is affine in cost and size: counts, sums and sums of squares over the trades
of a list serve every combination that has it. Where venues are taken to converge
that is all there is: such a trade never loses, so the balance never falls, there
is no drawdown to follow and nothing that could stop a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.market.metrics import sharpe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from daemon.market.entries import Entries
    from daemon.market.paths import Trades
    from daemon.market.quotes import Days
    from daemon.market.runs import Runs

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

STEEP = 1e-5
"""Squares that leave a smaller share of themselves have lost the digits that count."""

CELLS = 1 << 21
"""Days times thresholds that are added up at once."""


# ── trades that are open at the end, under either exit model ─────────────────
@dataclass(frozen=True, eq=False, slots=True)
class Open:
    """The trades of the run that has not ended, an element a threshold."""

    count: Ints
    spread: Floats
    """Their entry spreads, added up."""
    reverse: float
    """What closing one at the last valid quotes would bring before costs."""

    def unrealized_bps(self, place: Ints, costs_bps: Floats) -> Floats:
        """Say what closing them would bring, costs of both ways paid."""
        total: Floats = self.spread[place] + self.count[place] * (self.reverse - 2 * costs_bps)
        return total


def open_of(runs: Runs, left: Entries) -> Open:
    """Add up the trades of the run that has not ended."""
    reverse = float(runs.reverse[-1]) if len(runs.reverse) else 0.0
    return Open(left.count(), left.sum(runs.spread[left.at]), reverse)


def exposed_by(runs: Runs, first: Entries) -> Ints:
    """Count the rows after which a trade was open, from those that opened when none was."""
    held = runs.close_row[runs.run[first.at]] - runs.row[first.at]
    return first.sum(held.astype(np.float64), whole=True).astype(np.int64)


# ── closed trades ────────────────────────────────────────────────────────────
@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Sums:
    """What was closed, an element a threshold."""

    count: Ints
    value: Floats
    """What trades bring before costs, added up."""
    around: Floats
    """Squares of that around ``centre``."""
    centre: float
    held_rows: Floats
    held_us: Floats
    days: int
    day_value: Floats
    """Squares of what each day brings, around the mean; and with the counts, below."""
    day_both: Floats
    day_count: Floats

    def gained(self, place: Ints, costs_bps: Floats) -> dict[str, NDArray[Any]]:
        """Say what combinations brought of which no trade can lose, in bps of a position."""
        n = self.count[place]
        total = np.maximum(self.value[place] - costs_bps * n, 0.0)
        return {"closed": n, "total": total, "gain": total}

    def details(self, place: Ints, costs_bps: Floats) -> dict[str, NDArray[Any]]:
        """Say how trades and days differed, and how long trades were open."""
        n = self.count[place]
        total = self.value[place] - costs_bps * n
        square, _ = self._squares(place)
        by_day, _ = self._day_squares(place, costs_bps)
        by_day = np.maximum(by_day, 0.0)
        square = np.maximum(square, 0.0)
        return {
            "pnl_sharpe": sharpe(total / np.maximum(n, 1), square, n),
            "day_sharpe": sharpe(total / max(self.days, 1), by_day, np.full(len(n), self.days)),
            "held_rows": self.held_rows[place].astype(np.int64),
            "held_us": self.held_us[place],
        }

    def blurred(self, place: Ints, costs_bps: Floats) -> Bools:
        """Tell where squares have lost their digits: those trades must be looked at one by one."""
        square, of_square = self._squares(place)
        by_day, of_day = self._day_squares(place, costs_bps)
        return (self.count[place] > 0) & ((square < STEEP * of_square) | (by_day < STEEP * of_day))

    def _squares(self, place: Ints) -> tuple[Floats, Floats]:
        n, around = self.count[place], self.around[place]
        shift = self.value[place] / np.maximum(n, 1) - self.centre
        return around - n * shift**2, np.where(n > 1, around, 0.0)

    def _day_squares(self, place: Ints, costs_bps: Floats) -> tuple[Floats, Floats]:
        value, count = self.day_value[place], costs_bps**2 * self.day_count[place]
        return value - 2 * costs_bps * self.day_both[place] + count, value + count


def sums_of(trades: Trades) -> Sums:
    """Add up closed trades."""
    closed, value = trades.entries.wide(), trades.value
    centre = float(value.mean()) if len(value) else 0.0
    at_us, days = trades.quotes.at_us, trades.quotes.days()
    begin, end = trades.opened, trades.closed
    held_us = np.full(closed.thresholds, np.nan)
    if at_us is not None:
        held_us = closed.sum((at_us[end] - at_us[begin]).astype(np.float64), whole=True)
    count, total = closed.count(), closed.sum(value)
    return Sums(
        count=count,
        value=total,
        around=closed.sum((value - centre) ** 2),
        centre=centre,
        held_rows=closed.sum((end - begin).astype(np.float64), whole=True),
        held_us=held_us,
        days=0 if days is None else days.count,
        **_daily(days, (closed, value, end), total, count),
    )


def gained_by(trades: Trades, place: Ints, costs_bps: Floats) -> dict[str, NDArray[Any]]:
    """Say what `Sums.gained` says, where nothing else is asked."""
    count, value = trades.entries.count(), trades.entries.sum(trades.value)
    n = count[place]
    return {"total": np.maximum(value[place] - costs_bps * n, 0.0)}


def even_of(trades: Trades, thresholds: Floats) -> Ints:
    """Count the trades of each threshold whose spread is the threshold itself."""
    last = trades.entries.high - 1
    even = trades.value == thresholds[last]
    return np.bincount(last[even], minlength=len(thresholds))


def _daily(
    days: Days | None, trades: tuple[Entries, Floats, Ints], total: Floats, count: Ints
) -> dict[str, Floats]:
    """Add up squares of what each day brought: of values, of counts, and of both.

    Trades are given as who opens them, what they bring and the row that closes them.
    """
    closed, value, end = trades
    size = closed.thresholds
    found = {f"day_{name}": np.zeros(size) for name in ("value", "both", "count")}
    if days is None:
        return found
    day = days.of_row[end]
    if (day[1:] < day[:-1]).any():
        order = np.argsort(day, kind="stable")
        day, closed, value = day[order], closed[order], value[order]
    mean_value, mean_count = total / max(days.count, 1), count / max(days.count, 1)
    step = max(CELLS // (size + 1), 1)
    for start in range(0, days.count, step):
        groups = min(step, days.count - start)
        part = slice(*np.searchsorted(day, [start, start + groups]).tolist())
        here, group = closed[part], day[part] - start
        by_value = here.grouped(group, groups, value[part]) - mean_value
        by_count = here.grouped(group, groups, None) - mean_count
        found["day_value"] += (by_value**2).sum(axis=0)
        found["day_both"] += (by_value * by_count).sum(axis=0)
        found["day_count"] += (by_count**2).sum(axis=0)
    return found
