"""Running a study: found or made by what it asks, gone on with where it was, and never twice.

Whatever ends it early, a signal, a person or a dead machine, leaves rows that hold:
the next run of the same study finds what is there, does the rest, and comes to what
one run would have come to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.clock import MICROS
from daemon.errors import DaemonError
from daemon.services.studying import finding, promote
from daemon.services.studying import outcome as words
from daemon.services.studying.aside import aside
from daemon.services.studying.claim import Ending, StudyClaim, StudyEnds
from daemon.services.studying.evaluating import Evaluator
from daemon.services.studying.gathering import gathered
from daemon.services.studying.layout import Layout
from daemon.services.studying.measuring import Measurer
from daemon.services.studying.outcome import Counts, StudyOutcome
from daemon.services.studying.searching import EXHAUSTED, FoldSearch
from daemon.services.studying.telling import Teller, trials_a_fold, trials_in_all
from daemon.services.studying.testing import FoldTest
from daemon.services.studying.wanted import StudyOptions, quiet
from daemon.services.sweeping.patience import patiently
from daemon.store import history, studies, trials
from daemon.store.history import Event
from daemon.store.studies import DONE, FAILED, STOPPED, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from daemon.services.studying.evidence import Evidence, Judged
    from daemon.services.studying.wanted import StudyProgress, StudyTools, StudyWanted
    from daemon.services.sweeping.judging.steps import Promoted
    from daemon.store.store import Tx
    from daemon.store.studies import FoldRow, Study

    Judge = Callable[[StudyTools, Evidence], Judged]

FAILURES = 10
"""Failed trials that are told to whoever asked for the run."""


def judged(tools: StudyTools, evidence: Evidence) -> Judged:
    """Say how far a winner may be luck; what that needs is loaded when it is needed."""
    from daemon.services.studying.judging import judge_study  # noqa: PLC0415 - slow, rarely needed

    return judge_study(tools, evidence)


@dataclass(slots=True)
class _Work:
    """One run at work."""

    layout: Layout
    claim: StudyClaim
    teller: Teller
    measurer: Measurer
    judged: Judged | None = None


class StudyRun:
    """One run of one study, by one process."""

    def __init__(
        self,
        tools: StudyTools,
        wanted: StudyWanted,
        options: StudyOptions | None = None,
        on_progress: Callable[[StudyProgress], None] = quiet,
        judge: Judge = judged,
    ) -> None:
        self.tools, self.wanted = tools, wanted
        self.options = options or StudyOptions()
        self._on_progress, self._judge = on_progress, judge
        self._began_us = tools.clock.elapsed_us()

    def run(self) -> StudyOutcome:
        """Search what is left of it, and judge it when all folds are done.

        Raises:
            InputError: nothing can be run, or there is nothing to go on with.
            StudyBusy: another process runs it.
            ExecutorFault: nothing runs any more; it can be gone on with.
        """
        layout = Layout(self.wanted, finding.data(self.tools, self.wanted, self.options))
        study = finding.study(self.tools, layout, resume=self.options.resume)
        if self._finished(study):
            return self._nothing_to_do(study)
        return self._run(study, layout)

    # ── what is left ─────────────────────────────────────────────────────────
    def _finished(self, study: Study) -> bool:
        """Tell whether nothing is left to do: all folds are over, and it was judged."""
        if study.state != DONE or (self.options.judge and study.judged_at_us is None):
            return False
        with self.tools.store.read() as view:
            folds = studies.folds(view, study.id)
        return not any(self._open(study, fold, study.spent_s) for fold in folds)

    def _open(self, study: Study, fold: FoldRow, spent_s: float) -> bool:
        """Tell whether more is to be tried in a fold."""
        if fold.ended is None:
            return True
        if fold.ended == EXHAUSTED or fold.trials >= trials_a_fold(self.wanted):
            return False
        return not self._late(fold.fold, study.folds, spent_s)

    def _late(self, fold: int, folds: int, spent_s: float) -> bool:
        """Tell whether the time of a fold is over: each has its share, and what is left before."""
        minutes = self.wanted.budget.minutes
        return minutes is not None and spent_s >= minutes * 60 * fold / folds

    def _nothing_to_do(self, study: Study) -> StudyOutcome:
        said = words.nothing_to_do(study)
        event = Event(
            at_us=self.tools.clock.now_us(),
            kind="study.nothing_to_do",
            ref=str(study.id),
            body={"reason": said},
        )
        patiently(self.tools, lambda tx: history.append(tx, event))
        promoted = promote.promote(self.tools, self.wanted, study)
        return self._outcome(study, said, promoted=promoted, nothing_to_do=True)

    # ── the run ──────────────────────────────────────────────────────────────
    def _run(self, study: Study, layout: Layout) -> StudyOutcome:
        claim = StudyClaim(self.tools, study.id, self.options.max_minutes)
        study = claim.take()
        ending: Ending | None = Ending(STOPPED, "it was cut off")
        before = study
        work: _Work | None = None
        try:
            work = self._begun(study, layout, claim)
            try:
                self._work(study, work)
                ending = None
            except StudyEnds as ends:
                ending = ends.ending
            except DaemonError as error:
                ending = Ending(FAILED, error.message)
                raise
            finally:
                work.measurer.evaluator.close()
        finally:
            if ending is not None:
                self._let_go(claim, ending)
        return self._ended(self._read(study.id), before, ending, work.judged)

    def _ended(
        self,
        study: Study,
        before: Study,
        ending: Ending | None,
        judged: Judged | None,
    ) -> StudyOutcome:
        """Say what the run came to; what was declared is proposed."""
        counts = Counts(
            trials=study.trials_finished - before.trials_finished,
            known=study.trials_known - before.trials_known,
            failed=study.trials_failed - before.trials_failed,
        )
        with self.tools.store.read() as view:
            folds = studies.folds(view, study.id)
        said = words.told(study, counts, ending, folds)
        if ending is not None:
            return self._outcome(study, said, counts=counts)
        if judged is not None:
            said = f"{said}; {judged.said}"
        promoted = promote.promote(self.tools, self.wanted, study)
        return self._outcome(study, said, counts=counts, promoted=promoted, judged=judged)

    def _begun(self, study: Study, layout: Layout, claim: StudyClaim) -> _Work:
        """Have the study asked as it is now; what was made of it before is open again."""
        total = trials_in_all(self.wanted, layout.count)
        spec = finding.spec(layout)
        teller = Teller(self.tools, study, claim, self.wanted, self._on_progress)

        def write(tx: Tx) -> None:
            studies.ask(tx, study.id, spec, total)
            studies.forget_judgement(tx, study.id)

        patiently(self.tools, write)
        timeout_s = self.options.job_timeout_s
        evaluator = Evaluator(self.tools.executor, timeout_s, teller.pulse)
        return _Work(layout, claim, teller, Measurer(self.tools, evaluator))

    def _work(self, study: Study, work: _Work) -> None:
        """Search and test one fold after the other, then judge all of it."""
        with self.tools.store.read() as view:
            folds = studies.folds(view, study.id)
        for fold in folds:
            work.teller.pulse()
            if self._open(study, fold, work.claim.spent_s()):
                self._search(study, work, fold.fold)
            work.teller.enter(fold.fold, "testing")
            FoldTest(self.tools, work.layout, work.measurer, work.teller, fold.fold).run()
        verdict = self._judged(study, work) if self.options.judge else None
        self._finish(study, work, verdict)

    def _search(self, study: Study, work: _Work, fold: int) -> None:
        work.teller.enter(fold, "searching")
        patiently(self.tools, lambda tx: studies.reopen_fold(tx, study.id, fold))
        search = FoldSearch(self.tools, work.layout, work.measurer, work.teller, fold)
        why = search.run(lambda: self._late(fold, study.folds, work.claim.spent_s()))
        now_us = self.tools.clock.now_us()
        patiently(self.tools, lambda tx: studies.end_fold(tx, study.id, fold, why, now_us))

    # ── the end ──────────────────────────────────────────────────────────────
    def _judged(self, study: Study, work: _Work) -> Verdict | None:
        """Say how far the winner may be luck."""
        work.teller.enter(study.folds, "judging")
        over: list[StudyEnds] = []

        def go_on() -> None:
            if over:
                raise over[0]

        def pulse() -> None:
            try:
                work.teller.pulse()
            except StudyEnds as ends:
                over.append(ends)
                raise

        def judge() -> Judged:
            found = gathered(self.tools.store, work.layout, study.id, go_on)
            return self._judge(self.tools, found)

        work.judged = found = aside(judge, pulse)
        return Verdict(declared=found.declared, winner_n=found.winner_n, report=found.report)

    def _finish(self, study: Study, work: _Work, verdict: Verdict | None) -> None:
        """Write down that it is done, what was made of it, and where its trials stand."""
        places = () if work.judged is None else work.judged.places
        runner = self.tools.runner
        said = None if work.judged is None else work.judged.said

        def write(tx: Tx) -> None:
            now_us, elapsed_us = self.tools.clock.now_us(), self.tools.clock.elapsed_us()
            studies.beat(tx, study.id, runner, work.claim.said(elapsed_us))
            if not studies.finish(tx, study.id, runner, verdict, now_us):
                raise StudyEnds(Ending(STOPPED, "another process has taken it"))
            if verdict is not None:
                trials.put_places(tx, study.id, places)
            body = {"name": study.name, "declared": verdict and verdict.declared, "said": said}
            history.append(
                tx, Event(at_us=now_us, kind="study.finished", ref=str(study.id), body=body)
            )

        patiently(self.tools, write)

    def _let_go(self, claim: StudyClaim, ending: Ending) -> None:
        """Say why it ended, and that nobody works on it now."""
        runner, number = self.tools.runner, claim.study_id

        def write(tx: Tx) -> None:
            now_us, elapsed_us = self.tools.clock.now_us(), self.tools.clock.elapsed_us()
            studies.beat(tx, number, runner, claim.said(elapsed_us))
            studies.settle(tx, number, runner, (ending.state, ending.note), now_us)

        patiently(self.tools, write)

    def _read(self, study_id: int) -> Study:
        with self.tools.store.read() as view:
            study = studies.get(view, study_id)
        assert study is not None  # noqa: S101 - nobody removes it
        return study

    def _outcome(
        self,
        study: Study,
        said: str,
        *,
        counts: Counts | None = None,
        promoted: Sequence[Promoted] = (),
        judged: Judged | None = None,
        nothing_to_do: bool = False,
    ) -> StudyOutcome:
        counts = counts or Counts()
        with self.tools.store.read() as view:
            folds = studies.folds(view, study.id)
            report = studies.report(view, study.id)
            failed = trials.failures(view, study.id, FAILURES)
            winner = None
            if study.winner_n is not None:
                winner = trials.get(view, study.id, study.winner_n)
        return StudyOutcome(
            study_id=study.id,
            name=study.name,
            state=study.state,
            said=said,
            nothing_to_do=nothing_to_do,
            trials=study.trials_finished,
            known=counts.known,
            evaluated=counts.evaluated,
            done=study.trials_done,
            pruned=study.trials_pruned,
            failed=study.trials_failed,
            seconds=(self.tools.clock.elapsed_us() - self._began_us) / MICROS,
            declared=None if study.declared is None else bool(study.declared),
            winner_n=study.winner_n,
            winner=None if winner is None else winner.params,
            value=None if winner is None else winner.value,
            oos_value=None if winner is None else winner.oos_value,
            judged=judged,
            report=report,
            folds=folds,
            promoted=promoted,
            failures=[(row.n, row.error or "") for row in failed],
            warnings=() if judged is None else judged.warnings,
        )
