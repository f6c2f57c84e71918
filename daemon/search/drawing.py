"""From values as they were written to columns that an engine computes with.

A value is judged once, by `Params` itself, however many jobs have it; a job then
is a place in each table of values. So a million jobs cost what picking elements
of an array costs, and one that cannot run says what `Params` would have said.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.market.params import NOT_NEGATIVE, POSITIVE, Combinations, Params
from daemon.search.names import REQUIRED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

Value = int | float | str
"""What a parameter may be, in the form in which it was written."""

JUDGED = (*NOT_NEGATIVE, *POSITIVE, "stop_on_drawdown_pct", "max_open_trades", "exit_model")
"""Every parameter, in the order in which `Params` looks at them."""

_SOUND: dict[str, Any] = dict.fromkeys(NOT_NEGATIVE, 0.0) | {"max_position_usd": 1.0}


@dataclass(frozen=True, eq=False, slots=True)
class Drawn:
    """Jobs as columns, and what is wrong with the others."""

    combinations: Combinations
    """Of the jobs that can be run, in the order in which they were asked for."""
    places: Ints
    """Where each of them stood among those that were asked for."""
    errors: Mapping[int, str]
    """Why a job cannot be run, by where it stood."""


@dataclass(frozen=True, eq=False, slots=True)
class Judged:
    """The values of one parameter as the engine takes them, and what is wrong with some."""

    column: NDArray[Any]
    bad: Bools
    reasons: NDArray[np.object_]


def judge(name: str, values: Sequence[Value | None]) -> Judged:
    """Judge values of a parameter; None stands for what holds where nothing is said."""
    told: list[Any] = []
    reasons: list[str | None] = []
    for value in values:
        try:
            params = Params(**(_SOUND | ({} if value is None else {name: value})))
        except ValueError as error:
            told.append(_effective(name, Params(**_SOUND)))
            reasons.append(str(error))
        else:
            told.append(_effective(name, params))
            missing = value is None and name in REQUIRED
            reasons.append(f"{name} must be given" if missing else None)
    bad = np.array([reason is not None for reason in reasons], np.bool_)
    return Judged(np.array(told), bad, np.array(reasons, np.object_))


def _effective(name: str, params: Params) -> Any:
    if name == "exit_model":
        return params.quoted
    value = getattr(params, name)
    return math.inf if value is None else value


def drawn(chosen: Mapping[str, tuple[Judged, Ints | None]], count: int) -> Drawn:
    """Draw jobs: of each parameter its values, and which of them each job has; None: the only one.

    A parameter that is not there has its default.

    Raises:
        ValueError: one that has none is not there.
    """
    if missing := [name for name in REQUIRED if name not in chosen]:
        raise ValueError(f"{', '.join(missing)} must be given")
    bad = np.zeros(count, np.bool_)
    errors: dict[int, str] = {}
    for name in JUDGED:
        if name in chosen:
            _complain(*chosen[name], bad, errors)
    places = np.flatnonzero(~bad)
    columns = {
        "quoted" if name == "exit_model" else name: judged.column[
            0 if which is None else which[places]
        ]
        for name, (judged, which) in chosen.items()
    }
    return Drawn(Combinations.from_columns(len(places), **columns), places, errors)


def _complain(judged: Judged, which: Ints | None, bad: Bools, errors: dict[int, str]) -> None:
    """Note the first thing that is wrong with a job."""
    if not judged.bad.any():
        return
    here = np.zeros(len(bad), np.int64) if which is None else which
    new = np.flatnonzero(judged.bad[here] & ~bad)
    errors.update(zip(new.tolist(), judged.reasons[here[new]].tolist(), strict=True))
    bad[new] = True
