"""What a study wants: one objective or several, within constraints; and the order that follows.

Trials that keep all constraints come first. Among them the better value leads; with
several objectives it is the better front, and on it the better compromise. Those
that break a constraint follow, the smaller breach first. Who has no value, because a
metric is no number, is not ranked at all.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.market.metrics import NAMES
from daemon.search.ranking import Keys, in_order
from daemon.search.studies.pareto import balance, crowding, fronts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from numpy.typing import NDArray

    from daemon.search.ranking import Columns

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

UNKNOWN = 1e6
"""The breach of a constraint whose metric is no number: larger than any that could be measured."""


def _known(metric: str) -> None:
    if metric not in NAMES:
        raise ValueError(f"there is no metric {metric!r}: it can be {', '.join(NAMES)}")


@dataclass(frozen=True, slots=True)
class Objective:
    """A metric that is to be as large, or as small, as it can be.

    Raises:
        ValueError: there is no such metric.
    """

    metric: str
    maximize: bool = True

    def __post_init__(self) -> None:
        _known(self.metric)

    @property
    def direction(self) -> str:
        """Name the direction as samplers do."""
        return "maximize" if self.maximize else "minimize"


@dataclass(frozen=True, slots=True)
class Constraint:
    """Bounds that a metric must keep.

    Raises:
        ValueError: there is no such metric, or nothing could keep the bounds.
    """

    metric: str
    min: float | None = None
    max: float | None = None

    def __post_init__(self) -> None:
        _known(self.metric)
        given = [bound for bound in (self.min, self.max) if bound is not None]
        if not given:
            raise ValueError(f"the constraint on {self.metric} has neither min nor max")
        if not all(math.isfinite(bound) for bound in given):
            raise ValueError(f"a bound of {self.metric} is no finite number")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(
                f"{self.metric} cannot be at least {self.min:g} and at most {self.max:g}"
            )

    def violation(self, values: Floats) -> Floats:
        """Say by how much values miss the bounds, as a share of the bound where that is above 1."""
        missed = np.zeros(len(values))
        for bound, sign in ((self.min, -1.0), (self.max, 1.0)):
            if bound is not None:
                missed += np.maximum(sign * (values - bound), 0.0) / max(abs(bound), 1.0)
        return np.minimum(np.where(np.isnan(missed), UNKNOWN, missed), UNKNOWN)

    def said(self) -> str:
        """Write it in a few words."""
        parts = [] if self.min is None else [f"at least {self.min:g}"]
        parts += [] if self.max is None else [f"at most {self.max:g}"]
        return f"{self.metric} {' and '.join(parts)}"


@dataclass(frozen=True, eq=False, slots=True)
class Ordered:
    """Trials from the best to the worst."""

    places: Ints
    """Where they stand in what was given; those without a value are not among them."""
    ranks: Ints
    """Of every trial given, in its own place: 1, 2, 2, 4; 0 without a value."""
    tied: Bools
    """Of every trial given: whether it shares its rank."""
    feasible: Bools
    """Of every trial given: whether it has a value and keeps all constraints."""
    front: Ints
    """Of every trial given: 1 for those that no other dominates; 0 if it is not feasible."""

    @property
    def best(self) -> int | None:
        """The place of the best one that keeps all constraints."""
        if not len(self.places) or not self.feasible[self.places[0]]:
            return None
        return int(self.places[0])


@dataclass(frozen=True, slots=True)
class Aim:
    """What is wanted.

    Raises:
        ValueError: there is no objective, or something is named twice.
    """

    objectives: tuple[Objective, ...] = (Objective("realized_pnl_usd"),)
    constraints: tuple[Constraint, ...] = ()

    def __post_init__(self) -> None:
        if not self.objectives:
            raise ValueError("there is no objective")
        for metrics in (
            [one.metric for one in self.objectives],
            [one.metric for one in self.constraints],
        ):
            if len(set(metrics)) < len(metrics):
                raise ValueError(f"one metric stands there twice: {', '.join(metrics)}")

    @property
    def directions(self) -> tuple[str, ...]:
        """Name the directions as samplers do."""
        return tuple(one.direction for one in self.objectives)

    @property
    def metrics(self) -> tuple[str, ...]:
        """All metrics that it asks for."""
        named = [one.metric for one in self.objectives]
        return tuple(dict.fromkeys([*named, *(one.metric for one in self.constraints)]))

    def values(self, columns: Columns) -> Floats:
        """Give the objectives as they were measured, (trials, objectives); NaN for no number."""
        found = np.stack(
            [np.asarray(columns[one.metric], np.float64) for one in self.objectives], axis=1
        )
        return np.where(np.isfinite(found), found, np.nan)

    def violation(self, columns: Columns) -> Floats:
        """Say by how much each trial breaks the constraints: 0 if it keeps all of them."""
        missed = np.zeros(len(columns[self.objectives[0].metric]))
        for one in self.constraints:
            missed = missed + one.violation(np.asarray(columns[one.metric], np.float64))
        return missed

    def signed(self, values: Floats) -> Floats:
        """Turn values so that the larger is the better."""
        signs = np.array([1.0 if one.maximize else -1.0 for one in self.objectives])
        found: Floats = values * signs
        return found

    def order(self, values: Floats, violation: Floats) -> Ordered:
        """Rank trials; of equal ones the one that was given first leads."""
        count = len(values)
        valued = np.isfinite(values).all(axis=1)
        feasible = valued & (violation <= 0)
        front = np.zeros(count, np.int64)
        ranks, tied = np.zeros(count, np.int64), np.zeros(count, np.bool_)
        places: list[Ints] = []
        for part in (np.flatnonzero(feasible), np.flatnonzero(valued & ~feasible)):
            signed = self.signed(values[part])
            if len(part) and feasible[part[0]]:
                keys, front[part] = self._keys(signed)
            else:
                keys = Keys(-violation[part], -signed[:, 0], *_numbered(len(part)))
            found = in_order(keys)
            before = sum(len(one) for one in places)
            ranks[part[found.places]] = found.ranks + before
            tied[part[found.places]] = found.tied
            places.append(part[found.places])
        return Ordered(np.concatenate(places), ranks, tied, feasible, front)

    def _keys(self, signed: Floats) -> tuple[Keys, Ints]:
        """Give what feasible trials are compared by, and their fronts."""
        count = len(signed)
        if signed.shape[1] == 1:
            keys = Keys(signed[:, 0], np.zeros(count), *_numbered(count))
            return keys, np.where(signed[:, 0] >= signed[:, 0].max(), 1, 2).astype(np.int64)
        front = fronts(signed)
        lonely = np.minimum(crowding(signed, front), UNKNOWN)
        return Keys(balance(signed) - front, -lonely, *_numbered(count)), front

    def document(self) -> dict[str, Any]:
        """Give it as JSON can hold it."""
        return {
            "objectives": [
                {"metric": one.metric, "direction": one.direction} for one in self.objectives
            ],
            "constraints": [
                {"metric": one.metric, "min": one.min, "max": one.max} for one in self.constraints
            ],
        }

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """Rebuild what `document` gave."""
        return cls(
            tuple(
                Objective(one["metric"], one["direction"] == "maximize")
                for one in told["objectives"]
            ),
            tuple(Constraint(one["metric"], one["min"], one["max"]) for one in told["constraints"]),
        )


def _numbered(count: int) -> tuple[Ints, Ints]:
    numbers = np.arange(count)
    return numbers, numbers
