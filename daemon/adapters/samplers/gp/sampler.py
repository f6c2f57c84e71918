"""Points where a Gaussian process expects the most: better than the best, and allowed.

Every batch is thought out anew from what was told. A point that was chosen counts as
seen, with the outcome that is expected there, while the others of its batch are
chosen; so they keep their distance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.adapters.samplers import draw_of, evenly
from daemon.adapters.samplers.gp.features import Features
from daemon.adapters.samplers.gp.process import Process, fit
from daemon.adapters.samplers.gp.worth import log_below, log_improvement
from daemon.search.studies.tellings import WORST, Tellings, standing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from daemon.ports import Told
    from daemon.search.studies.domain import Domain, Point
    from daemon.search.studies.tellings import Telling

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

STARTUP = 8
POINTS_MAX = 300
FITTED_MAX = 120
"""Points that lengths and noise are fitted to."""

ANYWHERE = 768
BEST, AROUND = 6, 64
"""So many of the best points have so many candidates around them."""
CLOSER = (0.1, 0.03, 0.01, 0.003)
"""How far around the best candidate others are tried, turn by turn."""
TRIED = 32
DIGITS = 3
"""Digits of what a point is worth, a logarithm: points that are nearly equal are equal, so that
the order in which a processor adds up does not choose between them."""
INSIDE = 0.1
FARTHEST = 1e6
"""How far from being allowed a point can seem, beside the others that are not."""
REWORDED = 0.3
"""How often another word is tried, where an axis is moved."""


class GaussianSampler:
    """Proposes points by expected improvement."""

    def __init__(
        self, domain: Domain, directions: Sequence[str], seed: int, options: Mapping[str, Any]
    ) -> None:
        self._domain = domain
        self._seed = seed
        startup = options.get("startup")
        self._startup = max(STARTUP, 2 * len(domain.axes)) if startup is None else int(startup)
        self._points_max = int(options.get("points_max") or POINTS_MAX)
        self._features = Features(domain)
        self._tellings = Tellings(domain, directions)

    def tell(self, told: Sequence[Told]) -> None:
        """Learn what became of some points."""
        self._tellings.tell(told)

    def ask(self, count: int, batch: int) -> Sequence[Point]:
        """Propose points."""
        learnt = learn_from([*self._tellings], self._points_max)
        known = sum(one.costs is not None for one in learnt)
        if len(self._tellings) < max(self._startup, 1) or known < 2:  # noqa: PLR2004 - a scale
            return evenly(self._domain, self._seed, len(self._tellings), count)
        draw = draw_of(self._seed, batch, "gp")
        hunt = _Hunt(self._domain, self._features, learnt, self._tellings.keys(), draw)
        return [hunt.next() for _ in range(count)]


def learn_from(told: list[Telling], most: int) -> list[Telling]:
    """Choose what is learnt from: the better half of it the best, the rest spread over time."""
    if len(told) <= most:
        return told
    order = np.argsort(standing(told), kind="stable")
    best = order[: most // 2]
    rest = np.sort(order[most // 2 :])
    some = rest[np.linspace(0, len(rest) - 1, most - len(best)).astype(np.int64)]
    return [told[place] for place in np.sort(np.concatenate([best, some])).tolist()]


class _Hunt:
    """The search for the points of one batch."""

    def __init__(
        self,
        domain: Domain,
        features: Features,
        learnt: list[Telling],
        known: set[str],
        draw: np.random.Generator,
    ) -> None:
        self._domain, self._features, self._draw = domain, features, draw
        self._known = set(known)
        points = features.of(one.point for one in learnt)
        places = _fitted_to(learnt)
        apart = features.apart(points[places], points[places])
        wanted = warped(learnt)
        self._outcome = Process(features, points, wanted, fit(apart, wanted[places]))
        self._limits: Process | None = None
        feasible = np.array([one.violation <= 0 for one in learnt], np.bool_)
        if not feasible.all():
            target = _distances(learnt)
            fitted = fit(apart, target[places])
            self._limits = Process(features, points, target, fitted)
        allowed = points[feasible]
        self._best = float(self._outcome.expect(allowed)[0].min()) if len(allowed) else None
        best = np.argsort(standing(learnt), kind="stable")[:BEST]
        around = [learnt[place].point for place in best.tolist()]
        self._candidates = self._somewhere(around)
        self._laid = features.of(self._candidates)

    def next(self) -> Point:
        """Choose a point, and believe what is expected there."""
        place = self._highest(self._candidates, self._laid)
        point = self._candidates[place]
        worth = float(self._worth(self._laid[place : place + 1])[0])
        for scale in CLOSER:
            others = self._near([point] * TRIED, scale)
            laid = self._features.of(others)
            place = self._highest(others, laid)
            found = float(self._worth(laid[place : place + 1])[0])
            if self._new(others[place]) and (found > worth or not self._new(point)):
                point, worth = others[place], found
        self._known.add(self._domain.key(point))
        laid = self._features.of([point])
        self._outcome.believe(laid)
        if self._limits is not None:
            self._limits.believe(laid)
        return point

    def _new(self, point: Point) -> bool:
        return self._domain.key(point) not in self._known

    def _highest(self, points: Sequence[Point], laid: Floats) -> int:
        """Say which point is worth most; one that is known only if there is no other."""
        order = np.argsort(-self._worth(laid), kind="stable").tolist()
        return int(next((place for place in order if self._new(points[place])), order[0]))

    def _worth(self, laid: Floats) -> Floats:
        mean, deviation = self._outcome.expect(laid)
        worth = np.zeros(len(laid))
        if self._best is not None:
            worth = log_improvement(self._best, mean, deviation)
        if self._limits is not None:
            worth = worth + log_below(*self._limits.expect(laid))
        return np.round(worth, DIGITS)

    def _somewhere(self, around: Sequence[Point]) -> list[Point]:
        """Give candidates: anywhere, and around the best."""
        shares = self._draw.random((ANYWHERE, len(self._domain.axes)))
        found = self._domain.back(shares)
        for point in around:
            scale = np.exp(self._draw.uniform(np.log(0.005), np.log(0.3), (AROUND, 1)))
            found += self._near([point] * AROUND, scale)
        return found

    def _near(self, points: Sequence[Point], scale: Floats | float) -> list[Point]:
        """Move points a little: each axis that has an order, and now and then a word."""
        here = self._domain.unit(points)
        axes = len(self._domain.axes)
        sizes = np.array([axis.size or 10**9 for axis in self._domain.axes])
        ordered = np.array([axis.ordered for axis in self._domain.axes])
        # A step smaller than half of what a value takes up would lead nowhere.
        reach = np.maximum(scale, 0.75 / sizes)
        anew = self._draw.random(here.shape)
        moved = here + reach * self._draw.standard_normal(here.shape)
        still = self._draw.random(here.shape) > max(0.5, 2 / axes)
        still |= ~ordered & (self._draw.random(here.shape) > REWORDED)
        there = np.where(still, here, np.where(ordered, moved, anew))
        there = np.where(np.isnan(here), anew, there)
        return self._domain.back(there.clip(0, 1))


def _fitted_to(learnt: Sequence[Telling]) -> Ints:
    """Choose the points that lengths are fitted to: the better ones, and some of the others."""
    some = learn_from(list(learnt), FITTED_MAX)
    chosen = {one.key for one in some}
    return np.array([place for place, one in enumerate(learnt) if one.key in chosen], np.int64)


def warped(learnt: Sequence[Telling]) -> Floats:
    """Give costs as the process sees them: near the best as they are, bad ones drawn together.

    A single disaster would otherwise make everything else look alike. What has no
    cost is as bad as the worst.
    """
    costs = np.array([np.nan if one.costs is None else one.costs[0] for one in learnt])
    median = float(np.nanmedian(costs))
    better = costs[costs <= median]
    scale = float(np.sqrt(np.mean((better - median) ** 2))) or float(np.nanstd(costs)) or 1.0
    away = (costs - median) / scale
    away = np.where(away > 0, np.log1p(np.maximum(away, 0.0)), away)
    away = np.where(np.isnan(away), np.nanmax(away), away)
    return _standard(away)


def _distances(learnt: Sequence[Telling]) -> Floats:
    """Say how far from being allowed each point is: above 0 if it is not, else a little below.

    Nobody knows by how much a point holds its constraints. Were those that do far below
    zero, the border would seem to lie away from those that hardly do not.
    """
    found = np.array([min(one.violation, WORST) for one in learnt])
    median = float(np.median(found[found > 0]))
    return np.where(found > 0, np.log1p(np.minimum(found / median, FARTHEST)), -INSIDE)


def _standard(values: Floats) -> Floats:
    away = values - values.mean()
    deviation = float(away.std())
    found: Floats = away / deviation if deviation > 0 else away
    return found
