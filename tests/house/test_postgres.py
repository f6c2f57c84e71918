"""The tests' own PostgreSQL server keeps its promises."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests import postgres
from tests.postgres import (
    GivenServer,
    PostgresServer,
    ServerMissingError,
    candidates,
    find_binaries,
)

pytestmark = pytest.mark.postgres


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True)


def tables(url: str) -> list[str]:
    with connect(url) as connection:
        rows = connection.execute("select relname from pg_class where relname like 'mine%'")
        return [name for (name,) in rows]


@pytest.mark.parametrize("_", ["first", "second"])
def test_each_test_has_an_empty_database_of_its_own(postgres_url, _):
    assert tables(postgres_url) == []
    with connect(postgres_url) as connection:
        connection.execute("create table mine (id int)")
    assert tables(postgres_url) == ["mine"]


def test_a_database_may_be_copied_from_another(postgres_server, postgres_url):
    with connect(postgres_url) as connection:
        connection.execute("create table mine (id int)")
    copy = postgres_server.create_database(template=postgres_url.partition("?")[0].split("/")[-1])
    assert tables(copy) == ["mine"]
    postgres_server.drop_database(copy)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        connect(copy)


@pytest.mark.slow
def test_a_durable_server_keeps_what_was_committed_when_it_is_killed():
    with PostgresServer(durable=True) as server:
        url = server.create_database()
        with connect(url) as connection:
            connection.execute("create table mine (id int)")
        server.kill()
        with pytest.raises(psycopg.OperationalError):
            connect(url)
        server.start()
        assert tables(url) == ["mine"]
        assert "database system was interrupted" in server.log()
        before = server.pid
        server.restart()
        assert server.pid != before
        assert tables(url) == ["mine"]
        home, pid = server._home, server.pid
    assert not home.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_server_that_would_lose_commits_is_not_killed(postgres_server):
    if isinstance(postgres_server, PostgresServer):
        with pytest.raises(RuntimeError, match="durable"):
            postgres_server.kill()


def test_without_a_server_the_failure_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("DAEMON_TEST_POSTGRES_BIN", str(tmp_path))
    assert list(candidates()) == [tmp_path]
    with pytest.raises(ServerMissingError, match=r"make setup.*DAEMON_TEST_POSTGRES_URL"):
        find_binaries()


def test_finding_is_a_command():
    script = Path(postgres.__file__)
    found = subprocess.run([sys.executable, script, "--find"], capture_output=True, check=True)
    assert (Path(found.stdout.decode().strip()) / "postgres").exists()
    lost = subprocess.run(
        [sys.executable, script, "--find"],
        env={**os.environ, "DAEMON_TEST_POSTGRES_BIN": "/nowhere"},
        capture_output=True,
        check=False,
    )
    assert (lost.returncode, lost.stdout) == (1, b"")
    assert b"make setup" in lost.stderr
    assert subprocess.run([sys.executable, script], capture_output=True, check=False).returncode


def test_the_newest_server_is_taken():
    folders = iter(
        [Path("/a/9/bin"), Path("/a/15/bin"), Path("/a/pginstall18/bin"), Path("/b/bin")]
    )
    newest = [folder.parent.name for folder in postgres._newest_first(folders)]
    assert newest == ["pginstall18", "15", "9", "b"]


@pytest.mark.parametrize(
    ("given", "database", "maintenance"),
    [
        (
            "postgresql+psycopg://me:pw@db:5433/main?sslmode=require",
            "postgresql+psycopg://me:pw@db:5433/x?sslmode=require",
            "postgresql://me:pw@db:5433/main?sslmode=require",
        ),
        (
            "postgresql+psycopg://postgres@/?host=/run/db",
            "postgresql+psycopg://postgres@/x?host=/run/db",
            "postgresql://postgres@/postgres?host=/run/db",
        ),
    ],
)
def test_a_given_server_is_used_under_its_own_address(given, database, maintenance):
    server = GivenServer(given)
    assert server.url("x") == database
    assert server.dsn == maintenance


def test_a_long_temporary_folder_does_not_break_the_socket(monkeypatch, tmp_path):
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr(postgres.tempfile, "tempdir", str(deep))
    folder = postgres._short_folder()
    try:
        assert len(str(folder / postgres.SOCKET_NAME)) <= postgres.SOCKET_PATH_MAX
    finally:
        folder.rmdir()
