"""What tests of studies share: domains, samplers that follow a seed, and stores that die."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import func, select

from daemon.search.studies.domain import Domain, Real, Whole
from daemon.search.studies.folds import Scheme
from daemon.search.studies.objective import Aim
from daemon.services.studying.evidence import Judged, TrialPlace
from daemon.services.studying.run import StudyRun
from daemon.services.studying.wanted import (
    Budget,
    Dataset,
    SamplerSpec,
    StudyOptions,
    StudyTools,
    StudyWanted,
)
from daemon.store.tables import results, studies, trial_results, trials
from tests.sweeping_kit import DATA, Bank, Clock, Hand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.ports import Told
    from daemon.search.studies.domain import Point
    from daemon.services.studying.evidence import Evidence
    from daemon.services.studying.outcome import StudyOutcome
    from daemon.store.store import Store

FIXED = {
    "taker_fee_a_bps": 1,
    "taker_fee_b_bps": 1,
    "slippage_bps": 0,
    "max_position_usd": 1000,
    "exit_model": "quoted",
}
FINE = Domain(
    (
        Real("min_spread_bps", 1, 40, step=0.5),
        Whole("max_open_trades", 1, 6),
    )
)
"""474 cells."""

SMOOTH = Domain((Real("min_spread_bps", 1, 40), Real("slippage_bps", 0, 3, step=0.5)))
FOLDS = Scheme(folds=2, test_share=0.2, purge_rows=5)


# ── samplers ─────────────────────────────────────────────────────────────────
@dataclass
class Climber:
    """Proposes near the best it was told of, at random otherwise; often what it had before."""

    domain: Domain
    seed: int
    maximize: bool = True
    known: list[Told] = field(default_factory=list)
    asked: int = 0

    def ask(self, count: int, batch: int) -> list[Point]:
        self.asked += count
        draw = np.random.default_rng([self.seed, batch])
        shares = draw.random((count, len(self.domain.axes)))
        best = self._best()
        if best is not None:
            near = np.nan_to_num(self.domain.unit([best])[0], nan=0.5)
            shares[: count // 2] = np.clip(
                near + draw.normal(0, 0.05, shares[: count // 2].shape), 0, 1 - 1e-9
            )
        return self.domain.back(shares)

    def tell(self, told: Sequence[Told]) -> None:
        self.known += told

    def _best(self) -> Point | None:
        sound = [one for one in self.known if one.values is not None and one.violation <= 0]
        if not sound:
            return None
        sign = 1 if self.maximize else -1
        return min(sound, key=lambda one: (-sign * one.values[0], self.domain.key(one.point))).point


def climbers(spec: SamplerSpec, domain: Domain, aim: Aim, seed: int) -> Climber:
    return Climber(domain, seed, aim.objectives[0].maximize)


# ── judges ───────────────────────────────────────────────────────────────────
def lenient(tools: StudyTools, evidence: Evidence) -> Judged:
    """Declare the choice of the last fold, whatever it is."""
    del tools
    last = evidence.folds[-1]
    winner = None if last.chosen is None else int(last.numbers[last.chosen])
    places = [
        TrialPlace(n=int(fold.numbers[place]), rank=rank)
        for fold in evidence.folds
        for rank, place in enumerate(
            evidence.wanted.aim.order(fold.values, fold.violation).places.tolist(), 1
        )
    ]
    report = {"said": "it is declared", "elsewhere": evidence.elsewhere, "tried": evidence.tried}
    return Judged(
        declared=winner is not None,
        said="it is declared",
        winner_n=winner,
        report=report,
        places=places,
    )


def strict(tools: StudyTools, evidence: Evidence) -> Judged:
    """Declare nobody."""
    return replace(lenient(tools, evidence), declared=False, winner_n=None)


# ── running ──────────────────────────────────────────────────────────────────
def tools(store: Store, executor=None, **changed) -> StudyTools:
    hand = executor or Hand()
    make = hand if callable(hand) else lambda: hand
    plain = {"clock": Clock(), "bank": Bank(), "runner": "test/boot/ns/1/1", "sampler": climbers}
    return StudyTools(store=store, executor=make, **(plain | changed))


def wanted(**changed) -> StudyWanted:
    plain = {
        "name": "night",
        "domain": FINE,
        "fixed": FIXED,
        "data": (Dataset(symbol="btc", path=Path(DATA)),),
        "sampler": SamplerSpec(kind="climber"),
        "aim": Aim(),
        "budget": Budget(trials=24),
        "batch": 8,
        "scheme": FOLDS,
        "seed": 3,
    }
    return StudyWanted(**(plain | changed))


def run(used: StudyTools, asked: StudyWanted | None = None, **options) -> StudyOutcome:
    """Run a study, judged by somebody who declares whatever was chosen."""
    judge = options.pop("judged_by", lenient)
    told = options.pop("on_progress", lambda progress: None)
    return StudyRun(used, asked or wanted(), StudyOptions(**options), told, judge).run()


# ── looking ──────────────────────────────────────────────────────────────────
NOT_COMPARED = {"study_id", "known"}
"""Which number a study has, and whether somebody else had tried something, is no finding."""


def found(store: Store, study_id: int | None = None) -> list[tuple]:
    """All that a study found, the newest one: its trials in order, and what belongs to them."""
    columns = [column for column in trials.c if column.name not in NOT_COMPARED]
    joined = trial_results.join(results, results.c.key == trial_results.c.result_key)
    parts = (
        *(trial_results.c.n, trial_results.c.symbol, trial_results.c.part),
        *(results.c.key, results.c.realized_pnl_usd, results.c.max_drawdown_pct),
    )
    with store.read() as view:
        if study_id is None:
            study_id = view.execute(select(func.max(studies.c.id))).scalar_one()
        mine = trials.select().where(trials.c.study_id == study_id).order_by(trials.c.n)
        rows = [tuple(row) for row in view.execute(mine.with_only_columns(*columns))]
        linked = joined.select().where(trial_results.c.study_id == study_id)
        order = linked.order_by(trial_results.c.n, trial_results.c.symbol, trial_results.c.part)
        rows += [tuple(row) for row in view.execute(order.with_only_columns(*parts))]
    return rows


def row_of(store: Store, study_id: int = 1) -> dict:
    """A study's row."""
    with store.read() as view:
        return dict(view.execute(studies.select().where(studies.c.id == study_id)).mappings().one())
