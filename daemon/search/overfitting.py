"""How much of the best result may be luck: what many trials on the same quotes do to a winner.

Try enough combinations on pure noise and one of them looks brilliant. Two answers
to that, which agree where both can be given:

- the *deflated Sharpe ratio* (Bailey and López de Prado, 2014) asks whether the
  winner's Sharpe ratio exceeds what the best of so many trials without any edge
  would show, given how lopsided and heavy-tailed its trades are;
- the *probability of backtest overfitting* (Bailey, Borwein, López de Prado and
  Zhu, 2015) cuts time into slices, picks the winner on every half of them and
  looks where it stands among all trials on the other half: combinatorially
  symmetric cross-validation.

`docs/explanation/overfitting.md` says in plain words what they do not say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

NORMAL = NormalDist()
EULER = 0.5772156649015329

SLICES = 16
"""Slices of time: 12,870 ways to halve them."""

SLICES_MAX = 20
"""184,756 ways; every two more make it four times as many."""

AT_ONCE = 1 << 16
"""Halves times trials that are weighed at once."""

FINE = 2.0**-40
"""What counts of the largest pnl: twenty slices of it still add up exactly."""

SAME = 1e-9
"""Trials whose pnl over time differs by less, apart from its size, are one bet."""


# ── the deflated Sharpe ratio ────────────────────────────────────────────────
@dataclass(frozen=True, slots=True, kw_only=True)
class Deflated:
    """A Sharpe ratio, and what becomes of it when one knows how it was found."""

    sharpe: float
    """Of the winner's trades, not annualised."""
    expected_best: float
    """What the best of so many trials without an edge would show."""
    probability: float
    """That the true one exceeds zero, given that it is the best of so many: the deflated ratio."""
    trades: int
    skewness: float
    kurtosis: float
    """3 for a normal distribution."""


def expected_best(trials: float, deviation: float) -> float:
    """Give the largest Sharpe ratio to expect of so many trials whose true ones are all zero.

    ``deviation`` is the standard deviation of the trials' ratios.
    """
    if trials <= 1:
        return 0.0
    late = NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    early = NORMAL.inv_cdf(1 - 1 / trials)
    return max(0.0, deviation * ((1 - EULER) * early + EULER * late))


def deflated(pnl: Floats, trials: float, deviation: float) -> Deflated | None:
    """Deflate the Sharpe ratio of a winner's trades; None where they have none.

    ``pnl`` is what each of its trades brought, ``trials`` how many independent
    bets it is the best of, and ``deviation`` how far Sharpe ratios lie apart
    among trials with as many trades as the winner (see `spread_of`).
    """
    count = len(pnl)
    mean = float(pnl.mean()) if count else 0.0
    away = pnl - mean
    square = away * away
    variance = float(square.mean()) if count else 0.0
    if count < 3 or not variance > (SAME * mean) ** 2:  # noqa: PLR2004 - a skewness takes three
        return None
    sharpe = mean / math.sqrt(variance * count / (count - 1))
    skewness = float((square * away).mean()) / variance**1.5
    kurtosis = float((square * square).mean()) / variance**2
    best = expected_best(trials, deviation)
    probability = probability_above(sharpe, best, count, skewness, kurtosis)
    return Deflated(
        sharpe=sharpe,
        expected_best=best,
        probability=probability,
        trades=count,
        skewness=skewness,
        kurtosis=kurtosis,
    )


def probability_above(
    sharpe: float, benchmark: float, count: int, skewness: float, kurtosis: float
) -> float:
    """Say how sure it is that the true Sharpe ratio exceeds a benchmark, after ``count`` trades."""
    spread = 1 - skewness * sharpe + (kurtosis - 1) / 4 * sharpe**2
    away = (sharpe - benchmark) * math.sqrt(count - 1)
    return NORMAL.cdf(away / math.sqrt(spread)) if spread > 0 else float(away > 0)


def spread_of(sharpes: Floats, counts: Ints, count: int) -> float:
    """Say how far Sharpe ratios of trials lie apart, if all had ``count`` trades.

    A ratio found in few trades is off by more: without an edge, by one over the
    square root of their number. So each is brought to the winner's number first;
    otherwise a handful of trials that hardly trade would decide. And the answer is
    never less than chance alone makes of it: trials that share most of their trades
    lie close together and are off together. Trials without a ratio are left out.
    """
    chance = 1 / math.sqrt(max(count, 1))
    sound = np.isfinite(sharpes) & (counts > 1)
    if np.count_nonzero(sound) < 2:  # noqa: PLR2004 - a deviation takes two
        return chance
    scaled = sharpes[sound] * np.sqrt(counts[sound]) * chance
    return max(float(scaled.std(ddof=1)), chance)


# ── how many trials there really were ────────────────────────────────────────
def effective_trials(pnl: Floats, trials: int) -> float:
    """Say how many independent bets so many trials amount to.

    ``pnl`` holds what some or all of them brought, (slices, trials). Trials that
    rise and fall together are one bet: those that are equal but for their size
    count once, and of the others the mean correlation r leaves r + (1 - r) n.
    """
    given = pnl.shape[1]
    away = pnl - pnl.mean(axis=0)
    size = np.sqrt((away**2).sum(axis=0))
    moves = size > SAME * np.abs(pnl).max(axis=0, initial=0.0)
    unit = np.unique(np.round(away[:, moves] / size[moves] / SAME) + 0.0, axis=1) * SAME
    distinct = unit.shape[1]
    correlation = 0.0
    if distinct > 1:
        together = float((unit.sum(axis=1) ** 2).sum())
        found = (together - distinct) / (distinct * (distinct - 1))
        correlation = min(max(found, 0.0), 1.0)
    total: float = max(distinct, 1) * trials / max(given, 1)
    return correlation + (1 - correlation) * max(total, 1.0)


# ── the probability of overfitting ───────────────────────────────────────────
@dataclass(frozen=True, slots=True, kw_only=True)
class Overfitting:
    """What became of winners on the quotes that they were not chosen on."""

    probability: float
    """The share of halves whose winner is worse than the median on the other half."""
    median_rank: float
    """Where it stands there, at the median: 1 is the best, 0.5 as good as any, 0 the worst."""
    loss_share: float
    """The share of halves whose winner loses money on the other half."""
    halves: int
    """How many ways there were to halve the slices."""
    trials: int
    """How many that differ."""


def overfitting(pnl: Floats) -> Overfitting | None:
    """Cross-validate the choice of a winner; None if there is nothing to choose between.

    ``pnl`` is what every trial brought in every slice of time, (slices, trials).
    Trials that brought the same in every slice count once.

    Raises:
        ValueError: the number of slices is odd, below 2 or above `SLICES_MAX`.
    """
    slices = len(pnl)
    if slices % 2 or not 2 <= slices <= SLICES_MAX:  # noqa: PLR2004 - two are the fewest halves
        raise ValueError(f"there are {slices} slices: an even number from 2 to {SLICES_MAX}")
    pnl = _whole(pnl)
    trials = pnl.shape[1]
    if trials < 2:  # noqa: PLR2004 - a choice takes two
        return None
    seen = _halves(slices)
    sums, whole = _Sums(pnl), pnl.sum(axis=0)
    size = max(1, AT_ONCE // trials)
    parts = [
        _outcome(sums.of(seen[start : start + size]), whole) for start in range(0, len(seen), size)
    ]
    rank, brought = (np.concatenate(part) for part in zip(*parts, strict=True))
    worse = np.count_nonzero(rank < 0) + np.count_nonzero(rank == 0) / 2
    return Overfitting(
        probability=float(worse / len(seen)),
        median_rank=float(np.median(rank) + 1) / 2,
        loss_share=float(np.count_nonzero(brought < 0) / len(seen)),
        halves=len(seen),
        trials=trials,
    )


def _whole(pnl: Floats) -> Floats:
    """Turn pnl into whole numbers, and keep the first of trials that are equal then.

    Sums of whole numbers do not round: what is equal stays equal, whatever it is
    added up of, and a tie is a tie.
    """
    unit = float(np.abs(pnl).max(initial=0.0)) * FINE or 1.0
    whole = np.round(pnl / unit) + 0.0
    _, first = np.unique(whole, axis=1, return_index=True)
    found: Floats = whole[:, np.sort(first)]
    return found


def _halves(slices: int) -> Bools:
    """Mark every half of the slices: (ways, slices)."""
    chosen = np.array([*combinations(range(slices), slices // 2)])
    marks = np.zeros((len(chosen), slices), np.bool_)
    np.put_along_axis(marks, chosen, values=True, axis=1)
    return marks


class _Sums:
    """What trials brought in any slices together: two tables for half of the slices each.

    All numbers are whole and none is rounded, so the order in which they are added
    does not matter.
    """

    def __init__(self, pnl: Floats) -> None:
        middle = len(pnl) // 2
        self._tables = [_subsets(pnl[:middle]), _subsets(pnl[middle:])]
        self._bits = 1 << np.arange(len(pnl) - middle)
        self._middle = middle

    def of(self, seen: Bools) -> Floats:
        """Add up the slices that are marked: (ways, trials)."""
        first, second = self._tables
        found: Floats = first[seen[:, : self._middle] @ self._bits[: self._middle]]
        found += second[seen[:, self._middle :] @ self._bits]
        return found


def _subsets(pnl: Floats) -> Floats:
    """Add up every choice of some slices: bit i of its number says whether slice i is in it."""
    found = np.zeros((1, pnl.shape[1]))
    for one in pnl:
        found = np.concatenate((found, found + one))
    return found


def _outcome(inside: Floats, whole: Floats) -> tuple[Ints, Floats]:
    """Pick the winner on each half; say where it stands on the other half, and what it brings.

    It stands at the trials that it beats less those that beat it: zero is the
    median, whatever is tied with it.
    """
    winner = inside.argmax(axis=1)
    outside = whole - inside
    own = np.take_along_axis(outside, winner[:, None], axis=1)
    beaten = np.count_nonzero(outside < own, axis=1)
    rank = (beaten - np.count_nonzero(outside > own, axis=1)) / (len(whole) - 1)
    return rank, own[:, 0]
