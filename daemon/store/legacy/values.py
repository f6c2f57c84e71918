"""What a cell or a JSON value of a legacy file may be, and the one form it is kept in.

A value that does not fit where it stands is not lost: it stays among the
``extra`` fields of its line, which are stored beside the row and exported again.
"""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import Any

from daemon.clock import MAX_MICROS, iso, parse_iso
from daemon.store.types import LARGEST, MAX_EXACT_INT, canonical

MAX_DEPTH = 64
"""JSON that is nested deeper is refused: databases and readers differ in what they bear."""

_SHOWN = 60
_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{0,40})?([eE][+-]?[0-9]{1,3})?")
_SCALES = (
    (Decimal("1e17"), Decimal("1e-3")),  # nanoseconds
    (Decimal("1e14"), Decimal(1)),  # microseconds
    (Decimal("1e11"), Decimal("1e3")),  # milliseconds
)
_SECONDS = Decimal("1e6")


class BadLine(ValueError):  # noqa: N818 - a state of the line, not a fault of the program
    """The line cannot be taken; the message says why."""


def shown(value: Any) -> str:
    """Quote what was found, no longer than a message can bear."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def moment(value: Any) -> int:
    """Read a moment: ISO 8601, or seconds, milli-, micro- or nanoseconds since 1970.

    Text without an offset is UTC. A number says by its size which unit it is
    in. What is finer than a microsecond is dropped.
    """
    number = _decimal(value)
    try:
        at_us = parse_iso(str(value).upper()) if number is None else _scaled(number)
    except (ValueError, OverflowError):
        at_us = -1
    if not 0 <= at_us <= MAX_MICROS or isinstance(value, bool | dict | list):
        raise BadLine(f"{shown(value)} is not a moment between the years 1970 and 9999")
    return at_us


def _decimal(value: Any) -> Decimal | None:
    """Read a number without the error of a binary fraction; None when it is not one."""
    text = str(value).strip()
    return Decimal(text) if _NUMBER.fullmatch(text) else None


def _scaled(number: Decimal) -> int:
    scale = next((scale for least, scale in _SCALES if number > least), _SECONDS)
    return int(min(number * scale, Decimal(MAX_MICROS + 1)))


def number(value: Any) -> float | None:
    """Read a number, also one written as text; None when it is something else.

    Raises:
        BadLine: it is NaN, infinite or beyond what the database takes.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    except ValueError:
        return None
    if isinstance(value, str) and "_" in value:
        return None
    if not -LARGEST < found < LARGEST:
        raise BadLine(f"{shown(value)} is not a finite number")
    return found + 0.0


def text(value: Any) -> str | None:
    """Take text; None when it is something else."""
    return value if isinstance(value, str) else None


def structure(value: Any) -> Any:
    """Take JSON that a database gives back unchanged; None when it would not."""
    return json.loads(canonical(value)) if exact(value) else None


def sound(value: Any) -> None:
    """Refuse what no database could keep.

    Raises:
        BadLine: NaN, infinity, a NUL character, a lone surrogate, or too deep.
    """
    exact(value)
    try:
        canonical(value)
    except ValueError as error:
        raise BadLine(str(error)) from error


def exact(value: Any, depth: int = 0) -> bool:
    """Say whether every whole number in a value survives a reader of JSON."""
    if depth > MAX_DEPTH:
        raise BadLine(f"it is nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        verdicts = [exact(item, depth + 1) for item in value]
        return all(verdicts)
    return not isinstance(value, int) or abs(value) <= MAX_EXACT_INT


def pack(extra: dict[str, Any]) -> Any:
    """Put extra fields in the form they are stored in: an object, or text where one would lie."""
    if not extra:
        return None
    return structure(extra) or json.dumps(extra, ensure_ascii=False, sort_keys=True)


def unpack(stored: Any) -> dict[str, Any]:
    """Read extra fields back, in the order of their names."""
    fields = json.loads(stored) if isinstance(stored, str) else plain(stored or {})
    return dict(sorted(fields.items()))


def plain(value: Any) -> Any:
    """Give JSON one form whichever database it comes from.

    ``jsonb`` has its own order of keys, and writes ``1e300`` with all its digits.
    """
    if isinstance(value, dict):
        return {key: plain(item) for key, item in sorted(value.items())}
    if isinstance(value, list):
        return [plain(item) for item in value]
    whole = isinstance(value, int) and abs(value) > MAX_EXACT_INT
    return float(value) if whole else value


def real(value: float | None) -> float | None:
    """Read a double from a row; what a text file has no form for counts as absent."""
    return value + 0.0 if value is not None and math.isfinite(value) else None


def content(kind: str, at_us: int, *parts: Any) -> str:
    """Write down all that a line says, in one form however it was written."""
    return canonical([kind, iso(at_us), *parts])
