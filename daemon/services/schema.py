"""The schema of the database: required to fit, and brought up to date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon import log
from daemon.errors import SchemaMismatch, StoreUnavailable
from daemon.store import history, schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from daemon.clock import Clock
    from daemon.store.store import Store

_log = log.get(__name__)


@dataclass(frozen=True)
class Upgraded:
    """Where the schema was, and what was done to it."""

    before: str | None
    applied: list[str]


def require(store: Store, clock: Clock, *, auto_upgrade: bool) -> None:
    """Refuse a schema that does not fit this program, or upgrade it where that was asked for.

    Where nothing is to be done nothing is written: a running daemon may be writing.

    Raises:
        SchemaMismatch: it does not fit.
    """
    try:
        schema.require_current(store)
    except (SchemaMismatch, StoreUnavailable):
        if not auto_upgrade:
            raise
        upgrade(store, clock)


def upgrade(store: Store, clock: Clock, on_step: Callable[[str], None] | None = None) -> Upgraded:
    """Create the schema or bring it up to date, and say so in the event log."""
    from daemon.store import health, migrate  # noqa: PLC0415 - Alembic is loaded where it is needed

    with store.write() as tx:
        before = schema.current(tx)
    applied = migrate.upgrade(store, on_step=on_step)
    if applied:
        for fault in health.engine_faults(store):
            _log.warning("database_engine_fault", detail=fault.detail, hint=fault.hint)
        note(store, clock, "schema_upgraded", {"from": before, "to": applied[-1]})
    return Upgraded(before, applied)


def note(store: Store, clock: Clock, kind: str, body: Mapping[str, object]) -> None:
    """Tell whoever reads the log, and whoever will ask the database."""
    _log.info(kind, **body)
    with store.write() as tx:
        event = history.Event(at_us=clock.now_us(), kind=kind, body=dict(body))
        history.append(tx, event)
