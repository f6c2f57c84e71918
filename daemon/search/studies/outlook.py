"""In sample beside out of sample: did what looked good on the training rows stay good?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon.market.metrics import drawdown_pct, sharpe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

TRIALS_MIN = 3
"""Two ranks always agree or disagree."""


def rank_correlation(one: Ints, other: Ints) -> float:
    """Say how far two rankings agree, from -1 to 1 (Spearman); ties share their mean rank.

    Zeros stand for those that are not ranked, and whoever is not ranked in both is left
    out. NaN where too few are left, or all of them are tied.
    """
    both = (one > 0) & (other > 0)
    if np.count_nonzero(both) < TRIALS_MIN:
        return math.nan
    first, second = (_mean_ranks(ranks[both]) for ranks in (one, other))
    first, second = first - first.mean(), second - second.mean()
    size = math.sqrt(float((first**2).sum()) * float((second**2).sum()))
    return float((first * second).sum()) / size if size > 0 else math.nan


def _mean_ranks(values: Ints) -> Floats:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    found: Floats = (last - (count - 1) / 2)[place]
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Stitched:
    """What the choices of all folds brought together, each on the rows after its training."""

    folds: int
    """How many had somebody to choose."""
    pnl_usd: float
    """Open trades included, as they stood at the end of each test."""
    max_drawdown_pct: float
    """Of a balance that goes from test to test, looked at bin by bin."""
    trades: int
    sharpe_per_trade: float
    """NaN where trades are too few or do not differ."""


def stitched(
    gains: Sequence[Floats], trades: Sequence[Floats], balance_usd: float
) -> Stitched | None:
    """Put tests behind one another: what each gained bin by bin, and what its trades brought.

    None where there is no test.
    """
    if not gains:
        return None
    gained, brought = np.concatenate(gains), np.concatenate(trades)
    worth = np.concatenate(([balance_usd], balance_usd + np.cumsum(gained)))
    peak = np.maximum.accumulate(worth)
    mean = brought.mean() if len(brought) else math.nan
    square = ((brought - mean) ** 2).sum()
    ratio = sharpe(np.array([mean]), np.array([square]), np.array([len(brought)]))
    return Stitched(
        folds=len(gains),
        pnl_usd=float(gained.sum()),
        max_drawdown_pct=float(drawdown_pct(peak, worth).max()),
        trades=len(brought),
        sharpe_per_trade=float(ratio[0]),
    )
