"""Everybody who judges a change of one signal: the tests of the textbooks, and our verdicts.

A judge is given samples at 5 Hz, a row for each repetition, in sd of one sample,
and the place of the first one after the change. Half an hour of quiet history
and 90 s come before it, 30 s to settle and 90 s after it.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from noise import BLOCK, RATE_HZ, SMALLEST_EFFECT_SD
from plants import robust_blocks
from textbook import (
    Verdicts,
    batch_means,
    mann_whitney,
    newey_west,
    peeking,
    placebo,
    pooled,
    threshold,
    toggled,
    welch,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from noise import Family
    from numpy.typing import NDArray
    from textbook import Test

    Floats = NDArray[np.float64]
    Judge = Callable[[Floats, int], Verdicts]

HISTORY = 30 * 60 * RATE_HZ
"""Quiet samples before it all, for whoever learns from them."""

WINDOW = 90 * RATE_HZ
SETTLE = 30 * RATE_HZ
PAIRS = 3
TURN = WINDOW
"""A toggled setting stays for 90 s; its first 30 s are left out."""

EXTENDED = WINDOW
"""Who finds too few samples in 90 s may wait for as much again."""

CHUNK = 100
"""Repetitions drawn at once."""


def _between(test: Test) -> Judge:
    """Let a test see the 90 s before a change, and those after it has settled."""

    def judge(samples: Floats, change: int) -> Verdicts:
        after = change + SETTLE
        return test(samples[:, change - WINDOW : change], samples[:, after : after + WINDOW])

    return judge


def _by_the_past(test: Callable[[Floats, Floats, Floats], Verdicts]) -> Judge:
    """Let a test see the same in blocks, and the quiet blocks before."""

    def judge(samples: Floats, change: int) -> Verdicts:
        seen = samples[:, : change + SETTLE + WINDOW]
        blocks = robust_blocks(seen.T)[0].T
        start = (change - WINDOW) // BLOCK
        return test(blocks[:, :start], blocks[:, start:], _one_change())

    return judge


def _one_change() -> Floats:
    """Weigh blocks so that what is left is the window after a change less that before it."""
    side = np.full(WINDOW // BLOCK, BLOCK / WINDOW)
    return np.concatenate([-side, np.zeros(SETTLE // BLOCK), side])


def _toggles() -> Floats:
    """Weigh blocks of turns without and with a change as `toggled` does."""
    turn = np.full(TURN // BLOCK, BLOCK / (TURN - SETTLE))
    turn[: SETTLE // BLOCK] = 0.0
    signs = np.full(2 * PAIRS + 1, -1.0)
    signs[1::2] = 1.0
    signs[0] = signs[-1] = -0.5
    weights: Floats = (signs[:, None] * turn / PAIRS).ravel()
    return weights


TESTS: dict[str, Judge] = {
    "fixed threshold": _between(threshold(SMALLEST_EFFECT_SD)),
    "Welch's t": _between(welch),
    "Welch's t, every 10 s": _between(peeking(welch, 10)),
    "Mann-Whitney": _between(mann_whitney),
    "Newey-West": _between(newey_west),
    "batch means, 10 s": _between(batch_means(10)),
    "batch means, 30 s": _between(batch_means(30)),
    "AR(1) of the past": _by_the_past(pooled),
    "placebos of the past": _by_the_past(placebo),
}
TOGGLED = f"toggled, {PAIRS} pairs"
TOGGLED_PAST = f"{TOGGLED}, AR(1) of the past"
OURS = "ours"


def core() -> ModuleType | None:
    """Find what asks our own decisions; None where ``benchmarks/core.py`` is missing."""
    try:
        return importlib.import_module("core")
    except ModuleNotFoundError as error:
        if error.name == "core":
            return None
        raise


def core_part(name: str) -> Any:
    """Give a function of ``benchmarks/core.py``; None if it is not there."""
    return getattr(core(), name, None)


def judges() -> dict[str, Judge]:
    """Give all that judge one change; ours comes last, where it can be asked."""
    core_verdicts = core_part("core_verdicts")
    if core_verdicts is None:
        return TESTS

    def ours(samples: Floats, change: int) -> Verdicts:
        return Verdicts(*core_verdicts(samples, change))

    return {**TESTS, OURS: ours}


# ── the shares of wrong and right verdicts ───────────────────────────────────
@dataclass(frozen=True, slots=True)
class Shares:
    """How often a change was found to have helped, and how often to have harmed, in percent."""

    kept: float
    taken_back: float


def chunks(family: Family, repetitions: int, seed_and_samples: tuple[int, int]) -> Iterator[Floats]:
    """Draw so many rows, a few at a time: the same for the same seed."""
    seed, samples = seed_and_samples
    for start in range(0, repetitions, CHUNK):
        rng = np.random.default_rng([seed, start])
        yield family(rng, min(CHUNK, repetitions - start), samples)


def judge_all(family: Family, effect: float, repetitions: int, seed: int) -> dict[str, Shares]:
    """Let everybody judge changes of this effect; positive ones help."""
    change = HISTORY + WINDOW
    found: dict[str, list[Verdicts]] = {}
    for noise in chunks(family, repetitions, (seed, change + (2 * PAIRS + 1) * TURN)):
        samples = noise.copy()
        samples[:, change:] -= effect * SMALLEST_EFFECT_SD
        seen = samples[:, : change + SETTLE + WINDOW + EXTENDED]
        for name, judge in judges().items():
            found.setdefault(name, []).append(judge(seen, change))
        for name, verdicts in judge_toggled(noise, effect).items():
            found.setdefault(name, []).append(verdicts)
    return {name: shares(verdicts) for name, verdicts in found.items()}


def judge_toggled(noise: Floats, effect: float) -> dict[str, Verdicts]:
    """Let the tests of toggling judge a change that is made in every second turn."""
    samples = noise[:, : HISTORY + (2 * PAIRS + 1) * TURN].copy()
    turns = samples[:, HISTORY:].reshape(len(noise), 2 * PAIRS + 1, TURN)
    turns[:, 1::2] -= effect * SMALLEST_EFFECT_SD
    blocks = robust_blocks(samples.T)[0].T
    start = HISTORY // BLOCK
    return {
        TOGGLED: toggled(np.nanmean(turns[:, :, SETTLE:], axis=2)),
        TOGGLED_PAST: pooled(blocks[:, :start], blocks[:, start:], _toggles()),
    }


def shares(verdicts: list[Verdicts]) -> Shares:
    """Sum up over repetitions."""
    fell = np.concatenate([one.fell for one in verdicts])
    rose = np.concatenate([one.rose for one in verdicts])
    return Shares(100 * float(fell.mean()), 100 * float(rose.mean()))
