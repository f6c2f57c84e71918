"""Doing what was decided: set the controls, read them back, write down what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from daemon.ports import Order
from daemon.services.loop import run as runs
from daemon.services.loop.journal import Stamp
from daemon.services.loop.reconcile import Repair
from daemon.tuning.block import BLOCK_US
from daemon.tuning.change import Applied, Refused, evolve
from daemon.tuning.vocabulary import DecisionKind, Mode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from daemon.clock import Clock
    from daemon.services.loop.journal import Written
    from daemon.services.loop.reconcile import Reconciler
    from daemon.services.loop.run import Run
    from daemon.services.loop.switchboard import Outcome, Switchboard
    from daemon.store.store import Tx
    from daemon.tuning.change import Event
    from daemon.tuning.model import Decision


class Leader(Protocol):
    """The lease: who holds it may write."""

    @property
    def epoch(self) -> int:
        """The number of this leadership."""
        ...

    def write(self, *, durable: bool = True) -> AbstractContextManager[Tx]:
        """Begin a transaction that fails if somebody else leads by now."""
        ...


class Caller(Protocol):
    """Who calls a person."""

    def call(self, tx: Tx, kind: str, key: str, severity: str, text: str) -> None:
        """Raise an alert, or count it if it stands."""
        ...

    def calm(self, tx: Tx, kind: str, key: str) -> None:
        """Say that what an alert was about is over."""
        ...


class Hands:
    """The only ones that set the controls."""

    def __init__(
        self, leader: Leader, clock: Clock, board: Switchboard, caller: Caller, boot_id: str | None
    ) -> None:
        self.leader = leader
        self.clock = clock
        self.board = board
        self.caller = caller
        self.boot_id = boot_id

    def stamp(self) -> Stamp:
        """Say when it is, by both clocks."""
        return Stamp(self.clock.now_us(), self.boot_id, self.clock.elapsed_us())

    def act(
        self, run: Run, decision: Decision, written: Written
    ) -> tuple[list[Repair], str | None]:
        """Do what a decision asks for.

        Returns:
            What is to be put back of a step that was done by halves, and why it
            was not done; nothing and None if it was.
        """
        assert run.state is not None  # noqa: S101 - it asked for this
        ids, opening = written.changes, decision.kind is DecisionKind.APPLY
        outcomes = self.board.carry_out(self._orders(decision, ids))
        stamp = self.stamp()
        block = max(stamp.at_us // BLOCK_US, run.blocks.end)
        failed = [outcome for outcome in outcomes.values() if not outcome.done]
        cause = failed[0].why() if failed else None
        undo = _by_halves(outcomes) if failed and opening else set()
        event: Event = Refused(block) if failed else Applied(block)
        state = run.state
        if not failed or opening:
            state = evolve(state, event, run.journal.policy)
        with self.leader.write() as tx:
            run.journal.acted(tx, event, stamp, cause, undo)
            if not opening:
                self._tell(tx, ids, cause)
            runs.save(tx, run, state, stamp.at_us, now=True)
        run.state = state
        return [self._put_back(decision, rule, ids) for rule in sorted(undo)], cause

    def repair(self, run: Run, reconciler: Reconciler, repairs: list[Repair]) -> None:
        """Write again what the controls should hold."""
        if run.journal.mode is Mode.DRY_RUN:  # nothing is set that nobody changed
            repairs = [repair for repair in repairs if repair.change_id is not None]
        if not repairs:
            return
        outcomes = self.board.carry_out([repair.order for repair in repairs])
        with self.leader.write() as tx:
            reconciler.repaired(tx, repairs, outcomes, self.stamp())

    def _orders(self, decision: Decision, ids: Mapping[str, int]) -> list[Order]:
        """Order what has a change of its own; what a person took over is theirs to finish."""
        epoch = self.leader.epoch
        return [
            Order(rule=move.rule, value=move.new, epoch=epoch, change_id=ids[move.rule])
            for move in decision.moves
            if move.rule in ids
        ]

    def _put_back(self, decision: Decision, rule: str, ids: Mapping[str, int]) -> Repair:
        move = next(move for move in decision.moves if move.rule == rule)
        epoch = self.leader.epoch
        order = Order(rule=rule, value=move.old, epoch=epoch, change_id=ids[rule])
        return Repair(order, move.new, ids[rule])

    def _tell(self, tx: Tx, ids: Mapping[str, int], cause: str | None) -> None:
        """Call somebody where a change cannot be taken back, and say when it could at last."""
        for change_id in ids.values():
            key = str(change_id)
            if cause is None:
                self.caller.calm(tx, "stuck_rollback", key)
                continue
            text = f"change {change_id} cannot be taken back: {cause}; it is tried every cycle"
            self.caller.call(tx, "stuck_rollback", key, "crit", text)


def _by_halves(outcomes: Mapping[str, Outcome]) -> set[str]:
    """Name the rules of a failed step that were moved, or of which nobody can tell."""
    return {rule for rule, outcome in outcomes.items() if outcome.done or not outcome.readable}
