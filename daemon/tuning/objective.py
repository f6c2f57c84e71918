"""How good it is: every target's attainment, weighed into one score.

A signal counts 1 inside its target, 0 one *scale* outside, and at worst -2, so
that a disaster costs more than a miss. Overshooting is not rewarded: where all
targets are met, nothing is left to hunt for.

Inside the core a signal is measured in its own frame: zero is its target (the
nearer bound decides when there are two), one is its scale. So no unit, however
large or small, weighs more than another.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from daemon.tuning.model import Policy, Shift, Target

    Floats = NDArray[np.float64]

WORST = 3.0
"""A target that is missed by more scales than this counts as missed by so many."""

DRAWS = 256
QUARTER = 0.25
"""A scale that nobody gave: a quarter of the target's size, or the distance at the start."""

GUARD_SHARE = 0.4
"""A guard's bound, in scales of its signal: what makes a scale where there is no target."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The targets as arrays, one column a signal, in units of the signals' scales."""

    anchor: Floats
    """What is zero, in the signal's own unit."""
    scale: Floats
    low: Floats
    high: Floats
    weight: Floats
    """Sums to one."""

    def within(self, values: Floats) -> Floats:
        """Give values of the signals in the frame."""
        framed: Floats = (values - self.anchor) / self.scale
        return framed

    def excess(self, framed: Floats) -> Floats:
        """Tell how far outside of their targets values are; 0 inside."""
        outside: Floats = np.maximum(np.maximum(self.low - framed, framed - self.high), 0.0)
        return outside

    def score(self, framed: Floats) -> Floats:
        """Weigh the attainment of every target into one number, 1 if all are met."""
        missed = np.minimum(self.excess(framed), WORST)
        score: Floats = 1.0 - missed @ self.weight
        return score

    def sense(self, framed: Floats) -> Floats:
        """Say which way each signal should go: +1 up, -1 down, 0 stay."""
        short, over = np.maximum(self.low - framed, 0.0), np.maximum(framed - self.high, 0.0)
        wanted: Floats = np.sign(short - over)
        return wanted

    def aimed(self, margin: float) -> Frame:
        """Give the same targets, a little stricter: so that noise does not park us on the edge."""
        margin_of = np.minimum(margin, (self.high - self.low) / 4)
        return Frame(
            self.anchor, self.scale, self.low + margin_of, self.high - margin_of, self.weight
        )

    def gains(self, level: Floats, spread: Floats, effect: Floats, doubt: Floats) -> Floats:
        """Draw how much the score would rise by effects that are not known exactly.

        Args:
            level: where each signal is, (signals,), and
            spread: how unsure that is, as a standard deviation.
            effect: what each of some steps does to each signal, (steps, signals), and
            doubt: how unsure that is.

        Returns:
            (steps, draws); always the same draws, so that steps compare fairly.
        """
        noise = normal_draws(2 * len(level))
        start = level + noise[:, : len(level)] * spread
        after = start + effect[:, None] + noise[None, :, len(level) :] * doubt[:, None]
        return self.score(after) - self.score(start)


def frame_of(policy: Policy, baseline: Floats) -> Frame:
    """Lay out the targets, given where the signals are before anything is changed."""
    targets = {target.signal: target for target in policy.targets}
    rows = [
        _placed(targets[signal], at) if signal in targets else _guarded(policy.warn[signal], at)
        for signal, at in zip(policy.signals(), baseline.tolist(), strict=True)
    ]
    anchor, scale, low, high, weight = np.array(rows).T
    total = weight.sum()
    return Frame(
        anchor, scale, (low - anchor) / scale, (high - anchor) / scale, weight / (total or 1.0)
    )


def _placed(target: Target, at: float) -> tuple[float, float, float, float, float]:
    """Place one target: anchor, scale, low, high, weight."""
    low = -np.inf if target.low is None else target.low
    high = np.inf if target.high is None else target.high
    bounds = [bound for bound in (target.low, target.high) if bound is not None]
    anchor = sum(bounds) / len(bounds)
    nearest = min(bounds, key=lambda bound: abs(at - bound))
    size = max(abs(bound) for bound in bounds)
    scale = target.scale or max(QUARTER * size, abs(at - nearest)) or 1.0
    return anchor, scale, low, high, target.weight


def _guarded(shift: Shift, at: float) -> tuple[float, float, float, float, float]:
    """Place a signal that has no target but is watched: its guard gives the scale."""
    bound = min(abs(bound) for bound in (shift.rise, shift.fall) if bound is not None)
    return at, bound / GUARD_SHARE, -np.inf, np.inf, 0.0


@lru_cache(maxsize=32)
def normal_draws(width: int) -> Floats:
    """Give standard normal numbers, (draws, width), each with its opposite.

    Every column holds the same numbers, the middles of equal shares of the normal
    distribution, in an order and with signs of its own. Those come from a counter
    (SplitMix64) and not from a library's generator: a recorded decision must come
    out the same after an upgrade.
    """
    half = DRAWS // 2
    normal = NormalDist()
    sizes = np.array([normal.inv_cdf(0.5 + (i + 0.5) / DRAWS) for i in range(half)])
    random = _splitmix(half * width).reshape(half, width)
    signs = np.where(random & np.uint64(1), 1.0, -1.0)
    drawn = sizes[np.argsort(random, axis=0, kind="stable")] * signs
    both = np.concatenate([drawn, -drawn])
    both.flags.writeable = False
    return both


def _splitmix(count: int) -> NDArray[np.uint64]:
    """Give 64 random bits so many times, always the same."""
    state = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = state ^ (state >> np.uint64(31))
    return mixed
