"""A service whose parts are made by hand: a clock that is moved, an engine that writes down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from daemon.clock import MICROS
from daemon.ports import Declared
from daemon.services.living.metrics import Meters
from daemon.services.living.notify import Notifier
from daemon.services.living.pulse import Pulse
from daemon.services.living.service import Service
from daemon.tuning.windows import BLOCK_US

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from daemon.ports import Reading
    from daemon.store.lease import Holder

T0 = 1_800_000_000 * MICROS
GRACE_US = MICROS


class HandClock:
    """Time passes while somebody sleeps; at moments agreed on, something happens."""

    def __init__(self) -> None:
        self.wall_us = T0
        self.elapsed = 0
        self._plans: list[tuple[int, Callable[[], object]]] = []

    def now_us(self) -> int:
        return self.wall_us

    def elapsed_us(self) -> int:
        return self.elapsed

    def sleep(self, seconds: float) -> None:
        assert seconds > 0, "a wait of nothing is a storm"
        self.pass_(round(seconds * MICROS))

    def pass_(self, micros: int) -> None:
        """Let both clocks go on."""
        self.elapsed += micros
        self.wall_us += micros
        while self._plans and self._plans[0][0] <= self.elapsed:
            self._plans.pop(0)[1]()

    def plan(self, after_s: float, what: Callable[[], object]) -> None:
        """Let something happen so long after the start."""
        self._plans.append((round(after_s * MICROS), what))
        self._plans.sort(key=lambda plan: plan[0])

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock, as a person or a time server does."""
        self.wall_us += round(seconds * MICROS)


class HandWishes:
    """Somebody outside, who wants something when the test says so."""

    def __init__(self) -> None:
        self.stop: str | None = None
        self.hangups = 0

    def end(self) -> None:
        self.stop = "SIGTERM"

    def hang_up(self) -> None:
        self.hangups += 1

    def reload(self) -> bool:
        asked, self.hangups = self.hangups > 0, 0
        return asked


class HeardNotifier(Notifier):
    """A service manager that remembers what it was told, line by line."""

    def __init__(self) -> None:
        super().__init__(watchdog_us=60 * MICROS)
        self.lines: list[str] = []

    def _send(self, *lines: str) -> None:
        self.lines += lines

    def told(self, name: str) -> list[str]:
        """Everything that was said under this name."""
        return [line.partition("=")[2] for line in self.lines if line.startswith(f"{name}=")]


@dataclass
class HandLease:
    """A lease that is granted after so many refusals."""

    refusals: int = 0
    rival: Holder | None = None
    rival_lives: bool = False
    asked: int = 0
    released: int = 0
    fault: Exception | None = None

    def acquire(self) -> int | None:
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        return 7 if self.asked > self.refusals else None

    def release(self) -> None:
        self.released += 1


@dataclass
class HandEngine:
    """An engine that knows when a block is complete, and fails when it is told to."""

    clock: HandClock
    calls: list[str] = field(default_factory=list)
    cycles_at: list[int] = field(default_factory=list)
    faults: list[Exception | None] = field(default_factory=list)
    """What the next cycles end with; after the last one all is well."""
    start_fault: Exception | None = None
    stop_fault: Exception | None = None
    reload_fault: Exception | None = None
    shown: dict[str, Any] = field(default_factory=lambda: {"mode": "dry_run", "epoch": 7})
    due: Callable[[], int] | None = None
    block: int = 0

    def start(self) -> None:
        self.calls.append("start")
        self.block = self.clock.now_us() // BLOCK_US
        if self.start_fault is not None:
            raise self.start_fault

    def due_us(self) -> int:
        if self.due is not None:
            return self.due()
        wall_us = (self.block + 1) * BLOCK_US + GRACE_US
        return self.clock.elapsed_us() + wall_us - self.clock.now_us()

    def cycle(self) -> None:
        self.calls.append("cycle")
        self.cycles_at.append(self.clock.elapsed_us())
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            raise fault
        self.block = (self.clock.now_us() - GRACE_US) // BLOCK_US

    def between(self) -> None:
        if self.calls[-1] != "between":
            self.calls.append("between")

    def reload(self) -> str:
        self.calls.append("reload")
        if self.reload_fault is not None:
            raise self.reload_fault
        return "observe_window_s"

    def stop(self) -> None:
        self.calls.append("stop")
        if self.stop_fault is not None:
            raise self.stop_fault

    def status(self) -> Mapping[str, Any]:
        return self.shown


@dataclass
class HandSource:
    """A source that is pushed to, and never emptied."""

    names: tuple[str, ...] = ("load", "risk_band")
    buffer: int = 50_000
    taken: list[Reading] = field(default_factory=list)

    def signals(self) -> Mapping[str, Declared]:
        return {name: Declared() for name in self.names}

    def room(self) -> int:
        return self.buffer - len(self.taken)

    def offer(self, readings: Sequence[Reading]) -> int:
        if len(readings) > self.room():
            return 0
        self.taken += readings
        return len(readings)


def service(clock: Any, engine: Any, lease: Any, inbox: Any = None, desk: Any = None) -> Service:
    """Put a service together."""
    pulse = Pulse(clock.elapsed_us())
    return Service(engine, lease, clock, pulse, Meters(clock), inbox, desk)
