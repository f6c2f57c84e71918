"""What trials were worth as time went by, trades that were still open included.

A trade is closed when the spread that it was opened for is gone; one that goes
against us stays open, and its loss is not realized. Whoever only adds up closed
trades therefore finds that buying any gap gains, even where prices are a pure random
walk. So trials are marked to the market here: at the end of every bin of time an open
trade counts as much as closing it then, at quoted prices and costs, would bring. The
differences between one end and the next add up to the realized and the unrealized
pnl of the whole run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon.market.metrics import costs_of, usd
from daemon.market.runs import runs_of
from daemon.market.staircase import sweep
from daemon.market.thresholds import entry_threshold

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from daemon.market.params import Combinations, Params
    from daemon.market.quotes import Quotes
    from daemon.market.runs import Runs

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

BINS = 256
"""Bins of time, where there are rows enough."""

ROWS_A_BIN = 4

AT_ONCE = 256
"""Trials between two looks at whether somebody wants it to end."""


def idle() -> None:
    """Go on."""


# ── trades, one by one ───────────────────────────────────────────────────────
@dataclass(frozen=True, eq=False, slots=True)
class Deals:
    """The trades of one trial, in the order in which they were opened, and closed."""

    opened: Ints
    """On which row."""
    closed: Ints
    """On which row; the number of rows for one that is still open."""
    entry: Floats
    """The spread with which it was opened, in bps."""
    out: Floats
    """What its close brought, in bps, before costs; marked on the last row for one still open."""
    sold_b: Ints
    """1 where A was bought and B sold, -1 the other way round."""

    def __len__(self) -> int:
        return len(self.opened)

    def pnl_bps(self, costs_bps: float, *, quoted: bool, rows: int) -> Floats:
        """Say what each brought; an open one pays both ways, whatever the exit model."""
        both = np.asarray(costs_of(costs_bps, quoted=quoted | (self.closed >= rows)))
        return self.entry + self.out - both


def deals(quotes: Quotes, params: Params, processed: int | None = None) -> Deals:
    """Find the trades of a trial that was run over so many rows (None: all of them)."""
    stop = len(quotes) if processed is None else processed
    runs = runs_of(quotes, params.exchange_a_to_b_rate)
    threshold = entry_threshold(
        np.array([params.min_spread_bps]), np.array([params.costs_bps])
    ).item()
    at = _first_of_runs(runs, threshold, params.max_open_trades)
    at = at[runs.row[at] < stop]
    if stop < len(quotes):  # it ended with a close: nothing was left open
        at = at[runs.close_row[runs.run[at]] < stop]
    run = runs.run[at]
    closed = runs.close_row[run]
    still = closed >= len(quotes)
    out = np.where(still | params.quoted, runs.reverse[run], 0.0)
    ab = quotes.spreads(params.exchange_a_to_b_rate).ab
    opened = runs.row[at]
    return Deals(opened, closed, runs.spread[at], out, np.where(ab[opened] >= 0, 1, -1))


def _first_of_runs(runs: Runs, threshold: float, trades: int) -> Ints:
    """Give the first rows of every run that reach a threshold."""
    at = np.flatnonzero(runs.spread >= threshold)
    run = runs.run[at]
    begins = np.flatnonzero(np.diff(run, prepend=-1))
    place = np.arange(len(at)) - np.repeat(begins, np.diff(np.append(begins, len(at))))
    return at[place < trades]


def trade_pnl(quotes: Quotes, params: Params, processed: int | None = None) -> Floats:
    """Give what each trade brought in USD; one that is still open counts as it stands."""
    found = deals(quotes, params, processed)
    bps = found.pnl_bps(params.costs_bps, quoted=params.quoted, rows=len(quotes))
    made: Floats = usd(bps, params.max_position_usd)
    return made


# ── bins of time ─────────────────────────────────────────────────────────────
def bins_of(rows: int) -> int:
    """Say into how many bins so many rows are cut."""
    return max(1, min(BINS, rows // ROWS_A_BIN))


def by_rows(rows: int, bins: int) -> Ints:
    """Give the last row of each of so many bins of equally many rows."""
    return np.arange(1, bins + 1) * rows // bins - 1


def by_time(at_us: Sequence[Ints], bins: int) -> list[Ints]:
    """Give the last row of each bin for several series of moments, in bins that they share.

    A series that has no row before the end of a bin has none yet: -1.
    """
    first = min(int(one[0]) for one in at_us)
    last = max(int(one[-1]) for one in at_us)
    ends = first + (last - first + 1) * np.arange(1, bins + 1) // bins
    return [np.searchsorted(one, ends) - 1 for one in at_us]


def marked(
    quotes: Quotes, trials: Combinations, ends: Ints, go_on: Callable[[], None] = idle
) -> Floats:
    """Give what every trial gained in every bin, marked to the market: (bins, trials) in USD.

    ``ends`` holds the last row of each bin. What overflows counts as nothing gained.
    """
    found = np.zeros((len(ends), len(trials)))
    processed = np.full(len(trials), len(quotes))
    if np.isfinite(trials.stop_on_drawdown_pct).any():
        processed = sweep(quotes, trials).columns["rows_processed"]
    with np.errstate(over="ignore", invalid="ignore"):
        for place in range(len(trials)):
            if not place % AT_ONCE:
                go_on()
            worth = _worth(quotes, trials[place], ends, int(processed[place]))
            found[:, place] = np.diff(worth, prepend=0.0)
    return np.where(np.isfinite(found), found, 0.0)


def _worth(quotes: Quotes, params: Params, ends: Ints, processed: int) -> Floats:
    """Say what one trial has gained by each row asked for."""
    found = deals(quotes, params, processed)
    costs = params.costs_bps
    brought = found.entry + found.out - costs_of(costs, quoted=params.quoted)
    opened = np.searchsorted(found.opened, ends, side="right")
    closed = np.searchsorted(found.closed, ends, side="right")
    realized = _added(brought)[closed]
    entries = _added(found.entry)
    open_now = opened - closed
    reverse = _reverse_now(quotes, params.exchange_a_to_b_rate)[ends]
    at_stake = (
        entries[opened] - entries[closed] + open_now * (reverse - costs_of(costs, quoted=True))
    )
    total = realized + np.where(open_now > 0, at_stake, 0.0)
    made: Floats = usd(total, params.max_position_usd)
    return made


def _added(values: Floats) -> Floats:
    return np.concatenate(([0.0], np.cumsum(values)))


def _reverse_now(quotes: Quotes, rate: float) -> Floats:
    """Give, for every row, what closing would bring on the last valid row up to it.

    While a trade is open its own spread is zero or more, so the other one is the smaller.
    """
    return quotes.once(("reverse now", rate), lambda: _find_reverse(quotes, rate))


def _find_reverse(quotes: Quotes, rate: float) -> Floats:
    spreads = quotes.spreads(rate)
    rows = np.arange(len(quotes))
    last = np.maximum.accumulate(np.where(spreads.valid, rows, -1))
    lower = np.minimum(spreads.ab, spreads.ba)
    return np.where(last >= 0, lower[np.maximum(last, 0)], 0.0)
