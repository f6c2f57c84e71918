"""What revisions are written with: column types, triggers, views, and a safe table rebuild.

Frozen like the revisions themselves: a change here would change what an old
revision builds. A later need gets a new function beside the old one.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from alembic.operations import BatchOperations
    from sqlalchemy.types import TypeEngine

Count = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
Micros = Count
Real: TypeEngine[float] = sa.Double().with_variant(sa.REAL(), "sqlite")
Json = sa.Text().with_variant(JSONB(none_as_null=True), "postgresql")

_ISO = {
    "sqlite": (
        r"(strftime('%Y-%m-%dT%H:%M:%S', (\1) / 1000000, 'unixepoch')"
        r" || printf('.%06dZ', (\1) % 1000000))"
    ),
    "postgresql": (
        r"""(to_char(to_timestamp((\1) / 1000000) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')"""
        r" || '.' || lpad(((\1) % 1000000)::text, 6, '0') || 'Z')"
    ),
}
_NOW = {
    "sqlite": "cast((julianday('now') - 2440587.5) * 86400000000 as integer)",
    "postgresql": "cast(extract(epoch from clock_timestamp()) * 1000000 as bigint)",
}


def dialect() -> str:
    """Name the database that is being migrated."""
    return op.get_context().dialect.name


def create_view(name: str, template: str) -> None:
    """Create a view from SQL in which ``@iso(x)`` and ``@now_us`` are the database's words."""
    text = template.replace("@now_us", _NOW[dialect()])
    text = re.sub(r"@iso\(([^()]+)\)", _ISO[dialect()], text)
    _execute(f"CREATE VIEW {name} AS\n{text.strip()}")


def drop_views(*names: str) -> None:
    """Drop views, the last created first."""
    for name in names:
        _execute(f"DROP VIEW {name}")


def create_guard() -> None:
    """Create the function that Postgres' append-only triggers call."""
    if dialect() == "postgresql":
        _execute(
            "CREATE FUNCTION refuse_change_of_history() RETURNS trigger LANGUAGE plpgsql AS $$\n"
            "BEGIN\n"
            "  RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP\n"
            "    USING ERRCODE = 'restrict_violation';\n"
            "END\n"
            "$$"
        )


def drop_guard() -> None:
    """Drop the function of the append-only triggers."""
    if dialect() == "postgresql":
        _execute("DROP FUNCTION refuse_change_of_history()")


def append_only(table: str, *keys: str) -> None:
    """Let the database refuse to change or remove rows of a table, whose key these columns are."""
    if dialect() == "postgresql":
        _execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history()"
        )
        return
    same = " AND ".join(f"{key} = NEW.{key}" for key in keys)
    for name, operation, condition in (
        ("update", "UPDATE", "1"),
        ("delete", "DELETE", "1"),
        ("replace", "INSERT", f"EXISTS (SELECT 1 FROM {table} WHERE {same})"),  # noqa: S608
    ):
        _execute(
            f"CREATE TRIGGER {table}_no_{name} BEFORE {operation} ON {table} WHEN {condition} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: {name} refused'); END"
        )


def json_check(table: str, column: str) -> sa.CheckConstraint:
    """Keep text that is not JSON out of a column of SQLite."""
    check = sa.CheckConstraint(
        f"{column} IS NULL OR json_valid({column})", name=op.f(f"ck_{table}_{column}_json")
    )
    return check.ddl_if(dialect="sqlite")


@contextmanager
def rebuild(table: str, *, views: Sequence[str] = (), **options: Any) -> Iterator[BatchOperations]:
    """Alter a table in ways SQLite cannot, and keep its triggers and the views over it.

    A bare ``op.batch_alter_table`` builds a new table on SQLite and drops the old
    one, and its triggers with it, without a word. Postgres alters in place.
    """
    triggers = _statements("trigger", [table])
    over = _statements("view", views)
    for name in reversed(views):
        _execute(f"DROP VIEW {name}")
    with op.batch_alter_table(table, **options) as batch:
        yield batch
    for statement in (*triggers, *over):
        _execute(statement)


def remake(
    table: str, *items: Any, keep: Sequence[str], views: Sequence[str] = (), **how: Any
) -> None:
    """Build a table of SQLite anew from its columns and constraints, as they are written here.

    `rebuild` leaves the order of the constraints to chance, and a revision should
    build the same text wherever it runs. Rows keep the columns in ``keep``;
    indexes, triggers and the views over the table are as they were.
    """
    over = _statements("view", views)
    hanging = [*_statements("index", [table]), *_statements("trigger", [table]), *over]
    for name in reversed(views):
        _execute(f"DROP VIEW {name}")
    columns = ", ".join(keep)
    op.create_table(f"_new_{table}", *items, sqlite_strict=True, **how)
    _execute(f"INSERT INTO _new_{table} ({columns}) SELECT {columns} FROM {table}")  # noqa: S608
    _execute(f"DROP TABLE {table}")
    _execute(f"ALTER TABLE _new_{table} RENAME TO {table}")
    for statement in hanging:
        _execute(statement)


def _statements(kind: str, names: Sequence[str]) -> list[str]:
    if dialect() == "postgresql":
        return _postgres_views(names) if kind == "view" else []
    query = sa.text("SELECT sql FROM sqlite_master WHERE type = :kind AND tbl_name = :name")
    return [
        row.sql
        for name in names
        for row in op.get_bind().execute(query, {"kind": kind, "name": name})
    ]


def _postgres_views(names: Sequence[str]) -> list[str]:
    query = sa.text("SELECT pg_get_viewdef(cast(:name as regclass), true)")
    return [
        f"CREATE VIEW {name} AS {op.get_bind().execute(query, {'name': name}).scalar_one()}"
        for name in names
    ]


def _execute(statement: str) -> None:
    """Run a statement as it stands: no driver may read its ``%`` or ``:`` as a parameter."""
    op.get_bind().execution_options(no_parameters=True).exec_driver_sql(statement)
