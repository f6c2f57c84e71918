"""Measure the sweep: many combinations over the same quotes, from the file on.

    python benchmarks/sweep.py                      all of it
    python benchmarks/sweep.py --quick              a tenth of the sizes, or so
    python benchmarks/sweep.py --only growth        one table
    python benchmarks/sweep.py --vectorbt PYTHON    against vectorbt, too, if PYTHON has it

The rivals take turns with us in one run and get the same quotes and parameters;
their results are compared with ours. A rival that takes one combination at a
time is measured on a few and counted up, which is fair: it has nothing to share.
"""

from __future__ import annotations

import argparse
import csv
import math
import sys
import tempfile
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from measure import Case, Goal, Table, interleave, ratio, report
from sweep_market import GRIDS, Grid, a_market, bare_loop, fresh, write
from sweep_peers import measure_peers
from sweep_sessions import measure_cold, measure_many, measure_whole

from daemon.adapters.quotes.files import QuoteFiles
from daemon.market.simulator import backtest
from daemon.market.staircase import Swept, sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from daemon.market.params import Combinations, Params
    from daemon.market.quotes import Quotes

SECTIONS = ("peers", "engines", "growth", "files", "sessions")
SAMPLE = 2
"""Combinations on which whoever takes them one by one is measured."""

GOAL_PLAIN = Goal(10_000, at_least=True)


@dataclass(frozen=True)
class Wish:
    """What was asked for on the command line."""

    only: tuple[str, ...]
    quick: bool
    vectorbt: Path | None
    json: Path | None
    strict: bool


def parse(arguments: list[str]) -> Wish:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=SECTIONS, action="append", help="one of the tables")
    parser.add_argument("--quick", action="store_true", help="a tenth of the sizes, or so")
    parser.add_argument(
        "--vectorbt", type=Path, metavar="PYTHON", help="an interpreter that has vectorbt"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables to a file, too")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a goal is missed")
    found = vars(parser.parse_args(arguments))
    return Wish(only=tuple(found.pop("only") or SECTIONS), **found)


# ── engines ──────────────────────────────────────────────────────────────────
def measure_engines(*, quick: bool) -> Table:
    """Compare with engines that take one combination and one row at a time."""
    table = Table(
        "Combinations per second, everything shared worked out anew each time",
        (
            *("exits", "rows", "combinations", "lists", "ours ms", "ours", "row by row"),
            *("bare loop", "of bare loop", "of row by row"),
        ),
        notes=(
            "row by row: our reference, in plain Python, which tells the same metrics as we do;",
            "bare loop: as few instructions as Python can do with, realized pnl and nothing else.",
            f"Both are measured on {SAMPLE} combinations, on which all three agree.",
        ),
    )
    sizes = [(10_000, 9), (100_000, 1_000), (100_000, 20_000), (1_000_000, 20_000)]
    for rows, count in sizes[: 3 if quick else None]:
        quotes = a_market(rows)
        for quoted in (False, True):
            _engines(table, quotes, GRIDS[count].combinations(quoted=quoted), quoted=quoted)
    return table


def _engines(table: Table, quotes: Quotes, asked: Combinations, *, quoted: bool) -> None:
    some = [asked[place] for place in np.linspace(0, len(asked) - 1, SAMPLE).astype(int).tolist()]
    cases = [
        Case("ours", partial(_swept, asked), partial(fresh, quotes)),
        Case("reference", partial(_each, backtest, some), partial(fresh, quotes)),
        Case("bare", partial(_each, bare_loop, some), partial(fresh, quotes)),
    ]
    found = interleave(cases, 3, warm_up=1 if len(quotes) < 10**6 else 0)
    swept = sweep(quotes, asked)
    compare(quotes, asked, swept, some)
    ours, more = found["ours"], len(asked) / len(some)
    speeds = [len(some) / found[name].cpu * 1e3 for name in ("reference", "bare")]
    table.add(
        "quoted" if quoted else "convergence",
        len(quotes),
        len(asked),
        swept.lists,
        ours.cpu,
        len(asked) / ours.cpu * 1e3,
        *speeds,
        ratio(found["bare"].cpu_ms, ours.cpu_ms) * more,
        figure=ratio(found["reference"].cpu_ms, ours.cpu_ms) * more,
        goal=GOAL_PLAIN if len(asked) >= 1_000 and not quoted else None,
    )


def _swept(asked: Combinations, quotes: Quotes) -> Swept:
    return sweep(quotes, asked)


def _each(
    engine: Callable[[Quotes, Params], object], some: Sequence[Params], quotes: Quotes
) -> None:
    for one in some:
        engine(quotes, one)


def compare(quotes: Quotes, asked: Combinations, found: Swept, some: Sequence[Params]) -> None:
    """Stop if anybody found anything else."""
    places = np.linspace(0, len(asked) - 1, SAMPLE).astype(int).tolist()
    for place, one in zip(places, some, strict=True):
        ours, slow, bare = found[place], backtest(quotes, one), bare_loop(quotes, one)
        assert ours.closed_trades == slow.closed_trades, (ours, slow)
        for value in (slow.realized_pnl_usd, bare):
            assert math.isclose(ours.realized_pnl_usd, value, rel_tol=1e-9, abs_tol=1e-9)
        assert math.isclose(ours.max_drawdown_pct, slow.max_drawdown_pct, rel_tol=1e-9)


# ── growth ───────────────────────────────────────────────────────────────────
def measure_growth(*, quick: bool) -> Table:
    """Double one thing at a time."""
    table = Table(
        "What a sweep costs when one thing is doubled",
        (
            "doubled",
            "combinations",
            "lists",
            "convergence ms",
            "quoted ms",
            "convergence",
            "quoted",
        ),
        notes=("The last columns: times what the sweep in the first line costs.",),
    )
    rows = 50_000 if quick else 200_000
    base = Grid(20, 10, 2, 5)
    ways = {
        "nothing": (rows, base),
        "rows": (2 * rows, base),
        "sizes of a position": (rows, replace(base, positions=10)),
        "costs": (rows, replace(base, slippages=20)),
        "smallest spreads": (rows, replace(base, spreads=40)),
        "open trades allowed": (rows, replace(base, trades=4)),
    }
    markets = {count: a_market(count) for count in (rows, 2 * rows)}
    taken: dict[tuple[str, bool], list[float]] = {}
    for quoted in (False, True):
        cases = [
            Case(
                name,
                partial(_swept, grid.combinations(quoted=quoted)),
                partial(fresh, markets[count]),
            )
            for name, (count, grid) in ways.items()
        ]
        timings = interleave(cases, 3)
        taken |= {(name, quoted): timings[name].cpu_ms for name in ways}
    for name, (count, grid) in ways.items():
        times = [ratio(taken[name, quoted], taken["nothing", quoted]) for quoted in (False, True)]
        middle = [sorted(taken[name, quoted])[1] for quoted in (False, True)]
        lists = sweep(markets[count], grid.combinations(quoted=False)).lists
        table.add(name, grid.size, lists, *middle, times[0], figure=times[1])
    return table


# ── files ────────────────────────────────────────────────────────────────────
def measure_files(folder: Path, *, quick: bool) -> Table:
    """Compare with other ways to read numbers out of text."""
    table = Table(
        "Reading quotes",
        ("rows", "MB", "ours ms", "from the cache ms", "loadtxt ms", "csv ms", "of loadtxt"),
        notes=(
            "ours reads timestamps and prices and computes two digests; loadtxt, the prices",
            "alone; csv is the module of the standard library with float().",
        ),
    )
    for rows in (10_000, 100_000, 1_000_000)[: 2 if quick else None]:
        path = folder / f"{rows}.csv"
        market = a_market(rows)
        write(market, path)
        cached = QuoteFiles(folder / "cache")
        cached.load(path)
        cases = [
            Case("ours", QuoteFiles().load, partial(Path, path)),
            Case("cached", cached.load, partial(Path, path)),
            Case("loadtxt", loadtxt, partial(Path, path)),
            Case("csv", by_hand, partial(Path, path)),
        ]
        found = interleave(cases, 3)
        ours = QuoteFiles().load(path).quotes
        assert all(map(np.array_equal, ours.prices, market.prices))
        times = [found[name].cpu for name in ("ours", "cached", "loadtxt", "csv")]
        less = ratio(found["ours"].cpu_ms, found["loadtxt"].cpu_ms)
        table.add(f"{rows:,}", path.stat().st_size / 1e6, *times, figure=less, goal=Goal(1.0))
    return table


def loadtxt(path: Path) -> object:
    """Read the prices by what NumPy has for it."""
    return np.loadtxt(path, delimiter=",", skiprows=1, usecols=(1, 2, 3, 4))


def by_hand(path: Path) -> object:
    """Read the prices by what the standard library has for it."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        return [[float(cell) for cell in row[1:]] for row in rows]


def tables(wish: Wish) -> Iterator[Table]:
    """Measure what was asked for, one table after the other."""
    if "peers" in wish.only:
        yield measure_peers(wish.vectorbt)
    if "engines" in wish.only:
        yield measure_engines(quick=wish.quick)
    if "growth" in wish.only:
        yield measure_growth(quick=wish.quick)
    if "files" in wish.only:
        with tempfile.TemporaryDirectory() as folder:
            yield measure_files(Path(folder), quick=wish.quick)
    for measure in (measure_whole, measure_many, measure_cold) if "sessions" in wish.only else ():
        with tempfile.TemporaryDirectory() as folder:
            yield measure(Path(folder), quick=wish.quick)


def main(arguments: list[str]) -> int:
    """Measure, print, and say whether every goal is met."""
    wish = parse(arguments)
    met = report(tables(wish), wish.json)
    return 1 if wish.strict and not met else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
