"""When something is due: arithmetic on two clocks, without either of them.

What recurs after so many seconds goes by the elapsed clock, which no operator
sets. What recurs by the calendar goes by the wall clock, which may step: however
far it does, or however long nobody looked, one run makes up for all that were
missed, and none waits for a clock to catch up for longer than about a period.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from daemon.clock import MICROS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from daemon.config.cron import Cron, Window

BACK_US = 3 * 3_600 * MICROS
"""A wall clock that was set back by less is waited for, so that nothing runs twice."""


class Now(NamedTuple):
    """A moment on both clocks."""

    wall_us: int
    elapsed_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Last:
    """What is on record of the last run."""

    started_us: int | None = None
    due_us: int | None = None
    when: str | None = None
    """The timer's words at that time: another timetable owes no runs of the old one."""


# ── timers ───────────────────────────────────────────────────────────────────
class Timer(Protocol):
    """Tells when something is due."""

    @property
    def words(self) -> str:
        """Say when it is due, for people and for recognising it."""
        ...

    def begin(self, now: Now, last: Last | None) -> None:
        """Go on after a start, from what is on record."""
        ...

    def look(self, now: Now) -> int | None:
        """Give the moment that a run is due for, once; however many were missed, it is one."""
        ...

    def next_us(self, now: Now) -> int | None:
        """Give the moment of the next run by the wall clock."""
        ...


class Every:
    """Due again so many seconds after it was due last."""

    def __init__(self, seconds: float) -> None:
        self._every_us = max(1, round(seconds * MICROS))
        self._next_us = 0
        self.words = f"every {seconds:g} s"

    def begin(self, now: Now, last: Last | None) -> None:
        """Wait for what remains of the time; not at all if the record lies ahead of the clock."""
        wait_us = 0
        if last is not None and last.started_us is not None and last.started_us <= now.wall_us:
            wait_us = max(0, last.started_us + self._every_us - now.wall_us)
        self._next_us = now.elapsed_us + wait_us

    def look(self, now: Now) -> int | None:
        """Ask whether the time is up."""
        if now.elapsed_us < self._next_us:
            return None
        self._next_us = now.elapsed_us + self._every_us
        return now.wall_us

    def next_us(self, now: Now) -> int | None:
        """Say when the time will be up."""
        return now.wall_us + max(0, self._next_us - now.elapsed_us)


class Recurring:
    """Due by the calendar."""

    def __init__(self, cron: Cron) -> None:
        self._cron = cron
        self._dealt_us = 0
        self._next_us: int | None = None
        self.words = cron.text

    def begin(self, now: Now, last: Last | None) -> None:
        """Make up for one run that was missed; a timetable that is new owes none."""
        dealt_us = now.wall_us
        if last is not None and last.due_us is not None and last.when == self.words:
            dealt_us = last.due_us
        self._deal(dealt_us)
        self._follow(now)

    def look(self, now: Now) -> int | None:
        """Ask whether a moment of the calendar has passed."""
        self._follow(now)
        if self._next_us is None or now.wall_us < self._next_us:
            return None
        due_us = self._cron.latest_us(self._next_us, now.wall_us)
        self._deal(now.wall_us if due_us is None else due_us)
        return due_us

    def next_us(self, now: Now) -> int | None:
        """Say which moment comes next."""
        self._follow(now)
        return self._next_us

    def _deal(self, dealt_us: int) -> None:
        self._dealt_us = dealt_us
        self._next_us = self._cron.next_us(dealt_us + 1)

    def _follow(self, now: Now) -> None:
        """Begin anew where the clock was set back by more than can be waited for."""
        back_us = self._dealt_us - now.wall_us
        if back_us <= 0:
            return
        gap_us = BACK_US if self._next_us is None else self._next_us - self._dealt_us
        if back_us > min(BACK_US, gap_us):
            self._deal(now.wall_us)


# ── what is waiting ──────────────────────────────────────────────────────────
@dataclass(frozen=True, kw_only=True)
class Entry:
    """Something that has to be done again and again."""

    name: str
    timer: Timer
    window: Window | None = None
    priority: int = 0
    """Where several wait, the highest goes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A run that waits for its turn."""

    name: str
    due_us: int
    opens_us: int | None = None
    closes_us: int | None = None
    not_before_us: int = 0
    """On the elapsed clock."""


class Timetable:
    """What is due, in which order, and what was missed."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.entries = {entry.name: entry for entry in entries}
        self._waiting: dict[str, Due] = {}

    def begin(self, now: Now, lasts: Mapping[str, Last]) -> None:
        """Go on after a start."""
        for entry in self.entries.values():
            entry.timer.begin(now, lasts.get(entry.name))

    def look(self, now: Now) -> list[Due]:
        """Note what has become due; returns what was missed, because its window has closed."""
        for entry in self.entries.values():
            due_us = entry.timer.look(now)
            if due_us is not None:
                self._waiting[entry.name] = _due(entry, due_us)
        missed = []
        for name, due in list(self._waiting.items()):
            if due.due_us > now.wall_us + BACK_US:  # the clock was set back since
                self._waiting[name] = _due(self.entries[name], now.wall_us)
            elif due.closes_us is not None and due.closes_us <= now.wall_us:
                missed.append(self._waiting.pop(name))
        return missed

    def take(self, now: Now, *, busy: Iterable[str] = ()) -> Due | None:
        """Take what should run next; what is running already waits until it has ended."""
        ready = [due for name, due in self._waiting.items() if name not in busy and _may(due, now)]
        if not ready:
            return None
        first = min(ready, key=lambda due: (-self.entries[due.name].priority, due.due_us, due.name))
        return self._waiting.pop(first.name)

    def again(self, due: Due, now: Now, wait_s: float) -> None:
        """Put back what could not be done, for a little later."""
        later = Due(
            name=due.name,
            due_us=due.due_us,
            opens_us=due.opens_us,
            closes_us=due.closes_us,
            not_before_us=now.elapsed_us + round(wait_s * MICROS),
        )
        self._waiting.setdefault(due.name, later)

    def next_us(self, name: str, now: Now) -> int | None:
        """Say when something is due next."""
        return self.entries[name].timer.next_us(now)


def _due(entry: Entry, due_us: int) -> Due:
    if entry.window is None:
        return Due(name=entry.name, due_us=due_us)
    opens_us, closes_us = entry.window.around(due_us)
    return Due(name=entry.name, due_us=due_us, opens_us=opens_us, closes_us=closes_us)


def _may(due: Due, now: Now) -> bool:
    opened = due.opens_us is None or due.opens_us <= now.wall_us
    return opened and due.not_before_us <= now.elapsed_us
