"""Who proposes the points of a study: samplers of our own, and those of libraries.

Samplers are strangers to each other, so what they share stands here, above them.
None of them is loaded before it is asked for: a library of samplers takes longer to
load than everything else.
"""

from __future__ import annotations

import zlib
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from daemon.errors import ConfigError, MissingExtra, Problem
from daemon.search.studies.abilities import KINDS, refusals, wrong_options
from daemon.search.studies.sobol import AXES_MAX, Sobol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Literal

    from daemon.ports import Sampler
    from daemon.search.studies.domain import Domain, Point

    Direction = Literal["maximize", "minimize"]

PACKAGE = "self-tuning-daemon"

_PLACES = {
    "grid": ("grid", "GridSampler"),
    "random": ("chance", "RandomSampler"),
    "qmc": ("spread", "SpreadSampler"),
    "tpe": ("with_optuna", "TpeSampler"),
    "gp": ("gp", "GaussianSampler"),
    "cmaes": ("evolution", "CmaSampler"),
    "nsga2": ("with_optuna", "Nsga2Sampler"),
}


def make(
    kind: str,
    domain: Domain,
    directions: Sequence[Direction],
    seed: int,
    options: Mapping[str, Any],
) -> Sampler:
    """Make a sampler.

    Raises:
        ConfigError: there is no such sampler, it cannot search this space or for so many
            objectives, or has no such option; every problem has a hint.
        MissingExtra: it needs a library that is not installed.
    """
    found = list(refusals(kind, domain, len(directions)))
    if kind in KINDS:
        found += wrong_options(kind, options)
    if found:
        raise ConfigError([Problem(one.text, key="sampler", hint=one.hint) for one in found])
    module, name = _PLACES[kind]
    made = getattr(import_module(f"{__name__}.{module}"), name)
    return cast("Sampler", made(domain, directions, seed, dict(options)))


def library(name: str, purpose: str) -> Any:
    """Load a library that not everybody installs.

    Raises:
        MissingExtra: it is not installed.
    """
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f"{purpose} needs the library {name}, which is not installed ({error})",
            hint=f"pip install '{PACKAGE}[search]', or take a sampler that needs none:"
            f" {', '.join(kind for kind, ability in KINDS.items() if ability.extra is None)}",
        ) from None


def draw_of(seed: int, batch: int, purpose: str) -> np.random.Generator:
    """Give the randomness of a batch: the same for the same purpose, and for no other."""
    return np.random.default_rng(
        [seed & 0xFFFF_FFFF_FFFF_FFFF, batch, zlib.crc32(purpose.encode())]
    )


def evenly(domain: Domain, seed: int, first: int, count: int) -> list[Point]:
    """Give points that are spread evenly; of more axes than can be, points drawn by chance."""
    axes = len(domain.axes)
    if axes <= AXES_MAX:
        return domain.back(Sobol(axes, seed).points(first, count))
    rows = [draw_of(seed, first + row, "evenly").random(axes) for row in range(count)]
    return domain.back(np.array(rows, np.float64).reshape(count, axes))
