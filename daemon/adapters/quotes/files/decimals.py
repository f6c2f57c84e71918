"""Numbers out of text, thousands at a time.

Eight characters are one word of 64 bits, and arithmetic on the word turns eight
digits into a number: a column is parsed by a few dozen operations on arrays. A
mantissa below 2**53 over a power of ten that a double holds exactly is the very
double that `float` gives. What is written in any other way is left to `float`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Bytes = NDArray[np.uint8]
    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Words = NDArray[np.uint64]

MARGIN = 16
"""Bytes in front of a text and behind it: whoever reads words need not look where it ends."""

LONGEST = 16
"""Characters of a number that is read in words."""

NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
NAMED = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)

_ZEROS = np.uint64(0x3030303030303030)
_DOTS = np.uint64(0x2E2E2E2E2E2E2E2E)
_ONES = np.uint64(0x0101010101010101)
_HIGH = np.uint64(0x8080808080808080)
_SIX = np.uint64(0x0606060606060606)
_UPPER = np.uint64(0xF0F0F0F0F0F0F0F0)
_PLACES = np.uint64(0x0706050403020100)
TENS = 10.0 ** np.arange(LONGEST + 1)
"""Powers of ten, all of which are doubles."""


class Text:
    """Bytes that are read eight at a time, wherever they begin."""

    def __init__(self, raw: Bytes) -> None:
        self.raw = raw
        padded = np.zeros((len(raw) + 2 * MARGIN + 7) // 8 * 8, np.uint8)
        padded[MARGIN : MARGIN + len(raw)] = raw
        self._words = padded.view("<u8")

    def word(self, at: Ints) -> Words:
        """Give the eight bytes from each place on, the first one lowest."""
        at = at + MARGIN
        place = at >> 3
        shift = ((at & 7) << 3).astype(np.uint64)
        found: Words = self._words[place] >> shift
        found |= self._words[place + 1] << (np.uint64(64) - shift)
        return found

    def slice(self, start: int, end: int) -> str:
        """Give a part as text."""
        return self.raw[start:end].tobytes().decode("utf-8", "replace")


class Numbers(NamedTuple):
    """Numbers as they are written: a mantissa, and how many of its digits are decimals."""

    mantissa: Words
    decimals: Ints
    good: Bools
    """False where it is written in any other way than with digits and a point."""

    def values(self) -> Floats:
        """Give them as doubles, correctly rounded."""
        return self.mantissa.astype(np.float64) / TENS[self.decimals]


def numbers(text: Text, start: Ints, end: Ints) -> Numbers:
    """Read plain numbers, each between two places."""
    length = end - start
    size = np.clip(length, 0, LONGEST)
    low, high = text.word(end - 8), text.word(end - 16)
    low ^= (low ^ _ZEROS) & _BEFORE_LOW[size]
    high ^= (high ^ _ZEROS) & _BEFORE_HIGH[size]
    low, high, decimals, dotted = _without_point(low, high)
    low ^= _ZEROS
    high ^= _ZEROS
    strange = (low | (low + _SIX) | high | (high + _SIX)) & _UPPER
    mantissa = eight_digits(high) * np.uint64(10**8) + eight_digits(low)
    good = (strange == 0) & (length > dotted) & (length <= LONGEST) & (mantissa < 1 << 53)
    return Numbers(mantissa, decimals, good)


def _without_point(low: Words, high: Words) -> tuple[Words, Words, Ints, Bools]:
    """Take the point out: what stands before it moves one place towards the end."""
    unit = _first_zero(low ^ _DOTS)
    dotted = unit != 0
    decimals = ((unit * _PLACES) >> np.uint64(56)).astype(np.int64)
    moved = _closed_up(low, unit) | (high >> np.uint64(56))
    above = np.flatnonzero(~dotted)
    if not len(above):
        return moved, high << np.uint64(8) | np.uint64(0x30), decimals, dotted
    low = np.where(dotted, moved, low)
    unit = _first_zero(high[above] ^ _DOTS)
    there = unit != 0
    rest = np.where(there, _closed_up(high[above], unit) | np.uint64(0x30), high[above])
    decimals[above] += np.where(there, 8 + ((unit * _PLACES) >> np.uint64(56)).astype(np.int64), 0)
    high = high << np.uint64(8) | np.uint64(0x30)
    high[above] = rest
    dotted[above] = there
    return low, high, decimals, dotted


def _first_zero(word: Words) -> Words:
    """Give a one in the place of the first byte that is zero; zero if there is none."""
    found = (word - _ONES) & ~word & _HIGH
    return (found & -found) >> np.uint64(7)


def _closed_up(word: Words, unit: Words) -> Words:
    """Drop one byte; those before it move one place on."""
    before = (word & (unit - np.uint64(1))) << np.uint64(8)
    found: Words = (word & ~((unit << np.uint64(8)) - np.uint64(1))) | before
    return found


def eight_digits(digits: Words) -> Words:
    """Turn eight bytes from 0 to 9, the first one lowest, into a number."""
    digits = (digits * np.uint64(2561)) >> np.uint64(8) & np.uint64(0x00FF00FF00FF00FF)
    digits = (digits * np.uint64(6553601)) >> np.uint64(16) & np.uint64(0x0000FFFF0000FFFF)
    return (digits * np.uint64(42949672960001)) >> np.uint64(32)


def all_digits(word: Words, where: np.uint64) -> Bools:
    """Tell whether the bytes that are marked with ones are digits."""
    digits = (word ^ _ZEROS) & where
    found: Bools = ((digits | (digits + (_SIX & where))) & _UPPER) == 0
    return found


def _masks(first: int) -> Words:
    """Mark, by length, the bytes of a word that lie before a text that ends ``first`` behind it."""
    spare = [min(max(8 - (size - first), 0), 8) for size in range(LONGEST + 1)]
    return np.array([(1 << 8 * count) - 1 for count in spare], np.uint64)


_BEFORE_LOW, _BEFORE_HIGH = _masks(0), _masks(8)


def number(text: str) -> float:
    """Read one number, in any way in which it may be written.

    Raises:
        ValueError: it is none.
    """
    plain = text.strip(" \t")
    if NUMBER.fullmatch(plain) or NAMED.fullmatch(plain):
        return float(plain)
    raise ValueError("it is no number")
