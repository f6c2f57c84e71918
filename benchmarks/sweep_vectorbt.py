"""The other side of `sweep_peers`: vectorbt, in an interpreter that has it and not us.

    python benchmarks/sweep_vectorbt.py FOLDER COSTS BALANCE

FOLDER holds quotes.npy, a column a row's price, and thresholds.npy. For every line
it is sent, ``quoted`` or ``convergence`` with ``full`` or ``lean``, it backtests all
thresholds and answers with a line of JSON.

A trade is a long position of one share: bought at 10,000 less the spread, sold at
10,000 (or, at quoted exits, at 10,000 and the reverse spread), a column a threshold.
"""

import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

PAR = 1e4


def main(arguments: list[str]) -> int:
    """Answer until nothing is asked any more."""
    folder, costs, balance = Path(arguments[0]), float(arguments[1]), float(arguments[2])
    quotes, thresholds = np.load(folder / "quotes.npy"), np.load(folder / "thresholds.npy")
    portfolio = importlib.import_module("vectorbt").Portfolio
    for line in sys.stdin:
        model, size = line.split()
        cpu, wall = time.process_time(), time.perf_counter()
        found = run(portfolio, quotes, thresholds, (costs, balance, model == "quoted"))
        said = told(found, lean=size == "lean")
        said["cpu_ms"] = (time.process_time() - cpu) * 1e3
        said["wall_ms"] = (time.perf_counter() - wall) * 1e3
        print(json.dumps(said), flush=True)
    return 0


def run(portfolio: Any, quotes: Any, thresholds: Any, of: tuple[float, float, bool]) -> Any:
    """Backtest as its manual has it: signals as arrays, all columns at once."""
    costs, balance, quoted = of
    price, best, exits = signals(quotes, quoted=quoted)
    return portfolio.from_signals(
        price[:, None],
        best[:, None] >= thresholds[None, :],
        np.broadcast_to(exits[:, None], (len(exits), len(thresholds))),
        size=1.0,
        fees=0.0,
        fixed_fees=costs if quoted else costs / 2,
        init_cash=balance,
        upon_long_conflict="exit",
        freq="1min",
    )


def signals(quotes: Any, *, quoted: bool) -> tuple[Any, Any, Any]:
    """Give the price of each row, the better spread, and where what is open is closed."""
    bid_a, ask_a, bid_b, ask_b = quotes
    valid = np.isfinite(quotes).all(axis=0) & (quotes > 0).all(axis=0)
    valid &= (bid_a < ask_a) & (bid_b < ask_b)
    with np.errstate(divide="ignore", invalid="ignore"):
        ab, ba = (bid_b - ask_a) / ask_a * PAR, (bid_a - ask_b) / ask_b * PAR
    best = np.where(valid, np.maximum(ab, ba), -np.inf)
    side = np.where(ab >= 0, 1, np.where(ba >= 0, 2, 0))
    held = _before(side, valid)
    exits = valid & (held > 0) & (held != side)
    out = PAR + np.where(held == 1, ba, ab) if quoted else PAR
    price = np.where(exits, out, PAR - np.where(valid, best, 0.0))
    return price, best, exits


def _before(side: Any, valid: Any) -> Any:
    """Give the side of the last valid row before each row: what is open was opened on it."""
    rows = np.arange(len(side))
    last = np.maximum.accumulate(np.where(valid, rows, -1))
    last = np.concatenate([[-1], last[:-1]])
    return np.where(last >= 0, side[last], 0)


def told(found: Any, *, lean: bool) -> dict[str, Any]:
    """Ask for what the sweep tells as well, or for counts and pnl alone."""
    closed = found.trades.closed
    said = {"closed": closed.count(), "pnl": closed.pnl.sum()}
    if not lean:
        said |= {"wins": closed.win_rate(), "drawdown": found.max_drawdown()}
    return {name: np.asarray(column, np.float64).tolist() for name, column in said.items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
