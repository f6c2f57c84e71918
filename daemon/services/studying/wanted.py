"""What a study is asked, what it is run with, and what is told of it."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from daemon.errors import DaemonError, Exit
from daemon.market.metrics import ENGINE_VERSION
from daemon.services.sweeping.wanted import Tools, storable
from daemon.store.types import canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from daemon.ports import Sampler
    from daemon.search.studies.domain import Domain
    from daemon.search.studies.folds import Scheme
    from daemon.search.studies.objective import Aim
    from daemon.search.studies.triggers import Rules

BATCH = 16
"""Proposals that share one pass over the data, where nobody says otherwise."""

TRIALS = 200
TRIALS_MAX = 1_000_000
"""So many trials a fold may have at most, also where only its time is limited."""

SHOWN = 10
JOB_TIMEOUT_S = 300.0


class StudyBusy(DaemonError):  # noqa: N818 - a state
    """Another process works on the study."""

    exit_code = Exit.TRY_AGAIN


# ── what is asked ────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A file of quotes, and how much what it brings counts."""

    symbol: str
    path: Path
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerSpec:
    """Who proposes."""

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much may be tried: so many trials in each fold, so many minutes in all."""

    trials: int | None = TRIALS
    minutes: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """Try each batch on a share of the training rows first, and go on with the better ones."""

    share: float
    keep: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stress:
    """How a winner is put under stress."""

    costs_pct: float = 50.0
    shift_rows: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyWanted:
    """What a study is asked."""

    name: str
    domain: Domain
    fixed: Mapping[str, Any]
    data: tuple[Dataset, ...]
    sampler: SamplerSpec
    aim: Aim
    budget: Budget = field(default_factory=Budget)
    batch: int = BATCH
    pruning: Pruning | None = None
    seed: int = 0
    scheme: Scheme | None = None
    """None where all rows are training rows."""
    stress: Stress = field(default_factory=Stress)
    resamples: int = 500
    """Of the reality check."""
    skip_bad_rows: bool = False
    promote: tuple[str, ...] = ()
    """Parameters whose best values are proposed for rules of the same names."""
    max_results: int = SHOWN
    retrain: Rules | None = None
    """When it is to be run anew; None: never by itself."""
    body: Mapping[str, Any] = field(default_factory=dict)
    """The file that it was read from, as JSON can hold it."""

    def question(self) -> dict[str, Any]:
        """Give what changes what is proposed, or how it is judged; not of which rows."""
        asked: dict[str, Any] = storable(self._essence())
        return asked

    def _essence(self) -> dict[str, Any]:
        return {
            "domain": self.domain.document(),
            "fixed": dict(self.fixed),
            "symbols": [[one.symbol, one.weight] for one in self.data],
            "sampler": asdict(self.sampler),
            "aim": self.aim.document(),
            "batch": self.batch,
            "pruning": None if self.pruning is None else asdict(self.pruning),
            "seed": self.seed,
            "walk_forward": None if self.scheme is None else asdict(self.scheme),
            "stress": asdict(self.stress),
            "resamples": self.resamples,
        }

    def document(self) -> dict[str, Any]:
        """Say it as the store keeps it."""
        asked: dict[str, Any] = storable(
            {
                **self._essence(),
                "data": [
                    {"symbol": one.symbol, "file": str(one.path), "weight": one.weight}
                    for one in self.data
                ],
                "budget": asdict(self.budget),
                "skip_bad_rows": self.skip_bad_rows,
                "promote": list(self.promote),
                "max_results": self.max_results,
                "retrain": None if self.retrain is None else asdict(self.retrain),
                "file": dict(self.body),
            }
        )
        return asked

    def identity(self, digests: Sequence[str]) -> str:
        """Name the study: who asks the same of the same data by the same engine means this one."""
        return _named("study", self.name, canonical(self.question()), *digests, ENGINE_VERSION)


def data_digest(digests: Sequence[str]) -> str:
    """Name all data of a study together; one file is named as it is everywhere else."""
    return digests[0] if len(digests) == 1 else _named("data", *digests)


def part_digest(digest: str, first: int, last: int, rows: int) -> str:
    """Name some rows of data that have so many; all of them are named as the data are."""
    return digest if (first, last) == (0, rows - 1) else _named("rows", digest, first, last)


def _named(*parts: object) -> str:
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


# ── with what ────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True, kw_only=True)
class StudyTools(Tools):
    """What a study is run with: what sessions are run with, and who proposes."""

    sampler: Callable[[SamplerSpec, Domain, Aim, int], Sampler]
    """Make one, for a seed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyOptions:
    """How a study is run."""

    resume: bool = False
    """There must be one to go on with."""
    job_timeout_s: float = JOB_TIMEOUT_S
    judge: bool = True
    """Say how far the winner may be luck when all folds are done."""
    max_minutes: float | None = None
    """A limit of this process, beside the budget of the study."""
    data_of: int | None = None
    """Go on with the rows that this study had, if somebody has kept them."""


# ── what is told ─────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True, kw_only=True)
class StudyProgress:
    """How far a study is."""

    study_id: int
    fold: int
    """From 1; the fold at hand."""
    folds: int
    trials: int
    """Trials of all folds that are finished: done, pruned or failed."""
    of: int | None
    """How many there will be at most; None where only time limits them."""
    known: int = 0
    pruned: int = 0
    failed: int = 0
    best: float | None = None
    """The best value of the fold at hand."""
    best_params: Mapping[str, Any] | None = None
    trials_per_s: float | None = None
    eta_s: float | None = None
    phase: str = "searching"
    """`searching`, `testing` (on rows that nothing was chosen on) or `judging`."""


def quiet(progress: StudyProgress) -> None:
    """Show nothing."""
    del progress
