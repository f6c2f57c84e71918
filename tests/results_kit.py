"""Results as they lie in a directory: one JSON file a job."""

from __future__ import annotations

import json

METRICS = {
    "total_trades": 10,
    "closed_trades": 8,
    "open_trades": 2,
    "final_balance_usd": 11000.0,
    "realized_pnl_usd": 1000.0,
    "max_drawdown_pct": 5.0,
    "win_rate": 0.75,
    "avg_pnl_per_trade_usd": 125.0,
    "runtime_seconds": 0.123,
}


def job(pnl=1000.0, job_id=None, config=None, **metrics):
    """A result as the contract has it."""
    return {
        "status": "success",
        "config": {"data_file": "q.csv", "min_spread_bps": 30.0, "tag": "sess001"} | (config or {}),
        "metrics": METRICS | {"realized_pnl_usd": pnl} | metrics,
        "config_summary": {"job_id": job_id},
    }


def put(path, document):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))
