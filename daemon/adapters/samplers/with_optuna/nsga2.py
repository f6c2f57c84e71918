"""Optuna's NSGA-II: a population of points that evolves towards the whole front.

Which generation a point belongs to follows from how many were told before it, so
that a population can be built again from what was told. A parameter that is not
active somewhere is inherited all the same: it may matter to a child.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from daemon.adapters.samplers import draw_of, evenly, library
from daemon.adapters.samplers.with_optuna.space import suggested, told
from daemon.adapters.samplers.with_optuna.study import Studies, quiet
from daemon.search.studies.tellings import Tellings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from daemon.ports import Told
    from daemon.search.studies.domain import Domain, Point, Value
    from daemon.search.studies.tellings import Telling

POPULATION = 16
"""Points of a generation, at least; a batch is never divided."""

GENERATION = "NSGAIISampler:generation"
"""Where Optuna looks for the generation of a trial."""


class Nsga2Sampler:
    """Proposes children of the best that was found, and mutants."""

    def __init__(
        self, domain: Domain, directions: Sequence[str], seed: int, options: Mapping[str, Any]
    ) -> None:
        self._optuna = library("optuna", "the sampler nsga2")
        self._domain = domain
        self._seed = seed
        self._population = int(options.get("population") or POPULATION)
        self._tellings = Tellings(domain, directions)
        self._studies = Studies(self._optuna, domain, len(directions))

    def tell(self, told: Sequence[Told]) -> None:
        """Learn what became of some points."""
        self._tellings.tell(told)

    def ask(self, count: int, batch: int) -> Sequence[Point]:
        """Propose points."""
        generations = self._generations()
        if len(generations) == 1:
            return evenly(self._domain, self._seed, len(self._tellings), count)
        trials = [
            self._trial(one, number)
            for number, generation in enumerate(generations)
            for one in generation
        ]
        with quiet(self._optuna):
            study = self._studies.study(self._sampler(batch), trials)
            return [self._suggested(study.ask()) for _ in range(count)]

    def _generations(self) -> list[list[Telling]]:
        """Divide what was told into generations; the last is not yet full, or empty."""
        found: list[list[Telling]] = [[]]
        for batch in self._tellings.batches():
            found[-1] += batch
            if len(found[-1]) >= self._population:
                found.append([])
        return found

    def _sampler(self, batch: int) -> Any:
        draw = draw_of(self._seed, batch, "nsga2")
        samplers = self._optuna.samplers
        return samplers.NSGAIISampler(
            population_size=self._population,
            mutation=samplers.nsgaii.PolynomialMutation(),
            seed=int(draw.integers(2**32)),
        )

    def _trial(self, one: Telling, generation: int) -> Any:
        """Make a trial that says a value of every parameter, active or not."""
        draw = draw_of(self._seed, zlib.crc32(one.key.encode()), "idle")
        idle = self._idle(draw.random(len(self._domain.axes)).tolist())
        params = {
            axis.name: told(axis, one.point.get(axis.name, value))
            for axis, value in zip(self._domain.axes, idle, strict=True)
        }
        return self._studies.trial(one, params, **{GENERATION: generation})

    def _idle(self, shares: list[float]) -> list[Value]:
        return [axis.at(share) for axis, share in zip(self._domain.axes, shares, strict=True)]

    def _suggested(self, trial: Any) -> Point:
        return self._domain.snap(
            {
                axis.name: suggested(trial, axis, self._studies.distributions[axis.name])
                for axis in self._domain.axes
            }
        )
