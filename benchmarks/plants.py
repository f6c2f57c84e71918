"""Simulated governed systems: reset with a seed, takes values of rules, gives 5 s of samples.

All noise is drawn when a plant is reset, before anybody moves anything, so every
policy meets the very same noise. What the signals would be without it is kept
as the truth, and scores are made of that alone.
"""

from __future__ import annotations

import math
import zlib
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import responses
from noise import RATE_HZ, correlated, heavy_tailed, normal
from systems import AGENT, DATABASE, PIPELINE, Units

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from responses import Response
    from systems import System

    Floats = NDArray[np.float64]
    Build = Callable[[np.random.Generator, float], Response]

BLOCK_S = 5
BLOCK = BLOCK_S * RATE_HZ
"""Samples of a block."""

SIGNALS = 4
SAMPLE_SD = 0.22
"""How much one sample varies, in scales of its target."""


@dataclass(frozen=True, slots=True)
class Noise:
    """What lies over the truth."""

    lag_one: float = 0.5
    """How much of one sample is still in the next."""
    heavy: bool = False
    size: float = 1.0
    wild_share: float = 0.0
    """Samples that are twenty times as wide as the others."""
    bursts_per_h: float = 0.0
    """Stretches of 2 to 60 s in which one signal gives NaN."""
    missing_share: float = 0.0
    """Moments at which no signal arrives."""
    shared: float = 0.0
    """The share of the variance that all signals have in common."""
    loads_per_h: float = 0.0
    """Changes of the load from outside: every signal steps up or down together."""


@dataclass(frozen=True, slots=True)
class Motion:
    """How a setting becomes what the signals show."""

    delay_s: float = 0.0
    lag_s: float = 0.0
    slack_steps: float = 0.0
    """Play: a rule must move this many steps before anything follows, in either direction."""
    later_s: float = 900.0
    """The time constant of what comes later, where the response has such a part."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A kind of plant, of which each seed gives another instance."""

    name: str
    system: System
    build: Build
    noise: Noise = field(default_factory=Noise)
    motion: Motion = field(default_factory=Motion)
    hours: float = 8.0
    wrong_hint: bool = False
    effective: bool = True
    """Whether any rule does anything."""

    @property
    def hints(self) -> tuple[int, ...]:
        """The directions that the policy names: those that help, or not of the first rule."""
        hints = [rule.towards for rule in self.system.rules]
        return (-hints[0] if self.wrong_hint else hints[0], *hints[1:])

    def policy(self, *, scales: bool = True) -> dict[str, Any]:
        """Write the policy file of this plant, as a document."""
        return self.system.policy(self.hints, scales=scales)


def _seeded(spec: Spec, seed: int, use: int) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(spec.name.encode()), use])


def draw_noise(spec: Spec, rng: np.random.Generator, samples: int) -> Floats:
    """Draw all the noise of a run, in scales: a row for each sample, NaN where it is missing."""
    noise = spec.noise
    shape = (SIGNALS, samples)
    shocks = heavy_tailed(rng, shape) if noise.heavy else normal(rng, shape)
    own = correlated(shocks, noise.lag_one)
    if noise.shared:
        common = correlated(normal(rng, (1, samples)), noise.lag_one)
        own = math.sqrt(1 - noise.shared) * own + math.sqrt(noise.shared) * common
    own += 20 * normal(rng, shape) * (rng.random(shape) < noise.wild_share)
    drawn: Floats = SAMPLE_SD * noise.size * own.T
    _add_loads(drawn, rng, noise.loads_per_h)
    hours = samples / RATE_HZ / 3600
    for start in rng.integers(0, samples, rng.poisson(noise.bursts_per_h * hours)):
        length = int(rng.integers(2 * RATE_HZ, 60 * RATE_HZ))
        drawn[start : start + length, rng.integers(SIGNALS)] = np.nan
    drawn[rng.random(samples) < noise.missing_share] = np.nan
    return drawn


def _add_loads(drawn: Floats, rng: np.random.Generator, per_h: float) -> None:
    """Let a load come and go: while it lasts, 10 to 40 minutes, all signals are worse."""
    samples = len(drawn)
    for start in rng.integers(0, samples, rng.poisson(per_h * samples / RATE_HZ / 3600)):
        length = int(rng.integers(600 * RATE_HZ, 2400 * RATE_HZ))
        drawn[start : start + length] += rng.uniform(0.1, 0.4)


def robust_blocks(samples: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Average each block with its outliers drawn in to 3 MAD; also count what is there."""
    blocks = np.sort(samples.reshape(-1, BLOCK, samples.shape[-1]), axis=1)  # NaN goes last
    counts = np.isfinite(blocks).sum(axis=1)
    middle = _middle(blocks, counts)[:, None]
    reach = 3 * 1.4826 * _middle(np.sort(np.abs(blocks - middle), axis=1), counts)[:, None]
    tamed = np.clip(blocks, middle - reach, middle + reach)
    total = np.where(np.isfinite(tamed), tamed, 0.0).sum(axis=1)
    return np.where(counts > 0, total / np.maximum(counts, 1), np.nan), counts


def _middle(blocks: Floats, counts: NDArray[np.int64]) -> Floats:
    """Take the median of what is there; along the middle axis values come sorted, NaN last."""
    low, high = np.maximum(counts - 1, 0) // 2, counts // 2
    high = np.minimum(high, BLOCK - 1)
    ends = [np.take_along_axis(blocks, place[:, None], axis=1)[:, 0] for place in (low, high)]
    middle: Floats = (ends[0] + ends[1]) / 2
    return middle


class Plant:
    """One instance of a spec; what a policy may see of it is in ``samples`` and ``blocks``."""

    def __init__(self, spec: Spec, seed: int, hours: float | None = None) -> None:
        self.spec = spec
        self.seed = seed
        self.units = Units(spec.system)
        self.total = round((hours or spec.hours) * 3600 / BLOCK_S)
        self.response = spec.build(_seeded(spec, seed, 1), self.total * BLOCK_S)
        self.towards: Floats = np.array([float(rule.towards) for rule in spec.system.rules])
        self._noise = draw_noise(spec, _seeded(spec, seed, 2), self.total * BLOCK)
        self._block_noise, self.counts = robust_blocks(self._noise)
        self.reset()

    def reset(self) -> None:
        """Go back to the beginning: same instance, same noise, first values."""
        self.done = 0
        self.setting = self.units.start.copy()
        self.truth = np.empty((self.total, SIGNALS))
        self.promised = self.setting
        """The setting that will be in force once everything ordered has arrived."""
        self._effective = self.setting
        self._orders: deque[tuple[float, Floats]] = deque()
        self._shown = self.response.soon(self._moves(self.setting), 0.0)
        later = self.response.later
        self._later = np.zeros(SIGNALS) if later is None else later(self._moves(self.setting), 0.0)

    @property
    def now_s(self) -> float:
        """The moment up to which samples were given."""
        return float(self.done * BLOCK_S)

    @property
    def rules(self) -> dict[str, float]:
        """The values of the rules as they were last set."""
        return self.units.values(self.setting)

    def _moves(self, setting: Floats) -> Floats:
        return (setting - self.units.start) * self.towards

    def order(self, values: dict[str, float]) -> bool:
        """Set rules, within their bounds; says whether anything is different now."""
        setting = self.units.setting(values, self.setting)
        if np.abs(setting - self.setting).max() < 1e-9:
            return False
        self.setting = setting
        slack = self.spec.motion.slack_steps * self.units.step
        self.promised = np.clip(self.promised, setting - slack, setting + slack)
        self._orders.append((self.now_s + self.spec.motion.delay_s, self.promised))
        return True

    def _obey(self) -> None:
        while self._orders and self._orders[0][0] <= self.now_s:
            self._effective = self._orders.popleft()[1]

    def advance(self) -> Floats:
        """Let 5 s pass; gives 25 samples of four signals in their own units, NaN if missing."""
        self._obey()
        motion, moves = self.spec.motion, self._moves(self._effective)
        aim = self.response.soon(moves, self.now_s)
        path = aim + np.zeros((BLOCK, 1))
        if motion.lag_s:
            left = np.exp(-np.arange(1, BLOCK + 1) / (RATE_HZ * motion.lag_s))
            path = aim + (self._shown - aim) * left[:, None]
        self._shown = path[-1]
        if self.response.later is not None:
            aim = self.response.later(moves, self.now_s)
            self._later = aim + (self._later - aim) * np.exp(-BLOCK_S / motion.later_s)
            path = path + self._later
        self.truth[self.done] = path.mean(axis=0)
        rows = slice(self.done * BLOCK, (self.done + 1) * BLOCK)
        self.done += 1
        return self.units.signals(path + self._noise[rows])

    def block(self, number: int) -> tuple[Floats, NDArray[np.int64]]:
        """Give a past block's means, outliers drawn in, in the signals' own units, and counts."""
        means = self.units.signals(self.truth[number] + self._block_noise[number])
        return means, self.counts[number]

    def settled(self, setting: Floats, at_s: float) -> Floats:
        """Give the misses without noise of settings that are left alone."""
        return self.response.settled(self._moves(setting), at_s)


def _timeless(build: Callable[[np.random.Generator], Response]) -> Build:
    return lambda rng, _: build(rng)


def _jump(rng: np.random.Generator, length_s: float) -> Response:
    return responses.jumping(rng, 0.45 * length_s)


_LINEAR = _timeless(responses.linear)
_NO_EFFECT = _timeless(responses.without_effect)
_DATABASE, _PIPELINE, _AGENT = DATABASE.with_rules(2), PIPELINE.with_rules(2), AGENT.with_rules(2)

SPECS = (
    Spec("linear", _DATABASE, _LINEAR),
    Spec("interior", _PIPELINE, _timeless(responses.interior)),
    Spec("coupled", DATABASE, _timeless(responses.coupled)),
    Spec("delay", _PIPELINE, _LINEAR, motion=Motion(delay_s=20.0)),
    Spec("lag", _DATABASE, _LINEAR, motion=Motion(lag_s=35.0)),
    Spec("drifting", _AGENT, _timeless(responses.drifting), hours=12.0),
    Spec("daily", _DATABASE, _timeless(responses.daily_cycle), hours=24.0),
    Spec("jump", _PIPELINE, _jump),
    Spec("memory .9", _AGENT, _LINEAR, Noise(lag_one=0.9)),
    Spec("memory .99", _DATABASE, _LINEAR, Noise(lag_one=0.99)),
    Spec("heavy tails", _PIPELINE, _LINEAR, Noise(heavy=True, size=1.4)),
    Spec("outliers", _DATABASE, _LINEAR, Noise(wild_share=0.01, bursts_per_h=6.0)),
    Spec("dropouts", _PIPELINE, _LINEAR, Noise(missing_share=0.4, bursts_per_h=3.0)),
    Spec("backlash", _AGENT, _LINEAR, motion=Motion(slack_steps=0.8)),
    Spec("wrong hint", _DATABASE, _LINEAR, wrong_hint=True),
    Spec("no effect .9", _PIPELINE, _NO_EFFECT, Noise(lag_one=0.9), effective=False),
    Spec("no effect .99", _AGENT, _NO_EFFECT, Noise(lag_one=0.99), effective=False),
    Spec("cliff", _PIPELINE, _timeless(responses.cliff)),
    Spec("conflict", _AGENT, _timeless(responses.conflict)),
    Spec("late harm", _DATABASE, _timeless(responses.late_harm)),
    Spec("shared noise", _AGENT, _LINEAR, Noise(lag_one=0.97, shared=0.7)),
    Spec("load steps", _PIPELINE, _LINEAR, Noise(loads_per_h=1.0)),
)
BY_NAME = {spec.name: spec for spec in SPECS}
