"""What a run of the loop left on record, as values, and a walk along them block by block.

A run is repeated from its inputs: the samples, what the controls held, what kept
it from changing anything, and what became of what it asked for. What it decided
stands beside them, to be compared. Every entry is *due* at a block: the end of
the observation of the cycle that it is about.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from daemon.tuning.model import Observation
from daemon.tuning.windows import KEEP, Blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from daemon.tuning.model import Asked, Policy
    from daemon.tuning.windows import Floats, Ints

ENDLESS = 2**62
"""Behind the last block of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What a cycle finds: values in force, what may not be done or trusted, what is asked for."""

    rules: Mapping[str, float]
    held: str | None = None
    barred: Mapping[str, str] = field(default_factory=dict)
    unfit: Mapping[str, str] = field(default_factory=dict)
    asked: Asked | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Last:
    """What later cycles are compared with that came to the same: it was only counted."""

    kind: str
    reason: str
    change: int | None = None
    moves: tuple[tuple[str, float, float], ...] = ()


# ── entries ──────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A run began, or went on with another policy, with this memory."""

    due: int
    first: int
    """The oldest block that was known."""
    policy: Policy
    state: Any
    """As `codec.dump` gave it; None for no memory."""
    world: World
    last: Last | None = None
    until: int = -1
    """Up to where later cycles came to the last decision; `ENDLESS`: nobody wrote any down."""
    dry: bool = False

    rank = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Cycles were missed: none ran before block ``resume`` again."""

    due: int
    resume: int
    first: int

    rank = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A cycle found another world than the one before."""

    due: int
    world: World

    rank = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A decision that was written down."""

    due: int
    seq: int
    kind: str
    reason: str
    explanation: str
    row: Mapping[str, Any]
    """What has to come out again: kind, reason, rule, old, new, evidence."""
    last: Last
    until: int
    """Up to which block later cycles came to the same."""

    rank = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Acted:
    """What became of what a cycle asked for."""

    due: int
    block: int
    """From which block on."""
    applied: bool

    rank = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """The memory behind a cycle, written down to start from."""

    due: int
    state: Any

    rank = 5


Entry = Begun | Gap | Found | Decided | Acted | Remembered


# ── the walk ─────────────────────────────────────────────────────────────────
class Walk:
    """A walk along a record: which blocks were cycles, in what world, and what they came to."""

    def __init__(self, begun: Begun, entries: Iterator[Entry]) -> None:
        self._entries = entries
        self._ahead: Entry | None = begun
        self._due = begun.due
        self.begun: Begun | None = None
        """That a run began at this very block."""
        self.decided: Decided | None = None
        self.acted: Acted | None = None
        self.remembered: Remembered | None = None
        self.policy = begun.policy
        self.world = begun.world
        self.last = begun.last
        self.first, self.until, self.dry = begun.first, begun.until, begun.dry
        self.silent = 0
        """Blocks in a row of which nothing is recorded though the run did not end."""
        self._resume = begun.due
        self._clean = False

    @property
    def over(self) -> bool:
        """Whether nothing was recorded any more."""
        return self._ahead is None

    def step(self, block: int) -> bool:
        """Go to the next block; tell whether a cycle ran there."""
        if not self._clean:
            self.begun = self.decided = self.acted = self.remembered = None
            self._clean = True
        if block >= self._due:
            self._take(block)
        if block < self._resume:
            return False
        if self.decided is None and block > self.until:
            self.silent += 1
            return False
        return True

    def _take(self, block: int) -> None:
        self._clean = False
        while self._ahead is not None and self._ahead.due <= block:
            self._enter(self._ahead)
            self._ahead = next(self._entries, None)
        self._due = ENDLESS if self._ahead is None else self._ahead.due

    def _enter(self, entry: Entry) -> None:
        match entry:
            case Begun():
                self.begun, self.policy, self.world = entry, entry.policy, entry.world
                self.first, self.until, self.dry = entry.first, entry.until, entry.dry
                self.last, self._resume, self.silent = entry.last, entry.due, 0
            case Gap():
                self._resume, self.first, self.silent = entry.resume, entry.first, 0
            case Found():
                self.world = entry.world
            case Decided():
                self.decided, self.last, self.until = entry, entry.last, entry.until
            case Acted():
                self.acted = entry
            case _:
                self.remembered = entry

    def seen(self, past: Past, policy: Policy, block: int) -> Observation:
        """Give what the cycle at this block saw, as far as a policy looks at it."""
        world = self.world
        return Observation(
            blocks=past.upto(policy.signals(), self.first, block),
            rules=world.rules,
            held=world.held,
            barred=world.barred,
            unfit=world.unfit,
            asked=world.asked,
        )


class Past:
    """The blocks of all signals, in chunks; of each block, what was known when it ended."""

    def __init__(self, signals: tuple[str, ...], first: int) -> None:
        self.signals = signals
        self._all = Blocks.empty(signals, first, 2 * KEEP)
        self._views: dict[tuple[str, ...], Blocks] = {}

    @property
    def end(self) -> int:
        """The block behind the last one that is known."""
        return self._all.end

    def extend(self, first: int, mean: Floats, count: Ints) -> None:
        """Add a chunk, of at most `KEEP` blocks."""
        self._all = self._all.extend(first, mean, count)
        self._views = {}

    def upto(self, signals: tuple[str, ...], first: int, end: int) -> Blocks:
        """Look at the blocks of some signals that were known at the end of one."""
        view = self._views.get(signals)
        if view is None:
            view = self._views[signals] = self._view(signals)
        return view.between(max(first, end - KEEP), end)

    def _view(self, signals: tuple[str, ...]) -> Blocks:
        """Lay out only these signals, as whoever reads no others has them."""
        if signals == self.signals:
            return self._all
        columns = [self.signals.index(signal) for signal in signals]
        known = self._all
        view = Blocks.empty(signals, known.first, 2 * KEEP)
        return view.extend(known.first, known.mean[:, columns], known.count[:, columns])
