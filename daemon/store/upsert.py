"""Inserting what may be there already, in the words of either database."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Table
    from sqlalchemy.dialects import postgresql, sqlite

    from daemon.store.store import Tx


def insert(tx: Tx, table: Table) -> postgresql.Insert | sqlite.Insert:
    """Begin an INSERT that says what is to be done where the row is there already.

    The words of a database are loaded where it is used: Postgres' take a while.
    """
    if tx.dialect.name == "postgresql":
        from sqlalchemy.dialects.postgresql import insert as onto_postgres  # noqa: PLC0415

        return onto_postgres(table)
    from sqlalchemy.dialects.sqlite import insert as onto_sqlite  # noqa: PLC0415 - same

    return onto_sqlite(table)
