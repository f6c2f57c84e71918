"""Which schema a database has, and which one this program knows: asked at every start.

Revisions are known by the names of their files, and a database by the row that
Alembic keeps in it, so that nothing of Alembic is loaded where nothing migrates.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

import daemon
from daemon.errors import SchemaMismatch

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from daemon.store.store import Store

VERSION_TABLE = "daemon_schema_version"


def home() -> Path:
    """Find the folder that holds `alembic.ini`: in the checkout, or shipped inside the wheel."""
    package = Path(daemon.__file__).parent
    shipped = package / "_shipped"
    return shipped if shipped.is_dir() else package.parent


def known() -> list[str]:
    """Name every revision that this program knows, oldest first."""
    files = (home() / "migrations" / "versions").glob("[0-9]*_*.py")
    return sorted(file.name.partition("_")[0] for file in files)


def head() -> str:
    """Name the newest revision this program knows."""
    return known()[-1]


def current(connection: Connection) -> str | None:
    """Read which revision the database is at; None where there is no schema of ours."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608 - our own name
    revision: str | None = found.scalar()
    return revision


def require_current(store: Store) -> None:
    """Refuse a database whose schema is older or newer than this program.

    Raises:
        SchemaMismatch: with the command, or the advice, that settles it.
    """
    with store.read() as view:
        have = current(view)
    if have == head():
        return
    if have is None:
        raise SchemaMismatch(
            f"{store.name} has no schema of the daemon yet",
            hint="create it with: daemon db upgrade",
        )
    refuse_newer(store, have)
    raise SchemaMismatch(
        f"{store.name} is at schema {have}; this program needs {head()}",
        hint="upgrade it with: daemon db upgrade (or set database.auto_upgrade)",
    )


def refuse_newer(store: Store, have: str | None) -> None:
    """Refuse a schema that only a newer program knows.

    Raises:
        SchemaMismatch: with the advice that settles it.
    """
    if have is not None and have not in known():
        raise SchemaMismatch(
            f"{store.name} is at schema {have}, which is newer than this program"
            f" (version {daemon.__version__} knows up to {head()})",
            hint="install the newer version that upgraded it, or restore a backup from before",
        )
