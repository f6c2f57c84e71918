"""Recurring moments as a crontab writes them, and windows of a day; always in UTC.

The arithmetic of the first is APScheduler's `CronTrigger`; nothing else of that library is
used. Two things are read as `crontab(5)` reads them and not as that does: 0 and 7
are Sunday, and a day of the month beside a day of the week means either of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator

from daemon.clock import MAX_MICROS, MICROS
from daemon.config.problems import refuse
from daemon.errors import InputError
from daemon.log import printable

if TYPE_CHECKING:
    from collections.abc import Callable

FIELDS = ("minute", "hour", "day", "month", "day_of_week")
TEXT_MAX = 200
MINUTE_US = 60 * MICROS
DAY_MINUTES = 24 * 60
DAY_US = DAY_MINUTES * MINUTE_US

EXAMPLES = (
    "minute, hour, day of the month, month, day of the week, in UTC: `0 2 * * *` is every day at"
    " 02:00, `*/15 9-17 * * mon-fri` every quarter of an hour of a working day"
)

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_WEEK = len(_DAYS)
_LETTERS = re.compile(r"[0-9a-z*,/-]+")
_DAY = "[0-7]|[a-z]{3}"
_DAY_ITEM = re.compile(
    rf"(?:(?P<all>\*)|(?P<first>{_DAY})(?:-(?P<last>{_DAY}))?)(?:/(?P<step>\d+))?"
)
_WINDOW = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])")
_EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Cron:
    """A recurring moment."""

    text: str
    _triggers: tuple[Any, ...] = field(repr=False, compare=False)

    @staticmethod
    def parse(text: str) -> Cron:
        """Read a crontab expression.

        Raises:
            InputError: it is none, or names a moment that never comes.
        """
        return _parse(text)

    def next_us(self, from_us: int) -> int | None:
        """Give the first moment that is not before another; None if the years have run out."""
        if from_us > MAX_MICROS:
            return None
        since = _EPOCH + timedelta(microseconds=max(0, from_us))
        found = [_next(trigger, since) for trigger in self._triggers]
        return min((moment for moment in found if moment is not None), default=None)

    def latest_us(self, since_us: int, until_us: int) -> int | None:
        """Give the last moment from one to another, both included; None if there is none.

        However many there are between, few are looked at: whether one still comes
        in time is asked at half of what remains.
        """
        latest = self.next_us(since_us)
        if latest is None or latest > until_us:
            return None
        low, high = latest, until_us
        while high - low >= MINUTE_US:
            middle = low + (high - low + 1) // 2
            found = self.next_us(middle)
            if found is None or found > until_us:
                high = middle - 1
            else:
                low = latest = found
        return latest


@dataclass(frozen=True, slots=True)
class Window:
    """The hours of a day in which something may run, in UTC."""

    opens_min: int
    closes_min: int

    @staticmethod
    def parse(text: str) -> Window:
        """Read ``01:00-05:00``; ``22:00-02:00`` goes on past midnight.

        Raises:
            InputError: it is no such window.
        """
        found = _WINDOW.fullmatch(text)
        if found is None or found[1] + found[2] == found[3] + found[4]:
            raise InputError(
                f"'{printable(text[:40])}' is no window of a day",
                hint="write 01:00-05:00, from and to, in UTC; 22:00-02:00 goes past midnight",
            )
        opens, closes = (60 * int(found[n]) + int(found[n + 1]) for n in (1, 3))
        return Window(opens, closes)

    def seconds(self) -> int:
        """Say how long it is open."""
        return (self.closes_min - self.opens_min) % DAY_MINUTES * 60

    def around(self, at_us: int) -> tuple[int, int]:
        """Give when the window opens and closes that a moment lies in, else the next one."""
        length_us = self.seconds() * MICROS
        opens_us = at_us - at_us % DAY_US + self.opens_min * MINUTE_US - DAY_US
        while opens_us + length_us <= at_us:
            opens_us += DAY_US
        return opens_us, opens_us + length_us


@lru_cache(maxsize=256)
def _parse(text: str) -> Cron:
    # Loaded here: it takes longer than most commands do.
    from apscheduler.triggers.cron import CronTrigger  # type: ignore[import-untyped] # noqa: PLC0415

    try:
        triggers = tuple(CronTrigger(**given, timezone=UTC) for given in _readings(text))
    except ValueError as error:
        raise _unreadable(text, str(error)) from None
    coming = tuple(trigger for trigger in triggers if _next(trigger, _EPOCH) is not None)
    if not coming:
        raise _unreadable(text, "such a day never comes")
    return Cron(text, coming)


def _readings(text: str) -> list[dict[str, str]]:
    """Give the conditions, field by field, of which one must hold."""
    values = dict(zip(FIELDS, _fields(text), strict=True))
    of_month, of_week = values["day"], values["day_of_week"]
    values["day_of_week"] = _days(text, of_week)
    if of_month.startswith("*") or of_week.startswith("*"):
        return [values]
    return [{**values, "day_of_week": "*"}, {**values, "day": "*"}]


def _fields(text: str) -> list[str]:
    fields = [part for part in text.lower().split(" ") if part] if len(text) <= TEXT_MAX else []
    if len(fields) != len(FIELDS):
        raise _unreadable(text, f"it has not {len(FIELDS)} fields with spaces between them")
    for part in fields:
        if not _LETTERS.fullmatch(part):
            raise _unreadable(text, f"'{printable(part)}' is no field of one")
    return fields


def _days(text: str, listed: str) -> str:
    """Write days of the week by their names: numbers mean other days to the library."""
    named: set[int] = set()
    for item in listed.split(","):
        found = _DAY_ITEM.fullmatch(item)
        step = int(found["step"] or 1) if found else 0
        if found is None or not step:
            raise _unreadable(text, f"'{item}' is no day of the week")
        first = 0 if found["all"] else _day(text, found["first"]) % _WEEK
        last = _day(text, found["last"]) if found["last"] else first
        if found["all"] or (found["step"] and not found["last"]):
            last = _WEEK - 1
        elif last < first:  # over the weekend: fri-mon
            last += _WEEK
        named.update(day % _WEEK for day in range(first, last + 1, step))
    return ",".join(_DAYS[day] for day in sorted(named))


def _next(trigger: Any, since: datetime) -> int | None:
    try:
        found: datetime | None = trigger.get_next_fire_time(None, since)
    except (OverflowError, ValueError):  # beyond the last day that a date can be
        return None
    return None if found is None else (found - _EPOCH) // timedelta(microseconds=1)


def _day(text: str, word: str) -> int:
    if word.isdecimal():
        return int(word)
    if word in _DAYS:
        return _DAYS.index(word)
    raise _unreadable(text, f"'{word}' is no day of the week")


def _unreadable(text: str, reason: str) -> InputError:
    shown = printable(text[:TEXT_MAX])
    return InputError(f"'{shown}' is not a recurring moment: {reason}", hint=EXAMPLES)


def _checked(read: Callable[[str], object]) -> AfterValidator:
    def check(text: str) -> str:
        try:
            read(text)
        except InputError as error:
            raise refuse(error.message, error.hint or EXAMPLES) from None
        return text

    return AfterValidator(check)


CronText = Annotated[str, _checked(Cron.parse)]
"""A field that holds a recurring moment."""

WindowText = Annotated[str, _checked(Window.parse)]
"""A field that holds a window of a day."""
