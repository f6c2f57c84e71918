"""What an operator reads when the database cannot be used: what, where, and what to do."""

import sqlite3
import subprocess
import sys

import pytest
from sqlalchemy import text

from daemon.errors import (
    Exit,
    MissingExtra,
    SchemaMismatch,
    StoreBroken,
    StoreError,
    StoreUnavailable,
)
from daemon.store import history, migrate, structure
from daemon.store.engine import Options
from daemon.store.store import Store
from daemon.store.tables import events
from tests.contract.rows import event, rows_of

QUICK = Options(busy_timeout_s=0.1, statement_timeout_s=1.0)


def read(store):
    with store.read() as view:
        view.execute(text("SELECT * FROM events")).all()


def write(store):
    with store.write() as tx:
        history.append(tx, event())


def refusal(url, act, options=QUICK):
    """What an act comes to on a database that cannot be used."""
    with Store.open(url, options) as store, pytest.raises(StoreError) as raised:
        act(store)
    return raised.value


WAYS_IN = [read, write, migrate.upgrade, structure.drift, migrate.require_current]


@pytest.mark.parametrize("act", WAYS_IN)
def test_a_file_that_is_no_database_is_named(tmp_path, act):
    path = tmp_path / "notes.txt"
    path.write_text("not a database\n" * 500)
    error = refusal(f"sqlite:///{path}", act)
    assert type(error) is StoreUnavailable
    assert error.exit_code == Exit.IO
    assert str(path) in error.message
    assert "file is not a database" in error.message
    assert "database.url" in error.hint


@pytest.mark.parametrize("act", [read, migrate.require_current])
def test_a_missing_file_is_not_created_by_a_reader(tmp_path, act):
    path = tmp_path / "var" / "daemon.db"
    error = refusal(f"sqlite:///{path}", act)
    assert type(error) is StoreUnavailable
    assert str(path) in error.message
    assert error.hint == "create it with: daemon db upgrade"
    assert not path.parent.exists()


def test_a_writer_makes_the_folder_and_the_file(tmp_path):
    path = tmp_path / "new" / "deep" / "daemon.db"
    with Store.open(f"sqlite:///{path}") as store:
        migrate.upgrade(store)
    assert path.exists()


@pytest.mark.parametrize("name", ["a b.db", "ü%20.db", "q?m=1#x.db", "'.db"])
def test_a_file_may_have_any_name(tmp_path, name):
    path = tmp_path / name
    url = f"sqlite:///{path}".replace("%", "%25").replace("?", "%3F")
    with Store.open(url) as store:
        migrate.upgrade(store)
        write(store)
        assert len(rows_of(store, events)) == 1
    assert path.exists()


@pytest.mark.parametrize("act", [write, migrate.upgrade, structure.drift])
def test_a_folder_that_cannot_be_made_is_named(tmp_path, act):
    (tmp_path / "file").write_text("")
    error = refusal(f"sqlite:///{tmp_path}/file/daemon.db", act)
    assert type(error) is StoreUnavailable
    assert f"{tmp_path}/file" in error.message
    assert "database.url" in error.hint


@pytest.mark.parametrize("act", [read, write])
def test_a_folder_in_place_of_the_file_is_told(tmp_path, act):
    error = refusal(f"sqlite:///{tmp_path}", act)
    assert type(error) in {StoreUnavailable, StoreBroken}  # some versions call it an I/O error
    assert "unable to open database file" in error.message or "disk I/O" in error.message
    assert "directory" in error.hint or "names a file" in error.hint


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("act", [write, migrate.upgrade])
def test_another_process_that_holds_the_lock_is_told_of(sqlite_backend, act):
    with sqlite_backend.lend() as url:
        path = url.removeprefix("sqlite:///")
        with subprocess.Popen(
            [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as holder:
            assert holder.stdout.readline() == b"held\n"
            error = refusal(url, act)
            with Store.open(url, QUICK) as store:
                read(store)  # a reader is not in the way of a writer, nor the other way round
            holder.stdin.close()
        assert type(error) is StoreUnavailable
        assert "database is locked" in error.message
        assert "one daemon at a time" in error.hint


@pytest.mark.postgres
def test_a_row_that_another_one_holds_is_told_of(postgresql_backend):
    with postgresql_backend.lend() as url, Store.open(url) as holder, holder.write() as tx:
        history.append(tx, event())
        error = refusal(url, write)
    assert type(error) is StoreUnavailable
    assert "lock timeout" in error.message
    assert "another process is writing" in error.hint


@pytest.mark.postgres
def test_a_statement_that_takes_too_long_is_ended(postgresql_backend):
    def wait(store):
        with store.read() as view:
            view.exec_driver_sql("SELECT pg_sleep(60)")

    with postgresql_backend.lend() as url:
        error = refusal(url, wait, Options(statement_timeout_s=0.1))
    assert "statement timeout" in error.message
    assert "statement_timeout_s" in error.hint


@pytest.mark.parametrize("act", [read, write])
def test_a_database_without_our_tables_asks_for_an_upgrade(backend, empty_url, act):
    with Store.open(empty_url) as store, store.write() as tx:
        tx.exec_driver_sql("CREATE TABLE mine (id INTEGER)")
    error = refusal(empty_url, act)
    assert type(error) is SchemaMismatch
    assert error.exit_code == Exit.CONFIG
    assert error.hint.endswith("daemon db upgrade")


# ── Postgres that cannot be reached ──────────────────────────────────────────
@pytest.mark.postgres
@pytest.mark.parametrize("act", WAYS_IN)
def test_a_database_that_does_not_exist_is_named(postgresql_backend, act):
    url = postgresql_backend.server.url("no_such_database")
    error = refusal(url, act)
    assert type(error) is StoreUnavailable
    assert 'database "no_such_database" does not exist' in error.message
    assert "createdb" in error.hint


@pytest.mark.parametrize("act", WAYS_IN)
@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:hunter2@127.0.0.1:1/db",
        "postgresql://127.0.0.1:1/db?user=me&password=hunter2",
        "postgresql+psycopg://me:hunter2@127.0.0.1:1/db?sslpassword=hunter2",
    ],
)
def test_a_server_that_does_not_answer_is_named_without_the_password(url, act):
    error = refusal(url, act)
    assert type(error) is StoreUnavailable
    assert "127.0.0.1:1/db" in error.message
    assert "Connection refused" in error.message
    assert "server running" in error.hint
    assert "hunter2" not in f"{error.message} {error.hint}"


@pytest.mark.postgres
def test_a_wrong_password_is_told_and_not_repeated(postgres_server):
    """The tests' server trusts everybody; a role that does not exist is refused the same way."""
    url = postgres_server.url("postgres").replace("postgres@", "nobody_here:hunter2@", 1)
    error = refusal(url, read)
    assert type(error) is StoreUnavailable
    assert 'role "nobody_here" does not exist' in error.message
    assert "user and password" in error.hint
    assert "hunter2" not in error.message


def test_a_host_without_address_is_told():
    error = refusal("postgresql://me@no-such-host.invalid/db", read)
    assert type(error) is StoreUnavailable
    assert error.hint == "check the host in database.url"


WITHOUT_PSYCOPG = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == "psycopg":
            raise ImportError(name)

sys.meta_path.insert(0, Missing())
from daemon.errors import MissingExtra
from daemon.store.store import Store
try:
    Store.open("postgresql://db/x")
except MissingExtra as error:
    print(error.message, "|", error.hint, "|", int(error.exit_code))
"""


def test_a_missing_extra_is_named_with_the_command_that_installs_it():
    """In a process of its own, where the driver cannot be imported."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PSYCOPG], capture_output=True, text=True, check=True
    )
    message, hint, code = done.stdout.strip().split(" | ")
    assert "'postgres'" in message
    assert hint == "pip install 'self-tuning-daemon[postgres]'"
    assert int(code) == MissingExtra.exit_code == Exit.CONFIG


def test_a_connection_that_fails_leaves_no_open_file(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("not a database\n" * 500)
    refusal(f"sqlite:///{path}", write)
    path.unlink()
    sqlite3.connect(path).close()
