"""What every test may ask for: a database of its own, and how hard Hypothesis tries."""

from __future__ import annotations

import gc
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

from daemon import log
from tests.memory import roomy
from tests.postgres import GivenServer, PostgresServer

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

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

WORKERS_A_PROCESSOR = 2
"""Nearly half of their time tests wait: for processes, sockets, and one another."""

UNMEASURED = {Path(__file__).parent / room for room in ("simulation", "unit/benchmarks")}
"""Rooms that go through the same lines thousands of times."""


def pytest_configure() -> None:
    """Keep the folders of tests in memory, unless somebody wants them elsewhere."""
    memory = roomy()
    if memory is not None:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int | None:
    """Say how many workers `-n auto` is, where nobody else does."""
    if "PYTEST_XDIST_AUTO_NUM_WORKERS" in os.environ:
        return None
    return WORKERS_A_PROCESSOR * len(os.sched_getaffinity(0))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that nobody waits for it in the end.

    And measure what the examples that somebody chose reach. Properties and simulated
    runs take twice as long while every line is noted, and which lines they reach is chance.
    """
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
    for item in items:
        if item.get_closest_marker("hypothesis") or not UNMEASURED.isdisjoint(item.path.parents):
            item.add_marker("unmeasured")


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Have coverage look away while a test runs that is not measured.

    The marker of pytest-cov does not do that in a worker: there another collector,
    which was started before the one that it stops, takes over.
    """
    tracer = sys.gettrace()
    if item.get_closest_marker("unmeasured") is None or type(tracer).__module__ != "coverage":
        return (yield)
    sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(tracer)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let the collector of garbage pass by what lives as long as the run.

    Ten thousand tests and all that they import are looked through again and again
    otherwise, which is a tenth of the time that the tests take.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        gc.enable()


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
