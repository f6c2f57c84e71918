"""Between which thresholds nothing changes: a session samples steps, and here are their edges.

For given costs a row opens a trade exactly when what it brings after costs
reaches ``min_spread_bps``, and fewer than M earlier rows of its run do. So the
list of trades, and with it every metric, is constant between two numbers that
stand in the quotes: one of the trades themselves, the poorest, and one of the
rows that just miss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon.market.metrics import costs_of, usd
from daemon.market.params import Combinations
from daemon.market.runs import runs_of
from daemon.market.staircase import sweep

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from daemon.market.params import Params
    from daemon.market.quotes import Quotes
    from daemon.market.runs import Runs

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Interval:
    """Thresholds above ``low`` and up to ``high``, itself included."""

    low: float | None
    """None: down to zero, which is the least that can be asked."""
    high: float | None
    """None: however high."""

    def __contains__(self, value: float) -> bool:
        return (self.low is None or value > self.low) and (self.high is None or value <= self.high)


def unchanged(quotes: Quotes, params: Params) -> Interval:
    """Give all ``min_spread_bps`` with which the list of trades is the same, costs being given."""
    rows = _Rows.of(quotes, params)
    worth, opens = rows.worth, rows.opens
    near = worth[(worth < params.min_spread_bps) & (worth >= 0) & rows.room]
    return Interval(
        float(near.max()) if len(near) else None,
        float(worth[opens].min()) if opens.any() else None,
    )


def pnl_usd(quotes: Quotes, params: Params) -> Floats:
    """Give what each closed trade brought, in the order in which they were opened."""
    rows = _Rows.of(quotes, params)
    runs = rows.runs
    at = np.flatnonzero(rows.opens)
    at = at[runs.close_row[runs.run[at]] < rows.stop]
    brought = runs.reverse[runs.run[at]] if params.quoted else 0.0
    costs = costs_of(params.costs_bps, quoted=params.quoted)
    with np.errstate(over="ignore"):  # what overflows is no number, and none is ranked
        found: Floats = usd(runs.spread[at] + brought - costs, params.max_position_usd)
    return found


@dataclass(frozen=True, eq=False, slots=True)
class _Rows:
    """The rows of one combination on which a trade might open, up to where the run was stopped."""

    runs: Runs
    stop: int
    """How many rows were processed."""
    worth: Floats
    """What a trade would bring after costs, one way: what the threshold is compared with."""
    room: Bools
    """Whether there was room for a trade when the row came."""
    opens: Bools

    @classmethod
    def of(cls, quotes: Quotes, params: Params) -> _Rows:
        runs = runs_of(quotes, params.exchange_a_to_b_rate)
        stop = _processed(quotes, params)
        count = int(np.searchsorted(runs.row, stop))
        run, spread = runs.run[:count], runs.spread[:count]
        worth = spread - params.costs_bps
        wanted = worth >= params.min_spread_bps
        before: Ints = np.cumsum(wanted) - wanted
        begins = np.searchsorted(run, np.arange(len(runs.close_row)))
        room = before - np.append(before, 0)[begins][run] < params.max_open_trades
        return cls(runs, stop, worth, room, wanted & room)


def _processed(quotes: Quotes, params: Params) -> int:
    """Say how many rows there are before the drawdown ends the run."""
    if params.stop_on_drawdown_pct is None:
        return len(quotes)
    swept = sweep(quotes, Combinations.of([params]))
    return int(swept.columns["rows_processed"][0])
