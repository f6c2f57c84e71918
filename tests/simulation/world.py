"""A simulated world: time, a governed system, people, processes that die, and what goes wrong.

One run is one seed. Everything is drawn from it, and everything that the daemon
does goes through its real code and a real database, one effect after the other,
in one thread: the same seed is the same run to the last bit.
"""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from daemon.clock import MICROS
from daemon.errors import ConfigError, NotLeader, StoreUnavailable
from daemon.tuning.windows import BLOCK_US
from tests.simulation import faults, ground
from tests.simulation.oracle import Oracle
from tests.simulation.people import People
from tests.simulation.process import Crash, Parts, Process

if TYPE_CHECKING:
    import sqlite3
    from random import Random

    from daemon.config.policy_file import LoadedPolicy
    from tests.simulation.faults import Schedule
    from tests.simulation.ground import Ground

SLEEPS = (4, 9)
"""For how many cycles a leader is paused before it wakes and finds another one in its place."""

KEEP_LOG = 400
"""Samples that a source still has when a process starts anew."""

CALM = 3
"""Cycles that are waited at least for what comes late."""

SUSPECT = 2
"""Cycles after a fault in which everything is checked: what it left, and what was made of that."""


@dataclass
class World:
    """One run."""

    start: Ground
    schedule: Schedule
    random: Random
    parts: Parts = field(default_factory=Parts)
    name: str = ""
    """The command that repeats the run."""
    whole: bool = False
    """Whether nothing of the engine is left out."""

    def __post_init__(self) -> None:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        ground.lay(self.start.database)
        self.base = ground.engines_of()
        self.clock, self.plant, self.surface = self.start.copied()
        self.plant.random = self.random
        self.loaded: LoadedPolicy = self.start.loaded
        self.oracle = Oracle(self)
        self.people = People(self)
        self.log: list[tuple[str, int, float]] = []
        self.forgotten = 0
        """Samples that no source has any more."""
        self.process: Process | None = None
        self.lock: Process | None = None
        """Who holds the lock file, if it is a process that lives."""
        self.locks = True
        """Whether there is a lock file; without it only the lease says who leads."""
        self.processes = self.cycles = self.effects = 0
        self.injected: Counter[str] = Counter()
        self.points: list[str] = []
        """The point of every effect so far, where somebody wants to know."""
        self.trace = False
        self.quiet = False
        """No more faults: what is left must settle."""
        self.suspect = 0
        self._asleep: list[Process] = []
        with self.base.engines.writer.connect() as connection:
            self.connection: sqlite3.Connection = connection.connection.driver_connection

    # ── running ──────────────────────────────────────────────────────────────
    def run(self, cycles: int) -> None:
        """Let cycles pass."""
        for _ in range(cycles):
            self.tick()

    def settle(self, cycles: int) -> None:
        """Stop all that goes wrong, and see that everything comes to rest within some cycles."""
        self.quiet = True
        self.plant.recover()
        self.people.leave()
        newest = self.oracle.newest()
        for done in range(cycles + self.oracle.longer(newest)):
            self.tick()
            calm = done >= CALM and not self.oracle.open_up_to(newest)
            if calm and not self.oracle.untold():
                break
        self.oracle.look_at_all()
        self.oracle.settled(newest)

    def tick(self) -> None:
        """Let five seconds pass, and whatever falls into them."""
        self.cycles += 1
        happening = None if self.quiet else self.schedule.between()
        if happening is not None:
            self.injected[happening] += 1
            self.people.do(happening)
        self.clock.pass_us(BLOCK_US)
        self._sample()
        if self.process is None:
            self.processes += 1
            self.process = Process(self, self.processes, self.parts)
        self._turn(self.process)
        if self.surface.late and (self.quiet or self.random.random() < 0.5):
            self.surface.land()
        if self.suspect:
            self.suspect -= 1
            self.oracle.look()

    def _turn(self, process: Process) -> None:
        try:
            process.turn()
        except (Crash, NotLeader):
            self.bury(process)
        except StoreUnavailable:
            if not process.begun:
                self.bury(process)  # it could not be started; the service manager tries again
        if self.process is not process:  # it was paused, and another one leads by now
            process.alive = False

    def bury(self, process: Process) -> None:
        """A process is over; the system takes back its lock."""
        process.alive = False
        if self.process is process:
            self.process = None
        if self.lock is process:
            self.lock = None

    def _sample(self) -> None:
        end_us = self.clock.now_us() - MICROS // 2 - MICROS
        self.log += self.plant.span(self.loaded.policy.targets, self.surface.plain(), end_us)
        surplus = len(self.log) - KEEP_LOG
        if surplus > KEEP_LOG:
            self.forgotten += surplus
            del self.log[:surplus]

    # ── what goes wrong ──────────────────────────────────────────────────────
    def effect(self, process: Process, point: str) -> str | None:
        """A process touches something outside of itself: say what goes wrong with that."""
        if not process.alive:
            raise Crash("the dead do nothing")
        if self.quiet:
            return None
        number, self.effects = self.effects, self.effects + 1
        if self.trace:
            self.points.append(point)
        kind = self.schedule.at(number, point)
        if kind is None:
            return None
        self.injected[kind] += 1
        self.suspect = SUSPECT
        if kind == faults.REBOOT:
            self.clock.reboot()
            for asleep in self._asleep:
                asleep.alive = False
        if kind in {faults.CRASH, faults.REBOOT}:
            raise Crash(f"{point}: {kind}")
        if kind == faults.ZOMBIE:
            self._pause(process)
            return None
        return kind

    def _pause(self, process: Process) -> None:
        """Stop a leader where it stands; others go on, and it wakes as if nothing had been."""
        if self._asleep or self.connection.in_transaction:
            return
        self._asleep.append(process)
        self.process = None
        if self.lock is process:
            self.lock = None  # somebody deleted the file
        locks, self.locks = self.locks, False
        for _ in range(self.random.randint(*SLEEPS)):
            self.tick()
        self.locks = locks
        self._asleep.remove(process)
        if self.standing_still() is None:
            process.held = None  # what it has not looked at yet is gone when it does
        other = self.process
        if other is None or not other.lease.leads:
            if other is not None:
                self.bury(other)
            self.process = process

    # ── who leads ────────────────────────────────────────────────────────────
    def flock_free(self) -> bool:
        """Tell whether the system would give the lock file to whoever asks."""
        return self.locks and (self.lock is None or not self.lock.alive)

    # ── what is done to the daemon ───────────────────────────────────────────
    def stop(self) -> None:
        """Let the daemon end in order, as far as that goes well."""
        process = self.process
        if process is not None and process.begun:
            with suppress(Crash, NotLeader, StoreUnavailable):
                process.stop()
            self.bury(process)

    def govern(self, loaded: LoadedPolicy) -> None:
        """Put another policy in force, now or at the next start."""
        self.loaded = loaded
        process = self.process
        if process is None or not process.begun:
            return
        try:
            process.govern()
        except (Crash, NotLeader):
            self.bury(process)
        except (StoreUnavailable, ConfigError):
            pass  # the one in force stays, and the next start reads the new one

    # ── people ───────────────────────────────────────────────────────────────
    def human(self) -> None:
        """Let a person set a rule right now."""
        self.people.edit()

    def standing_still(self) -> str | None:
        """Say why no new change may be made by a cycle that begins now."""
        if self.surface.hold or not self.people.killed:
            return self.surface.hold
        killed = "select reason from freezes where kind = 'kill' and removed_at_us is null"
        row = self.connection.execute(killed).fetchone()
        return row and row[0]

    def clock_is_true(self) -> None:
        """Let enough time pass for what was seen before the last step of the clock."""

    def story(self) -> str:
        told = ", ".join(f"{kind} x{n}" for kind, n in sorted(self.injected.items()))
        place = f"cycle {self.cycles}, effect {self.effects}"
        return f"{place}, {told or 'nothing went wrong'}\n  {self.name}"
