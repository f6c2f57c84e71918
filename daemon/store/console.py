"""SQL as an operator types it: one statement, in a transaction that cannot write."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daemon.errors import InputError
from daemon.store import queries
from daemon.store.tables import metadata
from daemon.store.views import VIEWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.store.store import Store

_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/", re.DOTALL)

_STREAMABLE = re.compile(r"\s*(select|with|values|table)\b", re.IGNORECASE)
"""Statements that Postgres can open a cursor for."""


@dataclass(frozen=True)
class Answer:
    """What a query returned, up to the limit."""

    columns: Sequence[str]
    rows: list[tuple[Any, ...]]
    more: bool


BEST_FIRST = {
    "leaderboard": "session_id DESC, rank",
    "study_leaderboard": "study_id DESC, fold DESC, rank",
}
"""Views that are not read from the newest row to the oldest."""


def ask(store: Store, question: str, *, limit: int) -> Answer:
    """Run a named query, show a view or a table, or run a statement; at most ``limit`` rows.

    Raises:
        InputError: there is more than one statement, or it returns no rows.
    """
    statement = resolve(question)
    # A cursor on the server: psycopg would otherwise fetch every row before the first.
    streamed = _STREAMABLE.match(_QUOTED.sub("", statement)) is not None
    with store.read() as view:
        options = {"no_parameters": True, "stream_results": streamed}
        result = view.execution_options(**options).exec_driver_sql(statement)
        if not result.returns_rows:
            raise InputError("the statement returns no rows", hint="only reading is possible here")
        rows = [tuple(row) for row in result.fetchmany(limit + 1)]
        result.close()
        return Answer(list(result.keys()), rows[:limit], len(rows) > limit)


def resolve(question: str) -> str:
    """Turn what was typed into one statement."""
    word = question.strip()
    if word in queries.names():
        return queries.load(word)
    if word in VIEWS or word in metadata.tables:
        order = BEST_FIRST.get(word, "1 DESC")
        return f"SELECT * FROM {word} ORDER BY {order}"  # noqa: S608 - a name of our own
    if re.fullmatch(r"\w+", word):
        raise InputError(
            f"there is no query, view or table named {word!r}",
            hint="daemon db query --list names them all",
        )
    if ";" in _QUOTED.sub("", word).rstrip().rstrip(";"):
        raise InputError("one statement at a time", hint="leave out what follows the semicolon")
    return word


def catalogue() -> list[tuple[str, str, str]]:
    """List what can be asked for by name: its name, its kind, what it answers."""
    named = [(name, "query", queries.summary(name)) for name in queries.names()]
    views = [
        (name, "view", body.splitlines()[0].removeprefix("--").strip())
        for name, body in VIEWS.items()
    ]
    return [*named, *views, *((name, "table", "") for name in sorted(metadata.tables))]
