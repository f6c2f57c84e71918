"""How far each source was read: written with its samples, so that both are true or neither."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from daemon.store import upsert
from daemon.store.tables import source_marks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.store.store import Tx


def put(tx: Tx, source: str, mark: Mapping[str, Any], at_us: int) -> None:
    """Write down how far a source was read."""
    values = {"mark": dict(mark), "at_us": at_us}
    statement = upsert.insert(tx, source_marks).values(source=source, **values)
    tx.execute(statement.on_conflict_do_update(index_elements=["source"], set_=values))


def get(tx: Tx, source: str) -> dict[str, Any] | None:
    """Read how far a source was read; None if it never was."""
    query = select(source_marks.c.mark).where(source_marks.c.source == source)
    mark: dict[str, Any] | None = tx.execute(query).scalar_one_or_none()
    return mark


def last_heard(tx: Tx) -> dict[str, int]:
    """Say when each source last gave anything."""
    query = select(source_marks.c.source, source_marks.c.at_us)
    return {row.source: row.at_us for row in tx.execute(query.order_by(source_marks.c.source))}
