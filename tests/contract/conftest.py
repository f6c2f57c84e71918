"""The databases that every contract is held against."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from daemon.store.engine import Options
from daemon.store.store import Store
from tests.contract.databases import Backend, Memory, Postgres, Sqlite

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres import GivenServer

BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
IMPATIENT = Options(busy_timeout_s=0.2)


@pytest.fixture(scope="session")
def sqlite_backend(tmp_path_factory: pytest.TempPathFactory) -> Sqlite:
    return Sqlite(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def memory_backend(tmp_path_factory: pytest.TempPathFactory) -> Memory:
    return Memory(tmp_path_factory.mktemp("memory"))


@pytest.fixture(scope="session")
def postgresql_backend(postgres_server: GivenServer) -> Iterator[Postgres]:
    with closing(Postgres(postgres_server)) as backend:
        yield backend


@pytest.fixture(params=BOTH)
def backend(request: pytest.FixtureRequest) -> Backend:
    return request.getfixturevalue(f"{request.param}_backend")


@pytest.fixture
def url(backend: Backend) -> Iterator[str]:
    """A database at the newest schema and without rows; its structure stays as it is."""
    with backend.lend() as lent:
        yield lent


@pytest.fixture
def own_url(backend: Backend) -> Iterator[str]:
    """A database at the newest schema, whose structure this test may change."""
    cloned = backend.clone()
    yield cloned
    backend.drop(cloned)


@pytest.fixture
def empty_url(backend: Backend) -> Iterator[str]:
    """A database of this test's own, without any schema."""
    created = backend.create()
    yield created
    backend.drop(created)


@pytest.fixture
def shared(url: str) -> Iterator[Store]:
    """A store on a database that others may open beside it."""
    with Store.open(url) as store:
        yield store


@pytest.fixture
def other(url: str) -> Iterator[Store]:
    """What another process would hold: the same database, opened once more."""
    with Store.open(url, IMPATIENT) as store:
        yield store


@pytest.fixture(params=["memory", *BOTH])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """A store that is alone with its database, on every database there is."""
    backend: Backend = request.getfixturevalue(f"{request.param}_backend")
    with backend.opened() as opened:
        yield opened
