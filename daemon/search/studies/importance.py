"""Which parameters matter: what share of the differences in value each explains by itself.

Points are grouped by where they lie on an axis, and the variance between the groups is
compared with all variance, less what groups drawn by lot would show (the adjusted
correlation ratio). That is honest only for points that are spread evenly over all axes:
a sampler that has settled down moves all parameters together, and then each of them
seems to explain what another does. And it takes points enough; with fewer there is no
figure rather than a wrong one. What several parameters do only together is in none of
the shares, so they need not add up to one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

POINTS_MIN = 32
"""Fewer points tell nothing of a parameter."""

A_GROUP = 8
"""So many points a group, at least on average."""

GROUPS_MAX = 10


def importance(unit: Floats, values: Floats) -> Floats:
    """Give each axis its share of the variance, from 0 to 1; NaN where too little is known.

    ``unit`` holds where points lie on the axes, (points, axes), NaN where an axis is not
    looked at; ``values`` what they brought, of which those that are no number are left out.
    """
    known = np.isfinite(values)
    unit, values = unit[known], values[known]
    found = np.full(unit.shape[1], np.nan)
    if len(values) < POINTS_MIN:
        return found
    away = values - values.mean()
    total = float((away**2).sum())
    if not total > (1e-12 * float(np.abs(values).max())) ** 2 * len(values):
        return found
    for axis in range(unit.shape[1]):
        found[axis] = _share(grouped(unit[:, axis]), away, total)
    return found


def _share(group: Ints, away: Floats, total: float) -> float:
    groups, count = int(group.max()) + 1, len(away)
    if groups < 2 or groups * A_GROUP > count:  # noqa: PLR2004 - a difference takes two
        return math.nan
    size = np.bincount(group)
    between = float((np.bincount(group, away) ** 2 / size).sum())
    by_lot = (groups - 1) * (total - between) / (count - groups)
    return min(max((between - by_lot) / total, 0.0), 1.0)


def grouped(shares: Floats) -> Ints:
    """Number the group of every point: equally many in each, equal places together.

    Points at which the axis is not looked at are a group of their own.
    """
    active = np.isfinite(shares)
    found = np.zeros(len(shares), np.int64)
    places, place = np.unique(shares[active], return_inverse=True)
    wanted = max(1, min(GROUPS_MAX, int(np.count_nonzero(active)) // A_GROUP))
    if len(places) <= wanted:
        found[active] = place
    elif len(places):
        before = np.cumsum(np.bincount(place)) - np.bincount(place)
        coarse = before * wanted // len(place)
        found[active] = np.unique(coarse, return_inverse=True)[1][place]
    if active.any() and not active.all():
        found[~active] = found[active].max() + 1
    return found
