"""SIGKILL of a process that runs a session, with real workers: nothing lost, nothing twice."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from daemon.services.sweeping import reading
from daemon.store import migrate, sessions
from daemon.store.store import Store
from daemon.store.tables import job_blocks, jobs, results
from tests.torture.report import Tally, say

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
THRESHOLDS = 20_000
"""Twice as many jobs."""

ROWS, BLOCKS = 1_000_000, 0
LIFE_S = 1.2
"""A life is killed so long after it began to run, at most."""

KILLS_OF_ONE = 5
"""So often a session is killed before it is left alone."""

END_WITHIN_S = 120.0
GONE_WITHIN_S = 5.0


class Session:
    """One session on one database, killed again and again."""

    def __init__(self, url: str, rows_max: int, tally: Tally, thresholds: int = THRESHOLDS) -> None:
        self.url, self.rows_max, self.tally = url, rows_max, tally
        self.thresholds = thresholds
        self.seen: dict[int, tuple[Any, ...]] = {}

    # ── lives ────────────────────────────────────────────────────────────────
    @contextmanager
    def life(self) -> Iterator[subprocess.Popen[str]]:
        """Run it in a process of its own."""
        command = [sys.executable, "-m", "tests.sweeping_child", self.url]
        child = subprocess.Popen(
            [*command, str(self.thresholds), str(self.rows_max)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield child
        finally:
            child.kill()
            child.wait()
            if child.stdout is not None:
                child.stdout.close()

    def kill(self, after_s: float) -> None:
        """Let it live for a moment, and kill it."""
        with self.life() as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "ready\n"
            time.sleep(after_s)
            child.send_signal(signal.SIGKILL)
            child.wait()
        self.tally.counts["kills"] += 1
        self.look()

    def finish(self) -> None:
        """Leave it alone, and see that it does what was left and nothing else."""
        before = self.done()
        with self.life() as child:
            try:
                told, _ = child.communicate(timeout=END_WITHIN_S)
            except subprocess.TimeoutExpired:
                self.tally.violations.append("it did not end")
                return
        if child.returncode:
            self.tally.violations.append(f"it ended with {child.returncode}: {told}")
            return
        found = json.loads(told.splitlines()[-1])
        left = 2 * self.thresholds - before
        if found["submitted"] > left:
            self.tally.violations.append(
                f"{left} jobs were left, and {found['submitted']} were run"
            )
        self.look()
        if self.done() != 2 * self.thresholds:
            self.tally.losses.append(f"{self.done()} jobs are finished in the end")

    # ── looking ──────────────────────────────────────────────────────────────
    def done(self) -> int:
        """Count the jobs that are finished."""
        with Store.open(self.url) as store, store.read() as view:
            found = sessions.newest(view)
        return 0 if found is None else found.jobs_done

    def look(self) -> None:
        """See that what was there is there, as it was, and that the counters tell the truth."""
        with Store.open(self.url) as store:
            with store.read() as view:
                session = sessions.newest(view)
                counted = view.execute(select(func.count()).select_from(jobs)).scalar_one()
                blocks = view.execute(select(func.sum(job_blocks.c.jobs))).scalar_one() or 0
            if session is None:
                return
            held = blocks if session.layout == "blocks" else counted
            if session.jobs_done != held:
                told = f"{session.jobs_done} jobs are counted, and {held} are there"
                self.tally.violations.append(told)
            now = self._jobs(store, session)
        self.tally.counts["jobs seen"] += len(now)
        for n, was in self.seen.items():
            if now.get(n) != was:
                self.tally.losses.append(f"job {n} was {was} and is {now.get(n)}")
        self.seen = now

    def _jobs(self, store: Store, session: sessions.Session) -> dict[int, tuple[Any, ...]]:
        """Read what is finished, so that a result written anew would show."""
        if session.layout == "blocks":
            with store.read() as view:
                query = select(job_blocks.c.first_n, job_blocks.c.jobs, job_blocks.c.block_key)
                return {row.first_n: tuple(row) for row in view.execute(query)}
        joined = jobs.join(results, results.c.key == jobs.c.result_key)
        query = select(jobs.c.n, results.c.key, results.c.at_us, results.c.realized_pnl_usd)
        with store.read(patient=True) as view:
            return {row.n: tuple(row) for row in view.execute(query.select_from(joined))}


def alike(one: str, other: str) -> bool:
    """Tell whether the newest sessions of two databases found the same, whatever befell them."""

    def found(url: str) -> list[tuple[int, float | None, Any]]:
        with Store.open(url) as store:
            with store.read() as view:
                session = sessions.newest(view)
            assert session is not None
            records = [
                record for part in reading.parts(store, session) for record in part.records()
            ]
        return [
            (record.n, record.error is None, (record.metrics or {}).get("total_trades"))
            for record in records
        ]

    return found(one) == found(other)


def kills(count: int, rng: random.Random) -> Tally:
    """Kill sessions so often, in rows and in blocks by turns."""
    tally = Tally("sessions")
    folder = Path(tempfile.mkdtemp(prefix="torture-sessions-"))
    try:
        done = number = 0
        while done < count:
            number += 1
            url = f"sqlite:///{folder / f'{number}.db'}"
            with Store.open(url) as store:
                migrate.upgrade(store)
            session = Session(url, ROWS if number % 2 else BLOCKS, tally)
            for _ in range(min(KILLS_OF_ONE, count - done)):
                session.kill(rng.uniform(0, LIFE_S))
                done += 1
            session.finish()
            tally.counts["sessions"] += 1
            say(f"sessions: {done} kills of {count}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return tally
