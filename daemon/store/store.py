"""A database that is open: transactions to write in, snapshots to read from.

    store = Store.open("sqlite:///var/daemon.db")
    with store.write() as tx:
        history.append(tx, decision)
    with store.read() as view:
        rows = history.read(view, "decisions", after=0)

What goes wrong inside comes out as a `StoreError` that names the database
without its password and says what to do.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from daemon.errors import SchemaMismatch, StoreBroken, StoreError, StoreUnavailable
from daemon.store.engine import PATIENT, Engines, Options, open_engines, parse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Self

    from sqlalchemy.engine import URL

Tx = Connection
"""A transaction, as the functions of this room take it."""


class Door(Protocol):
    """A way into a database: the store itself, or that of a leader, whose writing is fenced."""

    def write(self, *, durable: bool = True) -> AbstractContextManager[Tx]:
        """Begin a transaction that may write."""
        ...

    def read(self, *, patient: bool = False) -> AbstractContextManager[Tx]:
        """Begin a transaction that cannot write."""
        ...


_HINTS = (
    ("locked", "another process is writing; one daemon at a time may write to a SQLite file"),
    ("disk is full", "free some disk space; nothing was written"),
    ("No space left", "free some disk space; nothing was written"),
    ("not a database", "the file is not a SQLite database; check the path in database.url"),
    ("authentication failed", "check the user and password in database.url"),
    ("FATAL: role", "check the user and password in database.url"),
    ("FATAL: database", "create the database first, for example with: createdb"),
    ("Connection refused", "is the Postgres server running, and at this address?"),
    ("resolve host", "check the host in database.url"),
    ("lock timeout", "another process is writing; try again when it is done"),
    ("readonly", "the file or its directory cannot be written by this user"),
    ("malformed", "the file is damaged: restore a backup; daemon db check says more"),
    ("disk I/O error", "check the disk, and that database.url names a file"),
    ("idle-in-transaction", "the program was paused in the middle of a transaction"),
    ("already exists", "another program keeps a table of this name here: use another database"),
    ("unable to open", "check that the directory exists and can be written by this user"),
    ("statement timeout", "the statement took longer than database.statement_timeout_s"),
    ("interrupted", "the statement took longer than database.statement_timeout_s"),
)


_OTHER_SCHEMA = re.compile(r'no such (table|column)|(relation|column) "?[\w.]+"? does not exist')
"""How a database says that its tables are not those of this program."""

PRIMARY_CODE = 0xFF
"""The part of an error code of SQLite that says what kind it is."""

_SECRETS = ("password", "sslpassword", "passfile")
"""What libpq also takes behind the question mark of a URL."""


class Store:
    """The open database."""

    def __init__(self, url: URL, engines: Engines) -> None:
        self.url = url
        self.engines = engines
        self.dialect = url.get_backend_name()
        self._readers = {
            patient: engines.reader.execution_options(**{PATIENT: patient})
            for patient in (False, True)
        }

    @classmethod
    def open(cls, url: str, options: Options | None = None) -> Self:
        """Open a database by its URL; the first transaction connects."""
        parsed = parse(url)
        return cls(parsed, open_engines(parsed, options or Options()))

    @property
    def name(self) -> str:
        """The database's address, without the password."""
        return self.url.difference_update_query(_SECRETS).render_as_string(hide_password=True)

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Tx]:
        """Begin a transaction that may write; it commits when the block ends well.

        ``durable=False`` lets Postgres acknowledge before the disk has the rows:
        for samples, of which a power cut may cost the last second.
        """
        with self.translated(), self.engines.writer.begin() as tx:
            if not durable and self.dialect == "postgresql":
                tx.execute(text("SET LOCAL synchronous_commit = off"))
            yield tx

    @contextmanager
    def read(self, *, patient: bool = False) -> Iterator[Tx]:
        """Begin a transaction that cannot write and sees one moment of the database.

        Its statements are given up after ``statement_timeout_s``, unless the
        caller is ``patient``: looking through a whole file takes its time.
        """
        with self.translated(), self._readers[patient].begin() as tx:
            if patient and self.dialect == "postgresql":
                tx.execute(text("SET LOCAL statement_timeout = 0"))
            yield tx

    def close(self) -> None:
        """Close every connection."""
        self.engines.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the driver's errors inside the block into ours."""
        try:
            yield
        except PoolTimeout as error:
            raise StoreUnavailable(
                f"{self.name}: every connection is in use", hint="raise database.pool_size"
            ) from error
        except StatementError as error:
            raise explain(error, self.name) from error


def explain(error: StatementError, name: str) -> StoreError:
    """Put the error of a driver, or of a value that cannot be stored, into words."""
    reason = " ".join(str(error.orig).split("\nCONTEXT:")[0].split())
    if _OTHER_SCHEMA.search(reason):
        return SchemaMismatch(
            f"{name}: {reason}", hint="create or upgrade the schema with: daemon db upgrade"
        )
    hint = next((hint for part, hint in _HINTS if part in reason), None)
    lost = getattr(error, "connection_invalidated", False)
    unavailable = lost or isinstance(error, OperationalError) or "not a database" in reason
    kind = StoreUnavailable if unavailable else StoreError
    if getattr(error.orig, "sqlite_errorcode", 0) & PRIMARY_CODE == sqlite3.SQLITE_IOERR:
        kind = StoreBroken
    return kind(f"{name}: {reason}", hint=hint)
