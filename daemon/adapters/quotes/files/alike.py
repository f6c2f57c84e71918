"""Lines that are written alike, read together: each is a row of a matrix of bytes.

In most files most lines are of one length, with digits in the same places and the
same points, commas and letters between them. Then a column stands in the same
bytes of every row, and none has to be looked for. Whatever differs in a single
byte that is no digit is left to others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon.adapters.quotes.files.decimals import TENS, eight_digits
from daemon.adapters.quotes.files.moments import ISO, Layout

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from daemon.adapters.quotes.files.decimals import Words

    Bools = NDArray[np.bool_]
    Bytes = NDArray[np.uint8]
    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

WORD = 8
DIGITS_MAX = 15
"""So many digits are less than 2**53, whatever they are."""

LONGEST = 512
"""Bytes of a line that is laid under others."""

_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_UPPER = np.uint64(0xF0F0F0F0F0F0F0F0)
_DIGIT, _OTHER = 0x06, 0x0F
"""What is added to a byte to take it over 0x0F: to one that is no digit, to one that is no zero."""


class Lines:
    """Lines of one length, each beginning at its place in a text."""

    def __init__(self, text: Bytes, begins: Ints, length: int) -> None:
        self.width = (length // WORD + 2) * WORD
        padded = np.zeros(len(text) + self.width, np.uint8)
        padded[: len(text)] = text
        lines = np.ndarray((len(text) + 1,), f"V{self.width}", padded, 0, (1,))
        self._rows = lines[begins]

    def word(self, first: int) -> Words:
        """Give eight bytes of each line, the first one lowest."""
        return np.ndarray((len(self._rows),), "<u8", self._rows, first, (self.width,))

    def word_before(self, end: int) -> Words:
        """Give the eight bytes before a place; in front of a line there is nothing."""
        if end >= WORD:
            return self.word(end - WORD)
        found: Words = self.word(0) << np.uint64(8 * (WORD - end))
        return found


@dataclass(frozen=True, slots=True)
class Price:
    """Where a price stands in a line: its digits, and perhaps a point between them."""

    start: int
    end: int
    point: int
    """Where the point is; the end where there is none."""

    @classmethod
    def of(cls, text: bytes, start: int) -> Price | None:
        """See it in one line; None if it is no plain number, or too long."""
        whole, _, rest = text.partition(b".")
        digits = whole + rest
        if not digits.isdigit() or len(digits) > DIGITS_MAX:
            return None
        point = start + len(whole) if len(whole) < len(text) else start + len(text)
        return cls(start, start + len(text), point)

    @property
    def digits(self) -> list[int]:
        """The places of its digits."""
        return [place for place in range(self.start, self.end) if place != self.point]

    def read(self, lines: Lines) -> Floats:
        """Read it in all lines, correctly rounded."""
        before, behind = self._marks(self.end)
        word = lines.word_before(self.end)
        low = word & behind if before == 0 else word & behind | (word & before) << np.uint64(8)
        if self.end - self.start <= WORD:
            mantissa = eight_digits(low)
        else:
            before, behind = self._marks(self.end - WORD)
            word = lines.word_before(self.end - WORD)
            low |= (word & before) >> np.uint64(56)
            high = word & behind | (word & before) << np.uint64(8)
            mantissa = eight_digits(high) * np.uint64(10**8) + eight_digits(low)
        decimals = max(self.end - self.point - 1, 0)
        found: Floats = mantissa.astype(np.float64) / TENS[decimals]
        return found

    def _marks(self, end: int) -> tuple[np.uint64, np.uint64]:
        """Mark the digits of the word before a place: those before the point, the others.

        Those before the point move one place on; without a point none does.
        """
        before = behind = 0
        for place in self.digits:
            if end - WORD <= place < end:
                mark = 0x0F << 8 * (place - end + WORD)
                moves = place < self.point < self.end
                before, behind = (before | mark, behind) if moves else (before, behind | mark)
        return np.uint64(before), np.uint64(behind)


@dataclass(frozen=True, slots=True)
class Pattern:
    """How lines are written."""

    sample: bytes
    timestamp: int
    """Where it begins,"""
    layout: Layout
    """and how it is written."""
    prices: tuple[Price, ...]
    words: tuple[tuple[np.uint64, np.uint64, np.uint64], ...]
    """Of each word: which bytes count, what stands there with zeros for digits, what is added."""

    @classmethod
    def of(cls, line: bytes, timestamp: int, prices: Sequence[int]) -> Pattern | None:
        """See it in one line, given which columns hold what; None where that does not help."""
        if len(line) > LONGEST:
            return None
        fields = line.removesuffix(b"\r").split(b",")
        begins = [0]
        for text in fields:
            begins.append(begins[-1] + len(text) + 1)
        iso = ISO.fullmatch(fields[timestamp].decode("ascii", "replace"))
        found = [Price.of(fields[place], begins[place]) for place in prices]
        plain = tuple(price for price in found if price is not None)
        layout = None if iso is None else Layout.of(iso)
        if layout is None or len(plain) < len(found):
            return None
        vary = {begins[timestamp] + place for place in layout.digits}
        vary.update(place for price in plain for place in price.digits)
        return cls(line, begins[timestamp], layout, plain, tuple(_words(line, vary)))

    def good(self, lines: Lines) -> Bools:
        """Tell which lines are written like this, byte by byte."""
        strange = np.zeros(len(lines.word(0)), np.uint64)
        for number, (counts, sample, beyond) in enumerate(self.words):
            found = lines.word(number * WORD) ^ sample
            if counts != _ALL:
                found &= counts
            strange |= found
            found += beyond
            strange |= found
        strange &= _UPPER
        found_good: Bools = strange == 0
        return found_good

    def read(self, lines: Lines) -> tuple[Ints, tuple[Floats, ...], Bools]:
        """Read moments and prices; say which lines are good, the others mean nothing."""
        at_us, sound = self.layout.values(lambda first: lines.word(self.timestamp + first))
        return at_us, tuple(price.read(lines) for price in self.prices), sound & self.good(lines)


def _words(line: bytes, vary: set[int]) -> list[tuple[np.uint64, np.uint64, np.uint64]]:
    """Say what each word of a line is: bytes behind the line may be anything."""
    found = []
    for first in range(0, len(line), WORD):
        counts = sample = beyond = 0
        for place in range(first, min(first + WORD, len(line))):
            shift = 8 * (place - first)
            counts |= 0xFF << shift
            sample |= (0x30 if place in vary else line[place]) << shift
            beyond |= (_DIGIT if place in vary else _OTHER) << shift
        found.append((np.uint64(counts), np.uint64(sample), np.uint64(beyond)))
    return found
