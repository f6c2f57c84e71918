"""Pasts whose noise is known, for tests of what calibration makes of them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from daemon.tuning.calibration import calibrate
from daemon.tuning.model import BLOCK_S, Policy, Rule, Target
from daemon.tuning.state import Quiet
from daemon.tuning.windows import Blocks

FIRST = 1_000
HZ = 5
PER_BLOCK = round(HZ * BLOCK_S)


def a_policy(signals=2, **changed) -> Policy:
    """As many targets as asked for, all of them missed; short windows."""
    wanted = {
        "targets": tuple(
            Target(signal=f"s{number}", high=0.0, scale=1.0, weight=1.0)
            for number in range(signals)
        ),
        "rules": (Rule(name="r", low=0.0, high=10.0, step=1.0, init=5.0),),
        "observe_window_s": 60.0,
        "settle_s": 10.0,
        "warmup_s": 120.0,
        "min_samples": 100,
        "digest": "d" * 64,
    }
    return Policy(**(wanted | changed))


def noise(blocks, signals, phi, *, seed=1, sd=0.1):
    """Block means of an AR(1) process at five hertz."""
    draws = np.random.default_rng(seed).standard_normal((blocks * PER_BLOCK, signals))
    draws[1:] *= math.sqrt(1 - phi * phi)
    back, left = 1, phi
    while left > 1e-12 and back < len(draws):  # what each sample keeps of ever older ones
        draws[back:] += left * draws[:-back]
        back, left = 2 * back, left * left
    return sd * draws.reshape(blocks, PER_BLOCK, signals).mean(axis=1)


def phi_of(seconds):
    """What one sample keeps of the one before, if noise lasts so long."""
    return math.exp(-1 / (HZ * seconds))


def past(policy, rows, counts=None) -> Blocks:
    """Blocks of a policy's signals, from the first block of all."""
    rows = np.asarray(rows, dtype=np.float64)
    if counts is None:
        counts = np.where(np.isfinite(rows), PER_BLOCK, 0)
    return Blocks.empty(policy.signals(), FIRST, keep=len(rows)).extend(FIRST, rows, counts)


def quiet(blocks: Blocks, *breaks) -> list[Quiet]:
    """The whole of a past, or what is left between breaks of ten blocks."""
    edges = [blocks.first, *(edge for at in breaks for edge in (at, at + 10)), blocks.end]
    return [
        Quiet(first=first, end=end, setting=(5.0,))
        for first, end in zip(edges[::2], edges[1::2], strict=True)
    ]


def calibrated(policy, rows, counts=None):
    """What calibration says of rows in which nothing was changed."""
    blocks = past(policy, rows, counts)
    return calibrate(policy, blocks, quiet(blocks))


def codes(found):
    return [reason.code for reason in found.reasons]


def warned(found):
    return [warning.code for warning in found.warnings]


def in_unit(policy: Policy, factor: float) -> Policy:
    """The same policy for signals that are told in another unit."""
    targets = tuple(
        replace(
            target,
            low=None if target.low is None else target.low * factor,
            high=None if target.high is None else target.high * factor,
            scale=None if target.scale is None else target.scale * factor,
        )
        for target in policy.targets
    )
    shifts = {
        part: {
            name: replace(
                shift,
                rise=None if shift.rise is None else shift.rise * factor,
                fall=None if shift.fall is None else shift.fall * factor,
            )
            for name, shift in getattr(policy, part).items()
        }
        for part in ("good", "warn")
    }
    return replace(policy, targets=targets, **shifts)
