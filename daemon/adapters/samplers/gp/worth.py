"""What it is worth to look at a point: how much better than the best it may be, and how likely."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_erfc = np.frompyfunc(math.erfc, 1, 1)

FAR = -6.0
"""So many deviations away, differences of small numbers are replaced by their limit."""

FARTHEST = -37.0


def log_improvement(best: float, mean: Floats, deviation: Floats) -> Floats:
    """Give the logarithm of the expected improvement on a best value; less is better."""
    away = (best - mean) / deviation
    near = np.maximum(away, FAR)
    density = np.exp(-(near**2) / 2) / math.sqrt(2 * math.pi)
    usual = np.log(np.maximum(density + near * _below(near), 1e-300))
    far = np.minimum(away, FAR)
    limit = -(far**2) / 2 - 2 * np.log(-far) - math.log(2 * math.pi) / 2 + np.log1p(-3 / far**2)
    found: Floats = np.log(deviation) + np.where(away > FAR, usual, limit)
    return found


def log_below(mean: Floats, deviation: Floats) -> Floats:
    """Give the logarithm of the probability that something is below zero."""
    found: Floats = np.log(_below(np.maximum(-mean / deviation, FARTHEST)))
    return found


def _below(away: Floats) -> Floats:
    """Give the probability that a normal number is so many deviations above its mean, or less."""
    found: Floats = np.asarray(_erfc(-away / math.sqrt(2)), np.float64) / 2
    return found
