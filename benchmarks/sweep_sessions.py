"""Whole sessions: from a file of quotes to rows that are ranked and on record.

A session is run as the command composes it: the quotes are parsed, jobs planned,
backtested by worker processes, written to SQLite and ranked, all statistics included.
What is compared is the processor time of all processes together.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import tracemalloc
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np
from measure import Case, Goal, Table, interleave, ratio, say
from startup import to_the_end
from sweep_market import GRIDS, Grid, a_market, write

from daemon import app
from daemon.adapters.quotes.files import QuoteFiles
from daemon.app.sweeping import Sweeping
from daemon.search.ranking import Filters
from daemon.services.sweeping.judging.ranked import Asking, rank_session
from daemon.services.sweeping.wanted import Options, quiet
from daemon.store import migrate
from daemon.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daemon.services.sweeping.running.run import Outcome

ROOT = Path(__file__).resolve().parents[1]
SESSION = "configs/sessions/session001.yaml"
DATA = "data/sample_arbitrage_prices.csv"

ROUNDS = 3
TOP = 20
BOUNDED = Filters(max_drawdown_pct=50, min_trades=1)
"""Bounds that are not those of the session, so that what was ranked before does not help."""

GOAL_WHOLE = Goal(3)
GOAL_JOB_US = Goal(50)
GOAL_TOP_MS = Goal(100)
GOAL_COLD = Goal(1.5)


# ── a session in a folder of its own ─────────────────────────────────────────
@dataclass
class Place:
    """Where sessions are run, each time with an empty database and an empty cache."""

    folder: Path
    numbers: Iterator[int] = field(default_factory=count)

    def fresh(self) -> Sweeping:
        """Make a database and settings for one more run."""
        here = self.folder / f"run{next(self.numbers)}"
        here.mkdir()
        settings = {
            "database": {"url": f"sqlite:///{here}/daemon.db"},
            "sweeps": {"cache_dir": str(here / "cache")},
        }
        (here / "daemon.yaml").write_text(json.dumps(settings), encoding="utf-8")
        with Store.open(settings["database"]["url"]) as store:
            migrate.upgrade(store)
        return Sweeping(app.build(str(here / "daemon.yaml"), {}))

    def empty(self, data: Path) -> tuple[Path, Path]:
        """Name the quotes, and a database that is not there yet."""
        return data, self.folder / f"bare{next(self.numbers)}.db"

    def session(self, grid: Grid, data: Path) -> Path:
        """Write the file of a session."""
        found = grid.combinations(quoted=False)
        swept = ("min_spread_bps", "slippage_bps", "max_open_trades", "max_position_usd")
        grids = [{"name": name, "values": _distinct(getattr(found, name))} for name in swept]
        fixed = {"taker_fee_a_bps": 2, "taker_fee_b_bps": 2, "exit_model": "convergence"}
        path = self.folder / f"session{grid.size}.json"
        path.write_text(
            json.dumps({"data_file": str(data), **fixed, "grids": grids}), encoding="utf-8"
        )
        return path


def _distinct(column: Any) -> list[float]:
    values: list[float] = np.unique(column).tolist()
    return values


def run(session: Path, sweeping: Sweeping, *, fast: bool = False) -> Outcome:
    """Run a session to its end; no job may fail."""
    (asked,) = sweeping.asked(session, None, None, None)
    with sweeping.tools() as tools:
        outcome = sweeping.run(tools, asked.wanted, Options(fast=fast), quiet)
    assert outcome.evaluated == outcome.done == outcome.total, outcome.said
    return outcome


def cpu_s() -> float:
    """Read what this process and those it has waited for have used of the processors."""
    return sum(os.times()[:4])


@dataclass
class Counted:
    """Something that is run, and the processor time of all processes that it took."""

    run: Callable[[Any], object]
    cpu_ms: list[float] = field(default_factory=list)

    def __call__(self, given: Any) -> None:
        """Run it once."""
        before = cpu_s()
        self.run(given)
        self.cpu_ms.append((cpu_s() - before) * 1e3)


# ── a session against what it cannot do without ──────────────────────────────
def measure_whole(folder: Path, *, quick: bool) -> Table:
    """Compare a session with reading its file once and writing its rows once."""
    rows, grid = (100_000, Grid(50, 20, 1, 2)) if quick else (1_000_000, GRIDS[20_000])
    table = Table(
        f"A session from CSV to ranked rows: {grid.size:,} combinations, {rows:,} rows of quotes",
        ("ranking", "CPU s", "by the clock s", "parse + insert CPU s", "times that"),
        notes=(
            "CPU of all processes. parse + insert: the fastest parser there is here, and sqlite3's",
            "executemany of the rows that the session wrote into the same tables. It sweeps, ranks",
            "and checks nothing. plain: the order alone (--fast); full: with all statistics.",
        ),
    )
    place, data = Place(folder), folder / "quotes.csv"
    write(a_market(rows), data)
    session, sweeping = place.session(grid, data), place.fresh()
    run(session, sweeping)
    written = Written.of(database_of(sweeping))
    name, parse = fastest_parser(data)
    table.notes += (f"The fastest parser is {name}; {written.count:,} rows are inserted.",)
    ways = {
        "plain": Counted(partial(run, session, fast=True)),
        "full": Counted(partial(run, session)),
        "least": Counted(partial(parse_and_insert, parse, written)),
    }
    cases = [Case(name, ways[name], place.fresh) for name in ("plain", "full")]
    cases.append(Case("least", ways["least"], partial(place.empty, data)))
    found = interleave(cases, ROUNDS, warm_up=0)
    least = ways["least"].cpu_ms
    for name in ("plain", "full"):
        ours = ways[name].cpu_ms
        times = median(ours) / 1e3, found[name].wall / 1e3, median(least) / 1e3
        table.add(name, *times, figure=ratio(ours, least), goal=GOAL_WHOLE)
    return table


@dataclass(frozen=True)
class Written:
    """What a session wrote: the tables as they were made, and their rows."""

    schema: tuple[str, ...]
    rows: dict[str, list[tuple[Any, ...]]]

    @classmethod
    def of(cls, database: Path) -> Written:
        """Read it."""
        names = ("jobs", "results", "rankings")
        made = "SELECT sql FROM sqlite_schema WHERE tbl_name = ? AND type != 'trigger'"
        with sqlite3.connect(database) as view:
            schema = [sql for name in names for (sql,) in view.execute(made, [name]) if sql]
            rows = {name: view.execute(f"SELECT * FROM {name}").fetchall() for name in names}
        return cls(tuple(schema), rows)

    @property
    def count(self) -> int:
        """How many rows there are."""
        return sum(map(len, self.rows.values()))


def database_of(sweeping: Sweeping) -> Path:
    """Say where the database is."""
    url = sweeping.app.settings.database.url.get_secret_value()
    return Path(url.removeprefix("sqlite:///"))


def parse_and_insert(
    parse: Callable[[Path], object], written: Written, given: tuple[Path, Path]
) -> None:
    """Do what cannot be left out."""
    data, database = given
    parse(data)
    connection = sqlite3.connect(database)
    connection.executescript("PRAGMA journal_mode = wal; PRAGMA synchronous = normal")
    for statement in written.schema:
        connection.execute(statement)
    for name, rows in written.rows.items():
        marks = ", ".join("?" * len(rows[0]))
        with connection:
            connection.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)
    connection.close()


def fastest_parser(data: Path) -> tuple[str, Callable[[Path], object]]:
    """Try the parsers that are here."""
    parsers: dict[str, Callable[[Path], object]] = {"ours": QuoteFiles().load, "loadtxt": loadtxt}
    if importlib.util.find_spec("pyarrow"):
        parsers["pyarrow"] = importlib.import_module("pyarrow.csv").read_csv
    taken = {name: Counted(parse) for name, parse in parsers.items()}
    for _ in range(2):
        for parse in taken.values():
            parse(data)
    name = min(taken, key=lambda name: min(taken[name].cpu_ms))
    return name, parsers[name]


def loadtxt(path: Path) -> object:
    """Read the prices by what NumPy has for it."""
    return np.loadtxt(path, delimiter=",", skiprows=1, usecols=(1, 2, 3, 4))


# ── very many jobs ───────────────────────────────────────────────────────────
def measure_many(folder: Path, *, quick: bool) -> Table:
    """Plan, run and ask a session whose results stand in blocks."""
    grid = Grid(125, 80, 2, 5) if quick else GRIDS[1_000_000]
    table = Table(
        f"A session of {grid.size:,} jobs on 10,000 rows",
        ("what", "unit", "figure"),
        notes=(
            "Jobs are planned one by one, all of them, as `session plan` writes them. A job end to",
            "end is planned, backtested, written and ranked with all statistics; CPU of all",
            "processes. The top 20 are asked of the view `leaderboard`, as ranked; and by other",
            "bounds, for which all of it is ranked again.",
        ),
    )
    place, data = Place(folder), folder / "few.csv"
    write(a_market(10_000), data)
    session, sweeping = place.session(grid, data), place.fresh()
    peak, us = planning(sweeping, session)
    table.add("planning, most memory", "MB", figure=peak / 1e6)
    table.add("planning, a job written as JSON", "us", figure=us)
    say(f"{grid.size:,} jobs")
    whole, wall = Counted(partial(run, session)), time.perf_counter()
    whole(sweeping)
    wall = time.perf_counter() - wall
    table.add(
        "a job end to end", "us of CPU", figure=whole.cpu_ms[0] * 1e3 / grid.size, goal=GOAL_JOB_US
    )
    table.add("a job end to end, by the clock", "us", figure=wall * 1e6 / grid.size)
    cases = [
        Case("asked", leaderboard, partial(database_of, sweeping)),
        Case("anew", ranked_anew, partial(Sweeping, sweeping.app)),
    ]
    found = interleave(cases, ROUNDS)
    table.add("top 20, as ranked", "ms", figure=found["asked"].cpu, goal=GOAL_TOP_MS)
    table.add("top 20 by other bounds", "ms", figure=found["anew"].cpu, goal=GOAL_TOP_MS)
    return table


def planning(sweeping: Sweeping, session: Path) -> tuple[int, float]:
    """Plan every job twice; gives the peak of memory in bytes, and microseconds a job."""
    plan = sweeping.session(session).plan()
    before = time.process_time()
    jobs = sum(1 for _ in plan.lines())
    us = (time.process_time() - before) / jobs * 1e6
    tracemalloc.start()
    jobs = sum(1 for _ in sweeping.session(session).plan().lines())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, us


def leaderboard(database: Path) -> object:
    """Ask for the best by SQL."""
    with sqlite3.connect(database) as view:
        found = view.execute(
            "SELECT * FROM leaderboard WHERE session_id = 1 AND rank <= ? ORDER BY rank", [TOP]
        ).fetchall()
    assert len(found) >= TOP
    return found


def ranked_anew(sweeping: Sweeping) -> object:
    """Rank every result again."""
    asking = Asking(filters=BOUNDED, max_results=TOP, fast=True, store=False)
    with sweeping.tools() as tools:
        return rank_session(tools, "1", asking)


# ── nine jobs from a cold start ──────────────────────────────────────────────
def measure_cold(folder: Path, *, quick: bool) -> Table:
    """Compare a command with importing the modules that it needs."""
    table = Table(
        "Nine jobs from a cold start",
        ("what", "CPU ms", "by the clock ms", "of the imports"),
        notes=(
            "The session that is shipped, on its sample of quotes; the database is there and",
            "empty, nothing is cached. imports: a Python that imports the same modules and ends.",
        ),
    )
    template = folder / "template"
    furnish(template)
    command = [sys.executable, "-m", "daemon", "session", "run", SESSION]
    modules = modules_of(copied(template, folder / "looked"), command[2:])
    imports = [sys.executable, "-c", IMPORTS.format(modules)]
    taken: dict[str, list[Any]] = {"session run": [], "imports": []}
    for turn in range(4 if quick else 8):
        for name, line in (("session run", command), ("imports", imports)):
            one = to_the_end(line, copied(template, folder / f"{turn}-{len(name)}"))
            if turn:
                taken[name].append(one)
    base = [one.cpu_s for one in taken["imports"]]
    for name, found in taken.items():
        cpu = [one.cpu_s for one in found]
        table.add(
            *(name, median(cpu) * 1e3, median(one.wall_s for one in found) * 1e3),
            figure=ratio(cpu, base),
            goal=GOAL_COLD if name == "session run" else None,
        )
    return table


IMPORTS = (
    "import contextlib, importlib\nfor name in {!r}:\n"
    " with contextlib.suppress(ImportError): importlib.import_module(name)"
)
LOOK = (
    "import json, runpy, sys\nsys.argv[1:] = {!r}\n"
    "try:\n runpy.run_module('daemon', run_name='__main__')\nexcept SystemExit: pass\n"
    "json.dump([name for name in sys.modules if not name.startswith('__')], open({!r}, 'w'))"
)


def furnish(template: Path) -> None:
    """Lay out what the command finds: a session, its quotes, and an empty database."""
    for name in (SESSION, DATA):
        (template / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, template / name)
    (template / "var").mkdir()
    command = [sys.executable, "-m", "daemon", "db", "upgrade"]
    subprocess.run(command, cwd=template, check=True, capture_output=True)


def copied(template: Path, folder: Path) -> Path:
    """Copy it, for one run."""
    shutil.copytree(template, folder)
    return folder


def modules_of(folder: Path, arguments: list[str]) -> list[str]:
    """Say what the command has imported when it ends."""
    code = LOOK.format(arguments[1:], "modules.json")
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, capture_output=True)
    found: list[str] = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    sys.exit("run benchmarks/sweep.py --only sessions")
