"""What every test may ask for: a database of its own, and how hard Hypothesis tries."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.postgres import GivenServer, PostgresServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMON: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("dev", max_examples=50, **COMMON)
settings.register_profile("ci", max_examples=300, derandomize=True, print_blob=True, **COMMON)
settings.register_profile("nightly", max_examples=5_000, print_blob=True, **COMMON)
settings.load_profile(os.environ.get("DAEMON_TEST_PROFILE", "dev"))


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    """Take back what a test set up of the log: its stream may be gone with the test."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[GivenServer]:
    """One server for the whole run. A test that stops or kills it starts its own instead."""
    given = os.environ.get("DAEMON_TEST_POSTGRES_URL")
    if given:
        yield GivenServer(given)
        return
    with PostgresServer() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: GivenServer) -> Iterator[str]:
    """An empty PostgreSQL database, for this test alone."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite database that does not exist yet, for this test alone."""
    return f"sqlite:///{tmp_path / 'test.db'}"
