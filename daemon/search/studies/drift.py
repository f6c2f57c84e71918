"""How the quotes of a day are: where their spreads and their volatility lie, in bins of the past.

The population stability index (PSI) compares two such distributions: 0 says that
they are the same. From what value on they are too different for chance depends on
how the days differ from each other, and that is learned (`watching`), not given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon.market.quotes import BPS, DAY_US
from daemon.search.studies.watching import MOST, Channel, Measure

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from daemon.market.quotes import Quotes

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

BINS = 10
"""Tenths of the past, as is usual for the index."""

EVEN = 0.01
"""This share of every distribution is spread evenly: an empty bin is rare, not impossible."""

STRETCHES = 144
"""A day's volatility is measured in about so many stretches: of ten minutes each."""

GAP = 5.0
"""What happens over more than so many usual steps is no step."""

FULL = 0.25
"""A day with a smaller share of the usual rows says nothing."""

NEARLY_US = DAY_US // 50
"""A day is over when there are rows up to so near its end."""


# ── days ─────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, eq=False, slots=True)
class Days:
    """Rows, and to which day each belongs: counted from the last row that a study saw.

    So a day of the week, and the hours in it, hold for all of them alike, and
    whoever looks more often than daily sees nothing else.
    """

    of_row: Ints
    """-1 is the last day that the study saw, 0 the first one after it."""
    numbers: Ints
    """The days that are whole and have enough rows, in order."""

    def places(self) -> Ints:
        """Give the place in `numbers` of each row's day; -1 where it is none of them."""
        if not len(self.numbers):
            return np.full(len(self.of_row), -1)
        found = np.searchsorted(self.numbers, self.of_row)
        found = np.minimum(found, len(self.numbers) - 1)
        places: Ints = np.where(self.numbers[found] == self.of_row, found, -1)
        return places

    @property
    def seen(self) -> int:
        """How many of them the study saw."""
        return int((self.numbers < 0).sum())


def days_of(at_us: Ints, last_us: int, sound: Bools) -> Days:
    """Number the days of rows, given the moment of the last one that a study saw.

    Only sound rows make a day full.
    """
    of_row = (at_us - last_us - 1) // DAY_US
    numbers, rows = np.unique(of_row[sound], return_counts=True)
    if not len(numbers):
        return Days(of_row, numbers)
    before = rows[numbers < 0]
    usual = float(np.median(before if len(before) else rows))
    whole = rows >= FULL * usual
    end_us = last_us + (numbers + 1) * DAY_US
    whole &= (numbers < 0) | (end_us - NEARLY_US <= at_us.max())
    start_us = last_us + numbers * DAY_US
    whole &= (numbers >= 0) | (start_us + NEARLY_US >= at_us.min())
    return Days(of_row, numbers[whole][-2 * MOST :])


# ── what is watched ──────────────────────────────────────────────────────────
def channels(quotes: Quotes, days: Days, rate: float, prefix: str = "") -> list[Channel]:
    """Say how spread and volatility are distributed on each day, in bins of the days seen."""
    spreads = quotes.spreads(rate)
    best = np.maximum(spreads.ab, spreads.ba)
    places = days.places()
    sound = spreads.valid & (places >= 0)
    moves, on = _moves(quotes, spreads.valid, places, rate)
    return [
        _channel(prefix + "spread", best[sound], places[sound], days),
        _channel(prefix + "volatility", moves, on, days),
    ]


def _channel(name: str, values: Floats, places: Ints, days: Days) -> Channel:
    before = values[places < days.seen]
    levels = np.arange(1, BINS) / BINS
    edges = np.unique(np.quantile(before, levels)) if len(before) else np.zeros(1)
    bins = len(edges) + 1
    flat = places * bins + np.searchsorted(edges, values, "right")
    counts = np.bincount(flat, minlength=len(days.numbers) * bins).reshape(-1, bins)
    some = counts.sum(axis=1, keepdims=True)
    usual = counts[: days.seen].sum(axis=0) / max(int(counts[: days.seen].sum()), 1)
    shares = np.where(some > 0, counts / np.maximum(some, 1), usual)  # no values say nothing
    shares = (1 - EVEN) * shares + EVEN / bins
    return Channel(name, shares[: days.seen], shares[days.seen :])


def _moves(quotes: Quotes, valid: Bools, places: Ints, rate: float) -> tuple[Floats, Ints]:
    """Say how far the price moved from row to row, in bps, on average in each stretch of a day."""
    rows = np.flatnonzero(valid)
    bid_a, ask_a, bid_b, ask_b = (column[rows] for column in quotes.prices)
    middle = np.log((bid_a + ask_a + (bid_b + ask_b) * rate) / 4)
    moved, on = np.abs(np.diff(middle)) * BPS, places[rows][1:]
    good = (on >= 0) & (on == places[rows][:-1])
    if quotes.at_us is not None:
        step_us = np.diff(quotes.at_us[rows])
        good &= step_us <= GAP * max(float(np.median(step_us)) if len(step_us) else 0.0, 1.0)
    moved, on = moved[good], on[good]
    if not len(moved):
        return moved, on
    length = max(len(moved) // (len(np.unique(on)) * STRETCHES), 1)
    starts = np.flatnonzero(np.r_[True, on[1:] != on[:-1]])
    since = np.arange(len(on)) - np.repeat(starts, np.diff(np.r_[starts, len(on)]))
    starts = np.flatnonzero(since % length == 0)
    means = np.add.reduceat(moved, starts) / np.diff(np.r_[starts, len(on)])
    return means, on[starts]


# ── how different ────────────────────────────────────────────────────────────
def psi(past: Floats, mean: Floats) -> Floats:
    """Give the population stability index of shares in bins, along the last axis."""
    found: Floats = ((mean - past) * np.log(mean / past)).sum(axis=-1)
    return found


def _compare(past: Floats, mean: Floats, window: int) -> Floats:
    del window
    return psi(past, mean)


PSI = Measure(_compare, power=2, shares=True)
"""How differently the days of a window are distributed than those of the past."""
