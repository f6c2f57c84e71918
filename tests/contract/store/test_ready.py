"""A statement that is kept ready does what it does when it is built anew each time."""

import pytest
from sqlalchemy import bindparam, event, insert, select, text, update

from daemon.errors import StoreError, StoreUnavailable
from daemon.store.engine import Options
from daemon.store.ready import Ready
from daemon.store.store import Store
from daemon.store.tables import events, rules, signals
from daemon.store.tables import samples as samples_table
from daemon.store.types import Count

SIGNALS = Ready(insert(signals), ("name", "created_at_us"))
NAMED = Ready(select(signals.c.name, signals.c.unit).where(signals.c.name == bindparam("wanted")))
ALL = Ready(select(signals).order_by(signals.c.name))
FIRST = Ready(select(signals.c.name).order_by(signals.c.name).limit(bindparam("most", type_=Count)))
EVENT = Ready(insert(events), ("seq", "at_us", "epoch", "kind", "body", "prev_hash", "hash"))
BODIES = Ready(select(events.c.body, events.c.kind).order_by(events.c.seq))
SAMPLE = Ready(insert(samples_table), ("signal_id", "at_us", "value"))
NAMES = ("a", "b", "c")


def placed(seq, body):
    """A row of the event log; nobody looks at its links here."""
    links = {"prev_hash": f"{seq:064}", "hash": f"{seq + 1:064}"}
    return {"seq": seq, "at_us": 0, "epoch": 0, "kind": "x", "body": body, **links}


@pytest.fixture
def filled(store):
    with store.write() as tx:
        for name in NAMES:
            SIGNALS.run(tx, name=name, created_at_us=7)
    return store


# ── what comes back ──────────────────────────────────────────────────────────
def test_rows_are_those_of_the_statement(filled):
    with filled.read() as view:
        assert ALL.records(view) == [
            dict(row) for row in view.execute(select(signals).order_by(signals.c.name)).mappings()
        ]
        assert NAMED.rows(view, wanted="b") == [("b", None)]
        assert NAMED.first(view, wanted="c") == ("c", None)
        assert NAMED.value(view, wanted="a") == "a"


def test_of_nothing_nothing_comes_back(filled):
    with filled.read() as view:
        assert NAMED.rows(view, wanted="d") == []
        assert NAMED.records(view, wanted="d") == []
        assert NAMED.first(view, wanted="d") is None
        assert NAMED.value(view, wanted="d") is None


def test_at_most_so_many_rows_come_back_as_were_asked_for(filled):
    with filled.read() as view:
        assert ALL.rows(view, 2) == ALL.rows(view)[:2]
        assert [row["name"] for row in ALL.records(view, 1)] == ["a"]
        assert FIRST.rows(view, most=2) == [("a",), ("b",)]


def test_a_statement_in_words_names_its_columns_as_well(filled):
    words = Ready(text("SELECT name, created_at_us AS since FROM signals WHERE name = :name"))
    with filled.read() as view:
        assert words.records(view, name="b") == [{"name": "b", "since": 7}]


def test_json_goes_in_and_comes_back(store):
    bodies = [{"a": [1, 2.5, None, "é"]}, None, {"b": {"c": True}}]
    with store.write() as tx:
        for seq, body in enumerate(bodies, 1):
            EVENT.run(tx, **placed(seq, body))
        assert [body for body, _ in BODIES.rows(tx)] == bodies


def test_it_says_how_many_rows_it_touched(filled):
    touch = Ready(
        update(signals).where(signals.c.name > bindparam("after")).values(unit=bindparam("unit"))
    )
    with filled.write() as tx:
        assert touch.run(tx, after="a", unit="ms") == 2
        assert touch.run(tx, after="c", unit="ms") == 0


def test_one_statement_serves_every_database(filled, sqlite_url, postgres_url):
    more = Ready(text("SELECT :one + 1"))
    for url in (sqlite_url, postgres_url):
        with Store.open(url) as other, other.write() as tx:
            assert more.value(tx, one=1) == 2
    with filled.read() as view:
        assert more.value(view, one=2) == 3


# ── transactions ─────────────────────────────────────────────────────────────
def test_what_was_done_is_taken_back_with_the_transaction(filled):
    def half():
        with filled.write() as tx:
            SIGNALS.run(tx, name="d", created_at_us=7)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    with filled.read() as view:
        assert len(ALL.rows(view)) == len(NAMES)


def test_it_begins_a_transaction_where_nobody_did(filled):
    with filled.engines.writer.connect() as connection:
        SIGNALS.run(connection, name="d", created_at_us=7)
        assert connection.in_transaction()
        connection.rollback()
        assert len(ALL.rows(connection)) == len(NAMES)


def test_whoever_listens_is_told(filled):
    told = []

    def note(_, __, statement, values, *___):
        told.append((" ".join(statement.split())[:6], bool(values)))

    engine = filled.engines.writer
    event.listen(engine, "before_cursor_execute", note)
    try:
        with filled.write() as tx:
            SIGNALS.run(tx, name="d", created_at_us=7)
            ALL.rows(tx)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert told == [("INSERT", True), ("SELECT", False)]


# ── what goes wrong ──────────────────────────────────────────────────────────
def test_a_row_that_a_constraint_refuses_is_a_fault_of_the_store(filled):
    with pytest.raises(StoreError, match=r"(?i)unique"), filled.write() as tx:
        SIGNALS.run(tx, name="a", created_at_us=7)


def test_words_that_are_no_statement_are_a_fault_of_the_store(filled):
    with pytest.raises(StoreError, match=r"(?i)syntax|near"), filled.read() as view:
        Ready(text("SELECT FROM WHERE")).rows(view)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e301])
def test_what_is_no_number_is_refused_before_the_database_sees_it(filled, value):
    put = Ready(update(rules).values(value=bindparam("value")))
    with pytest.raises(StoreError, match="are not stored"), filled.write() as tx:
        put.run(tx, value=value)


def test_a_whole_number_that_json_would_change_is_refused(store):
    with pytest.raises(StoreError, match=r"2\*\*53"), store.write() as tx:
        EVENT.run(tx, **placed(1, {"n": 2**53 + 1}))


def test_many_rows_at_once_are_counted_or_refused(sqlite_backend):
    with sqlite_backend.opened() as store:
        many = Ready(
            text("INSERT INTO samples VALUES (:id, :at_us, :value) ON CONFLICT DO NOTHING")
        )
        with store.write() as tx:
            SIGNALS.run(tx, name="a", created_at_us=7)
            (number, *_), *_ = ALL.rows(tx)
            assert many.run_all(tx, [(number, 1, 0.5), (number, 2, 0.5), (number, 1, 0.7)]) == 2
        with pytest.raises(StoreError), store.write() as tx:
            many.run_all(tx, [(number, "soon", 0.5)])


@pytest.mark.parametrize("words", ["SELECT max(i) FROM n", "SELECT i FROM n WHERE i IN (1, :most)"])
def test_a_reader_gives_a_late_statement_up_and_a_patient_one_does_not(sqlite_url, words):
    """The one is late with its first row, the other one behind it."""
    counted = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :most) "
    slow = Ready(text(counted + words))
    with Store.open(sqlite_url, Options(statement_timeout_s=0.01)) as store:
        with store.write():
            pass  # creates the file
        with pytest.raises(StoreUnavailable, match="interrupted"), store.read() as view:
            slow.rows(view, most=10_000_000)
        with store.read(patient=True) as view:
            assert slow.rows(view, most=100_000)[-1] == (100_000,)


@pytest.mark.postgres
def test_a_connection_that_was_lost_is_given_up_and_the_next_one_works(postgres_url):
    own = Ready(text("SELECT pg_backend_pid()"))
    end = Ready(text("SELECT pg_terminate_backend(:pid)"))

    def cut(store, other):
        with store.write() as tx:
            with other.write() as killer:
                end.value(killer, pid=own.value(tx))
            own.value(tx)

    with Store.open(postgres_url) as store, Store.open(postgres_url) as other:
        with pytest.raises(StoreUnavailable):
            cut(store, other)
        with store.write() as tx:
            assert own.value(tx) > 0
