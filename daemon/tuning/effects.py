"""What moving a rule does: learned from every block, with how unsure that is.

A Kalman filter per signal follows its level, its slow noise, and its response to
one step of each rule. Every transition teaches it, whether forwards, back, or
toggled; so evidence adds up over changes, and drift does not pass for an effect.
What was learned fades with time, and where the rules go to new ground.

All signals are filtered at once: the first axis of every array is the signal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from daemon.tuning.model import BLOCK_S

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from daemon.tuning.null import Noise

    Floats = NDArray[np.float64]

LEVEL, SLOW, FIRST = 0, 1, 2
"""Where in the state the level, the slow noise and the first rule's response are."""

STEP_SD = 0.15
"""What one step of a rule is expected to do before anything is known, in scales."""

NEW_GROUND = 0.15
"""How much a response may differ one step further on, as a share of `STEP_SD`."""

SPREAD_MAX = 1.5
"""A response is never less known than this, in `STEP_SD`."""

DRIFT = 0.04
"""How far a level wanders in an hour, in scales."""

UNKNOWN = 100.0
SURPRISE = 4.0
"""A block further off than this many standard deviations counts as just so far off."""


@dataclass(frozen=True, slots=True, eq=False)
class Response:
    """What is believed: means (signals, 2 + rules) and covariances."""

    mean: Floats
    cov: Floats

    @property
    def level(self) -> Floats:
        """Where each signal is, noise taken out."""
        return self.mean[:, LEVEL]

    @property
    def level_sd(self) -> Floats:
        """How unsure that is."""
        return np.sqrt(np.maximum(self.cov[:, LEVEL, LEVEL], 0.0))

    def of_steps(self, steps: Floats) -> tuple[Floats, Floats]:
        """Tell what some moves, (moves, rules) in steps, do to each signal, and how surely."""
        cov = self.cov[:, FIRST:, FIRST:]
        effect = steps @ self.mean[:, FIRST:].T
        spread = ((steps @ cov) * steps).sum(axis=2).T
        return effect, np.sqrt(np.maximum(spread, 0.0))

    def before(self, steps: Floats) -> tuple[Floats, Floats]:
        """Tell where the signals would be without a move that was made, and how surely."""
        back = np.concatenate([[1.0, 0.0], -steps])
        spread = (self.cov @ back) @ back
        return self.mean @ back, np.sqrt(np.maximum(spread, 0.0))


def unlearned(signals: int, rules: int) -> Response:
    """Know nothing yet."""
    sd = np.concatenate([[UNKNOWN, 0.0], np.full(rules, STEP_SD)])
    cov = np.repeat(np.diag(sd**2)[None], signals, axis=0)
    return Response(np.zeros((signals, FIRST + rules)), cov)


def restarted(believed: Response, noise: Noise) -> Response:
    """Doubt everything: the system became another one. Half of what was learned is a start."""
    signals, width = believed.mean.shape
    _, slow, _ = noise.split()
    fresh = unlearned(signals, width - FIRST)
    mean, cov = believed.mean.copy(), fresh.cov.copy()
    mean[:, FIRST:] *= 0.5
    mean[:, SLOW] = 0.0
    cov[:, LEVEL, LEVEL] = SPREAD_MAX**2 * 4
    cov[:, SLOW, SLOW] = slow
    return Response(mean, cov)


def reframed(believed: Response, ratio: Floats, shift: Floats) -> Response:
    """Say the same in other units: values become ``value * ratio + shift``."""
    mean = believed.mean * ratio[:, None]
    mean[:, LEVEL] += shift
    return Response(mean, believed.cov * (ratio**2)[:, None, None])


@dataclass(frozen=True, slots=True, eq=False)
class Tracker:
    """How the filter is set: made once when the noise is learned, used for every block."""

    memory: Floats
    slow: Floats
    fast: Floats
    per_block: float
    """Samples of a typical block."""
    carry: Floats
    """What is left of each mean after a block, (signals, 2 + rules),"""
    squared: Floats
    """of each covariance, and"""
    added: Floats
    """what each covariance gains."""

    def follow(self, believed: Response, row: Floats, count: Floats) -> Response:
        """Take one more block into account; signals with no samples in it only age."""
        mean, cov = self._aged(believed)
        seen = count > 0
        both = cov[:, :, LEVEL] + cov[:, :, SLOW]
        variance = (
            both[:, LEVEL] + both[:, SLOW] + self.fast * self.per_block / np.maximum(count, 1)
        )
        gain = both / variance[:, None]
        off = row - mean[:, LEVEL] - mean[:, SLOW]
        if not seen.all():
            gain *= seen[:, None]
            off = np.where(seen, off, 0.0)
        reach = SURPRISE * np.sqrt(variance)
        mean += gain * np.minimum(np.maximum(off, -reach), reach)[:, None]
        cov -= gain[:, :, None] * both[:, None, :]
        return Response(mean, cov)

    def predicted(self, believed: Response, after: int, blocks: int) -> tuple[Floats, Floats]:
        """Foretell the mean of some blocks, ``after`` blocks ahead, and its variance."""
        ahead = np.arange(after + 1, after + blocks + 1)
        left = (self.memory[:, None] ** ahead).mean(axis=1)
        cov = believed.cov
        known = cov[:, 0, 0] + 2 * left * cov[:, 0, 1] + left**2 * cov[:, 1, 1]
        apart = np.abs(ahead[:, None] - ahead)
        common = (self.memory[:, None, None] ** apart).mean(axis=(1, 2))
        new = self.slow * np.maximum(common - left**2, 0.0)
        return believed.mean[:, 0] + left * believed.mean[:, 1], known + new + self.fast / blocks

    def age(self, believed: Response) -> Response:
        """Let one block pass without learning from it."""
        return Response(*self._aged(believed))

    def _aged(self, believed: Response) -> tuple[Floats, Floats]:
        return believed.mean * self.carry, believed.cov * self.squared + self.added


def tracker(noise: Noise, per_block: float, forget_h: float, rules: int) -> Tracker:
    """Set the filter up for a noise; responses are forgotten within ``forget_h`` hours."""
    memory, slow, fast = noise.split()
    width = FIRST + rules
    carry = np.ones((len(memory), width))
    carry[:, SLOW] = memory
    added = np.zeros((len(memory), width, width))
    added[:, LEVEL, LEVEL] = DRIFT**2 * BLOCK_S / 3600
    added[:, SLOW, SLOW] = slow * (1 - memory**2)
    learned = np.arange(FIRST, width)
    added[:, learned, learned] = STEP_SD**2 * BLOCK_S / 3600 / forget_h
    squared = carry[:, :, None] * carry[:, None, :]
    return Tracker(memory, slow, fast, per_block, carry, squared, added)


def moved(believed: Response, steps: Floats, *, new_ground: bool) -> Response:
    """Account for rules that were moved by so many steps just now."""
    cov = believed.cov
    if new_ground:
        cov = cov.copy()
        rules = np.arange(FIRST, cov.shape[1])
        cov[:, rules, rules] += (NEW_GROUND * STEP_SD * steps) ** 2
        cov = _bounded(cov)
    carry = np.eye(cov.shape[1])
    carry[LEVEL, FIRST:] = steps
    return replace(believed, mean=believed.mean @ carry.T, cov=carry @ cov @ carry.T)


def _bounded(cov: Floats) -> Floats:
    """Keep responses from becoming less known than anything can be."""
    rules = np.arange(FIRST, cov.shape[1])
    limit = (SPREAD_MAX * STEP_SD) ** 2
    shrink = np.ones(cov.shape[:2])
    shrink[:, FIRST:] = np.sqrt(np.minimum(1.0, limit / cov[:, rules, rules]))
    bounded: Floats = cov * shrink[:, :, None] * shrink[:, None, :]
    return bounded
