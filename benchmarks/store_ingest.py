"""How much of the raw speed of the database is left when samples are checked and counted."""

from __future__ import annotations

import sqlite3
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg
from measure import Case, Goal, Table, disk_note, interleave, ratio, say
from store_lake import PERIOD_US, SIGNALS, START_US, path_of, set_pragma

from daemon.store import samples
from daemon.store.samples import Sample
from daemon.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from measure import Timing
    from store_lake import PostgresLake, SqliteLake

GOAL_SQLITE = Goal(0.6, at_least=True)
GOAL_POSTGRES = Goal(0.5, at_least=True)
TRANSACTIONS = {20: 50, 1_000: 20, 10_000: 4}
"""Size of a batch, and how many batches one turn writes, each in its own transaction."""

INSERT = "INSERT INTO samples VALUES (?, ?, ?)"
BARE = (
    "CREATE TABLE samples (signal_id INTEGER, at_us INTEGER, value REAL NOT NULL,"
    " PRIMARY KEY (signal_id, at_us)) STRICT, WITHOUT ROWID"
)
COLUMNS = (
    "database, synchronous",
    "batch",
    "raw rows/s",
    "ours rows/s",
    "CPU us more a batch",
    "of raw, CPU",
    "of bare table",
    "of raw",
)


@dataclass
class Feed:
    """Samples as a source sends them, tick after tick; every turn gets newer ones."""

    batch: int
    transactions: int
    tick: int = 0
    ids: dict[str, int] = field(
        default_factory=lambda: {name: n for n, name in enumerate(SIGNALS, 1)}
    )

    def named(self) -> list[list[Sample]]:
        """Batches for `ingest`."""
        return [
            [
                Sample(name, START_US + tick * PERIOD_US, tick % 997 / 7)
                for tick in ticks
                for name in SIGNALS
            ]
            for ticks in self._turn()
        ]

    def rows(self) -> list[list[tuple[int, int, float]]]:
        """Batches for the driver."""
        return [
            [(self.ids[name], at_us, value) for name, at_us, value in batch]
            for batch in self.named()
        ]

    def _turn(self) -> Iterator[range]:
        ticks = self.batch // len(SIGNALS)
        for _ in range(self.transactions):
            yield range(self.tick, self.tick + ticks)
            self.tick += ticks


def ours(store: Store, feed: Feed) -> Case:
    """Ingest batches the way the daemon does."""

    def run(batches: list[list[Sample]]) -> None:
        for batch in batches:
            with store.write(durable=False) as tx:
                done = samples.ingest(tx, batch, now_us=batch[-1].at_us)
            if done.accepted != len(batch):
                raise RuntimeError(f"{done.refused()} samples were refused")

    return Case("ours", run, feed.named)


# ── SQLite ───────────────────────────────────────────────────────────────────
def raw_sqlite(name: str, connection: sqlite3.Connection, feed: Feed) -> Case:
    """Hand the same rows to the driver, in the fastest way it has."""

    def run(batches: list[list[tuple[int, int, float]]]) -> None:
        for batch in batches:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(INSERT, batch)
            connection.execute("COMMIT")

    return Case(name, run, feed.rows)


def connect(file: str | Path, synchronous: str) -> sqlite3.Connection:
    """Open a file as the daemon does, without the daemon."""
    connection = sqlite3.connect(file, isolation_level=None)
    for pragma in (
        "journal_mode=WAL",
        f"synchronous={synchronous}",
        "foreign_keys=ON",
        "secure_delete=OFF",
        "temp_store=MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def measure_sqlite(lake: SqliteLake, *, quick: bool) -> Table:
    """Compare with `executemany` into the same table, and into one without constraints."""
    title = "Ingest with validation, SQLite, as a share of raw executemany"
    table = Table(title, COLUMNS)
    for synchronous in ("FULL",) if quick else ("FULL", "NORMAL", "OFF"):
        for batch, transactions in TRANSACTIONS.items():
            say(f"ingest: SQLite, synchronous {synchronous}, batches of {batch}")
            timings = _time_sqlite(lake, synchronous, batch, transactions, 5 if quick else 9)
            goal = GOAL_SQLITE if synchronous == "FULL" else None
            _row(table, f"SQLite, {synchronous}", batch, timings, goal)
        if synchronous == "FULL":
            table.notes = (disk_note(lake.folder),)
    return table


def _time_sqlite(
    lake: SqliteLake, synchronous: str, batch: int, transactions: int, repeats: int
) -> dict[str, Timing]:
    urls = [lake.empty() for _ in range(3)]
    with ExitStack() as stack:
        store = stack.enter_context(Store.open(urls[0]))
        set_pragma(store, f"synchronous={synchronous}")
        same = stack.enter_context(closing(connect(path_of(urls[1]), synchronous)))
        bare = stack.enter_context(closing(connect(path_of(urls[2]), synchronous)))
        bare.execute("DROP VIEW signal_health")
        bare.execute("DROP TABLE samples")
        bare.execute(BARE)
        cases = [
            ours(store, Feed(batch, transactions)),
            raw_sqlite("raw", same, Feed(batch, transactions)),
            raw_sqlite("bare", bare, Feed(batch, transactions)),
        ]
        timings = interleave(cases, repeats)
    for url in urls:
        lake.drop(url)
    return timings


# ── Postgres ─────────────────────────────────────────────────────────────────
def raw_postgres(connection: psycopg.Connection, feed: Feed) -> Case:
    """COPY the same rows as text, committed the same way."""

    def run(batches: list[list[tuple[int, int, float]]]) -> None:
        for batch in batches:
            text = "".join([f"{signal}\t{at_us}\t{value!r}\n" for signal, at_us, value in batch])
            with connection.cursor() as cursor, connection.transaction():
                cursor.execute("SET LOCAL synchronous_commit = off")
                with cursor.copy("COPY samples FROM STDIN") as copy:
                    copy.write(text)

    return Case("raw", run, feed.rows)


def measure_postgres(lake: PostgresLake, *, quick: bool) -> Table:
    """Compare with COPY into the same table."""
    table = Table("Ingest with validation, PostgreSQL, as a share of COPY (text)", COLUMNS)
    for batch, transactions in TRANSACTIONS.items():
        say(f"ingest: PostgreSQL, batches of {batch}")
        urls = [lake.empty() for _ in range(2)]
        with (
            Store.open(urls[0]) as store,
            psycopg.connect(urls[1].replace("+psycopg", "", 1)) as connection,
        ):
            cases = [
                ours(store, Feed(batch, transactions)),
                raw_postgres(connection, Feed(batch, transactions)),
            ]
            timings = interleave(cases, 5 if quick else 9, warm_up=2)
        goal = GOAL_POSTGRES if batch == 1_000 else None
        _row(table, "PostgreSQL, off", batch, timings, goal)
        for url in urls:
            lake.drop(url)
    return table


def _row(
    table: Table, name: str, batch: int, timings: dict[str, Timing], goal: Goal | None
) -> None:
    raw, mine, bare = timings["raw"], timings["ours"], timings.get("bare")
    rows = 1000 * batch * TRANSACTIONS[batch]
    table.add(
        name,
        batch,
        rows / raw.wall,
        rows / mine.wall,
        (mine.cpu - raw.cpu) * 1000 / TRANSACTIONS[batch],
        ratio(raw.cpu_ms, mine.cpu_ms),
        ratio(bare.wall_ms, mine.wall_ms) if bare else "",
        figure=ratio(raw.wall_ms, mine.wall_ms),
        goal=goal,
    )
