"""A recorded run, run again: the same decisions bit for bit, or the first difference by name.

Nothing here is a second implementation: it is `decide` that decides again, on
the samples, the worlds and the outcomes that the record holds.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from daemon.tuning import codec
from daemon.tuning.change import Applied, Refused, evolve
from daemon.tuning.decide import decide
from daemon.tuning.explain import evidence, sentence
from daemon.tuning.reasons import Reason
from daemon.tuning.record import Last
from daemon.tuning.vocabulary import DecisionKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.tuning.model import Decision
    from daemon.tuning.record import Begun, Past, Walk
    from daemon.tuning.state import State

ACTS = frozenset({DecisionKind.APPLY, DecisionKind.ROLLBACK, DecisionKind.REVERT})
"""Decisions that ask for other values in the controls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Where a replay left the record: what is recorded, and what came out."""

    block: int
    what: str
    """The first thing that differs, such as ``reason`` or ``evidence.judgement.gain``."""
    recorded: Any
    replayed: Any
    seq: int | None = None
    """The recorded decision's place."""
    explanation: str = ""
    """The sentence of what came out."""


# ── decisions as they are written down ───────────────────────────────────────
def as_made(decision: Decision, *, dry: bool) -> Decision:
    """Call a step that nobody will take what it is: a proposal.

    What a person asked for is their word, and done in a dry run too.
    """
    own = decision.kind is DecisionKind.APPLY and decision.reason is not Reason.ASKED
    if dry and own:
        return replace(decision, kind=DecisionKind.PROPOSE)
    return decision


def row(decision: Decision) -> dict[str, Any]:
    """Give what of a decision is written down and has to come out again."""
    first = decision.moves[0] if decision.moves else None
    return {
        "kind": str(decision.kind),
        "reason": str(decision.reason),
        "rule": first and first.rule,
        "old": first and first.old,
        "new": first and first.new,
        "evidence": evidence(decision),
    }


def last_of(decision: Decision) -> Last:
    """Give what makes a later cycle come to the same."""
    return Last(
        kind=str(decision.kind),
        reason=str(decision.reason),
        change=decision.change,
        moves=tuple((move.rule, move.old, move.new) for move in decision.moves),
    )


def last_in(recorded: Mapping[str, Any]) -> Last:
    """Give the same of a decision that was written down."""
    told = recorded["evidence"]
    moves = tuple((move["rule"], move["old"], move["new"]) for move in told.get("moves", ()))
    change = told.get("change")
    return Last(kind=recorded["kind"], reason=recorded["reason"], change=change, moves=moves)


def same(decision: Decision, last: Last | None) -> bool:
    """Tell whether a decision comes to the same as the last one that was written down."""
    return (
        last is not None
        and decision.reason == last.reason
        and decision.kind == last.kind
        and decision.change == last.change
        and (not (decision.moves or last.moves) or last_of(decision).moves == last.moves)
    )


def settled(state: State, walk: Walk, block: int, decision: Decision) -> State:
    """Tell the core what became of what it asked for."""
    if walk.acted is not None:
        done = Applied if walk.acted.applied else Refused
        return evolve(state, done(walk.acted.block), walk.policy)
    if as_made(decision, dry=walk.dry).kind is DecisionKind.PROPOSE:
        return evolve(state, Refused(block), walk.policy)
    return state


def restored(begun: Begun) -> State | None:
    """Read the memory that a run began with.

    Raises:
        Unreadable: another version wrote it.
    """
    state: State | None = None if begun.state is None else codec.load(begun.state)
    return state


# ── the same policy ──────────────────────────────────────────────────────────
class Rerun:
    """A run repeated with the policy it was made with, up to the first difference."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.cycles = 0
        self.kinds: Counter[str] = Counter()
        self.difference: Difference | None = None
        self._state: State | None = None

    def run(self, past: Past, first: int, end: int) -> None:
        """Repeat the cycles at the ends of blocks ``[first, end)``."""
        walk = self.walk
        for block in range(first + 1, end + 1):
            if self.difference is not None:
                return
            if walk.step(block):
                self._cycle(past, block)

    def _cycle(self, past: Past, block: int) -> None:
        walk = self.walk
        silent, walk.silent = walk.silent, 0
        if silent:
            self.difference = self._unrecorded(block, silent)
            return
        if walk.begun is not None:
            self._state = restored(walk.begun)
        last = walk.last
        decision, state = decide(self._state, walk.seen(past, walk.policy, block), walk.policy)
        self.cycles += 1
        if walk.decided is not None:
            self._compare(decision, block)
        elif not same(as_made(decision, dry=walk.dry), last):
            self._unlike(decision, block)
        else:
            self.kinds[decision.kind] += 1
        self._state = settled(state, walk, block, decision)
        if walk.remembered is not None and self.difference is None:
            self._recall(block)

    def _compare(self, decision: Decision, block: int) -> None:
        """Hold a decision against the one that was written down."""
        recorded = self.walk.decided
        assert recorded is not None  # noqa: S101 - asked before
        decision = as_made(decision, dry=self.walk.dry)
        made = row(decision)
        self.kinds[decision.kind] += 1
        if made == recorded.row:
            return
        what, was, came = unlike(recorded.row, made)
        self.difference = Difference(
            block=block,
            what=what,
            recorded=was,
            replayed=came,
            seq=recorded.seq,
            explanation=sentence(decision, self.walk.policy),
        )

    def _unlike(self, decision: Decision, block: int) -> None:
        """Say that a cycle came to something else than it was counted for."""
        decision = as_made(decision, dry=self.walk.dry)
        last = self.walk.last
        self.difference = Difference(
            block=block,
            what="decision",
            recorded=last and f"{last.kind} {last.reason} once more",
            replayed=f"{decision.kind} {decision.reason}",
            explanation=sentence(decision, self.walk.policy),
        )

    def _unrecorded(self, block: int, silent: int) -> Difference:
        return Difference(
            block=block - silent,
            what="record",
            recorded=f"no decision for {silent} cycles, and no gap either",
            replayed="a cycle for every block",
            seq=self.walk.decided.seq if self.walk.decided else None,
        )

    def _recall(self, block: int) -> None:
        """Hold the memory against the one that was written down."""
        assert self.walk.remembered is not None  # noqa: S101 - asked before
        recorded, kept = self.walk.remembered.state, codec.dump(self._state)
        if recorded != kept:
            what, was, came = unlike(recorded, kept)
            self.difference = Difference(
                block=block, what=f"memory.{what}", recorded=was, replayed=came
            )


def unlike(recorded: Any, replayed: Any, path: str = "") -> tuple[str, Any, Any]:
    """Find the first place in which two plain values differ."""
    if isinstance(recorded, dict) and isinstance(replayed, dict):
        for key in dict.fromkeys([*recorded, *replayed]):
            if recorded.get(key) != replayed.get(key):
                return unlike(recorded.get(key), replayed.get(key), f"{path}.{key}")
    if isinstance(recorded, list) and isinstance(replayed, list):
        for index, (one, other) in enumerate(zip(recorded, replayed, strict=False)):
            if one != other:
                return unlike(one, other, f"{path}[{index}]")
    return path.removeprefix("."), recorded, replayed
