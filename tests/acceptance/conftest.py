"""Commands as an operator types them, against a database of either kind."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daemon.app import shipped
from daemon.cli.main import run
from daemon.store.store import Store
from tests.contract.databases import Postgres, Sqlite
from tests.inquiry_kit import fill, recorded
from tests.recording import write_policy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.contract.databases import Backend
    from tests.postgres import GivenServer

CYCLES = 70
"""Of the recorded run: two changes are kept, a third one is being watched."""

METRICS = 600
"""How many lines of metrics are taken over: the sample that the daemon ships has ten times more."""

on_a_file = pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
"""For what does not depend on the database: the other tests of a command show that it
speaks to both, and the contracts that both give the same rows."""


@dataclass
class Terminal:
    """A place to type commands in; remembers what was said."""

    capsys: pytest.CaptureFixture[str]
    folder: Path
    out: str = ""
    err: str = ""

    def type(self, *words: str) -> int:
        """Type a command and return its exit code."""
        self.capsys.readouterr()
        code = run(list(words))
        self.out, self.err = self.capsys.readouterr()
        return code

    def ok(self, *words: str) -> str:
        """Type a command that has to end well; return what it printed."""
        code = self.type(*words)
        assert code == 0, self.err
        return self.out

    def rows(self, *words: str) -> list[dict[str, Any]]:
        """Type a command that has to end well; return its rows."""
        return json.loads(self.ok(*words, "-o", "json"))["rows"]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of database in turn."""
    return request.param


@pytest.fixture
def url(kind: str, request: pytest.FixtureRequest) -> str:
    """The URL of an empty database."""
    return request.getfixturevalue(f"{kind}_url")


def point(patch: pytest.MonkeyPatch, url: str) -> None:
    """Let commands use this database, and the policy that the daemon ships."""
    patch.setenv("DAEMON_DATABASE_URL", url)
    patch.setenv("DAEMON_POLICY_FILE", str(shipped() / "configs" / "self_tuning.yaml"))


# ── databases that are ready ─────────────────────────────────────────────────
@pytest.fixture(scope="session")
def legacy(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The sample files of an earlier tuner that the daemon ships, with fewer metrics."""
    folder = tmp_path_factory.mktemp("legacy") / "files"
    shutil.copytree(shipped() / "data" / "legacy", folder)
    metrics = folder / "metrics.csv"
    metrics.write_text("".join(metrics.read_text().splitlines(keepends=True)[:METRICS]))
    return str(folder)


@pytest.fixture(scope="session")
def sqlite_backend(tmp_path_factory: pytest.TempPathFactory) -> Sqlite:
    return Sqlite(tmp_path_factory.mktemp("ready"))


@pytest.fixture(scope="session")
def postgres_backend(postgres_server: GivenServer) -> Postgres:
    return Postgres(postgres_server)


def import_into(url: str, legacy: str) -> str:
    """Take the sample files over into a database that is ready."""
    with pytest.MonkeyPatch.context() as patch:
        point(patch, url)
        assert run(["db", "import-legacy", legacy]) == 0
    return url


@pytest.fixture(scope="session")
def sqlite_filled(sqlite_backend: Sqlite, legacy: str) -> Path:
    """A filled database file, to be copied."""
    return Path(import_into(sqlite_backend.clone(), legacy).removeprefix("sqlite:///"))


@pytest.fixture(scope="session")
def postgres_filled(postgres_backend: Postgres, legacy: str) -> str:
    """The name of a filled database, to be copied."""
    return import_into(postgres_backend.clone(), legacy).partition("?")[0].rpartition("/")[2]


@pytest.fixture
def sqlite_filled_url(sqlite_filled: Path, tmp_path: Path) -> str:
    """A filled database, for this test alone."""
    return f"sqlite:///{shutil.copy(sqlite_filled, tmp_path / 'test.db')}"


@pytest.fixture
def postgres_filled_url(postgres_filled: str, postgres_server: GivenServer) -> Iterator[str]:
    """A filled database, for this test alone."""
    url = postgres_server.create_database(template=postgres_filled)
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
def filled_url(kind: str, request: pytest.FixtureRequest) -> str:
    """The URL of a database into which the sample files were taken over."""
    return request.getfixturevalue(f"{kind}_filled_url")


@pytest.fixture
def ready_url(kind: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a database at the newest schema and without rows."""
    backend: Backend = request.getfixturevalue(f"{kind}_backend")
    url = backend.clone()
    yield url
    backend.drop(url)


@pytest.fixture
def bare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Terminal:
    """A terminal in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Terminal(capsys, tmp_path)


@pytest.fixture
def terminal(url: str, bare: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal on an empty database."""
    point(monkeypatch, url)
    return bare


@pytest.fixture
def ready(ready_url: str, bare: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal on a database that was created by `db upgrade`."""
    point(monkeypatch, ready_url)
    return bare


@pytest.fixture
def filled(filled_url: str, bare: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal on a filled database."""
    point(monkeypatch, filled_url)
    return bare


# ── a run that was recorded ──────────────────────────────────────────────────
@pytest.fixture(scope="session")
def recorded_run(sqlite_backend: Sqlite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded run in a file, to be copied."""
    url = sqlite_backend.clone()
    with Store.open(url) as store:
        _, clock = recorded(store, tmp_path_factory.mktemp("asked"), CYCLES)
        fill(store, clock.now_us())
    return Path(url.removeprefix("sqlite:///"))


@pytest.fixture
def desk_url(recorded_run: Path, tmp_path: Path) -> str:
    """A copy of it, for this test alone."""
    return f"sqlite:///{shutil.copy(recorded_run, tmp_path / 'run.db')}"


@pytest.fixture
def desk(desk_url: str, bare: Terminal, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal on that run."""
    monkeypatch.setenv("DAEMON_DATABASE_URL", desk_url)
    monkeypatch.setenv("DAEMON_POLICY_FILE", str(write_policy(bare.folder)))
    monkeypatch.setenv("DAEMON_SIGNALS", "{latency: {}, errors: {}}")
    monkeypatch.setenv("DAEMON_LOG_LEVEL", "error")
    return bare
