"""Searching a fold: batches are proposed, written down, evaluated, and told to who proposes.

What was proposed follows from the seed and from what was told. So a search that was
cut off anywhere goes on as if it had not been: what it finds written is told again,
what was asked for and not answered is evaluated, and nothing is asked for twice.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon.clock import MICROS
from daemon.errors import StoreError
from daemon.ports import Told
from daemon.search.studies.novelty import Novelty
from daemon.services.studying.aside import aside
from daemon.services.studying.measuring import drawn, linked
from daemon.services.studying.telling import Best
from daemon.services.studying.wanted import StudyBusy
from daemon.services.sweeping.patience import patiently
from daemon.store import results, studies, trials
from daemon.store.studies import PROBE, TRAIN, Step
from daemon.store.trials import ASKED, DONE, FAILED, PRUNED, Answer, NewTrial

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from daemon.ports import Sampler
    from daemon.search.studies.domain import Point
    from daemon.services.studying.layout import Layout
    from daemon.services.studying.measuring import Drawn, Measured, Measurer
    from daemon.services.studying.telling import Teller
    from daemon.services.studying.wanted import StudyTools
    from daemon.store.store import Tx

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

SPENT, EXHAUSTED, LATE = "its trials are used up", "no combination is left", "its time is over"
"""Why no more is tried in a fold."""

DIGITS = 10
"""So many digits of a value count for the search."""

PATIENCE_S = 0.5
"""Where the next batch takes longer to be proposed, answers are written before it is."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A trial that was asked for."""

    n: int
    point: Point


def seed_of(seed: int, fold: int) -> int:
    """Give every fold a seed of its own."""
    named = hashlib.sha256(f"{seed}\n{fold}".encode()).digest()
    return int.from_bytes(named[:4], "big") >> 1


def rounded(values: Sequence[float] | None) -> tuple[float, ...] | None:
    """Give values without the digits in which a metric may differ by who is evaluated beside.

    What is proposed next would else depend on what was known already.
    """
    return None if values is None else tuple(float(f"{value:.{DIGITS}g}") for value in values)


class FoldSearch:
    """The search of one fold, on its training rows."""

    def __init__(
        self, tools: StudyTools, layout: Layout, measurer: Measurer, teller: Teller, fold: int
    ) -> None:
        self.tools, self.layout, self.measurer = tools, layout, measurer
        self.teller, self.fold = teller, fold
        self.wanted = layout.wanted
        self._seed = seed = seed_of(self.wanted.seed, fold)
        self._sampler: Sampler | None = None
        self._novelty = Novelty(self.wanted.domain, seed)
        self._stretches = layout.cut(fold, TRAIN)
        self._probes = layout.cut(fold, PROBE) if self.wanted.pruning is not None else []
        self._asked_for = 0
        self._batch = 0
        self._told: list[Told] = []
        self._unwritten: tuple[Callable[[Tx], None], Step] | None = None
        self._asking_s = 0.0
        self.best: Best | None = None

    # ── the loop ─────────────────────────────────────────────────────────────
    def run(self, over: Callable[[], bool]) -> str:
        """Search until nothing more is to be tried; gives why. ``over``: its time is up."""
        pending = self._remembered()
        while True:
            if pending:
                self._evaluate(pending)
            most = self.teller.budget - self._asked_for
            why = SPENT if most <= 0 else LATE if over() else None
            pending = [] if why else self._ask(min(self.wanted.batch, most))
            if not pending:
                self._write()
                return why or EXHAUSTED

    def _remembered(self) -> list[_Asked]:
        """Take up what stands there; gives what was asked for and has no answer."""
        with self.tools.store.read(patient=True) as view:
            rows = trials.of_fold(view, self.teller.study_id, self.fold)
        points = [self.wanted.domain.snap(row.params) for row in rows]
        self._asked_for = len(rows)
        self._batch = max((row.batch for row in rows), default=0)
        self._novelty.seen(points)
        told = [
            Told(
                point=point,
                values=rounded(row.values),
                violation=row.violation or 0.0,
                batch=row.batch,
            )
            for row, point in zip(rows, points, strict=True)
        ]
        finished = [place for place, row in enumerate(rows) if row.state != ASKED]
        self._told = [told[place] for place in finished]
        self._improve([(rows[place].n, told[place]) for place in finished])
        asked = [place for place, row in enumerate(rows) if row.state == ASKED]
        return [_Asked(rows[place].n, points[place]) for place in asked]

    # ── asking ───────────────────────────────────────────────────────────────
    def _ask(self, count: int) -> list[_Asked]:
        """Propose a batch, and write it down before anything is done with it."""
        batch = self._batch + 1
        if self._asking_s > PATIENCE_S:
            self._write()
        points = self._proposals(count, batch)
        if not points:
            return []
        first, folds = self._asked_for, self.layout.count
        asked = [
            _Asked((first + place) * folds + self.fold, point) for place, point in enumerate(points)
        ]
        new = [
            NewTrial(n=one.n, params=one.point, cell=self.wanted.domain.key(one.point))
            for one in asked
        ]
        self._write(lambda tx: trials.ask(tx, self.teller.study_id, self.fold, batch, new))
        self._batch = batch
        self._asked_for += len(asked)
        return asked

    def _proposals(self, count: int, batch: int) -> list[Point]:
        """Have a batch proposed; what was answered before is kept, if it is to end meanwhile."""
        clock = self.tools.clock
        began_us = clock.elapsed_us()
        try:
            return aside(lambda: self._proposed(count, batch), self.teller.pulse)
        except (StoreError, StudyBusy):
            raise
        except Exception:
            self._write()
            raise
        finally:
            self._asking_s = (clock.elapsed_us() - began_us) / MICROS

    def _proposed(self, count: int, batch: int) -> list[Point]:
        """Ask the sampler, which hears first what became of what it asked for before."""
        sampler, wanted = self._sampler, self.wanted
        if sampler is None:
            sampler = self.tools.sampler(wanted.sampler, wanted.domain, wanted.aim, self._seed)
            self._sampler = sampler
        if self._told:
            told, self._told = self._told, []
            sampler.tell(told)
        return self._novelty.fresh(sampler.ask(count, batch), batch, count)

    # ── evaluating ───────────────────────────────────────────────────────────
    def _evaluate(self, asked: Sequence[_Asked]) -> None:
        """Evaluate a batch, and write down what became of it."""
        points = [one.point for one in asked]
        whole = drawn(self.wanted, points)
        probed = self._probe(whole) if self._probes else None
        kept = whole if probed is None else whole.only(self._better(probed))
        found = self.measurer.measure(kept, self._stretches)
        answers = self._answers(asked, whole, probed, found)
        told = [
            Told(
                point=one.point,
                values=rounded(answer.values),
                violation=answer.violation or 0.0,
                batch=self._batch,
            )
            for one, answer in zip(asked, answers, strict=True)
        ]
        self._improve([(one.n, what) for one, what in zip(asked, told, strict=True)])
        self._keep(asked, answers, [one for one in (probed, found) if one is not None])
        self._told += told

    def _probe(self, whole: Drawn) -> Measured:
        """Try a batch on a share of its rows."""
        return self.measurer.measure(whole, self._probes)

    def _better(self, probed: Measured) -> Ints:
        """Choose those of a batch that go on, by their places."""
        pruning = self.wanted.pruning
        assert pruning is not None  # noqa: S101 - there is a probe
        aim = self.wanted.aim
        sound = np.array([place not in probed.errors for place in probed.places.tolist()], np.bool_)
        values = np.where(sound[:, None], aim.values(probed.pooled), np.nan)
        order = aim.order(values, aim.violation(probed.pooled)).places
        silent = np.setdiff1d(np.flatnonzero(sound), order, assume_unique=True)
        most = max(1, math.ceil(pruning.keep * np.count_nonzero(sound)))
        return probed.places[np.concatenate((order, silent))[:most]]

    def _answers(
        self,
        asked: Sequence[_Asked],
        whole: Drawn,
        probed: Measured | None,
        found: Measured,
    ) -> list[Answer]:
        """Say what became of every trial of a batch."""
        values = self.wanted.aim.values(found.pooled)
        violation = self.wanted.aim.violation(found.pooled)
        row_of = {place: row for row, place in enumerate(found.places.tolist())}
        errors = {**whole.refused, **(probed.errors if probed is not None else {}), **found.errors}
        known = dict(zip(found.places.tolist(), found.known.tolist(), strict=True))
        if probed is not None:
            for place, there in zip(probed.places.tolist(), probed.known.tolist(), strict=True):
                known[place] = there and known.get(place, True)
        answers = []
        for place, one in enumerate(asked):
            if place in errors:
                answers.append(Answer(n=one.n, state=FAILED, error=errors[place]))
                continue
            if place not in row_of:
                answers.append(Answer(n=one.n, state=PRUNED, known=known[place]))
                continue
            row = row_of[place]
            mine = values[row].tolist()
            answers.append(
                Answer(
                    n=one.n,
                    state=DONE,
                    known=known[place],
                    values=mine if all(map(math.isfinite, mine)) else None,
                    violation=float(violation[row]),
                )
            )
        return answers

    def _keep(
        self, asked: Sequence[_Asked], answers: Sequence[Answer], measured: Sequence[Measured]
    ) -> None:
        """Keep a batch, its results and how far the study is, to be written: all or nothing."""
        numbers = [one.n for one in asked]
        failed = {one.n for one in answers if one.state == FAILED}
        links = [link for one in measured for link in linked(one, numbers) if link.n not in failed]
        study_id = self.teller.study_id

        def write(tx: Tx) -> None:
            open_still = trials.unanswered(tx, study_id, numbers)
            for one in measured:
                for new in one.new:
                    results.add(tx, new)
            trials.answer(tx, study_id, answers)
            trials.link(tx, study_id, links)
            studies.advance(tx, study_id, self._step([x for x in answers if x.n in open_still]))

        self._unwritten = write, self._step(answers)

    def _step(self, answers: Sequence[Answer]) -> Step:
        """Count what became of trials."""
        return Step(
            fold=self.fold,
            done=sum(one.state == DONE for one in answers),
            failed=sum(one.state == FAILED for one in answers),
            pruned=sum(one.state == PRUNED for one in answers),
            known=sum(one.known for one in answers),
            best_value=None if self.best is None else self.best.value,
            best_n=None if self.best is None else self.best.n,
        )

    def _write(self, ask: Callable[[Tx], object] | None = None) -> None:
        """Write down what was answered, and what is asked next, in one transaction."""
        answered, self._unwritten = self._unwritten, None
        if answered is None and ask is None:
            return

        def write(tx: Tx) -> None:
            if ask is not None:
                ask(tx)
            if answered is not None:
                answered[0](tx)

        patiently(self.tools, write)
        if answered is not None:
            self.teller.counted(answered[1], self.best)

    # ── the best so far ──────────────────────────────────────────────────────
    def _improve(self, told: Sequence[tuple[int, Told]]) -> None:
        """Compare trials with the best so far; of equal ones the first stays the best."""
        ahead = [] if self.best is None else [self.best]
        rivals = [*ahead, *(Best(n, one) for n, one in told if one.values is not None)]
        if not rivals:
            return
        values = np.array([one.told.values for one in rivals], np.float64)
        violation = np.array([one.told.violation for one in rivals])
        place = self.wanted.aim.order(values, violation).best
        if place is not None:
            self.best = rivals[place]
