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
    from collections.abc import Callable

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

SECONDS_AT = 16
"""Where the colon before the seconds stands, if there are any."""

_NIBBLES = np.uint64(0x0F0F0F0F0F0F0F0F)
_DATE = np.uint64(0x000F0F000F0F0F0F)
"""The digits of a year and a month, with the sign between them."""


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
            layout = Layout.of(found)
            if layout is not None:
                at_us[alike], good[alike] = layout.read(text, start[alike])
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
class Layout:
    """Where digits stand in moments that are written alike; all else is equal in all of them."""

    length: int
    sample: bytes
    digits: tuple[int, ...]
    """Places of the digits that may differ, in words of eight characters."""
    decimals: int
    offset_us: int

    @classmethod
    def of(cls, found: re.Match[str]) -> Layout | None:
        """See it in one moment; None if it is that far from UTC that there is no such moment."""
        text = found[0]
        end = found.start(4) if found[4] else len(text)
        digits = tuple(place for place in range(end) if text[place].isdigit())
        noon = "2000-01-02T12:00:00"
        try:
            offset_us = parse_iso(noon) - parse_iso(noon + (found[4] or ""))
        except ValueError:
            return None
        return cls(len(text), text.encode(), digits, len(found[3] or ""), offset_us)

    def read(self, text: Text, start: Ints) -> tuple[Ints, Bools]:
        """Read all that are written like this."""
        words = {first: text.word(start + first) for first in range(0, self.length, 8)}
        good = np.ones(len(start), np.bool_)
        for first, word in words.items():
            varies, fixed = self._marks(first)
            sample = int.from_bytes(self.sample[first : first + 8], "little")
            good &= (word & fixed) == (np.uint64(sample) & fixed)
            good &= all_digits(word, varies)
        at_us, sound = self.values(words.__getitem__)
        return at_us, sound & good

    def values(self, word: Callable[[int], Words]) -> tuple[Ints, Bools]:
        """Read moments that are known to be written like this, by their words of eight characters.

        Days are worked out where they change: rows that follow each other have mostly one.
        """
        date, clock = np.ascontiguousarray(word(0)), np.ascontiguousarray(word(8))
        new = np.ones(len(date), np.bool_)
        np.not_equal(date[1:], date[:-1], out=new[1:])
        new[1:] |= ((clock[1:] ^ clock[:-1]) & np.uint64(0xFFFF)) != 0
        first = np.flatnonzero(new)
        begins, sound = _days(date[first], clock[first])
        times = np.diff(np.append(first, len(date)))
        at_us, good = np.repeat(begins - self.offset_us, times), np.repeat(sound, times)
        pairs = _pairs(clock & self._marks(8)[0])
        hour, minute = _byte(pairs, 3), _byte(pairs, 6)
        good &= (hour < 24) & (minute < 60)  # noqa: PLR2004 - of a day, of an hour
        minute += hour * 60
        seconds = minute * 60
        if self.length > SECONDS_AT:
            rest = word(SECONDS_AT) & self._marks(SECONDS_AT)[0]
            second = _byte(_pairs(rest), 1)
            good &= second < 60  # noqa: PLR2004 - of a minute
            seconds += second
            if self.decimals:
                at_us += self._fraction_us(rest, word)
        at_us += seconds * MICROS
        return at_us, good & (at_us >= 0) & (at_us <= MAX_MICROS)

    def _fraction_us(self, rest: Words, word: Callable[[int], Words]) -> Ints:
        """Put the decimals of seconds together: four in the word of the seconds, two behind it."""
        found = (eight_digits(rest & _NIBBLES) % np.uint64(10**4)).astype(np.int64) * 100
        if self.length > SECONDS_AT + 8:
            behind = word(SECONDS_AT + 8) & self._marks(SECONDS_AT + 8)[0]
            found += eight_digits(behind & _NIBBLES).astype(np.int64) // 10**6
        return found

    def _marks(self, first: int) -> tuple[np.uint64, np.uint64]:
        varies = fixed = 0
        for place in range(first, min(first + 8, self.length)):
            mark = 0xFF << 8 * (place - first)
            varies |= mark if place in self.digits else 0
            fixed |= 0 if place in self.digits else mark
        return np.uint64(varies), np.uint64(fixed)


def _days(date: Words, clock: Words) -> tuple[Ints, Bools]:
    """Say when days begin, by the first two words of a moment, and whether there are such days."""
    year_month = eight_digits(date & _DATE).astype(np.int64)
    year, month = year_month // 10_000, year_month // 10 % 1000
    day = _byte(_pairs(clock & np.uint64(0x0F0F)), 0)
    good = (year >= FIRST_YEAR) & (day >= 1) & (month >= 1) & (month <= 12)  # noqa: PLR2004 - of a year
    months = np.where(good, (year - FIRST_YEAR) * 12 + month - 1, 0)
    begins, ends = _first_day(months), _first_day(months + 1)
    good &= begins + day <= ends
    return (begins + day - 1) * DAY_US, good


def _pairs(digits: Words) -> Words:
    """Read each two digits that follow each other as a number, in the byte of the first one."""
    digits = digits & _NIBBLES
    return digits * np.uint64(10) + (digits >> np.uint64(8))


def _byte(words: Words, place: int) -> Ints:
    """Give one byte of each word."""
    return (words >> np.uint64(8 * place) & np.uint64(0xFF)).astype(np.int64)


def _first_day(months: Ints) -> Ints:
    """Count the days from 1970 to the first of a month."""
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
