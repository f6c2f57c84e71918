"""How the signals of a plant answer its rules, free of noise.

A response takes moves and moments and gives misses, as ``systems`` defines
them. A move is how far each rule stands from where it started, as a share of
its range and positive the way that helps at first; so one response fits every
system. Coefficients are drawn anew for every seed, around the ones written here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Surface = Callable[[Floats, float], Floats]
    """(moves, seconds) -> misses; any number of moves at once, along the leading axes."""


@dataclass(frozen=True, slots=True)
class Response:
    """What a setting does soon, and what it does besides after a long while."""

    soon: Surface
    later: Surface | None = None
    varies: bool = False
    """Whether the same setting means something else at another time."""

    def settled(self, moves: Floats, at_s: float) -> Floats:
        """Give the misses of a setting that is left alone."""
        soon = self.soon(moves, at_s)
        return soon if self.later is None else soon + self.later(moves, at_s)


def spread(rng: np.random.Generator, around: Floats, share: float) -> Floats:
    """Scale each coefficient by a factor of its own, up to this share up or down."""
    return around * np.exp(rng.uniform(-share, share, around.shape))


# ── two rules, straight lines ────────────────────────────────────────────────
_START = np.array([0.90, 0.70, 0.75, -0.95])
_SLOPES = np.array([[-2.3, 0.5], [-0.3, -1.7], [-0.8, -1.1], [2.0, 0.3]])


def linear(rng: np.random.Generator) -> Response:
    """Three targets are missed; each rule helps, and too much of either misses another."""
    start, slopes = spread(rng, _START, 0.06), spread(rng, _SLOPES, 0.2)
    return Response(lambda moves, _: start + moves @ slopes.T)


_CONFLICT_START = np.array([0.90, 0.70, -0.25, -0.90])
_CONFLICT_SLOPES = np.array([[-2.3, 0.3], [-0.3, -1.7], [0.2, 1.7], [2.0, 0.3]])


def conflict(rng: np.random.Generator) -> Response:
    """Not every target can be met: serving the second one costs more at the third."""
    start = spread(rng, _CONFLICT_START, 0.06)
    slopes = spread(rng, _CONFLICT_SLOPES, 0.2)
    return Response(lambda moves, _: start + moves @ slopes.T)


def without_effect(rng: np.random.Generator) -> Response:
    """Nothing that is moved changes anything."""
    start = spread(rng, _START, 0.06)
    return Response(lambda moves, _: start + 0.0 * moves[..., :1])


def cliff(rng: np.random.Generator) -> Response:
    """As the straight lines, until one step too many breaks everything at once."""
    plain = linear(rng)
    edges = np.array([rng.uniform(0.36, 0.48), rng.uniform(0.30, 0.42)])
    fall = np.array([1.6, 1.0, 1.3, 0.9])

    def surface(moves: Floats, at_s: float) -> Floats:
        beyond = (moves > edges).any(axis=-1, keepdims=True)
        return plain.soon(moves, at_s) + np.where(beyond, fall, 0.0)

    return Response(surface)


def daily_cycle(rng: np.random.Generator) -> Response:
    """The straight lines rise and fall with the hour."""
    plain = linear(rng)
    height = spread(rng, np.array([0.30, 0.22, 0.35, 0.18]), 0.2)
    phase = rng.uniform(0, 2 * np.pi)
    return Response(
        lambda moves, at_s: (
            plain.soon(moves, at_s) + height * np.sin(2 * np.pi * at_s / 86_400 + phase)
        ),
        varies=True,
    )


def late_harm(rng: np.random.Generator) -> Response:
    """The second rule looks good at once; what it costs comes over the next half hour."""
    plain = linear(rng)
    cost = spread(rng, np.array([1.6, 0.4, 2.2, 0.2]), 0.15)
    return Response(plain.soon, later=lambda moves, _: moves[..., 1:2] * cost)


# ── two rules, best in between ───────────────────────────────────────────────
_BASE = np.array([-0.12, -0.10, -0.15, -0.32])
_BOWLS = np.array([[5.0, 1.5], [0.5, 6.0], [3.0, 3.0], [0.3, 0.2]])
_SLANT = np.array([0.0, 0.0, 0.0, 0.5])


@dataclass(frozen=True, slots=True)
class Bowls:
    """Every signal is best near one setting, and the worse the further away from it."""

    bowls: Floats

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Bowls:
        """Draw how steep they are."""
        return cls(spread(rng, _BOWLS, 0.2))

    def around(self, moves: Floats, best: Floats) -> Floats:
        """Give the misses when this is the best setting."""
        misses: Floats = _BASE + (moves - best) ** 2 @ self.bowls.T + _SLANT * moves[..., :1]
        return misses


def _first_best(rng: np.random.Generator) -> Floats:
    return np.array([rng.uniform(0.32, 0.50), rng.uniform(0.25, 0.45)])


def interior(rng: np.random.Generator) -> Response:
    """There is a best setting within the bounds, and going on is as bad as not starting."""
    bowls, best = Bowls.drawn(rng), _first_best(rng)
    return Response(lambda moves, _: bowls.around(moves, best))


def drifting(rng: np.random.Generator) -> Response:
    """The best setting wanders there and back in ten hours."""
    bowls, best = Bowls.drawn(rng), _first_best(rng)
    reach = np.array([rng.uniform(-0.40, -0.28), rng.uniform(0.18, 0.28)])

    def surface(moves: Floats, at_s: float) -> Floats:
        gone = (1 - np.cos(2 * np.pi * at_s / 36_000)) / 2
        return bowls.around(moves, best + reach * gone)

    return Response(surface, varies=True)


def jumping(rng: np.random.Generator, at_s: float) -> Response:
    """At this moment the best setting is suddenly somewhere else."""
    bowls, first = Bowls.drawn(rng), _first_best(rng)
    second = np.array([rng.uniform(-0.08, 0.06), rng.uniform(0.52, 0.66)])
    return Response(
        lambda moves, now_s: bowls.around(moves, first if now_s < at_s else second), varies=True
    )


# ── three rules ──────────────────────────────────────────────────────────────
_START_3 = np.array([0.90, 0.70, 0.80, -0.95])
_SLOPES_3 = np.array(
    [[-2.0, 0.5, -0.8], [-0.4, -1.7, 0.3], [-0.5, -0.5, -1.6], [1.5, 0.3, 0.6]],
)


def coupled(rng: np.random.Generator) -> Response:
    """Each of three rules moves every signal, and what one does depends on the others."""
    start, slopes = spread(rng, _START_3, 0.06), spread(rng, _SLOPES_3, 0.2)
    twist, bend = rng.uniform(0.5, 1.1), rng.uniform(0.5, 1.1)

    def surface(moves: Floats, _: float) -> Floats:
        misses: Floats = start + moves @ slopes.T
        misses[..., 0] += twist * moves[..., 0] * moves[..., 1]
        misses[..., 3] += bend * moves[..., 2] ** 2
        return misses

    return Response(surface)
