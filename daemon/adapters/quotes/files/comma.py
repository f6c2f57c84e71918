"""Quotes out of text with commas: block by block, a block's columns at once.

Almost every file is regular: as many commas in each line as in the header, and
no quotation marks. Then a block is a matrix of places, and its columns are read
without looking at a line. What is irregular is read line by line, and a line
that does not parse is named.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from daemon.adapters.quotes.files import alike
from daemon.adapters.quotes.files.decimals import Text, number, numbers
from daemon.adapters.quotes.files.moments import moment, moments
from daemon.errors import InputError
from daemon.log import printable
from daemon.market.quotes import PRICES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from daemon.adapters.quotes.files.alike import Pattern

    Bools = NDArray[np.bool_]
    Bytes = NDArray[np.uint8]
    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

TIMESTAMP = "timestamp"
WANTED = (TIMESTAMP, *PRICES)

BLOCK = 1 << 19
"""Bytes that are read at once: what is made of them stays in the cache of a core."""

LINE_MAX = 1 << 20
"""Bytes of a line: what is longer is no line of quotes."""

FAULTS_MAX = 20
"""Lines that do not parse, after which a file is given up; with `skip` they are only counted."""

ALIKE_MIN = 32
"""Of fewer lines nobody asks whether they are alike."""

ODD_SHARE = 64
"""One line in so many may be unlike the others: those are read one by one."""

TRIES = 8
"""So many blocks in a row whose lines are not alike, and nobody asks any more."""

RECORDS = 10_000
"""Rows that are gathered where they are read one by one."""

SHOWN = 40

_COMMA, _NEWLINE, _RETURN, _QUOTE = b',\n\r"'


@dataclass(slots=True)
class Faults:
    """Lines that do not parse."""

    name: str
    skip: bool
    count: int = 0
    _first: list[tuple[int, str]] = field(default_factory=list)

    def add(self, line: int, reason: str) -> None:
        """Take down one.

        Raises:
            InputError: there are too many, and none may be skipped.
        """
        self.count += 1
        if len(self._first) < FAULTS_MAX:
            self._first.append((line, reason))
        elif not self.skip:
            self.settle()

    @property
    def examples(self) -> tuple[str, ...]:
        """The first of them, each with its line and the reason."""
        return tuple(f"{self.name}:{line}: {reason}" for line, reason in sorted(self._first))

    def settle(self) -> None:
        """Go on only if there are none, or if they may be skipped.

        Raises:
            InputError: there are some, and none may be skipped.
        """
        if not self.count or self.skip:
            return
        more = "" if self.count <= FAULTS_MAX else "; and more"
        raise InputError(
            "; ".join(self.examples) + more,
            hint="repair the file, or leave such rows out with --skip-bad-rows",
        )


@dataclass(frozen=True, slots=True)
class Rows:
    """Some rows: moments (unless the timestamps are none), and prices in the order of `PRICES`."""

    at_us: Ints | None
    prices: tuple[Floats, ...]


class Table:
    """The rows of a file, from its header on."""

    def __init__(self, stream: BinaryIO, faults: Faults) -> None:
        self._stream, self._faults = stream, faults
        self._width, self._places = self._header()
        self._line = 2
        self._timed: bool | None = None
        self._pattern: Pattern | None = None
        self._tries = TRIES

    def rows(self) -> Iterator[Rows]:
        """Give the rows, block by block.

        Raises:
            InputError: the file is no table of quotes, or a row of it does not parse.
        """
        rest = b""
        while block := self._stream.read(BLOCK):
            block = rest + block
            cut = block.rfind(b"\n") + 1
            if not cut and len(block) > LINE_MAX:
                raise InputError(f"{self._faults.name}:{self._line}: the line does not end")
            plain = _unquoted(block[:cut])
            if plain is None:
                yield from self._slowly(block)
                return
            rest = block[cut:]
            if cut:
                yield self._block(plain)
        if rest:
            plain = _unquoted(rest + b"\n")
            if plain is None:
                yield from self._slowly(rest)
            else:
                yield self._block(plain)

    # ── the header ───────────────────────────────────────────────────────────
    def _header(self) -> tuple[int, dict[str, int]]:
        """Say how many columns there are, and where those are that are wanted."""
        name = self._faults.name
        raw = self._stream.readline(LINE_MAX)
        if raw[:2] in {b"\xff\xfe", b"\xfe\xff"}:
            raise InputError(f"{name} is UTF-16", hint="save it as UTF-8")
        text = raw.decode("utf-8-sig", "replace").strip("\r\n")
        if not text.strip():
            raise InputError(f"{name}: " + ("it is empty" if not raw else "line 1 is empty"))
        if "\r" in text:
            raise InputError(
                f"{name}:1: lines end in a carriage return alone",
                hint="save it with line feeds: tr '\\r' '\\n' < FILE > NEW",
            )
        try:
            found = [column.strip() for column in next(csv.reader([text]))]
        except csv.Error as error:
            raise InputError(f"{name}:1: {error}", hint="is it a CSV file?") from error
        places = {column: place for place, column in enumerate(found)}
        missing = [column for column in WANTED if column not in places]
        if missing:
            raise InputError(
                f"{name}:1: there is no column {', '.join(missing)}",
                hint=f"it has {', '.join(found)[:200]}; wanted are {','.join(WANTED)}",
            )
        for column in WANTED:
            if found.count(column) > 1:
                raise InputError(f"{name}:1: there are two columns {column}")
        return len(found), {column: places[column] for column in WANTED}

    # ── block by block ───────────────────────────────────────────────────────
    def _block(self, block: bytes) -> Rows:
        """Read whole lines."""
        raw = np.frombuffer(block, np.uint8)
        if self._timed and self._tries and (rows := self._alike(raw)) is not None:
            return rows
        text = Text(raw)
        lines = self._lines(text)
        if self._timed is None and len(lines.number):
            self._timed = _is_moment(text, lines, self._places[TIMESTAMP])
        at_us = self._column(text, lines, TIMESTAMP) if self._timed else None
        prices = tuple(self._column(text, lines, name) for name in PRICES)
        if lines.good.all():
            return Rows(at_us, prices)
        kept = tuple(column[lines.good] for column in prices)
        return Rows(None if at_us is None else at_us[lines.good], kept)

    def _alike(self, raw: Bytes) -> Rows | None:
        """Read lines of which nearly all are written alike; None where they are not."""
        ends = np.flatnonzero(raw == _NEWLINE)
        if len(ends) < ALIKE_MIN:
            return None
        self._tries -= 1
        lengths = np.diff(ends, prepend=-1) - 1
        length = int(np.bincount(np.minimum(lengths, alike.LONGEST + 1)).argmax())
        begins, same = ends - lengths, lengths == length
        sample = int(begins[same.argmax()])
        self._pattern = self._pattern_of(raw[sample : sample + length].tobytes())
        if self._pattern is None or not _nearly_all(same):
            return None
        at_us, prices, good = self._pattern.read(alike.Lines(raw, begins, length))
        good &= same
        if not _nearly_all(good):
            self._pattern = None
            return None
        self._tries = TRIES
        first, self._line = self._line, self._line + len(ends)
        for place in np.flatnonzero(~good).tolist():
            line = raw[begins[place] : ends[place]].tobytes().decode("utf-8", "replace")
            row = self._odd(first + place, line)
            if row is not None:
                good[place] = True
                for column, value in zip((at_us, *prices), row, strict=True):
                    column[place] = value
        if good.all():
            return Rows(at_us, prices)
        return Rows(at_us[good], tuple(column[good] for column in prices))

    def _pattern_of(self, sample: bytes) -> Pattern | None:
        """Say how lines are written that are like this one; it may be known."""
        if self._pattern is not None and len(self._pattern.sample) == len(sample):
            return self._pattern
        if sample.count(b",") + 1 != self._width:
            return None
        prices = [self._places[name] for name in PRICES]
        return alike.Pattern.of(sample, self._places[TIMESTAMP], prices)

    def _odd(self, line: int, written: str) -> list[float] | None:
        """Read one line by itself; None if there is nothing in it, or a fault."""
        if not written.strip():
            return None
        return self._record(line, written.removesuffix("\r").split(","))

    def _lines(self, text: Text) -> _Lines:
        """Find the fields of all lines that have as many as they should."""
        width, first = self._width, self._line
        marks = np.flatnonzero((text.raw == _COMMA) | (text.raw == _NEWLINE))
        stops = np.flatnonzero(text.raw[marks] == _NEWLINE)
        self._line += len(stops)
        if len(marks) == width * len(stops) and (np.diff(stops, prepend=-1) == width).all():
            return _Lines.of(marks.reshape(-1, width), first + np.arange(len(stops)))
        fields = np.diff(stops, prepend=-1)
        begins = np.concatenate(([0], marks[stops[:-1]] + 1))
        for place in np.flatnonzero(fields != width).tolist():
            if text.slice(int(begins[place]), int(marks[stops[place]])).strip():
                self._faults.add(first + place, f"{fields[place]} fields, {width} are wanted")
        good = np.flatnonzero(fields == width)
        ends = marks[stops[good][:, None] - np.arange(width)[::-1]]
        return _Lines(begins[good], ends, first + good, np.ones(len(good), np.bool_))

    def _column(self, text: Text, lines: _Lines, name: str) -> NDArray[Any]:
        """Read one column; a row of which it does not parse is no longer good."""
        start, end = lines.fields(text, self._places[name])
        found: NDArray[Any]
        if name == TIMESTAMP:
            found, good = moments(text, start, end)
        else:
            plain = numbers(text, start, end)
            found, good = plain.values(), plain.good
        for place in np.flatnonzero(~good & lines.good).tolist():
            written = text.slice(int(start[place]), int(end[place]))
            value = self._read(int(lines.number[place]), name, written)
            found[place] = 0 if value is None else value
            lines.good[place] = value is not None
        return found

    def _read(self, line: int, name: str, written: str) -> float | None:
        """Read one value in any way in which it may be written; None if it is a fault."""
        try:
            return moment(written) if name == TIMESTAMP else number(written)
        except ValueError:
            wanted = "a moment" if name == TIMESTAMP else "a number"
            shown = f"'{printable(written.strip())[:SHOWN]}'" if written.strip() else "empty"
            self._faults.add(line, f"{name} is {shown}: {wanted} is wanted")
            return None

    # ── line by line ─────────────────────────────────────────────────────────
    def _slowly(self, block: bytes) -> Iterator[Rows]:
        """Read the rest as it comes: fields in quotation marks may hold commas and line ends."""
        before = self._line - 1
        reader = csv.reader(_text_lines(block, self._stream), strict=True)
        rows: list[list[float]] = []
        while True:
            try:
                record = next(reader, None)
            except csv.Error as error:
                self._faults.add(before + reader.line_num, str(error))
                continue
            if record is None:
                break
            if record and (row := self._record(before + reader.line_num, record)):
                rows.append(row)
            if len(rows) >= RECORDS:
                yield self._gathered(rows)
                rows = []
        yield self._gathered(rows)

    def _record(self, line: int, record: list[str]) -> list[float] | None:
        if len(record) != self._width:
            self._faults.add(line, f"{len(record)} fields, {self._width} are wanted")
            return None
        if self._timed is None:
            self._timed = is_moment(record[self._places[TIMESTAMP]])
        row: list[float] = []
        for name in WANTED if self._timed else PRICES:
            value = self._read(line, name, record[self._places[name]])
            if value is None:
                return None
            row.append(value)
        return row

    def _gathered(self, rows: list[list[float]]) -> Rows:
        columns: list[tuple[float, ...]] = list(zip(*rows, strict=True)) or [()] * len(WANTED)
        at_us = np.array(columns[0], np.int64) if self._timed else None
        return Rows(at_us, tuple(np.array(column, np.float64) for column in columns[-4:]))


def _nearly_all(marks: Bools) -> bool:
    """Tell whether so few are not marked that they may be read one by one."""
    return (len(marks) - int(np.count_nonzero(marks))) * ODD_SHARE <= len(marks)


@dataclass(frozen=True, slots=True)
class _Lines:
    """Where the lines of a block begin and its fields end."""

    begins: Ints
    ends: Ints
    number: Ints
    good: Bools
    """Lines all of which has parsed so far."""

    @classmethod
    def of(cls, ends: Ints, number: Ints) -> _Lines:
        """Take a block that is regular."""
        begins = np.concatenate(([0], ends[:-1, -1] + 1))[: len(ends)]
        return cls(begins, ends, number, np.ones(len(ends), np.bool_))

    def fields(self, text: Text, place: int) -> tuple[Ints, Ints]:
        """Give where the fields of one column begin and end."""
        start = self.ends[:, place - 1] + 1 if place else self.begins
        end = self.ends[:, place]
        if place == self.ends.shape[1] - 1:
            end = end - (text.raw[end - 1] == _RETURN)
        return start, end


def _is_moment(text: Text, lines: _Lines, place: int) -> bool:
    start, end = lines.fields(text, place)
    return is_moment(text.slice(int(start[0]), int(end[0])))


def is_moment(written: str) -> bool:
    """Tell whether a column whose first value this is has moments."""
    try:
        moment(written)
    except ValueError:
        return False
    return True


def _unquoted(block: bytes) -> bytes | None:
    """Leave out quotation marks around whole fields; None if they are used in any other way."""
    if b'"' not in block:
        return block
    raw = np.frombuffer(block, np.uint8)
    quotes = np.flatnonzero(raw == _QUOTE)
    opening, closing = quotes[::2], quotes[1::2]
    if len(opening) != len(closing):
        return None
    before, behind = raw[opening - 1], raw[closing + 1]
    outside = (opening == 0) | (before == _COMMA) | (before == _NEWLINE)
    outside &= (behind == _COMMA) | (behind == _NEWLINE) | (behind == _RETURN)
    marks = np.flatnonzero((raw == _COMMA) | (raw == _NEWLINE))
    inside = np.searchsorted(marks, closing) - np.searchsorted(marks, opening)
    return raw[raw != _QUOTE].tobytes() if outside.all() and not inside.any() else None


def _text_lines(block: bytes, stream: BinaryIO) -> Iterator[str]:
    with io.StringIO((block + stream.readline()).decode("utf-8", "replace"), newline="") as text:
        yield from text
    for line in stream:
        yield line.decode("utf-8", "replace")
