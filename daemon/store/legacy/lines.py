"""Reading files that nobody vouches for: a line at a time, bounded, and never raising for content.

Lines end with a line feed, with or without a carriage return before it; a byte
order mark is skipped. Whatever is wrong with a line is said in its `fault`.
"""

from __future__ import annotations

import csv
import json
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

MAX_LINE = 1 << 20
"""The longest line that is read, in bytes; so is the longest CSV record."""

_BOM = b"\xef\xbb\xbf"
HALF_WRITTEN = "the last line is only half written"
UNENDED = "the last line has no end and may be half written"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file: its number, its text, and what is wrong with it if anything is."""

    number: int
    text: str
    fault: str | None = None
    ended: bool = True

    @property
    def blank(self) -> bool:
        """Nothing stands on it."""
        return not self.fault and not self.text.strip()


@dataclass(frozen=True, slots=True)
class Record:
    """What one line (of CSV: one record) holds, or what is wrong with it."""

    number: int
    value: Any
    fault: str | None = None
    ended: bool = True


class Unreadable(Exception):  # noqa: N818 - a state of the file
    """The file cannot be read, or not any further; the message says why."""


def lines(path: Path) -> Iterator[Line]:
    """Read the lines of a file.

    Raises:
        Unreadable: the system would not let us.
    """
    if path.exists() and not path.is_file():
        raise Unreadable("it is not a regular file")
    try:
        yield from _lines(path)
    except OSError as error:
        raise Unreadable(f"it cannot be read: {error.strerror or error}") from error


def _lines(path: Path) -> Iterator[Line]:
    with path.open("rb") as file:
        number = 0
        while raw := file.readline(MAX_LINE + 1):
            number += 1
            ended = raw.endswith(b"\n")
            if len(raw) > MAX_LINE and not ended:
                yield Line(number, "", f"the line is longer than {MAX_LINE} bytes", _skip(file))
                continue
            yield _decoded(number, raw.removeprefix(_BOM) if number == 1 else raw, ended)


def _skip(file: BinaryIO) -> bool:
    """Leave out the rest of a line; says whether the line has an end."""
    while raw := file.readline(MAX_LINE):
        if raw.endswith(b"\n"):
            return True
    return False


def _decoded(number: int, raw: bytes, ended: bool) -> Line:  # noqa: FBT001 - a fact, not a switch
    try:
        return Line(number, raw.decode(), None, ended)
    except UnicodeDecodeError as error:
        return Line(number, "", f"byte {error.start + 1} is not UTF-8 text", ended)


def objects(path: Path) -> Iterator[Record]:
    """Read a file of JSON objects, one a line; blank lines are skipped."""
    for line in lines(path):
        if not line.blank:
            yield _object(line)


def _object(line: Line) -> Record:
    if line.fault:
        return Record(line.number, None, line.fault)
    try:
        value = json.loads(line.text)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "it cannot be read"
        fault = f"not JSON: {reason}" if line.ended else HALF_WRITTEN
        return Record(line.number, None, fault)
    if not isinstance(value, dict):
        return Record(line.number, None, "not a JSON object")
    return Record(line.number, value)


def records(path: Path) -> Iterator[Record]:
    """Read a file of CSV records; one with line breaks between quotes takes several lines.

    A quote that is never closed costs its own line and not what follows.
    """
    reader = _Reader(lines(path))
    while (line := reader.next()) is not None:
        if not line.blank:
            yield reader.record(line)


class _Reader:
    """Lines that can be put back."""

    def __init__(self, source: Iterable[Line]) -> None:
        self.source = iter(source)
        self.returned: deque[Line] = deque()

    def next(self) -> Line | None:
        """Take a line."""
        return self.returned.popleft() if self.returned else next(self.source, None)

    def record(self, first: Line) -> Record:
        """Read the record that starts on a line."""
        if first.fault:
            return Record(first.number, None, first.fault)
        taken = self._up_to_closing_quote(first)
        reader = csv.reader([line.text for line in taken], strict=True)
        try:
            cells = next(reader)
        except csv.Error as error:
            self._put_back(taken[1:])
            return Record(first.number, None, f"not CSV: {error}", first.ended)
        self._put_back(taken[reader.line_num :])
        return Record(first.number, cells, None, taken[reader.line_num - 1].ended)

    def _up_to_closing_quote(self, first: Line) -> list[Line]:
        taken, quotes, size = [first], first.text.count('"'), len(first.text)
        while quotes % 2 and size <= MAX_LINE and (line := self.next()) is not None:
            taken.append(line)
            quotes += line.text.count('"')
            size += len(line.text)
            if line.fault:
                break
        return taken

    def _put_back(self, rest: list[Line]) -> None:
        self.returned.extendleft(reversed(rest))
