"""What tests of sessions share: quotes at hand, a clock, executors that do what they are told."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from daemon.clock import MICROS
from daemon.config.jobs_file import load_jobs
from daemon.errors import InputError
from daemon.market.quotes import Quotes
from daemon.market.staircase import sweep
from daemon.ports import ExecutorFault, Finished, LoadedQuotes
from daemon.search.space import Axis
from daemon.services.sweeping.running.run import SessionRun
from daemon.services.sweeping.wanted import Options, Tools, Wanted
from daemon.store.tables import jobs, results
from tests.contract.rows import T0
from tests.search_kit import FIXED, plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.market.params import Combinations
    from daemon.ports import Batch
    from daemon.services.sweeping.running.run import Outcome
    from daemon.store.store import Store

DATA = "q.csv"


# ── quotes ───────────────────────────────────────────────────────────────────
@cache
def market(rows: int = 400, seed: int = 1, digest: str | None = None) -> Quotes:
    """Quotes that trade: a spread that wanders about zero."""
    rng = np.random.default_rng(seed)
    mid = 100 + np.cumsum(rng.normal(0, 0.01, rows))
    apart = np.zeros(rows)
    for row in range(1, rows):
        apart[row] = 0.9 * apart[row - 1] + rng.normal(0, 0.15)
    other = mid + apart
    at_us = T0 + np.arange(rows) * 600 * MICROS
    named = digest or f"{seed:x}".rjust(64, "d")
    return Quotes(mid - 0.005, mid + 0.005, other - 0.005, other + 0.005, at_us, named)


class Bank:
    """Quotes by the name of their file."""

    def __init__(self, **files: Quotes) -> None:
        self.files = files or {DATA: market()}

    def load(self, path: Path, *, skip_bad_rows: bool = False) -> LoadedQuotes:
        if str(path) not in self.files:
            raise InputError(f"there is no file {path}")
        return LoadedQuotes(self.files[str(path)])

    def by_digest(self, digest: str) -> Quotes | None:
        return next((one for one in self.files.values() if one.digest == digest), None)


# ── time ─────────────────────────────────────────────────────────────────────
class Clock:
    """A clock that goes on a little whenever it is read, and at once when it is waited for."""

    def __init__(self, tick_us: int = 100) -> None:
        self.passed_us = 0
        self.tick_us = tick_us
        self.sleeps: list[Callable[[], None]] = []
        """What happens during the next waits, one after the other."""

    def now_us(self) -> int:
        return T0 + self.elapsed_us()

    def elapsed_us(self) -> int:
        self.passed_us += self.tick_us
        return self.passed_us

    def sleep(self, seconds: float) -> None:
        self.passed_us += round(seconds * MICROS)
        if self.sleeps:
            self.sleeps.pop(0)()


# ── executors ────────────────────────────────────────────────────────────────
@dataclass
class Hand:
    """An executor whose every move a test decides; it evaluates when it is asked for results."""

    slots: int = 2
    poison: Callable[[Combinations], str | None] = lambda _: None
    """Say why a batch is lost; ``timeout`` for one that ran too long."""
    meddle: Callable[[list[Finished]], list[Finished]] = lambda found: found
    """Lose, repeat, hold back and shuffle what is given back."""
    seconds: float = 0.01
    fails_after: int | None = None
    """Batches after which nothing runs any more."""
    evaluated: list[int] = field(default_factory=list)
    """The sizes of the batches that were evaluated."""
    seen: list[float] = field(default_factory=list)
    """The threshold of every job that was evaluated."""
    closed: int = 0
    cancelled: int = 0

    def __post_init__(self) -> None:
        self.hand: list[Batch] = []

    def submit(self, batch: Batch, timeout_s: float) -> None:
        assert batch.number not in {one.number for one in self.hand}
        if self.fails_after is not None and len(self.evaluated) >= self.fails_after:
            raise ExecutorFault("nothing runs any more")
        self.hand.append(batch)

    def collect(self, timeout_s: float) -> list[Finished]:
        if not self.hand:
            return self.meddle([])
        batch = self.hand.pop(0)
        why = self.poison(batch.combinations)
        if why is not None:
            over = why == "timeout"
            lost = Finished(number=batch.number, lost=why, timed_out=over, seconds=self.seconds)
            return self.meddle([lost])
        self.evaluated.append(len(batch.combinations))
        self.seen += batch.combinations.min_spread_bps.tolist()
        columns = sweep(batch.quotes, batch.combinations).columns
        done = Finished(number=batch.number, columns=columns, seconds=self.seconds)
        return self.meddle([done])

    def cancel(self) -> None:
        self.cancelled += 1
        self.hand.clear()

    def close(self) -> None:
        self.closed += 1


def none() -> Hand:
    """An executor that nobody should need."""
    raise AssertionError("there is nothing to run")


# ── sessions ─────────────────────────────────────────────────────────────────
def small(first: int = 1, count: int = 6, **changed):
    """A plan of twice as many jobs that trade."""
    spreads = Axis("min_spread_bps", tuple(range(first, first + count)))
    return plan(spreads, Axis("max_open_trades", (1, 2)), **({"exit_model": "quoted"} | changed))


def large(count: int = 40_000, **changed):
    """A plan of so many jobs, whose results stand in blocks if rows_max says so."""
    spreads = Axis("min_spread_bps", tuple(float(n) / 10 for n in range(count // 100)))
    sizes = Axis("max_position_usd", tuple(float(n) for n in range(100, 200)))
    return plan(spreads, sizes, limit=count, **({"exit_model": "quoted"} | changed))


def jobs_of(rows, folder: Path, output: str | None = None, **changed):
    """Jobs as a file lists them: a name and a threshold each."""
    config = {"data_file": DATA, **FIXED, "exit_model": "quoted", **changed}
    lines = [
        json.dumps(
            {
                "job_id": name,
                "config": {**config, "min_spread_bps": spread},
                "output_json": output or f"outputs/{name}.json",
            }
        )
        for name, spread in rows
    ]
    path = folder / "jobs.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return load_jobs(path)


def tools(store: Store, executor=None, **changed) -> Tools:
    hand = executor or Hand()
    make = hand if callable(hand) else lambda: hand
    plain = {"clock": Clock(), "bank": Bank(), "runner": "test/boot/ns/1/1"}
    return Tools(store=store, executor=make, **(plain | changed))


def wanted(planned=None, **changed) -> Wanted:
    planned = small() if planned is None else planned
    plain = {"name": "night", "data_path": Path(planned.data_file)}
    return Wanted(plan=planned, **(plain | changed))


def run(used: Tools, asked: Wanted | None = None, **options) -> Outcome:
    """Run a session; its statistics take longer than all the rest, and most tests need none."""
    chosen = Options(**({"fast": True} | options))
    return SessionRun(used, asked or wanted(), chosen).run()


def job_rows(store: Store, *columns: str):
    """Rows of `jobs`, joined with their results, in order."""
    picked = [(jobs.c if name in jobs.c else results.c)[name] for name in columns or ("n", "state")]
    query = jobs.join(results, results.c.key == jobs.c.result_key).select()
    with store.read() as view:
        rows = view.execute(query.with_only_columns(*picked).order_by(jobs.c.session_id, jobs.c.n))
        return [tuple(row) for row in rows]
