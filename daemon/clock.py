"""The only reader of time and the only source of randomness.

Everything else takes a ``Clock``, or the moment itself, as an argument: days
are then simulated in seconds and a recorded run can be repeated exactly.
Moments are integer microseconds since 1970 in UTC, named ``…_us``.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
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
