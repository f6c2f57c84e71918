"""Kits of sources that ask others: over HTTP, or a database."""

from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import psycopg

from daemon.adapters.signals import Layout
from daemon.adapters.signals.scrape import fetch
from daemon.adapters.signals.scrape.fetch import Place
from daemon.adapters.signals.scrape.openmetrics import OpenMetricsSource, Series
from daemon.adapters.signals.scrape.prometheus import PrometheusSource
from daemon.adapters.signals.sql import Question, SqlSource
from daemon.clock import MICROS, iso
from tests.contract.signals.kits import PLACES, PROFILE, TIMEOUT_S, Kit, Values

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from daemon.ports import Source
    from tests.contract.signals.endpoint import Endpoint

assert fetch.ANSWER_MAX < 64 * 2**20, "`flood` sends more than may be answered"


# ── HTTP ─────────────────────────────────────────────────────────────────────
class HttpKit(Kit):
    def __init__(self, folder: Path, endpoint: Endpoint) -> None:
        super().__init__(folder)
        self.endpoint = endpoint
        self.place = Place(url=endpoint.url, timeout_s=TIMEOUT_S)

    def hang(self) -> None:
        self.endpoint.mode = "silent"

    def flood(self) -> None:
        self.endpoint.mode = "huge"

    def heal(self) -> None:
        self.endpoint.mode = "well"


class PrometheusKit(HttpKit):
    queries: Mapping[str, str] = {"a": "alpha_p99", "b": "sum(b)"}
    kept: dict[str, list[dict[float, str]]] | None = None

    def build(self) -> Source:
        self.endpoint.series = self.endpoint.series or {}
        return PrometheusSource(PROFILE, self.place, self.queries, self.clock)

    def give(self, second: int, values: Values) -> None:
        self.at(second)
        for signal, value in values.items():
            if value is not None:
                self._series(signal)[0][self.clock.now / MICROS] = f"{value}"

    def _series(self, signal: str) -> list[dict[float, str]]:
        assert self.endpoint.series is not None
        return self.endpoint.series.setdefault(self.queries[signal], [{}])

    def spoil(self) -> None:
        self.clock.now += MICROS
        self._series("a")[0][self.clock.now / MICROS] = "many"

    def garbage(self) -> None:
        self.clock.now += MICROS
        self.kept, self.endpoint.series = self.endpoint.series, None
        self.endpoint.body = b'{"status": "success", "data": [[' + b"[" * 50_000

    def heal(self) -> None:
        super().heal()
        self.endpoint.series = self.endpoint.series or self.kept or {}


class OpenMetricsKit(HttpKit):
    momentary = True
    remembers = False

    def build(self) -> Source:
        series = {"a": Series(metric="alpha", labels={"q": "0.99"}), "b": Series(metric="b_total")}
        return OpenMetricsSource(PROFILE, self.place, series, self.clock)

    def give(self, second: int, values: Values) -> None:
        self.at(second)
        lines = ["# TYPE alpha gauge", "# HELP alpha of many", 'alpha{q="0.5"} 3']
        if values.get("a") is not None:
            lines.append(f'alpha{{q="0.99",host="x"}} {values["a"]}')
        if values.get("b") is not None:
            lines += ["# TYPE b_total counter", f"b_total {values['b']}"]
        self.endpoint.body = "\n".join([*lines, "other 1", ""]).encode()

    def spoil(self) -> None:
        self.endpoint.body = b'alpha{q="0.99",i="1"} 1\nalpha{q="0.99",i="2"} 2\nb_total 1\n'

    def garbage(self) -> None:
        self.endpoint.body = b"<html>\xff</html>"


# ── SQL ──────────────────────────────────────────────────────────────────────
class SqliteKit(Kit):
    query = "SELECT at AS ts, alpha, b FROM metrics WHERE at >= :since ORDER BY at LIMIT 500"
    flooding = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000)"
        " SELECT i AS ts, i AS alpha, i AS b FROM n"
    )
    hanging = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
        " SELECT max(i) AS ts, 1 AS alpha, 1 AS b FROM n"
    )
    unit = "us"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.asked = self.query
        self.path = folder / "metrics.db"
        self.url = f"sqlite:///{self.path}"
        self.write("CREATE TABLE metrics (at, alpha, b)")

    def write(self, statement: str, *values: object) -> None:
        with closing(sqlite3.connect(self.path)) as connection, connection:
            connection.execute(statement, values)

    def build(self) -> Source:
        question = Question(database=self.url, query=self.asked, timeout_s=TIMEOUT_S)
        layout = Layout(places=PLACES, time_unit=self.unit)
        return SqlSource(PROFILE, question, layout, self.clock)

    def give(self, second: int, values: Values) -> None:
        self.at(second)
        self.insert(self.clock.now, values.get("a"), values.get("b"))

    def insert(self, at_us: int, alpha: object, b: object) -> None:
        self.write(
            "INSERT INTO metrics VALUES (?, ?, ?)", at_us, _for_sqlite(alpha), _for_sqlite(b)
        )

    def spoil(self) -> None:
        self.write("INSERT INTO metrics VALUES ('yesterday', 1, 2)")

    def garbage(self) -> None:
        self._ask("nonsense")

    def hang(self) -> None:
        self._ask(self.hanging)

    def flood(self) -> None:
        self._ask(self.flooding)

    def heal(self) -> None:
        self._ask(self.query)

    def _ask(self, query: str) -> None:
        """Have every open source ask something else, as if the database behind it had changed."""
        self.asked = query
        for source in self.opened:
            assert isinstance(source, SqlSource)
            source.question = Question(database=self.url, query=query, timeout_s=TIMEOUT_S)
            fresh = SqlSource(PROFILE, source.question, source._layout, self.clock)
            source._database.close()
            source._database = fresh._database


def _for_sqlite(value: object) -> object:
    """SQLite has no NaN: programs write it as text."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


class PostgresKit(SqliteKit):
    query = (
        "SELECT at AS ts, signal, value FROM metrics"
        " WHERE at >= :since AND signal NOT LIKE '%other%' ORDER BY at LIMIT 500"
    )
    flooding = "SELECT now() AS ts, 'alpha' AS signal, i AS value FROM generate_series(1, 20000) i"
    hanging = "SELECT now() AS ts, 'alpha' AS signal, 1 AS value FROM pg_sleep(5)"
    unit = "iso"

    def __init__(self, folder: Path, url: str) -> None:
        self.url = url
        Kit.__init__(self, folder)
        self.asked = self.query
        self.write("DROP TABLE IF EXISTS metrics")
        self.write("CREATE TABLE metrics (at timestamptz, signal text, value float8)")

    def write(self, statement: str, *values: object) -> None:
        with psycopg.connect(self.url.replace("+psycopg", "")) as connection:
            connection.execute(statement.encode(), values)

    def build(self) -> Source:
        question = Question(database=self.url, query=self.asked, timeout_s=TIMEOUT_S)
        layout = Layout(places=PLACES, time_unit=self.unit, long=True)
        return SqlSource(PROFILE, question, layout, self.clock)

    def insert(self, at_us: int, alpha: object, b: object) -> None:
        for signal, value in (("alpha", alpha), ("b", b), ("another", 1)):
            self.write("INSERT INTO metrics VALUES (%s, %s, %s)", iso(at_us), signal, value)

    def spoil(self) -> None:
        self.write("INSERT INTO metrics VALUES ('1960-01-01T00:00:00Z', 'alpha', 1)")
        self._ask("SELECT at AS ts, signal, value FROM metrics")
