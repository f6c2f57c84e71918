"""Databases that are ready for use: copies of a template that was upgraded once."""

from __future__ import annotations

import shutil
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.store import migrate
from daemon.store.chain import GENESIS, STREAMS
from daemon.store.store import Store
from daemon.store.tables import metadata
from tests.shelf import Shelf, in_memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres import GivenServer


EMPTY = "\n".join(
    [
        "SET LOCAL session_replication_role = replica;",  # no triggers, no foreign keys
        *(f"DELETE FROM {table};" for table in metadata.tables),
        *(f"INSERT INTO chains VALUES ('{stream}', 0, '{GENESIS}');" for stream in STREAMS),
        "SELECT setval(c.oid, 1, false) FROM pg_class c WHERE c.relkind = 'S';",
    ]
)
"""Take the rows out of a Postgres database, and count its ids from 1 again."""


class Sqlite:
    """Databases in files of one folder; a copy is a copy of the file."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.template = folder / "template.db"
        self.shelf = Shelf(self.create)
        with Store.open(self._url(self.template)) as store:
            migrate.upgrade(store)

    def create(self) -> str:
        """Name a database that does not exist yet."""
        return self._url(self.folder / f"{uuid.uuid4().hex}.db")

    def clone(self) -> str:
        """Copy the template."""
        return self._copied(self.create())

    def drop(self, url: str) -> None:
        path = Path(url.removeprefix("sqlite:///"))
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)

    @contextmanager
    def lend(self) -> Iterator[str]:
        """Give away a database without rows; its structure must not be changed."""
        url = self.clone()
        yield url
        self.drop(url)

    @contextmanager
    def opened(self) -> Iterator[Store]:
        """Give away a store on a database without rows."""
        with self.shelf.taken() as (url, store):
            self._copied(url)
            yield store
            store.close()
            self.drop(url)
            Path(f"{url.removeprefix('sqlite:///')}.lock").unlink(missing_ok=True)

    def _copied(self, url: str) -> str:
        shutil.copyfile(self.template, url.removeprefix("sqlite:///"))
        return url

    @staticmethod
    def _url(path: Path) -> str:
        return f"sqlite:///{path}"


class Memory(Sqlite):
    """SQLite without a file: one connection, which reads and writes."""

    @contextmanager
    def opened(self) -> Iterator[Store]:
        with in_memory() as store:
            yield store


class Postgres:
    """Databases on the tests' own server; a copy is Postgres' own."""

    name = "postgresql"

    def __init__(self, server: GivenServer) -> None:
        self.server = server
        url = server.create_database()
        self.template = url.partition("?")[0].rpartition("/")[2]
        self._lent: Store | None = None
        self.shelf = Shelf(lambda: self.lent.url.render_as_string(hide_password=False))
        with Store.open(url) as store:
            migrate.upgrade(store)

    @property
    def lent(self) -> Store:
        """The database that is lent, again and again, and a door of our own into it."""
        if self._lent is None:
            self._lent = Store.open(self.clone())
        return self._lent

    def create(self) -> str:
        """Create an empty database."""
        return self.server.create_database()

    def clone(self) -> str:
        """Copy the template."""
        return self.server.create_database(template=self.template)

    def drop(self, url: str) -> None:
        self.server.drop_database(url)

    @contextmanager
    def lend(self) -> Iterator[str]:
        """Give away a database without rows; its structure must not be changed.

        Always the same one, emptied: copying takes longer, and a test that only
        writes rows need not wait for it.
        """
        self._emptied()
        yield self.lent.url.render_as_string(hide_password=False)

    @contextmanager
    def opened(self) -> Iterator[Store]:
        """Give away a store on a database without rows."""
        self._emptied()
        with self.shelf.taken() as (_, store):
            yield store

    def close(self) -> None:
        """Leave the database that is lent."""
        if self._lent is not None:
            self._lent.close()

    def _emptied(self) -> None:
        with self.lent.write() as tx:
            tx.exec_driver_sql(EMPTY)


Backend = Sqlite | Postgres
