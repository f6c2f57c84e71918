"""A Gaussian process: a kernel (Matérn 5/2), fitted length scales and noise, and what it expects.

The mean is zero and the variance of the signal is what fits best, so that only the
length of each axis and the share of noise are searched: those under which what was
seen is most likely, given that lengths near half of an axis are likely beforehand.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon.adapters.samplers.gp.algebra import applied, product, unrooted

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from daemon.adapters.samplers.gp.features import Features

    Floats = NDArray[np.float64]
    Slope = tuple[float, Floats]

ROOT5 = math.sqrt(5)

LENGTH, LENGTH_SPREAD = math.log(0.5), 1.0
"""The logarithm of a length, before anything is seen; more axes make distances longer."""
NOISE, NOISE_SPREAD = math.log(1e-3), 2.0
"""The logarithm of the share of noise, before anything is seen."""

LOWEST, HIGHEST = math.log(0.02), math.log(30.0)
NOISE_LOWEST, NOISE_HIGHEST = math.log(1e-6), math.log(0.5)

STEPS_MAX = 40
HALVINGS_MAX = 12
FLAT = 1e-4
"""A slope that is less steep in every direction is the bottom."""

DIGITS = 1
"""Digits that are kept of what was fitted, a logarithm: what is rounded otherwise where a
processor adds up in another order, is lost in them."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What was found to fit."""

    lengths: Floats
    """The length of each axis."""
    noise: float
    """The variance of noise, as a share of the signal's."""


def kernel(apart: Floats, lengths: Floats) -> Floats:
    """Say how alike points are that are so far apart, (axes, n, m) squared."""
    away = np.sqrt(np.einsum("a,anm->nm", 1 / lengths**2, apart))
    found: Floats = (1 + ROOT5 * away + 5 / 3 * away**2) * np.exp(-ROOT5 * away)
    return found


def fit(apart: Floats, seen: Floats) -> Fitted:
    """Find lengths and noise for what was seen at points so far apart."""
    axes = len(apart)
    usual = LENGTH + math.log(axes) / 2
    starts = [
        np.array([*[length] * axes, noise])
        for length, noise in ((usual, NOISE), (usual - 1.0, NOISE - 2.0))
    ]
    found = [_descend(lambda theta: _unlikeliness(theta, apart, seen), start) for start in starts]
    best = np.round(min(found, key=lambda pair: pair[0])[1], DIGITS)
    return Fitted(np.exp(best[:-1]), math.exp(best[-1]))


def _unlikeliness(theta: Floats, apart: Floats, seen: Floats) -> Slope:
    """Say how unlikely is what was seen, and how that changes with each parameter."""
    axes, count = len(apart), len(seen)
    lengths, noise = np.exp(theta[:-1]), math.exp(theta[-1])
    scaled = apart / (lengths**2)[:, None, None]
    away = np.sqrt(scaled.sum(axis=0))
    faded = np.exp(-ROOT5 * away)
    matrix = (1 + ROOT5 * away + 5 / 3 * away**2) * faded
    matrix[np.diag_indices(count)] += noise
    unroot = unrooted(matrix)
    inverse = product(unroot.T, unroot)
    weights = applied(inverse, seen)
    variance = max(float((seen * weights).sum()) / count, 1e-12)
    value = count / 2 * math.log(variance) - float(np.log(np.diag(unroot)).sum())
    pull = inverse - np.outer(weights, weights) / variance
    steep = pull * (5 / 3 * (1 + ROOT5 * away) * faded)
    slope = np.empty(axes + 1)
    slope[:-1] = (scaled * steep).sum(axis=(1, 2)) / 2
    slope[-1] = noise * float(np.trace(pull)) / 2
    expected = np.array([*[LENGTH + math.log(axes) / 2] * axes, NOISE])
    spread = np.array([*[LENGTH_SPREAD] * axes, NOISE_SPREAD])
    off = (theta - expected) / spread
    return value + float(off @ off) / 2, slope + off / spread


def _descend(slope_at: Callable[[Floats], Slope], start: Floats) -> tuple[float, Floats]:
    """Walk downhill, the steps shaped by what was learnt of the curvature (BFGS)."""
    low = np.array([*[LOWEST] * (len(start) - 1), NOISE_LOWEST])
    high = np.array([*[HIGHEST] * (len(start) - 1), NOISE_HIGHEST])
    here = start.clip(low, high)
    value, slope = slope_at(here)
    shape = np.eye(len(here)) / max(float(np.abs(slope).max()), 1.0)
    for _ in range(STEPS_MAX):
        step = -shape @ slope
        if float(step @ slope) >= 0:
            shape = np.eye(len(here)) / max(float(np.abs(slope).max()), 1.0)
            step = -shape @ slope
        for _ in range(HALVINGS_MAX):
            there = (here + step).clip(low, high)
            value_there, slope_there = slope_at(there)
            if value_there < value + 1e-4 * float((there - here) @ slope):
                break
            step = step / 2
        else:
            return value, here
        moved, turned = there - here, slope_there - slope
        bent = float(moved @ turned)
        if bent > 1e-10:  # noqa: PLR2004 - curved upwards, beyond rounding
            rest = np.eye(len(here)) - np.outer(moved, turned) / bent
            shape = rest @ shape @ rest.T + np.outer(moved, moved) / bent
        here, value, slope = there, value_there, slope_there
        if float(np.abs(slope).max()) < FLAT or float(np.abs(moved).max()) < FLAT:
            break
    return value, here


class Process:
    """What is expected anywhere, given what was seen."""

    def __init__(self, features: Features, points: Floats, seen: Floats, fitted: Fitted) -> None:
        self._features = features
        self._fitted = fitted
        self._points = points
        matrix = self._alike(points, points)
        matrix[np.diag_indices(len(points))] += fitted.noise
        self._unroot = unrooted(matrix)
        self._weights = applied(self._unroot.T, applied(self._unroot, seen))
        self._variance = max(float((seen * self._weights).sum()) / len(seen), 1e-12)

    def _alike(self, one: Floats, other: Floats) -> Floats:
        return kernel(self._features.apart(one, other), self._fitted.lengths)

    def expect(self, points: Floats) -> tuple[Floats, Floats]:
        """Give the mean and the deviation at points."""
        alike = self._alike(points, self._points)
        left = 1 - (product(alike, self._unroot.T) ** 2).sum(axis=1)
        mean = applied(alike, self._weights)
        return mean, np.sqrt(self._variance * np.maximum(left, 1e-12))

    def believe(self, point: Floats) -> None:
        """Take it that what is expected at a point, (1, columns), was seen there."""
        alike = self._alike(self._points, point)
        known = applied(self._unroot, alike[:, 0])
        left = math.sqrt(max(1 + self._fitted.noise - float((known**2).sum()), 1e-9))
        row = np.append(-applied(self._unroot.T, known), 1.0) / left
        column = np.zeros((len(known), 1))
        self._unroot = np.vstack([np.hstack([self._unroot, column]), row])
        self._weights = np.append(self._weights, 0.0)
        self._points = np.vstack([self._points, point])
