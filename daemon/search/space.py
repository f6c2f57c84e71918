"""A grid of parameters: every combination has a number, and none is written out.

Between numbers and combinations there is a bijection, the last axis turning
fastest. So the size of a grid costs nothing: 10^12 combinations are a product
of a few lengths, and the last of them is found as fast as the first.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.market.params import Params
from daemon.search.drawing import JUDGED, Drawn, Judged, Value, drawn, judge

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Self

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

PARAMETERS = frozenset(JUDGED)
"""What an axis can be called."""

DEFAULTS: dict[str, Value] = {
    "max_open_trades": 1,
    "initial_balance_usd": 10_000.0,
    "exchange_a_to_b_rate": 1.0,
    "exit_model": "convergence",
}
"""What holds where nothing is said."""


@dataclass(frozen=True)
class Axis:
    """A parameter and the values that it takes, in the order and form they were written in.

    Raises:
        ValueError: there is none, or one stands there twice.
    """

    name: str
    values: tuple[Value, ...]
    repeated: tuple[Value, ...] = field(default=(), compare=False)
    """What was written more than once and is taken once."""

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError(f"the grid of {self.name} has no values")
        if len(set(self.values)) < len(self.values):
            raise ValueError(f"a value of {self.name} stands there twice")

    @classmethod
    def of(cls, name: str, written: Iterable[Value]) -> Self:
        """Take values as they were written; equal numbers are one value, in its first form."""
        times = Counter(written)
        return cls(name, tuple(times), tuple(value for value, n in times.items() if n > 1))

    @cached_property
    def place(self) -> dict[Value, int]:
        """Tell where each value stands."""
        return {value: place for place, value in enumerate(self.values)}

    @cached_property
    def judged(self) -> Judged:
        """Give the values as the engine takes them."""
        return judge(self.name, self.values)


@dataclass(frozen=True)
class Space:
    """All combinations of the axes, or the first of them, with what is the same in all.

    Raises:
        ValueError: two axes have one name, a name is no parameter, or the limit leaves none.
    """

    fixed: Mapping[str, Value]
    """An axis of the same name overrules it."""
    axes: tuple[Axis, ...] = ()
    limit: int | None = None

    def __post_init__(self) -> None:
        names = [axis.name for axis in self.axes]
        if len(set(names)) < len(names):
            raise ValueError("two grids have one name")
        if unknown := sorted({*names, *self.fixed} - PARAMETERS):
            raise ValueError(f"there is no parameter {', '.join(unknown)}")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"the limit is {self.limit}: it leaves no combination")

    # ── how many ─────────────────────────────────────────────────────────────
    @cached_property
    def shape(self) -> tuple[int, ...]:
        """How many values each axis has."""
        return tuple(len(axis.values) for axis in self.axes)

    @cached_property
    def cells(self) -> int:
        """How many combinations there are."""
        return math.prod(self.shape)

    @property
    def jobs(self) -> int:
        """How many are wanted: the first ones, up to the limit."""
        return self.cells if self.limit is None else min(self.cells, self.limit)

    def limited(self, limit: int | None) -> Self:
        """Give the same space with the stricter of two limits."""
        given = [one for one in (self.limit, limit) if one is not None]
        return replace(self, limit=min(given, default=None))

    # ── one combination ──────────────────────────────────────────────────────
    def values(self, index: int) -> dict[str, Value]:
        """Give the values that the axes have in a combination; the first has number 0.

        Raises:
            IndexError: there is none of this number.
        """
        if not 0 <= index < self.cells:
            raise IndexError(f"there is no combination {index} of {self.cells}")
        found = []
        for axis in reversed(self.axes):
            index, place = divmod(index, len(axis.values))
            found.append((axis.name, axis.values[place]))
        return dict(reversed(found))

    def index(self, values: Mapping[str, Value]) -> int:
        """Give the number of the combination of these values.

        Raises:
            KeyError: an axis does not have the value, or is not among them.
        """
        number = 0
        for axis in self.axes:
            number = number * len(axis.values) + axis.place[values[axis.name]]
        return number

    def params(self, index: int) -> Params:
        """Give a combination as the engine takes it.

        Raises:
            IndexError: there is none of this number.
            ValueError: a value is not what its parameter can be, or one is missing.
        """
        given: dict[str, Any] = {**self.fixed, **self.values(index)}
        try:
            return Params(**given)
        except TypeError as error:  # a parameter without a default
            missing = [name for name in JUDGED if name in str(error)]
            raise ValueError(f"{', '.join(missing)} must be given") from None

    # ── many ─────────────────────────────────────────────────────────────────
    def coordinates(self, indices: Ints) -> Ints:
        """Say which value each axis has, a row a combination.

        Raises:
            IndexError: one of the numbers is none.
        """
        rest = np.asarray(indices, np.int64)
        if len(rest) and not 0 <= int(rest.min()) <= int(rest.max()) < self.cells:
            raise IndexError(f"numbers of combinations are from 0 to {self.cells - 1}")
        found = np.empty((len(rest), len(self.axes)), np.int64)
        for place in range(len(self.axes) - 1, -1, -1):
            rest, found[:, place] = np.divmod(rest, self.shape[place])
        return found

    def draw(self, indices: Ints) -> Drawn:
        """Give combinations as columns for the engine.

        Raises:
            IndexError: one of the numbers is none.
            ValueError: a parameter without a default is missing from all of them.
        """
        places = self.coordinates(indices)
        chosen: dict[str, tuple[Judged, Ints | None]] = {
            name: (judged, None) for name, judged in self._alike.items()
        }
        for number, axis in enumerate(self.axes):
            chosen[axis.name] = (axis.judged, np.ascontiguousarray(places[:, number]))
        return drawn(chosen, len(places))

    @cached_property
    def _alike(self) -> dict[str, Judged]:
        own = {axis.name for axis in self.axes}
        return {name: judge(name, [value]) for name, value in self.fixed.items() if name not in own}

    # ── what it is ───────────────────────────────────────────────────────────
    def digest(self) -> str:
        """Name what the combinations are: limits, and how numbers were written, are no part."""
        own = {axis.name for axis in self.axes}
        body = {
            "fixed": {k: meant(v) for k, v in {**DEFAULTS, **self.fixed}.items() if k not in own},
            "axes": [[axis.name, [meant(value) for value in axis.values]] for axis in self.axes],
        }
        canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()


def meant(value: Value) -> float | str:
    """Write a value so that equal ones are written alike."""
    try:
        number = float(value) if not isinstance(value, str) else math.nan
    except OverflowError:
        number = math.inf
    return number + 0.0 if math.isfinite(number) else str(value)
