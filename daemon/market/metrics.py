"""What is said of a backtest: the definitions, once, for both engines.

An engine counts and sums (`Totals`); what follows from that is worked out here,
for one combination or for a million. NaN stands where a figure means nothing:
no average of no trades, no profit factor where nothing was lost.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.market.columns import SideBySide
from daemon.market.quotes import BPS

if TYPE_CHECKING:
    from typing import Self

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]
    Columns = dict[str, NDArray[Any]]

ENGINE_VERSION = "1"
"""What stored results are keyed by: it is raised whenever equal questions get another answer."""

EPS = float(np.finfo(np.float64).eps)

FLAT_BPS = 1e-3
"""A balance that is lower than its peak by less than this, in bps of a position, stands at it.

It makes how long a drawdown lasted a matter of money and not of rounding.
"""

ROUNDED = 1e-9
"""A drawdown that is short of the threshold by a smaller share of it has met it."""

ALIKE = 1e-6
"""Outcomes whose standard deviation is a smaller share of their mean do not differ at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """What one combination brought."""

    total_trades: int
    closed_trades: int
    open_trades: int
    final_balance_usd: float
    """What was there at the start, and the realized pnl."""
    realized_pnl_usd: float
    max_drawdown_pct: float
    """The deepest fall of the balance from its peak."""
    win_rate: float
    """The share of closed trades that gained something; 0 if none was closed."""
    avg_pnl_per_trade_usd: float
    """Over closed trades; 0 if there are none."""
    unrealized_pnl_usd: float
    """What closing the open trades at the last valid quotes would have brought."""
    gross_profit_usd: float
    gross_loss_usd: float
    """What all losing trades lost together, as a positive number."""
    profit_factor: float
    """Gross profit over gross loss; NaN where nothing was lost."""
    sharpe_per_trade: float
    """Mean over standard deviation of the closed trades' pnl; NaN where they do not differ."""
    sharpe_per_day: float
    """The same of the pnl realized on each day that has rows; not annualised."""
    exposure: float
    """The share of rows after which a trade was open."""
    avg_holding_rows: float
    """Rows from opening to closing; NaN if no trade was closed."""
    avg_holding_seconds: float
    longest_drawdown_rows: int
    """The longest stretch of rows after which the balance stood below its peak."""
    longest_drawdown_seconds: float
    """From the fall to the recovery, or to the last row if there was none."""
    rows_processed: int
    stopped: bool
    """Whether the drawdown ended the run."""

    @classmethod
    def of(cls, columns: Columns, place: int = 0) -> Self:
        """Take one element of every column."""
        return cls(**{name: columns[name][place].item() for name in NAMES})

    def document(self) -> dict[str, Any]:
        """Give them as JSON can hold them: what means nothing is null."""
        found = {name: getattr(self, name) for name in NAMES}
        return {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in found.items()
        }


NAMES = tuple(item.name for item in fields(Metrics))


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Totals(SideBySide):
    """What an engine has counted and added up, an element a combination."""

    closed: Ints
    open: Ints
    wins: Ints
    realized_usd: Floats
    unrealized_usd: Floats
    gross_profit_usd: Floats
    gross_loss_usd: Floats
    max_drawdown_pct: Floats
    longest_drawdown_rows: Ints
    longest_drawdown_us: Floats
    pnl_sharpe: Floats
    day_sharpe: Floats
    exposed_rows: Ints
    held_rows: Ints
    """Added up over closed trades."""
    held_us: Floats
    rows: Ints
    """How many were processed."""
    stopped: Bools

    def columns(self, initial_balance_usd: Floats) -> Columns:
        """Work out every metric."""
        some = np.maximum(self.closed, 1)
        traded = self.closed > 0
        nothing = np.full(len(self.closed), np.nan)
        lost = self.gross_loss_usd > 0
        factor = np.divide(self.gross_profit_usd, self.gross_loss_usd, where=lost, out=nothing)
        return {
            "total_trades": self.closed + self.open,
            "closed_trades": self.closed,
            "open_trades": self.open,
            "final_balance_usd": initial_balance_usd + self.realized_usd,
            "realized_pnl_usd": self.realized_usd,
            "max_drawdown_pct": self.max_drawdown_pct,
            "win_rate": self.wins / some,
            "avg_pnl_per_trade_usd": self.realized_usd / some,
            "unrealized_pnl_usd": self.unrealized_usd,
            "gross_profit_usd": self.gross_profit_usd,
            "gross_loss_usd": self.gross_loss_usd,
            "profit_factor": factor,
            "sharpe_per_trade": self.pnl_sharpe,
            "sharpe_per_day": self.day_sharpe,
            "exposure": self.exposed_rows / np.maximum(self.rows, 1),
            "avg_holding_rows": np.where(traded, self.held_rows / some, np.nan),
            "avg_holding_seconds": np.where(traded, self.held_us / some / 1e6, np.nan),
            "longest_drawdown_rows": self.longest_drawdown_rows,
            "longest_drawdown_seconds": self.longest_drawdown_us / 1e6,
            "rows_processed": self.rows,
            "stopped": self.stopped,
        }


# ── definitions that an engine needs while it counts ─────────────────────────
def costs_of(costs_bps: Floats | float, *, quoted: Bools | bool) -> Floats:
    """Say what a trade pays in all, in bps: on the way out as well where exits are quoted."""
    twice: Floats = np.where(quoted, 2.0, 1.0) * costs_bps
    return twice


def usd(pnl_bps: Floats | float, position_usd: Floats | float) -> Any:
    """Turn the outcome of a trade into money."""
    return pnl_bps / BPS * position_usd


def drawdown_pct(peak_usd: Any, balance_usd: Any) -> Any:
    """Say how far a balance has fallen from its peak.

    Multiplied before it is divided: a fall of exactly 29 % gives exactly 29.
    """
    return 100.0 * (peak_usd - balance_usd) / peak_usd


def stops(drawdown_pct: Any, limit_pct: Any) -> Any:
    """Tell whether a drawdown ends a run: it is as deep as the threshold, whatever was rounded.

    A fall of exactly 7 % may come out as 6.999999999999989 or as 7.000000000000011;
    both are 7 %.
    """
    return drawdown_pct >= limit_pct * (1 - ROUNDED)


def sharpe(mean: Floats, square: Floats, count: Ints) -> Floats:
    """Give mean over standard deviation, from the sum of squared deviations of ``count`` values."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        deviation = np.sqrt(square / (count - 1))
        differ = (count > 1) & (deviation > ALIKE * np.abs(mean))
        found: Floats = np.where(differ, mean / deviation, np.nan)
    return found
