"""Stores that tests take in turns.

A store that is opened again connects anew and finds another database, but need
not compile its statements once more: that is a good part of what a test costs.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from daemon.store import migrate
from daemon.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Shelf:
    """Stores that are closed and wait for their next test."""

    def __init__(self, name: Callable[[], str]) -> None:
        self._name = name
        self._free: list[tuple[str, Store]] = []

    @contextmanager
    def taken(self) -> Iterator[tuple[str, Store]]:
        """Give away a store and its URL; only one that a test has left in order comes back."""
        url, store = self._free.pop() if self._free else self._new()
        with store:
            yield url, store
        self._free.append((url, store))

    def _new(self) -> tuple[str, Store]:
        url = self._name()
        return url, Store.open(url)


_MEMORY = Shelf(lambda: "sqlite:///:memory:")


@contextmanager
def in_memory() -> Iterator[Store]:
    """Give away a database in memory, at the newest schema and without rows."""
    with _MEMORY.taken() as (_, store):
        driver(store).deserialize(_template())
        yield store


@cache
def _template() -> bytes:
    with Store.open("sqlite:///:memory:") as store:
        migrate.upgrade(store)
        return driver(store).serialize()


def driver(store: Store) -> Any:
    """Reach the connection of SQLite itself."""
    with store.engines.writer.connect() as connection:
        return connection.connection.driver_connection
