"""The configuration to begin with: what the daemon ships, laid where an operator can edit it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

QUOTES = ("data/sample_arbitrage_prices.csv", "data/sample_arbitrage_prices_eth.csv")
"""What the shipped sessions and studies are run on; they name it from where the directory stands.
"""


def lay_out(shipped: Path, directory: Path) -> list[tuple[Path, bool]]:
    """Copy each shipped file that is not there yet; returns every file, and whether it is new.

    A file that is there is somebody's work and stays as it is.
    """
    directory.mkdir(parents=True, exist_ok=True)
    configs = shipped / "configs"
    found = sorted(configs.rglob("*.yaml"), key=lambda path: (len(path.parts), path))
    places = [(source, directory / source.relative_to(configs)) for source in found]
    places += [(shipped / quotes, directory.parent / quotes) for quotes in QUOTES]
    return [(target, _copy(source, target)) for source, target in places]


def _copy(source: Path, target: Path) -> bool:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with target.open("xb") as file:
            file.write(source.read_bytes())
    except FileExistsError:
        return False
    return True
