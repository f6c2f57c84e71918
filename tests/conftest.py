"""What every test may ask for: a database of its own, and how hard Hypothesis tries."""

from __future__ import annotations

import gc
import logging
import os
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from daemon import log
from tests.memory import roomy
from tests.postgres import GivenServer, PostgresServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMON: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("dev", max_examples=30, **COMMON)
settings.register_profile("ci", max_examples=100, derandomize=True, print_blob=True, **COMMON)
settings.register_profile("nightly", max_examples=5_000, print_blob=True, **COMMON)
settings.load_profile(os.environ.get("DAEMON_TEST_PROFILE", "dev"))

PLAIN = [
    *structlog.get_config()["processors"][:-1],
    structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
]
"""How events are shown that no test looks at: a fault in a frame, with every variable
in colours, costs more than most tests."""


def pytest_configure() -> None:
    """Keep the folders of tests in memory, unless somebody wants them elsewhere."""
    memory = roomy()
    if memory is not None:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


def pytest_collection_finish() -> None:
    """Let the collector of garbage pass by what lives as long as the run.

    Ten thousand tests and all that they import are looked through again and again
    otherwise, which is a tenth of the time that the tests take.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@pytest.fixture(autouse=True)
def _log_as_it_was() -> Iterator[None]:
    """Take back what a test set up of the log: its stream may be gone with the test."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    log.settle()  # what was put off is over as well
    structlog.reset_defaults()
    structlog.configure(processors=PLAIN)
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
