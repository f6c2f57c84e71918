"""The nouns of river 1: what an operator wants, what was seen, and what was decided.

Everything here is a value. A rule's value is in the rule's own unit, a signal's
in the signal's; moments are integer microseconds of UTC, durations seconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from daemon.tuning.block import BLOCK_US

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.tuning.reasons import Reason
    from daemon.tuning.vocabulary import DecisionKind, Verdict
    from daemon.tuning.windows import Blocks

BLOCK_S = BLOCK_US / 1e6
"""Seconds of a block."""


SAME = 1e-9
"""Two values of a rule are the same if they differ by no more than this share."""

LONGER_S = 12 * 3600.0
"""A person may have a change observed so much longer than the policy says, and no more."""

REQUESTS = ("step", "keep", "extend")
"""What may be asked for: see `Asked`."""


def blocks_of(seconds: float) -> int:
    """Count the blocks that a time takes: a rest is never cut short."""
    return math.ceil(seconds / BLOCK_S - 1e-9)


def same_values(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Tell whether some values of rules are the same, as far as controls can tell them apart."""
    pairs = zip(one, other, strict=True)
    return all(abs(a - b) <= SAME * max(abs(a), abs(b)) for a, b in pairs)


# ── what an operator wants ───────────────────────────────────────────────────
@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a signal should be; at least one bound is set."""

    signal: str
    low: float | None = None
    high: float | None = None
    weight: float = 0.5
    scale: float | None = None
    """How far outside of its bounds the signal counts as wholly missed; learned if None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A parameter that may be moved."""

    name: str
    low: float
    high: float
    step: float
    init: float
    weight: float = 1.0
    direction: int = 0
    """Which way to try first: a hint, never evidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """How far a signal must move to count: a rise of at least ``rise``, a fall of ``fall``."""

    rise: float | None = None
    fall: float | None = None
    """As a negative number: after less before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Where a ranked session found the best value of a rule, and how surely."""

    rule: str
    best: float
    radius: float
    """Within it nothing is preferred: the session cannot tell its values apart."""
    trust: float = 1.0
    """From 0, as if there were no session, to 1, as strong a hint as there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """All that `decide` may know of an operator's wishes."""

    targets: tuple[Target, ...]
    rules: tuple[Rule, ...]
    good: Mapping[str, Shift] = field(default_factory=dict)
    warn: Mapping[str, Shift] = field(default_factory=dict)
    regions: tuple[Region, ...] = ()
    observe_window_s: float = 90.0
    min_samples: int = 300
    cooldown_s: float = 120.0
    max_concurrent_changes: int = 1
    warmup_s: float = 300.0
    settle_s: float = 30.0
    confidence: float = 0.97
    max_extensions: int = 6
    paired_toggling: bool = True
    max_step_mult: float = 2.0
    min_gain: float = 0.004
    exploration: float = 0.6
    harm_budget: float = 0.12
    changes_per_hour: int = 30
    idle_trial_s: float = 3600.0
    no_go_s: float = 10_800.0
    forget_h: float = 72.0
    target_margin: float = 0.03
    digest: str = ""

    _named: tuple[tuple[str, ...], str, str] = field(init=False, repr=False, compare=False)
    """What is asked for in every cycle, worked out once."""

    def __post_init__(self) -> None:
        signals = tuple(sorted({target.signal for target in self.targets} | set(self.warn)))
        subject = repr((signals, [(rule.name, rule.step) for rule in self.rules]))
        warn = sorted((signal, shift.rise, shift.fall) for signal, shift in self.warn.items())
        aims = repr((sorted(self.targets, key=lambda target: target.signal), warn))
        object.__setattr__(self, "_named", (signals, subject, aims))

    def signals(self) -> tuple[str, ...]:
        """Name every signal that is read, in an order that the file's order does not change."""
        return self._named[0]

    def subject(self) -> str:
        """Name what a memory is about: with other signals or rules it is another memory."""
        return self._named[1]

    def aims(self) -> str:
        """Name where the signals should be: a memory is kept, but seen in another frame."""
        return self._named[2]


# ── what was seen ────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a person asks for, in place of what the loop would find to do by itself."""

    kind: str
    """``step``: make these moves, and judge them as any other change; ``keep``: keep the
    change that is observed; ``extend``: observe it longer."""
    moves: tuple[Move, ...] = ()
    """Of a step: absolute values, and those in force that the person saw."""
    blocks: int = 0
    """How many blocks longer."""

    def __post_init__(self) -> None:
        if self.kind not in REQUESTS:
            raise ValueError(f"{self.kind!r} was asked for; it may be {', '.join(REQUESTS)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a cycle knows of the world; its moment is the end of the newest block."""

    blocks: Blocks
    rules: Mapping[str, float]
    """The values in force, as read from the controls."""
    held: str | None = None
    """Why nothing may be changed at all: a HOLD file, a pause, a freeze of everything."""
    barred: Mapping[str, str] = field(default_factory=dict)
    """Rules that may not be moved, and why: frozen, foreign, busy."""
    unfit: Mapping[str, str] = field(default_factory=dict)
    """Signals that are no evidence at the moment, and why."""
    asked: Asked | None = None
    """What a person asked for since the last cycle."""

    @property
    def at_us(self) -> int:
        """The moment of the observation."""
        return self.blocks.end * BLOCK_US

    def setting(self, policy: Policy) -> tuple[float, ...]:
        """Give the values in force of the rules that a policy has, in its order."""
        return tuple(self.rules[rule.name] for rule in policy.rules)


# ── what was decided ─────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Move:
    """One rule goes from one value to another."""

    rule: str
    old: float
    new: float

    def back(self) -> Move:
        """Give the move that undoes this one."""
        return Move(self.rule, self.new, self.old)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What is known of what a change did to one signal."""

    signal: str
    before: float
    """Where the signal was: its level at the old setting, noise taken out."""
    delta: float
    low: float
    high: float
    """The 95 % interval of the delta."""
    samples: int = 0
    """Usable samples of the newest window after the change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the evidence says of a change, and the numbers that it says it with."""

    verdict: Verdict
    cause: Reason
    probability: float = 0.0
    """That the score rose."""
    gain: float = 0.0
    """By how much the score rose, as far as can be told."""
    spread: float = 0.0
    """How unsure that is, as a standard deviation."""
    worthwhile: float = 0.0
    """The probability that it rose by as much as matters."""
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A step that was considered: what it should bring, and why it was passed over."""

    moves: tuple[Move, ...]
    gain: float = 0.0
    spread: float = 0.0
    risk: float = 0.0
    """The probability that it loses more than the harm budget."""
    refused: Reason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """The numbers behind a decision, whatever it was about."""

    score: float | None = None
    judgement: Judgement | None = None
    chosen: Candidate | None = None
    passed_over: tuple[Candidate, ...] = ()
    detail: Mapping[str, float | int | str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a cycle came to. Whoever acts on it reports back through `change.evolve`."""

    kind: DecisionKind
    reason: Reason
    at_us: int
    moves: tuple[Move, ...] = ()
    """What the controls are to be set to: absolute values, with those they replace."""
    change: int | None = None
    """Which change this is about, counted by the core from 1."""
    numbers: Verdicts = Verdicts()
