"""Can this policy be judged on these signals? Asked of a past in which nothing was changed.

Every figure is of the recorded noise: how long it lasts, how many independent
values a window holds, how far windows lie apart by chance, and from that the
smallest effect that is found with a probability of 80 %. Last and above all, how
often the loop's own verdict would have called a change an improvement where
there was none. Whoever goes live without these numbers is guessing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from daemon.tuning import null, placebo
from daemon.tuning.block import BLOCK_US
from daemon.tuning.figures import Figures, Finding, Heard, detectable, doubt, figures
from daemon.tuning.model import BLOCK_S, blocks_of
from daemon.tuning.objective import frame_of
from daemon.tuning.windows import Need, Unfit, block_fitness

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.tuning.model import Policy
    from daemon.tuning.null import Noise
    from daemon.tuning.objective import Floats, Frame
    from daemon.tuning.placebo import Rate, Scene
    from daemon.tuning.state import Quiet
    from daemon.tuning.windows import Blocks

PLACEBOS_MIN = 39
"""So many are needed for one in twenty to mean anything at both ends."""

ALLOWED = 0.05
"""The share of placebos that may be taken for an improvement."""

COVERED = 0.5
"""The share of the blocks that must have samples: what the loop asks for, too."""

EARLY = 0.5
"""The first share of what was learned on the way is left out of the figures: it rests on less."""

SILENCE = 12
"""More blocks than this without any sample are left out: nobody was recording."""

GAPS = "gaps"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The answer: green if nothing stands against it."""

    policy: str
    from_us: int
    to_us: int
    quiet_s: float
    """How much of the time nothing was changed."""
    placebos: int
    """How many of the placebos were independent of each other."""
    false_keep: Rate | None
    false_worse: Rate | None
    signals: tuple[Figures, ...]
    reasons: tuple[Finding, ...]
    warnings: tuple[Finding, ...]

    @property
    def green(self) -> bool:
        """Tell whether nothing stands against judging changes by this policy."""
        return not self.reasons


def calibrate(policy: Policy, past: Blocks, quiet: Sequence[Quiet]) -> Calibration:
    """Measure what a policy can tell from a past, given when nothing was changed in it."""
    spans = tuple(_within(past, quiet))
    unfit = _fitness(policy, past, spans)
    result = Calibration(
        policy=policy.digest,
        from_us=past.first * BLOCK_US,
        to_us=past.end * BLOCK_US,
        quiet_s=sum(span.end - span.first for span in spans) * BLOCK_S,
        placebos=0,
        false_keep=None,
        false_worse=None,
        signals=tuple(Figures(signal=name, unfit=unfit[name]) for name in policy.signals()),
        reasons=tuple(_unfit(name, code, policy) for name, code in unfit.items() if code),
        warnings=(),
    )
    if result.reasons or not spans:
        return result if result.reasons else _too_short(policy, result, 0.0)
    return _measured(result, placebo.Scene(policy, past, spans, _frame(policy, past, spans)))


def _within(past: Blocks, quiet: Sequence[Quiet]) -> list[Quiet]:
    """Keep what of the quiet spans was recorded: a time without any samples is no time."""
    silent = past.count.sum(axis=1) == 0
    found = []
    for span in quiet:
        first, end = max(span.first, past.first), min(span.end, past.end)
        heard = np.flatnonzero(~silent[first - past.first : max(end, first) - past.first]) + first
        breaks = np.flatnonzero(np.diff(heard) > SILENCE) + 1
        pieces = [piece.tolist() for piece in np.split(heard, breaks) if len(piece)]
        found += [replace(span, first=piece[0], end=piece[-1] + 1) for piece in pieces]
    return found


def _frame(policy: Policy, past: Blocks, spans: Sequence[Quiet]) -> Frame:
    rows = [past.between(span.first, span.end).mean for span in spans]
    return frame_of(policy, np.nanmedian(np.concatenate(rows), axis=0))


# ── is there evidence at all? ────────────────────────────────────────────────
def _fitness(policy: Policy, past: Blocks, spans: Sequence[Quiet]) -> dict[str, str | None]:
    """Say of each signal why it is no evidence."""
    window = max(blocks_of(policy.observe_window_s), 1)
    found = block_fitness(past, past.end * BLOCK_US, Need(samples=1))
    counts = [past.between(span.first, span.end).count for span in spans]
    blocks = max(sum(map(len, counts)), 1)
    # Without a quiet span nothing is missing from one, and something else is said.
    together = np.concatenate(counts or [np.full((1, len(past.signals)), policy.min_samples)])
    seen = np.count_nonzero(together, axis=0) / blocks
    many = together.sum(axis=0) / blocks * window
    return {
        name: _why(unfit, share=float(seen[index]), enough=many[index] >= policy.min_samples)
        for index, (name, unfit) in enumerate(zip(past.signals, found, strict=True))
    }


def _why(unfit: Unfit | None, *, share: float, enough: bool) -> str | None:
    if unfit is not None:
        return str(unfit)
    if share < COVERED:
        return GAPS
    return None if enough else str(Unfit.LOW_N)


_UNFIT = {
    str(Unfit.NO_DATA): ("has no samples", "record it first, and check its name in the policy"),
    str(Unfit.STALE): (
        "stopped arriving before the others did",
        "check its source: `daemon db query signal_health` says when it was last heard of",
    ),
    str(Unfit.FROZEN): ("never changed its value", "check its source: it may repeat a last value"),
    GAPS: ("is missing in more than half of the quiet time", "check why its source falls silent"),
}


def _unfit(name: str, code: str, policy: Policy) -> Finding:
    fewer = (
        f"has fewer than {policy.min_samples} samples in {policy.observe_window_s:g} s",
        "lower min_samples, lengthen observe_window_s, or sample more often",
    )
    what, hint = _UNFIT.get(code, fewer)
    return Finding(code, f"{name} {what}", hint)


# ── the figures ──────────────────────────────────────────────────────────────
def _measured(result: Calibration, scene: Scene) -> Calibration:
    """Walk through the past and fill the answer in."""
    walk = placebo.walk(scene)
    if not walk.forks:
        return _too_short(scene.policy, result, 0.0)
    spreads = _spreads(scene)
    heard = [
        replace(one, found=_found(scene, walk.forks, index, one))
        for index, one in enumerate(_heard(scene, _typical(walk.noises), spreads))
    ]
    signals = tuple(
        replace(figures(scene.policy, one), null_spread=spread)
        for one, spread in zip(heard, spreads, strict=True)
    )
    slowest = max(
        one.correlation_time_s()
        for one, weight in zip(heard, scene.frame.weight, strict=True)
        if weight > 0
    )
    trials = scene.independent(slowest)
    tally = placebo.tally(scene, walk.forks)
    result = replace(
        result,
        placebos=trials,
        false_keep=placebo.rate(tally.better, trials) if trials else None,
        false_worse=placebo.rate(tally.worse, trials) if trials else None,
        signals=signals,
    )
    result = replace(result, reasons=_wrong(result), warnings=_doubts(scene.policy, result))
    return _too_short(scene.policy, result, slowest)


def _typical(noises: Sequence[Noise]) -> Noise:
    """Take the median of what was learned at different times, the early ones left out."""
    mature = noises[round(EARLY * len(noises)) :] or noises
    scales = min(len(noise.processes) for noise in mature)
    return null.Noise(
        tuple(
            null.Process(
                span=mature[0].processes[scale].span,
                phi=_median(mature, scale, "phi"),
                variance=_median(mature, scale, "variance"),
            )
            for scale in range(scales)
        )
    )


def _median(noises: Sequence[Noise], scale: int, what: str) -> Floats:
    found: Floats = np.median([getattr(one.processes[scale], what) for one in noises], axis=0)
    return found


def _deltas(scene: Scene) -> Floats:
    """Take the differences of all windows of the quiet past, in the frame."""
    rows = scene.frame.within(scene.past.mean)
    origin = scene.past.first
    return np.concatenate(
        [
            null.placebos(
                rows[span.first - origin : span.end - origin],
                scene.window,
                scene.settle,
                scene.window,
            )
            for span in scene.spans
        ]
    )


def _spreads(scene: Scene) -> list[float]:
    """Give the standard deviation of the placebos' deltas, around nothing."""
    deltas = _deltas(scene)
    square = np.nan_to_num(deltas) ** 2
    n = np.maximum(np.isfinite(deltas).sum(axis=0), 1)
    spread: list[float] = (np.sqrt(square.sum(axis=0) / n) * scene.frame.scale).tolist()
    return spread


def _found(scene: Scene, forks: list[placebo.Fork], index: int, heard: Heard) -> float:
    """Compare what the verdict finds with what the noise alone would make of it."""
    guess = detectable(scene.policy, heard, scene.window)
    scale = float(scene.frame.scale[index])
    real = placebo.found(scene, forks, index, guess / scale)
    return 1.0 if real is None else real * scale / guess


def _heard(scene: Scene, noise: Noise, spreads: list[float]) -> list[Heard]:
    """Put what was learned into the signals' own units, and see whether the placebos agree."""
    frame, policy = scene.frame, scene.policy
    levels = np.nanmedian(scene.past.mean, axis=0).tolist()
    model = np.sqrt(noise.of_difference(scene.window, scene.settle, scene.window)) * frame.scale
    widened = np.maximum(np.array(spreads) / model, 1.0).tolist()
    return [
        Heard(
            signal=name,
            level=levels[index],
            scale=scale,
            processes=tuple(
                {
                    "span": one.span,
                    "phi": float(one.phi[index]),
                    "variance": float(one.variance[index]),
                }
                for one in noise.processes
            ),
            widened=widened[index],
        )
        for index, (name, scale) in enumerate(
            zip(policy.signals(), frame.scale.tolist(), strict=True)
        )
    ]


# ── what stands against it ───────────────────────────────────────────────────
def _too_short(policy: Policy, result: Calibration, slowest_s: float) -> Calibration:
    """Say how much of a past is needed, if there is too little of one."""
    if result.placebos >= PLACEBOS_MIN:
        return result
    apart = placebo.spacing(policy, slowest_s) * BLOCK_S
    needed = _minutes(policy.warmup_s + PLACEBOS_MIN * apart)
    reason = Finding(
        "too_little_quiet",
        f"{_minutes(result.quiet_s)} without changes give {result.placebos} independent placebos,"
        f" and {PLACEBOS_MIN} are needed",
        f"let it watch until it has {needed} without a change, or look further back with --hours",
    )
    return replace(result, reasons=(*result.reasons, reason))


def _minutes(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 2 * 3600 else f"{seconds / 60:.0f} min"


def _wrong(result: Calibration) -> tuple[Finding, ...]:
    wrong = result.false_keep
    if wrong is None or wrong.low <= ALLOWED:
        return ()
    reason = Finding(
        "false_keeps",
        f"{wrong.share:.1%} of the placebos would have been kept, although nothing was"
        f" changed; {ALLOWED:.0%} may be",
        "raise strategy.confidence, or lengthen observe_window_s",
    )
    return (reason,)


def _doubts(policy: Policy, result: Calibration) -> tuple[Finding, ...]:
    found = [finding for one in result.signals if (finding := doubt(policy, one)) is not None]
    wrong = result.false_worse
    if wrong is not None and wrong.low > ALLOWED:
        found.append(
            Finding(
                "false_rollbacks",
                f"{wrong.share:.1%} of the placebos would have been taken back as harmful,"
                " although nothing was changed",
                "loosen safety.warn, or lengthen observe_window_s",
            )
        )
    return tuple(found)
