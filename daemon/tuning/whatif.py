"""Another policy on a recorded run: what it would have decided otherwise, and nothing beyond.

The world goes on as it is on record. A step that only the other policy would
have taken is never taken, so no effect of it is ever claimed; one that the run
made as well, at about the same time, counts as taken, and what followed it was
observed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.tuning.change import Applied, Refused, evolve, superseded
from daemon.tuning.decide import decide
from daemon.tuning.explain import sentence
from daemon.tuning.replay import as_made, last_of, restored
from daemon.tuning.state import Phase
from daemon.tuning.vocabulary import DecisionKind

if TYPE_CHECKING:
    from daemon.tuning.model import Decision, Policy
    from daemon.tuning.record import Decided, Last, Past, Walk
    from daemon.tuning.state import State

NEAR = 12
"""A step that the run took within so many blocks, a minute, was taken at about the same time."""

LINES = 20_000
"""At most so many lines are kept; the rest is counted."""

ENDS = frozenset({"keep", "rollback", "revert"})


@dataclass(frozen=True, slots=True)
class Said:
    """One side of a line."""

    kind: str
    reason: str
    explanation: str


@dataclass(slots=True, kw_only=True)
class Line:
    """One moment at which either side did more than hold."""

    block: int
    recorded: Said | None
    other: Said | None
    agrees: bool = False
    followed: str | None = None
    """What was observed after a step that both took; None where nothing was."""
    until: int | None = None
    """The last block at which the other policy would have decided the same once more."""
    repeats: int = 0


@dataclass(slots=True)
class _Asked:
    """A step that the other policy asked for, while it is open whether the run took it too."""

    block: int
    step: Last
    line: Line


class WhatIf:
    """Another policy, asked at every cycle of a record."""

    def __init__(self, walk: Walk, policy: Policy) -> None:
        self.walk = walk
        self.policy = policy
        self.cycles = 0
        self.kinds: Counter[str] = Counter()
        self.lines: list[Line] = []
        self.unkept = 0
        """Lines beyond `LINES`."""
        self._state: State | None = None
        self._begun = False
        self._asked: _Asked | None = None
        self._told: dict[tuple[object, ...], Line] = {}
        """What the other policy said since the run last did something."""
        self._open: dict[int | None, Line] = {}

    def run(self, past: Past, first: int, end: int) -> None:
        """Ask at the ends of blocks ``[first, end)``."""
        walk = self.walk
        for block in range(first + 1, end + 1):
            if walk.step(block):
                self._cycle(past, block)

    def _cycle(self, past: Past, block: int) -> None:
        walk = self.walk
        self.cycles += 1
        if walk.begun is not None and not self._begun:
            self._state, self._begun = restored(walk.begun), True
        recorded = self._recorded()
        if self._asked is not None and self._waits(self._asked, block):
            if recorded is not None and self._asked is not None:
                self._write(Line(block=block, recorded=_said(recorded), other=None))
            return
        decision, self._state = decide(
            self._state, walk.seen(past, self.policy, block), self.policy
        )
        decision = as_made(decision, dry=walk.dry)
        self.kinds[decision.kind] += 1
        line = self._tell(decision, recorded, block)
        if decision.moves and line is not None:
            self._asked = _Asked(block, last_of(decision), line)
            self._waits(self._asked, block)

    # ── steps that were asked for ────────────────────────────────────────────
    def _waits(self, asked: _Asked, block: int) -> bool:
        """Settle what was asked for, as far as the record tells; False to decide anew."""
        acted = self.walk.acted
        if acted is not None and acted.applied and self._took(asked):
            assert self._state is not None  # noqa: S101 - whoever asked has a memory
            self._state = evolve(self._state, Applied(acted.block), self.policy)
            self._asked = None
            return True
        if acted is None and not self.walk.dry and block - asked.block < NEAR:
            return True
        self._refuse(block)
        return False

    def _took(self, asked: _Asked) -> bool:
        """Tell whether the run took the step that was asked for, and remember to follow it."""
        last = self.walk.last
        if last is None or last.moves != asked.step.moves:
            return False
        if self.walk.decided is not None:
            asked.line.recorded = _said(self.walk.decided)
        asked.line.agrees = True
        if asked.step.kind not in ENDS:
            self._open[last.change] = asked.line
        return True

    def _refuse(self, block: int) -> None:
        """Leave the world as it is: the run did not take that step."""
        assert self._state is not None  # noqa: S101 - whoever asked has a memory
        state = evolve(self._state, Refused(block), self.policy)
        if state.phase is Phase.CLOSING:  # nobody will ever take it back: not ours to judge
            state = superseded(state, state.setting, block, self.policy)
        self._state, self._asked = state, None

    # ── telling ──────────────────────────────────────────────────────────────
    def _recorded(self) -> Decided | None:
        """Give what the run decided here, unless it held."""
        recorded = self.walk.decided
        if recorded is None or recorded.kind == DecisionKind.HOLD:
            return None
        change = recorded.last.change
        if recorded.kind in ENDS and change in self._open:
            self._open.pop(change).followed = recorded.explanation
        self._told = {}
        return recorded

    def _tell(self, decision: Decision, recorded: Decided | None, block: int) -> Line | None:
        """Write a line where either side did more than hold."""
        if decision.kind is DecisionKind.HOLD and recorded is None:
            return None
        said = last_of(decision)
        key = (said.kind, said.reason, said.moves)
        line = None if recorded is not None else self._told.get(key)
        if line is not None:
            line.repeats, line.until = line.repeats + 1, block
            return line
        words = Said(decision.kind, decision.reason, sentence(decision, self.policy))
        line = Line(
            block=block, recorded=None if recorded is None else _said(recorded), other=words
        )
        if recorded is not None:
            line.agrees = recorded.kind == said.kind and recorded.last.moves == said.moves
        else:
            self._told[key] = line
        self._write(line)
        return line

    def _write(self, line: Line) -> None:
        if len(self.lines) < LINES:
            self.lines.append(line)
        else:
            self.unkept += 1


def _said(recorded: Decided) -> Said:
    return Said(recorded.kind, recorded.reason, recorded.explanation)
