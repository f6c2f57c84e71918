"""A database that is open: transactions to write in, snapshots to read from.

    store = Store.open("sqlite:///var/daemon.db")
    with store.write() as tx:
        history.append_decision(tx, decision)
    with store.read() as view:
        rows = history.read(view, decisions, after=0)

What goes wrong inside comes out as a `StoreError` that names the database
without its password and says what to do.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from daemon.errors import StoreError, StoreUnavailable
from daemon.store.engine import Engines, Options, open_engines, parse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import Self

    from sqlalchemy.engine import URL

Tx = Connection
"""A transaction, as the functions of this room take it."""

_HINTS = (
    ("locked", "another process is writing; one daemon at a time may write to a SQLite file"),
    ("disk is full", "free some disk space; nothing was written"),
    ("No space left", "free some disk space; nothing was written"),
    ("no such table", "create or upgrade the schema with: daemon db upgrade"),
    ("does not exist", "create or upgrade the schema with: daemon db upgrade"),
    ("not a database", "the file is not a SQLite database; check the path in database.url"),
    ("authentication failed", "check the user and password in database.url"),
    ("Connection refused", "is the Postgres server running, and at this address?"),
    ("readonly", "the file or its directory cannot be written by this user"),
    ("unable to open", "check that the directory exists and can be written by this user"),
    ("statement timeout", "the statement took longer than database.statement_timeout_s"),
)


class Store:
    """The open database."""

    def __init__(self, url: URL, engines: Engines) -> None:
        self.url = url
        self.engines = engines
        self.dialect = url.get_backend_name()

    @classmethod
    def open(cls, url: str, options: Options | None = None) -> Self:
        """Open a database by its URL; the first transaction connects."""
        parsed = parse(url)
        return cls(parsed, open_engines(parsed, options or Options()))

    @property
    def name(self) -> str:
        """The database's address, without the password."""
        return self.url.render_as_string(hide_password=True)

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
    def read(self) -> Iterator[Tx]:
        """Begin a transaction that cannot write and sees one moment of the database."""
        with self.translated(), self.engines.reader.begin() as tx:
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
        except DBAPIError as error:
            raise explain(error, self.name) from error


def explain(error: DBAPIError, name: str) -> StoreError:
    """Put a driver's error into words."""
    reason = " ".join(str(error.orig).split("\nCONTEXT:")[0].split())
    hint = next((hint for part, hint in _HINTS if part in reason), None)
    kind = StoreUnavailable if isinstance(error, OperationalError) else StoreError
    return kind(f"{name}: {reason}", hint=hint)
