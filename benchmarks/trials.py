"""One policy on one plant: what it may see, what it did, and how the truth judges that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
from plants import BLOCK, BLOCK_S, SIGNALS
from systems import score

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from plants import Plant

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int64]
    Values = dict[str, float]

HARM = 0.01
"""A loss of true score that matters."""

HELD_S = 150.0
"""A change that outlives its settling and one window was kept, whatever its policy calls it."""

LONG_HELD_S = 900.0

SMOOTH_S = 900
"""Over how long the score is averaged before it is said to have reached something."""


class Seen:
    """Everything that a policy may know: samples up to now, and the values it set itself.

    Signals are in their own units and in the order of the policy file. Block
    ``b`` holds the samples of the 5 s that end at ``5 * (b + 1)``.
    """

    def __init__(self, plant: Plant) -> None:
        self._samples = np.empty((plant.total * BLOCK, SIGNALS))
        self._means = np.empty((plant.total, SIGNALS))
        self._counts = np.empty((plant.total, SIGNALS), dtype=np.int64)
        self.blocks = 0
        self.rules = plant.rules

    def watch(self, plant: Plant) -> None:
        """Let 5 s pass and keep what they showed."""
        rows = slice(self.blocks * BLOCK, (self.blocks + 1) * BLOCK)
        self._samples[rows] = plant.advance()
        self._means[self.blocks], self._counts[self.blocks] = plant.block(self.blocks)
        self.blocks += 1

    @property
    def now_s(self) -> float:
        """The moment of the last sample."""
        return float(self.blocks * BLOCK_S)

    @property
    def samples(self) -> Floats:
        """All samples so far, a row for each moment, NaN where one is missing."""
        return self._samples[: self.blocks * BLOCK]

    @property
    def means(self) -> Floats:
        """The mean of each block so far, its outliers drawn in; NaN where all are missing."""
        return self._means[: self.blocks]

    @property
    def counts(self) -> Counts:
        """How many samples each of those means has."""
        return self._counts[: self.blocks]

    def window(self, from_s: float, to_s: float) -> Floats:
        """Average each signal between two moments; NaN where nothing arrived."""
        rows = slice(max(0, round(from_s / BLOCK_S)), round(to_s / BLOCK_S))
        counts = self.counts[rows]
        total = np.where(counts > 0, self.means[rows] * counts, 0.0).sum(axis=0)
        number = counts.sum(axis=0)
        return np.where(number > 0, total / np.maximum(number, 1), np.nan)


@dataclass(frozen=True, slots=True)
class Judged:
    """A policy tried something and has made up its mind."""

    at_s: float
    kept: bool


class Policy(Protocol):
    """Whoever moves the rules."""

    judged: list[Judged]
    """Its verdicts so far; stays empty if it never judges what it did."""

    def tick(self, now_s: float, seen: Seen) -> Values | None:
        """Say after each 5 s what the rules should be from now on; None leaves them."""
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """One change that was really one, by the settings that were in force before and after."""

    at_s: float
    old: Floats
    new: Floats


def play(plant: Plant, policy: Policy) -> list[Change]:
    """Let a policy govern a plant from the beginning to the end."""
    plant.reset()
    seen = Seen(plant)
    changes = []
    while plant.done < plant.total:
        seen.watch(plant)
        values = policy.tick(seen.now_s, seen)
        before = plant.promised
        if values is not None and plant.order(values):
            changes.append(Change(plant.now_s, before, plant.promised))
            seen.rules = plant.rules
    return changes


# ── what the truth says ──────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Reference:
    """What a plant's score is when nobody does anything, and at the best fixed setting."""

    idle: Floats
    best: Floats
    """Of every block."""

    @property
    def gain(self) -> float:
        """What there is to be gained."""
        return float(self.best.mean() - self.idle.mean())


def reference(plant: Plant) -> Reference:
    """Try every setting of a fine grid on the noise-free response."""
    rules = len(plant.units.start)
    axis = np.linspace(0.0, 1.0, {1: 201, 2: 41}.get(rules, 17))
    grid = np.stack(np.meshgrid(*[axis] * rules, indexing="ij"), axis=-1).reshape(-1, rules)
    every = 600 // BLOCK_S if plant.response.varies else plant.total
    coarse = range(0, plant.total, every)
    scores = np.array([score(plant.settled(grid, block * BLOCK_S)) for block in coarse])
    pair = np.stack([plant.units.start, grid[scores.mean(axis=0).argmax()]])
    fine = range(plant.total) if plant.response.varies else (0,)
    lines = np.array([score(plant.settled(pair, block * BLOCK_S)) for block in fine])
    idle, best = np.broadcast_to(lines.T, (2, plant.total))
    return Reference(idle, best)


@dataclass(slots=True)
class Result:
    """How one run went."""

    plant: str
    policy: str
    seed: int
    gain: float | None
    """Share of the gain of the best fixed setting; None where no rule does anything."""
    harmful: int = 0
    """Changes that lowered the true score and were kept."""
    harmful_long: int = 0
    below_share: float = 0.0
    """Share of the time in which doing nothing would have been better."""
    changes: int = 0
    hours_to_90: float | None = None
    """Until nine tenths of the gain were reached; None if never."""
    trials: int = 0
    kept: int = 0
    late_trials_per_h: float = 0.0
    """In the second half of the run."""
    cpu_s: float = field(default=0.0)


def judge(plant: Plant, policy: Policy, changes: list[Change], known: Reference) -> Result:
    """Judge a run by what really happened."""
    scores = score(plant.truth)
    half_s = plant.total * BLOCK_S / 2
    late = sum(one.at_s >= half_s for one in policy.judged)
    result = Result(
        plant.spec.name,
        "",
        plant.seed,
        gain=None,
        below_share=float((scores < known.idle - HARM).mean()),
        changes=len(changes),
        trials=len(policy.judged),
        kept=sum(one.kept for one in policy.judged),
        late_trials_per_h=late / (half_s / 3600),
    )
    if plant.spec.effective:
        result.gain = float((scores.mean() - known.idle.mean()) / known.gain)
        result.hours_to_90 = _hours_to_90(scores, known)
    _count_harm(plant, changes, result)
    return result


def _hours_to_90(scores: Floats, known: Reference) -> float | None:
    over = SMOOTH_S // BLOCK_S
    smooth = np.convolve(scores - known.idle, np.ones(over) / over, "valid")
    goal = np.convolve(known.best - known.idle, np.ones(over) / over, "valid")
    there = smooth >= 0.9 * goal
    return float(there.argmax() * BLOCK_S / 3600) if there.any() else None


def _count_harm(plant: Plant, changes: list[Change], result: Result) -> None:
    ends = [*(change.at_s for change in changes), float(plant.total * BLOCK_S)]
    for change, end_s in zip(changes, ends[1:], strict=True):
        held_s = end_s - change.at_s
        if held_s <= HELD_S:
            continue
        pair = np.stack([change.old, change.new])
        old, new = score(plant.settled(pair, change.at_s))
        if new < old - HARM:
            result.harmful += 1
            result.harmful_long += held_s > LONG_HELD_S
