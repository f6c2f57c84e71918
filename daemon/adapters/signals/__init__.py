"""Where samples come from.

Sources are strangers to each other, so what they share stands here, above them:
how a moment and a number are read, and how a row of named fields becomes
readings. What cannot be read is said, never guessed.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from daemon.clock import MAX_MICROS, MICROS, parse_iso
from daemon.log import mask, printable
from daemon.ports import Reading

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.clock import Clock
    from daemon.ports import Declared, Mark, Polled

_SHOWN = 60
_NUMBER = re.compile(
    r"[+-]?(?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,3})?"
)
_UNITS = {
    "s": Decimal(MICROS),
    "ms": Decimal(1000),
    "us": Decimal(1),
    "ns": Decimal("0.001"),
}
_LEAST = (("ns", Decimal("1e17")), ("us", Decimal("1e14")), ("ms", Decimal("1e11")))
_EPOCH = datetime.fromtimestamp(0, UTC)
_ABSENT = object()


class Misread(ValueError):  # noqa: N818 - a state of what was read, not a fault of the program
    """What stands there cannot be read; the message says why."""


def shown(value: Any) -> str:
    """Quote what was found, no longer than a message can bear, and no password."""
    text = printable(mask(str(value)))
    return f"'{text[:_SHOWN]}{'…' if len(text) > _SHOWN else ''}'"


# ── a source ─────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What the settings say of a source."""

    name: str
    declared: Mapping[str, Declared]
    period_s: float = 1.0


class Provider(ABC):
    """What every source has: a name, signals, and nothing to go on from unless it says so."""

    def __init__(self, profile: Profile, clock: Clock) -> None:
        self.name = profile.name
        self.period_s = profile.period_s
        self.clock = clock
        self._declared = dict(profile.declared)

    def signals(self) -> Mapping[str, Declared]:
        """Say which signals it provides."""
        return self._declared

    def resume(self, mark: Mark | None) -> None:  # noqa: B027 - most have nothing to resume
        """Go on from where it was read up to; what only sees the moment has no such place."""

    @abstractmethod
    def poll(self) -> Polled:
        """Give what is new.

        Raises:
            SourceFault: it could not be read this time.
        """

    def close(self) -> None:  # noqa: B027 - many have nothing to close
        """Let go of files, connections and children."""


# ── one value ────────────────────────────────────────────────────────────────
def number(raw: Any) -> float | None:
    """Read a number, also one written as text; None where nothing stands.

    NaN and infinity are numbers here: whoever stores them counts and refuses them.

    Raises:
        Misread: it is something else.
    """
    if raw is None or (isinstance(raw, str) and not raw.strip()):
        return None
    if isinstance(raw, bool) or not isinstance(raw, int | float | Decimal | str):
        raise Misread(f"{shown(raw)} is not a number")
    try:
        found = float(raw)
    except OverflowError:
        return math.inf
    except ValueError:
        found = None
    if found is None or (isinstance(raw, str) and "_" in raw):
        raise Misread(f"{shown(raw)} is not a number")
    return found


def moment(raw: Any, unit: str = "auto") -> int:
    """Read a moment: ISO 8601, or a number of seconds, milli-, micro- or nanoseconds since 1970.

    ``auto`` tells by the size of a number which unit it is in. Without an offset
    it is UTC; what is finer than a microsecond is dropped.

    Raises:
        Misread: it is none, or not between the years 1970 and 9999.
    """
    if isinstance(raw, datetime):
        return _of_datetime(raw)
    if isinstance(raw, bool) or not isinstance(raw, int | float | Decimal | str):
        raise Misread(f"{shown(raw)} is not a moment")
    text = str(raw).strip()
    if _NUMBER.fullmatch(text):
        at_us = _of_number(Decimal(text), unit)
    else:
        try:
            at_us = parse_iso(text.upper()) if unit in {"auto", "iso"} else -1
        except (ValueError, OverflowError):
            at_us = -1
    if not 0 <= at_us <= MAX_MICROS:
        raise Misread(f"{shown(raw)} is not a moment between the years 1970 and 9999")
    return at_us


def _of_number(value: Decimal, unit: str) -> int:
    if unit == "iso":
        return -1
    if unit == "auto":
        unit = next((name for name, least in _LEAST if value > least), "s")
    return int(min(value * _UNITS[unit], Decimal(MAX_MICROS + 1)))


def _of_datetime(raw: datetime) -> int:
    since = (raw if raw.tzinfo else raw.replace(tzinfo=UTC)) - _EPOCH
    at_us = (since.days * 86_400 + since.seconds) * MICROS + since.microseconds
    if at_us < 0:
        raise Misread(f"{shown(raw)} is not a moment between the years 1970 and 9999")
    return at_us


# ── a row ────────────────────────────────────────────────────────────────────
class Row(NamedTuple):
    """What a row had to say."""

    readings: list[Reading]
    complaint: str | None = None
    """A cell that is not a number; its reading says so to whoever counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where in a row moments and values are."""

    places: Mapping[str, str]
    """Of each signal the field that holds it; in the long layout the name that it goes by."""
    long: bool = False
    time_field: str | None = "ts"
    """None: a row is about now."""
    time_unit: str = "auto"
    signal_field: str = "signal"
    value_field: str = "value"
    _signals: Mapping[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "_signals", {place: signal for signal, place in self.places.items()}
        )

    def fields(self) -> tuple[str, ...]:
        """Name the fields that every row has to have, where all rows have the same."""
        values = (self.signal_field, self.value_field) if self.long else self.places.values()
        return (*([] if self.time_field is None else [self.time_field]), *values)

    def lacking(self, row: Mapping[str, Any]) -> list[str]:
        """Name the places of a wide row that are not there."""
        return [place for place in self.places.values() if dig(row, place) is _ABSENT]

    def read(self, row: Mapping[str, Any], now_us: int) -> Row:
        """Turn a row into readings; one that is about other signals has none.

        Raises:
            Misread: the row as a whole says nothing that could be understood.
        """
        found = self._long(row) if self.long else self._wide(row)
        if not found:
            return Row([])
        at_us = now_us if self.time_field is None else self._moment(row, self.time_field)
        readings, complaint = [], None
        for signal, raw in found:
            try:
                value = number(raw)
            except Misread as why:
                value, complaint = math.nan, complaint or f"{signal}: {why}"
            if value is not None:
                readings.append(Reading(signal, at_us, value))
        return Row(readings, complaint)

    def _moment(self, row: Mapping[str, Any], name: str) -> int:
        raw = dig(row, name)
        if raw is _ABSENT or raw is None:
            raise Misread(f"has no moment in {shown(name)}")
        return moment(raw, self.time_unit)

    def _wide(self, row: Mapping[str, Any]) -> list[tuple[str, Any]]:
        found = [(signal, dig(row, place)) for signal, place in self.places.items()]
        return [(signal, raw) for signal, raw in found if raw is not _ABSENT]

    def _long(self, row: Mapping[str, Any]) -> list[tuple[str, Any]]:
        name, raw = dig(row, self.signal_field), dig(row, self.value_field)
        if name is _ABSENT or raw is _ABSENT:
            lacking = self.signal_field if name is _ABSENT else self.value_field
            raise Misread(f"has no field {shown(lacking)}")
        signal = self._signals.get(name) if isinstance(name, str) else None
        return [] if signal is None else [(signal, raw)]


def dig(row: Mapping[str, Any], name: str) -> Any:
    """Find a field, also one inside of others: ``stats.latency``."""
    if name in row:
        return row[name]
    found: Any = row
    for part in name.split("."):
        if not isinstance(found, dict) or part not in found:
            return _ABSENT
        found = found[part]
    return found
