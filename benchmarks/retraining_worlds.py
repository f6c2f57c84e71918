"""Quotes and live signals that do not change, of several kinds, and changes planted in them.

A world is stationary: what holds on one day holds on every other, apart from what
its kind does every day or every week. Everything comes from a generator that is
passed in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from noise import correlated, heavy_tailed, normal

from daemon.market.quotes import DAY_US, Quotes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

PER_DAY = 720
"""Rows of a day: one every two minutes."""

HOURS = 24
SIGNALS = 4
BEGIN_US = 1_700_000_000_000_000

KINDS = ("AR", "slow AR", "diurnal", "heavy tails", "weekly", "dropouts", "clustered")


@dataclass(frozen=True, slots=True)
class Shift:
    """What changes, by how much, and on which day."""

    what: str
    by: float
    day: int


NONE = Shift("nothing", 0.0, 0)


def _memory(steps: float) -> float:
    """Say what is left of a value after one step, if 1/e is left after so many."""
    return math.exp(-1 / steps)


# ── quotes ───────────────────────────────────────────────────────────────────
def quotes(kind: str, days: int, shift: Shift, rng: np.random.Generator) -> Quotes:
    """Draw quotes of two venues: a price, and a gap between them that comes and goes."""
    rows = days * PER_DAY
    row = np.arange(rows)
    draw = heavy_tailed if kind == "heavy tails" else normal
    gap_bps, move_bps = (
        size * _louder(kind, row, rng, calm) for size, calm in ((12, 1.5), (3, 0.5))
    )
    half_day = 0.5 if kind == "slow AR" else 1 / 48
    gap = correlated(draw(rng, (rows,)), _memory(PER_DAY * half_day))
    level_bps = np.full(rows, 4.0)
    since = row >= shift.day * PER_DAY
    if shift.what == "reversion":
        slower = correlated(draw(rng, (rows,)), _memory(PER_DAY * half_day * shift.by))
        gap = np.where(since, slower, gap)
    elif shift.what == "spread":
        gap_bps = np.where(since, gap_bps * shift.by, gap_bps)
    elif shift.what == "level":
        level_bps = np.where(since, level_bps + shift.by, level_bps)
    elif shift.what == "volatility":
        move_bps = np.where(since, move_bps * shift.by, move_bps)
    middle_a = 20_000 * np.exp(np.cumsum(move_bps * draw(rng, (rows,))) / 1e4)
    middle_b = middle_a * (1 + (level_bps + gap_bps * gap) / 1e4)
    half = 2e-4 * (1 + 0.2 * rng.random(rows))
    there = _there(kind, days, rng)
    bid_a, ask_a, bid_b, ask_b = (
        (middle * (1 + side * half))[there] for middle in (middle_a, middle_b) for side in (-1, 1)
    )
    at_us = (BEGIN_US + row * (DAY_US // PER_DAY))[there]
    return Quotes(bid_a, ask_a, bid_b, ask_b, at_us)


def _louder(kind: str, row: Ints, rng: np.random.Generator, weekend: float) -> Floats:
    """Say how much larger everything is on each row than it is on average."""
    if kind == "diurnal":
        return 1 + 0.6 * np.sin(2 * np.pi * row / PER_DAY)
    if kind == "weekly":
        return np.where(row // PER_DAY % 7 >= 5, weekend, 1.0)
    if kind == "clustered":
        wave = correlated(rng.standard_normal(len(row)), _memory(PER_DAY))
        return np.exp(0.35 * wave)
    return np.ones(len(row))


def _there(kind: str, days: int, rng: np.random.Generator) -> Bools:
    """Say which rows were recorded."""
    there = np.ones((days, PER_DAY), np.bool_)
    if kind == "dropouts":
        there &= rng.random((days, PER_DAY)) > 0.1
        for day in range(days):
            luck, start = rng.random(), int(rng.integers(PER_DAY * 3 // 4))
            if luck < 0.07:
                there[day] = False
            elif luck < 0.25:
                there[day, start : start + PER_DAY // 4] = False
    return there.ravel()


# ── live signals ─────────────────────────────────────────────────────────────
def signals(kind: str, days: int, shift: Shift, rng: np.random.Generator) -> Floats:
    """Draw hourly means of the signals of a running system: (signals, hours)."""
    shape = (SIGNALS, days * HOURS)
    hour = np.arange(days * HOURS)
    draw = heavy_tailed if kind == "heavy tails" else normal
    values = correlated(draw(rng, shape), _memory(12 if kind == "slow AR" else 2))
    if kind == "diurnal":
        values += 2 * np.sin(2 * np.pi * hour / HOURS)
    if kind == "weekly":
        values += np.where(hour // HOURS % 7 >= 5, 1.0, 0.0)
    if kind == "clustered":
        values *= np.exp(0.35 * correlated(normal(rng, shape), _memory(HOURS)))
    if kind == "dropouts":
        values[:, rng.random(len(hour)) < 0.1] = np.nan
        lost = rng.random(days) < 0.07
        values[:, np.repeat(lost, HOURS)] = np.nan
    if shift.what == "signal":
        values[0, hour >= shift.day * HOURS] -= shift.by
    return values
