"""Several symbols as one: how the metrics of each become those of all together.

Money is added up, each symbol's as often as it counts; trades and rows are counted;
of drawdowns the worst is taken; and what is a share or an average is averaged over
the symbols that have it, by how much each counts. One symbol alone is what it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from daemon.market.metrics import Columns

    Floats = NDArray[np.float64]

SUMMED = frozenset(
    {
        *("final_balance_usd", "realized_pnl_usd", "unrealized_pnl_usd"),
        *("gross_profit_usd", "gross_loss_usd"),
    }
)
"""Added up, weighted."""

COUNTED = frozenset({"total_trades", "closed_trades", "open_trades", "rows_processed"})
"""Added up as they are."""

WORST = frozenset(
    {"max_drawdown_pct", "longest_drawdown_rows", "longest_drawdown_seconds", "stopped"}
)
"""The largest counts."""


def pool(found: Sequence[Columns], weights: Sequence[float]) -> Columns:
    """Give the metrics of all symbols together; an element a trial."""
    if len(found) == 1:
        return found[0]
    return {name: _pooled(name, [one[name] for one in found], weights) for name in found[0]}


def _pooled(name: str, columns: Sequence[NDArray[Any]], weights: Sequence[float]) -> NDArray[Any]:
    if name in COUNTED:
        counted: NDArray[Any] = np.sum(columns, axis=0)
        return counted
    if name in WORST:
        worst: NDArray[Any] = np.max(columns, axis=0)
        return worst
    values = np.stack(columns).astype(np.float64)
    shares = np.array(weights, np.float64)[:, None]
    if name in SUMMED:
        summed: Floats = (values * shares).sum(axis=0)
        return summed
    known = np.isfinite(values)
    weight = (shares * known).sum(axis=0)
    total = np.where(known, values * shares, 0.0).sum(axis=0)
    nothing = np.full(len(total), np.nan)
    averaged: Floats = np.divide(total, weight, where=weight > 0, out=nothing)
    return averaged
