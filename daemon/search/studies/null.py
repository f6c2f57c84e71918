"""What the best of so many would show if none of them had an edge: a reality check by bootstrap.

Every trial has gained something in every bin of time. Were its true mean zero, how
large could the largest of all means, each over its own standard error, still become?
That is found by drawing the bins anew, many times: whole blocks of them, so that what
lasts longer than a bin keeps lasting, and the same ones for all trials, so that what
rises and falls together keeps doing so. The p-value of a trial is the share of draws
in which the best of all was at least as good as it is.

This is the test for superior predictive ability (Hansen, 2005), a studentised form of
the reality check (White, 2000), on the stationary bootstrap of Politis and Romano
(1994), with the block length that Politis and White (2004; corrected with Patton, 2009)
choose from the data. Trials that lose so clearly that they could not be the best are
kept where they are instead of being lifted to zero, so that padding a study with
hopeless ones does not hide a good one.

Two things are done beyond that, because without them a search without any edge was
found far too often to have one. Standard errors are taken anew in every draw: many
small gains and a rare large loss look best, and surest, where the loss did not happen
yet. And where bins remember each other, the errors found are too small in short
series; so they are never less than those of a series that forgets as slowly as its
neighbouring bins say, nor than is usual among the trials.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon.search.overfitting import expected_best

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

BINS_MIN = 16
"""Fewer bins of time cannot tell what lasts from what does not."""

SAME = 1e-12
"""A standard error that is a smaller share of the largest gain is that of a constant."""

CALM = 0.1
"""The least that a draw may deviate, as a share of what was measured: it may hold no trade."""

LASTING_MAX = 0.97
"""A bin tells no more than that of the next one."""

BETS_MAX = 1e9
HALVINGS = 60

SURE = 2.0
"""Autocorrelations within so many standard errors of zero count as none."""

ACTIVE_MIN = 0.05
"""Trials that gained or lost something in fewer bins have no say in how long a block is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reality:
    """How the winner compares with the best of so many without an edge."""

    statistic: float
    """Its mean gain a bin over its standard error."""
    p_value: float
    """The share of draws in which the best of all, none of them with an edge, was as good."""
    p_all: float
    """The same with all trials lifted to zero, the hopeless ones too: never smaller."""
    p_alone: float
    """The same with nobody to compare with: what a test says that forgets the search."""
    resamples: int
    bins: int
    block: float
    """The mean length of a block, in bins."""
    trials: int
    """How many were compared; those that never moved are left out."""
    null_median: float
    """What the best of all without an edge shows in the middle of the draws,"""
    null_95: float
    """and in all but five of a hundred."""
    bets: float
    """How many independent trials without an edge would look as good at their best as these do."""


def reality_check(
    gains: Floats, winner: int, resamples: int, rng: np.random.Generator
) -> Reality | None:
    """Weigh a trial; ``gains`` is what each gained in every bin, (bins, trials).

    None where there are too few bins, or the trial never moved.
    """
    bins, resamples = len(gains), max(1, resamples)
    if bins < BINS_MIN:
        return None
    largest = np.abs(gains).max(axis=0, initial=0.0)
    moves = np.ptp(gains, axis=0) > SAME * largest
    if not moves[winner]:
        return None
    place = int(np.count_nonzero(moves[:winner]))
    scaled = gains[:, moves] / largest[moves]
    block = block_length(scaled, place)
    drawn, lasting = memory(scaled, block)
    mean, error = scaled.mean(axis=0), scaled.std(axis=0) / math.sqrt(bins)
    score = mean / (lasting * error)
    lifted = _lifted(scaled, resampled(bins, resamples, block, rng)) / drawn
    kept = np.where(score >= -math.sqrt(2 * math.log(math.log(bins))), 0.0, score)
    best, best_all = (lifted + kept).max(axis=1), lifted.max(axis=1)
    found = float(score[place])
    return Reality(
        statistic=found,
        p_value=_share(best >= found),
        p_all=_share(best_all >= found),
        p_alone=_share(lifted[:, place] >= found),
        resamples=resamples,
        bins=bins,
        block=block,
        trials=int(np.count_nonzero(moves)),
        null_median=float(np.median(best)),
        null_95=float(np.quantile(best, 0.95)),
        bets=independent(float(best_all.mean())),
    )


def _lifted(gains: Floats, shares: Floats) -> Floats:
    """Give the mean of every draw beyond the true one, over the standard error of that draw."""
    mean, deviation = gains.mean(axis=0), gains.std(axis=0)
    drawn = shares @ gains
    spread = np.sqrt(np.maximum(shares @ gains**2 - drawn**2, 0.0))
    error = np.maximum(spread, CALM * deviation) / math.sqrt(len(gains))
    found: Floats = (drawn - mean) / error
    return found


def _share(reached: Bools) -> float:
    """Give a p-value that is never zero: what was seen counts as one of the draws."""
    return (1 + int(np.count_nonzero(reached))) / (1 + len(reached))


def independent(best: float) -> float:
    """Say of how many independent trials the best is expected to be so many standard errors up.

    The inverse of `expected_best`. That is what a search amounts to, whatever its trials
    have in common.
    """
    low, high = 1.0, BETS_MAX
    for _ in range(HALVINGS):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if expected_best(middle, 1.0) < best else (low, middle)
    return high


# ── the bootstrap ────────────────────────────────────────────────────────────
def resampled(bins: int, resamples: int, block: float, rng: np.random.Generator) -> Floats:
    """Draw bins anew, in blocks of random length that begin anywhere and go round the end.

    Returns:
        What share of each draw every bin has, (resamples, bins): a mean over a draw
        is then a product.
    """
    jumps = rng.random((resamples, bins)) < 1 / max(block, 1.0)
    jumps[:, 0] = True
    starts = rng.integers(0, bins, (resamples, bins))
    at = np.arange(bins)
    begun = np.maximum.accumulate(np.where(jumps, at, 0), axis=1)
    drawn = (np.take_along_axis(starts, begun, axis=1) + at - begun) % bins
    cells = drawn + bins * np.arange(resamples)[:, None]
    counts = np.bincount(cells.ravel(), minlength=resamples * bins)
    found: Floats = counts.reshape(resamples, bins) / bins
    return found


def memory(gains: Floats, block: float) -> tuple[Floats, Floats]:
    """Say how much larger than for independent bins the standard error of each trial is.

    Returns:
        What draws in blocks of this length make of it, and what it should be taken for.
    """
    bins = len(gains)
    covariances = autocovariances(gains)
    level = np.maximum(covariances[0], np.finfo(np.float64).tiny)
    keep = 1 - 1 / max(block, 1.0)
    lag = np.arange(1, bins)
    weight = (bins - lag) / bins * keep**lag + lag / bins * keep ** (bins - lag)
    drawn = np.sqrt(np.maximum(1 + 2 * weight @ (covariances[1:] / level), 1.0))
    next_bin = covariances[1] / level
    next_bin += (1 + 3 * next_bin) / bins  # what a short series hides of it
    next_bin = np.clip(next_bin, 0.0, LASTING_MAX)
    lasting = np.maximum(drawn, np.sqrt((1 + next_bin) / (1 - next_bin)))
    return drawn, np.maximum(lasting, np.median(lasting))


def autocovariances(gains: Floats) -> Floats:
    """Give the autocovariance of each column at every lag, (bins, trials)."""
    bins = len(gains)
    away = gains - gains.mean(axis=0)
    size = 1 << (2 * bins - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(away, size, axis=0)) ** 2
    found: Floats = np.fft.irfft(spectrum, size, axis=0)[:bins] / bins
    return found


# ── how long a block is ──────────────────────────────────────────────────────
def block_length(gains: Floats, winner: int) -> float:
    """Choose the mean length of a block, in bins: what the winner needs, or most others.

    One length serves all trials, because they are drawn together.
    """
    lengths = block_lengths(gains)
    active = np.count_nonzero(gains, axis=0) >= ACTIVE_MIN * len(gains)
    usual = float(np.median(lengths[active])) if active.any() else 1.0
    return max(float(lengths[winner]), usual)


def block_lengths(gains: Floats) -> Floats:
    """Choose a block length for each column on its own, by the rule of Politis and White."""
    bins = len(gains)
    covariances = autocovariances(gains)
    variance = np.maximum(covariances[0], np.finfo(np.float64).tiny)
    quiet_run = max(5, math.ceil(math.log10(bins) ** 0.5))
    most = min(math.ceil(math.sqrt(bins)) + quiet_run, bins - 1)
    longest = math.ceil(min(3 * math.sqrt(bins), bins / 3))
    limit = SURE * math.sqrt(math.log10(bins) / bins)
    quiet = np.abs(covariances[1 : most + 1] / variance) < limit
    reach = np.array([_reach(column, quiet_run) for column in quiet.T])
    half = np.minimum(2 * np.maximum(reach, 1), most)
    lag = np.arange(1, most + 1)[:, None]
    weight = np.clip(2 * (1 - lag / half), 0.0, 1.0)
    weight = np.where(lag <= half, weight, 0.0)
    slope = 2 * (weight * lag * covariances[1 : most + 1]).sum(axis=0)
    level = covariances[0] + 2 * (weight * covariances[1 : most + 1]).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (2 * slope**2 / (2 * level**2)) ** (1 / 3) * bins ** (1 / 3)
    sound = np.where(np.isfinite(found), found, float(longest))
    clipped: Floats = np.clip(sound, 1.0, float(longest))
    return clipped


def _reach(quiet: Bools, run: int) -> int:
    """Give the last lag that matters: so many after it are quiet, one behind the other."""
    length = 0
    for place, is_quiet in enumerate(quiet.tolist()):
        length = length + 1 if is_quiet else 0
        if length == run:
            return place + 1 - run
    loud = np.flatnonzero(~quiet)
    return int(loud[-1]) + 1 if len(loud) else 0
