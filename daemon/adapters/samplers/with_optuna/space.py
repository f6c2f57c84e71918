"""Axes in Optuna's words: what it is told of them, and what it suggests.

Steps are told as whole numbers from 0, so that a tenth stays a tenth. A logarithmic
axis of steps is told without them, and what is suggested is moved to the nearest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.search.studies.domain import Real, Whole

if TYPE_CHECKING:
    from daemon.search.studies.domain import Axis, Value


def distribution_of(optuna: Any, axis: Axis) -> Any:
    """Describe an axis."""
    if isinstance(axis, Real | Whole) and axis.log:
        return optuna.distributions.FloatDistribution(axis.low, axis.high, log=True)
    if isinstance(axis, Real) and axis.size is None:
        return optuna.distributions.FloatDistribution(axis.low, axis.high)
    if axis.ordered:
        return optuna.distributions.IntDistribution(0, (axis.size or 1) - 1)
    return optuna.distributions.CategoricalDistribution([*map(axis.value, range(axis.size or 1))])


def told(axis: Axis, value: Value) -> Value:
    """Give a value as Optuna is told it."""
    if _plain(axis):
        return value
    return axis.place(value)


def suggested(trial: Any, axis: Axis, distribution: Any) -> Value:
    """Let a trial suggest a value of an axis."""
    kind = type(distribution).__name__
    if kind == "CategoricalDistribution":
        return axis.snap(trial.suggest_categorical(axis.name, distribution.choices))
    low, high = distribution.low, distribution.high
    if kind == "IntDistribution":
        return axis.value(trial.suggest_int(axis.name, low, high))
    return axis.snap(trial.suggest_float(axis.name, low, high, log=distribution.log))


def _plain(axis: Axis) -> bool:
    """Tell whether its values are told as they are."""
    return not axis.ordered or axis.size is None or (isinstance(axis, Real | Whole) and axis.log)
