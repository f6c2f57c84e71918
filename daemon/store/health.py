"""Is this database sound? One finding per question, worst news with a way out."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING

from sqlalchemy import text

from daemon.errors import StoreError
from daemon.store import chain, schema, structure
from daemon.store.engine import wal_warning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daemon.store.store import Store

OK, WARN, FAIL = "ok", "warn", "fail"
TAIL_ROWS = 1_000
DAMAGED = "restore a backup; daemon db export saves what can be read"
DIFFERENCE_MAX = 400
"""How much of a difference is shown, in letters."""

# The distinct signals of `samples`, each found by one step down the tree.
_SIGNALS_OF_SAMPLES = """
WITH RECURSIVE seen(id) AS (
  SELECT min(signal_id) FROM samples
  UNION ALL
  SELECT (SELECT min(signal_id) FROM samples WHERE signal_id > seen.id) FROM seen
  WHERE seen.id IS NOT NULL
)
SELECT count(*) FROM seen
WHERE id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM signals WHERE signals.id = seen.id)
"""


@dataclass(frozen=True)
class Limits:
    """From where on a warning is due."""

    wal_bytes_max: int = 256 * 2**20
    disk_free_min: int = 256 * 2**20


@dataclass(frozen=True)
class Finding:
    """The answer to one question about the database."""

    check: str
    status: str
    detail: str
    hint: str | None = None


def examine(store: Store, limits: Limits | None = None) -> Iterator[Finding]:
    """Ask everything, cheapest first; what needs the schema is asked only when it is there."""
    yield _server(store)
    yield from engine_faults(store)
    yield from _files(store, limits or Limits())
    schema = list(_answered("schema", _schema, store))
    yield from schema
    if store.dialect == "sqlite":
        yield from _answered("integrity", _integrity, store)
    if schema[0].status == OK:
        yield from _answered("structure", _structure, store)
        yield from _answered("references", _references, store)
        yield from _answered("history", _chains, store)


def _answered(
    check: str, question: Callable[[Store], Iterator[Finding]], store: Store
) -> Iterator[Finding]:
    """Ask a question; where the database fails to answer, that is the answer."""
    try:
        yield from question(store)
    except StoreError as error:
        yield Finding(check, FAIL, error.message, error.hint)


def _server(store: Store) -> Finding:
    query = "SELECT sqlite_version()" if store.dialect == "sqlite" else "SHOW server_version"
    with store.read() as view:
        version = view.exec_driver_sql(query).scalar_one()
    product = "SQLite" if store.dialect == "sqlite" else "PostgreSQL"
    return Finding("database", OK, f"{store.name} ({product} {version})")


def engine_faults(store: Store) -> Iterator[Finding]:
    """Warn of a database engine with a known fault."""
    warning = wal_warning() if store.dialect == "sqlite" else None
    if warning:
        yield Finding("engine", WARN, warning.reason, warning.hint)


def _schema(store: Store) -> Iterator[Finding]:
    schema.require_current(store)
    yield Finding("schema", OK, f"at {schema.head()}, the newest this program knows")


def _files(store: Store, limits: Limits) -> Iterator[Finding]:
    if store.dialect != "sqlite" or store.url.database in {None, ":memory:"}:
        return
    path = Path(str(store.url.database))
    wal = path.with_name(path.name + "-wal")
    size = wal.stat().st_size if wal.exists() else 0
    if size > limits.wal_bytes_max:
        yield Finding(
            "wal",
            WARN,
            f"{wal} has grown to {size / 2**20:.0f} MB",
            "a reader is holding an old snapshot: find and end it",
        )
    free = shutil.disk_usage(path.parent).free
    if free < limits.disk_free_min:
        yield Finding("disk", WARN, f"{free / 2**20:.0f} MB are free", "free some disk space")


def _structure(store: Store) -> Iterator[Finding]:
    try:
        drifted = structure.drift(store)
    except StoreError as error:
        advice = "grant CREATE on the database, or check as its owner"
        yield Finding("structure", WARN, f"could not be compared: {error.message}", advice)
        return
    if not drifted:
        yield Finding("structure", OK, "every table, index, check, trigger and view is as needed")
    for one in drifted:
        yield Finding(
            "structure",
            FAIL,
            f"{one.name} is {one.what}: {shorten(one.difference, DIFFERENCE_MAX)}",
            "somebody changed the schema by hand: put the object back as `-` shows it",
        )


def _integrity(store: Store) -> Iterator[Finding]:
    with store.read(patient=True) as view:
        damage = [row[0] for row in view.exec_driver_sql("PRAGMA quick_check(5)")]
    if damage == ["ok"]:
        yield Finding("integrity", OK, "the file is sound")
    else:
        yield Finding("integrity", FAIL, "; ".join(damage), DAMAGED)


def _references(store: Store) -> Iterator[Finding]:
    with store.read(patient=True) as view:
        if store.dialect == "sqlite":
            broken = len(view.exec_driver_sql("PRAGMA foreign_key_check").all())
            if broken:
                yield Finding("references", FAIL, f"{broken} rows refer to rows that are gone")
        orphans = view.execute(text(_SIGNALS_OF_SAMPLES)).scalar_one()
    if orphans:
        yield Finding("samples", FAIL, f"samples of {orphans} signals that are not in `signals`")


def _chains(store: Store) -> Iterator[Finding]:
    with store.read() as view:
        reports = [chain.verify(view, stream, last=TAIL_ROWS) for stream in chain.STREAMS.values()]
    for report in reports:
        for broken in report.breaks:
            yield Finding("history", FAIL, str(broken), "daemon db verify checks every row")
        if not report.breaks:
            yield Finding("history", OK, f"{report.stream}: the last {report.rows} rows are linked")
