"""The sweep against what people backtest with: an engine as it is usually written, and vectorbt.

Both take what the sweep takes, and say how often a trade was closed; so it is seen
whether they answer the same question. Who takes columns of a matrix, or one
combination after the other, is measured on a few combinations and counted up.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from measure import Case, Goal, Table, interleave, ratio, say
from sweep_market import GRIDS, a_market, fresh

from daemon.market.params import Combinations
from daemon.market.staircase import sweep

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from daemon.market.params import Params
    from daemon.market.quotes import Quotes

ROWS = 100_000
COUNT = 1_000
ROUNDS = 3
FEW = 2
"""Combinations that the usual engine is measured on."""

COLUMNS = 20
"""Combinations that vectorbt is measured on; it holds rows times columns in memory."""

GOALS = {
    ("usual engine", False): Goal(10_000, at_least=True),
    ("vectorbt", False): Goal(1_000, at_least=True),
    ("vectorbt", True): Goal(300, at_least=True),
}
ANSWER_WITHIN_S = 300
PRICES = ("best_bid_a", "best_ask_a", "best_bid_b", "best_ask_b")


# ── an engine as it is usually written ───────────────────────────────────────
def as_dicts(quotes: Quotes) -> list[dict[str, float]]:
    """Give rows as a reader of CSV gives them, numbers being numbers already."""
    columns = (column.tolist() for column in quotes.prices)
    return [dict(zip(PRICES, row, strict=True)) for row in zip(*columns, strict=True)]


def usual_engine(rows: Sequence[dict[str, float]], params: Params) -> tuple[int, float]:
    """Backtest one combination, a dict a row and a dict a trade; gives closed trades and pnl."""
    trades: list[dict[str, Any]] = []
    closed, balance, peak, deepest = 0, params.initial_balance_usd, params.initial_balance_usd, 0.0
    for row in rows:
        if not _sound(row):
            continue
        spreads = _spreads(row, params.exchange_a_to_b_rate)
        for trade in [trade for trade in trades if spreads[trade["side"]] < 0]:
            trades.remove(trade)
            balance += _pnl_usd(trade, spreads, params)
            closed += 1
        side = max(spreads, key=spreads.__getitem__)
        room = len(trades) < params.max_open_trades
        if room and spreads[side] - params.costs_bps >= params.min_spread_bps:
            trades.append({"side": side, "spread": spreads[side]})
        peak = max(peak, balance)
        deepest = max(deepest, (peak - balance) / peak * 100)
        if params.stop_on_drawdown_pct is not None and deepest >= params.stop_on_drawdown_pct:
            break
    return closed, balance - params.initial_balance_usd


def _sound(row: dict[str, float]) -> bool:
    return 0 < row["best_bid_a"] < row["best_ask_a"] and 0 < row["best_bid_b"] < row["best_ask_b"]


def _spreads(row: dict[str, float], rate: float) -> dict[str, float]:
    bid_b, ask_b = row["best_bid_b"] * rate, row["best_ask_b"] * rate
    return {
        "LONG_A_SHORT_B": (bid_b - row["best_ask_a"]) / row["best_ask_a"] * 1e4,
        "LONG_B_SHORT_A": (row["best_bid_a"] - ask_b) / ask_b * 1e4,
    }


def _pnl_usd(trade: dict[str, Any], spreads: dict[str, float], params: Params) -> float:
    bps: float = trade["spread"] - params.costs_bps
    if params.quoted:
        (reverse,) = (value for side, value in spreads.items() if side != trade["side"])
        bps += reverse - params.costs_bps
    return bps / 1e4 * params.max_position_usd


# ── vectorbt ─────────────────────────────────────────────────────────────────
@dataclass
class Vectorbt:
    """A process of the other interpreter, which answers a line with a line."""

    process: subprocess.Popen[str]
    cpu_ms: dict[str, list[float]] = field(default_factory=dict)
    closed: list[float] = field(default_factory=list)
    """What it said last."""

    def ask(self, question: str) -> None:
        """Have it backtest all its columns."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{question}\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("vectorbt ended without an answer; what it wrote stands above")
        said = json.loads(line)
        self.cpu_ms.setdefault(question, []).append(said["cpu_ms"])
        self.closed = said["closed"]


@contextmanager
def vectorbt(python: Path, quotes: Quotes, some: Combinations) -> Iterator[Vectorbt]:
    """Start it on quotes and thresholds; it ends with the block."""
    one = some[0]
    balance = one.initial_balance_usd / one.max_position_usd * 1e4
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/quotes.npy", np.array(quotes.prices))
        np.save(f"{folder}/thresholds.npy", some.min_spread_bps + some.costs_bps)
        script = str(Path(__file__).with_name("sweep_vectorbt.py"))
        command = [str(python), script, folder, repr(one.costs_bps), repr(balance)]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        try:
            yield Vectorbt(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(ANSWER_WITHIN_S)


def columns_for(*, quoted: bool) -> Combinations:
    """Give combinations that differ in the threshold alone, which is what it has columns for."""
    return Combinations.from_columns(
        COLUMNS,
        min_spread_bps=np.arange(COLUMNS) * 0.5 + 5,
        slippage_bps=1.0,
        taker_fee_a_bps=2.0,
        taker_fee_b_bps=2.0,
        max_position_usd=1_000.0,
        quoted=quoted,
    )


def by_its_rule(quotes: Quotes, one: Params) -> int:
    """Count the trades that are left if a row on which the side turns opens none."""
    spreads = quotes.spreads()
    closed, before, is_open = 0, 0, False
    columns = (column.tolist() for column in (spreads.ab, spreads.ba, spreads.valid))
    for ab, ba, valid in zip(*columns, strict=True):
        if not valid:
            continue
        side = 1 if ab >= 0 else 2 if ba >= 0 else 0
        if before not in (0, side):
            closed += is_open
            is_open = False
        elif max(ab, ba) - one.costs_bps >= one.min_spread_bps:
            is_open = True
        before = side
    return closed


# ── the table ────────────────────────────────────────────────────────────────
def measure_peers(python: Path | None) -> Table:
    """Compare with engines that people use; vectorbt, if an interpreter that has it is given."""
    missing = () if python else ("vectorbt is left out: --vectorbt names a Python that has it.",)
    table = Table(
        f"Combinations per second against other engines, {COUNT:,} combinations x {ROWS:,} rows",
        (
            "exits",
            "peer",
            "told",
            "ours",
            "peer's",
            "counts agree",
            "by its rule",
            "times the peer's",
        ),
        notes=(
            "usual engine: a dict a row, a list of open trades, one combination after the other;",
            f"measured on {FEW}. vectorbt: Portfolio.from_signals, {COLUMNS} columns at once, told",
            "to give counts, pnl, win rate and drawdown (all), or counts and pnl (lean); we always",
            "give all. It opens nothing in a row in which it could close, so its counts are not",
            "ours. By that rule, counted row by row, they should agree: the last column but one.",
            *missing,
        ),
    )
    quotes = a_market(ROWS)
    for quoted in (False, True):
        _usual(table, quotes, quoted=quoted)
        if python is not None:
            _vectorbt(table, quotes, python, quoted=quoted)
    return table


def _swept(asked: Combinations, quotes: Quotes) -> object:
    return sweep(quotes, asked)


def _ours(quotes: Quotes, *, quoted: bool) -> Case:
    asked = GRIDS[COUNT].combinations(quoted=quoted)
    return Case("ours", partial(_swept, asked), partial(fresh, quotes))


def _each(rows: Sequence[dict[str, float]], some: Sequence[Params]) -> list[tuple[int, float]]:
    return [usual_engine(rows, one) for one in some]


def _usual(table: Table, quotes: Quotes, *, quoted: bool) -> None:
    rows = as_dicts(quotes)
    asked = GRIDS[COUNT].combinations(quoted=quoted)
    places = np.linspace(0, COUNT - 1, FEW).astype(int).tolist()
    some = [asked[place] for place in places]
    cases = [
        _ours(quotes, quoted=quoted),
        Case("usual", partial(_each, rows), partial(tuple, some)),
    ]
    found = interleave(cases, ROUNDS)
    closed = sweep(quotes, asked).columns["closed_trades"][places].tolist()
    agree = np.mean([closed for closed, _ in _each(rows, some)] == np.array(closed))
    ours, theirs = found["ours"], found["usual"]
    table.add(
        "quoted" if quoted else "convergence",
        *("usual engine", "all"),
        COUNT / ours.cpu * 1e3,
        FEW / theirs.cpu * 1e3,
        *(f"{agree:.0%}", f"{agree:.0%}"),
        figure=ratio(theirs.cpu_ms, ours.cpu_ms) * COUNT / FEW,
        goal=GOALS.get(("usual engine", quoted)),
    )


def _vectorbt(table: Table, quotes: Quotes, python: Path, *, quoted: bool) -> None:
    say("vectorbt compiles itself first")
    model = "quoted" if quoted else "convergence"
    some = columns_for(quoted=quoted)
    with vectorbt(python, quotes, some) as peer:
        cases = [Case(told, peer.ask, partial(str, f"{model} {told}")) for told in ("full", "lean")]
        ours = interleave([_ours(quotes, quoted=quoted), *cases], ROUNDS)["ours"]
    closed = sweep(quotes, some).columns["closed_trades"]
    agree = np.mean(closed == np.array(peer.closed))
    ruled = [by_its_rule(quotes, some[place]) for place in (0, COLUMNS - 1)]
    alike = np.mean(np.array(ruled) == np.array(peer.closed)[[0, -1]])
    for told in ("full", "lean"):
        theirs = peer.cpu_ms[f"{model} {told}"][-ROUNDS:]
        table.add(
            model,
            *("vectorbt", "all" if told == "full" else "lean"),
            COUNT / ours.cpu * 1e3,
            COLUMNS / sorted(theirs)[ROUNDS // 2] * 1e3,
            *(f"{agree:.0%}", f"{alike:.0%}"),
            figure=ratio(theirs, ours.cpu_ms) * COUNT / COLUMNS,
            goal=GOALS.get(("vectorbt", quoted)) if told == "full" else None,
        )


if __name__ == "__main__":
    sys.exit("run benchmarks/sweep.py --only peers")
