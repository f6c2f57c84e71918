"""Rows by the thousand: handed to the driver as they are, and taken from it as they come.

This goes past the layer that would make a dictionary of each row. Names of tables
and columns are our own; values are always bound.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from daemon.store.types import read_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from daemon.store.store import Tx

_TEXTS = frozenset({"text", "jsonb"})


class Into(NamedTuple):
    """Where rows go: a table, its columns, and what Postgres calls their types."""

    table: str
    names: Sequence[str]
    kinds: Sequence[str]


def insert(tx: Tx, into: Into, rows: Sequence[tuple[Any, ...]]) -> int:
    """Insert rows whose keys are not there yet; returns how many those were."""
    if not rows:
        return 0
    listed = ", ".join(into.names)
    if tx.dialect.name == "sqlite":
        marks = ", ".join("?" * len(into.names))
        sql = f"INSERT INTO {into.table} ({listed}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608 - our own names
        return tx.exec_driver_sql(sql, list(rows)).rowcount
    arrays = ", ".join(f"%s::{'text' if kind == 'jsonb' else kind}[]" for kind in into.kinds)
    given = ", ".join(
        f"{name}::jsonb" if kind == "jsonb" else name
        for name, kind in zip(into.names, into.kinds, strict=True)
    )
    sql = (
        f"INSERT INTO {into.table} ({listed}) SELECT {given} FROM unnest({arrays})"  # noqa: S608 - same
        f" AS given ({listed}) ON CONFLICT DO NOTHING"
    )
    values = tuple(
        list(column) if kind in _TEXTS else array(column)
        for column, kind in zip(zip(*rows, strict=True), into.kinds, strict=True)
    )
    return tx.exec_driver_sql(sql, values).rowcount


def array(numbers: Iterable[float | None]) -> str:
    """Write an array as Postgres reads it: the driver is slower, and refuses 1 beside 1.5."""
    return "{" + ",".join("NULL" if n is None else repr(n) for n in numbers) + "}"


def each(tx: Tx, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Do one statement for every row; ``{0}`` stands where a value goes."""
    if rows:
        tx.exec_driver_sql(marked(tx, statement), list(rows))


def read(tx: Tx, query: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """Take the driver's own tuples; ``{0}`` stands where a value goes."""
    result = tx.exec_driver_sql(marked(tx, query), values)
    return cast("list[tuple[Any, ...]]", result.cursor_strategy.fetchall(result, result.cursor))


def marked(tx: Tx, statement: str) -> str:
    """Put the mark of this database where values go."""
    return statement.format("?" if tx.dialect.name == "sqlite" else "%s")


def json_of(value: Any) -> Any:
    """Read JSON; Postgres has read it already."""
    return read_json(value) if isinstance(value, str) else value
