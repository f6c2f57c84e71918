"""What a policy can see of a signal whose noise is known.

How long the noise lasts, how many independent values a window holds, how far two
windows lie apart by chance, and from that the smallest effect that is found in
80 % of cases. All of it can be worked out again for another policy from what was
recorded of the noise, which is how a file is checked before it is in force.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from daemon.tuning import null
from daemon.tuning.effects import DRIFT, STEP_SD
from daemon.tuning.model import BLOCK_S, blocks_of
from daemon.tuning.objective import frame_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.tuning.model import Policy, Shift

POWER = 0.8
"""An effect counts as detectable if it is found with this probability."""

SHORTEST_S = 30.0
LONGEST_S = 86_400.0
FINER = 1.05
"""Windows that are looked at, each so many times as long as the one before."""

SLOWER = 1.05
"""A coarse scale counts where it says that much more than the fine one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What was learned of the noise of one signal."""

    signal: str
    level: float
    """Where it was, in its own unit."""
    scale: float
    """What its noise is told in, so that no unit is too small for a number."""
    processes: tuple[Mapping[str, float], ...]
    """Of each scale the numbers of a `null.Process`, by their names there."""
    widened: float = 1.0
    """How much further placebos lie apart than these processes say; never less than 1."""
    found: float = 1.0
    """How large an effect the verdict really finds, as a share of what is worked out here."""

    def correlation_time_s(self) -> float:
        """Tell after which time two thirds of a deviation are forgotten."""
        fine, *coarse = self.noise().processes
        for other in coarse:
            wide = (3 * other.span, other.span, 3 * other.span)
            if other.of_difference(*wide) > SLOWER * fine.of_difference(*wide):
                return _lasting(other)
        return _lasting(fine)

    def spread(self, window: int, settle: int) -> float:
        """Tell how far two windows lie apart by chance, as a standard deviation."""
        variance = self.noise().of_difference(window, settle, window)
        return math.sqrt(float(variance[0])) * self.widened * self.scale

    def noise(self) -> null.Noise:
        """Give the noise as the core knows it."""
        return null.Noise(
            tuple(
                null.Process(
                    span=round(one["span"]),
                    phi=np.array([one["phi"]]),
                    variance=np.array([one["variance"]]),
                )
                for one in self.processes
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What a policy can see of one signal; in the signal's own unit."""

    signal: str
    unfit: str | None = None
    """Why it is no evidence; None if it is."""
    correlation_time_s: float | None = None
    effective_n: float | None = None
    """How many independent values of five seconds a window amounts to."""
    null_spread: float | None = None
    """How far two windows lie apart by chance, as the placebos say (a standard deviation)."""
    null_model: float | None = None
    """The same by the model of the noise."""
    detectable: float | None = None
    """The smallest effect that one window before and one after find in 80 % of cases."""
    toggled: float | None = None
    """The same for as many pairs of windows as the policy allows."""
    good: float | None = None
    """The smallest effect that the policy asks for."""
    window_s: float | None = None
    """The window that would find it; None if none within a day does, or nothing is asked for."""
    heard: Heard | None = None

    @property
    def judged(self) -> str | None:
        """Say what it takes to judge the effect asked for; None if none is asked for."""
        if self.good is None or self.detectable is None or self.toggled is None:
            return None
        if self.detectable <= self.good:
            return "at_once"
        return "toggled" if self.toggled <= self.good else "no"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that stands against it, and what to do about it."""

    code: str
    what: str
    hint: str


def _lasting(process: null.Process) -> float:
    """Tell how long a noise lasts whose means over ``span`` blocks look like this process.

    Means inherit more from each other than the moments they are made of; this is
    taken out again.
    """
    span_s, phi = process.span * BLOCK_S, float(process.phi[0])
    low, high = 1e-3, 1e3  # the span, in correlation times
    for _ in range(50):
        middle = math.sqrt(low * high)
        left = 1 - math.exp(-middle)
        inherited = left * left / (2 * (middle - left))
        low, high = (middle, high) if inherited > phi else (low, middle)
    return span_s / low


def figures(policy: Policy, heard: Heard) -> Figures:
    """Say what a policy can see of a signal whose noise is known."""
    window = max(blocks_of(policy.observe_window_s), 1)
    settle = blocks_of(policy.settle_s)
    noise = heard.noise()
    whole, part = float(noise.of_mean(1)[0]), float(noise.of_mean(window)[0])
    spread = heard.spread(window, settle)
    pairs = policy.max_extensions + 1 if policy.paired_toggling else 1
    good = asked(policy.good.get(heard.signal))
    return Figures(
        signal=heard.signal,
        correlation_time_s=heard.correlation_time_s(),
        effective_n=min(max(whole / part, 1.0), window),
        null_spread=spread,
        null_model=spread / heard.widened,
        detectable=detectable(policy, heard, window),
        toggled=detectable(policy, heard, window, pairs),
        good=good,
        window_s=None if good is None else window_for(policy, heard, good),
        heard=heard,
    )


def scale_of(policy: Policy, heard: Heard) -> float:
    """Give the scale that a policy measures a signal by."""
    levels = [heard.level if name == heard.signal else 0.0 for name in policy.signals()]
    return float(frame_of(policy, np.array(levels)).scale[policy.signals().index(heard.signal)])


def asked(shift: Shift | None) -> float | None:
    """Give the size of the smallest movement that is asked for."""
    bounds = [] if shift is None else [shift.rise, shift.fall]
    return min((abs(bound) for bound in bounds if bound is not None), default=None)


def detectable(policy: Policy, heard: Heard, window: int, pairs: int = 1) -> float:
    """Give the smallest effect that so many pairs of windows find in 80 % of cases.

    A verdict weighs what it saw against what steps usually do, so noise as large
    as that costs twice: it hides the effect, and it is believed less. And it
    knows that levels drift and that what is learned fades, also within a window.
    """
    settle = blocks_of(policy.settle_s)
    scale = scale_of(policy, heard)
    hours = (settle + window) * BLOCK_S / 3600
    fading = (DRIFT**2 + STEP_SD**2 / policy.forget_h) * hours
    spread = heard.spread(window, settle) / scale
    unsure = math.sqrt((spread**2 + fading) / pairs)
    believed = unsure * math.sqrt(1 + (unsure / STEP_SD) ** 2)
    normal = NormalDist()
    needed = normal.inv_cdf(policy.confidence) * believed
    hidden = normal.inv_cdf(POWER) * spread / math.sqrt(pairs)
    return (needed + hidden) * scale * heard.found


def window_for(policy: Policy, heard: Heard, good: float) -> float | None:
    """Find the shortest window that finds an effect; None if none within a day does."""
    seconds = SHORTEST_S
    while seconds <= LONGEST_S:
        window = math.ceil(seconds / BLOCK_S)
        if detectable(policy, heard, window) <= good:
            return window * BLOCK_S
        seconds *= FINER
    return None


# ── what it cannot tell ──────────────────────────────────────────────────────
def doubt(policy: Policy, one: Figures) -> Finding | None:
    """Say that an effect the policy asks for cannot be told from noise in its window."""
    if one.judged in {None, "at_once"}:
        return None
    longer = (
        f"observe_window_s: {one.window_s:g} would do"
        if one.window_s is not None
        else "no window within a day would do"
    )
    pairs = policy.max_extensions + 1
    patience = f"{pairs} toggled pairs of windows can; " if one.judged == "toggled" else ""
    return Finding(
        "too_fine",
        f"in {policy.observe_window_s:g} s an effect of {one.good:.3g} on {one.signal} cannot be"
        f" told from noise, only one of {one.detectable:.3g}",
        f"{patience}{longer}; or ask for {one.detectable:.2g}",
    )


def doubts(policy: Policy, recorded: Mapping[str, Heard]) -> list[tuple[str, Finding]]:
    """Say which thresholds cannot be judged, given noise that was recorded earlier."""
    known = [recorded[name] for name in policy.signals() if name in recorded]
    found = [(one.signal, doubt(policy, figures(policy, one))) for one in known]
    return [(signal, finding) for signal, finding in found if finding is not None]
