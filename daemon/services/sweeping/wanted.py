"""What a session is asked, what it is run with, and what is told of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.errors import DaemonError, Exit
from daemon.search.names import JOBS_MAX
from daemon.search.ranking import Filters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from daemon.clock import Clock
    from daemon.ports import JobExecutor, QuoteBank
    from daemon.search.plan import Planned
    from daemon.store.store import Store

ROWS_MAX = 50_000
"""Up to so many jobs each of them is a row; the results of more stand in blocks."""

RANKED_MAX = 1_000
"""So many of the best are written down; all of them can be ranked anew at any time."""

SHOWN = 10
MOST_EXACT_INT = 2**53


class SessionBusy(DaemonError):  # noqa: N818 - a state
    """Another process works on the session."""

    exit_code = Exit.TRY_AGAIN


def never() -> str | None:
    """Nobody wants it to end."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a session is asked."""

    name: str
    plan: Planned
    data_path: Path
    spec: Mapping[str, Any] = field(default_factory=dict)
    """The file that it was planned from, as JSON can hold it."""
    skip_bad_rows: bool = False
    promote: Sequence[str] = ()
    """Parameters whose best values are proposed for rules of the same names."""
    filters: Filters = field(default_factory=Filters)

    def document(self) -> dict[str, Any]:
        """Say it as the store keeps it."""
        asked: dict[str, Any] = storable(
            {
                "plan": self.plan.document(),
                "grids": list(self.plan.grids),
                "tag_prefix": self.plan.tag_prefix,
                "promote": list(self.promote),
                "filters": self.filters.document(),
                "file": dict(self.spec),
            }
        )
        return asked


def storable(value: Any) -> Any:
    """Give numbers that every reader of JSON reads alike."""
    if isinstance(value, dict):
        return {key: storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    if isinstance(value, int) and abs(value) > MOST_EXACT_INT:
        return str(value)
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """What a session is run with."""

    store: Store
    clock: Clock
    bank: QuoteBank
    executor: Callable[[], JobExecutor]
    """It is asked for when there is something to run, and closed afterwards."""
    runner: str
    """Who runs it: `runners.this_process`."""
    stop: Callable[[], str | None] = never
    """Why it should end; asked several times a second."""
    root: Path = Path()
    """The folder below which files may be written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a session is run."""

    resume: bool = False
    """There must be one to go on with."""
    stop_on_error: bool = False
    retry_failed: bool = False
    job_timeout_s: float = 300.0
    rows_max: int = ROWS_MAX
    max_cells: int = JOBS_MAX
    write_json: bool = False
    """Results are also written into files, where the jobs say."""
    shard: tuple[int, int] = (0, 1)
    """Which of so many shares of the jobs are run here; the first has number 0."""
    fast: bool = False
    """Rank without the statistics."""
    max_results: int = SHOWN
    """How many of the best are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a session is."""

    session_id: int
    total: int
    done: int
    failed: int
    known: int
    """Jobs of these whose results were there already."""
    jobs_per_s: float | None
    eta_s: float | None
    last_error: str | None = None

    @property
    def left(self) -> int:
        """Jobs that are not finished."""
        return self.total - self.done - self.failed


def quiet(progress: Progress) -> None:
    """Show nothing."""
    del progress
