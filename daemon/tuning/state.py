"""What the core remembers from one decision to the next.

Moments are block numbers. A state is a value: it is never altered, and it
survives as JSON to the last bit (`codec`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from daemon.tuning.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.tuning.effects import Response, Tracker
    from daemon.tuning.model import Judgement, Move
    from daemon.tuning.null import Noise
    from daemon.tuning.objective import Floats, Frame


class Phase(StrEnum):
    """What the loop is at."""

    WARMING = "warming"
    IDLE = "idle"
    OPENING = "opening"
    """A step was decided; nobody said yet that the controls have it."""
    OBSERVING = "observing"
    CLOSING = "closing"
    """A rollback was decided; it is asked for until somebody says that it was done."""
    RETURNING = "returning"
    """Taken back; what the way back does is evidence too."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial:
    """A change that is on its way: one step of one rule or two, judged as one."""

    number: int
    key: str
    """Which rules, which way: what back-off and toggling are counted by."""
    moves: tuple[Move, ...]
    steps: Floats
    """How many steps each rule was moved, (rules,)."""
    since: int
    """The first block after it was applied."""
    before: Floats
    """The signals' levels before, in their frame."""
    doubt: Response
    """What was believed before, to go back to if the change broke something."""
    expected: float = 0.0
    repeats: int = 0
    """How often the same change was tried and taken back undecided."""
    closed: Judgement | None = None
    """Why it is being taken back."""
    extra: int = 0
    """How many blocks longer than usual it is observed, at a person's word."""


@dataclass(frozen=True, slots=True)
class NoGo:
    """A corner that broke a guard, and until when nobody goes there.

    Where two rules moved together, only both together are known to be bad.
    """

    beyond: tuple[tuple[str, int, float], ...]
    """Of each rule that moved: its name, which way (+1 or -1), and to where."""
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What past changes taught about how to go on."""

    tried: tuple[int, ...] = ()
    """The blocks at which changes were made within the last hour."""
    resting: Mapping[str, int] = field(default_factory=dict)
    """Until when each rule rests."""
    failures: Mapping[str, int] = field(default_factory=dict)
    """How often in a row each key failed, and each rule broke a guard."""
    until: Mapping[str, int] = field(default_factory=dict)
    """Until when each key is backed off from."""
    repeats: Mapping[str, int] = field(default_factory=dict)
    doubled: tuple[str, ...] = ()
    """Keys that a single step said nothing about: two may be tried."""
    no_go: tuple[NoGo, ...] = ()
    given_up: int = 0
    """How many keys in a row were given up since something was last kept."""
    dry: int = 0
    """How many changes in a row were taken back since something was last kept."""
    idle_until: int = 0
    score: float | None = None
    """The score when the last key was given up: a worse one wakes the loop."""
    ground: tuple[tuple[float, ...], ...] = ()
    """Transitions made lately: to repeat one is no new ground."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Quiet:
    """A run of blocks at one setting in which nothing was changed."""

    first: int
    end: int
    setting: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class State:
    """All of it."""

    subject: str
    """Of which signals and rules this is the memory."""
    aims: str
    """Which targets the frame was laid out for."""
    phase: Phase = Phase.WARMING
    first: int
    """The first block that counts."""
    block: int
    """The next block to be taken into account."""
    setting: tuple[float, ...]
    """The rules' values in force."""
    quiet_since: int
    """Since when nothing was changed; the settle gap is left out."""
    quiet: tuple[Quiet, ...] = ()
    baseline: Floats | None = None
    """Where the signals were before anything was changed, in their own units."""
    frame: Frame | None = None
    noise: Noise | None = None
    fitted: int = 0
    tracker: Tracker | None = None
    believed: Response | None = None
    trial: Trial | None = None
    memory: Memory = Memory()
    changes: int = 0
    look: int = 0
    """When a proposal is considered next."""
    reason: Reason = Reason.WARMING_UP
    """Why nothing is done, while nothing is."""
    score: float | None = None
