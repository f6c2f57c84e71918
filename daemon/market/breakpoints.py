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

from daemon.market.metrics import EPS, costs_of, usd
from daemon.market.params import Combinations
from daemon.market.runs import runs_of
from daemon.market.staircase import sweep
from daemon.market.thresholds import entry_threshold

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from daemon.market.params import Params
    from daemon.market.quotes import Quotes
    from daemon.market.runs import Runs

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


LOOKED_AT = 512
"""About so many rows on both sides of a threshold are looked at first,"""

WIDER = 16
"""and so many times more where none of them had a chance."""


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
    spread, costs = rows.spread, params.costs_bps
    if not len(spread):
        return Interval(None, None)
    threshold, widest = rows.threshold, float(spread.max())
    floor, below = _reaching(0.0, costs), min(threshold, widest)
    low, high = threshold, threshold
    width = max((widest - floor) * LOOKED_AT / len(spread), EPS)
    near, least = None, None
    while (near is None and low > floor) or (least is None and high <= widest):
        low, high = max(below - width, floor), threshold + width
        some = np.flatnonzero((spread >= low) & (spread <= high))
        found = spread[some[rows.room(some)]]
        near = float(found[found < threshold].max()) if (found < threshold).any() else None
        least = float(found[found >= threshold].min()) if (found >= threshold).any() else None
        width *= WIDER
    return Interval(
        None if near is None else near - costs, None if least is None else least - costs
    )


def pnl_usd(quotes: Quotes, params: Params) -> Floats:
    """Give what each closed trade brought, in the order in which they were opened."""
    rows = _Rows.of(quotes, params)
    runs, at = rows.runs, rows.opens()
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
    spread: Floats
    threshold: float
    """The smallest spread that opens a trade."""
    most: int
    """How many trades may be open at once."""
    wanted: Ints
    """Places of the rows that reach the threshold."""

    @classmethod
    def of(cls, quotes: Quotes, params: Params) -> _Rows:
        runs = runs_of(quotes, params.exchange_a_to_b_rate)
        stop = _processed(quotes, params)
        spread = runs.spread[: int(np.searchsorted(runs.row, stop))]
        threshold = _reaching(params.min_spread_bps, params.costs_bps)
        wanted = np.flatnonzero(spread >= threshold)
        return cls(runs, stop, spread, threshold, params.max_open_trades, wanted)

    def room(self, some: Ints) -> Bools:
        """Tell for which rows there was room for a trade when they came.

        There was none if as many rows of the same run as may be open wanted one earlier.
        """
        earlier = np.searchsorted(self.wanted, some) - self.most
        found = earlier < 0
        full = np.flatnonzero(~found)
        run = self.runs.run
        found[full] = run[self.wanted[earlier[full]]] != run[some[full]]
        return found

    def opens(self) -> Ints:
        """Give the places of the rows that open one."""
        run = self.runs.run[self.wanted]
        first = np.ones(len(run), np.bool_)
        most = min(self.most, len(run))
        np.not_equal(run[most:], run[: len(run) - most], out=first[most:])
        return self.wanted[first]


def _reaching(min_spread_bps: float, costs_bps: float) -> float:
    """Give the smallest spread of which at least so much is left after costs."""
    return float(entry_threshold(np.array([min_spread_bps]), np.array([costs_bps]))[0])


def _processed(quotes: Quotes, params: Params) -> int:
    """Say how many rows there are before the drawdown ends the run."""
    if params.stop_on_drawdown_pct is None:
        return len(quotes)
    swept = sweep(quotes, Combinations.of([params]))
    return int(swept.columns["rows_processed"][0])
