"""Sessions from Python: plan what a session file would plan, and read what it brought.

    from daemon.sessions import ParamGrid, TuningSessionConfig, TuningSessionPlanner

    config = TuningSessionConfig(
        data_file="data/sample_arbitrage_prices.csv",
        taker_fee_a_bps=5,
        taker_fee_b_bps=5,
        slippage_bps=5,
        max_position_usd=1000,
        grids=[ParamGrid("min_spread_bps", [20, 30, 40])],
        tag_prefix="sess001",
    )
    for job in TuningSessionPlanner(config).generate_jobs():
        print(job.job_id, job.config, job.output_json)

Names and meanings are those of the session file, and so are the refusals: they
come as `ValueError`, with everything that is wrong. The work is done elsewhere;
this is what other programs import.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from daemon.config.session_file import LoadedSession, load_session, session_of
from daemon.search.names import ORDER
from daemon.session_results import (
    AggregatedJobResult,
    AggregatedSummary,
    TuningResultsAggregator,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Self

    from daemon.search.plan import Plan

__all__ = [
    "AggregatedJobResult",
    "AggregatedSummary",
    "ParamGrid",
    "PlannedJobs",
    "TuningJobPlan",
    "TuningResultsAggregator",
    "TuningSessionConfig",
    "TuningSessionPlanner",
]


@dataclass
class ParamGrid:
    """One parameter and the values that are tried; any sequence of numbers will do."""

    name: str
    values: Sequence[Any]

    def __post_init__(self) -> None:
        self.values = [_plain(value) for value in self.values]


@dataclass
class TuningSessionConfig:
    """What a session file says, by the names of its keys.

    Raises:
        ValueError: it would be refused in a file as well; with everything that is wrong.
    """

    data_file: str
    min_spread_bps: float | None = None
    taker_fee_a_bps: float | None = None
    taker_fee_b_bps: float | None = None
    slippage_bps: float | None = None
    max_position_usd: float | None = None
    max_open_trades: int = 1
    initial_balance_usd: float = 10_000.0
    stop_on_drawdown_pct: float | None = None
    grids: list[ParamGrid] = field(default_factory=list)
    max_jobs: int | None = None
    tag_prefix: str | None = None
    exit_model: str | None = None
    exchange_a_to_b_rate: float | None = None
    fixed: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None
    skip_bad_rows: bool = False
    job_timeout_s: float = 300.0
    rank: Mapping[str, Any] = field(default_factory=dict)
    promote: Sequence[str] = ()

    def __post_init__(self) -> None:
        self.data_file = str(self.data_file)
        self.grids = [_grid(grid) for grid in self.grids]
        for key in ORDER:
            setattr(self, key, _plain(getattr(self, key)))
        self.loaded()

    @classmethod
    def from_file(cls, path: Path | str) -> Self:
        """Read a session file.

        Raises:
            ValueError: with every problem of the file.
        """
        return cls(**load_session(Path(path)).session.model_dump(exclude_unset=True))

    def loaded(self) -> LoadedSession:
        """Judge it as it stands now.

        Raises:
            ValueError: it would be refused in a file as well.
        """
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        values["grids"] = [{"name": grid.name, "values": grid.values} for grid in self.grids]
        values["fixed"] = {name: _plain(value) for name, value in dict(self.fixed).items()}
        values["rank"], values["promote"] = dict(self.rank), list(self.promote)
        return session_of(values)


@dataclass(frozen=True)
class TuningJobPlan:
    """One job of a session."""

    job_id: str
    config: dict[str, Any]
    output_json: str


class PlannedJobs(Sequence[TuningJobPlan]):
    """The jobs of a session, in order: each is made when it is asked for, and none is kept."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def __len__(self) -> int:
        return self._plan.jobs

    @overload
    def __getitem__(self, place: int) -> TuningJobPlan: ...

    @overload
    def __getitem__(self, place: slice) -> list[TuningJobPlan]: ...

    def __getitem__(self, place: int | slice) -> TuningJobPlan | list[TuningJobPlan]:
        if isinstance(place, slice):
            return [self._job(n) for n in range(1, len(self) + 1)[place]]
        return self._job(range(1, len(self) + 1)[place])

    def __iter__(self) -> Iterator[TuningJobPlan]:
        return (self._job(n) for n in range(1, len(self) + 1))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, list | tuple | PlannedJobs):
            return NotImplemented
        return len(self) == len(other) and all(map(operator.eq, self, other))

    __hash__ = None  # type: ignore[assignment]  # like a list

    def __repr__(self) -> str:
        return f"<{len(self):,} jobs, {self[0].job_id} to {self[-1].job_id}>"

    def _job(self, n: int) -> TuningJobPlan:
        job = self._plan.job(n)
        return TuningJobPlan(job.job_id, job.config, job.output_json)


class TuningSessionPlanner:
    """Plans the jobs of a session."""

    def __init__(self, config: TuningSessionConfig) -> None:
        self.config = config

    def generate_jobs(self) -> PlannedJobs:
        """Give the jobs, in the order in which a session file plans them.

        Raises:
            ValueError: the session would be refused in a file as well.
        """
        return PlannedJobs(self.config.loaded().plan())


def _plain(value: Any) -> Any:
    """Take a number out of NumPy's hands: it is written as Python writes it."""
    return value.item() if isinstance(value, np.generic) else value


def _grid(grid: Any) -> ParamGrid:
    return ParamGrid(**grid) if isinstance(grid, dict) else grid
