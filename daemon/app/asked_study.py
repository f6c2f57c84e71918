"""A study as its file asks for it, and who proposes for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.adapters.samplers import Direction
    from daemon.config.study_file import LoadedStudy
    from daemon.errors import Problem
    from daemon.ports import Sampler
    from daemon.search.studies.domain import Domain
    from daemon.search.studies.objective import Aim
    from daemon.services.studying.wanted import SamplerSpec, StudyWanted


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedStudy:
    """A study as its file asks for it."""

    loaded: LoadedStudy
    wanted: StudyWanted
    warnings: Sequence[Problem] = ()

    @property
    def name(self) -> str:
        """What it is called."""
        return self.wanted.name

    @property
    def max_results(self) -> int:
        """How many of the best are shown."""
        return self.wanted.max_results

    @property
    def workers(self) -> int | None:
        """How many processes its file allows."""
        return self.loaded.study.limits.workers

    @property
    def memory_mb(self) -> int | None:
        """How much memory its file allows."""
        return self.loaded.study.limits.memory_mb


def sampler(spec: SamplerSpec, domain: Domain, aim: Aim, seed: int) -> Sampler:
    """Choose who proposes.

    Raises:
        ConfigError: there is none that can search this.
        MissingExtra: it needs a library that is not installed.
    """
    from daemon.adapters import samplers

    directions: list[Direction] = [
        "maximize" if one.maximize else "minimize" for one in aim.objectives
    ]
    return samplers.make(spec.kind, domain, directions, seed, spec.options)
