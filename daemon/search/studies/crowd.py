"""Points that are spread evenly over a domain, whatever a search found there.

A sampler that follows what it is told gathers where the data are kind, and its trials
look alike. What the best of a search shows without any edge depends on everything that
it could have gathered around, so the reality check compares with points that nobody was
led to as well; and only points like these tell which parameters matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from daemon.search.studies.sobol import AXES_MAX, Sobol

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from daemon.search.studies.domain import Domain, Point

    Floats = NDArray[np.float64]

POINTS = 256
"""So many, or all there are."""

SEED = 0
"""The sequence is scrambled, and alike for all studies."""


def spread(domain: Domain, count: int = POINTS) -> list[Point]:
    """Give at most so many points of a domain, no two alike; always the same ones."""
    if domain.cells is not None and domain.cells <= count:
        return [domain.at(index) for index in range(domain.cells)]
    found = domain.back(shares(count, len(domain.axes)))
    return list({domain.key(point): point for point in found}.values())


def shares(count: int, axes: int) -> Floats:
    """Spread points over a cube, always the same ones.

    By Sobol's sequence, and over more axes than that has by lot, but so that each of as
    many equal parts of every axis holds one point.
    """
    if axes <= AXES_MAX:
        return Sobol(axes, SEED).points(0, count)
    draw = np.random.default_rng(SEED)
    parts = np.tile(np.arange(count)[:, None], (1, axes))
    found: Floats = (draw.permuted(parts, axis=0) + 0.5) / count
    return found
