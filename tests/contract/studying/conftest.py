"""Studies are held to real files and a real server; a database in memory adds nothing to that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.conftest import BOTH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.store.store import Store
    from tests.contract.databases import Backend


@pytest.fixture(params=BOTH)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    backend: Backend = request.getfixturevalue(f"{request.param}_backend")
    with backend.opened() as opened:
        yield opened
