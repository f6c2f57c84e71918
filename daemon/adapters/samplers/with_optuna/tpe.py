"""Optuna's tree-structured Parzen estimator.

It splits what was told into the better part and the rest, estimates where each lies
densely, and proposes points where the better part does and the rest does not. Points
of the same batch count as part of the rest, so that they keep their distance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.adapters.samplers import draw_of, evenly, library
from daemon.adapters.samplers.with_optuna.space import suggested, told
from daemon.adapters.samplers.with_optuna.study import Studies, quiet
from daemon.search.studies.tellings import Tellings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from daemon.ports import Told
    from daemon.search.studies.domain import Domain, Point, Value

STARTUP = 10
"""Points that are spread evenly before anything is learnt."""

CANDIDATES = 128
"""Points that each proposal is the best of; one that is told little between should look longer."""


class TpeSampler:
    """Proposes where good points were dense and others were not."""

    def __init__(
        self, domain: Domain, directions: Sequence[str], seed: int, options: Mapping[str, Any]
    ) -> None:
        self._optuna = library("optuna", "the sampler tpe")
        self._domain = domain
        self._seed = seed
        self._several = len(directions) > 1
        startup = options.get("startup")
        self._startup = STARTUP if startup is None else int(startup)
        self._tellings = Tellings(domain, directions)
        self._studies = Studies(self._optuna, domain, len(directions))
        self._trials: dict[str, Any] = {}

    def tell(self, told: Sequence[Told]) -> None:
        """Learn what became of some points."""
        self._tellings.tell(told)

    def ask(self, count: int, batch: int) -> Sequence[Point]:
        """Propose points."""
        if len(self._tellings) < self._startup:
            return evenly(self._domain, self._seed, len(self._tellings), count)
        with quiet(self._optuna):
            study = self._studies.study(self._sampler(batch), self._told())
            return [self._suggested(study.ask()) for _ in range(count)]

    def _sampler(self, batch: int) -> Any:
        draw = draw_of(self._seed, batch, "tpe")
        return self._optuna.samplers.TPESampler(
            n_startup_trials=self._startup,
            n_ei_candidates=CANDIDATES,
            seed=int(draw.integers(2**32)),
            multivariate=not self._several,
            group=not self._several and self._domain.conditional,
            constant_liar=True,
        )

    def _told(self) -> list[Any]:
        for one in self._tellings:
            if one.key not in self._trials:
                params = {
                    name: told(self._domain.named[name], value) for name, value in one.point.items()
                }
                self._trials[one.key] = self._studies.trial(one, params)
        return [self._trials[one.key] for one in self._tellings]

    def _suggested(self, trial: Any) -> Point:
        found: dict[str, Value] = {}
        for axis in self._domain.order:
            if all(found.get(name) == value for name, value in axis.when.items()):
                distribution = self._studies.distributions[axis.name]
                found[axis.name] = suggested(trial, axis, distribution)
        return self._domain.snap(found)
