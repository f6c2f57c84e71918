"""The leader's side: what was handed in is run one after the other, as child processes.

The most important first, and of those the oldest; never two at once, and none is begun
while a command of the schedule runs. A child that dies is begun again after a pause, and
goes on where it was. When the daemon stops it is asked to end; the next leader takes it
up, and ends what a daemon that was killed has left running.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon import log
from daemon.clock import MICROS
from daemon.errors import DaemonError, Exit
from daemon.services.duties.child import Child, born, end_orphan
from daemon.store import studies, submissions
from daemon.store.submissions import CANCELLED, DONE, FAILED, STOPPED, Ending

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.clock import Clock
    from daemon.services.duties.children import Launch
    from daemon.services.duties.chores import Leader
    from daemon.store.store import Tx
    from daemon.store.submissions import Submission

_log = log.get(__name__)

WORDS = ("study", "submitted")
"""The command that runs one, before its number."""

TRIES_MAX = 8
"""How often one is begun that ends each time before it is done."""

PAUSE_S = 5.0
PAUSE_MAX_S = 300.0
"""How long it is left alone after a try, twice as long after each."""

RUN_S_MAX = 86_400.0
"""How long a try may take; a study that needs longer says so by `budget.minutes`."""

LOOK_S = 0.2
"""How often it is looked whether there is something to run, or to end."""

HEED_S = 0.6
"""How long a child may take to hear from its study that it is cancelled."""

GRACE_S = 10.0
"""How long a child may take to end when it is asked to."""

STOP_S = 3.0
"""How long it is waited for when the daemon stops."""

LAST_S = 2.0
"""How long a child that was killed is waited for."""

NAP_S = 0.05
CANCELLED_NOTE = "it was cancelled"
NOTE_MAX = 1_000
AGAIN = (Exit.TRY_AGAIN, Exit.IO)
"""Exit codes of a try that may come out better later."""


@dataclass(slots=True, kw_only=True)
class _Run:
    """What runs."""

    id: int
    child: Child
    since_us: int
    """On the elapsed clock."""
    cancelled_us: int | None = None
    asked_us: int | None = None
    late: bool = False


class Queue:
    """Runs what was handed in."""

    def __init__(
        self, launch: Launch, leader: Leader, clock: Clock, free: Callable[[], bool] = lambda: True
    ) -> None:
        self._launch = launch
        self._leader = leader
        self._clock = clock
        self._free = free
        self._run: _Run | None = None
        self._looked_us: int | None = None

    @property
    def running(self) -> int | None:
        """Which submission runs now."""
        return None if self._run is None else self._run.id

    def begin(self) -> None:
        """End what an earlier daemon left running; it is begun again."""
        with self._leader.read() as view:
            left = submissions.running(view)
        for one in left:
            child = one.child or {}
            here = self._launch.boot_id is not None and child.get("boot_id") == self._launch.boot_id
            pid, ticks = child.get("pid"), child.get("born")
            ended = here and pid is not None and ticks is not None and end_orphan(pid, ticks)
            _log.warning("submission_abandoned", submission=one.id, pid=pid, ended=ended)
            with self._leader.write() as tx:
                self._settle(tx, one, Ending(state=STOPPED, note="the daemon ended before it did"))

    def tick(self) -> None:
        """Look after what runs; if nothing does, begin what is due.

        Raises:
            NotLeader: somebody else leads now.
            StoreUnavailable: the database is away; what ended is written down later.
        """
        run, now_us = self._run, self._clock.elapsed_us()
        if run is not None and run.child.ended() is not None:
            self._write_end(run)
            return
        if self._looked_us is not None and now_us - self._looked_us < LOOK_S * MICROS:
            return
        self._looked_us = now_us
        if run is not None:
            self._watch(run, now_us)
        elif self._free():
            self._begin_next()

    def ask_to_end(self) -> None:
        """Begin to stop, because the daemon does."""
        if self._run is not None and self._run.child.ended() is None:
            self._run.child.ask_to_end()

    def close(self, grace_s: float = STOP_S) -> None:
        """End what runs, because the daemon stops; it goes on after the next start."""
        run, self._run = self._run, None
        if run is None:
            return
        run.child.ask_to_end()
        if not self._has_ended(run.child, grace_s):
            run.child.kill()
            if not self._has_ended(run.child, LAST_S):
                _log.error("child_does_not_end", child=run.child.name, pid=run.child.pid)
        done = run.child.ended() == Exit.DONE
        try:
            with self._leader.write() as tx:
                one = submissions.get(tx, run.id)
                note = "the daemon stopped; it goes on when it runs again"
                stopped = Ending(state=STOPPED, note=note, counted=False)
                if one is not None:
                    self._settle(tx, one, Ending(state=DONE, exit_code=0) if done else stopped)
        except DaemonError as error:  # the next leader finds it as after a crash
            _log.warning("submission_not_settled", submission=run.id, error=error.message)

    def _has_ended(self, child: Child, within_s: float) -> bool:
        """Wait for a child to end, but no longer."""
        until_us = self._clock.elapsed_us() + round(within_s * MICROS)
        while child.ended() is None:
            if self._clock.elapsed_us() >= until_us:
                return False
            self._clock.sleep(NAP_S)
        return True

    # ── one run ──────────────────────────────────────────────────────────────
    def _begin_next(self) -> None:
        with self._leader.read() as view:
            found = submissions.due(view, self._clock.now_us())
        if found is None:
            return
        with self._leader.write() as tx:
            if not submissions.take(tx, found.id, self._clock.now_us()):
                return
        name = f"submission {found.id}"
        argv = [*self._launch.argv, *WORDS, str(found.id)]
        try:
            child = Child(name, argv, self._launch.environ)
        except OSError as error:
            with self._leader.write() as tx:
                note = f"it cannot be started: {error.strerror}"
                self._settle_by_id(tx, found.id, Ending(state=STOPPED, note=note))
            return
        self._run = _Run(id=found.id, child=child, since_us=self._clock.elapsed_us())
        _log.info("submission_started", submission=found.id, study=found.name, pid=child.pid)
        told = {"pid": child.pid, "born": born(child.pid), "boot_id": self._launch.boot_id}
        with self._leader.write() as tx:
            submissions.run_by(tx, found.id, told)

    def _watch(self, run: _Run, now_us: int) -> None:
        """Have a child end that is cancelled or takes too long, and kill one that does not."""
        with self._leader.read() as view:
            one = submissions.get(view, run.id)
        if run.asked_us is not None:
            if now_us - run.asked_us >= GRACE_S * MICROS:
                run.child.kill()
            return
        if one is None or one.cancel_requested_at_us is not None:
            run.cancelled_us = now_us if run.cancelled_us is None else run.cancelled_us
            heeds = one is not None and one.study_id is not None
            if heeds and now_us - run.cancelled_us < HEED_S * MICROS:
                return  # its study was told, and is on record as cancelled
        elif now_us - run.since_us < RUN_S_MAX * MICROS:
            return
        else:
            run.late = True
        run.asked_us = now_us
        run.child.ask_to_end()

    def _write_end(self, run: _Run) -> None:
        code = run.child.ended()
        note = _last_words(run)
        with self._leader.write() as tx:
            one = submissions.get(tx, run.id)
            if one is not None:
                state = _state(tx, one, code, late=run.late)
                said = {DONE: None, CANCELLED: CANCELLED_NOTE}.get(state, note)
                self._settle(tx, one, Ending(state=state, note=said, exit_code=code))
        self._run = None
        _log.info("submission_ended", submission=run.id, exit_code=code)

    # ── how it came out ──────────────────────────────────────────────────────
    def _settle_by_id(self, tx: Tx, number: int, ending: Ending) -> None:
        one = submissions.get(tx, number)
        if one is not None:
            self._settle(tx, one, ending)

    def _settle(self, tx: Tx, one: Submission, ending: Ending) -> None:
        """Write down how a try came out; what was tried often enough has failed."""
        now_us = self._clock.now_us()
        if ending.state == STOPPED and one.cancel_requested_at_us is not None:
            ending = Ending(state=CANCELLED, note=CANCELLED_NOTE, exit_code=ending.exit_code)
        elif ending.state == STOPPED and ending.counted and one.tries >= TRIES_MAX:
            note = f"it was begun {one.tries} times and never came to its end: {ending.note}"
            ending = Ending(state=FAILED, note=note, exit_code=ending.exit_code)
        elif ending.state == STOPPED and ending.counted:
            pause_s = min(PAUSE_MAX_S, PAUSE_S * 2 ** (one.tries - 1))
            ending = Ending(
                state=STOPPED,
                note=ending.note,
                exit_code=ending.exit_code,
                again_at_us=now_us + round(pause_s * MICROS),
            )
        if ending.state == CANCELLED:
            _cancel_study(tx, one, now_us)
        submissions.settle(tx, one.id, ending, now_us)


def _cancel_study(tx: Tx, one: Submission, now_us: int) -> None:
    """Say of the study as well that it was cancelled, unless somebody else works on it."""
    study = None if one.study_id is None else studies.get(tx, one.study_id)
    if study is not None and study.runner is None and study.state == studies.STOPPED:
        studies.cancel(tx, study.id, now_us)


def _state(tx: Tx, one: Submission, code: int | None, *, late: bool) -> str:
    """Say what became of a submission by how its child ended."""
    if code == Exit.DONE:
        return DONE
    if one.cancel_requested_at_us is not None:
        return CANCELLED
    study = None if one.study_id is None else studies.get(tx, one.study_id)
    if study is not None and study.state == studies.CANCELLED:
        return CANCELLED
    if late:
        return FAILED
    return STOPPED if code is None or code < 0 or code in AGAIN else FAILED


def _last_words(run: _Run) -> str:
    """Give what a child said last: its error, if it told one."""
    if run.late:
        return f"it took longer than {RUN_S_MAX:,.0f} s"
    lines = list(run.child.tail)
    errors = [place for place, line in enumerate(lines) if line.startswith("error: ")]
    code = run.child.ended() or 0
    how = f"it was ended by signal {-code}" if code < 0 else f"it ended with {code}"
    told = "\n".join(lines[errors[-1] :] if errors else lines[-1:])
    return f"{how}: {told}"[:NOTE_MAX] if told else how
