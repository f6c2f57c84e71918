"""A batch of samples as somebody sends it: read as a whole or refused as a whole."""

from __future__ import annotations

import csv
import json
import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from daemon.clock import MAX_MICROS, MICROS, parse_iso
from daemon.config.names import SIGNAL_LENGTH_MAX
from daemon.log import printable
from daemon.ports import Reading
from daemon.web.replies import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SAMPLES_MAX = 50_000
PROBLEMS_MAX = 10
"""Problems of a batch that are told."""

SHOWN_MAX = 60
KEYS = frozenset({"signal", "at", "value"})
HEADS = (["signal", "value"], ["signal", "at", "value"])
"""First lines of a CSV that name the columns instead of giving a sample."""

SECONDS_MAX = 1e11
"""A number of seconds beyond this was meant as something smaller: it is after the year 5000."""

SHAPE = 'a sample is {"signal": "name", "at": "2026-11-21T10:00:00Z", "value": 0.5}, at if known'


def read_batch(body: bytes, media: str, now_us: int) -> list[Reading]:
    """Read a batch; a sample without a moment is of now.

    Raises:
        Refusal: it is not a batch, or one of its samples is none; nothing was taken.
    """
    reader = READERS.get(media)
    if reader is None:
        hint = f"send {' or '.join(READERS)}"
        raise Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"no batch comes as {_shown(media)}", hint)
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(f"is not UTF-8 at byte {error.start}") from None
    readings: list[Reading] = []
    problems: list[str] = []
    for place, sample in reader(text):
        if len(readings) + len(problems) >= SAMPLES_MAX:
            raise _too_many()
        try:
            readings.append(_reading(sample, now_us))
        except ValueError as error:
            problems.append(f"{place}: {error}")
    if problems:
        reason = f"{len(problems)} samples cannot be read; none was taken"
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, reason, SHAPE, problems[:PROBLEMS_MAX])
    return readings


# ── forms ────────────────────────────────────────────────────────────────────
def _from_json(text: str) -> Iterator[tuple[str, Any]]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _unreadable(f"is not JSON: {_shown(str(error) or 'nested too deeply')}") from None
    if isinstance(value, dict) and set(value) == {"samples"}:
        value = value["samples"]
    if not isinstance(value, list):
        raise _unreadable('must be a list of samples, or {"samples": [...]}')
    if len(value) > SAMPLES_MAX:
        raise _too_many()
    for number, sample in enumerate(value):
        yield f"samples[{number}]", sample


def _from_csv(text: str) -> Iterator[tuple[str, Any]]:
    rows = csv.reader(text.splitlines(), strict=True)
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if not any(cells) or (rows.line_num == 1 and [c.lower() for c in cells] in HEADS):
                continue
            place = f"line {rows.line_num}"
            if len(cells) == len(HEADS[0]):
                yield place, {"signal": cells[0], "value": _number(cells[1])}
            elif len(cells) == len(HEADS[1]):
                at, value = _number(cells[1]), _number(cells[2])
                yield place, {"signal": cells[0], "at": at, "value": value}
            else:
                yield place, cells
    except csv.Error as error:
        raise _unreadable(f"is not CSV: line {rows.line_num}: {error}") from None


READERS: dict[str, Callable[[str], Iterator[tuple[str, Any]]]] = {
    "application/json": _from_json,
    "text/csv": _from_csv,
}


# ── one sample ───────────────────────────────────────────────────────────────
def _reading(sample: Any, now_us: int) -> Reading:
    """Read a sample; what is not finite is passed on, to be counted where samples are judged."""
    if not isinstance(sample, dict):
        raise ValueError(f"is no sample: {_shown(sample)}")  # noqa: TRY004 - told to the sender
    if unknown := set(sample) - KEYS:
        raise ValueError(f"has a key that means nothing: {_shown(min(unknown))}")
    return Reading(
        _signal(sample.get("signal")),
        now_us if sample.get("at") is None else _moment(sample["at"]),
        _value(sample),
    )


def _signal(name: Any) -> str:
    if (
        not isinstance(name, str)
        or not 0 < len(name) <= SIGNAL_LENGTH_MAX
        or not name.isprintable()
        or " " in name
    ):
        raise ValueError(f"signal: {_shown(name)} is not the name of a signal")
    return name


def _moment(at: Any) -> int:
    if isinstance(at, str):
        try:
            return parse_iso(at)
        except (ValueError, OverflowError):
            raise ValueError(f"at: {_shown(at)} is not a moment in ISO 8601") from None
    if isinstance(at, bool) or not isinstance(at, int | float) or not 0 <= at < SECONDS_MAX:
        raise ValueError(f"at: {_shown(at)} is not a number of seconds since 1970")
    return min(MAX_MICROS, round(at * MICROS))


def _value(sample: dict[str, Any]) -> float:
    if "value" not in sample:
        raise ValueError("value: is missing")
    value = sample["value"]
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"value: {_shown(value)} is not a number")  # noqa: TRY004 - same
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _number(cell: str) -> Any:
    """Read a cell as a number; what is none is told with the sample."""
    if not cell:
        return None
    return float(cell) if _is_number(cell) else cell


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


# ── refusals ─────────────────────────────────────────────────────────────────
def _unreadable(reason: str) -> Refusal:
    return Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, f"the batch {reason}", SHAPE)


def _too_many() -> Refusal:
    reason = f"more than {SAMPLES_MAX:,} samples"
    return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason, "send several batches")


def _shown(value: Any) -> str:
    text = printable(value if isinstance(value, str) else repr(value))
    return f"'{text[:SHOWN_MAX]}{'…' if len(text) > SHOWN_MAX else ''}'"
