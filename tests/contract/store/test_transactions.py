"""What a transaction promises: all or nothing to the writer, one moment to the reader."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from daemon.errors import StoreError, StoreUnavailable
from daemon.store import history, samples
from daemon.store.engine import Options
from daemon.store.store import Store
from daemon.store.tables import events, signals
from tests.contract.rows import T0, event, rows_of

COUNT = select(func.count()).select_from(events)


class UnexpectedError(Exception):
    """Something of the caller's own goes wrong."""


def test_what_was_written_is_there_once_the_block_ends(store):
    with store.write() as tx:
        assert history.append(tx, event()) == 1
    assert [row["seq"] for row in rows_of(store, events)] == [1]


def test_an_error_leaves_nothing_behind(store):
    def fail():
        with store.write() as tx:
            history.append(tx, event())
            samples.ingest(tx, [("s", T0, 1.0)], T0)
            raise UnexpectedError

    with pytest.raises(UnexpectedError):
        fail()
    assert rows_of(store, events) == []
    assert rows_of(store, signals) == []
    with store.write() as tx:
        assert history.append(tx, event()) == 1, "the chain goes on where it stood"


def test_an_error_of_the_database_leaves_nothing_behind(store):
    def fail():
        with store.write() as tx:
            history.append(tx, event())
            tx.exec_driver_sql("INSERT INTO no_such_table VALUES (1)")

    with pytest.raises(StoreError, match="no_such_table"):
        fail()
    assert rows_of(store, events) == []


@pytest.mark.parametrize("durable", [True, False])
def test_a_transaction_commits_whether_or_not_it_waits_for_the_disk(store, durable):
    with store.write(durable=durable) as tx:
        history.append(tx, event())
    assert len(rows_of(store, events)) == 1


@pytest.mark.postgres
def test_only_the_transaction_that_may_lose_rows_does_not_wait_for_the_disk(postgresql_backend):
    with postgresql_backend.opened() as store:
        with store.write() as tx:
            tx.exec_driver_sql("SET synchronous_commit = on")
        for durable, expected in ((False, "off"), (True, "on")):
            with store.write(durable=durable) as tx:
                assert tx.exec_driver_sql("SHOW synchronous_commit").scalar_one() == expected


# A database in memory has one connection, for reading and for writing: the known
# deviation. Everything below is therefore asked of files and servers only.


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO events (seq, at_us, kind, prev_hash, hash) VALUES (1, 1, 'x', '', '')",
        "UPDATE chains SET seq = 7",
        "DELETE FROM chains",
        "CREATE TABLE mine (id INTEGER)",
        "DROP VIEW decision_log",
    ],
)
def test_a_reader_cannot_write(shared, statement):
    with pytest.raises(StoreError, match=r"read-?only"), shared.read() as view:
        view.exec_driver_sql(statement)


def test_a_reader_sees_one_moment_whoever_commits_meanwhile(shared, other):
    with shared.read() as view:
        before = view.execute(COUNT).scalar_one()
        with other.write() as tx:
            history.append(tx, event())
        assert view.execute(COUNT).scalar_one() == before == 0
    with shared.read() as view:
        assert view.execute(COUNT).scalar_one() == 1, "the next one sees it"


def test_a_reader_does_not_see_what_is_not_committed(shared, other):
    with other.write() as tx:
        history.append(tx, event())
        with shared.read() as view:
            assert view.execute(COUNT).scalar_one() == 0


def test_a_writer_that_reads_first_can_still_write(shared, other):
    """Deferred, SQLite would refuse at once: somebody wrote between its read and its write."""
    with shared.write() as tx:
        tx.execute(COUNT).scalar_one()
        if shared.dialect == "postgresql":  # on SQLite the other one has to wait anyway
            with other.write() as theirs:
                history.append(theirs, event())
        history.append(tx, event())
    assert len(rows_of(shared, events)) == (2 if shared.dialect == "postgresql" else 1)


def test_a_writer_on_sqlite_holds_the_lock_from_its_first_moment(sqlite_backend):
    url = sqlite_backend.clone()
    with Store.open(url) as one, Store.open(url, Options(busy_timeout_s=0.05)) as two:
        with one.write():
            with pytest.raises(StoreUnavailable, match="locked") as raised, two.write():
                pass
            assert "one daemon at a time" in raised.value.hint
        with two.write() as tx:
            history.append(tx, event())


def test_writers_that_read_and_then_write_lose_no_step(shared, url):
    """Each adds one to what it read; under a stale read two of them would write the same."""

    def step(_):
        with Store.open(url) as mine, mine.write() as tx:
            seen = history.append(tx, event())
            history.append(tx, event(ref=str(seen)))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(step, range(8)))
    rows = rows_of(shared, events)
    assert [row["seq"] for row in rows] == list(range(1, 17))
    assert [row["ref"] for row in rows[1::2]] == [str(seq) for seq in range(1, 17, 2)]


def test_waiting_for_a_connection_ends_with_advice(sqlite_backend):
    url = sqlite_backend.clone()
    with Store.open(url, Options(statement_timeout_s=0.05)) as store, store.write():
        with pytest.raises(StoreUnavailable, match="in use") as raised, store.write():
            pass
        assert "pool_size" in raised.value.hint


def test_a_store_opens_its_connections_again_after_close(shared):
    shared.close()
    with shared.write() as tx:
        history.append(tx, event())
    assert len(rows_of(shared, events)) == 1
