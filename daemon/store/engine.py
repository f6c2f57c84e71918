"""How a database is opened: one writer and read-only readers on SQLite, a pool on Postgres.

SQLite: WAL, ``synchronous=FULL``, foreign keys on. The one writing connection
begins IMMEDIATE: a transaction that starts as a reader and wants to write later
fails at once when somebody else has written meanwhile, whatever the busy
timeout. Readers open the file ``mode=ro`` and see one snapshot a transaction.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import QueuePool, StaticPool

from daemon.clock import MICROS, SystemClock
from daemon.errors import MissingExtra, Problem, StoreUnavailable
from daemon.store.types import canonical, read_json

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry, PoolProxiedConnection

SQLITE_WAL_FIXED = (3, 51, 3)
"""Older versions can lose a commit when two connections write and checkpoint at once."""

OURS = "daemon"
"""How our way of speaking SQLite is called in the URL of an engine."""

WAL_ATTEMPTS = 10
"""How often a new file is switched to a write-ahead log while others do the same."""


STEPS_BETWEEN_LOOKS = 10_000
"""How many steps of its machine SQLite takes before it asks whether to go on."""

PATIENT = "patient"
"""The execution option of a transaction whose statements may take as long as they like."""


@dataclass(frozen=True)
class Options:
    """How patient the connections are, and how many there may be."""

    busy_timeout_s: float = 5.0
    statement_timeout_s: float = 30.0
    pool_size: int = 5


@dataclass(frozen=True)
class Engines:
    """The way in for writing and the way in for reading."""

    writer: Engine
    reader: Engine

    def dispose(self) -> None:
        """Close every connection."""
        self.reader.dispose()
        self.writer.dispose()


def parse(url: str) -> URL:
    """Read a database URL; ``postgresql://`` and ``postgres://`` mean psycopg.

    Raises:
        StoreUnavailable: the URL is malformed or names another database.
    """
    hint = "write sqlite:///path/to/file.db or postgresql://user@host/database"
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # a port that is no number
        raise StoreUnavailable("the database URL cannot be read", hint=hint) from None
    if parsed.drivername in {"postgres", "postgresql"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in {"sqlite", "postgresql+psycopg"}:
        raise StoreUnavailable(f"{parsed.drivername} is not a database we speak", hint=hint)
    if parsed.drivername == "sqlite" and not parsed.database:
        parsed = parsed.set(database=":memory:")
    return parsed


def open_engines(url: URL, options: Options) -> Engines:
    """Build the engines of a database; nothing is connected yet."""
    if url.get_backend_name() == "postgresql":
        engine = _postgres(url, options)
        # Only from REPEATABLE READ on do all statements of a transaction see one moment.
        return Engines(
            engine,
            engine.execution_options(postgresql_readonly=True, isolation_level="REPEATABLE READ"),
        )
    if url.database == ":memory:":
        engine = _sqlite(url, options, writing=True)
        return Engines(engine, engine)
    return Engines(_sqlite(url, options, writing=True), _sqlite(url, options, writing=False))


def wal_warning(version: tuple[int, int, int] = sqlite3.sqlite_version_info) -> Problem | None:
    """Say so when this SQLite has a known fault in its write-ahead log."""
    if version >= SQLITE_WAL_FIXED:
        return None
    have, fixed = (".".join(map(str, number)) for number in (version, SQLITE_WAL_FIXED))
    return Problem(
        f"SQLite {have} has a known fault: two processes that write and checkpoint at the"
        " same moment can lose a commit",
        hint=f"use SQLite {fixed} or newer, or Postgres; one daemon per file is safe meanwhile",
        warning=True,
    )


def _sqlite(url: URL, options: Options, *, writing: bool) -> Engine:
    memory = url.database == ":memory:"
    pool: dict[str, Any] = {"poolclass": StaticPool}
    if not memory:
        size = 1 if writing else options.pool_size
        pool = {
            "poolclass": QueuePool,
            "pool_size": size,
            "max_overflow": 0,
            "pool_timeout": options.statement_timeout_s,
        }
    engine = create_engine(
        f"sqlite+{OURS}://",
        creator=lambda: _connect_sqlite(url.database or "", options, writing),
        begin="BEGIN IMMEDIATE" if writing else "BEGIN",
        **pool,
    )
    if not memory and not writing:
        _give_up_late_statements(engine, options.statement_timeout_s)
    return engine


class OurSqlite(SQLiteDialect_pysqlite):
    """SQLite, whose transactions begin when we say so, and how.

    The driver would leave that to the first statement that writes.
    """

    supports_statement_cache = True

    def __init__(self, begin: str = "BEGIN", **options: Any) -> None:
        super().__init__(**options)
        self._begin = begin

    def do_begin(self, dbapi_connection: PoolProxiedConnection) -> None:
        """Begin a transaction."""
        dbapi_connection.cursor().execute(self._begin)


registry.register(f"sqlite.{OURS}", __name__, OurSqlite.__name__)


class _Deadline:
    """Until when the statement of a connection may run; SQLite asks now and then."""

    def __init__(self) -> None:
        self.clock = SystemClock()
        self.at_us: int | None = None

    def start(self, seconds: float | None) -> None:
        """Begin to count for a new statement; without seconds it may take as long as it likes."""
        self.at_us = None if seconds is None else self.clock.elapsed_us() + round(seconds * MICROS)

    def passed(self) -> bool:
        """Answer SQLite: is it time to give up?"""
        return self.at_us is not None and self.clock.elapsed_us() > self.at_us


def _give_up_late_statements(engine: Engine, seconds: float) -> None:
    """Do for readers of SQLite what Postgres' ``statement_timeout`` does."""

    def watch(driver: DBAPIConnection, record: ConnectionPoolEntry) -> None:
        deadline = record.info["deadline"] = _Deadline()
        driver.set_progress_handler(deadline.passed, STEPS_BETWEEN_LOOKS)

    def begin(connection: Connection, *_: object) -> None:
        patient = connection.get_execution_options().get(PATIENT, False)
        connection.info["deadline"].start(None if patient else seconds)

    event.listen(engine, "connect", watch)
    event.listen(engine, "before_cursor_execute", begin)


def _connect_sqlite(database: str, options: Options, writing: bool) -> sqlite3.Connection:  # noqa: FBT001
    memory = database == ":memory:"
    path = Path(database)
    if not memory and not writing and not path.exists():
        raise StoreUnavailable(
            f"there is no database at {database}", hint="create it with: daemon db upgrade"
        )
    if not memory and writing:
        _make_folder(path.parent)
    mode = "memory" if memory else "rwc" if writing else "ro"
    connection = sqlite3.connect(
        ":memory:" if memory else f"file:{quote(str(path.absolute()))}?mode={mode}",
        uri=not memory,
        isolation_level=None,
        check_same_thread=False,
        timeout=options.busy_timeout_s,
    )
    try:
        for pragma in ("foreign_keys=ON", "secure_delete=OFF", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        if writing:
            _log_ahead(connection)
            connection.execute("PRAGMA synchronous=FULL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Switch the file to a write-ahead log; it stays switched.

    Here SQLite does not wait for another writer, whatever the busy timeout: two
    daemons that start at once on a new file meet. Waiting for the write lock does.
    """
    for _ in range(WAL_ATTEMPTS - 1):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("COMMIT")
        else:
            return
    connection.execute("PRAGMA journal_mode=WAL")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailable(
            f"the folder {folder} of the database cannot be made: {error.strerror}",
            hint="check the path in database.url",
        ) from error


def _postgres(url: URL, options: Options) -> Engine:
    try:
        import psycopg  # noqa: F401, PLC0415 - an extra: say so when it is missing
    except ImportError:
        raise MissingExtra(
            "Postgres needs the extra 'postgres', which is not installed",
            hint="pip install 'self-tuning-daemon[postgres]'",
        ) from None
    engine = create_engine(
        url,
        pool_size=options.pool_size,
        pool_pre_ping=True,
        pool_timeout=options.statement_timeout_s,
        json_serializer=canonical,
        json_deserializer=read_json,
        connect_args={"connect_timeout": max(2, round(options.busy_timeout_s))},
    )
    settings = (
        f"SET lock_timeout = {round(options.busy_timeout_s * 1000)};"
        f"SET statement_timeout = {round(options.statement_timeout_s * 1000)};"
        "SET timezone = 'UTC'"
    )

    def prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute(settings)
        cursor.close()
        connection.commit()

    event.listen(engine, "connect", prepare)
    return engine
