"""The standard chores: what every database and every daemon needs done now and then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon import log
from daemon.clock import MICROS
from daemon.services.duties import calendar
from daemon.services.duties.chores import Chore, now
from daemon.services.duties.timetable import Every
from daemon.services.watching.alerting import Kind
from daemon.store import alerts, commands, history, proposals, retention, rollups
from daemon.tuning.vocabulary import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daemon.clock import Clock
    from daemon.config.settings import Settings
    from daemon.services.duties.chores import Caller, Leader

_log = log.get(__name__)

DAY_US = 86_400 * MICROS
LATE_US = 120 * MICROS
"""How long a sample may be under way before its bucket is rolled up."""

MEGABYTE = 1_000_000
ROOM_AGAIN = 1.2
"""How much more than the floor must be free again before all is well: else it flaps."""

ALERTS_DAYS = 90
"""How long an alert that is resolved can still be looked up."""

FORGOTTEN = 1_000
"""Alerts that are removed in one transaction."""

STEP_US = 3_600 * MICROS
"""A clock that was set by more makes old what is not."""

PRIORITIES = {"expiry": 90, "freezes": 80, "disk": 70, "roll_up": 40, "prune": 20}


class Housework:
    """The chores, and what they are done with."""

    def __init__(
        self,
        leader: Leader,
        clock: Clock,
        caller: Caller,
        settings: Settings,
        free_bytes: Callable[[], int | None],
    ) -> None:
        self._leader = leader
        self._clock = clock
        self._caller = caller
        self._settings = settings
        self._free_bytes = free_bytes
        self._steady = Steady(clock)
        self._told_of_disk = True  # perhaps an earlier daemon has
        self.free: int | None = None
        """Bytes that were free when it was asked last; None where that is not ours to know."""

    @property
    def floor(self) -> int:
        """Bytes that must be free."""
        return self._settings.database.disk_floor_mb * MEGABYTE

    @property
    def disk_is_low(self) -> bool:
        """Whether there is too little room for trying anything new."""
        return self.free is not None and self.free < self.floor

    def measure(self) -> int | None:
        """Ask how much room there is."""
        self.free = self._free_bytes()
        return self.free

    def chores(self) -> list[Chore]:
        """List what is to be done, and how often."""
        every = {
            "expiry": (15.0, self._expiry),
            "freezes": (15.0, self._freezes),
            "disk": (30.0, self._disk),
            "roll_up": (60.0, self._roll_up),
            "prune": (3_600.0, self._prune),
        }
        return [
            Chore(
                name=name,
                timer=Every(seconds),
                run=run,
                priority=PRIORITIES[name],
                remembered=seconds > LATE_US / MICROS,
            )
            for name, (seconds, run) in every.items()
        ]

    # ── each of them ─────────────────────────────────────────────────────────
    def _expiry(self) -> Iterator[object]:
        with self._leader.write() as tx:
            now_us = self._clock.now_us()
            expired = [*proposals.expire(tx, now_us), *commands.expire(tx, now_us)]
        yield expired

    def _freezes(self) -> Iterator[object]:
        with self._leader.write() as tx:
            moved = calendar.advance(tx, self._clock.now_us())
        yield moved

    def _disk(self) -> Iterator[object]:
        free = self.measure()
        if free is None:
            return
        if self.disk_is_low:
            text = (
                f"{free / MEGABYTE:,.0f} MB are free where the database lies, and"
                f" {self.floor / MEGABYTE:,.0f} must be: nothing new is tried. Make room, or"
                " lower database.disk_floor_mb."
            )
            with self._leader.write() as tx:
                self._caller.call(tx, Kind.DISK_LOW, "database", Severity.CRIT, text)
            self._told_of_disk = True
        elif self._told_of_disk and free >= self.floor * ROOM_AGAIN:
            with self._leader.write() as tx:
                self._caller.calm(tx, Kind.DISK_LOW, "database")
            self._told_of_disk = False
        yield free

    def _roll_up(self) -> Iterator[object]:
        yield from rollups.rolling_up(self._leader, self._clock.now_us() - LATE_US)

    def _prune(self) -> Iterator[object]:
        """Remove raw samples and alerts that are old; not by a clock that has just been set."""
        if not self._steady.holds():
            return
        removed: dict[str, int] = {}
        keep_from_us = self._clock.now_us() - round(self._settings.retention.raw_days * DAY_US)
        slice_rows = self._settings.retention.slice_rows
        for part in retention.pruning(self._leader, keep_from_us, slice_rows=slice_rows):
            if part is not None and part.rows:
                removed[part.signal] = removed.get(part.signal, 0) + part.rows
            yield part
        before_us, gone = self._clock.now_us() - ALERTS_DAYS * DAY_US, FORGOTTEN
        while gone == FORGOTTEN:
            with self._leader.write() as tx:
                gone = alerts.forget(tx, before_us, FORGOTTEN)
            yield gone
        if removed:
            with self._leader.write() as tx:
                event = history.Event(
                    at_us=self._clock.now_us(),
                    kind="samples_pruned",
                    body=removed,
                    epoch=self._leader.epoch,
                )
                history.append(tx, event)
            _log.info("samples_pruned", **removed)


class Steady:
    """Tells whether the wall clock has gone with the elapsed one for a day.

    A clock that is set a year ahead by mistake must not cost a year of samples:
    there is a day to notice it.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        at = now(clock)
        self._apart_us = at.wall_us - at.elapsed_us
        self._since_us: int | None = None

    def holds(self) -> bool:
        """Compare the clocks, and say whether what the wall clock calls old is old."""
        at = now(self._clock)
        apart_us = at.wall_us - at.elapsed_us
        if abs(apart_us - self._apart_us) > STEP_US:
            stepped_s = (apart_us - self._apart_us) / MICROS
            _log.warning("clock_was_set", seconds=stepped_s, hint="nothing is pruned for a day")
            self._since_us = at.elapsed_us
        self._apart_us = apart_us
        if self._since_us is not None and at.elapsed_us >= self._since_us + DAY_US:
            self._since_us = None
        return self._since_us is None
