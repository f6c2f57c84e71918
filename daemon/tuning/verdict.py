"""Better, worse, inconclusive or invalid: what the evidence says of a change.

One verdict on one number, the score, and not one test a signal: many tests find
something by chance. The probability that the score rose comes from the response
model, which weighs every transition ever seen by its noise; the null that the
noise is measured by is our own recent past. No evidence never means keep.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from daemon.tuning.model import BLOCK_S, Effect, Judgement, blocks_of
from daemon.tuning.objective import GUARD_SHARE
from daemon.tuning.reasons import Reason
from daemon.tuning.vocabulary import Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from daemon.tuning.effects import Response, Tracker
    from daemon.tuning.model import Policy, Shift
    from daemon.tuning.null import Noise
    from daemon.tuning.objective import Floats, Frame
    from daemon.tuning.state import Trial
    from daemon.tuning.windows import Blocks, Ints

MATTERS = 0.01
"""A gain of score that somebody would notice."""

NULL = 0.25
"""Below this probability of having helped, a change has not just failed to show it did."""

Z_GUARD = 3.5
Z_LOSS = 3.0
Z_95 = 1.959963984540054
LOSS = 0.05
"""How far the score must have fallen with a signal that no guard names."""

GUARD_BLOCKS = 6
"""A guard looks at the newest half minute."""

Z_REGIME = 7.0
"""A jump by so many standard deviations is another system, not noise."""

BLOCKS_A_MINUTE = round(60 / BLOCK_S)
REGIME = 36
REGIME_MOST = 60
"""Blocks of one setting that a jump is told by: at least, and at most."""


def watched(trial: Trial, policy: Policy) -> int:
    """Say for how many blocks a change is observed, once it has settled."""
    return blocks_of(policy.observe_window_s) + trial.extra


def judge(
    trial: Trial, believed: Response, frame: Frame, policy: Policy, samples: Ints
) -> Judgement:
    """Judge a change whose window is full."""
    found = measure(trial, believed, frame, policy, samples)
    if any(_reached(policy.warn, effect) for effect in found.effects):
        return ruled(found, Verdict.WORSE, Reason.GUARD_BROKEN)
    if found.probability >= policy.confidence and found.gain > NULL * policy.min_gain:
        if _counts(trial, found, believed, frame, policy):
            return ruled(found, Verdict.BETTER, Reason.IMPROVED)
        return ruled(found, Verdict.INCONCLUSIVE, Reason.TOO_SMALL)
    if found.probability <= 1 - policy.confidence:
        return ruled(found, Verdict.WORSE, Reason.SCORE_FELL)
    cause = Reason.NOT_PROVEN if found.probability > NULL else Reason.NO_EFFECT
    return ruled(found, Verdict.INCONCLUSIVE, cause)


def measure(
    trial: Trial, believed: Response, frame: Frame, policy: Policy, samples: Ints
) -> Judgement:
    """Say what is known of a change so far, without a ruling."""
    effect, doubt = believed.of_steps(trial.steps[None])
    level, spread = believed.before(trial.steps)
    gains = frame.aimed(policy.target_margin).gains(level, spread, effect, doubt)[0]
    probability = float((gains > 0).mean() + 0.5 * (gains == 0).mean())
    return Judgement(
        verdict=Verdict.INCONCLUSIVE,
        cause=Reason.OBSERVING,
        probability=probability,
        gain=float(gains.mean()),
        spread=float(gains.std()),
        worthwhile=float((gains > MATTERS).mean()),
        effects=_effects(policy.signals(), frame, level, (effect[0], doubt[0]), samples),
    )


def _effects(
    signals: tuple[str, ...],
    frame: Frame,
    level: Floats,
    moved: tuple[Floats, Floats],
    samples: Ints,
) -> tuple[Effect, ...]:
    """Put what moved into the signals' own units."""
    effect, doubt = moved
    before = frame.anchor + level * frame.scale
    delta, reach = effect * frame.scale, Z_95 * doubt * frame.scale
    rows = zip(
        signals,
        before.tolist(),
        delta.tolist(),
        (delta - reach).tolist(),
        (delta + reach).tolist(),
        samples.tolist(),
        strict=True,
    )
    return tuple(
        Effect(signal=signal, before=at, delta=by, low=low, high=high, samples=int(n))
        for signal, at, by, low, high, n in rows
    )


def ruled(found: Judgement, verdict: Verdict, cause: Reason) -> Judgement:
    """Put a ruling on what was measured."""
    return replace(found, verdict=verdict, cause=cause)


def _counts(
    trial: Trial, found: Judgement, believed: Response, frame: Frame, policy: Policy
) -> bool:
    highest = np.array([found.gain + Z_95 * found.spread])
    return bool(may_count(trial.steps[None], highest, believed, frame, policy)[0])


def may_count(
    steps: Floats, highest: Floats, believed: Response, frame: Frame, policy: Policy
) -> NDArray[np.bool_]:
    """Tell of some steps whether what they bring may be as large as the smallest that counts.

    It counts if, within what is known, some signal may move by its ``good``, or the
    score may rise (at the ``highest``) by as much as one such movement is worth.
    Less than a whole step need bring only its share.
    """
    share = np.minimum(np.abs(steps).max(axis=1), 1.0)
    counts: NDArray[np.bool_] = highest >= share * worth(frame, policy)
    effect, doubt = believed.of_steps(steps)
    for index, signal in enumerate(policy.signals()):
        shift = policy.good.get(signal)
        if shift is None:
            continue
        reach = Z_95 * doubt[:, index]
        if shift.rise is not None:
            counts |= effect[:, index] + reach >= share * shift.rise / frame.scale[index]
        if shift.fall is not None:
            counts |= effect[:, index] - reach <= share * shift.fall / frame.scale[index]
    return counts


def worth(frame: Frame, policy: Policy) -> float:
    """Give the rise of score that the least of the ``good`` movements would bring."""
    worths = [
        frame.weight[index]
        * min(abs(by) for by in (shift.rise, shift.fall) if by is not None)
        / frame.scale[index]
        for index, signal in enumerate(policy.signals())
        if (shift := policy.good.get(signal)) is not None and frame.weight[index] > 0
    ]
    return float(min(worths, default=0.0))


def _reached(shifts: Mapping[str, Shift], effect: Effect) -> bool:
    shift = shifts.get(effect.signal)
    return shift is not None and reaches(shift, effect.delta)


def reaches(shift: Shift, delta: float) -> bool:
    """Tell whether a delta is a rise or a fall of at least what is asked for."""
    rises = shift.rise is not None and delta >= shift.rise
    falls = shift.fall is not None and delta <= shift.fall
    return rises or falls


def clearly_worse(found: Judgement) -> bool:
    """Tell whether a change that is still observed has lost beyond doubt."""
    return found.gain < -MATTERS and found.gain < -Z_LOSS * found.spread


def guard_broken(
    trial: Trial, blocks: Blocks, tracker: Tracker, frame: Frame, policy: Policy
) -> str | None:
    """Name the signal whose guard the change broke, beyond what noise does; None if none.

    A guard of the policy is enough by itself. A target without one guards itself
    with a wider bound, and only if the whole score fell.
    """
    since = blocks.end - trial.since
    newest = min(since, GUARD_BLOCKS)
    if newest < 2:  # noqa: PLR2004 - one block may be a hiccup of the change itself
        return None
    window = blocks.window(blocks.end - newest, blocks.end)
    seen = np.isfinite(window.mean) & (window.n > 0)
    now = np.where(seen, frame.within(window.mean), trial.before)
    delta = now - trial.before
    foretold, variance = tracker.predicted(trial.doubt, since - newest, newest)
    sure = np.abs(now - foretold) > Z_GUARD * np.sqrt(variance)
    lost = frame.score(now) < frame.score(trial.before) - LOSS
    missed = frame.excess(now) - frame.excess(trial.before)
    for index in np.flatnonzero(sure & seen).tolist():
        signal = policy.signals()[index]
        if signal in policy.warn:
            by = float(delta[index] * frame.scale[index])
            broken = reaches(policy.warn[signal], by)
        else:
            broken = bool(lost and missed[index] > GUARD_SHARE)
        if broken:
            return signal
    return None


def regime_changed(blocks: Blocks, since: int, noise: Noise, frame: Frame) -> bool:
    """Tell whether the last minute is unlike everything since the setting was last changed."""
    recent = BLOCKS_A_MINUTE
    first = max(since, blocks.end - REGIME_MOST)
    if blocks.end - first < REGIME:
        return False
    new = blocks.window(blocks.end - recent, blocks.end)
    old = blocks.window(first, blocks.end - recent)
    seen = (new.share > 0.5) & (old.share > 0.5)  # noqa: PLR2004 - half of the blocks
    off = np.where(seen, np.abs(new.mean - old.mean) / frame.scale, 0.0)
    noise_sd = np.sqrt(noise.of_difference(blocks.end - recent - first, 0, recent))
    return bool((off > Z_REGIME * noise_sd).any())
