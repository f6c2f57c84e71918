"""Noise as live signals have it: correlated, heavy-tailed, gappy, drifting; in units of its sd.

Everything comes from a generator that is passed in, and many repetitions are
drawn at once: one row each.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Family = Callable[[np.random.Generator, int, int], Floats]

RATE_HZ = 5
"""Samples a second."""

BLOCK = 5 * RATE_HZ
"""Samples of a block: what our own policy gathers before it looks at them."""

SMALLEST_EFFECT_SD = 0.4
"""What counts as an improvement, in sd of one sample: the threshold of the fixed-threshold test."""

_NEGLIGIBLE = 1e-18


def correlated(shocks: Floats, lag_one: float) -> Floats:
    """Turn independent shocks, along the last axis, into a stationary series that remembers.

    Each value is ``lag_one`` times the one before it and a fresh shock; the
    variance stays that of the shocks. Summed by doubling, without a loop over
    time: after a pass with stride k a value holds its last 2k shocks.
    """
    if not lag_one:
        return shocks.copy()
    series = shocks * math.sqrt(1 - lag_one**2)
    series[..., 0] = shocks[..., 0]
    stride = 1
    while stride < series.shape[-1] and (weight := lag_one**stride) > _NEGLIGIBLE:
        series[..., stride:] += weight * series[..., :-stride]
        stride *= 2
    return series


def heavy_tailed(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Draw from Student's t with three degrees of freedom, scaled to an sd of one."""
    return rng.standard_t(3, shape) / math.sqrt(3)


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Draw from the normal distribution."""
    return rng.standard_normal(shape)


# ── families: (generator, repetitions, samples) -> one row per repetition ────
def remembering(lag_one: float) -> Family:
    """Normal noise in which one sample tells of the next."""

    def draw(rng: np.random.Generator, repetitions: int, samples: int) -> Floats:
        return correlated(normal(rng, (repetitions, samples)), lag_one)

    return draw


def mixed(rng: np.random.Generator, repetitions: int, samples: int) -> Floats:
    """Three quarters of the variance forget at once, one quarter wanders for minutes."""
    shape = (repetitions, samples)
    return math.sqrt(0.75) * normal(rng, shape) + 0.5 * correlated(normal(rng, shape), 0.995)


def student(rng: np.random.Generator, repetitions: int, samples: int) -> Floats:
    """Heavy tails and a short memory."""
    return correlated(heavy_tailed(rng, (repetitions, samples)), 0.5)


def outliers(rng: np.random.Generator, repetitions: int, samples: int) -> Floats:
    """One sample in a hundred is wild: twenty times as wide as the others."""
    shape = (repetitions, samples)
    wild = rng.random(shape) < 0.01
    return correlated(normal(rng, shape), 0.5) + 20 * wild * normal(rng, shape)


def dropouts(rng: np.random.Generator, repetitions: int, samples: int) -> Floats:
    """Two samples in five never arrive."""
    shape = (repetitions, samples)
    return np.where(rng.random(shape) < 0.4, np.nan, correlated(normal(rng, shape), 0.5))


def drifting(rng: np.random.Generator, repetitions: int, samples: int) -> Floats:
    """A slope of one smallest effect in fifteen minutes, up or down."""
    shape = (repetitions, samples)
    slope = SMALLEST_EFFECT_SD / (15 * 60 * RATE_HZ) * rng.choice([-1.0, 1.0], (repetitions, 1))
    return correlated(normal(rng, shape), 0.5) + slope * np.arange(samples)


def daily(rng: np.random.Generator, repetitions: int, samples: int) -> Floats:
    """A cycle of a day with an amplitude of 1.5 sd, met at any hour."""
    shape = (repetitions, samples)
    phase = rng.uniform(0, 2 * np.pi, (repetitions, 1))
    angle = 2 * np.pi * np.arange(samples) / (86_400 * RATE_HZ) + phase
    return correlated(normal(rng, shape), 0.5) + 1.5 * np.sin(angle)


FAMILIES: dict[str, Family] = {
    "white": remembering(0.0),
    "AR .9": remembering(0.9),
    "AR .99": remembering(0.99),
    "AR .999": remembering(0.999),
    "mixed": mixed,
    "Student t3": student,
    "outliers": outliers,
    "dropouts": dropouts,
    "drift": drifting,
    "daily": daily,
}
