"""Commands that run by the calendar, as child processes: sweeps must not disturb the loop.

One at a time, the most important of those that wait first; never two of the same.
At its time-out, at the end of its window or when the daemon stops, a child is asked
to end (SIGTERM) and killed ten seconds later, with all that it started. Time-outs are
counted on the elapsed clock. What a daemon has left running is ended by the next
one, so that nothing runs unwatched, and begun again where its window still allows it.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from daemon import log
from daemon.clock import MICROS
from daemon.services.duties import chores
from daemon.services.duties.child import Child, born, end_orphan
from daemon.services.duties.chores import ABANDONED, DONE, FAILED, KILLED, RUNNING
from daemon.services.duties.timetable import Entry, Recurring, Timetable
from daemon.services.watching.alerting import Kind
from daemon.store import chores as records
from daemon.store import history
from daemon.tuning.vocabulary import Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from daemon.clock import Clock
    from daemon.config.cron import Window
    from daemon.config.schedule import Scheduled
    from daemon.services.duties.chores import Caller, Leader
    from daemon.services.duties.timetable import Due, Now, Timer
    from daemon.store.store import Tx

_log = log.get(__name__)

PREFIX = "schedule."
"""What the rows of scheduled commands begin with, so that none is called like a chore."""

GRACE_S = 10.0
"""How long a child may take to end when it is asked to."""

ATTEMPTS_MAX = 3
"""How often a run is begun whose daemon ends each time: it may be the reason."""

LAST_S = 2.0
"""How long a child that was killed is waited for: the kernel may be waiting for a disk."""

LOOK_S = 0.05
"""How often a child is looked at that has been asked to end, when the daemon stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A command that runs by the calendar."""

    name: str
    words: Sequence[str]
    """What stands after the name of our program."""
    timer: Timer
    window: Window | None = None
    priority: int = 0
    timeout_s: float = 21_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How our own program is started."""

    argv: Sequence[str]
    """The program, with what all its commands are given."""
    environ: Mapping[str, str] = field(default_factory=dict)
    boot_id: str | None = None


@dataclass(slots=True, kw_only=True)
class _Run:
    """A job that runs, or has ended and is not written down yet."""

    job: Job
    due: Due
    since: Now
    deadline_us: int
    """On the elapsed clock."""
    why: str
    """Why it is stopped when the deadline is reached."""
    child: Child | None = None
    ended: Now | None = None
    exit_code: int | None = None
    stopped: str | None = None
    """Why it was stopped, if it was."""
    asked_us: int | None = None
    error: str | None = None


class Children:
    """The commands of the schedule."""

    def __init__(  # noqa: PLR0913 - a service is composed of so many parts
        self,
        jobs: Iterable[Job],
        launch: Launch,
        leader: Leader,
        clock: Clock,
        caller: Caller,
        *,
        at_once: int = 1,
        grace_s: float = GRACE_S,
    ) -> None:
        self._jobs = {job.name: job for job in jobs}
        self._launch = launch
        self._leader = leader
        self._clock = clock
        self._caller = caller
        self._at_once = at_once
        self._grace_us = round(grace_s * MICROS)
        self._runs: dict[str, _Run] = {}
        self._attempts: dict[str, int] = {}
        self._timetable = Timetable(
            Entry(name=job.name, timer=job.timer, window=job.window, priority=job.priority)
            for job in self._jobs.values()
        )

    @property
    def running(self) -> list[str]:
        """Name what runs now."""
        return [name for name, run in self._runs.items() if run.ended is None]

    def begin(self) -> None:
        """Go on from what is on record, and end what an earlier daemon left running."""
        with self._leader.read() as view:
            rows = {
                row["name"].removeprefix(PREFIX): row
                for row in records.listed(view)
                if row["name"].startswith(PREFIX)
            }
        at = chores.now(self._clock)
        for name, row in rows.items():
            if row["last_status"] == RUNNING and self._abandoned(name, row["detail"] or {}, at):
                row["last_due_us"] -= 1  # it is still owed
            if name not in self._jobs and row["last_due_us"] is not None:
                with self._leader.write() as tx:  # it owes no runs if it ever comes back
                    records.put(tx, PREFIX + name, last_due_us=None, next_due_us=None)
        self._timetable.begin(at, chores.lasts(rows))

    def tick(self) -> None:
        """Look after what runs, and start what is due.

        Raises:
            NotLeader: somebody else leads now.
            StoreUnavailable: the database is away; what ended is written down later.
        """
        for due in self._timetable.look(chores.now(self._clock)):
            timer = self._jobs[due.name].timer
            with self._leader.write() as tx:
                chores.missed(tx, PREFIX + due.name, due, timer, chores.now(self._clock))
        for run in list(self._runs.values()):
            self._watch(run)
            if run.ended is not None:
                self._write_end(run)
        while len(self._runs) < self._at_once:
            due_next = self._timetable.take(chores.now(self._clock), busy=self._runs)
            if due_next is None:
                return
            self._start(due_next)

    def next_us(self) -> dict[str, int | None]:
        """Say, by the wall clock, when each command is due next."""
        at = chores.now(self._clock)
        return {name: self._timetable.next_us(name, at) for name in self._jobs}

    def close(self, grace_s: float = 5.0) -> None:
        """End everything that runs, because the daemon stops; nothing is written."""
        alive = [run.child for run in self._runs.values() if run.child and run.ended is None]
        for child in alive:
            child.ask_to_end()
        alive = self._wait(alive, grace_s)
        for child in alive:
            child.kill()
        for child in self._wait(alive, LAST_S):
            _log.error("child_does_not_end", child=child.name, pid=child.pid)

    def _wait(self, children: list[Child], seconds: float) -> list[Child]:
        """Wait until children have ended, but no longer; returns those that have not."""
        until_us = self._clock.elapsed_us() + round(seconds * MICROS)
        while alive := [child for child in children if child.ended() is None]:
            if self._clock.elapsed_us() >= until_us:
                return alive
            self._clock.sleep(LOOK_S)
        return []

    # ── one run ──────────────────────────────────────────────────────────────
    def _start(self, due: Due) -> None:
        job, at = self._jobs[due.name], chores.now(self._clock)
        deadline_us, why = round(job.timeout_s * MICROS), f"it ran for {job.timeout_s:g} s"
        if due.closes_us is not None and due.closes_us - at.wall_us < deadline_us:
            deadline_us, why = due.closes_us - at.wall_us, "its window has closed"
        run = _Run(job=job, due=due, since=at, deadline_us=at.elapsed_us + deadline_us, why=why)
        self._runs[job.name] = run
        try:
            run.child = Child(job.name, [*self._launch.argv, *job.words], self._launch.environ)
        except OSError as error:
            run.ended, run.error = at, f"it cannot be started: {error.strerror}"
            self._write_end(run)
            return
        _log.info("child_started", child=job.name, pid=run.child.pid, command=_command(job))
        with self._leader.write() as tx:
            records.put(
                tx,
                PREFIX + job.name,
                last_started_us=at.wall_us,
                last_ended_us=None,
                last_status=RUNNING,
                last_due_us=due.due_us,
                next_due_us=job.timer.next_us(at),
                detail={
                    "when": job.timer.words,
                    "pid": run.child.pid,
                    "born": born(run.child.pid),
                    "boot_id": self._launch.boot_id,
                    "attempt": self._attempts.pop(job.name, 0) + 1,
                },
            )

    def _watch(self, run: _Run) -> None:
        if run.child is None or run.ended is not None:
            return
        run.exit_code = run.child.ended()
        at = chores.now(self._clock)
        if run.exit_code is not None:
            run.ended = at
        elif run.asked_us is not None:
            if at.elapsed_us >= run.asked_us + self._grace_us:
                run.child.kill()
        elif at.elapsed_us >= run.deadline_us:
            run.asked_us, run.stopped = at.elapsed_us, run.why
            _log.warning("child_stopped", child=run.job.name, reason=run.why)
            run.child.ask_to_end()

    def _write_end(self, run: _Run) -> None:
        assert run.ended is not None  # noqa: S101 - the caller has looked
        status, error = _judged(run)
        seconds = (run.ended.elapsed_us - run.since.elapsed_us) / MICROS
        told = {
            "command": _command(run.job),
            "status": status,
            "exit_code": run.exit_code,
            "seconds": round(seconds, 3),
            "reason": error,
        }
        with self._leader.write() as tx:
            self._record(tx, run, status, told)
            if error is not None:
                self._tell(tx, run, error, told)
            else:
                self._caller.calm(tx, Kind.SCHEDULED_FAILED, run.job.name)
        del self._runs[run.job.name]
        _log.info("child_ended", child=run.job.name, **told)

    def _record(self, tx: Tx, run: _Run, status: str, told: Mapping[str, Any]) -> None:
        assert run.ended is not None  # noqa: S101 - the caller has looked
        records.put(
            tx,
            PREFIX + run.job.name,
            last_started_us=run.since.wall_us,
            last_ended_us=run.ended.wall_us,
            last_status=status,
            last_due_us=run.due.due_us,
            next_due_us=run.job.timer.next_us(run.ended),
            detail={"when": run.job.timer.words, **told},
        )
        event = history.Event(
            at_us=run.ended.wall_us,
            kind="scheduled_command",
            ref=run.job.name,
            body=told,
            epoch=self._leader.epoch,
        )
        history.append(tx, event)

    def _tell(self, tx: Tx, run: _Run, error: str, told: Mapping[str, Any]) -> None:
        name = run.job.name
        text = f"`{_command(run.job)}` of the schedule ({name}): {error}."
        lines = list(run.child.tail) if run.child is not None else []
        body = {**told, "last_lines": lines}
        self._caller.call(tx, Kind.SCHEDULED_FAILED, name, Severity.WARN, text, body)

    def _abandoned(self, name: str, detail: Mapping[str, Any], at: Now) -> bool:
        """End what runs on though its daemon has ended; returns whether to begin it again."""
        pid, ticks, boot_id = (detail.get(key) for key in ("pid", "born", "boot_id"))
        here = boot_id is not None and boot_id == self._launch.boot_id
        ended = here and pid is not None and ticks is not None and end_orphan(pid, ticks)
        _log.warning("child_abandoned", child=name, pid=pid, ended=ended)
        told = {"when": detail.get("when"), "reason": "the daemon ended before it did"}
        with self._leader.write() as tx:
            records.put(
                tx, PREFIX + name, last_status=ABANDONED, last_ended_us=at.wall_us, detail=told
            )
        self._attempts[name] = int(detail.get("attempt", 1))
        return self._attempts[name] < ATTEMPTS_MAX


def jobs(schedule: Mapping[str, Scheduled]) -> list[Job]:
    """Read the schedule of the settings."""
    return [
        Job(
            name=name,
            words=one.words(),
            timer=Recurring(one.timer()),
            window=one.hours(),
            priority=one.priority,
            timeout_s=one.timeout_s,
        )
        for name, one in schedule.items()
        if one.enabled
    ]


def _judged(run: _Run) -> tuple[str, str | None]:
    """Say how a run came out, and what was wrong with it."""
    if run.error is not None:
        return FAILED, run.error
    if run.stopped is not None:
        return KILLED, f"it was stopped: {run.stopped}"
    code = run.exit_code or 0
    if code == 0:
        return DONE, None
    return FAILED, f"it was ended by signal {-code}" if code < 0 else f"it ended with {code}"


def _command(job: Job) -> str:
    return shlex.join(["daemon", *job.words])
