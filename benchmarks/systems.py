"""The systems that the plants pretend to be: their signals, their rules, and the policy for them.

Three systems with different units, so that nobody gets away with taking every
signal to be of the size of one. A response is written in the units of the
targets: 0 is on the target, 1 is one scale on its wrong side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

GOOD = 0.1
"""The smallest improvement that counts, in scales of the target."""

WARN = 0.4
"""What a guarded signal may not lose, in scales of the target."""

WEIGHTS = (1.2, 0.8, 1.0, 0.5)
"""What the four targets of a system count."""

FLOOR = -2.0
"""No target can spoil a score by more than this: three scales off is as bad as thirty."""


@dataclass(frozen=True, slots=True)
class Signal:
    """What is measured: its target is a maximum, or else a minimum."""

    name: str
    target: float
    scale: float
    lower_is_better: bool = True

    @property
    def sense(self) -> float:
        """The sign of a movement for the worse."""
        return 1.0 if self.lower_is_better else -1.0

    def beyond(self, share: float) -> dict[str, float]:
        """Write a movement, in scales and for the worse if positive, as a guard of the policy."""
        moved = self.sense * share * self.scale
        return {"min" if moved > 0 else "max": round(moved, 12)}


@dataclass(frozen=True, slots=True)
class Rule:
    """What may be moved; ``towards`` is the way that really helps at first."""

    name: str
    init: float
    low: float
    high: float
    step: float
    towards: int


@dataclass(frozen=True, slots=True)
class System:
    """Four signals and three rules, of which a plant may use fewer."""

    name: str
    signals: tuple[Signal, ...]
    rules: tuple[Rule, ...]

    def with_rules(self, count: int) -> System:
        """Give the same system with its first rules only."""
        return System(self.name, self.signals, self.rules[:count])

    def policy(self, hints: tuple[int, ...], *, scales: bool = True) -> dict[str, Any]:
        """Write the policy file for it, as a document; ``hints`` are the directions it names."""
        return {
            "targets": {signal.name: _target(signal, scales=scales) for signal in self.signals},
            "rules": {
                rule.name: {
                    "init": rule.init,
                    "min": rule.low,
                    "max": rule.high,
                    "lr": rule.step,
                    "weight": 1.0,
                }
                for rule in self.rules
            },
            "observe_window_s": 90,
            "min_samples": 300,
            "cooldown_s": 120,
            "safety": {
                "good": {signal.name: signal.beyond(-GOOD) for signal in self.signals[:3]},
                "warn": {self.signals[3].name: self.signals[3].beyond(WARN)},
            },
            "strategy": {
                "objective_weights": {
                    signal.name: weight
                    for signal, weight in zip(self.signals, WEIGHTS, strict=True)
                },
                "direction": {
                    rule.name: hint for rule, hint in zip(self.rules, hints, strict=True)
                },
                "dry_run": False,
                "max_concurrent_changes": 1,
            },
        }


def _target(signal: Signal, *, scales: bool) -> dict[str, float]:
    side = {"max" if signal.lower_is_better else "min": signal.target}
    return {**side, "scale": signal.scale} if scales else side


class Units:
    """Between a system's own units and the plain ones: rules in [0, 1], signals in misses.

    A miss is how far a signal is on the wrong side of its target, in scales;
    below zero the target is met.
    """

    def __init__(self, system: System) -> None:
        self.rules = system.rules
        self.target: Floats = np.array([signal.target for signal in system.signals])
        self.unit: Floats = np.array([signal.sense * signal.scale for signal in system.signals])
        self.low: Floats = np.array([rule.low for rule in system.rules])
        self.range: Floats = np.array([rule.high for rule in system.rules]) - self.low
        self.start: Floats = (
            np.array([rule.init for rule in system.rules]) - self.low
        ) / self.range
        self.step: Floats = np.array([rule.step for rule in system.rules]) / self.range

    def misses(self, values: Floats) -> Floats:
        """Read signals, along the last axis, as misses."""
        return (values - self.target) / self.unit

    def signals(self, misses: Floats) -> Floats:
        """Write misses as the signals show them."""
        return self.target + self.unit * misses

    def setting(self, values: dict[str, float], otherwise: Floats) -> Floats:
        """Read values of rules as a setting within the bounds; a rule not named stays."""
        setting = otherwise.copy()
        for place, rule in enumerate(self.rules):
            if rule.name in values:
                setting[place] = (values[rule.name] - self.low[place]) / self.range[place]
        return np.clip(setting, 0.0, 1.0)

    def values(self, setting: Floats) -> dict[str, float]:
        """Write a setting as values of rules."""
        own = self.low + self.range * np.clip(setting, 0.0, 1.0)
        return {rule.name: float(value) for rule, value in zip(self.rules, own, strict=True)}


def score(misses: Floats) -> Floats:
    """Weigh how well the targets are met: 1 when all are, less by the share of a scale missed."""
    weights = np.array(WEIGHTS) / sum(WEIGHTS)
    kept: Floats = np.maximum(1.0 - np.maximum(misses, 0.0), FLOOR) @ weights
    return kept


DATABASE = System(
    "database",
    (
        Signal("latency_ms", 40.0, 12.0),
        Signal("error_share", 0.010, 0.004),
        Signal("queue_depth", 20.0, 8.0),
        Signal("cpu_share", 0.75, 0.15),
    ),
    (
        Rule("pool_size", 20.0, 8.0, 64.0, 4.0, +1),
        Rule("batch_ms", 16.0, 1.0, 21.0, 1.5, -1),
        Rule("cache_share", 0.30, 0.10, 0.90, 0.06, +1),
    ),
)
PIPELINE = System(
    "pipeline",
    (
        Signal("lag_s", 30.0, 10.0),
        Signal("rows_per_s", 12_000.0, 2_500.0, lower_is_better=False),
        Signal("dropped_ppm", 50.0, 25.0),
        Signal("cost_eur_h", 8.0, 1.5),
    ),
    (
        Rule("workers", 12.0, 4.0, 44.0, 3.0, +1),
        Rule("flush_ms", 800.0, 100.0, 1100.0, 75.0, -1),
        Rule("buffer_mb", 256.0, 64.0, 832.0, 56.0, +1),
    ),
)
AGENT = System(
    "agent",
    (
        Signal("phase_diff", 0.05, 0.05),
        Signal("creative_band", 0.24, 0.06, lower_is_better=False),
        Signal("risk_band", 0.30, 0.10),
        Signal("entropy_rate", 0.28, 0.08),
    ),
    (
        Rule("creative_min", 0.22, 0.18, 0.35, 0.02, +1),
        Rule("risk_max", 0.35, 0.20, 0.40, 0.02, -1),
        Rule("gain", 0.30, 0.00, 1.00, 0.08, +1),
    ),
)
