"""Quotes and session files as a user has them, written into a folder."""

from __future__ import annotations

import math

from daemon.clock import iso
from tests.market_kit import START_US

HEADER = "timestamp,best_bid_a,best_ask_a,best_bid_b,best_ask_b"
MINUTE_US = 60_000_000

SESSION = """\
data_file: quotes.csv
min_spread_bps: 30
taker_fee_a_bps: 5
taker_fee_b_bps: 5
slippage_bps: 5
max_position_usd: 1000
max_open_trades: 1            # default 1
initial_balance_usd: 10000    # default 10000
stop_on_drawdown_pct: 20      # optional
grids:
  - { name: min_spread_bps, values: [20, 30, 40] }
  - { name: slippage_bps,   values: [3, 5, 7] }
max_jobs: 50                  # optional: the first N in order
tag_prefix: "sess001"         # optional
exit_model: convergence       # optional
"""
"""The session file of the contract, on quotes of ours."""


def lines(rows=600):
    """Quotes of two venues whose spread swings: some rows open trades, some close them."""
    yield HEADER
    for row in range(rows):
        mid = 100 + math.sin(row / 90)
        apart = mid * (60 * math.sin(row / 7) + 20 * math.sin(row / 31)) / 1e4
        prices = (mid - 0.01, mid + 0.01, mid + apart - 0.01, mid + apart + 0.01)
        moment = iso(START_US + row * MINUTE_US)
        yield ",".join([moment, *(f"{price:.6f}" for price in prices)])


def write_quotes(folder, name="quotes.csv", rows=600):
    """Write quotes into a folder; gives their path."""
    path = folder / name
    path.write_text("\n".join(lines(rows)) + "\n")
    return path


def write_session(folder, text=SESSION, name="session001.yaml", **changed):
    """Write a session file into a folder, some lines of it changed; gives its path."""
    path = folder / name
    kept = [line for line in text.splitlines() if line.partition(":")[0] not in changed]
    added = [f"{key}: {value}" for key, value in changed.items() if value is not None]
    path.write_text("\n".join([*kept, *added]) + "\n")
    return path
