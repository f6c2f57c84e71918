"""The configuration to begin with: what the daemon ships, laid where an operator can edit it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def lay_out(shipped: Path, directory: Path) -> list[tuple[Path, bool]]:
    """Copy each shipped file that is not there yet; returns every file, and whether it is new.

    A file that is there is somebody's work and stays as it is.
    """
    directory.mkdir(parents=True, exist_ok=True)
    return [
        (directory / source.name, _copy(source, directory / source.name))
        for source in sorted(shipped.glob("*.yaml"))
    ]


def _copy(source: Path, target: Path) -> bool:
    try:
        with target.open("xb") as file:
            file.write(source.read_bytes())
    except FileExistsError:
        return False
    return True
