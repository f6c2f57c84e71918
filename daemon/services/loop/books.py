"""Writing down what was done to changes and rules outside of the core's own steps.

Whoever repairs, recovers or carries out a person's word keeps the same books:
the change moves along its protocol, the rule's history grows, and the rule's row
says where it stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daemon.services.loop.switchboard import same
from daemon.store import changes, history, rules, runs
from daemon.tuning.vocabulary import ChangeState, DecisionKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.services.loop.journal import Stamp
    from daemon.store.store import Tx

RETURNING = frozenset({ChangeState.ROLLING_BACK, ChangeState.STUCK})
CAUSE_MAX = 500
"""Letters of what stood in the way that are kept."""


@dataclass(frozen=True, slots=True)
class Books:
    """The books of one transaction."""

    tx: Tx
    stamp: Stamp
    epoch: int
    cooldown_us: int
    policy: str
    """The digest of the one in force."""

    # ── a change ─────────────────────────────────────────────────────────────
    def advance(
        self,
        change: Mapping[str, Any],
        *targets: ChangeState,
        cause: str,
        actor: str = "daemon",
    ) -> None:
        """Move a change on, through one state after the other."""
        origin = ChangeState(change["state"])
        move = changes.Move(
            at_us=self.stamp.at_us,
            cause=cause[:CAUSE_MAX],
            actor=actor,
            epoch=self.epoch,
            boot_id=self.stamp.boot_id,
            elapsed_us=self.stamp.elapsed_us,
        )
        for target in targets:
            changes.advance(self.tx, change["id"], origin, target, move)
            origin = target

    def taken_back(self, change: Mapping[str, Any], actor: str = "daemon") -> None:
        """Write down that a rollback was read back."""
        path = [ChangeState.ROLLED_BACK]
        if change["state"] == ChangeState.STUCK:
            path.insert(0, ChangeState.ROLLING_BACK)
        self.in_force(change, change["old"], actor)
        self.advance(change, *path, cause=change["cause"] or "taken back", actor=actor)

    def confirmed(self, change: Mapping[str, Any], actor: str) -> None:
        """Write down that a value is in force at a person's word, and stays."""
        self.in_force(change, change["new"], actor)
        path = (ChangeState.OBSERVING, ChangeState.KEPT)
        self.advance(change, *path, cause="confirmed", actor=actor)

    # ── a rule ───────────────────────────────────────────────────────────────
    def in_force(self, change: Mapping[str, Any], value: float, actor: str = "daemon") -> None:
        """Say where a rule stands now because of a change, where it was not there before."""
        row = rules.get(self.tx, change["rule"])
        if row is not None and same(row.value, value):
            return
        old = None if row is None else row.value
        self.moved(change["rule"], old, value, actor, change)
        self.stands(change["rule"], value, change["id"])

    def stands(self, rule: str, value: float, change_id: int | None = None) -> None:
        """Say where a rule stands now."""
        rest = 0 if change_id is None else self.cooldown_us
        at_us = self.stamp.at_us
        runs.put_in_force(self.tx, rule, value, change_id=change_id, at_us=at_us, cooldown_us=rest)

    def moved(
        self,
        rule: str,
        old: float | None,
        new: float,
        actor: str,
        change: Mapping[str, Any] | None = None,
    ) -> None:
        """Add to the history of a rule, with the words of the change that moved it."""
        entry = history.RuleSet(
            at_us=self.stamp.at_us,
            rule=rule,
            old=old,
            new=new,
            actor=actor,
            note=None if change is None else change["cause"],
            change_id=None if change is None else change["id"],
            epoch=self.epoch,
        )
        history.append(self.tx, entry)

    def commanded(self, kind: str, words: str, mode: str, **about: Any) -> int:
        """Write down what a person had done, among the decisions; returns its place."""
        entry = history.Decision(
            at_us=self.stamp.at_us,
            mode=mode,
            kind=DecisionKind.COMMAND,
            reason=kind,
            explanation=words,
            policy=self.policy,
            epoch=self.epoch,
            **about,
        )
        return history.append(self.tx, entry)

    def note(self, kind: str, ref: str | None, body: Mapping[str, Any]) -> None:
        """Write an event."""
        at_us = self.stamp.at_us
        event = history.Event(at_us=at_us, kind=kind, ref=ref, body=dict(body), epoch=self.epoch)
        history.append(self.tx, event)
