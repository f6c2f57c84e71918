"""Measure studies: what a trial costs to keep, how many run a second, what is found, and how often.

    python benchmarks/studies.py                  all of it
    python benchmarks/studies.py --quick          a fifth of the sizes, or so
    python benchmarks/studies.py --only found     one table

The rival is Optuna as its users run it: an objective that is called for one trial at a
time, kept in its SQLite storage or in memory. It takes turns with us in one run, and
gets the same search space, budget and seeds.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from measure import Case, Goal, Table, interleave, ratio, report, say
from studies_ground import BATCH, Backtests, Ground, Hills, ours, usual
from studies_whole import (
    Place,
    backtested_in_turn,
    kept_by_optuna,
    search,
    study_of,
)

from daemon.search.studies.domain import Domain, Real, Whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SECTIONS = ("storage", "speed", "found", "distinct")

GOAL_STORAGE = Goal(100, at_least=True)
LEEWAY, SLACK = 1.25, 0.01
"""What may be left more than one at a time leaves: a batch knows less while it is thought out."""
GOAL_DISTINCT = Goal(200, at_least=True)

ROUNDS = 3

USUAL = "Optuna's TPE"
SEARCHED = (
    ("random", BATCH),
    (USUAL, 1),
    ("qmc", BATCH),
    ("tpe", BATCH),
    ("tpe", 4),
    ("gp", BATCH),
    ("cmaes", BATCH),
    ("nsga2", BATCH),
)
"""Who searches, and how many trials at once."""


@dataclass(frozen=True)
class Wish:
    """What was asked for on the command line."""

    only: tuple[str, ...]
    quick: bool
    json: Path | None
    strict: bool


def parse(arguments: list[str]) -> Wish:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=SECTIONS, action="append", help="one of the tables")
    parser.add_argument("--quick", action="store_true", help="a fifth of the sizes, or so")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the tables to a file, too")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when a goal is missed")
    found = vars(parser.parse_args(arguments))
    return Wish(only=tuple(found.pop("only") or SECTIONS), **found)


# ── what a trial costs to keep ───────────────────────────────────────────────
def measure_storage(folder: Path, *, quick: bool) -> Table:
    """Keep trials of a random search; what proposing and backtesting cost is left out."""
    trials, few = (400, 8) if quick else (2_000, 20)
    table = Table(
        "What a trial costs to keep, by the clock",
        ("who", "trials", "ms a trial", "CPU ms", "times ours"),
        notes=(
            f"ours: all time inside of transactions, synchronous=FULL, in batches of {BATCH}:",
            "trials, results, folds, progress. Optuna: trials whose objective returns at once.",
        ),
    )
    place = Place(folder)
    kept: list[tuple[float, float]] = []
    cases = [
        Case("ours", lambda made: kept.append(search(made, study_of(trials=trials))), place.fresh),
        Case("sqlite", partial(kept_by_optuna, few), place.storage),
        Case("memory", partial(kept_by_optuna, trials), lambda: None),
    ]
    found = interleave(cases, ROUNDS, warm_up=0)
    wall = [one / trials * 1e3 for one, _ in kept]
    cpu = float(np.median([one / trials * 1e3 for _, one in kept]))
    table.add("ours, SQLite", trials, float(np.median(wall)), cpu, figure=1.0)
    sqlite = [one / few for one in found["sqlite"].wall_ms]
    memory = [one / trials for one in found["memory"].wall_ms]
    table.add(
        "Optuna, SQLite", few, float(np.median(sqlite)), found["sqlite"].cpu / few,
        figure=ratio(sqlite, wall), goal=GOAL_STORAGE,
    )  # fmt: skip
    table.add(
        "Optuna, in memory", trials, float(np.median(memory)), found["memory"].cpu / trials,
        figure=ratio(memory, wall),
    )  # fmt: skip
    return table


# ── how many run a second ────────────────────────────────────────────────────
def measure_speed(folder: Path, *, quick: bool) -> Table:
    """Run whole searches over real quotes: proposed, backtested, and kept."""
    rows, trials = (20_000, 160) if quick else (100_000, 400)
    table = Table(
        f"Whole searches: {trials} trials on {rows:,} rows of quotes, one core",
        ("sampler", "kept in", "who", "trials a second", "times Optuna in SQLite"),
        notes=(
            "ours: a study as `daemon optimize` runs it, without the judgement at its end.",
            "Optuna: an objective that backtests one trial with the same engine.",
        ),
    )
    place, ground = Place(folder, rows), Backtests(rows)
    for kind in ("random", "tpe"):
        few = min(trials, 32)
        cases = [
            Case("ours", partial(search, wanted=study_of(kind, trials=trials)), place.fresh),
            Case("sqlite", partial(backtested_in_turn, ground, kind, few), place.storage),
            Case("memory", partial(backtested_in_turn, ground, kind, trials), lambda: None),
        ]
        found = interleave(cases, ROUNDS, warm_up=0)
        each = {
            "ours": [one / trials for one in found["ours"].wall_ms],
            "sqlite": [one / few for one in found["sqlite"].wall_ms],
            "memory": [one / trials for one in found["memory"].wall_ms],
        }
        for name, who, where in (
            ("ours", "ours", "SQLite"),
            ("sqlite", "Optuna", "SQLite"),
            ("memory", "Optuna", "memory"),
        ):
            rate = 1e3 / float(np.median(each[name]))
            table.add(kind, where, who, rate, figure=ratio(each["sqlite"], each[name]))
    return table


# ── what is found ────────────────────────────────────────────────────────────
def measure_found(*, quick: bool) -> Iterator[Table]:
    """Search the same grounds with the same budget, over many seeds."""
    seeds = 6 if quick else 20
    backtests, hills = Backtests(20_000), Hills()
    for ground, trials in ((backtests, 64), (backtests, 128), (hills, 128)):
        yield _found(ground, seeds, trials)


def _found(ground: Ground, seeds: int, trials: int) -> Table:
    table = Table(
        f"What is left to the best after {trials} trials ({ground.name}), {seeds} seeds",
        (
            "who",
            "at once",
            "best, median",
            "best, worst seed",
            "left, mean",
            "of random's",
        ),
        notes=(
            f"The best that there is: {ground.top:,.6g}. Left: what is missing to it. Optuna's TPE",
            "is run the usual way, one trial at a time; the goal is what it leaves and a quarter.",
        ),
    )
    best: dict[tuple[str, int], Floats] = {}
    for name, batch in SEARCHED:
        say(f"{ground.name}: {name}, {batch} at once")
        found = [_run(name, ground, seed, trials, batch) for seed in range(seeds)]
        best[name, batch] = np.array([max(values) for values in found])
    left = {who: float(np.mean(ground.top - values)) for who, values in best.items()}
    chance = left["random", BATCH]
    goal = Goal(round(LEEWAY * left[USUAL, 1] / chance + SLACK, 3))
    for (name, batch), values in best.items():
        table.add(
            name,
            batch,
            float(np.median(values)),
            float(values.min()),
            left[name, batch],
            figure=left[name, batch] / chance,
            goal=goal if name in {"tpe", "gp"} else None,
        )
    return table


def _run(name: str, ground: Ground, seed: int, trials: int, batch: int) -> list[float]:
    if name == USUAL:
        return usual(ground, seed, trials)[0]
    return ours(name, ground, seed, trials, batch)


# ── how often ────────────────────────────────────────────────────────────────
COARSE = Domain((Real("min_spread_bps", 1, 39, 2), Whole("max_open_trades", 1, 20)))
"""20 x 20 cells."""


def measure_distinct(folder: Path, *, quick: bool) -> Table:
    """Try 200 trials on a grid of 400 cells; a trial of what was tried before is lost."""
    seeds = 2 if quick else 5
    table = Table(
        "Distinct cells that 200 trials see, on a grid of 400 (mean of seeds)",
        ("who", "fewest", "mean"),
        notes=("ours: cells of the rows of a whole study.",),
    )
    ground = Backtests(5_000, domain=COARSE)
    told = [len(usual(ground, seed, 200)[1]) for seed in range(seeds)]
    table.add("Optuna's TPE", min(told), figure=float(np.mean(told)))
    place = Place(folder, 5_000)
    for kind in ("tpe", "gp", "cmaes", "nsga2", "random"):
        cells = []
        for seed in range(seeds):
            with place.fresh() as made:
                search(made, study_of(kind, trials=200, seed=seed, domain=COARSE))
                cells.append(made.cells())
        mean = float(np.mean(cells))
        table.add(kind, min(cells), figure=mean, goal=GOAL_DISTINCT)
    return table


def tables(wish: Wish) -> Iterator[Table]:
    """Give every table that was asked for, as it is ready."""
    with tempfile.TemporaryDirectory(prefix="studies-") as made:
        folder = Path(made)
        if "storage" in wish.only:
            yield measure_storage(folder, quick=wish.quick)
        if "speed" in wish.only:
            yield measure_speed(folder, quick=wish.quick)
        if "found" in wish.only:
            yield from measure_found(quick=wish.quick)
        if "distinct" in wish.only:
            yield measure_distinct(folder, quick=wish.quick)


def main(arguments: list[str]) -> int:
    """Measure, print, and say whether every goal is met."""
    wish = parse(arguments)
    met = report(tables(wish), wish.json)
    return 1 if wish.strict and not met else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
