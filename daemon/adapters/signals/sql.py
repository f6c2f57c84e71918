"""Rows of a query that only reads, from SQLite or from Postgres.

Nothing can be written: SQLite opens the file ``mode=ro`` and attaches no other,
Postgres runs the query as a cursor of a read-only transaction. A row counts once:
of each signal what is not newer than its newest is left out.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from daemon.adapters.signals import Misread, Provider
from daemon.clock import MICROS, SystemClock, iso
from daemon.errors import MissingExtra
from daemon.log import mask, printable
from daemon.ports import Polled, SourceFault

if TYPE_CHECKING:
    import psycopg

    from daemon.adapters.signals import Layout, Profile
    from daemon.clock import Clock
    from daemon.ports import Mark, Reading

ROWS_MAX = 10_000
"""Rows that one look may bring."""

MANY = 500
"""So many rows with news among them, and there may be more at once."""

BEHIND_US = 10 * MICROS
"""How far a signal may be behind the newest one without being overlooked by ``:since``."""

STEPS_BETWEEN_LOOKS = 10_000
"""How many steps of its machine SQLite takes before it asks whether to go on."""

_WORLD = SystemClock()
"""Time-outs are those of the world, also where the daemon's own time runs faster."""

_SINCE = re.compile(r"(?<!:):since\b")
_SQLITE = "sqlite:///"
_PER = {"s": MICROS, "ms": 1_000, "us": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked, of which database, and how long that may take."""

    database: str
    query: str
    timeout_s: float = 5.0

    @property
    def since(self) -> bool:
        """Whether it asks for what is new only."""
        return _SINCE.search(self.query) is not None


class Database(Protocol):
    """Whoever answers."""

    def rows(self, since_us: int) -> list[dict[str, Any]]:
        """Ask, and give at most one row more than is allowed.

        Raises:
            SourceFault: it does not answer.
        """
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


class SqlSource(Provider):
    """Asks a database at every look."""

    def __init__(
        self,
        profile: Profile,
        question: Question,
        layout: Layout,
        clock: Clock,
        *,
        from_end: bool = True,
    ) -> None:
        super().__init__(profile, clock)
        self.question = question
        self._layout = layout
        self._from_end = from_end
        self._database: Database = (
            _Sqlite(question, layout.time_unit)
            if question.database.startswith(_SQLITE)
            else _Postgres(question, layout.time_unit)
        )
        self._from_us: int | None = None
        """Older rows do not count."""
        self._newest: dict[str, int] = {}
        self._in_vain = False
        """The last answer had rows, and none was new."""

    def resume(self, mark: Mark | None) -> None:
        """Go on behind the newest row of each signal."""
        self._from_us = mark["from_us"] if mark else None
        self._newest = dict(mark["newest"]) if mark else {}

    def poll(self) -> Polled:
        """Ask, and keep what is new.

        Raises:
            SourceFault: the database does not answer, or answers with too much.
        """
        now_us = self.clock.now_us()
        if self._from_us is None:
            self._from_us = now_us if self._from_end else 0
        rows = self._database.rows(self._since_us())
        if len(rows) > ROWS_MAX:
            raise SourceFault(
                f"{self.name}: the query gives more than {ROWS_MAX:,} rows",
                hint="ask for what is newer than :since, in order of time, with a LIMIT",
            )
        found = self._read(rows, now_us)
        if self._layout.time_field is None:
            return found
        fresh = [
            one
            for one in found.readings
            if one.at_us >= self._from_us and one.at_us > self._newest.get(one.signal, -1)
        ]
        for reading in fresh:
            newest = max(self._newest.get(reading.signal, 0), reading.at_us)
            self._newest[reading.signal] = newest
        self._in_vain = bool(rows) and not fresh
        mark = {"from_us": self._from_us, "newest": dict(self._newest)}
        more = self.question.since and len(rows) >= MANY and bool(fresh)
        return replace(found, readings=fresh, mark=mark, more=more)

    def close(self) -> None:
        """Let go of the connection."""
        self._database.close()

    def _read(self, rows: list[dict[str, Any]], now_us: int) -> Polled:
        readings: list[Reading] = []
        unreadable, example = 0, None
        for row in rows:
            try:
                found = self._layout.read(row, now_us)
            except Misread as why:
                unreadable, complaint = unreadable + 1, f"a row {why}"
            else:
                readings += found.readings
                complaint = found.complaint or ""
            if complaint and example is None:
                example = f"{self.name}: {complaint}"
        return Polled(readings=readings, unreadable=unreadable, example=example)

    def _since_us(self) -> int:
        """Say from when on rows may be new: where the signal is that came least far.

        Unless that brought nothing new: behind a LIMIT there may be more.
        """
        assert self._from_us is not None  # noqa: S101 - set before the first question
        if not self._newest:
            return self._from_us
        newest = max(self._newest.values())
        if self._in_vain:
            return newest
        return max(min(self._newest.values()), newest - BEHIND_US)


def _written(since_us: int, unit: str) -> str | float:
    """Write a moment as the database does."""
    if unit == "iso":
        return iso(since_us)
    return since_us * 1_000 if unit == "ns" else since_us / _PER[unit]


# ── SQLite ───────────────────────────────────────────────────────────────────
class _Sqlite:
    """A file, opened for every question: whoever replaces it is noticed, and nobody is locked."""

    def __init__(self, question: Question, unit: str) -> None:
        self._question = question
        self._unit = unit
        self._path = Path(question.database.removeprefix(_SQLITE))

    def rows(self, since_us: int) -> list[dict[str, Any]]:
        deadline_us = _WORLD.elapsed_us() + round(self._question.timeout_s * MICROS)
        given = {"since": _written(since_us, self._unit)} if self._question.since else {}
        try:
            with closing(self._connect()) as connection:
                connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
                connection.set_progress_handler(
                    lambda: _WORLD.elapsed_us() > deadline_us, STEPS_BETWEEN_LOOKS
                )
                cursor = connection.execute(self._question.query, given)
                names = [column[0] for column in cursor.description or ()]
                found = cursor.fetchmany(ROWS_MAX + 1)
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise _fault(self._question.database, error, late="interrupted") from None
        return [dict(zip(names, row, strict=True)) for row in found]

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(
            f"file:{quote(str(self._path.absolute()))}?mode=ro",
            uri=True,
            timeout=self._question.timeout_s,
            isolation_level=None,
        )

    def close(self) -> None:
        """Nothing stays open."""


# ── Postgres ─────────────────────────────────────────────────────────────────
class _Postgres:
    """A server, and one connection to it for as long as it holds."""

    def __init__(self, question: Question, unit: str) -> None:
        require_driver()
        self._question = question
        self._unit = unit
        self._connection: psycopg.Connection[Any] | None = None
        # In a statement of this driver a percent sign stands for a parameter.
        self._query = question.query
        if question.since:
            self._query = _SINCE.sub("%(since)s", question.query.replace("%", "%%"))

    def rows(self, since_us: int) -> list[dict[str, Any]]:
        import psycopg  # noqa: PLC0415 - an extra, and only those who ask need it
        from psycopg.rows import dict_row  # noqa: PLC0415 - same

        given = {"since": _written(since_us, self._unit)} if self._question.since else None
        try:
            connection = self._connected()
            with (
                connection.transaction(),
                connection.cursor("samples", row_factory=dict_row) as cursor,
            ):
                cursor.execute(self._query.encode(), given)
                return cursor.fetchmany(ROWS_MAX + 1)
        except psycopg.Error as error:
            self.close()
            raise _fault(self._question.database, error, late="statement timeout") from None

    def _connected(self) -> psycopg.Connection[Any]:
        import psycopg  # noqa: PLC0415 - see above

        if self._connection is None or self._connection.closed:
            ms = round(self._question.timeout_s * 1000)
            url = re.sub(r"^postgres(ql)?(\+psycopg)?://", "postgresql://", self._question.database)
            self._connection = psycopg.connect(
                url,
                connect_timeout=max(2, round(self._question.timeout_s)),
                tcp_user_timeout=ms,
                options=f"-c statement_timeout={ms} -c lock_timeout={ms} -c timezone=UTC",
            )
            self._connection.read_only = True
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def require_driver() -> None:
    """Say at the start, and not at the first question, that the driver is not installed.

    Raises:
        MissingExtra: nothing here speaks to Postgres.
    """
    try:
        import psycopg  # noqa: F401, PLC0415 - an extra: say so when it is missing
    except ImportError:
        raise MissingExtra(
            "Postgres needs the extra 'postgres', which is not installed",
            hint="pip install 'self-tuning-daemon[postgres]'",
        ) from None


def _fault(database: str, error: Exception, *, late: str) -> SourceFault:
    name = printable(mask(database.partition("?")[0]))
    lines = printable(mask(" ".join(str(error).split())))
    if late in lines:
        lines = "the query took too long and was given up"
    return SourceFault(f"{name}: {lines}", hint="try the query by hand, as the daemon's user")
