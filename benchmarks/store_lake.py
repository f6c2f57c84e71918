"""Databases to measure on: fresh ones, copies, and ones that hold a given number of samples."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import text

from daemon.store import migrate, samples
from daemon.store.engine import Options
from daemon.store.store import Store

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.postgres import GivenServer, PostgresServer

if TYPE_CHECKING:
    from collections.abc import Iterator

SIGNALS = ("orders.latency_ms", "orders.rejected", "spread_bps", "inventory_usd")
START_US = 1_750_000_000_000_000
PERIOD_US = 200_000
"""Four signals at 5 Hz: twenty samples a second."""

PATIENT = Options(busy_timeout_s=60, statement_timeout_s=600)

_TICK = (
    "INSERT INTO samples SELECT s.id, :start + n * :period,"
    " 100.0 + ((n * 7919 + s.id * 104729) % 10007) / 1000.0 FROM"
)
_FILL = {
    "sqlite": (
        "WITH RECURSIVE t(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM t WHERE n + 1 < :ticks)"
        f" {_TICK} t CROSS JOIN signals s"
    ),
    "postgresql": (
        f"{_TICK} generate_series(0, cast(:ticks as bigint) - 1) n CROSS JOIN signals s"
        " ORDER BY n, s.id"
    ),
}


class Lake(Protocol):
    """Where databases come from."""

    name: str

    def empty(self) -> str:
        """Create a database with the current schema and nothing in it; returns its URL."""
        ...

    def copy(self, url: str) -> str:
        """Copy a database nobody is connected to; returns the URL of the copy."""
        ...

    def drop(self, url: str) -> None:
        """Remove a database."""
        ...


class SqliteLake:
    """Files in a folder."""

    name = "SQLite"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._made = 0
        self._template = self._next()
        _migrate(self._template)

    def empty(self) -> str:
        """Copy the file that was migrated once."""
        return self.copy(self._template)

    def copy(self, url: str) -> str:
        """Copy a file."""
        copy = self._next()
        shutil.copyfile(path_of(url), path_of(copy))
        return copy

    def drop(self, url: str) -> None:
        """Remove a file, and what SQLite keeps beside it."""
        for suffix in ("", "-wal", "-shm"):
            Path(f"{path_of(url)}{suffix}").unlink(missing_ok=True)

    def _next(self) -> str:
        self._made += 1
        return f"sqlite:///{self.folder}/{self._made}.db"


class PostgresLake:
    """Databases on a server."""

    name = "PostgreSQL"

    def __init__(self, server: GivenServer) -> None:
        self._server = server
        self._template = server.create_database()
        self._made = [self._template]
        _migrate(self._template)

    def empty(self) -> str:
        """Copy the database that was migrated once."""
        return self.copy(self._template)

    def copy(self, url: str) -> str:
        """Let the server copy a database."""
        template = url.partition("?")[0].rpartition("/")[2]
        copy = self._server.create_database(template=template)
        self._made.append(copy)
        return copy

    def drop(self, url: str) -> None:
        """Remove a database."""
        self._server.drop_database(url)
        self._made.remove(url)

    def close(self) -> None:
        """Remove every database that was made here: the server may be somebody's own."""
        for url in list(self._made):
            self.drop(url)


@contextmanager
def postgres_lake(url: str | None) -> Iterator[PostgresLake]:
    """Use the server at this URL, or start one that keeps its commits through a crash."""
    if url is not None:
        lake = PostgresLake(GivenServer(url))
        try:
            yield lake
        finally:
            lake.close()
        return
    with PostgresServer(durable=True) as server:
        yield PostgresLake(server)


def _migrate(url: str) -> None:
    with Store.open(url) as store:
        migrate.upgrade(store)


def path_of(url: str) -> str:
    """Name the file behind a SQLite URL."""
    return url.removeprefix("sqlite:///")


def set_pragma(store: Store, pragma: str) -> None:
    """Set something on the one writing connection of a SQLite store."""
    with store.engines.writer.connect() as connection:
        driver = connection.connection.driver_connection
        if not isinstance(driver, sqlite3.Connection):
            raise TypeError(f"{store.name} is not a SQLite file")
        driver.execute(f"PRAGMA {pragma}")


@contextmanager
def filling(url: str) -> Iterator[Store]:
    """Open a database to fill it: nothing of it has to survive a crash meanwhile."""
    with Store.open(url, PATIENT) as store:
        if store.dialect == "sqlite":
            for pragma in ("synchronous=OFF", "cache_size=-400000", "wal_autocheckpoint=50000"):
                set_pragma(store, pragma)
        yield store
        settle(store)


def settle(store: Store) -> None:
    """Leave a filled database as the upkeep of a running one would: log folded in, analysed."""
    with store.engines.writer.connect() as connection:
        driver = connection.connection.driver_connection
        if isinstance(driver, sqlite3.Connection):
            driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            return
        vacuum = connection.execution_options(isolation_level="AUTOCOMMIT")
        vacuum.execute(text("VACUUM ANALYZE"))
        vacuum.execute(text("CHECKPOINT"))


def fill_samples(store: Store, count: int, signals: tuple[str, ...] = SIGNALS) -> int:
    """Write this many samples in order of time; returns the moment behind the last one."""
    ticks = count // len(signals)
    with store.write() as tx:
        samples.declare(tx, signals, START_US)
        bounds = {"ticks": ticks, "start": START_US, "period": PERIOD_US}
        tx.execute(text(_FILL[store.dialect]), bounds)
    return START_US + ticks * PERIOD_US


class SampleDatabases:
    """Databases that hold so many samples, each made once a run."""

    def __init__(self, lake: Lake) -> None:
        self.lake = lake
        self._made: dict[int, tuple[str, int]] = {}

    def of(self, count: int) -> tuple[str, int]:
        """Return the URL of a database with this many samples, and where they end."""
        if count not in self._made:
            url = self.lake.empty()
            with filling(url) as store:
                end_us = fill_samples(store, count)
            self._made[count] = (url, end_us)
        return self._made[count]
