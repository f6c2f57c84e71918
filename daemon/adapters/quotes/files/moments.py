"""Moments out of text: ISO 8601, or seconds and smaller units since 1970.

How a column writes its moments is seen on its first row; a column whose first
row is no moment has none, and rows are then told apart by their order alone.
Rows that look like one another are read together, others one by one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from daemon.adapters.quotes.files.decimals import (
    LONGEST,
    NUMBER,
    all_digits,
    eight_digits,
    numbers,
)
from daemon.clock import MAX_MICROS, MICROS, parse_iso

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from daemon.adapters.quotes.files.decimals import Text, Words

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

ISO = re.compile(
    r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d)(:\d\d(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:?\d\d)?", re.ASCII
)
NANOS_FROM, MICROS_FROM, MILLIS_FROM = 10**17, 10**14, 10**11
"""From which size on numbers are nanoseconds, microseconds, milliseconds; below, seconds."""

UNITS = ((NANOS_FROM, Decimal("0.001")), (MICROS_FROM, Decimal(1)), (MILLIS_FROM, Decimal(1000)))
DECIMALS = 6
"""Of seconds: a microsecond is the least that is told apart."""

FIRST_YEAR = 1970

DAY_US = 86_400 * MICROS


def moment(text: str) -> int:
    """Read one moment, in any way in which it may be written.

    Raises:
        ValueError: it is none.
    """
    plain = text.strip(" \t")
    if not NUMBER.fullmatch(plain):
        return parse_iso(plain)
    at_us = int(Decimal(plain) * _unit(plain))
    if not 0 <= at_us <= MAX_MICROS:
        raise ValueError(f"{plain} is not between the years 1970 and 9999")
    return at_us


def _unit(plain: str) -> Decimal:
    value = Decimal(plain)
    return next((unit for least, unit in UNITS if value >= least), Decimal(MICROS))


def moments(text: Text, start: Ints, end: Ints) -> tuple[Ints, Bools]:
    """Read moments, each between two places.

    Returns:
        Microseconds, and which of them are good; the others have to be read one
        by one.
    """
    at_us, good = np.zeros(len(start), np.int64), np.zeros(len(start), np.bool_)
    length = end - start
    for size in np.unique(length).tolist():
        alike = np.flatnonzero(length == size)
        first = int(start[alike[0]])
        sample = text.slice(first, first + size)
        if found := ISO.fullmatch(sample):
            at_us[alike], good[alike] = _Layout.of(found).read(text, start[alike])
        elif sample.isdigit() or NUMBER.fullmatch(sample):
            at_us[alike], good[alike] = _since_1970(text, start[alike], end[alike])
    return at_us, good


# ── seconds and smaller units ────────────────────────────────────────────────
def _since_1970(text: Text, start: Ints, end: Ints) -> tuple[Ints, Bools]:
    """Read numbers whose size tells their unit; the last digits of nanoseconds are dropped."""
    long = end - start > LONGEST
    found = numbers(text, start, np.where(long, end - 3, end))
    whole, value = found.mantissa.astype(np.int64), found.values()
    good = found.good & ~long
    if long.any():
        tail = numbers(text, end - 3, end)
        good |= long & found.good & tail.good & (tail.decimals + found.decimals == 0)
        good &= ~long | (value >= NANOS_FROM // 1000)
    seconds = (value < MILLIS_FROM) & (found.decimals <= DECIMALS)
    good &= seconds | ((value >= MILLIS_FROM) & (found.decimals == 0))
    milliseconds = (value >= MILLIS_FROM) & (value < MICROS_FROM)
    missing = DECIMALS - np.minimum(found.decimals, DECIMALS)
    at_us = np.where(seconds, whole * 10**missing, whole)
    at_us[milliseconds] *= 1000
    return at_us, good & (at_us <= MAX_MICROS)


# ── ISO 8601 ─────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class _Layout:
    """Where digits stand in moments that are written alike; all else is equal in all of them."""

    length: int
    sample: bytes
    digits: tuple[int, ...]
    """Places of the digits that may differ, in words of eight characters."""
    decimals: int
    offset_us: int

    @classmethod
    def of(cls, found: re.Match[str]) -> _Layout:
        """See it in one moment."""
        text = found[0]
        end = found.start(4) if found[4] else len(text)
        digits = tuple(place for place in range(end) if text[place].isdigit())
        offset_us = parse_iso("2000-01-01T00:00:00") - parse_iso(
            "2000-01-01T00:00:00" + (found[4] or "")
        )
        return cls(len(text), text.encode(), digits, len(found[3] or ""), offset_us)

    def read(self, text: Text, start: Ints) -> tuple[Ints, Bools]:
        """Read all that are written like this."""
        good = np.ones(len(start), np.bool_)
        parts = []
        for first in range(0, self.length, 8):
            word = text.word(start + first)
            varies, fixed = self._marks(first)
            sample = int.from_bytes(self.sample[first : first + 8], "little")
            good &= (word & fixed) == (np.uint64(sample) & fixed)
            good &= all_digits(word, varies)
            parts.append(eight_digits(word & varies & np.uint64(0x0F0F0F0F0F0F0F0F)))
        return self._put_together(parts, good)

    def _marks(self, first: int) -> tuple[np.uint64, np.uint64]:
        varies = fixed = 0
        for place in range(first, min(first + 8, self.length)):
            mark = 0xFF << 8 * (place - first)
            varies |= mark if place in self.digits else 0
            fixed |= 0 if place in self.digits else mark
        return np.uint64(varies), np.uint64(fixed)

    def _put_together(self, parts: list[Words], good: Bools) -> tuple[Ints, Bools]:
        year_month, day_time, *rest = (part.astype(np.int64) for part in parts)
        year, month = year_month // 10_000, year_month // 10 % 1000
        day, hour, minute = day_time // 10**6, day_time // 1000 % 1000, day_time % 1000
        second = rest[0] // 10**5 if rest else np.zeros_like(day)
        good = good & (year >= FIRST_YEAR) & (day >= 1)
        for part, first, stop in ((month, 1, 13), (hour, 0, 24), (minute, 0, 60), (second, 0, 60)):
            good &= (part >= first) & (part < stop)
        months = np.where(good, (year - FIRST_YEAR) * 12 + month - 1, 0)
        begins, ends = _first_day(months), _first_day(months + 1)
        good &= begins + day <= ends
        time_s = (hour * 60 + minute) * 60 + second
        at_us = (begins + day - 1) * DAY_US + time_s * MICROS
        at_us += self._fraction_us(rest) - self.offset_us
        return at_us, good & (at_us >= 0) & (at_us <= MAX_MICROS)

    def _fraction_us(self, rest: list[Ints]) -> Ints | int:
        """Put the decimals of seconds together: four in the word of the seconds, two behind it."""
        if not self.decimals:
            return 0
        found = rest[0] % 10**4 * 100
        return found + rest[1] // 10**6 if len(rest) > 1 else found


def _first_day(months: Ints) -> Ints:
    """Count the days from 1970 to the first of a month."""
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
