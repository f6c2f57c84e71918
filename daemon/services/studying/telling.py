"""How far a study is: counted as it goes, told to whoever looks on, written with every beat."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.clock import MICROS
from daemon.services.studying.wanted import TRIALS_MAX, StudyProgress

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.ports import Told
    from daemon.services.studying.claim import StudyClaim
    from daemon.services.studying.wanted import StudyTools, StudyWanted
    from daemon.store.studies import Step, Study

SPAN_S = 30.0
"""The speed of a study is that of so many last seconds."""

SHOWN_S = 0.2
"""How often progress is told, at most."""


@dataclass(frozen=True, slots=True)
class Best:
    """The best trial of a fold so far that holds what it must."""

    n: int
    told: Told

    @property
    def value(self) -> float:
        """What it brought, of the first objective."""
        return (self.told.values or (math.nan,))[0]


def trials_a_fold(wanted: StudyWanted) -> int:
    """Say how many trials a fold has at most: its budget, and no more than there are cells."""
    limits = [wanted.budget.trials or TRIALS_MAX, TRIALS_MAX]
    if wanted.domain.cells is not None:
        limits.append(wanted.domain.cells)
    return min(limits)


def trials_in_all(wanted: StudyWanted, folds: int) -> int | None:
    """Say how many trials a study has at most; None where only its time is limited."""
    endless = wanted.budget.trials is None and wanted.domain.cells is None
    return None if endless else trials_a_fold(wanted) * folds


class Teller:
    """Counts, and tells."""

    def __init__(
        self,
        tools: StudyTools,
        study: Study,
        claim: StudyClaim,
        wanted: StudyWanted,
        on_progress: Callable[[StudyProgress], None],
    ) -> None:
        self._clock, self._claim, self._on_progress = tools.clock, claim, on_progress
        self.study_id, self._folds = study.id, study.folds
        self.budget = trials_a_fold(wanted)
        self._of = trials_in_all(wanted, study.folds)
        self._minutes = wanted.budget.minutes
        self.known, self.pruned, self.failed = (
            study.trials_known,
            study.trials_pruned,
            study.trials_failed,
        )
        self.trials = study.trials_finished
        self.fold, self.phase = 1, "searching"
        self.best: Best | None = None
        self._shown_us = 0
        self._pace: deque[tuple[int, int]] = deque([(self._clock.elapsed_us(), self.trials)])

    def pulse(self) -> None:
        """Do what must be done every moment: live, hear, show."""
        self._claim.pulse()
        self.show()

    def enter(self, fold: int, phase: str) -> None:
        """Say what is being done now."""
        self.fold, self.phase = fold, phase
        if phase == "searching":
            self.best = None
        self.show(at_once=True)

    def counted(self, step: Step, best: Best | None) -> None:
        """Take note of trials that are finished and written."""
        self.trials += step.done + step.failed + step.pruned
        self.known += step.known
        self.pruned += step.pruned
        self.failed += step.failed
        self.best = best
        self._claim.trials_per_s, self._claim.eta_s = self._speed()
        self.pulse()

    def _speed(self) -> tuple[float | None, float | None]:
        """Say how fast it goes, and when it will be done: by its trials or by its time."""
        now_us = self._clock.elapsed_us()
        if now_us > self._pace[-1][0]:
            self._pace.append((now_us, self.trials))
        while len(self._pace) > 2 and self._pace[1][0] < now_us - SPAN_S * MICROS:  # noqa: PLR2004 - both ends of the span
            self._pace.popleft()
        since_us, before = self._pace[0]
        rate = None
        if now_us > since_us and self.trials > before:
            rate = (self.trials - before) * MICROS / (now_us - since_us)
        left = []
        if rate is not None and self._of is not None:
            left.append(max(0, self._of - self.trials) / rate)
        if self._minutes is not None:
            left.append(max(0.0, self._minutes * 60 - self._claim.spent_s()))
        return rate, min(left) if left else None

    def progress(self) -> StudyProgress:
        """Say how far it is."""
        best = self.best
        return StudyProgress(
            study_id=self.study_id,
            fold=self.fold,
            folds=self._folds,
            trials=self.trials,
            of=self._of,
            known=self.known,
            pruned=self.pruned,
            failed=self.failed,
            best=None if best is None else best.value,
            best_params=None if best is None else dict(best.told.point),
            trials_per_s=self._claim.trials_per_s,
            eta_s=self._claim.eta_s,
            phase=self.phase,
        )

    def show(self, *, at_once: bool = False) -> None:
        """Tell how far it is, to whoever looks on; not too often."""
        now_us = self._clock.elapsed_us()
        if at_once or now_us - self._shown_us >= SHOWN_S * MICROS:
            self._shown_us = now_us
            self._on_progress(self.progress())
