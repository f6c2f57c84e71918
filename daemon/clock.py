"""The only reader of time and the only source of randomness.

Everything else takes a ``Clock``, or the moment itself, as an argument: days
are then simulated in seconds and a recorded run can be repeated exactly.
Moments are integer microseconds since 1970 in UTC, named ``…_us``.
"""

from __future__ import annotations

import random
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

MICROS = 1_000_000
"""Microseconds in a second."""

MAX_MICROS = 253_402_300_799_999_999
"""The last microsecond of the year 9999, beyond which no date can be written."""


class Clock(Protocol):
    """Two readings of time and a way to wait."""

    def now_us(self) -> int:
        """Wall time: for people and for stamps, may step in either direction."""
        ...

    def elapsed_us(self) -> int:
        """Time since boot, suspend included: for durations, never steps back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now_us(self) -> int:
        """Read the wall clock."""
        return time.time_ns() // 1_000

    def elapsed_us(self) -> int:
        """Read the boot-time clock."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000

    def sleep(self, seconds: float) -> None:
        """Wait on the monotonic clock."""
        time.sleep(seconds)


class LapseClock:
    """Another clock, running faster: an hour of its time passes in a minute or less.

    For demonstrations. Everything that this clock tells and waits for is scaled
    alike, and who has the same speed and the same origin reads the same time, in
    whatever process.
    """

    def __init__(self, speed: float, since_us: int, base: Clock | None = None) -> None:
        self.speed = speed
        self._since_us = since_us
        self._base = base or SystemClock()

    def now_us(self) -> int:
        """Read the wall clock: ahead of the real one since the origin."""
        real_us = self._base.now_us()
        return min(MAX_MICROS, self._since_us + round((real_us - self._since_us) * self.speed))

    def elapsed_us(self) -> int:
        """Read the time since boot, as if all of it had passed faster."""
        return round(self._base.elapsed_us() * self.speed)

    def sleep(self, seconds: float) -> None:
        """Wait for so many of its own seconds."""
        self._base.sleep(seconds / self.speed)


def boot_id() -> str | None:
    """Name this start of the machine, within which elapsed times can be compared."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None


def unique() -> str:
    """Give a name that nobody else has, ever."""
    return uuid.uuid4().hex


def draw() -> float:
    """Draw a number from 0 up to, not including, 1."""
    return random.random()  # noqa: S311 - it spreads retries, it keeps no secret


def manager_us() -> int:
    """Read the clock by which a service manager dates what it is told; for nothing else."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000


def iso(at_us: int) -> str:
    """Write a moment as ISO 8601 in UTC, always with six decimals so that text sorts like time."""
    seconds, micros = divmod(at_us, MICROS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{micros:06d}Z"


def parse_iso(text: str) -> int:
    """Read a moment written as ISO 8601; without an offset it is UTC.

    Raises:
        ValueError: the text is not a moment between the years 1970 and 9999.
    """
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    since = moment - datetime.fromtimestamp(0, UTC)
    at_us = (since.days * 86_400 + since.seconds) * MICROS + since.microseconds
    if not 0 <= at_us <= MAX_MICROS:
        raise ValueError(f"{text!r} is not between the years 1970 and 9999")
    return at_us
