"""Results from Python: read a directory of them, and rank what is there.

    from daemon.session_results import TuningResultsAggregator

    summary = TuningResultsAggregator("outputs/tuning/sess001", max_results=10).summarize()
    for job in summary.top_by_pnl:
        print(job.job_id, job.metrics["realized_pnl_usd"])

`daemon.sessions` gives the same names to other programs. The work is done in
`daemon/services/sweeping/`; this is what they import.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.search.ranking import Filters
from daemon.services.sweeping.judging.results_dir import AggregatedJobResult, load, summarize

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["AggregatedJobResult", "AggregatedSummary", "TuningResultsAggregator"]


@dataclass
class AggregatedSummary:
    """What a directory of results comes to."""

    total_jobs: int
    success_jobs: int
    error_jobs: int
    top_by_pnl: list[AggregatedJobResult]
    """The best that pass the filters, best first."""
    filters: dict[str, Any] = field(default_factory=dict)
    """Those that were set."""


class TuningResultsAggregator:
    """Reads and ranks the results of a directory.

    Raises:
        ValueError: a filter makes no sense, or fewer than no results are wanted.
    """

    def __init__(
        self,
        results_dir: str | PathLike[str],
        max_results: int = 100,
        max_drawdown_pct: float | None = None,
        min_trades: int | None = None,
    ) -> None:
        if max_results < 0:
            raise ValueError(f"max_results is {max_results}: it must be zero or more")
        self.results_dir = Path(results_dir)
        self.max_results = max_results
        self.max_drawdown_pct = max_drawdown_pct
        self.min_trades = min_trades
        self._filters = Filters(max_drawdown_pct=max_drawdown_pct, min_trades=min_trades)

    def load_results(self) -> list[AggregatedJobResult]:
        """Read every result, in the order of the job ids; what cannot be read is an error.

        Raises:
            InputError: there is no such directory.
        """
        return load(self.results_dir)

    def summarize(self) -> AggregatedSummary:
        """Read, filter and rank.

        Raises:
            InputError: there is no such directory.
        """
        found = summarize(self.load_results(), self._filters, self.max_results)
        return AggregatedSummary(
            total_jobs=found.total_jobs,
            success_jobs=found.success_jobs,
            error_jobs=found.error_jobs,
            top_by_pnl=[
                AggregatedJobResult(
                    entry.job_id, entry.tag, dict(entry.config), dict(entry.metrics), entry.status
                )
                for entry in found.top
            ],
            filters=found.filters.document(),
        )
