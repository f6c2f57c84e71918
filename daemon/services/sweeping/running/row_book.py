"""Results as rows: every job is one, and has a result that others may share."""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.market.metrics import ENGINE_VERSION
from daemon.services.sweeping import rows
from daemon.services.sweeping.keys import canonical, error_key, result_keys, some
from daemon.services.sweeping.running.tasks import Task
from daemon.store import results
from daemon.store.results import DONE, FAILED, NewErrors, NewJobs, NewResults

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from daemon.market.metrics import Columns
    from daemon.search.drawing import Drawn
    from daemon.search.plan import Job, Planned
    from daemon.services.sweeping.running.ledger import Ledger
    from daemon.services.sweeping.running.outputs import OutputFiles
    from daemon.store.store import Tx

    Ints = NDArray[np.int64]


class RowBook:
    """Writes a row a job."""

    piece: int | None = None

    def __init__(self, ledger: Ledger, files: OutputFiles | None = None) -> None:
        self.ledger, self.plan, self.files = ledger, ledger.plan, files
        with ledger.tools.store.read() as view:
            self._any = results.any_of(view, ledger.data_digest)

    # ── taking up ────────────────────────────────────────────────────────────
    def open(self, first: int, last: int) -> Task | None:
        """Take up jobs: those that cannot be run, and whose results are there, are written."""
        ledger = self.ledger
        with ledger.tools.store.read() as view:
            finished = results.finished(view, ledger.session.id, first, last)
        numbers = np.setdiff1d(np.arange(first, last + 1), finished, assume_unique=True)
        if not len(numbers):
            return None
        drawn = self.plan.draw(numbers - 1)
        self._refuse(numbers, drawn)
        combinations = drawn.combinations
        texts = canonical(combinations)
        keys = result_keys(ledger.data_digest, texts)
        task = Task(
            numbers=numbers[drawn.places], combinations=combinations, texts=texts, keys=keys
        )
        known = self._known(keys)
        if not known:
            return task if len(task) else None
        there = np.fromiter((key in known for key in keys), np.bool_, len(keys))
        self._link(only(task, there))
        left = only(task, ~there)
        return left if len(left) else None

    def _known(self, keys: Sequence[str]) -> set[str]:
        """Say which results are there; where there were none of these data, nobody looks."""
        if not self._any:
            return set()
        with self.ledger.tools.store.read() as view:
            return results.known(view, keys)

    def until(self, first: int, last: int) -> int:
        """Say up to which job none has to be refused; the first one, if it has to be itself."""
        with self.ledger.tools.store.read() as view:
            finished = set(results.finished(view, self.ledger.session.id, first, last))
        drawn = self.plan.draw(np.arange(first - 1, last))
        refused = [place for place in drawn.errors if first + place not in finished]
        return last if not refused else first + max(0, min(refused) - 1)

    def _refuse(self, numbers: Ints, drawn: Drawn) -> None:
        """Write down the jobs that the engine refuses."""
        refused = [(int(numbers[place]), why, 0) for place, why in sorted(drawn.errors.items())]
        step = self.ledger.slice
        for start in range(0, len(refused), step):
            self._fail(refused[start : start + step])
            if self.ledger.late():
                return

    def _link(self, task: Task) -> None:
        """Write jobs whose results are there."""
        for part in self._slices(task):
            jobs = self._jobs(part, tries=0)
            if self.files is not None:
                with self.ledger.tools.store.read() as view:
                    found = results.read(view, part.keys)
                self.files.stored(part, [found[key] for key in part.keys])
            self._write(jobs, evaluated=False)
            if self.ledger.late():
                return

    # ── taking in ────────────────────────────────────────────────────────────
    def done(self, task: Task, columns: Columns, seconds: float) -> None:
        """Write results, some thousand at a time."""
        share_s = seconds / len(task)
        place = 0
        for part in self._slices(task):
            own = {name: column[place : place + len(part)] for name, column in columns.items()}
            place += len(part)
            if self.files is not None:
                self.files.fresh(part, own, share_s)
            new = NewResults(
                at_us=self.ledger.tools.clock.now_us(),
                engine_version=ENGINE_VERSION,
                data_digest=self.ledger.data_digest,
                keys=part.keys,
                params=part.texts,
                figures=rows.figures(own),
                metrics=rows.metric_texts(own),
                runtime_s=[share_s] * len(part),
            )
            self._write(self._jobs(part, tries=part.tries + 1), new)
            if self.ledger.fresh is not None:
                self.ledger.fresh.take(part.numbers, own)
            if self.ledger.late():
                return

    def failed(self, task: Task, reason: str) -> None:
        """Write down that a job cannot be run."""
        self._fail([(int(task.numbers[0]), reason, task.tries + 1)])

    def leave(self) -> None:
        """Nothing is left: rows are written when they come."""

    # ── rows ─────────────────────────────────────────────────────────────────
    def _slices(self, task: Task) -> list[Task]:
        step = self.ledger.slice
        return [task.part(start, start + step) for start in range(0, len(task), step)]

    def _jobs(self, task: Task, tries: int) -> NewJobs:
        numbers = task.numbers.tolist()
        return NewJobs(
            session_id=self.ledger.session.id,
            state=DONE,
            n=numbers,
            job_ids=[self.plan.job_id(n) for n in numbers],
            params=rows.own_texts(self.plan.grids, task.combinations),
            outputs=[] if self.files is None else [self.files.named(n) for n in numbers],
            attempts=[tries] * len(numbers),
            keys=task.keys,
        )

    def _write(
        self, jobs: NewJobs, new: NewResults | None = None, *, evaluated: bool = True
    ) -> None:
        def write(tx: Tx) -> int:
            if new is not None:
                results.add(tx, new)
            count = results.add_jobs(tx, jobs)
            self.ledger.advance(tx, done=count, evaluated=count if evaluated else 0)
            return count

        count = self.ledger.timed(len(jobs.n), write)
        if evaluated:
            self.ledger.count(done=count, evaluated=count)
        else:
            self.ledger.count(done=count, known=count)
        self.ledger.show()

    def _fail(self, jobs: Sequence[tuple[int, str, int]]) -> None:
        """Write down why jobs failed."""
        for n, reason, _ in jobs:
            self.ledger.note_failure(self.plan.job_id(n), reason)
        errors, failed = failures(self.ledger, jobs, self.files)

        def write(tx: Tx) -> int:
            results.add_errors(tx, errors)
            count = results.add_jobs(tx, failed)
            self.ledger.advance(tx, done=0, failed=count)
            return count

        self.ledger.count(failed=self.ledger.timed(len(jobs), write))
        self.ledger.show()


def only(task: Task, which: NDArray[np.bool_]) -> Task:
    """Take those of a task's jobs that are marked."""
    places = np.flatnonzero(which)
    return Task(
        numbers=task.numbers[places],
        combinations=some(task.combinations, places),
        texts=list(compress(task.texts, which.tolist())),
        keys=list(compress(task.keys, which.tolist())),
        tries=task.tries,
    )


Failed = tuple[NewErrors, NewJobs]


def failures(
    ledger: Ledger, jobs: Sequence[tuple[int, str, int]], files: OutputFiles | None
) -> Failed:
    """Make the rows of jobs that failed: which, why, after how many tries; write their files."""
    session, plan = ledger.session, ledger.plan
    errors = NewErrors(
        at_us=ledger.tools.clock.now_us(),
        engine_version=ENGINE_VERSION,
        data_digest=ledger.data_digest,
    )
    own: list[str] = []
    outputs: list[str | None] = []
    ids: list[str] = []
    for n, reason, _ in jobs:
        job = plan.job(n)
        told, differing = rows.refused(_parameters(plan, job), plan.grids)
        errors.keys.append(error_key(session.id, n))
        errors.params.append(told)
        errors.errors.append(reason)
        ids.append(job.job_id)
        own.append(differing)
        outputs.append(None if files is None else files.failed(job, reason))
    numbers = [n for n, _, _ in jobs]
    return errors, NewJobs(
        session_id=session.id,
        state=FAILED,
        n=numbers,
        job_ids=ids,
        params=own,
        outputs=outputs,
        attempts=[tries for _, _, tries in jobs],
        keys=errors.keys,
    )


def _parameters(plan: Planned, job: Job) -> Mapping[str, Any]:
    """Give all parameters of a job; as they were written, where the engine refuses them."""
    try:
        return plan.params(job.n).document()
    except ValueError:
        return job.config
