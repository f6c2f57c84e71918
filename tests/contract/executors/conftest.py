"""Every kind of executor; the cluster is started once and shared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.executors.dask_cluster import DaskCluster
from tests.contract.executors.kits import DaskKit, Kit, LocalKit, a_market

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from daemon.market.quotes import Quotes


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskCluster]:
    """A scheduler and two workers. A test that kills a worker has another one started."""
    started = DaskCluster(tmp_path_factory.mktemp("dask"))
    yield started
    started.stop()


@pytest.fixture(params=["local", "dask"])
def kit(request: pytest.FixtureRequest) -> Iterator[Kit]:
    if request.param == "local":
        made: Kit = LocalKit()
    else:
        made = DaskKit(request.getfixturevalue("cluster"))
    yield made
    made.close()


@pytest.fixture(scope="session")
def market() -> Quotes:
    return a_market()


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    """Where slow batches say which process is at them."""
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder
