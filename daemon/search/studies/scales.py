"""The axes of a search space: the values of a parameter, and where each lies between 0 and 1.

Samplers think in shares: 0 is the lower end of an axis, 1 the upper end. An axis of
steps gives each of its values an equal part of that line (on a logarithmic scale,
a part as long as it is there), so that what is drawn evenly falls evenly. Words
have parts, too, but no order; a `Choice` of numbers has one, and is treated as one.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any

Value = int | float | str
"""What a parameter may be."""

When = Mapping[str, Value]
"""Where a parameter is looked at: the axes that it depends on, with the value each must have."""

LARGEST = 1e15
"""Bounds that are further from zero, or more steps than so many, are no exact numbers any more."""

DIGITS = 10
"""Significant digits of a value on an axis without steps: what lies closer is one value."""


@dataclass(frozen=True)
class Real:
    """A number between two others, in steps or without.

    Raises:
        ValueError: the bounds, the step or the scale make no sense.
    """

    name: str
    low: float
    high: float
    step: float | None = None
    log: bool = False
    when: When = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        step = None if self.step is None else _number(self.name, "step", self.step)
        low, high = (_number(self.name, key, getattr(self, key)) for key in ("low", "high"))
        _sane(self.name, low, high, step, log=self.log)
        for key, value in (("low", low), ("high", high), ("step", step)):
            object.__setattr__(self, key, value)

    @property
    def ordered(self) -> bool:
        """Tell whether its values have an order."""
        return True

    @cached_property
    def size(self) -> int | None:
        """How many values it has; None without steps."""
        if self.step is None:
            return None
        return int((_exact(self.high) - _exact(self.low)) // _exact(self.step)) + 1

    def value(self, place: int) -> float:
        """Give the value at a place; only with steps."""
        step, _ = self._steps
        return float(_exact(self.low) + place * _exact(step))

    def place(self, value: Value) -> int:
        """Say at which place a value stands, or the nearest to it does; only with steps."""
        step, size = self._steps
        return _nearest((_number(self.name, "value", value) - self.low) / step, size)

    @property
    def _steps(self) -> tuple[float, int]:
        if self.step is None or self.size is None:
            raise ValueError(f"{self.name} has no steps")
        return self.step, self.size

    def snap(self, value: Value) -> float:
        """Give the nearest value that it can have."""
        number = _number(self.name, "value", value)
        if self.step is not None:
            return self.value(self.place(number))
        return min(max(float(f"{number:.{DIGITS}g}") + 0.0, self.low), self.high)

    def share(self, value: Value) -> float:
        """Say where a value lies between 0 and 1."""
        number = _number(self.name, "value", value)
        if self.step is not None and not self.log:
            return (self.place(number) + 0.5) / (self.size or 1)
        lower, upper = self._ends
        found = ((math.log(number) if self.log else number) - lower) / (upper - lower)
        return min(max(found, 0.0), 1.0)

    def at(self, share: float) -> float:
        """Give the value that lies at a share."""
        share = min(max(share, 0.0), 1.0)
        if self.step is not None and not self.log:
            size = self.size or 1
            return self.value(min(int(share * size), size - 1))
        lower, upper = self._ends
        found = lower + share * (upper - lower)
        return self.snap(math.exp(found) if self.log else found)

    @cached_property
    def _ends(self) -> tuple[float, float]:
        last = self.high if self.size is None else self.value(self.size - 1)
        return _ends(self.low, last, self.step or 0.0, log=self.log)

    def document(self) -> dict[str, Any]:
        """Say it as JSON can hold it."""
        return {
            "name": self.name,
            "type": "float",
            "low": self.low,
            "high": self.high,
            "step": self.step,
            "log": self.log,
            "when": dict(self.when),
        }


@dataclass(frozen=True)
class Whole:
    """A whole number between two others.

    Raises:
        ValueError: the bounds, the step or the scale make no sense.
    """

    name: str
    low: int
    high: int
    step: int = 1
    log: bool = False
    when: When = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for key in ("low", "high", "step"):
            number = _number(self.name, key, getattr(self, key))
            if not number.is_integer():
                raise ValueError(f"{key} of {self.name} is {number:g}: a whole number is wanted")
            object.__setattr__(self, key, int(number))
        _sane(self.name, self.low, self.high, self.step, log=self.log)

    @property
    def ordered(self) -> bool:
        """Tell whether its values have an order."""
        return True

    @property
    def size(self) -> int:
        """How many values it has."""
        return (self.high - self.low) // self.step + 1

    def value(self, place: int) -> int:
        """Give the value at a place."""
        return self.low + place * self.step

    def place(self, value: Value) -> int:
        """Say at which place a value stands, or the nearest to it does."""
        return _nearest((_number(self.name, "value", value) - self.low) / self.step, self.size)

    def snap(self, value: Value) -> int:
        """Give the nearest value that it can have."""
        return self.value(self.place(value))

    def share(self, value: Value) -> float:
        """Say where a value lies between 0 and 1."""
        place = self.place(value)
        if not self.log:
            return (place + 0.5) / self.size
        lower, upper = self._ends
        return (math.log(self.value(place)) - lower) / (upper - lower)

    def at(self, share: float) -> int:
        """Give the value that lies at a share."""
        share = min(max(share, 0.0), 1.0)
        if not self.log:
            return self.value(min(int(share * self.size), self.size - 1))
        lower, upper = self._ends
        return self.snap(math.exp(lower + share * (upper - lower)))

    @cached_property
    def _ends(self) -> tuple[float, float]:
        return _ends(self.low, self.value(self.size - 1), self.step, log=self.log)

    def document(self) -> dict[str, Any]:
        """Say it as JSON can hold it."""
        return {
            "name": self.name,
            "type": "int",
            "low": self.low,
            "high": self.high,
            "step": self.step,
            "log": self.log,
            "when": dict(self.when),
        }


class _Listed:
    """What an axis has whose values are written out."""

    name: str

    @property
    def listed(self) -> tuple[Value, ...]:
        """Its values: numbers in ascending order, words as they were written."""
        raise NotImplementedError

    @property
    def ordered(self) -> bool:
        """Tell whether its values have an order: numbers have one."""
        return not any(isinstance(value, str) for value in self.listed)

    @property
    def size(self) -> int:
        """How many values it has."""
        return len(self.listed)

    def value(self, place: int) -> Value:
        """Give the value at a place."""
        return self.listed[place]

    @cached_property
    def _places(self) -> dict[Value, int]:
        return {value: place for place, value in enumerate(self.listed)}

    def place(self, value: Value) -> int:
        """Say at which place a value stands; of numbers, the nearest does."""
        if isinstance(value, str) or not self.ordered:
            if isinstance(value, bool) or value not in self._places:
                known = ", ".join(map(str, self.listed))
                raise ValueError(f"{self.name} is {value!r}: it can be {known}")
            return self._places[value]
        numbers = [float(one) for one in self.listed]
        number = _number(self.name, "value", value)
        after = min(bisect_left(numbers, number), len(numbers) - 1)
        before = max(after - 1, 0)
        return before if number - numbers[before] < numbers[after] - number else after

    def snap(self, value: Value) -> Value:
        """Give the nearest value that it can have; a word must be one of its own."""
        return self.value(self.place(value))

    def share(self, value: Value) -> float:
        """Say where a value lies between 0 and 1."""
        return (self.place(value) + 0.5) / self.size

    def at(self, share: float) -> Value:
        """Give the value that lies at a share."""
        return self.value(min(max(int(share * self.size), 0), self.size - 1))


@dataclass(frozen=True)
class Choice(_Listed):
    """One of several values; numbers among themselves are ordered, words are not.

    Raises:
        ValueError: there is none, one stands there twice, or one is neither number nor word.
    """

    name: str
    values: tuple[Value, ...]
    when: When = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError(f"{self.name} has no values")
        for value in self.values:
            if not isinstance(value, str):
                _number(self.name, "value", value)
        if len(set(self.values)) < len(self.values):
            raise ValueError(f"a value of {self.name} stands there twice")
        object.__setattr__(self, "values", tuple(self.values))

    @cached_property
    def listed(self) -> tuple[Value, ...]:
        """Its values: numbers in ascending order, words as they were written."""
        if any(isinstance(value, str) for value in self.values):
            return self.values
        return tuple(sorted(self.values, key=float))

    def document(self) -> dict[str, Any]:
        """Say it as JSON can hold it."""
        return {
            "name": self.name,
            "type": "categorical",
            "values": list(self.values),
            "when": dict(self.when),
        }


@dataclass(frozen=True)
class Profiles(_Listed):
    """One of several named sets of parameters.

    Raises:
        ValueError: there is none.
    """

    name: str
    profiles: Mapping[str, Mapping[str, Value]] = field(hash=False)
    when: When = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not self.profiles:
            raise ValueError(f"{self.name} has no profiles")

    @cached_property
    def listed(self) -> tuple[Value, ...]:
        """The names of its profiles, as they were written."""
        return tuple(self.profiles)

    def document(self) -> dict[str, Any]:
        """Say it as JSON can hold it."""
        return {
            "name": self.name,
            "type": "profiles",
            "profiles": {name: dict(values) for name, values in self.profiles.items()},
            "when": dict(self.when),
        }


Axis = Real | Whole | Choice | Profiles


def axis_of(document: Mapping[str, Any]) -> Axis:
    """Read an axis back from its document.

    Raises:
        ValueError: it is none.
    """
    given = {key: value for key, value in document.items() if key != "type"}
    match document.get("type"):
        case "float":
            return Real(**given)
        case "int":
            return Whole(**given)
        case "categorical":
            return Choice(**(given | {"values": tuple(given["values"])}))
        case "profiles":
            return Profiles(**given)
        case other:
            raise ValueError(f"there is no type of parameter {other!r}")


def _number(name: str, key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{key} of {name} is {value!r}: a number is wanted")  # noqa: TRY004
    try:
        number = float(value) + 0.0  # there is one zero
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{key} of {name} is {value!r}: it must be finite")
    return number


def _sane(name: str, low: float, high: float, step: float | None, *, log: bool) -> None:
    if not low < high:
        raise ValueError(f"low of {name} is {low:g}, and high {high:g}: it must lie above low")
    if step is not None and not 0 < step <= high - low:
        raise ValueError(f"step of {name} is {step:g}: it must be above 0 and fit in its range")
    if log and not low > 0:
        raise ValueError(f"low of {name} is {low:g}: a logarithmic scale begins above 0")
    if max(-low, high) > LARGEST or (log and low < 1 / LARGEST):
        raise ValueError(f"{name} goes from {low:g} to {high:g}: {LARGEST:g} is the most")
    if step is not None and (high - low) / step > LARGEST:
        raise ValueError(f"step of {name} is {step:g}: that makes more than {LARGEST:g} values")


def _exact(number: float) -> Decimal:
    """Take a number as it is written: a tenth is a tenth, and three of them are three tenths."""
    return Decimal(repr(number))


def _nearest(place: float, size: int) -> int:
    return min(max(math.floor(place + 0.5), 0), size - 1)


def _ends(low: float, last: float, step: float, *, log: bool) -> tuple[float, float]:
    """Give the ends of the line that shares are taken of: half a step beyond the outer values."""
    if not log:
        return low, last
    return math.log(low * low / (low + step / 2)), math.log(last + step / 2)
