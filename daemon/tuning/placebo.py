"""How often the verdict is wrong when nothing was changed: tried on our own past.

A placebo is a moment of a quiet past at which a step is pretended. The filter
that the loop uses follows the signals from there as it would after a real step,
the loop's own verdict judges the window, and whatever it finds is wrong. No
model of the noise is believed here: the noise is the recorded one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from daemon.tuning import effects, null, verdict
from daemon.tuning.figures import POWER
from daemon.tuning.model import blocks_of
from daemon.tuning.objective import WORST, Frame
from daemon.tuning.state import Trial
from daemon.tuning.vocabulary import Verdict
from daemon.tuning.windows import KEEP

if TYPE_CHECKING:
    from daemon.tuning.effects import Response, Tracker
    from daemon.tuning.model import Policy
    from daemon.tuning.null import Noise
    from daemon.tuning.objective import Floats
    from daemon.tuning.state import Quiet
    from daemon.tuning.windows import Blocks, Ints

MOST = 1500
"""More moments than this cost time and say little more: they overlap."""

REFIT = 60
"""The noise is learned anew after so many blocks: every five minutes."""

QUIET_MIN = 8
"""Shorter stretches say nothing about noise."""

PROBES = 64
"""Moments at which effects are pretended, to see how large one must be."""

WIDER = 1.5
BISECTIONS = 4
SMALLEST = 0.01
"""An effect is bracketed by steps of so much, then the bracket is halved so often."""

PER_WINDOW = 4
"""Moments that are tried within the length of one trial."""

SLOW_S = 30.0
"""A noise that lasts longer than this ties neighbouring placebos together."""

Z_95 = verdict.Z_95


@dataclass(frozen=True, slots=True)
class Rate:
    """A share, and the 95 % interval (Wilson's) that so many independent trials leave it in."""

    share: float
    low: float
    high: float


def rate(share: float, trials: int) -> Rate:
    """Say what a share is worth that was seen in so many independent trials."""
    n, square = max(trials, 1), Z_95**2
    middle = (share + square / (2 * n)) / (1 + square / n)
    reach = Z_95 / (1 + square / n) * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    return Rate(share, max(middle - reach, 0.0), min(middle + reach, 1.0))


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A past, where in it nothing was changed, and by which policy it is looked at."""

    policy: Policy
    past: Blocks
    spans: tuple[Quiet, ...]
    frame: Frame

    @property
    def settle(self) -> int:
        """Count the blocks of the settle gap."""
        return blocks_of(self.policy.settle_s)

    @property
    def window(self) -> int:
        """Count the blocks of an observation window."""
        return max(blocks_of(self.policy.observe_window_s), 1)

    @property
    def width(self) -> int:
        """Count the blocks from a step to its verdict."""
        return self.settle + self.window

    @property
    def warm(self) -> int:
        """Count the blocks of the baseline that a placebo has behind it."""
        return blocks_of(self.policy.warmup_s)

    def room(self) -> int:
        """Count the quiet blocks in which placebos have room, baselines left out."""
        return sum(max(span.end - span.first - self.warm, 0) for span in self.spans)

    def independent(self, correlation_s: float) -> int:
        """Count the placebos that say something of their own."""
        apart = spacing(self.policy, correlation_s)
        return sum(max(span.end - span.first - self.warm, 0) // apart for span in self.spans)


def spacing(policy: Policy, correlation_s: float) -> int:
    """Say how many blocks apart two placebos are about different waves of a noise."""
    tied = 2 * correlation_s if correlation_s > SLOW_S else 0.0
    return max(blocks_of(policy.settle_s + policy.observe_window_s + tied), 1)


@dataclass(frozen=True, slots=True, eq=False)
class Fork:
    """A placebo that begins: the moment, what was believed then, and of what noise."""

    row: int
    believed: Response
    tracker: Tracker


@dataclass(slots=True, eq=False)
class Walk:
    """A quiet past as the loop would have followed it."""

    forks: list[Fork] = field(default_factory=list)
    noises: list[Noise] = field(default_factory=list)
    """The noise as it was learned on the way, every five minutes."""


@dataclass(frozen=True, slots=True)
class Tally:
    """The share of the placebos that was judged better, and worse, at the worst step length."""

    better: float
    worse: float


# ── following the past ───────────────────────────────────────────────────────
def walk(scene: Scene) -> Walk:
    """Follow the quiet spans, as the loop would, and remember where placebos may begin."""
    done = Walk()
    stride = max(scene.width // PER_WINDOW, -(-scene.room() // MOST), 1)
    rows = scene.frame.within(scene.past.mean)
    for span in scene.spans:
        if span.end - span.first >= scene.warm + scene.width:
            _walk_span(scene, rows, span, stride, done)
    return done


def _walk_span(scene: Scene, rows: Floats, span: Quiet, stride: int, done: Walk) -> None:
    counts, origin = scene.past.count, scene.past.first
    first = span.first + scene.warm
    tracker, believed = None, None
    for block in range(first, span.end - scene.width + 1):
        if (block - first) % REFIT == 0:
            noise = _learned(scene, rows, block)
            done.noises += [noise] if noise is not None else []
            tracker = tracker if noise is None else _tracker(scene, noise)
        if tracker is None:
            continue
        if believed is None:
            watched = slice(span.first - origin, block - origin)
            believed = _begun(scene, tracker, rows[watched], counts[watched])
        if (block - first) % stride == 0:
            done.forks.append(Fork(block - origin, believed, tracker))
        believed = tracker.follow(believed, rows[block - origin], counts[block - origin])


def _tracker(scene: Scene, noise: Noise) -> Tracker:
    counts, policy = scene.past.count, scene.policy
    per_block = float(np.median(counts[counts > 0]))
    return effects.tracker(noise, per_block, policy.forget_h, len(policy.rules))


def _begun(scene: Scene, tracker: Tracker, rows: Floats, counts: Ints) -> Response:
    """Follow what was watched before the noise was known."""
    believed = effects.unlearned(rows.shape[1], len(scene.policy.rules))
    believed.cov[:, effects.SLOW, effects.SLOW] = tracker.slow
    for row, count in zip(rows, counts, strict=True):
        believed = tracker.follow(believed, row, count)
    return believed


def _learned(scene: Scene, rows: Floats, block: int) -> Noise | None:
    """Learn the noise from the two hours before a block, the quiet ones of them."""
    origin, oldest = scene.past.first, block - KEEP
    stretches = [
        null.Stretch(
            span.setting, rows[max(span.first, oldest) - origin : min(span.end, block) - origin]
        )
        for span in scene.spans
        if span.first < block and span.end > oldest
    ]
    return null.fit([stretch for stretch in stretches if len(stretch.rows) >= QUIET_MIN])


# ── judging what did not happen ──────────────────────────────────────────────
def tally(scene: Scene, forks: list[Fork]) -> Tally:
    """Judge every placebo with the loop's own verdict, for every length a step may have.

    Nothing is learned yet, so which rule moves and which way is all the same.
    """
    policy = scene.policy
    shares = [
        _judged(scene, forks, _steps(policy, length, rules), np.zeros(len(policy.signals())))
        for length in sorted({1.0, policy.max_step_mult})
        for rules in range(1, 1 + min(policy.max_concurrent_changes, len(policy.rules), 2))
    ]
    better, worse = np.array(shares).max(axis=0).tolist()
    return Tally(better, worse)


def _steps(policy: Policy, length: float, rules: int) -> Floats:
    steps = np.zeros(len(policy.rules))
    steps[:rules] = length
    return steps


def found(scene: Scene, forks: list[Fork], index: int, guess: float) -> float | None:
    """Find how far one signal must move for the better to be judged so in 80 % of cases.

    The effect is added to what was recorded, at moments all over the quiet past;
    the other signals do what they did. Whether it is as large as the policy would
    like is not asked: only noise hides it. Begins at a guess; all in scales.

    Returns:
        None if nothing that could happen would be found, as for a signal without a target.
    """
    scene = replace(scene, policy=replace(scene.policy, good={}))
    chosen = forks[:: max(len(forks) // PROBES, 1)]
    way = float(wanted(scene.frame)[index]) * float(scene.frame.weight[index] > 0)
    steps = _steps(scene.policy, 1.0, 1)

    def enough(size: float) -> bool:
        effect = np.zeros(len(scene.frame.scale))
        effect[index] = way * size
        return _judged(scene, chosen, steps, effect)[0] >= POWER

    high = guess
    while not enough(high):
        if not way or high > WORST:
            return None
        high *= WIDER
    low = high / WIDER
    while low > guess * SMALLEST and enough(low):
        high, low = low, low / WIDER
    for _ in range(BISECTIONS):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _judged(scene: Scene, forks: list[Fork], steps: Floats, effect: Floats) -> tuple[float, float]:
    """Give the shares of better and of worse, had the steps had some effect."""
    after = _followed(scene, forks, steps, effect)
    verdicts = [
        _verdict(scene, fork, effects.Response(mean, cov), steps)
        for fork, mean, cov in zip(
            forks, np.split(after.mean, len(forks)), np.split(after.cov, len(forks)), strict=True
        )
    ]
    better, worse = verdicts.count(Verdict.BETTER), verdicts.count(Verdict.WORSE)
    return better / len(verdicts), worse / len(verdicts)


def _verdict(scene: Scene, fork: Fork, believed: Response, steps: Floats) -> Verdict:
    level = fork.believed.level
    trial = Trial(
        number=0,
        key="",
        moves=(),
        steps=steps,
        since=scene.past.first + fork.row,
        before=level,
        doubt=fork.believed,
    )
    seen = slice(fork.row + scene.settle, fork.row + scene.width)
    samples = scene.past.count[seen].sum(axis=0)
    return verdict.judge(trial, believed, missed(scene.frame, level), scene.policy, samples).verdict


def _followed(scene: Scene, forks: list[Fork], steps: Floats, effect: Floats) -> Response:
    """Follow all placebos at once: the filter takes any number of signals."""
    rows, counts = scene.frame.within(scene.past.mean) + effect, scene.past.count
    tracker = effects.Tracker(
        np.concatenate([fork.tracker.memory for fork in forks]),
        np.concatenate([fork.tracker.slow for fork in forks]),
        np.concatenate([fork.tracker.fast for fork in forks]),
        forks[0].tracker.per_block,
        np.concatenate([fork.tracker.carry for fork in forks]),
        np.concatenate([fork.tracker.squared for fork in forks]),
        np.concatenate([fork.tracker.added for fork in forks]),
    )
    before = effects.Response(
        np.concatenate([fork.believed.mean for fork in forks]),
        np.concatenate([fork.believed.cov for fork in forks]),
    )
    believed = effects.moved(before, steps, new_ground=True)
    for _ in range(scene.settle):
        believed = tracker.age(believed)
    at = np.array([fork.row for fork in forks]) + scene.settle
    for ahead in range(scene.window):
        believed = tracker.follow(believed, rows[at + ahead].ravel(), counts[at + ahead].ravel())
    return believed


def missed(frame: Frame, level: Floats) -> Frame:
    """Pretend that every target is missed by a whole scale.

    Inside its target a signal may do as it likes, and no verdict finds anything.
    Outside, all that noise does shows in the score: the rate holds for both.
    """
    way = wanted(frame)
    return Frame(
        frame.anchor,
        frame.scale,
        np.where(way > 0, level + 1.0, -np.inf),
        np.where(way < 0, level - 1.0, np.inf),
        frame.weight,
    )


def wanted(frame: Frame) -> Floats:
    """Say which way each target pulls its signal: down if it has an upper bound; 0 for none."""
    way: Floats = np.where(np.isfinite(frame.high), -1.0, 1.0 * np.isfinite(frame.low))
    return way
