"""Which databases we speak to, and with which settings a connection begins."""

import sqlite3
from contextlib import closing
from threading import Timer

import pytest

from daemon.errors import Exit, StoreUnavailable
from daemon.store.engine import SQLITE_WAL_FIXED, Options, parse, wal_warning
from daemon.store.store import Store


@pytest.mark.parametrize(
    ("url", "driver", "database"),
    [
        ("sqlite:///var/daemon.db", "sqlite", "var/daemon.db"),
        ("sqlite:////srv/daemon.db", "sqlite", "/srv/daemon.db"),
        ("sqlite:///:memory:", "sqlite", ":memory:"),
        ("sqlite://", "sqlite", ":memory:"),
        ("postgresql://me@db/x", "postgresql+psycopg", "x"),
        ("postgres://me:pw@db:5433/x?sslmode=require", "postgresql+psycopg", "x"),
        ("postgresql+psycopg://db/x", "postgresql+psycopg", "x"),
    ],
)
def test_a_url_names_its_driver_and_its_database(url, driver, database):
    parsed = parse(url)
    assert (parsed.drivername, parsed.database) == (driver, database)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mysql://me@db/x", "mysql is not a database we speak"),
        ("postgresql+asyncpg://db/x", "postgresql+asyncpg is not"),
        ("sqlite+aiosqlite:///x", "sqlite+aiosqlite is not"),
        ("not a url", "cannot be read"),
        ("", "cannot be read"),
        ("postgresql://me:hunter2@db:port/x", "cannot be read"),
    ],
)
def test_another_database_is_refused_with_examples_and_without_the_url(url, reason):
    with pytest.raises(StoreUnavailable) as raised:
        parse(url)
    assert reason in raised.value.message
    assert "sqlite:///path/to/file.db or postgresql://" in raised.value.hint
    assert "hunter2" not in f"{raised.value}{raised.value.hint}"
    assert raised.value.exit_code == Exit.IO


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://me:hunter2@db/x", "postgresql+psycopg://me:***@db/x"),
        ("postgresql://db/x?password=hunter2&user=me", "postgresql+psycopg://db/x?user=me"),
        ("sqlite:///var/daemon.db", "sqlite:///var/daemon.db"),
    ],
)
def test_the_name_of_a_store_has_no_password(url, name):
    with Store.open(url) as store:
        assert store.name == name


@pytest.mark.parametrize(
    ("version", "warned"),
    [
        ((3, 40, 1), True),
        ((3, 51, 2), True),
        (SQLITE_WAL_FIXED, False),
        ((3, 52, 0), False),
        ((4, 0, 0), False),
    ],
)
def test_a_sqlite_that_can_lose_a_commit_is_warned_of(version, warned):
    problem = wal_warning(version)
    assert (problem is not None) == warned
    if problem:
        assert problem.warning
        assert ".".join(map(str, version)) in problem.reason
        assert "3.51.3" in problem.hint


def test_the_sqlite_in_use_is_the_one_that_is_asked_about():
    assert wal_warning() == wal_warning(sqlite3.sqlite_version_info)


def pragmas(connection, *names):
    return [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in names]


def test_a_writer_of_a_file_waits_for_the_disk_and_enforces_references(sqlite_url):
    with Store.open(sqlite_url, Options(busy_timeout_s=1.5)) as store:
        with store.write() as tx:
            asked = pragmas(tx, "journal_mode", "synchronous", "foreign_keys", "secure_delete")
            assert asked == ["wal", 2, 1, 0]
            assert pragmas(tx, "busy_timeout") == [1500]
        with store.read() as view:
            assert pragmas(view, "foreign_keys", "busy_timeout") == [1, 1500]


def test_a_new_file_that_another_one_is_writing_to_is_waited_for(tmp_path):
    """SQLite refuses at once to switch such a file to a write-ahead log."""
    path = tmp_path / "new.db"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as writer:
        writer.execute("CREATE TABLE mine (id INTEGER)")
        writer.execute("BEGIN IMMEDIATE")
        hasty = Store.open(f"sqlite:///{path}", Options(busy_timeout_s=0.05))
        with pytest.raises(StoreUnavailable, match="locked"), hasty.write():
            pass
        hasty.close()
        with Store.open(f"sqlite:///{path}", Options(busy_timeout_s=20)) as patient:
            done = Timer(0.2, writer.execute, ["COMMIT"])
            done.start()
            with patient.write() as tx:
                assert pragmas(tx, "journal_mode") == ["wal"]
            done.join()


@pytest.mark.postgres
def test_a_session_on_postgres_has_our_limits_and_speaks_utc(postgres_url):
    options = Options(busy_timeout_s=1.5, statement_timeout_s=2.5)
    with Store.open(postgres_url, options) as store:
        for way in (store.read, store.write):
            with way() as tx:
                asked = ["lock_timeout", "statement_timeout", "TimeZone"]
                got = [tx.exec_driver_sql(f"SHOW {name}").scalar_one() for name in asked]
                assert got == ["1500ms", "2500ms", "UTC"]


@pytest.mark.postgres
def test_a_session_that_read_can_write_again(postgres_url):
    """Readers and writers share the connections of a pool; nothing may stick to one."""
    with Store.open(postgres_url, Options(pool_size=1)) as store:
        asked = ["transaction_read_only", "transaction_isolation"]
        for _ in range(2):
            for way, expected in (
                (store.read, ["on", "repeatable read"]),
                (store.write, ["off", "read committed"]),
            ):
                with way() as tx:
                    got = [tx.exec_driver_sql(f"SHOW {name}").scalar_one() for name in asked]
                    assert got == expected
