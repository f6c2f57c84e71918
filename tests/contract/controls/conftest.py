"""The governed systems that every contract of controls is held against."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.contract.controls import kits

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.contract.controls.kits import Kit
    from tests.postgres import GivenServer

POSTGRES = pytest.param("postgres", marks=pytest.mark.postgres)


@pytest.fixture(scope="session")
def governed_url(postgres_server: GivenServer) -> Iterator[str]:
    """A database of a server whose settings are moved; no test leaves anything in it."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
def build(tmp_path: Path, request: pytest.FixtureRequest):
    """Make a governed system by its name."""
    made: list[Kit] = []

    def make(name: str) -> Kit:
        kit: Kit
        if name == "postgres":
            kit = kits.PostgresKit(request.getfixturevalue("governed_url"))
        elif name in {"http", "shared"}:
            kit = kits.HttpKit() if name == "http" else kits.SharedHttpKit()
        else:
            kit = (kits.YamlKit if name == "yaml" else kits.CommandKit)(tmp_path)
        made.append(kit)
        return kit

    yield make
    for kit in made:
        kit.close()


@pytest.fixture(params=["yaml", "http", "shared", "command", POSTGRES])
def kit(request: pytest.FixtureRequest, build) -> Iterator[Kit]:
    """A governed system of each kind that there is."""
    return build(request.param)
