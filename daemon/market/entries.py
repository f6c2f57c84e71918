"""Which rows open a trade, for every threshold at once.

The trades of a run are its first M rows that reach the threshold. So a row opens
one exactly for the thresholds that it reaches and that fewer than M earlier rows
of its run reached: those above the M-th largest earlier spread, up to its own.
Thresholds are numbered in order, and every row has an interval of them; counts
and sums over all of them are differences that are added up once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.market.thresholds import reached

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike, NDArray

    from daemon.market.runs import Runs

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Numbers = NDArray[np.int32]

WIDEST = 1 << 16
"""Lists that are written out together: their numbers fit 16 bits, which sorts fastest."""

EXACT = 2.0**53
"""Whole numbers up to here are doubles, and so are their sums."""

NEGLIGIBLE = 2.0**-90
"""What may be left of a value, as a share of the largest or of one."""

PARTS_MAX = 80
"""So many parts hold all digits of all doubles."""

SPARSE = 16
"""Lists of fewer trades than one in so many entries are found by sorting, the others by looking."""


@dataclass(frozen=True, eq=False, slots=True)
class Entries:
    """Rows that open a trade for thresholds ``low <= j < high``, in order of time."""

    at: Ints
    """Places in the arrays of `Runs`."""
    low: Numbers | Ints
    high: Numbers | Ints
    thresholds: int
    """How many thresholds there are."""

    def __len__(self) -> int:
        return len(self.at)

    def __getitem__(self, part: slice | Ints) -> Entries:
        return Entries(self.at[part], self.low[part], self.high[part], self.thresholds)

    def split(self, place: int) -> tuple[Entries, Entries]:
        """Part those before a place in the arrays of `Runs` from the others."""
        cut = int(np.searchsorted(self.at, place))
        return self[:cut], self[cut:]

    def only(self, numbers: Ints) -> Entries:
        """Look at some thresholds, given in order; they are numbered anew."""
        if len(numbers) == self.thresholds:
            return self
        rank = np.searchsorted(numbers, np.arange(self.thresholds + 1)).astype(np.int32)
        return Entries(self.at, rank[self.low], rank[self.high], len(numbers))

    def count(self) -> Ints:
        """Count the trades of every threshold."""
        size = self.thresholds + 1
        change = np.bincount(self.low, minlength=size) - np.bincount(self.high, minlength=size)
        return np.cumsum(change)[:-1]

    def between(self, first: int, stop: int) -> tuple[Ints, Entries]:
        """Look at thresholds ``[first, stop)``, numbered from the first, and who opens for them."""
        low, high = np.maximum(self.low, first), np.minimum(self.high, stop)
        some = np.flatnonzero(low < high)
        return some, Entries(self.at[some], low[some] - first, high[some] - first, stop - first)

    def wide(self) -> Entries:
        """Give the same with numbers as they are counted by, for whoever counts several times."""
        low, high = self.low.astype(np.intp), self.high.astype(np.intp)
        return Entries(self.at, low, high, self.thresholds)

    def sum(self, values: Floats, *, whole: bool = False) -> Floats:
        """Add up a value of each row over the trades of every threshold.

        Without loss: a difference of two large sums must not blur a small one. So
        values are cut into parts that have few enough digits for all sums of them
        to be exact; whole numbers mostly have few enough.
        """
        size = self.thresholds + 1
        total = np.zeros(self.thresholds)
        few = whole and float(np.abs(values).max(initial=0.0)) * len(values) < EXACT
        for part in [values] if few else _cut(values):
            change = np.bincount(self.low, part, size) - np.bincount(self.high, part, size)
            total += np.cumsum(change)[:-1]
        return total

    def grouped(self, group: Ints, groups: int, values: Floats | None) -> Floats:
        """Add up by group as well, or count: (groups, thresholds)."""
        size = self.thresholds + 1
        low, high = group * size + self.low, group * size + self.high
        cells = groups * size
        total = np.zeros((groups, self.thresholds))
        for part in [None] if values is None else _cut(values):
            change = np.bincount(low, part, cells) - np.bincount(high, part, cells)
            total += np.cumsum(change.reshape(groups, size), axis=1)[:, :-1]
        return total

    def lists(self, first: int, stop: int) -> tuple[Ints, Ints]:
        """Write out the trades of thresholds ``[first, stop)``, at most `WIDEST` of them.

        Returns:
            Where each list begins (and where the last one ends), and the numbers
            of the entries, list by list in order of time.
        """
        opens = np.maximum(np.minimum(self.high, stop) - np.maximum(self.low, first), 0)
        if (stop - first) * len(self) <= SPARSE * int(opens.sum()):
            found = [
                np.flatnonzero((self.low <= number) & (self.high > number))
                for number in range(first, stop)
            ]
            return begins_of([len(one) for one in found]), np.concatenate(found)
        inside = np.flatnonzero(opens)
        opens = opens[inside]
        shift = np.maximum(self.low[inside], first) - first - (np.cumsum(opens) - opens)
        number = np.repeat(shift.astype(np.int32), opens)
        number += np.arange(len(number), dtype=np.int32)
        number = number.astype(np.uint16)
        order = np.argsort(number, kind="stable")
        lengths = np.bincount(number, minlength=stop - first)
        return begins_of(lengths), np.repeat(inside, opens)[order]


def begins_of(lengths: ArrayLike) -> Ints:
    """Say where stretches of these lengths begin, and where the last one ends."""
    return np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))


def _cut(values: Floats) -> Iterator[Floats]:
    """Cut values into parts of which no sum rounds: multiples of one unit, few enough."""
    room = 2.0 ** (np.ceil(np.log2(len(values) + 2)) + 1)
    negligible = 0.0
    for _ in range(PARTS_MAX):
        largest = np.maximum(values.max(initial=0.0), -values.min(initial=0.0))
        if largest <= negligible:
            return
        negligible = negligible or NEGLIGIBLE * min(largest, 1.0)
        sigma = 2.0 ** np.ceil(np.log2(largest)) * room
        if not np.isfinite(sigma):
            yield values  # sums of such numbers mean nothing
            return
        part = values + sigma
        part -= sigma
        values = values - part
        yield part


def entries(runs: Runs, thresholds: Floats, wanted: list[int]) -> Iterator[tuple[int, Entries]]:
    """Find who opens a trade for every threshold, for each number of open trades wanted.

    From level to level the largest earlier spread is taken out: what a row shows
    to the next level is itself, or what it drove out, whichever is smaller.
    """
    at = np.flatnonzero(runs.spread >= thresholds[0])
    size = len(thresholds)
    fits = len(runs.close_row) * (size + 1) < 2**31
    high = reached(thresholds, runs.spread[at]).astype(np.int32)
    low, left = np.zeros(len(at), np.int32), np.arange(len(at))
    base: NDArray[Any] = runs.run[at].astype(np.int32 if fits else np.int64)
    np.multiply(base, size + 1, out=base)
    shown = high.astype(base.dtype)
    for level in range(1, max(wanted) + 1):
        largest = np.maximum.accumulate(base + shown)
        earlier = np.zeros_like(shown)
        np.subtract(largest[:-1], base[1:], out=earlier[1:])
        np.maximum(earlier, 0, out=earlier)  # what an earlier run showed lies below
        if level in wanted:
            low[:] = 0
            low[left] = earlier
            opens = np.flatnonzero(low < high)
            yield level, Entries(at[opens], low[opens], high[opens], size)
        np.minimum(shown, earlier, out=shown)
        still = np.flatnonzero(shown)
        left, base, shown = left[still], base[still], shown[still]


def deep_entries(
    runs: Runs, thresholds: Floats, trades: int, at_once: int
) -> Iterator[tuple[int, int, Entries]]:
    """Find who opens a trade where very many may be open at once, threshold by threshold.

    Yields:
        Stretches of thresholds ``[first, stop)`` that have about ``at_once`` trades
        together, and their entries; thresholds are numbered from the first.
    """
    found: list[Ints] = []
    first = total = 0
    for stop, threshold in enumerate(thresholds.tolist(), 1):
        found.append(_first_of_runs(runs, threshold, trades))
        total += len(found[-1])
        if total >= at_once or stop == len(thresholds):
            at = np.concatenate(found)
            order = np.argsort(at, kind="stable")
            lengths = [len(one) for one in found]
            number = np.repeat(np.arange(len(found), dtype=np.int32), lengths)[order]
            yield first, stop, Entries(at[order], number, number + np.int32(1), len(found))
            found, first, total = [], stop, 0


def _first_of_runs(runs: Runs, threshold: float, trades: int) -> Ints:
    at = np.flatnonzero(runs.spread >= threshold)
    run = runs.run[at]
    begins = np.flatnonzero(np.diff(run, prepend=-1))
    place = np.arange(len(at)) - np.repeat(begins, np.diff(np.append(begins, len(at))))
    return at[place < trades]
