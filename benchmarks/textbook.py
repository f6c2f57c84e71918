"""The tests that people put on live signals, from their textbook formulas.

Each compares samples before a change with samples after it, a row for each
repetition, and says of each row whether the signal fell or rose: one-sided,
5 % each way, as if every sample were new evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from noise import RATE_HZ

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

Z = 1.6448536269514722
"""What a normal variable exceeds in 5 % of cases."""


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Of each repetition: did the signal fall, did it rise? Neither means: cannot tell."""

    fell: Bools
    rose: Bools


if TYPE_CHECKING:
    Test = Callable[[Floats, Floats], Verdicts]


def t_limit(freedom: Floats | float) -> Floats | float:
    """Give what Student's t exceeds in 5 % of cases, by its expansion around the normal."""
    first = (Z**3 + Z) / 4
    second = (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96
    third = (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384
    return Z + first / freedom + second / freedom**2 + third / freedom**3


def _compare(difference: Floats, error: Floats, limit: Floats | float) -> Verdicts:
    return Verdicts(difference < -limit * error, difference > limit * error)


def _moved(before: Floats, after: Floats) -> Floats:
    moved: Floats = np.nanmean(after, axis=1) - np.nanmean(before, axis=1)
    return moved


def threshold(smallest: float) -> Test:
    """Compare the difference of the means with a fixed number."""

    def test(before: Floats, after: Floats) -> Verdicts:
        moved = _moved(before, after)
        return Verdicts(moved <= -smallest, moved >= smallest)

    return test


def welch(before: Floats, after: Floats) -> Verdicts:
    """Welch's t test: the variance of a mean is that of the samples divided by their number."""
    parts = [np.nanvar(side, axis=1, ddof=1) / _count(side) for side in (before, after)]
    counts = _count(before), _count(after)
    error = parts[0] + parts[1]
    freedom = error**2 / (parts[0] ** 2 / (counts[0] - 1) + parts[1] ** 2 / (counts[1] - 1))
    return _compare(_moved(before, after), np.sqrt(error), t_limit(freedom))


def _count(side: Floats) -> Floats:
    count: Floats = np.isfinite(side).sum(axis=1).astype(float)
    return count


def mann_whitney(before: Floats, after: Floats) -> Verdicts:
    """Compare ranks: the normal approximation of U, for values without ties."""
    both = np.concatenate([before, after], axis=1)
    ranks = np.empty(both.shape)
    places = np.arange(1.0, both.shape[1] + 1)
    np.put_along_axis(ranks, both.argsort(axis=1), places[None], axis=1)  # NaN comes last
    ranks = np.where(np.isfinite(both), ranks, 0.0)
    first, second = _count(before), _count(after)
    u = ranks[:, before.shape[1] :].sum(axis=1) - second * (second + 1) / 2
    spread = np.sqrt(first * second * (first + second + 1) / 12)
    return _compare(u - first * second / 2, spread, Z)


def batch_means(seconds: int) -> Test:
    """Compare the means of batches by a t test, taking batches to be independent."""
    size = seconds * RATE_HZ

    def test(before: Floats, after: Floats) -> Verdicts:
        sides = [_batches(side, size) for side in (before, after)]
        number = sides[0].shape[1]
        variance = (sides[0].var(axis=1, ddof=1) + sides[1].var(axis=1, ddof=1)) / number
        limit = t_limit(2.0 * number - 2)
        return _compare(_moved(sides[0], sides[1]), np.sqrt(variance), limit)

    return test


def _batches(side: Floats, size: int) -> Floats:
    number = side.shape[1] // size
    cut = side[:, : number * size].reshape(len(side), number, size)
    means: Floats = np.nanmean(cut, axis=2)
    return means


def newey_west(before: Floats, after: Floats) -> Verdicts:
    """Widen the variance of a mean by the first autocovariances, with Bartlett's weights."""
    error = _long_run(before) / _count(before) + _long_run(after) / _count(after)
    return _compare(_moved(before, after), np.sqrt(error), Z)


def _long_run(side: Floats) -> Floats:
    """Sum autocovariances up to the usual lag, 4 (n / 100)^(2/9); a missing sample adds none."""
    off = side - np.nanmean(side, axis=1, keepdims=True)
    off = np.where(np.isfinite(off), off, 0.0)
    count = _count(side)
    lags = int(4 * (side.shape[1] / 100) ** (2 / 9))
    total: Floats = (off**2).sum(axis=1) / count
    for lag in range(1, lags + 1):
        weight = 1 - lag / (lags + 1)
        total += 2 * weight * (off[:, lag:] * off[:, :-lag]).sum(axis=1) / count
    return np.maximum(total, 1e-12)


def peeking(test: Test, seconds: int) -> Test:
    """Look every few seconds and stop as soon as the test says something."""
    size = seconds * RATE_HZ

    def look(before: Floats, after: Floats) -> Verdicts:
        fell = np.zeros(len(before), dtype=bool)
        rose = fell.copy()
        for stop in range(size, after.shape[1] + 1, size):
            seen = test(before, after[:, :stop])
            waiting = ~(fell | rose)
            fell |= waiting & seen.fell
            rose |= waiting & seen.rose
        return Verdicts(fell, rose)

    return look


def toggled(windows: Floats) -> Verdicts:
    """Compare every window with the new setting with the two old ones around it, by a t test.

    ``windows`` holds means, in turns without and with the change, and begins
    and ends without it. Neighbouring effects share a window and so resemble each
    other, by a sixth; the error of their mean is widened by what that hides.
    """
    without, with_it = windows[:, ::2], windows[:, 1::2]
    effects = with_it - (without[:, :-1] + without[:, 1:]) / 2
    number = effects.shape[1]
    alike = 1 / (3 * number)
    hidden = (1 + (number - 1) * alike) / (1 - alike)
    error = effects.std(axis=1, ddof=1) * np.sqrt(hidden / number)
    return _compare(effects.mean(axis=1), error, t_limit(float(number - 1)))


# ── with the noise of a longer past ──────────────────────────────────────────
COARSE = 6
"""Blocks of the coarser of two scales."""

PHI_MAX = 0.995


def pooled(past: Floats, window: Floats, weights: Floats) -> Verdicts:
    """Compare by a z test whose error comes from a long past: AR(1) noise, at two scales.

    ``past`` and ``window`` hold blocks, a row for each repetition; ``weights``
    say what of the window is compared, and add up to nothing. Of a fit to blocks
    and one to means of six the larger error counts: fast noise over slow looks
    like neither.
    """
    variance = np.zeros(len(past))
    for span in (1, COARSE):
        lag_one, spread = _remembered(_means(past, span))
        coarse = weights.reshape(-1, span).sum(axis=1)
        lags = np.arange(len(coarse))
        overlap = np.correlate(coarse, coarse, "full")[len(coarse) - 1 :]
        overlap[1:] *= 2
        variance = np.maximum(variance, spread * (lag_one[:, None] ** lags @ overlap))
    return _compare(window @ weights, np.sqrt(variance), Z)


def _means(blocks: Floats, span: int) -> Floats:
    number = blocks.shape[1] // span
    means: Floats = blocks[:, : number * span].reshape(len(blocks), number, span).mean(axis=2)
    return means


def _remembered(series: Floats) -> tuple[Floats, Floats]:
    """Fit an AR(1) process to each row, corrected for the length; gives its memory and variance."""
    off = series - series.mean(axis=1, keepdims=True)
    now, then = off[:, 1:], off[:, :-1]
    lag_one = (now * then).sum(axis=1) / ((now**2 + then**2).sum(axis=1) / 2)
    lag_one = lag_one + (1 + 4 * np.maximum(lag_one, 0.0)) / series.shape[1]
    lag_one = np.clip(lag_one, 0.0, PHI_MAX)
    left = ((now - lag_one[:, None] * then) ** 2).mean(axis=1)
    return lag_one, left / (1 - lag_one**2)


def placebo(past: Floats, window: Floats, weights: Floats) -> Verdicts:
    """Compare by a t test whose error is how far the same comparison was off in the past."""
    width = len(weights)
    past = np.lib.stride_tricks.sliding_window_view(past, width, axis=1)[:, ::COARSE]
    error = np.sqrt(((past @ weights) ** 2).mean(axis=1))
    freedom = max(3, (past.shape[1] * COARSE + width) // width)
    return _compare(window @ weights, error, t_limit(float(freedom)))
