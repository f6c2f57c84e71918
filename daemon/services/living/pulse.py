"""What the running loop shows of itself: does it live, and is it ready?

Written by the loop, read by any thread: each value is replaced as a whole.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from daemon.clock import MICROS
from daemon.tuning.block import BLOCK_US

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PERIOD_S = BLOCK_US / MICROS
"""How often a cycle is due."""

TICK_S = 0.2
"""How often the loop looks whether anything is to be done."""

PERIODS_ALIVE = 3
"""Periods without a turn of the loop, after which it counts as hung."""

TICKS_ALIVE = 15
"""The same in turns: where time passes fast, three periods are over in no time."""

START_WITHIN_S = 600.0
"""How long a start may take: taking over, checking the database, setting right what was open."""


class Phase(StrEnum):
    """Where the life of the service stands."""

    STARTING = "starting"
    STANDBY = "standby"
    LEADING = "leading"
    STOPPING = "stopping"


class Pulse:
    """The beat of the loop."""

    def __init__(self, started_us: int, period_s: float = PERIOD_S, tick_s: float = TICK_S) -> None:
        self.period_us = round(period_s * MICROS)
        self.tick_us = round(tick_s * MICROS)
        self.phase = Phase.STARTING
        self.since_us = started_us
        """When the phase began, by the clock that never steps."""
        self.turned_us = started_us
        """When the loop last came round."""
        self.wrote_us = started_us
        """When what was done last ended well, its rows written: the start, then each cycle."""
        self.cycles = 0
        self.skipped = 0
        """Cycles that the database did not let happen."""
        self.missed = 0
        """Cycles in whose time the process or the machine slept."""
        self.outage: str | None = None
        """Why the database cannot be used now."""

    def enter(self, phase: Phase, now_us: int) -> None:
        """Begin another phase."""
        self.since_us = self.turned_us = now_us
        self.phase = phase

    @property
    def alive_within_us(self) -> int:
        """How old the last turn of a living loop is at most."""
        return max(PERIODS_ALIVE * self.period_us, TICKS_ALIVE * self.tick_us)


def lifeless(pulse: Pulse, now_us: int) -> str | None:
    """Say why the loop counts as hung; None if it lives. Asks no database."""
    start = pulse.phase is Phase.STARTING
    since_us = pulse.since_us if start else pulse.turned_us
    limit_us = round(START_WITHIN_S * MICROS) if start else pulse.alive_within_us
    silent_us = now_us - since_us
    if silent_us <= limit_us:
        return None
    doing = "has been starting" if start else "has not come round"
    return f"the loop {doing} for {silent_us / MICROS:.0f} s; at most {limit_us / MICROS:.0f} s"


def unready(pulse: Pulse, status: Mapping[str, Any], now_us: int) -> Iterator[str]:
    """Say, reason by reason, why the service does not do its whole work now."""
    hung = lifeless(pulse, now_us)
    if hung is not None:
        yield hung
    if pulse.phase is not Phase.LEADING:
        yield f"does not lead: {pulse.phase}"
        return
    yield from _not_writing(pulse, now_us)
    for source in status.get("stale_sources", ()):
        yield f"source {source}: brings nothing new"
    free, floor = status.get("disk_free_bytes"), status.get("disk_floor_bytes")
    if free is not None and floor is not None and free < floor:
        yield f"disk: {free:,} bytes free, the floor is {floor:,}"
    for rule in status.get("inconsistent", ()):
        yield f"rule {rule}: inconsistent, what the controls hold was not written by anybody known"
    for rule in status.get("frozen", ()):
        yield f"rule {rule}: frozen"
    if violations := status.get("violations"):
        yield f"{violations} broken invariants: daemon ctl verify"


def _not_writing(pulse: Pulse, now_us: int) -> Iterator[str]:
    if pulse.outage is not None:
        yield f"database: {pulse.outage}"
    elif now_us - pulse.wrote_us > pulse.alive_within_us:
        yield f"the last whole cycle ended {(now_us - pulse.wrote_us) / MICROS:.0f} s ago"
