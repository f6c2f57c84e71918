"""``sweeps`` in ``configs/daemon.yaml``: with what means sessions are run."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from daemon.config.section import Section


class Sweeps(Section):
    """With what means sessions are run."""

    cache_dir: Path = Field(
        default=Path("var/cache"),
        strict=False,
        description="Where quotes are kept that were parsed, for all workers to map into memory."
        " A folder on a fast disk of this machine saves most; what lies there may be deleted at"
        " any time, and is parsed again.",
    )
    cache_mb: int = Field(
        default=2_048,
        ge=0,
        le=1_000_000,
        description="Megabytes that this folder may hold; what was not used for longest goes first."
        " More parses fewer files again; 0 keeps nothing, and parses every file every time.",
    )
    data_root: Path = Field(
        default=Path(),
        strict=False,
        description="The folder below which quotes are read for studies that programs hand in by"
        " HTTP; links that lead out of it are not followed. Without it, the folder in which the"
        " service was started. Commands of this machine read any file that their user may.",
    )
    workers: int = Field(
        default=0,
        ge=0,
        le=1_024,
        description="Processes that run backtests beside each other; 0 for one on each core. Fewer"
        " leave more of the machine to the governed system, if it runs there.",
    )
    rows_max: int = Field(
        default=50_000,
        ge=0,
        le=10_000_000,
        description="Jobs up to which every result of a session is a row of its own. Larger"
        " sessions keep blocks of results, and only the best and the failed as rows: smaller and"
        " faster, and `daemon session export` reads both; with more rows, more can be asked by"
        " SQL.",
    )
    max_cells: int = Field(
        default=10_000_000,
        ge=1,
        le=1_000_000_000,
        description="Jobs that a session may have, after `max_jobs`. More are refused before"
        " anything is computed; a higher limit lets a grid run that was a slip of the pen.",
    )
