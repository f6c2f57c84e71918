"""Search spaces of every kind, and systems whose best point is known."""

from __future__ import annotations

import itertools
import math
import zlib
from typing import TYPE_CHECKING

import numpy as np

from daemon.adapters.samplers import make
from daemon.ports import Told
from daemon.search.studies.abilities import KINDS, refusals
from daemon.search.studies.domain import Choice, Domain, Profiles, Real, Whole
from daemon.search.studies.novelty import Novelty

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from daemon.ports import Sampler
    from daemon.search.studies.domain import Point

QUOTED = {"exit": "quoted"}

DOMAINS = {
    "float": Domain((Real("a", -1, 3), Real("b", 0, 1))),
    "one": Domain((Real("a", 0, 1),)),
    "stepped": Domain((Real("spread", 2, 12, 0.1), Real("slip", 0, 2, 0.25))),
    "log": Domain((Real("fee", 0.01, 100, log=True), Whole("size", 1, 1000, log=True))),
    "log steps": Domain((Real("fee", 0.5, 50, 0.5, log=True), Real("b", 0, 1))),
    "int": Domain((Whole("trades", 1, 6), Whole("rows", 10, 100, 10))),
    "numbers": Domain((Choice("size", (500, 100.0, 1000)), Real("b", 0, 1))),
    "words": Domain((Choice("exit", ("quoted", "convergence")), Choice("mode", ("x", 1, "z")))),
    "conditional": Domain(
        (
            Real("stop", 2, 20, when=QUOTED),
            Choice("exit", ("quoted", "convergence")),
            Whole("trades", 1, 6),
            Real("deep", 0, 1, 0.1, when={"trades": 3, "exit": "convergence"}),
        )
    ),
    "profiles": Domain(
        (
            Profiles("zone", {"calm": {"x": 1}, "wild": {"x": 2}, "none": {}}),
            Real("b", 0, 1),
            Real("c", 0, 1, when={"zone": "wild"}),
        )
    ),
    "mixed": Domain(
        (
            Real("spread", 2, 120, 1),
            Whole("trades", 1, 6),
            Choice("exit", ("quoted", "convergence")),
            Real("stop", 2, 20, when=QUOTED),
            Real("fee", 0.1, 10, log=True),
        )
    ),
    "tiny": Domain((Whole("a", 0, 3), Whole("b", 0, 4))),
}

CASES = [
    (kind, name)
    for kind in KINDS
    for name, domain in DOMAINS.items()
    if not list(refusals(kind, domain))
]
"""Every sampler with every space that it can search."""


def outcome(point: Point, batch: int, objectives: int = 1) -> Told:
    """Say what becomes of a point: arbitrary, but always the same; one in five comes to nothing."""
    number = zlib.crc32(repr(sorted(point.items())).encode())
    draw = np.random.default_rng(number)
    values = tuple(draw.normal(size=objectives).tolist())
    kind = draw.integers(5)
    return Told(
        point=point,
        values=None if kind == 0 else values,
        violation=float(draw.random()) if kind == 1 else 0.0,
        batch=batch,
    )


def search(
    sampler: Sampler,
    domain: Domain,
    system: Callable[[Point], tuple[tuple[float, ...], float]],
    *,
    trials: int,
    batch: int = 16,
    seed: int = 0,
) -> list[Told]:
    """Run a whole search as a study does: no point twice, everything told batch by batch."""
    novelty = Novelty(domain, seed)
    found: list[Told] = []
    number = 0
    while len(found) < trials:
        count = min(batch, trials - len(found))
        points = novelty.fresh(sampler.ask(count, number), number, count)
        told = []
        for point in points:
            values, violation = system(point)
            told.append(Told(point=point, values=values, violation=violation, batch=number))
        sampler.tell(told)
        found += told
        number += 1
    return found


def best(found: Sequence[Told]) -> float:
    """Give the best value of those that hold their constraints."""
    return max(one.values[0] for one in found if one.values is not None and not one.violation)


def mean_best(kind: str, plant: str, trials: int, seeds: int = 2) -> float:
    """Say how well a sampler does on a system, over some seeds."""
    domain, system = PLANTS[plant]
    found = []
    for seed in range(seeds):
        sampler = make(kind, domain, ["maximize"], seed, {})
        found.append(best(search(sampler, domain, system, trials=trials, seed=seed)))
    return float(np.mean(found))


# ── systems ──────────────────────────────────────────────────────────────────
CUBE = Domain(tuple(Real(name, 0, 1) for name in "abcd"))
CENTRE = {"a": 0.3, "b": 0.7, "c": 0.2, "d": 0.55}


def bowl(point: Point) -> tuple[tuple[float, ...], float]:
    """Give a smooth hill whose top is 0."""
    return (-sum((float(point[name]) - at) ** 2 for name, at in CENTRE.items()),), 0.0


def valley(point: Point) -> tuple[tuple[float, ...], float]:
    """Give Rosenbrock's valley, which lies across the axes; its top is 0."""
    x = [4 * float(point[name]) - 2 for name in "abcd"]
    return (-sum(100 * (y - z * z) ** 2 + (1 - z) ** 2 for z, y in itertools.pairwise(x)),), 0.0


def trading(point: Point) -> tuple[tuple[float, ...], float]:
    """Give something like a backtest: steps, a word that matters, a stop that depends on it."""
    value = -(((float(point["spread"]) - 37) / 30) ** 2) - ((float(point["trades"]) - 3) / 2) ** 2
    value -= (math.log(float(point["fee"])) - 0.5) ** 2
    if point["exit"] == "quoted":
        value += 1 - ((float(point["stop"]) - 11) / 6) ** 2
    return (value,), 0.0


def fenced(point: Point) -> tuple[tuple[float, ...], float]:
    """Give a slope whose best allowed point lies on the border of a ball; its value is 1.9."""
    away = sum(
        (float(point[name]) - at) ** 2
        for name, at in zip("abcd", (0.2, 0.3, 0.5, 0.5), strict=True)
    )
    return (sum(float(point[name]) for name in "abcd"),), max(0.0, away - 0.04)


def two_ends(point: Point) -> tuple[tuple[float, ...], float]:
    """Give two objectives that pull apart along `a`; the front is where the others are 0."""
    rest = 1 + 9 * sum(float(point[name]) for name in "bcd") / 3
    first = float(point["a"])
    return (first, rest * (1 - math.sqrt(first / rest))), 0.0


PLANTS = {
    "bowl": (CUBE, bowl),
    "valley": (CUBE, valley),
    "trading": (DOMAINS["mixed"], trading),
    "fenced": (CUBE, fenced),
}


def area(found: Sequence[Told], corner: tuple[float, float] = (1.1, 8.0)) -> float:
    """Give the area between the front and a corner, where both objectives are minimised."""
    rows = sorted(one.values for one in found if one.values is not None)
    total, low = 0.0, corner[1]
    for first, second in rows:
        if first < corner[0] and second < low:
            total += (corner[0] - first) * (low - second)
            low = second
    return total
