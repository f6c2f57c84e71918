"""Chores: everything the leader does by the clock that is not a cycle, in slices between cycles.

What is due is told by a timetable and remembered in a table. A chore is an iterator
that stops for breath after each transaction; a tick does as many of these slices as
fit into its time, the most important chore first. One that fails is told of and
comes again by its timetable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from daemon import log
from daemon.clock import MICROS
from daemon.errors import DaemonError, NotLeader, StoreUnavailable
from daemon.services.duties.timetable import Entry, Last, Now, Timetable
from daemon.services.watching.alerting import Kind
from daemon.store import chores as records
from daemon.tuning.vocabulary import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from daemon.clock import Clock
    from daemon.config.cron import Window
    from daemon.services.duties.timetable import Due, Timer
    from daemon.store.store import Tx

_log = log.get(__name__)

BUDGET_S = 0.25
"""How long a tick goes on beginning slices."""

AGAIN_S = 30.0
"""How long a chore waits that found the database away."""

RUNNING, DONE, FAILED, KILLED, MISSED, ABANDONED = (
    "running",
    "done",
    "failed",
    "killed",
    "missed",
    "abandoned",
)


class Leader(Protocol):
    """The lease: who holds it may write."""

    @property
    def epoch(self) -> int:
        """The number of this leadership."""
        ...

    def read(self, *, patient: bool = False) -> AbstractContextManager[Tx]:
        """Begin a transaction that cannot write."""
        ...

    def write(self, *, durable: bool = True) -> AbstractContextManager[Tx]:
        """Begin a transaction that fails if somebody else leads by now."""
        ...


class Count(Protocol):
    """Who counts the runs of chores."""

    def __call__(self, chore: str, seconds: float, *, failed: bool = False) -> None:
        """Count one."""
        ...


class Caller(Protocol):
    """Who calls a person."""

    def call(
        self,
        tx: Tx,
        kind: str,
        key: str,
        severity: str,
        text: str,
        body: Mapping[str, Any] | None = None,
    ) -> None:
        """Raise an alert, or count it if it stands."""
        ...

    def calm(self, tx: Tx, kind: str, key: str) -> None:
        """Say that what an alert was about is over."""
        ...


@dataclass(frozen=True, kw_only=True)
class Chore:
    """Something to be done again and again, in slices."""

    name: str
    timer: Timer
    run: Callable[[], Iterator[object]]
    """Begins it; each step of what it gives is a slice of a fraction of a second."""
    window: Window | None = None
    priority: int = 0
    remembered: bool = True
    """Whether each run is written down: not where the next one comes within minutes anyway."""


@dataclass(slots=True, kw_only=True)
class _Running:
    """A chore that has begun."""

    due: Due
    since: Now
    slices: Iterator[object]
    count: int = 0


class Chores:
    """The leader's chores."""

    def __init__(
        self,
        chores: Iterable[Chore],
        leader: Leader,
        clock: Clock,
        caller: Caller,
        *,
        count: Count | None = None,
    ) -> None:
        self._count = count
        self._chores = {chore.name: chore for chore in chores}
        self._leader = leader
        self._clock = clock
        self._caller = caller
        self._running: _Running | None = None
        self._failing: set[str] = set()
        self._timetable = Timetable(
            Entry(name=one.name, timer=one.timer, window=one.window, priority=one.priority)
            for one in self._chores.values()
        )

    def begin(self) -> None:
        """Go on from what is on record; once, when this process has begun to lead."""
        with self._leader.read() as view:
            rows = {row["name"]: row for row in records.listed(view)}
        self._failing = {name for name, row in rows.items() if row["last_status"] == FAILED}
        self._timetable.begin(now(self._clock), lasts(rows))

    def tick(self, budget_s: float = BUDGET_S) -> bool:
        """Do what is due, and stop when the time is up; returns whether something is left to do.

        Raises:
            NotLeader: somebody else leads now.
            StoreUnavailable: the database is away; the chore comes again.
        """
        until_us = self._clock.elapsed_us() + round(budget_s * MICROS)
        for due in self._timetable.look(now(self._clock)):
            self._missed(due)
        while self._running is not None or self._next():
            self._step()
            if self._clock.elapsed_us() >= until_us:
                return True
        return False

    def next_us(self) -> dict[str, int | None]:
        """Say, by the wall clock, when each chore is due next."""
        at = now(self._clock)
        return {name: self._timetable.next_us(name, at) for name in self._chores}

    # ── a chore ──────────────────────────────────────────────────────────────
    def _next(self) -> bool:
        due = self._timetable.take(now(self._clock))
        if due is not None:
            slices = self._chores[due.name].run()
            self._running = _Running(due=due, since=now(self._clock), slices=slices)
        return due is not None

    def _step(self) -> None:
        running = self._running
        assert running is not None  # noqa: S101 - the caller has looked
        try:
            next(running.slices)
            running.count += 1
        except StopIteration:
            self._end(running)
        except (NotLeader, StoreUnavailable):
            self._put_back(running)
            raise
        except DaemonError as error:
            self._end(running, f"{error.message}: {error.hint}" if error.hint else error.message)
        except Exception as error:  # noqa: BLE001 - a fault of a chore must not stop the loop
            _log.exception("chore_failed", chore=running.due.name)
            self._end(running, f"{type(error).__name__}: {error}")

    def _put_back(self, running: _Running) -> None:
        self._running = None
        self._timetable.again(running.due, now(self._clock), AGAIN_S)

    def _end(self, running: _Running, error: str | None = None) -> None:
        name, at = running.due.name, now(self._clock)
        seconds = (at.elapsed_us - running.since.elapsed_us) / MICROS
        _log.debug("chore_ended", chore=name, slices=running.count, seconds=seconds, error=error)
        self._running = None
        if self._count is not None:
            self._count(name, seconds, failed=error is not None)
        if error is None and name not in self._failing and not self._chores[name].remembered:
            return
        try:
            with self._leader.write() as tx:
                self._write_end(tx, running, at, error)
        except (NotLeader, StoreUnavailable):
            self._put_back(running)
            raise
        self._failing.discard(name)
        if error is not None:
            self._failing.add(name)

    def _write_end(self, tx: Tx, running: _Running, at: Now, error: str | None) -> None:
        name = running.due.name
        timer = self._chores[name].timer
        records.put(
            tx,
            name,
            last_started_us=running.since.wall_us,
            last_ended_us=at.wall_us,
            last_status=DONE if error is None else FAILED,
            last_due_us=running.due.due_us,
            next_due_us=timer.next_us(at),
            detail={"when": timer.words, "slices": running.count, "error": error},
        )
        if error is not None:
            text = f"the chore {name} failed: {error}. It is tried again {timer.words}."
            self._caller.call(tx, Kind.CHORE_FAILED, name, Severity.WARN, text)
        elif name in self._failing:
            self._caller.calm(tx, Kind.CHORE_FAILED, name)

    def _missed(self, due: Due) -> None:
        timer = self._chores[due.name].timer
        with self._leader.write() as tx:
            missed(tx, due.name, due, timer, now(self._clock))


# ── what is on record ────────────────────────────────────────────────────────
def now(clock: Clock) -> Now:
    """Read both clocks."""
    return Now(clock.now_us(), clock.elapsed_us())


def lasts(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, Last]:
    """Read the last runs from the table."""
    return {
        name: Last(
            started_us=row["last_started_us"],
            due_us=row["last_due_us"],
            when=(row["detail"] or {}).get("when"),
        )
        for name, row in rows.items()
    }


def missed(tx: Tx, name: str, due: Due, timer: Timer, at: Now) -> None:
    """Write down that a run was left out, because its window has closed."""
    _log.warning("chore_missed", chore=name, due_us=due.due_us)
    records.put(
        tx,
        name,
        last_status=MISSED,
        last_due_us=due.due_us,
        next_due_us=timer.next_us(at),
        detail={"when": timer.words, "reason": "its window had closed before it could begin"},
    )
