"""A station of its own for every test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine_kit import Station

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.contract.databases import Memory


@pytest.fixture
def found(memory_backend: Memory, tmp_path: Path) -> Iterator[Callable[..., Station]]:
    """Found a station under the usual policy, with some of its words replaced."""
    with memory_backend.opened() as opened:
        yield lambda *changes: Station(opened, tmp_path, *changes)


@pytest.fixture
def station(found: Callable[..., Station]) -> Station:
    """A station that may go live, and has not started."""
    made = found()
    made.calibrate()
    return made
