"""What has to be done now and then: a row a chore, with when it last ran and is next due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from daemon.store import upsert
from daemon.store.tables import chores

if TYPE_CHECKING:
    from daemon.store.store import Tx


def put(tx: Tx, name: str, **columns: Any) -> None:
    """Write down what is given of a chore; what is not given stays as it was."""
    statement = upsert.insert(tx, chores).values(name=name, **columns)
    if columns:
        known = statement.on_conflict_do_update(index_elements=["name"], set_=columns)
    else:
        known = statement.on_conflict_do_nothing(index_elements=["name"])
    tx.execute(known)


def listed(tx: Tx) -> list[dict[str, Any]]:
    """Read every chore, by name."""
    return [dict(row) for row in tx.execute(select(chores).order_by(chores.c.name)).mappings()]
