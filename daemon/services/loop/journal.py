"""The journal of the loop: what the core decided, and what became of it, as rows.

Each call is part of the caller's transaction. A cycle is one (`decided`); where
it asked for other values, what became of them is a second one, written when the
controls have been read back (`acted`). Between the two stands the intent, so
that a crash leaves no change that nobody knows of.

A run is written down so that it can be run again: besides decisions there are
events for what the core was told (`store.runs`), and now and then its memory.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import daemon
from daemon.clock import MICROS
from daemon.store import chain, changes, history, runs, samples
from daemon.store.tables import decisions
from daemon.tuning import codec
from daemon.tuning.block import BLOCK_US
from daemon.tuning.change import Applied
from daemon.tuning.explain import evidence, sentence
from daemon.tuning.reasons import Reason
from daemon.tuning.record import Last
from daemon.tuning.replay import as_made, last_of, same
from daemon.tuning.state import Phase
from daemon.tuning.vocabulary import ChangeState, DecisionKind, Mode

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from daemon.store.store import Tx
    from daemon.tuning.change import Event
    from daemon.tuning.model import Decision, Observation, Policy
    from daemon.tuning.state import State

REMEMBER_S = 21_600
"""The core's memory is written down every six hours, so that a replay may start there."""

_EVERY = REMEMBER_S * MICROS // BLOCK_US
_TAKES_BACK = frozenset({DecisionKind.ROLLBACK, DecisionKind.REVERT})
_ENDS = _TAKES_BACK | {DecisionKind.KEEP}
_GOING_BACK = frozenset({ChangeState.ROLLING_BACK, ChangeState.STUCK})


@dataclass(frozen=True, slots=True)
class Stamp:
    """When something was done: by the wall clock, and by one that never steps back."""

    at_us: int
    boot_id: str | None = None
    elapsed_us: int | None = None


@dataclass(frozen=True, slots=True)
class Word:
    """On whose word something is done, where it is not the loop's own."""

    actor: str = "daemon"
    proposal: int | None = None
    reason: str | None = None


LOOP = Word()


@dataclass(frozen=True, slots=True)
class Written:
    """Where a decision stands, and the changes that it is about, by rule."""

    seq: int
    repeated: bool
    """It came to the same as the one before, and was only counted."""
    changes: Mapping[str, int]


class Journal:
    """Writes down one run of the loop; it never decides anything."""

    def __init__(self, policy: Policy, *, mode: Mode = Mode.LIVE, epoch: int = 0) -> None:
        self.policy = policy
        self.mode = mode
        self.epoch = epoch
        self._seq = 0
        self._last: Last | None = None
        self._block = -1
        """The newest cycle."""
        self._first = 0
        self._world: dict[str, Any] = {}
        self._remembered = 0
        self._open: dict[str, tuple[int, ChangeState]] = {}
        """The changes that the core has under way: of each rule its id and its state."""
        self._word = LOOP

    @property
    def tended(self) -> Mapping[str, int]:
        """The changes that the core looks after, by rule; nobody else may move them on."""
        return {rule: change_id for rule, (change_id, _) in self._open.items()}

    def attend(self, tx: Tx, state: State | None) -> None:
        """Take up the open changes that a memory is about, unless a person takes one back."""
        mine = {move.rule for move in state.trial.moves} if state and state.trial else set()
        if not mine <= {rule.name for rule in self.policy.rules}:
            mine = set()  # the core gives up a trial of rules that it no longer knows
        found = {
            rule: (change_id, ChangeState(was))
            for rule, (change_id, was) in runs.open_of_loop(tx).items()
            if rule in mine
        }
        back = any(was in _GOING_BACK for _, was in found.values())
        self._open = {} if back and state and state.phase is not Phase.CLOSING else found

    def drop(self, rule: str) -> None:
        """Leave a change to whoever settled it otherwise: a person, or a later start."""
        self._open.pop(rule, None)

    # ── a run ────────────────────────────────────────────────────────────────
    def begin(self, tx: Tx, seen: Observation, state: State | None) -> None:
        """Write down with what memory a run begins; before the first cycle, which sees ``seen``."""
        self._block, self._first = seen.blocks.end - 1, seen.blocks.first
        self._world, self._last = _world(seen), None
        self.attend(tx, state)
        self._remember(tx, state, "start", seen.at_us)

    def settle(
        self, tx: Tx, state: State, event: Event, stamp: Stamp, undo: Collection[str] = ()
    ) -> None:
        """Say what became of a step that the last run asked for and did not live to see.

        Before the run begins, which then starts from the memory that knows it.
        """
        self.attend(tx, state)
        if isinstance(event, Applied):
            moves = tuple((m.rule, m.old, m.new) for m in state.trial.moves) if state.trial else ()
            self._last = Last(kind=DecisionKind.APPLY, reason=state.reason, moves=moves)
            self._in_force(tx, DecisionKind.APPLY, stamp)
        else:
            self._failed(tx, "the daemon stopped before it was applied", stamp, undo)

    def switch(self, tx: Tx, state: State, policy: Policy) -> None:
        """Go on with another policy, from the next cycle on."""
        self.policy, self._last = policy, None
        self._remember(tx, state, "policy", self._block * BLOCK_US)

    def remember(self, tx: Tx, state: State, *, stop: bool = False) -> None:
        """Write down the memory behind the newest cycle, if it is time to or the run stops."""
        if stop or self._block - self._remembered >= _EVERY:
            self._remember(tx, state, "stop" if stop else "while running", self._block * BLOCK_US)

    def _remember(self, tx: Tx, state: State | None, why: str, at_us: int) -> None:
        self._remembered = self._block
        body = {
            "version": daemon.__version__,
            "why": why,
            "mode": str(self.mode),
            "block": self._block,
            "first": self._first,
            "policy": self.policy.digest,
            "regions": [asdict(region) for region in self.policy.regions],
            "world": self._world,
            "last": asdict(self._last) if self._last else None,
            "decisions": self._seq or runs.last_decision(tx),
            "state": None if state is None else codec.dump(state),
        }
        self._note(tx, runs.STATE, body, at_us)

    # ── a cycle ──────────────────────────────────────────────────────────────
    def decided(
        self,
        tx: Tx,
        seen: Observation,
        decision: Decision,
        stamp: Stamp | None = None,
        word: Word = LOOP,
    ) -> Written:
        """Write down what a cycle saw that is new, and what it came to."""
        self._observed(tx, seen)
        self._word = word
        decision = as_made(decision, dry=self.mode is Mode.DRY_RUN)
        if same(decision, self._last):
            history.repeat(tx, self._seq, decision.at_us)
            return Written(self._seq, repeated=True, changes=self.tended)
        stamp = stamp or Stamp(decision.at_us)
        self._seq = chain.head(tx, decisions).seq + 1
        if decision.kind is DecisionKind.APPLY:
            self._intend(tx, decision, stamp)
        ids = self.tended
        self._write(tx, decision, next(iter(ids.values()), None))
        if decision.kind in _ENDS:
            self._judged(tx, decision, stamp)
        elif decision.reason is Reason.SUPERSEDED:
            self._advance(tx, ChangeState.SUPERSEDED, decision, stamp)
            self._open = {}
        self._last = last_of(decision)
        return Written(self._seq, repeated=False, changes=ids)

    def acted(
        self,
        tx: Tx,
        event: Event,
        stamp: Stamp | None = None,
        cause: str | None = None,
        undo: Collection[str] = (),
    ) -> None:
        """Write down what became of what the newest cycle asked for.

        ``cause`` says why the controls do not hold it; ``undo`` names rules of a
        step that was done by halves, or that nobody could read back: their
        changes are to be taken back. Of a step that was only proposed there is
        nothing to write: nobody was going to touch the controls.
        """
        if self._last is None or self._last.kind == DecisionKind.PROPOSE:
            return
        stamp = stamp or Stamp(event.block * BLOCK_US)
        kind, applied = DecisionKind(self._last.kind), isinstance(event, Applied)
        if kind in _TAKES_BACK and not applied:
            self._stuck(tx, cause or "not applied", stamp)
            return
        body = {"cycle": self._block, "block": event.block, "applied": applied}
        self._note(tx, runs.ACT, body, stamp.at_us)
        if applied:
            self._in_force(tx, kind, stamp)
        else:
            self._failed(tx, cause or "not applied", stamp, undo)

    def _failed(self, tx: Tx, cause: str, stamp: Stamp, undo: Collection[str]) -> None:
        """Close changes that the controls do not hold, and leave those to be undone."""
        move = self._move(cause, stamp)
        for rule, (change_id, state) in self._open.items():
            back = ChangeState.ROLLING_BACK if rule in undo else ChangeState.FAILED
            changes.advance(tx, change_id, state, back, move)
        self._open = {}

    def _observed(self, tx: Tx, seen: Observation) -> None:
        """Note what a replay could not know: cycles that were missed, another world."""
        block, world = seen.blocks.end, _world(seen)
        if block > self._block + 1:
            missed = {"after": self._block, "block": block, "first": seen.blocks.first}
            self._note(tx, runs.GAP, missed, seen.at_us)
        if world != self._world:
            self._note(tx, runs.WORLD, {"block": block, **world}, seen.at_us)
        self._block, self._first, self._world = block, seen.blocks.first, world

    def _write(self, tx: Tx, decision: Decision, change_id: int | None) -> None:
        first = decision.moves[0] if decision.moves else None
        bare = change_id is None and decision.kind is not DecisionKind.PROPOSE
        named = decision.change if bare else change_id  # the row, not the core's count
        history.append(
            tx,
            history.Decision(
                at_us=decision.at_us,
                mode=self.mode,
                kind=decision.kind,
                reason=decision.reason,
                explanation=sentence(replace(decision, change=named), self.policy),
                rule=first.rule if first else None,
                old=first.old if first else None,
                new=first.new if first else None,
                policy=self.policy.digest,
                change_id=change_id,
                evidence=evidence(decision),
                epoch=self.epoch,
            ),
        )

    # ── the protocol of a change ─────────────────────────────────────────────
    def _intend(self, tx: Tx, decision: Decision, stamp: Stamp) -> None:
        """Open a change for every rule that is to move; they share the decision's place."""
        self._open = {}
        move = self._move(decision.reason, stamp)
        for step in decision.moves:
            new = changes.NewChange(
                idempotency_key=f"{runs.LOOP_KEY}{self._seq}:{step.rule}",
                origin="loop" if self._word is LOOP else "operator",
                proposal_id=self._word.proposal,
                rule=step.rule,
                old=step.old,
                new=step.new,
                opened_at_us=stamp.at_us,
                epoch=self.epoch,
                decision_seq=self._seq,
            )
            change_id = changes.open_change(tx, new, ChangeState.PROPOSED, move)
            changes.advance(tx, change_id, ChangeState.PROPOSED, ChangeState.APPLYING, move)
            self._open[step.rule] = (change_id, ChangeState.APPLYING)

    def _judged(self, tx: Tx, decision: Decision, stamp: Stamp) -> None:
        """Record what was measured, and that the change is kept or about to be taken back."""
        if any(state in _GOING_BACK for _, state in self._open.values()):
            return  # decided by the run before this one, and not yet done
        self._measured(tx, decision)
        if decision.kind is DecisionKind.KEEP:
            self._advance(tx, ChangeState.KEPT, decision, stamp)
            self._open = {}
        else:
            self._advance(tx, ChangeState.ROLLING_BACK, decision, stamp)

    def _measured(self, tx: Tx, decision: Decision) -> None:
        found = decision.numbers.judgement
        if found is None or not self._open:
            return
        known = samples.declare(tx, [effect.signal for effect in found.effects], decision.at_us)
        changes.add_deltas(
            tx,
            [
                changes.Delta(
                    change_id=change_id,
                    signal_id=known[effect.signal].id,
                    at_us=decision.at_us,
                    verdict=found.verdict,
                    post_n=effect.samples,
                    pre_mean=_finite(effect.before),
                    post_mean=_finite(effect.before + effect.delta),
                    delta=_finite(effect.delta),
                    ci_low=_finite(effect.low),
                    ci_high=_finite(effect.high),
                    cause=found.cause,
                )
                for change_id, _ in self._open.values()
                for effect in found.effects
            ],
        )

    def _in_force(self, tx: Tx, kind: DecisionKind, stamp: Stamp) -> None:
        """Say that the controls hold what was asked for."""
        assert self._last is not None  # noqa: S101 - asked for by it
        back = kind in _TAKES_BACK
        target = ChangeState.ROLLED_BACK if back else ChangeState.OBSERVING
        cooldown_us = round(self.policy.cooldown_s * MICROS)
        move = self._move(self._last.reason, stamp)
        for rule, old, new in self._last.moves:
            if rule not in self._open:
                continue
            change_id, state = self._open[rule]
            if state is ChangeState.STUCK:
                changes.advance(tx, change_id, state, ChangeState.ROLLING_BACK, move)
                state = ChangeState.ROLLING_BACK
            changes.advance(tx, change_id, state, target, move)
            self._open[rule] = (change_id, target)
            history.append(
                tx,
                history.RuleSet(
                    at_us=stamp.at_us,
                    rule=rule,
                    old=old,
                    new=new,
                    actor=self._word.actor,
                    note=self._word.reason or self._last.reason,
                    change_id=change_id,
                    epoch=self.epoch,
                ),
            )
            where = {"change_id": change_id, "at_us": stamp.at_us, "cooldown_us": cooldown_us}
            runs.put_in_force(tx, rule, new, **where)
        if back:
            self._open = {}

    def _stuck(self, tx: Tx, cause: str, stamp: Stamp) -> None:
        """Say once that a rollback could not be done; the core asks for it again."""
        for rule, (change_id, state) in self._open.items():
            if state is ChangeState.ROLLING_BACK:
                move = self._move(cause, stamp)
                changes.advance(tx, change_id, state, ChangeState.STUCK, move)
                self._open[rule] = (change_id, ChangeState.STUCK)

    def _advance(self, tx: Tx, target: ChangeState, decision: Decision, stamp: Stamp) -> None:
        move = self._move(decision.reason, stamp)
        for rule, (change_id, state) in self._open.items():
            changes.advance(tx, change_id, state, target, move)
            self._open[rule] = (change_id, target)

    def _move(self, cause: str, stamp: Stamp) -> changes.Move:
        return changes.Move(
            at_us=stamp.at_us,
            cause=str(cause),
            actor=self._word.actor,
            epoch=self.epoch,
            boot_id=stamp.boot_id,
            elapsed_us=stamp.elapsed_us,
        )

    def _note(self, tx: Tx, kind: str, body: dict[str, Any], at_us: int) -> None:
        history.append(tx, history.Event(at_us=at_us, kind=kind, body=body, epoch=self.epoch))


def _world(seen: Observation) -> dict[str, Any]:
    world = {
        "rules": dict(seen.rules),
        "held": seen.held,
        "barred": dict(seen.barred),
        "unfit": dict(seen.unfit),
    }
    return world if seen.asked is None else world | {"asked": codec.dump(seen.asked)}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
