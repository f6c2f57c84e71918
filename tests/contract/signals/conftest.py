"""Every kind of source, ready to be fed and broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.signals.endpoint import Endpoint, an_endpoint
from tests.contract.signals.kits import PLAIN, Kit
from tests.contract.signals.kits_asked import (
    OpenMetricsKit,
    PostgresKit,
    PrometheusKit,
    SqliteKit,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.postgres import GivenServer

FILES = {**PLAIN, "sqlite": SqliteKit}
ASKED = {"prometheus": PrometheusKit, "openmetrics": OpenMetricsKit}
KINDS = [*FILES, *ASKED, pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with an_endpoint() as running:
        yield running


@pytest.fixture(scope="session")
def metrics_url(postgres_server: GivenServer) -> Iterator[str]:
    """A database that a source may ask, beside our own; each kit makes its table anew."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(params=KINDS)
def kit(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Kit]:
    if request.param in FILES:
        built = FILES[request.param](tmp_path)
    elif request.param in ASKED:
        built = ASKED[request.param](tmp_path, request.getfixturevalue("endpoint"))
    else:
        built = PostgresKit(tmp_path, request.getfixturevalue("metrics_url"))
    yield built
    built.close()
