"""Moments and durations as people type them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from daemon.clock import MICROS, parse_iso

if TYPE_CHECKING:
    from daemon.clock import Clock

_SPAN = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>s|min|m|h|d|w)?")
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}
EXAMPLES = "for example 90, 15m, 2h, 1d"
LONGEST_S = 366 * 86_400


def seconds_of(text: str) -> float | None:
    """Read a duration: a number of seconds, or of the unit behind it; None if it is none."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        return None
    return float(found["number"]) * _UNITS[found["unit"] or "s"]


class Span(click.ParamType[float]):
    """A duration, in seconds."""

    name = "duration"

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read it."""
        seconds = seconds_of(value) if isinstance(value, str) else float(value)
        if seconds is None:
            self.fail(f"{value!r} is no duration: {EXAMPLES}", param, ctx)
        if not 0 < seconds <= LONGEST_S:
            self.fail(f"{value!r} is not above 0 and at most a year", param, ctx)
        return seconds


class Moment(click.ParamType[str]):
    """A moment, as ISO 8601; or a duration, read as a time ago or ahead by whoever asks."""

    name = "moment"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check it; which moment it is depends on the clock of whoever asks."""
        if seconds_of(value) is None:
            try:
                parse_iso(value)
            except ValueError:
                self.fail(
                    f"{value!r} is no moment: for example 2026-11-21, 2026-11-21T10:00:00Z, 2h",
                    param,
                    ctx,
                )
        return value


def ago(value: str | None, clock: Clock) -> int | None:
    """Give the moment that is meant, a duration counted back from now."""
    return None if value is None else _moment(value, clock, -1)


def ahead(value: str | None, clock: Clock) -> int | None:
    """Give the moment that is meant, a duration counted on from now."""
    return None if value is None else _moment(value, clock, 1)


def _moment(value: str, clock: Clock, way: int) -> int:
    seconds = seconds_of(value)
    if seconds is None:
        return parse_iso(value)
    return max(clock.now_us() + way * round(seconds * MICROS), 0)


def lasting(seconds: float) -> str:
    """Write a duration for the eye."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if abs(seconds) >= 1.5 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
