"""Processes that write side by side, are killed, and begin again: nothing is lost or torn."""

import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from daemon.errors import StoreUnavailable
from daemon.store import chain, history, migrate, windows
from daemon.store.chain import STREAMS
from daemon.store.engine import Options
from daemon.store.store import Store
from tests.acceptance.writer import SAMPLES_PER_COMMIT, T0
from tests.postgres import PostgresServer

WRITER = Path(__file__).with_name("writer.py")
COMMITS = 60
BOTH = ["sqlite_url", pytest.param("postgres_url", marks=pytest.mark.postgres)]

pytestmark = pytest.mark.slow


@pytest.fixture(params=BOTH)
def url(request):
    made = request.getfixturevalue(request.param)
    with Store.open(made) as store:
        migrate.upgrade(store)
    return made


@contextmanager
def writing(url, name, count=COMMITS):
    command = [sys.executable, "-W", "error", str(WRITER), url, name, str(count)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def finish(process):
    """Wait for the end; returns which commits were told to be durable."""
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, b""), err.decode()
    return [int(line) for line in out.split()]


def assert_whole(store, written):
    """No gap, no break, and for each writer exactly its commits, each with its samples."""
    with store.read() as view:
        for stream in STREAMS.values():
            assert chain.verify(view, stream).breaks == ()
        rows = [row for page in chain.pages(view, STREAMS["events"]) for row in page]
        assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
        assert Counter(row["ref"] for row in rows) == written
        for name, count in written.items():
            mine = [row["at_us"] for row in rows if row["ref"] == name]
            assert mine == sorted(set(mine)), "each once, in order"
            window = windows.read_window(view, name, 0, 2 * T0)
            assert len(window) == count * SAMPLES_PER_COMMIT
            assert view.execute(text("SELECT count(*) FROM sample_faults")).scalar_one() == 0


def test_two_writers_and_a_reader_are_not_in_each_others_way(url):
    seen = []
    with writing(url, "one") as one, writing(url, "two") as two, Store.open(url) as store:
        while one.poll() is None or two.poll() is None:
            with store.read() as view:
                last = chain.stored_head(view, STREAMS["events"])
                rows = history.read(view, "events", after=last.seq - 1) if last.seq else []
                held = view.execute(text("SELECT count(*) FROM samples")).scalar_one()
            assert [row["hash"] for row in rows] == ([last.hash] if last.seq else [])
            assert held == last.seq * SAMPLES_PER_COMMIT, "a commit is seen whole or not at all"
            seen.append(last.seq)
        assert finish(one) == finish(two) == list(range(1, COMMITS + 1))
        assert seen == sorted(seen), "a reader never goes back"
        assert_whole(store, {"one": COMMITS, "two": COMMITS})


def test_a_writer_that_is_killed_loses_no_commit_it_told_of_and_goes_on(url):
    with writing(url, "survivor") as survivor:
        with writing(url, "victim", 10_000) as victim:
            told = [int(victim.stdout.readline()) for _ in range(10)]
            victim.kill()
            told += [int(line) for line in victim.stdout.read().split(b"\n") if line]
        finish(survivor)
    with Store.open(url) as store:
        with store.read() as view:
            rows = [row for page in chain.pages(view, STREAMS["events"]) for row in page]
        kept = sum(row["ref"] == "victim" for row in rows)
        assert told[-1] <= kept <= told[-1] + 1, "the last may be durable and not yet told"
        assert_whole(store, {"survivor": COMMITS, "victim": kept})
        with writing(url, "victim", kept + 5) as again:
            assert finish(again) == list(range(kept + 1, kept + 6))
        assert_whole(store, {"survivor": COMMITS, "victim": kept + 5})


# ── Postgres goes away and comes back ────────────────────────────────────────
def tick(store):
    with store.write() as tx:
        return history.append(tx, history.Event(at_us=T0, kind="tick"))


@pytest.mark.postgres
def test_a_connection_that_was_ended_while_idle_is_replaced(postgres_url):
    with Store.open(postgres_url, Options(pool_size=2)) as store:
        migrate.upgrade(store)
        with store.read(), store.write():
            pass  # two connections, now idle
        end = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        with Store.open(postgres_url) as operator, operator.write() as tx:
            assert tx.execute(text(end)).scalar_one() == 2
        assert tick(store) == 1
        with store.read() as view:
            assert len(history.read(view, "events")) == 1


@pytest.mark.postgres
def test_a_connection_that_is_ended_inside_a_transaction_is_told_and_undone(postgres_url):
    with Store.open(postgres_url) as store, Store.open(postgres_url) as operator:
        migrate.upgrade(store)

        def interrupted():
            with store.write() as tx:
                history.append(tx, history.Event(at_us=T0, kind="tick"))
                pid = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
                with operator.write() as other:
                    other.execute(text(f"SELECT pg_terminate_backend({pid})"))
                history.append(tx, history.Event(at_us=T0, kind="tick"))

        with pytest.raises(StoreUnavailable):
            interrupted()
        assert tick(store) == 1


@pytest.mark.postgres
def test_a_server_that_was_killed_and_started_again_keeps_what_was_committed():
    with PostgresServer(durable=True) as server, Store.open(server.create_database()) as store:
        migrate.upgrade(store)
        assert [tick(store) for _ in range(3)] == [1, 2, 3]
        server.kill()
        with pytest.raises(StoreUnavailable) as raised:
            tick(store)
        assert "server running" in raised.value.hint
        server.start()
        assert tick(store) == 4
        with store.read() as view:
            assert chain.verify(view, STREAMS["events"]).rows == 4
            assert chain.verify(view, STREAMS["events"]).breaks == ()
