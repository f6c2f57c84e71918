"""Lists of trades, close by close.

Trades that are open together are closed together, on the row that ends their run:
there the balance moves, and nowhere else. So lists of neighbouring thresholds have
their closes in common, all but a few, and are laid side by side; a list that has
no trade in a run stands still there.

What goes from close to close, a sum or a maximum, would have to wait for itself
at every step. So a list is cut into blocks, and all blocks take a step together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon.market.columns import changes
from daemon.market.metrics import EPS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from daemon.market.entries import Entries
    from daemon.market.paths import Trades

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

HEIGHT = HEIGHT_MAX = 16
"""Closes in a block: marks of them fit a word."""


@dataclass(frozen=True, eq=False, slots=True)
class Closes:
    """The closes of some lists as (list, step, block): each block is so many steps of time."""

    row: Ints
    """Per close, in order of time: the row on which it happens. Behind them, the last row."""
    brought: Floats
    """What all trades closed so far brought before costs, in bps, beyond ``mean`` for each."""
    count: Floats
    """How many they are."""
    mean: Floats
    """Per list, what one of its trades brings: a path stays small, and so does its rounding."""
    gross: Floats
    """Per list, all that ``brought`` ever moved by, up and down."""

    @classmethod
    def of(cls, trades: Trades) -> Closes:
        """Lay out all lists of some trades."""
        new = np.flatnonzero(changes(trades.run))
        closes = len(new)
        height = min(HEIGHT, closes)
        width = -(-closes // height)
        row = np.full(height * width + 1, len(trades.quotes) - 1)
        row[:closes] = trades.runs.close_row[trades.run[new]]
        cell = np.arange(height * width).reshape(height, width).T.reshape(-1)[:closes]
        first = np.repeat(cell, np.diff(new, append=len(trades.run)))
        shape = (height, width)
        brought = _laid_out(trades.entries, first, trades.value, shape)
        count = _laid_out(trades.entries, first, None, shape)
        mean = brought.sum(axis=(1, 2)) / np.maximum(count.sum(axis=(1, 2)), 1)
        brought -= mean[:, None, None] * count
        gross = np.abs(brought).sum(axis=(1, 2))
        for totals in (*brought, *count):
            _add_up(totals)
        return cls(row, brought, count, mean, gross)

    @property
    def height(self) -> int:
        """How many closes a block has."""
        return int(self.brought.shape[1])

    @property
    def width(self) -> int:
        """How many blocks a list has."""
        return int(self.brought.shape[2])

    @property
    def size(self) -> int:
        """How many closes all blocks of a list have: the last one is filled up."""
        return self.height * self.width

    def balances(self, number: Ints, costs_bps: Floats, blocks: slice) -> Floats:
        """Give what lists have brought at their costs by the closes of some blocks.

        Returns:
            (step, path, block).
        """
        lists = slice(number[0], number[0] + 1) if number[0] == number[-1] else number
        brought, count = (
            one[lists, :, blocks].transpose(1, 0, 2) for one in (self.brought, self.count)
        )
        found = count * (costs_bps - self.mean[number])[:, None]
        return np.subtract(brought, found, out=found)

    def within(self, number: Ints, costs_bps: Floats, block: Ints) -> Floats:
        """Give the same of one block of each path: (step, path)."""
        brought, count = (one[number, :, block].T for one in (self.brought, self.count))
        found: Floats = brought - count * (costs_bps - self.mean[number])
        return found

    def noise(self, number: Ints, costs_bps: Floats) -> Floats:
        """Say by how much the rounding of such a sum may differ from that of another, in bps."""
        count = self.count[number, -1, -1]
        moved = self.gross[number] + np.abs(costs_bps - self.mean[number]) * count
        found: Floats = 4 * EPS * np.sqrt(count) * moved
        return found

    def counted(self, number: Ints, close: Ints) -> Ints:
        """Say how many trades lists have closed by some closes, those included."""
        step, block = close % self.height, close // self.height
        return self.count[number, step, block].astype(np.int64)


def closes_of(trades: Trades) -> Ints:
    """Count the closes of every list: the runs of which some row reaches its threshold."""
    new = np.flatnonzero(changes(trades.run))
    highest = np.maximum.reduceat(trades.entries.high, new)
    found = np.bincount(highest, minlength=trades.entries.thresholds + 1)
    return np.cumsum(found[:0:-1])[::-1]


def _laid_out(
    entries: Entries, cell: Ints, values: Floats | None, shape: tuple[int, int]
) -> Floats:
    """Add up what opens by each close, list by list, or count it: (list, step, block)."""
    lists, size = entries.thresholds + 1, math.prod(shape)
    low, high = cell + entries.low * np.int64(size), cell + entries.high * np.int64(size)
    change = np.bincount(low, values, lists * size) - np.bincount(high, values, lists * size)
    made: Floats = change.astype(np.float64, copy=False).reshape(lists, *shape)
    for number in range(1, lists - 1):
        made[number] += made[number - 1]
    return made[:-1]


def _add_up(totals: Floats) -> None:
    """Turn what each close moved into what all closes so far have: (step, block)."""
    for step in range(1, len(totals)):
        totals[step] += totals[step - 1]
    totals[:, 1:] += np.cumsum(totals[-1, :-1])


def in_time(marks: Bools) -> Bools:
    """Put marks of (step, path, block) in order of time: (path, block, step).

    A block becomes a word, a bit a step: words are quickly taken apart again.
    """
    height, bits = len(marks), marks.view(np.uint8)
    words = bits[-1].astype("<u2")
    for step in range(height - 2, -1, -1):
        words += words
        words |= bits[step]
    apart = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")
    return apart.reshape(*words.shape, HEIGHT_MAX)[:, :, :height].view(np.bool_)
