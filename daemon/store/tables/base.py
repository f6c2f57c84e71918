"""What all tables share: naming of constraints, SQLite's STRICT mode, common checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import CheckConstraint, MetaData, Table

from daemon.clock import MAX_MICROS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.schema import SchemaItem

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def table(name: str, *items: SchemaItem, clustered: bool = False, **options: Any) -> Table:
    """Declare a table: STRICT on SQLite, stored by its key alone where ``clustered``."""
    if clustered:
        options["sqlite_with_rowid"] = False
    return Table(name, metadata, *items, sqlite_strict=True, **options)


def one_of(column: str, words: Iterable[str]) -> CheckConstraint:
    """Let a column hold one of these words and nothing else."""
    listed = ", ".join(f"'{word}'" for word in words)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def finite(column: str) -> CheckConstraint:
    """Keep NaN and infinity out of a column."""
    return CheckConstraint(f"abs({column}) < 1e300", name=f"{column}_finite")


def moment(column: str) -> CheckConstraint:
    """Keep a moment between the years 1970 and 9999, where it can be written as text."""
    return CheckConstraint(f"{column} BETWEEN 0 AND {MAX_MICROS}", name=f"{column}_range")


def json_checks(*columns: str) -> list[CheckConstraint]:
    """Keep text that is not JSON out of SQLite's text columns; ``jsonb`` needs no help."""
    return [
        CheckConstraint(f"{column} IS NULL OR json_valid({column})", name=f"{column}_json").ddl_if(
            dialect="sqlite"
        )
        for column in columns
    ]
