"""A command loads what it needs: the libraries it does not need are what made starts slow."""

import subprocess
import sys

import pytest

from daemon import app
from daemon.cli.main import run

SLOW = (
    "alembic",
    "apscheduler",
    "asyncio.base_events",
    "fastapi",
    "httpx",
    "numpy",
    "prometheus_client",
    "rich",
    "sqlalchemy",
    "structlog",
    "uvicorn",
    "yaml",
)

LOADED = """
import sys
from daemon.cli.main import run
code = run({!r})
print("loaded:", *sorted(set({!r}) & set(sys.modules)), file=sys.stderr)
sys.exit(code)
"""


@pytest.fixture
def furnished(tmp_path, monkeypatch):
    """A folder with a configuration and a database."""
    monkeypatch.chdir(tmp_path)
    assert run(["config", "init", "configs"]) == 0
    assert run(["db", "upgrade"]) == 0


def loaded(*arguments):
    """Run a command in a process of its own, and name the slow libraries in it at the end."""
    code = LOADED.format(list(arguments), [*SLOW, "numpy.ma"])
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    *_, last = done.stderr.splitlines()
    assert last.startswith("loaded:"), done.stderr
    return set(last.split()[1:])


def test_a_status_needs_the_database_and_the_settings(furnished):
    assert loaded("ctl", "status") == {"sqlalchemy", "asyncio.base_events", "yaml"}


def test_settings_are_judged_without_a_database(furnished):
    assert loaded("config", "show") <= {"rich", "yaml"}


def test_a_service_loads_neither_adapters_nor_migrations_that_nobody_asked_for(
    furnished, monkeypatch
):
    monkeypatch.setenv("DAEMON_TIME_LAPSE_SPEED", "100")
    monkeypatch.setenv("DAEMON_TIME_LAPSE_SINCE", "2026-11-21T10:00:00Z")
    found = loaded("run", "--once")
    assert {"numpy", "sqlalchemy", "structlog"} <= found
    assert not found & {"alembic", "apscheduler", "fastapi", "httpx", "numpy.ma", "uvicorn"}


@pytest.mark.parametrize("name", app.__all__)
def test_whatever_a_door_may_ask_for_is_there(name):
    assert getattr(app, name) is not None


def test_what_nobody_has_is_said():
    with pytest.raises(AttributeError, match="no attribute 'hammer'"):
        _ = app.hammer
