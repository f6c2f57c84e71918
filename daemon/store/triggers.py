"""Triggers that make a table append-only, in the words of each database."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Table

GUARD = "refuse_change_of_history"
"""The Postgres function that every append-only trigger calls."""

POSTGRES_GUARD = f"""
CREATE FUNCTION {GUARD}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'restrict_violation';
END
$$
"""


def append_only(table: Table, dialect: str) -> list[str]:
    """Statements that make the database refuse to change or remove rows of a table."""
    if dialect == "postgresql":
        return [
            (
                f"CREATE TRIGGER {table.name}_append_only "
                f"BEFORE UPDATE OR DELETE OR TRUNCATE ON {table.name} "
                f"FOR EACH STATEMENT EXECUTE FUNCTION {GUARD}()"
            )
        ]
    return [
        _sqlite(table.name, "update", "UPDATE", "1"),
        _sqlite(table.name, "delete", "DELETE", "1"),
        _sqlite(table.name, "replace", "INSERT", _same_row(table)),
    ]


def _same_row(table: Table) -> str:
    """Find the row that INSERT OR REPLACE would remove without firing a delete trigger."""
    keys = " AND ".join(f"{column.name} = NEW.{column.name}" for column in table.primary_key)
    return f"EXISTS (SELECT 1 FROM {table.name} WHERE {keys})"  # noqa: S608 - names of our own


def _sqlite(table: str, name: str, operation: str, condition: str) -> str:
    return (
        f"CREATE TRIGGER {table}_no_{name} BEFORE {operation} ON {table} WHEN {condition} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only: {name} refused'); END"
    )
