"""The structure of a database, object by object, and where it differs from what this program needs.

Alembic's own check does not see a changed constraint or index condition, a
dropped trigger or a changed view. Here every object is written down as text:
once from the live database, once from the same statements run in an empty
place (in memory on SQLite, a schema that is rolled back on Postgres), and the
two are compared.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import text

from daemon.store.store import Store
from daemon.store.tables import APPEND_ONLY, metadata
from daemon.store.triggers import GUARD, POSTGRES_GUARD, append_only
from daemon.store.views import VIEWS, create_statement

if TYPE_CHECKING:
    from sqlalchemy import Connection

SCRATCH = "daemon_structure_check"
"""The Postgres schema that is built for comparison and rolled back."""

Structure = dict[str, str]


@dataclass(frozen=True)
class Drift:
    """One object that is not as this program needs it."""

    name: str
    what: str
    expected: str | None
    found: str | None

    @property
    def difference(self) -> str:
        """The lines that differ: ``-`` needed and not there, ``+`` there and not needed."""
        needed, there = ((text or "").splitlines() for text in (self.expected, self.found))
        return "; ".join(
            [f"- {line}" for line in needed if line not in there]
            + [f"+ {line}" for line in there if line not in needed]
        )


def build(connection: Connection) -> None:
    """Create every table, trigger and view in an empty database."""
    dialect = connection.dialect.name
    metadata.create_all(connection, checkfirst=False)
    raw = connection.execution_options(no_parameters=True)
    if dialect == "postgresql":
        raw.exec_driver_sql(POSTGRES_GUARD)
    for table in APPEND_ONLY:
        for statement in append_only(table, dialect):
            raw.exec_driver_sql(statement)
    for name in VIEWS:
        raw.exec_driver_sql(create_statement(name, dialect))


def describe(connection: Connection) -> Structure:
    """Write down every object of ours in this database."""
    if connection.dialect.name == "postgresql":
        return _describe_postgres(connection)
    return _describe_sqlite(connection)


def drift(store: Store) -> list[Drift]:
    """Find what differs between the database and what this program needs."""
    with store.translated(), store.engines.writer.connect() as connection:
        found = describe(connection)
        connection.rollback()
        expected = _expected(connection)
    return [
        Drift(name, _what(expected.get(name), found.get(name)), expected.get(name), found.get(name))
        for name in sorted(expected.keys() | found.keys())
        if expected.get(name) != found.get(name)
    ]


def _what(expected: str | None, found: str | None) -> str:
    if found is None:
        return "missing"
    return "not ours" if expected is None else "changed"


def _expected(connection: Connection) -> Structure:
    if connection.dialect.name == "sqlite":
        with Store.open("sqlite:///:memory:") as empty, empty.write() as scratch:
            build(scratch)
            return describe(scratch)
    with connection.begin() as transaction:
        connection.execute(text(f"CREATE SCHEMA {SCRATCH}"))
        connection.execute(text(f"SET LOCAL search_path TO {SCRATCH}"))
        build(connection)
        built = describe(connection)
        transaction.rollback()
    return built


def _lines(text: str) -> str:
    """Keep the lines, for a difference that can be read, and nothing of their spacing."""
    return "\n".join(" ".join(line.split()) for line in text.splitlines() if line.strip())


# ── SQLite ───────────────────────────────────────────────────────────────────


def _describe_sqlite(connection: Connection) -> Structure:
    rows = connection.execute(
        text("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    ).all()
    return {
        f"{row.type} {row.name}": _normal_sqlite(row.type, row.sql)
        for row in rows
        if row.tbl_name in metadata.tables or row.name in VIEWS
    }


def _normal_sqlite(kind: str, sql: str) -> str:
    if kind != "table":
        return _lines(sql)
    flat = " ".join(sql.replace('"', "").split())
    start, end = flat.index("("), flat.rindex(")")
    options = sorted(part.strip() for part in flat[end + 1 :].split(",") if part.strip())
    return "\n".join([*sorted(_parts(flat[start + 1 : end])), *options])


def _parts(body: str) -> list[str]:
    """Split at the commas that no parenthesis or quote encloses: order says nothing."""
    parts, depth, quoted, start = [], 0, False, 0
    for place, letter in enumerate(body):
        if letter == "'":
            quoted = not quoted
        elif not quoted and letter in "()":
            depth += 1 if letter == "(" else -1
        elif letter == "," and not quoted and depth == 0:
            parts.append(body[start:place].strip())
            start = place + 1
    return [*parts, body[start:].strip()]


# ── Postgres ─────────────────────────────────────────────────────────────────

_POSTGRES = {
    "column": """
        select c.relname as owner, a.attname as name,
          concat_ws(' ', format_type(a.atttypid, a.atttypmod),
            case when a.attnotnull then 'not null' end,
            'default ' || pg_get_expr(d.adbin, d.adrelid)) as body
        from pg_attribute a join pg_class c on c.oid = a.attrelid
        left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
        where a.attnum > 0 and not a.attisdropped and c.relkind = 'r'
          and c.relnamespace = current_schema()::regnamespace""",
    "constraint": """
        select c.relname as owner, k.conname as name, pg_get_constraintdef(k.oid, true) as body
        from pg_constraint k join pg_class c on c.oid = k.conrelid
        where c.relnamespace = current_schema()::regnamespace and k.contype <> 'n'""",
    "index": """
        select c.relname as owner, i.relname as name, pg_get_indexdef(i.oid) as body
        from pg_index x
        join pg_class i on i.oid = x.indexrelid join pg_class c on c.oid = x.indrelid
        where c.relnamespace = current_schema()::regnamespace""",
    "trigger": """
        select c.relname as owner, t.tgname as name,
          pg_get_triggerdef(t.oid, true) || ' ' || t.tgenabled::text as body
        from pg_trigger t join pg_class c on c.oid = t.tgrelid
        where not t.tgisinternal and c.relnamespace = current_schema()::regnamespace""",
    "view": """
        select c.relname as owner, c.relname as name, pg_get_viewdef(c.oid, true) as body
        from pg_class c
        where c.relkind = 'v' and c.relnamespace = current_schema()::regnamespace""",
    "function": """
        select p.proname as owner, p.proname as name, p.prosrc as body
        from pg_proc p where p.pronamespace = current_schema()::regnamespace""",
}


def _describe_postgres(connection: Connection) -> Structure:
    schema = connection.execute(text("SELECT current_schema()")).scalar_one()
    ours = {*metadata.tables, *VIEWS, GUARD}
    return {
        f"{kind} {row.owner}.{row.name}": _normal_postgres(row.body, schema)
        for kind, query in _POSTGRES.items()
        for row in connection.execution_options(no_parameters=True).exec_driver_sql(query)
        if row.owner in ours
    }


def _normal_postgres(body: str, schema: str) -> str:
    return _lines(re.sub(rf'"?\b{re.escape(schema)}\b"?\.', "", body))
