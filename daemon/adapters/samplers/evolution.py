"""CMA-ES of the library `cmaes`: a cloud of points that moves, stretches and shrinks.

The library is told where points lie, not what it asked for: so a point that was
moved to its step, or replaced, is learnt from where it really was, and the cloud
can be built again from what was told, generation by generation.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.adapters.samplers import draw_of, library
from daemon.search.studies.tellings import Tellings, standing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cmaes import CMA  # type: ignore[import-untyped]
    from numpy.typing import NDArray

    from daemon.ports import Told
    from daemon.search.studies.domain import Domain, Point
    from daemon.search.studies.tellings import Telling

    Floats = NDArray[np.float64]

SIGMA = 0.25
CLOSE = 1e-5
"""A cloud without steps that is narrower in every axis has found its place: another begins."""


class CmaSampler:
    """Draws points from the cloud; begins anew elsewhere when it has shrunk to a point."""

    def __init__(
        self, domain: Domain, directions: Sequence[str], seed: int, options: Mapping[str, Any]
    ) -> None:
        self._library = library("cmaes", "the sampler cmaes")
        self._domain = domain
        self._seed = seed
        self._axes = len(domain.axes)
        self._wanted = options.get("population")
        self._sigma = float(options.get("sigma") or SIGMA)
        self._bins = np.array([1 / axis.size if axis.size else CLOSE for axis in domain.axes])
        self._tellings = Tellings(domain, directions)

    def tell(self, told: Sequence[Told]) -> None:
        """Learn what became of some points."""
        self._tellings.tell(told)

    def ask(self, count: int, batch: int) -> Sequence[Point]:
        """Draw some points."""
        cloud = self._cloud()
        cloud.reseed_rng(int(draw_of(self._seed, batch, "cmaes").integers(2**32)))
        shares = np.array([cloud.ask() for _ in range(count)], np.float64).reshape(count, -1)
        return self._domain.back(shares[:, : self._axes])

    def _cloud(self) -> CMA:
        """Build the cloud from everything that was told."""
        population = self._population()
        cloud, begun = self._begin(population, 0), 1
        waiting: list[Telling] = []
        for batch in self._tellings.batches():
            waiting += batch
            while len(waiting) >= population:
                generation, waiting = waiting[:population], waiting[population:]
                shares = self._domain.unit(one.point for one in generation)
                cloud.tell([*zip(self._padded(shares), standing(generation), strict=True)])
                if cloud.should_stop() or bool((shares.std(axis=0) <= self._bins).all()):
                    cloud, begun = self._begin(population, begun), begun + 1
        return cloud

    def _population(self) -> int:
        """Say how many points make a generation: a batch, or as many as the axes ask for."""
        if self._wanted is not None:
            return int(self._wanted)
        usual = 4 + int(3 * math.log(max(self._axes, 2)))
        batches = self._tellings.batches()
        return max(usual, len(batches[0])) if batches else usual

    def _begin(self, population: int, begun: int) -> CMA:
        """Begin with a cloud in the middle, and later somewhere else."""
        axes = max(self._axes, 2)
        middle = np.full(axes, 0.5)
        if begun:
            middle = 0.1 + 0.8 * draw_of(self._seed, begun, "restart").random(axes)
        bounds = np.tile([0.0, 1.0], (axes, 1))
        cloud: CMA = self._library.CMA(
            mean=middle, sigma=self._sigma, bounds=bounds, population_size=population, seed=0
        )
        return cloud

    def _padded(self, shares: Floats) -> Floats:
        """Add what stands for a second axis, which the library cannot do without."""
        if self._axes > 1:
            return shares
        return np.hstack([shares, np.full((len(shares), 1), 0.5)])
