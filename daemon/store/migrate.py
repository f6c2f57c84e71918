"""Bringing a database's schema up to date, and refusing one that this program does not know.

All pending revisions run in one transaction: an upgrade that fails leaves the
database as it was. Two daemons that start at once do not upgrade twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

from daemon.errors import SchemaMismatch, StoreError
from daemon.store.schema import (
    VERSION_TABLE,
    current,
    head,
    home,
    known,
    refuse_newer,
    require_current,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

    from daemon.store.store import Store

__all__ = [
    "VERSION_TABLE",
    "Revision",
    "current",
    "downgrade",
    "head",
    "home",
    "require_current",
    "revisions",
    "upgrade",
]

UPGRADE_LOCK = 7_366_544_101
"""Key of the Postgres advisory lock that is held while the schema changes."""


@dataclass(frozen=True)
class Revision:
    """One step of the schema."""

    id: str
    summary: str
    applied: bool


def _config(connection: Connection | None = None) -> Config:
    config = Config(home() / "alembic.ini")
    config.attributes["connection"] = connection
    return config


def revisions(at: str | None) -> list[Revision]:
    """List every revision, oldest first, and which of them the database has."""
    scripts = ScriptDirectory.from_config(_config())
    listed = [
        (script.revision, (script.doc or "").splitlines()[0])
        for script in reversed(list(scripts.walk_revisions()))
    ]
    ids = [revision for revision, _ in listed]
    done = ids.index(at) + 1 if at in ids else 0
    return [
        Revision(revision, summary, place < done)
        for place, (revision, summary) in enumerate(listed)
    ]


def upgrade(
    store: Store, target: str = "head", on_step: Callable[[str], None] | None = None
) -> list[str]:
    """Bring the schema to a revision; returns the revisions that were applied.

    Raises:
        SchemaMismatch: the database is newer than this program.
        StoreError: a revision failed; nothing was changed.
    """
    _require_known(target, "head")
    return _move(store, lambda config: command.upgrade(config, target), on_step)


def downgrade(store: Store, target: str) -> list[str]:
    """Take the schema back to a revision (`base` removes it); returns what was undone.

    Raises:
        SchemaMismatch: there is no such revision, or the database is newer than this program.
        StoreError: a revision failed; nothing was changed.
    """
    _require_known(target, "base")
    return _move(store, lambda config: command.downgrade(config, target), None)


def _require_known(target: str, end: str) -> None:
    if target not in {*known(), end}:
        raise SchemaMismatch(
            f"there is no revision {target!r}", hint=f"this program knows: {', '.join(known())}"
        )


def _move(
    store: Store, act: Callable[[Config], None], on_step: Callable[[str], None] | None
) -> list[str]:
    steps: list[str] = []

    def note(revision: str) -> None:
        steps.append(revision)
        if on_step:
            on_step(revision)

    with store.translated(), store.engines.writer.connect() as connection:
        try:
            _exclusively(connection, store, act, note)
        finally:
            _enforce_foreign_keys(connection, store, on=True)
    return steps


def _exclusively(
    connection: Connection, store: Store, act: Callable[[Config], None], note: Callable[[str], None]
) -> None:
    _enforce_foreign_keys(connection, store, on=False)
    with connection.begin():
        if store.dialect == "postgresql":
            connection.execute(text("SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": UPGRADE_LOCK})
        refuse_newer(store, current(connection))
        config = _config(connection)
        config.attributes["on_step"] = note
        act(config)
        _refuse_broken_references(connection, store)


def _enforce_foreign_keys(connection: Connection, store: Store, *, on: bool) -> None:
    """Switch SQLite's checks outside a transaction: inside one, SQLite ignores the pragma."""
    if store.dialect == "sqlite":
        driver = connection.connection.driver_connection
        if driver is not None:
            driver.execute(f"PRAGMA foreign_keys={'ON' if on else 'OFF'}")


def _refuse_broken_references(connection: Connection, store: Store) -> None:
    if store.dialect == "sqlite":
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        if broken:
            raise StoreError(f"{store.name}: the upgrade would break {len(broken)} references")
