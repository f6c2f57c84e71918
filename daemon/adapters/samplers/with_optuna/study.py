"""A study in memory that knows what was told, made anew for every batch, and quiet."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from daemon.adapters.samplers.with_optuna.space import distribution_of
from daemon.search.studies.tellings import WORST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from optuna import Study
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

    from daemon.search.studies.domain import Domain
    from daemon.search.studies.tellings import Telling

VIOLATION = "violation"


class Studies:
    """Makes studies of one search space.

    Costs are what is minimised, whatever the objectives are. A point that failed or
    was pruned counts as one that is further from holding its constraints than any other.
    """

    def __init__(self, optuna: Any, domain: Domain, objectives: int) -> None:
        self._optuna = optuna
        self._objectives = objectives
        self.distributions = {axis.name: distribution_of(optuna, axis) for axis in domain.axes}

    def trial(self, one: Telling, params: Mapping[str, Any], **attributes: Any) -> FrozenTrial:
        """Make a finished trial of what was told."""
        made: FrozenTrial = self._optuna.trial.create_trial(
            values=one.costs or [WORST] * self._objectives,
            params=params,
            distributions={name: self.distributions[name] for name in params},
            system_attrs=attributes,
            constraints={VIOLATION: one.violation},
        )
        return made

    def study(self, sampler: BaseSampler, trials: Iterable[FrozenTrial]) -> Study:
        """Make a study that holds these trials."""
        study: Study = self._optuna.create_study(
            sampler=sampler, directions=["minimize"] * self._objectives
        )
        study.add_trials(trials)
        return study


@contextmanager
def quiet(optuna: Any) -> Iterator[None]:
    """Let Optuna say nothing: neither lines of its log nor warnings."""
    loudness = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(loudness)
