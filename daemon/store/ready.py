"""Statements that run in every cycle: built and compiled once, then handed to the driver.

To build a statement, compile it and wrap its rows costs ten times what the
database takes for it. Here that is done once for each kind of database, by the
same library, so that a value is checked and translated as everywhere else; what
remains of an execution is the driver's own, and its errors come out as they do
otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select
from sqlalchemy.exc import StatementError
from sqlalchemy.sql.compiler import SQLCompiler

from daemon.store.driver import failed

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from sqlalchemy import BindParameter, ClauseElement, Dialect
    from sqlalchemy.engine.interfaces import DBAPICursor
    from sqlalchemy.types import TypeEngine

    from daemon.store.store import Tx

    Translate = Callable[[Any], Any]


@dataclass(slots=True)
class _Compiled:
    """A statement as one kind of database takes it."""

    text: str
    arrange: Callable[[Mapping[str, Any]], Any]
    """Gives the values of its parameters as the driver takes them: by their places or names."""
    constants: Mapping[str, Any]
    """Parameters that the statement brings along."""
    binds: tuple[tuple[str, Translate], ...]
    """Parameters that are translated on their way in."""
    types: tuple[TypeEngine[Any], ...]
    columns: tuple[str, ...] | None = None
    """The names of what comes back; seen when it comes for the first time."""
    results: tuple[tuple[int, Translate], ...] = ()
    """Columns that are translated on their way out, by their places."""


class Ready:
    """One statement; its parameters are those that it names."""

    def __init__(self, statement: ClauseElement, columns: Collection[str] | None = None) -> None:
        """Keep a statement until it is run for the first time.

        Args:
            statement: as it would be given to a transaction to execute.
            columns: those that an INSERT without values is given.
        """
        self._statement = statement
        self._given = None if columns is None else list(columns)
        self._compiled: dict[str, _Compiled] = {}

    def rows(self, tx: Tx, most: int = -1, /, **given: Any) -> list[tuple[Any, ...]]:
        """Run it, and give its rows, or the first of them only."""
        compiled = self._for(tx)
        cursor = _execute(tx, compiled, given)
        try:
            found = cursor.fetchall() if most < 0 else cursor.fetchmany(most)
        except tx.dialect.loaded_dbapi.Error as error:
            raise failed(tx, compiled.text, given, error) from error
        if compiled.columns is None:
            _look_at(compiled, tx.dialect, cursor)
        return _translated(found, compiled.results) if compiled.results else list(found)

    def records(self, tx: Tx, most: int = -1, /, **given: Any) -> list[dict[str, Any]]:
        """Run it, and give its rows by the names of their columns."""
        found, columns = self.rows(tx, most, **given), self._for(tx).columns or ()
        return [dict(zip(columns, row, strict=True)) for row in found]

    def first(self, tx: Tx, **given: Any) -> tuple[Any, ...] | None:
        """Run it, and give its only row or the first one."""
        found = self.rows(tx, **given)
        return found[0] if found else None

    def value(self, tx: Tx, **given: Any) -> Any:
        """Run it, and give the first column of the first row; None where there is none."""
        found = self.first(tx, **given)
        return None if found is None else found[0]

    def run(self, tx: Tx, **given: Any) -> int:
        """Run it, and say how many rows it touched."""
        return _execute(tx, self._for(tx), given).rowcount

    def run_all(self, tx: Tx, rows: Sequence[tuple[Any, ...]]) -> int:
        """Run it on SQLite for many rows, whose values stand in the order of its parameters."""
        compiled = self._for(tx)
        try:
            cursor = _cursor(tx, compiled.text, rows)
            cursor.executemany(compiled.text, rows)
        except tx.dialect.loaded_dbapi.Error as error:
            raise failed(tx, compiled.text, rows, error) from error
        return cursor.rowcount

    def _for(self, tx: Tx) -> _Compiled:
        dialect = tx.dialect
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = self._compile(dialect)
        return compiled

    def _compile(self, dialect: Dialect) -> _Compiled:
        made = self._statement.compile(dialect=dialect, column_keys=self._given)
        assert isinstance(made, SQLCompiler)  # noqa: S101 - it is no DDL
        binds = {name: bind for bind, name in made.bind_names.items()}
        ways = {name: _way_in(bind, dialect) for name, bind in binds.items()}
        statement = self._statement
        columns = list(statement.selected_columns) if isinstance(statement, Select) else []
        return _Compiled(
            text=made.string,
            arrange=_arrangement(made.positiontup),
            constants={k: bind.effective_value for k, bind in binds.items() if not bind.required},
            binds=tuple((name, way) for name, way in ways.items() if way is not None),
            types=tuple(column.type for column in columns),
        )


def _arrangement(names: Sequence[str] | None) -> Callable[[Mapping[str, Any]], Any]:
    """Say how values are arranged that are taken in the order of some names, or by name."""
    if names is None:
        return lambda given: given
    if len(names) > 1:
        return itemgetter(*names)
    return lambda given: tuple([given[name] for name in names])


def _way_in(bind: BindParameter[Any], dialect: Dialect) -> Translate | None:
    return bind.type.dialect_impl(dialect).bind_processor(dialect)


def _look_at(compiled: _Compiled, dialect: Dialect, cursor: DBAPICursor) -> None:
    """See what comes back; how it is translated depends on what the database calls its type."""
    described = list(cursor.description or ())
    ways = [
        (place, kind.dialect_impl(dialect).result_processor(dialect, described[place][1]))
        for place, kind in enumerate(compiled.types)
    ]
    compiled.results = tuple((place, way) for place, way in ways if way is not None)
    compiled.columns = tuple(column[0] for column in described)


def _translated(
    rows: Sequence[tuple[Any, ...]], ways: tuple[tuple[int, Translate], ...]
) -> list[tuple[Any, ...]]:
    found = []
    for row in rows:
        values = list(row)
        for place, way in ways:
            values[place] = way(values[place])
        found.append(tuple(values))
    return found


def _execute(tx: Tx, compiled: _Compiled, given: Mapping[str, Any]) -> DBAPICursor:
    """Hand a statement to the driver."""
    values: Any = _values(compiled, given)
    try:
        cursor = _cursor(tx, compiled.text, values)
        cursor.execute(compiled.text, values)
    except tx.dialect.loaded_dbapi.Error as error:
        raise failed(tx, compiled.text, values, error) from error
    return cursor


def _cursor(tx: Tx, text: str, values: Any) -> DBAPICursor:
    """Take a cursor inside of a transaction; whoever listens is told what it is for.

    A transaction begins with its first statement, if nobody began it.
    """
    if not tx.in_transaction():
        tx.begin()
    cursor = tx.connection.cursor()
    told = tx.engine.dispatch.before_cursor_execute
    if told:
        for tell in told:
            tell(tx, cursor, text, values, None, False)
    return cursor


def _values(compiled: _Compiled, given: Mapping[str, Any]) -> Any:
    """Give the values of the parameters as the driver takes them."""
    if compiled.binds or compiled.constants:
        given = {**compiled.constants, **given}
        try:
            for name, way in compiled.binds:
                given[name] = way(given[name])
        except ValueError as error:
            raise StatementError(str(error), compiled.text, given, error) from error
    return compiled.arrange(given)
