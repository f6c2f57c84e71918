"""A loop on a database of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from daemon.services import invariants
from tests.loop_kit import Loop, Shaky

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from daemon.store.store import Store
    from tests.contract.databases import Memory


@pytest.fixture
def lake(memory_backend: Memory) -> Iterator[Store]:
    """A database in memory: what the loop does is the same on all, and the journal is held to all.

    Whatever a test did, no promise of the record may be broken afterwards.
    """
    with memory_backend.opened() as opened:
        yield Shaky(opened)
        with opened.read() as view:
            assert not [str(one) for one in invariants.of_record(view, None)]


@pytest.fixture
def make(lake: Store, tmp_path: Path) -> Callable[..., Loop]:
    """Start a loop under the usual policy, with some words of it replaced."""

    def start(*changes: tuple[str, str]) -> Loop:
        return Loop(lake, tmp_path, *changes)

    return start


@pytest.fixture
def loop(make: Callable[..., Loop]) -> Loop:
    """A loop that may go live."""
    return make()
