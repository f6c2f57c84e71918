"""What a ranked session says of where a rule should be: a hint, and how much of one.

A sweep knows another system than the one that runs: the same rules, but
backtested. So its finding enters as the direction to try first and the region
to stop in, with a trust of its own; every step towards it is judged like any
other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon.tuning.model import Region, Rule

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VALUES_MIN = 3
"""A rule that was tried at fewer values has no best one."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """One result of a session: at which values, and how good."""

    values: Mapping[str, float]
    score: float
    """More is better."""


def regions_of(results: Sequence[Ranked], rules: Sequence[Rule]) -> tuple[Region, ...]:
    """Find for each rule the value that did best on average over all the others.

    The region holds the neighbouring values that did as well, up to what their
    own spread leaves open. The trust is the share of the scores' variance that
    the rule explains: a rule that made no difference is no hint.
    """
    found = (_region(results, rule) for rule in rules)
    return tuple(region for region in found if region is not None)


def _region(results: Sequence[Ranked], rule: Rule) -> Region | None:
    rows = [
        (one.values[rule.name], one.score)
        for one in results
        if rule.name in one.values and np.isfinite([one.values[rule.name], one.score]).all()
    ]
    values, place = np.unique([value for value, _ in rows], return_inverse=True)
    if len(values) < VALUES_MIN:
        return None
    score = np.array([score for _, score in rows])
    count = np.bincount(place)
    mean = np.bincount(place, score) / count
    total = float(((score - score.mean()) ** 2).sum())
    if not total:
        return None
    within = float(((score - mean[place]) ** 2).sum())
    open_ = np.sqrt(within / max(len(rows) - len(values), 1) / count)
    low = high = int(mean.argmax())
    worst = mean[low] - open_[low]
    while low > 0 and mean[low - 1] + open_[low - 1] >= worst:
        low -= 1
    while high < len(values) - 1 and mean[high + 1] + open_[high + 1] >= worst:
        high += 1
    gap = float(np.diff(values).min())
    radius = max(float(values[high] - values[low]) / 2, gap / 2, rule.step / 2)
    best = float(values[low] + values[high]) / 2
    best = min(max(best, rule.low), rule.high)
    return Region(rule=rule.name, best=best, radius=radius, trust=1 - within / total)
