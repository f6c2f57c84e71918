"""What the parameters of a backtest are called, and in which order a job names them."""

from __future__ import annotations

LEADING = {"initial_balance_usd": 10_000.0, "max_open_trades": 1}
"""What a job always says, with what holds where nothing was written."""

REQUIRED = (
    "min_spread_bps",
    "taker_fee_a_bps",
    "taker_fee_b_bps",
    "slippage_bps",
    "max_position_usd",
)
"""Parameters without which nothing can be backtested."""

ORDER = (*LEADING, *REQUIRED, "stop_on_drawdown_pct", "exchange_a_to_b_rate", "exit_model")
"""All of them, in the order in which a job names them."""

JOBS_MAX = 10_000_000
"""Jobs that a session may have if nobody says otherwise."""
