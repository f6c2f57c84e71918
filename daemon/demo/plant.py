"""A small online shop, simulated: what its latency, errors and costs do when rules are moved.

More workers answer sooner, until they crowd each other out and requests fail.
Larger batches make everything wait, though the policy's hint says the opposite:
the daemon has to find that out. All of it under noise that remembers for about a
second, and after a change the shop takes some seconds to settle.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

RATE_HZ = 5
SIGNALS = ("latency_ms", "error_rate", "cost_per_hour")
START: Mapping[str, float] = {"workers": 4.0, "batch": 40.0}

_SETTLE_S = 6.0
"""Time constant with which the shop follows its rules."""

_MEMORY_S = 1.0
"""For how long noise remembers."""

_NOISE = np.array([4.0, 0.0006, 0.12])
"""Standard deviation of each signal's noise."""

_CROWDED = 10.0
"""Workers from which on requests begin to fail."""


@dataclass
class Shop:
    """The shop; it moves on by a fifth of a second at a time."""

    rng: np.random.Generator
    rules: dict[str, float] = field(default_factory=lambda: dict(START))
    _level: np.ndarray | None = None
    _noise: np.ndarray = field(default_factory=lambda: np.zeros(len(SIGNALS)))

    def step(self) -> dict[str, float]:
        """Let a fifth of a second pass, and measure."""
        wanted = response(self.rules)
        level = wanted if self._level is None else self._level
        self._level = level + (wanted - level) / (_SETTLE_S * RATE_HZ)
        keep = float(np.exp(-1 / (_MEMORY_S * RATE_HZ)))
        fresh = self.rng.normal(size=len(SIGNALS))
        self._noise = keep * self._noise + np.sqrt(1 - keep**2) * fresh
        seen = self._level + _NOISE * self._noise
        return dict(zip(SIGNALS, map(float, np.maximum(seen, 0.0)), strict=True))


def response(rules: Mapping[str, float]) -> np.ndarray:
    """Say where the signals settle for some values of the rules, without noise."""
    workers = rules.get("workers", START["workers"])
    batch = rules.get("batch", START["batch"])
    latency = 60 + 360 / max(workers, 0.5) + 0.9 * (batch - 10)
    errors = 0.004 + 0.004 * max(workers - _CROWDED, 0.0)
    cost = 6 + 0.8 * workers + 12 / max(batch, 1.0)
    return np.array([latency, errors, cost])
