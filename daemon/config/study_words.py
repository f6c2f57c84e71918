"""What may be written as a word in a study file, and what it stands for."""

from __future__ import annotations

from typing import Any

TRIALS = 200
"""Trials of a fold where nothing is said of the budget."""

NONE = "none"

METRICS = (
    "total_trades",
    "closed_trades",
    "open_trades",
    "final_balance_usd",
    "realized_pnl_usd",
    "max_drawdown_pct",
    "win_rate",
    "avg_pnl_per_trade_usd",
    "unrealized_pnl_usd",
    "gross_profit_usd",
    "gross_loss_usd",
    "profit_factor",
    "sharpe_per_trade",
    "sharpe_per_day",
    "exposure",
    "avg_holding_rows",
    "avg_holding_seconds",
    "longest_drawdown_rows",
    "longest_drawdown_seconds",
    "rows_processed",
    "stopped",
)
"""What a backtest brings, by the names of its metrics; known without loading NumPy."""


def word_is_kind(value: Any) -> Any:
    """Read `tpe` as `{kind: tpe}`."""
    return {"kind": value} if isinstance(value, str) else value


def word_is_metric(value: Any) -> Any:
    """Read `realized_pnl_usd` as `{metric: realized_pnl_usd}`."""
    return {"metric": value} if isinstance(value, str) else value


def none_is_nothing(value: Any) -> Any:
    """Tell `none`, which was written, from nothing, which stands for what holds by default."""
    if value is None:
        return {}
    return None if value == NONE else value


def nothing_is_empty(value: Any) -> Any:
    """Read a list whose lines are all commented out as one of nothing."""
    return [] if value is None else value


def kind_of(sampler: Any) -> tuple[str, dict[str, Any]]:
    """Give the kind of a sampler and its options, from what was written."""
    if sampler is None:
        return "tpe", {}
    if isinstance(sampler, str):
        return sampler, {}
    held = sampler if isinstance(sampler, dict) else {}
    options = {str(key): value for key, value in held.items() if key != "kind"}
    return str(held.get("kind")), {k: v for k, v in options.items() if v is not None}
