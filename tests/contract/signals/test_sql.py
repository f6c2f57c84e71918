"""A query that only reads: what it may not do, and what counts as new."""

import sqlite3
import sys
from contextlib import closing

import psycopg
import pytest

from daemon.adapters.signals import Layout
from daemon.adapters.signals.sql import ROWS_MAX, Question, SqlSource
from daemon.clock import MICROS
from daemon.errors import MissingExtra
from daemon.ports import Declared, Reading, SourceFault
from tests.contract.signals.kits import T0, Profile, WallByHand

SIGNALS = {"a": "a", "b": "b"}
PROFILE = Profile(name="db", declared=dict.fromkeys(SIGNALS, Declared()))


class Base:
    """A SQLite file that somebody else writes, and sources that ask it."""

    def __init__(self, folder):
        self.path = folder / "app.db"
        self.clock = WallByHand()
        self.run("CREATE TABLE m (at, signal, value)")

    def run(self, statement, *values):
        with closing(sqlite3.connect(self.path)) as connection, connection:
            return connection.execute(statement, values).fetchall()

    def add(self, second, signal, value):
        self.run("INSERT INTO m VALUES (?, ?, ?)", T0 // MICROS + second, signal, value)

    def source(self, query, from_end=False, **layout):
        layout = {"time_field": "at", "time_unit": "s", "long": True} | layout
        question = Question(database=f"sqlite:///{self.path}", query=query, timeout_s=0.3)
        found = Layout(places=SIGNALS, **layout)
        return SqlSource(PROFILE, question, found, self.clock, from_end=from_end)


@pytest.fixture
def base(tmp_path):
    return Base(tmp_path)


def polled(source):
    return [
        (one.signal, (one.at_us - T0) / MICROS, one.value) for one in sorted(source.poll().readings)
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO m VALUES (1, 'a', 1) RETURNING at, signal, value",
        "DELETE FROM m RETURNING at, signal, value",
        "DROP TABLE m",
        "ATTACH DATABASE '{folder}/other.db' AS other",
        "VACUUM INTO '{folder}/other.db'",
        "PRAGMA writable_schema = 1; DELETE FROM m",
        "SELECT 1; DELETE FROM m",
    ],
)
def test_nothing_can_be_written(base, tmp_path, statement):
    base.add(1, "a", 1.0)
    source = base.source(statement.format(folder=tmp_path))
    with pytest.raises(SourceFault):
        source.poll()
    assert base.run("SELECT count(*) FROM m") == [(1,)]
    assert [path.name for path in tmp_path.iterdir()] == ["app.db"]


def test_rows_that_were_read_do_not_count_again_whatever_the_query(base):
    source = base.source("SELECT at, signal, value FROM m")
    for second in (1, 2):
        base.add(second, "a", second)
    assert polled(source) == [("a", 1, 1.0), ("a", 2, 2.0)]
    base.add(3, "a", 3)
    base.add(1, "b", 10)  # of another signal, which came less far
    assert polled(source) == [("a", 3, 3.0), ("b", 1, 10.0)]
    assert polled(source) == []


def test_since_is_where_the_signal_is_that_came_least_far(base):
    source = base.source("SELECT at, signal, value FROM m WHERE at >= :since")
    base.add(100, "a", 1)
    base.add(90, "b", 2)
    assert polled(source) == [("a", 100, 1.0), ("b", 90, 2.0)]
    base.add(95, "b", 3)
    base.add(200, "a", 4)
    assert polled(source) == [("a", 200, 4.0), ("b", 95, 3.0)]
    base.add(189, "b", 5)  # too far behind the newest
    base.add(191, "b", 6)
    assert polled(source) == [("b", 191, 6.0)]


def test_a_signal_that_stays_behind_does_not_keep_the_others_from_going_on(base):
    source = base.source("SELECT * FROM m WHERE at >= :since ORDER BY at LIMIT 5")
    base.add(0, "b", 1)
    for second in range(1, 9):
        base.add(second, "a", second)
    seen = [one for _ in range(8) for one in polled(source) if one[0] == "a"]
    assert [second for _, second, _ in seen] == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize(
    ("unit", "written"),
    [
        ("s", 1_800_000_000.0),
        ("ms", 1_800_000_000_000.0),
        ("us", T0),
        ("ns", T0 * 1_000),
        ("iso", "2027-01-15T08:00:00.000000Z"),
    ],
)
def test_since_is_written_as_the_database_writes_moments(base, unit, written):
    query = "SELECT :since AS at, 'a' AS signal, :since = ? AS value".replace("?", repr(written))
    source = base.source(query, from_end=True, time_unit=unit)
    assert polled(source) == [("a", 0, 1.0)]


def test_it_begins_with_what_comes_from_now_on_or_with_everything(base):
    base.add(-5, "a", 1)
    base.add(5, "a", 2)
    query = "SELECT at, signal, value FROM m"
    assert polled(base.source(query, from_end=True)) == [("a", 5, 2.0)]
    assert polled(base.source(query)) == [("a", -5, 1.0), ("a", 5, 2.0)]


def test_a_row_without_a_moment_is_about_now(base):
    source = base.source("SELECT 1.5 AS a, NULL AS b", long=False, time_field=None)
    for second in (1, 2):
        base.clock.now = T0 + second * MICROS
        answer = source.poll()
        assert answer.readings == [Reading("a", base.clock.now, 1.5)]
        assert answer.mark is None


def test_a_great_many_new_rows_say_that_there_are_more(base):
    base.run(
        "INSERT INTO m WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2500)"
        " SELECT 1800000000 + i, 'a', i FROM n"
    )
    source = base.source("SELECT * FROM m WHERE at > :since ORDER BY at LIMIT 1000")
    sizes, more = [], True
    while more:
        answer = source.poll()
        sizes.append(len(answer.readings))
        more = answer.more
    assert sizes == [1000, 1000, 500, 0]


def test_more_rows_than_anybody_needs_are_refused(base):
    base.run(
        "INSERT INTO m WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?)"
        " SELECT 1800000000 + i, 'a', i FROM n",
        ROWS_MAX + 1,
    )
    with pytest.raises(SourceFault, match="more than 10,000 rows") as caught:
        base.source("SELECT * FROM m").poll()
    assert ":since" in caught.value.hint


def test_a_database_that_is_not_there_is_a_fault_and_is_not_made(base, tmp_path):
    base.path.unlink()
    with pytest.raises(SourceFault, match="unable to open"):
        base.source("SELECT 1").poll()
    assert not base.path.exists()


def test_rows_that_make_no_sense_are_counted(base):
    base.run("INSERT INTO m VALUES ('soon', 'a', 1), (1800000001, 'a', 'much'), (1, 'x', 2)")
    answer = base.source("SELECT at, signal, value FROM m").poll()
    assert answer.unreadable == 1
    assert answer.example == "db: a row 'soon' is not a moment between the years 1970 and 9999"
    (nan,) = answer.readings
    assert nan.value != nan.value


def test_a_column_that_is_missing_is_said(base):
    base.add(1, "a", 1)
    answer = base.source("SELECT at, value FROM m").poll()
    assert (answer.unreadable, answer.example) == (1, "db: a row has no field 'signal'")


@pytest.mark.postgres
def test_a_connection_that_broke_is_made_anew(metrics_url, tmp_path):
    clock = WallByHand()
    query = "SELECT 1 AS a, 2 AS b, pg_backend_pid() AS pid"
    question = Question(database=metrics_url, query=query, timeout_s=5)
    source = SqlSource(PROFILE, question, Layout(places=SIGNALS, time_field=None), clock)
    assert len(source.poll().readings) == 2
    with psycopg.connect(metrics_url.replace("+psycopg", ""), autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(%s)", (source._database._connection.info.backend_pid,)
        )
    with pytest.raises(SourceFault):
        source.poll()
    assert len(source.poll().readings) == 2
    source.close()


@pytest.mark.postgres
@pytest.mark.parametrize(
    "statement",
    ["DROP TABLE IF EXISTS metrics", "SELECT nextval('counted') AS a", "CREATE TABLE x ()"],
)
def test_nothing_can_be_written_to_postgres(metrics_url, statement):
    with psycopg.connect(metrics_url.replace("+psycopg", ""), autocommit=True) as other:
        other.execute("CREATE SEQUENCE IF NOT EXISTS counted")
    question = Question(database=metrics_url, query=statement)
    source = SqlSource(PROFILE, question, Layout(places=SIGNALS, time_field=None), WallByHand())
    with pytest.raises(SourceFault):
        source.poll()
    source.close()


def test_a_password_is_not_shown():
    url = "postgresql://u:hunter2canary@127.0.0.1:9/d?connect_timeout=2"
    question = Question(database=url, query="SELECT 1")
    source = SqlSource(PROFILE, question, Layout(places=SIGNALS), WallByHand())
    with pytest.raises(SourceFault) as caught:
        source.poll()
    assert "hunter2canary" not in f"{caught.value}{caught.value.hint}"


def test_a_driver_that_is_missing_is_told_at_the_start(monkeypatch, base):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    question = Question(database="postgresql://h/d", query="SELECT 1")
    with pytest.raises(MissingExtra, match="extra 'postgres'"):
        SqlSource(PROFILE, question, Layout(places=SIGNALS), base.clock)
    assert polled(base.source("SELECT 1 AS at, 'x' AS signal, 1 AS value")) == []
