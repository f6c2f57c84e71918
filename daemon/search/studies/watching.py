"""Watching days that follow others: when are they too unlike them for chance?

A fixed threshold lies about quotes: one hour is like the next, one day not like
another, and a difference that looks large happens every week. So the threshold is
learned from the days that a study saw. Pasts and futures are drawn from them in
blocks, each future is looked at every day as the real one is, through windows from
a day to a month, and the threshold is what the largest difference on the way
exceeds as rarely as is allowed. How often one looks, and through how many windows,
is in it already.

The days are few, and what few days say of all others is uncertain. That is taken
into account twice: every drawn past is as short as the real one, and the drawn
differences are stretched as a spread learned from so few values is uncertain.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Compare = Callable[[Floats, Floats, int], Floats]

WINDOWS = (1, 2, 4, 8, 16, 32)
"""The newest so many days are looked at, together: a jump shows in one, a slow change in many."""

FEWEST = 7
"""From fewer days nobody can say what is usual: there was not even one week."""

MOST = 365
"""Of more days the newest are learned from."""

DRAWS = 600
"""So many pasts and futures are drawn."""

USUAL = 0.9
"""Windows are measured by what each exceeds in one future of ten: none drowns the others."""

JITTER = 0.35
"""How much more or less unlike the others a drawn day is than it was: a standard deviation of its
logarithm, for what grows as the square of it half as much."""

KEPT_MAX = 0.9
FREEDOM_MIN = 3.0
MONTH = 30.0
ROUNDED = 1e-9
"""What is smaller than this share of the figures, or than this, is rounding and no difference."""


@dataclass(frozen=True, slots=True)
class Measure:
    """How unlike a past a window of days is: more is worse, and 0 is nothing."""

    compare: Compare
    """Given the figures of a past, the mean figures of a window, and its days."""
    power: float
    """How it grows with the spread of the figures: 1 as they do, 2 as their square."""
    shares: bool = False
    """The figures are shares, and none is less than the least that was seen."""


@dataclass(frozen=True, eq=False, slots=True)
class Channel:
    """One thing that is watched: a row of figures for each day, the oldest first."""

    name: str
    seen: Floats
    """(days, figures) of the days that a study saw."""
    newer: Floats
    """(days, figures) of the days since."""
    promised: Floats | None = None
    """(days, figures) of those that the past is told by, where these are not the ones seen."""

    @property
    def told(self) -> Floats:
        """The days that the past is told by."""
        return self.seen[-MOST:] if self.promised is None else self.promised[-MOST:]


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Threshold:
    """What is unusual, learned from the days that a study saw."""

    limit: float
    """How many times what is usual the largest difference on the way may be."""
    usual: Floats
    """(channels, windows) what each exceeds in one future of ten."""
    days: int
    effective_days: float
    """Days that say something of their own."""
    block: int
    """Days that were drawn together."""
    horizon: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A window of the newest days, beside what is usual."""

    channel: str
    days: int
    value: float
    bound: float
    """From here on it is unusual."""

    @property
    def ratio(self) -> float:
        """From 1 on it is unusual."""
        return self.value / self.bound


# ── learning ─────────────────────────────────────────────────────────────────
def learn(
    channels: Sequence[Channel],
    measure: Measure,
    per_month: float,
    horizon: int,
    rng: np.random.Generator,
) -> Threshold:
    """Learn what is unusual, so that chance exceeds it so often a month.

    Args:
        channels: what is watched; all of them saw the same days.
        measure: how days are compared.
        per_month: how often chance may exceed what is learned.
        horizon: for how many days the newer ones are watched before they are learned from.
        rng: what is drawn from.

    Raises:
        ValueError: there are too few days to learn from.
    """
    seen = [channel.seen[-MOST:] for channel in channels]
    days = len(seen[0])
    if days < FEWEST:
        raise ValueError(f"{days} days are too few to tell what is usual: it takes {FEWEST}")
    kept = max(map(persistence, seen))
    block = block_length(kept, days)
    futures = blocks(rng, days, block, horizon)
    louder = np.exp(JITTER / measure.power * rng.standard_normal((DRAWS, horizon, 1)))
    paths = []
    for channel, figures in zip(channels, seen, strict=True):
        told = channel.told
        pasts = told[blocks(rng, len(told), block, len(told))].mean(axis=1)
        if channel.promised is not None:
            pasts += figures.mean(axis=0) - told.mean(axis=0)
        paths.append(_path(measure, pasts, _varied(figures, futures, louder, measure)))
    worst = np.array(paths)
    freedom = max(days * (1 - kept) / (1 + kept) - 1, FREEDOM_MIN)
    usual = _usual(worst, seen)
    uncertain = (freedom / rng.chisquare(freedom, DRAWS)) ** (measure.power / 2)
    stretched = (worst / usual[:, :, None]).max(axis=(0, 1)) * uncertain
    allowed = math.exp(-per_month * horizon / MONTH)
    return Threshold(
        limit=max(float(np.quantile(stretched, allowed)), 1.0),
        usual=usual,
        days=days,
        effective_days=freedom + 1,
        block=block,
        horizon=horizon,
    )


def persistence(figures: Floats) -> float:
    """Say how much of a day is still in the next: the correlation of their ranks, 0 at least."""
    level = figures @ np.arange(1.0, figures.shape[1] + 1)
    rank = np.argsort(np.argsort(level, kind="stable"), kind="stable").astype(np.float64)
    rank -= rank.mean()
    power = float((rank**2).sum())
    found = float((rank[1:] * rank[:-1]).sum()) / max(power, 1.0)
    return min(max(found + (1 + 3 * max(found, 0.0)) / len(rank), 0.0), KEPT_MAX)


def block_length(kept: float, days: int) -> int:
    """Say how many days are drawn together, so that what lasts for days is not torn apart."""
    wanted: float = 2 * (2 * kept / (1 - kept**2)) ** (2 / 3) * days ** (1 / 3)
    return max(min(math.ceil(wanted), days // 4), 1)


def blocks(rng: np.random.Generator, days: int, block: int, count: int) -> Ints:
    """Draw days in blocks, the first following the last: (draws, count)."""
    block = min(block, days)
    starts = rng.integers(0, days, (DRAWS, -(-count // block)))
    found: Ints = ((starts[:, :, None] + np.arange(block)) % days).reshape(DRAWS, -1)
    return found[:, :count]


def _varied(figures: Floats, drawn: Ints, louder: Floats, measure: Measure) -> Floats:
    """Give drawn days, each a little more or less unlike the others than it was.

    What comes may be worse than the worst of the few days that were seen.
    """
    mean = figures.mean(axis=0)
    found: Floats = mean + (figures - mean)[drawn] * louder
    return np.maximum(found, figures.min()) if measure.shares else found


def _path(measure: Measure, pasts: Floats, days: Floats) -> Floats:
    """Look at drawn futures every day, and keep the worst of each window: (windows, draws)."""
    draws, horizon, figures = days.shape
    found = np.zeros((len(WINDOWS), draws))
    total = np.concatenate([np.zeros((draws, 1, figures)), days.cumsum(axis=1)], axis=1)
    for place, window in enumerate(WINDOWS):
        if window <= horizon:
            mean = (total[:, window:] - total[:, :-window]) / window
            found[place] = measure.compare(pasts[:, None], mean, window).max(axis=1)
    return found


def _usual(worst: Floats, seen: Sequence[Floats]) -> Floats:
    """Say what each channel and window exceeds on its way once in ten times."""
    sizes = np.array([max(float(np.abs(figures).max()), 1.0) for figures in seen])
    usual = np.maximum(np.quantile(worst, USUAL, axis=2), worst.std(axis=2))
    found: Floats = np.maximum(usual, ROUNDED * sizes[:, None])
    return found


# ── looking ──────────────────────────────────────────────────────────────────
def look(channels: Sequence[Channel], measure: Measure, threshold: Threshold) -> Reading | None:
    """Find the window of the newest days that is least like the past; None before the first day."""
    found = readings(channels, measure, threshold)
    return max(found, key=lambda reading: reading.ratio, default=None)


def readings(channels: Sequence[Channel], measure: Measure, threshold: Threshold) -> list[Reading]:
    """Look at the newest days through every window that they fill."""
    found = []
    for number, channel in enumerate(channels):
        past = channel.told.mean(axis=0)
        for place, window in enumerate(WINDOWS):
            usual = float(threshold.usual[number, place])
            if window <= min(len(channel.newer), threshold.horizon):
                mean = channel.newer[-window:].mean(axis=0)
                value = float(measure.compare(past, mean, window))
                found.append(
                    Reading(
                        channel=channel.name,
                        days=window,
                        value=value,
                        bound=threshold.limit * usual,
                    )
                )
    return found


# ── one figure a day ─────────────────────────────────────────────────────────
def _shortfall(past: Floats, mean: Floats, window: int) -> Floats:
    del window
    found: Floats = (past - mean)[..., 0]
    return found


SHORTFALL = Measure(_shortfall, power=1)
"""How far the mean of a window lies below that of the past."""
