"""The governed system: signals that follow its rules under noise, and sources that fall ill."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from daemon.tuning.windows import BLOCK_US

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from random import Random

Sample = tuple[str, int, float]

PER_BLOCK = 1
"""Samples of a signal in five seconds: enough to run, and so few that they cost little."""

ILLS = ("silent", "frozen", "nan", "spikes", "sparse", "future", "old", "twice", "unit")


@dataclass
class Slope:
    """How a signal follows the rules."""

    level: float
    per: Mapping[str, float]
    noise: float


@dataclass
class Plant:
    """A system with a few signals; what it does depends on the values that it is given."""

    random: Random
    slopes: dict[str, Slope]
    centre: dict[str, float]
    phi: float = 0.6
    ill: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Signals that are ill: how, and for how many blocks more."""
    _noise: dict[str, float] = field(default_factory=dict)
    _frozen: dict[str, float] = field(default_factory=dict)

    def copied(self) -> Plant:
        """Give another one that goes on from here, with the same source of chance."""
        return replace(
            self,
            slopes={name: replace(slope) for name, slope in self.slopes.items()},
            centre=dict(self.centre),
            ill=dict(self.ill),
            _noise=dict(self._noise),
            _frozen=dict(self._frozen),
        )

    def fall_ill(self) -> None:
        """Let the source of one signal, or of all, go wrong for a while."""
        kind, length = self.random.choice(ILLS), self.random.randint(1, 30)
        names = list(self.slopes)
        for name in names if self.random.random() < 0.5 else [self.random.choice(names)]:
            self.ill[name] = (kind, length)

    def recover(self) -> None:
        """Let every source be well again."""
        self.ill.clear()

    def shift(self) -> None:
        """Let the system become another one."""
        for slope in self.slopes.values():
            slope.level += self.random.choice([-1, 0, 1]) * 12 * slope.noise

    def span(
        self, signals: Collection[str], values: Mapping[str, float], end_us: int
    ) -> list[Sample]:
        """Give the samples of some signals, of the five seconds before a moment."""
        found: list[Sample] = []
        for name in signals:
            slope = self.slopes[name]
            level = slope.level + sum(
                by * (values.get(rule, self.centre[rule]) - self.centre[rule])
                for rule, by in slope.per.items()
            )
            rows = []
            for place in range(PER_BLOCK):
                noise = self.phi * self._noise.get(name, 0.0) + self.random.gauss(0, 1)
                self._noise[name] = noise
                at_us = end_us - BLOCK_US + (2 * place + 1) * BLOCK_US // (2 * PER_BLOCK)
                rows.append((name, at_us, level + slope.noise * noise))
            found += self._ail(name, rows) if name in self.ill else rows
        return found

    def _ail(self, name: str, rows: list[Sample]) -> list[Sample]:
        kind, left = self.ill[name]
        if left <= 1:
            del self.ill[name]
        else:
            self.ill[name] = (kind, left - 1)
        return _ILL[kind](self, name, rows)

    def _stuck(self, name: str, rows: list[Sample]) -> list[Sample]:
        value = self._frozen.setdefault(name, rows[0][2])
        return [(name, at_us, value) for _, at_us, _ in rows]

    def _spiky(self, name: str, rows: list[Sample]) -> list[Sample]:
        return [(name, at, value * self.random.choice([1, 1, 1, 1e6])) for name, at, value in rows]

    def _strange(self, name: str, rows: list[Sample]) -> list[Sample]:
        odd = self.random.choice([math.nan, math.inf, -math.inf])
        return [(name, at_us, odd) for _, at_us, _ in rows]


_ILL = {
    "silent": lambda plant, name, rows: [],
    "frozen": Plant._stuck,
    "nan": Plant._strange,
    "spikes": Plant._spiky,
    "sparse": lambda plant, name, rows: rows[: plant.random.randint(0, 1)],
    "future": lambda plant, name, rows: [(n, at + 3600_000_000, v) for n, at, v in rows],
    "old": lambda plant, name, rows: [(n, at - 600_000_000, v) for n, at, v in rows],
    "twice": lambda plant, name, rows: rows + rows,
    "unit": lambda plant, name, rows: [(n, at, v * 1000) for n, at, v in rows],
}
