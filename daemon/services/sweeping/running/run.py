"""Running a session: found or made by what it asks, gone on with where it was, and never twice.

Whatever ends it early, a signal, a person or a dead machine, leaves rows that hold:
the next run of the same session finds what is there and does the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from daemon.clock import MICROS, iso
from daemon.errors import DaemonError, Exit, InputError
from daemon.market.metrics import ENGINE_VERSION
from daemon.ports import ExecutorFault
from daemon.search.plan import within
from daemon.services.sweeping import keys
from daemon.services.sweeping.judging import promote, ranked
from daemon.services.sweeping.patience import patiently
from daemon.services.sweeping.running import filing, outputs
from daemon.services.sweeping.running.block_book import BlockBook
from daemon.services.sweeping.running.claim import Claim
from daemon.services.sweeping.running.conveyor import Conveyor, How, ranges
from daemon.services.sweeping.running.ledger import Ledger
from daemon.services.sweeping.running.row_book import RowBook
from daemon.services.sweeping.running.words import Ending, jobs, nothing_to_resume, said
from daemon.services.sweeping.wanted import Options, quiet
from daemon.store import history, results, sessions
from daemon.store.history import Event
from daemon.store.sessions import BLOCKS, CANCELLED, DONE, FAILED, ROWS, STOPPED, NewSession

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from daemon.ports import LoadedQuotes
    from daemon.services.sweeping.fresh import Fresh
    from daemon.services.sweeping.judging.promote import Promoted
    from daemon.services.sweeping.judging.ranked import Finding, Ranking
    from daemon.services.sweeping.running.tasks import Book
    from daemon.services.sweeping.wanted import Progress, Tools, Wanted
    from daemon.store.sessions import Session
    from daemon.store.store import Tx

CODES = {DONE: Exit.DONE, STOPPED: Exit.TRY_AGAIN}
"""What a run ends with, by the state in which it leaves its session; 1 otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a run."""

    session_id: int
    name: str
    state: str
    """As this run leaves its share of the jobs; the session may have others."""
    total: int
    done: int
    failed: int
    known: int = 0
    """Jobs that this run did not evaluate, because their results were there."""
    evaluated: int = 0
    seconds: float = 0.0
    said: str
    """All of it in a sentence."""
    nothing_to_do: bool = False
    ranking: Ranking | None = None
    promoted: Sequence[Promoted] = ()
    failures: Sequence[tuple[str, str]] = ()
    """The first jobs that failed in this run, and why."""
    warnings: Sequence[str] = field(default_factory=tuple)

    unranked: bool = False
    """All jobs are done, and it was asked to end before they were ranked."""

    @property
    def exit_code(self) -> Exit:
        """What a command that did this ends with."""
        if self.unranked:
            return Exit.TRY_AGAIN
        if self.nothing_to_do:
            return Exit.DONE
        if self.state == DONE and self.failed:
            return Exit.FAILED
        return CODES.get(self.state, Exit.FAILED)


class SessionRun:
    """One run of one session, by one process."""

    def __init__(
        self,
        tools: Tools,
        wanted: Wanted,
        options: Options | None = None,
        on_progress: Callable[[Progress], None] = quiet,
    ) -> None:
        self.tools, self.wanted = tools, wanted
        self.options = options or Options()
        self._on_progress = on_progress
        self._began_us = tools.clock.elapsed_us()

    def run(self) -> Outcome:
        """Run what is left of it, and rank it when all is done.

        Raises:
            InputError: nothing can be run, or there is nothing to go on with.
            SessionBusy: another process runs it.
            ExecutorFault: nothing runs any more; it can be gone on with.
        """
        plan = self.wanted.plan
        if plan.missing:
            raise InputError(
                f"{self.wanted.name}: {', '.join(plan.missing)} must be given",
                hint="write them into the session file, or into a grid",
            )
        within(plan, self.options.max_cells)
        if self.options.write_json:
            outputs.check(self.tools.root, plan)
        loaded = self.tools.bank.load(
            self.wanted.data_path, skip_bad_rows=self.wanted.skip_bad_rows
        )
        session = self._found(loaded)
        again = self.options.retry_failed and session.jobs_failed > 0
        if session.jobs_left == 0 and not again:
            return self._nothing_to_do(session, loaded)
        return self._run(session, loaded)

    # ── which session ────────────────────────────────────────────────────────
    def _found(self, loaded: LoadedQuotes) -> Session:
        """Find the session that asks this, or make it.

        Raises:
            InputError: there should be one, and there is none.
        """
        plan, quotes = self.wanted.plan, loaded.quotes
        new = NewSession(
            identity=keys.identity(self.wanted.name, plan.digest(), quotes.digest),
            name=self.wanted.name,
            spec=self.wanted.document(),
            plan_digest=plan.digest(),
            space_digest=plan.space_digest(),
            data_file=plan.data_file,
            data_digest=quotes.digest,
            data_rows=len(quotes),
            engine_version=ENGINE_VERSION,
            jobs_total=plan.jobs,
            cells=plan.cells,
            layout=self._layout(plan.jobs),
            created_at_us=self.tools.clock.now_us(),
        )
        if self.options.resume:
            with self.tools.store.read() as view:
                found = sessions.of_identity(view, new.identity)
                other = sessions.newest(view, new.name)
            if found is None:
                raise nothing_to_resume(new, other)
            return found
        return patiently(self.tools, lambda tx: sessions.found_or_made(tx, new))[0]

    def _layout(self, jobs: int) -> str:
        """Choose where results stand; who wants to stop at a failure wants to see it alone."""
        few = jobs <= self.options.rows_max or self.options.stop_on_error
        return ROWS if few else BLOCKS

    def _nothing_to_do(self, session: Session, loaded: LoadedQuotes) -> Outcome:
        """Say that it was done before; what was cut off after its last job is made up for."""
        if self.options.write_json:
            filing.make_up(self.tools, self.wanted.plan, session)
        ranking: Ranking | None = None
        promoted: Sequence[Promoted] = ()
        if session.state != DONE:
            patiently(self.tools, lambda tx: self._finish(tx, session.id))
        if session.ranked_at_us is None:
            ranking, promoted = self._rank(session.id, loaded)
        elif self.wanted.promote:
            found = ranked.remembered(self.tools.store, session)
            promoted = self._promoted(found)
        at = iso(session.finished_at_us or session.created_at_us)
        said = (
            f"nothing to do: {session.name} was finished as session {session.id} at {at}, and"
            " neither its jobs nor the data nor the engine have changed since"
        )
        if session.jobs_failed:
            said += f"; {jobs(session.jobs_failed)} failed: --retry-failed tries again"
        self._tell("session.nothing_to_do", session, {"reason": said})
        return Outcome(
            session_id=session.id,
            name=session.name,
            state=DONE,
            total=session.jobs_total,
            done=session.jobs_done,
            failed=session.jobs_failed,
            seconds=self._seconds(),
            said=said,
            nothing_to_do=True,
            ranking=ranking,
            promoted=promoted,
        )

    # ── the run ──────────────────────────────────────────────────────────────
    def _run(self, session: Session, loaded: LoadedQuotes) -> Outcome:
        claim = Claim(self.tools, session.id, self.options.shard)
        claim.take()
        ending: Ending | None = Ending(STOPPED, "it was cut off")
        finished = False
        try:
            session = self._prepared(session.id)
            ledger = Ledger(self.tools, session, self.wanted.plan, self._on_progress)
            ledger.pulse = lambda: claim.beat(ledger.jobs_per_s())
            ledger.over = lambda: self.tools.stop() is not None or claim.cancelled
            try:
                ending = self._work(claim, ledger, self._conveyor(ledger, loaded))
            except DaemonError as error:
                ending = Ending(FAILED, error.message)
                raise
        finally:
            finished = patiently(self.tools, lambda tx: self._let_go(tx, claim, ending))
        ledger.show(at_once=True)
        if not finished:
            return self._outcome(ledger, ending)
        try:
            ranking, promoted = self._rank(session.id, loaded, ledger.fresh)
        except ranked.RankingStopped as stopped:
            return replace(self._outcome(ledger, ending), said=stopped.message, unranked=True)
        return replace(self._outcome(ledger, ending), ranking=ranking, promoted=promoted)

    def _prepared(self, session_id: int) -> Session:
        """Read the session as it is now; failures that are tried again have not happened."""
        with self.tools.store.read() as view:
            session = sessions.get(view, session_id)
        assert session is not None  # noqa: S101 - it was claimed
        if self.options.retry_failed and session.layout == ROWS and session.jobs_failed:
            patiently(self.tools, lambda tx: _forget(tx, session))
            return self._read(session_id)
        return session

    def _read(self, session_id: int) -> Session:
        with self.tools.store.read() as view:
            session = sessions.get(view, session_id)
        assert session is not None  # noqa: S101 - nobody removes it
        return session

    def _conveyor(self, ledger: Ledger, loaded: LoadedQuotes) -> Conveyor:
        files = None
        if self.options.write_json:
            files = outputs.OutputFiles(self.tools.root, ledger.plan, ledger.session)
            filing.make_up(self.tools, ledger.plan, ledger.session)
        book: Book = RowBook(ledger, files)
        if ledger.session.layout == BLOCKS:
            book = BlockBook(ledger, files, retry=self.options.retry_failed)
        todo = ranges(ledger.session.jobs_total, self.options.shard, book.piece)
        careful = self.options.stop_on_error
        how = How(
            self.options.job_timeout_s,
            careful=careful,
            over=lambda: careful and ledger.counts.failed > 0,
        )
        return Conveyor(book, loaded.quotes, todo, self.tools.executor, how)

    def _work(self, claim: Claim, ledger: Ledger, conveyor: Conveyor) -> Ending | None:
        """Do what is left; says why it was ended early, if it was."""
        try:
            while not conveyor.finished:
                ending = self._ended(claim, ledger)
                if ending is not None:
                    conveyor.leave()
                    return ending
                conveyor.step()
                ledger.pulse()
                ledger.show()
        except ExecutorFault:
            conveyor.leave()
            raise
        finally:
            conveyor.close()
        return self._ended(claim, ledger) if ledger.late() else None

    def _ended(self, claim: Claim, ledger: Ledger) -> Ending | None:
        why = self.tools.stop()
        if why is not None:
            return Ending(STOPPED, f"it was asked to end ({why})")
        if claim.cancelled:
            return Ending(CANCELLED, "it was cancelled")
        if self.options.stop_on_error and ledger.counts.failed:
            job_id, error = ledger.counts.failures[0]
            return Ending(FAILED, f"it ended at the first job that failed: {job_id}: {error}")
        return None

    # ── the end ──────────────────────────────────────────────────────────────
    def _let_go(self, tx: Tx, claim: Claim, ending: Ending | None) -> bool:
        """Let go of the share; True for the run that finds all jobs of the session finished."""
        now_us = self.tools.clock.now_us()
        session_id = claim.share.session_id
        alone = sessions.let_go(tx, claim.share, now_us)
        if self._finish(tx, session_id):
            return True
        if alone:
            state, note = STOPPED, "jobs of other shares are left"
            if ending is not None:
                state, note = ending.state, ending.note
            sessions.settle(tx, session_id, state, now_us, note)
        return False

    def _finish(self, tx: Tx, session_id: int) -> bool:
        now_us = self.tools.clock.now_us()
        if not sessions.finish(tx, session_id, now_us):
            return False
        session = sessions.get(tx, session_id)
        assert session is not None  # noqa: S101 - it is finished
        body = {"name": session.name, "jobs": session.jobs_total, "failed": session.jobs_failed}
        history.append(
            tx, Event(at_us=now_us, kind="session.finished", ref=str(session_id), body=body)
        )
        return True

    def _rank(
        self, session_id: int, loaded: LoadedQuotes, fresh: Fresh | None = None
    ) -> tuple[Ranking, Sequence[Promoted]]:
        asked = ranked.Asking(
            filters=self.wanted.filters,
            max_results=self.options.max_results,
            fast=self.options.fast,
        )
        session = self._read(session_id)
        ranking = ranked.rank_known(self.tools, session, asked, loaded.quotes, fresh=fresh)
        return ranking, self._promoted(ranking)

    def _promoted(self, found: Finding | None) -> Sequence[Promoted]:
        if not self.wanted.promote or found is None:
            return ()
        return promote.promote(self.tools, found, self.wanted.promote)

    def _tell(self, kind: str, session: Session, body: dict[str, object]) -> None:
        event = Event(at_us=self.tools.clock.now_us(), kind=kind, ref=str(session.id), body=body)
        patiently(self.tools, lambda tx: history.append(tx, event))

    def _seconds(self) -> float:
        return (self.tools.clock.elapsed_us() - self._began_us) / MICROS

    def _outcome(
        self,
        ledger: Ledger,
        ending: Ending | None,
    ) -> Outcome:
        session, counts = self._read(ledger.session.id), ledger.counts
        state = DONE if ending is None or session.state == DONE else ending.state
        failed = session.jobs_failed if self.options.shard[1] == 1 else counts.failed
        return Outcome(
            session_id=session.id,
            name=session.name,
            state=state,
            total=session.jobs_total,
            done=session.jobs_done,
            failed=failed,
            known=counts.known,
            evaluated=counts.evaluated,
            seconds=self._seconds(),
            said=said(session, ledger.counts, ending),
            failures=tuple(counts.failures),
        )


def _forget(tx: Tx, session: Session) -> None:
    """Have jobs that failed tried again."""
    count = results.forget_failures(tx, session.id, 1, session.jobs_total)
    sessions.advance(tx, session.id, done=0, failed=-count, evaluated=0)
