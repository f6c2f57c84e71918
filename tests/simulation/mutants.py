"""Planted bugs: each is the daemon with one part replaced, and must be caught.

None is a patch of the code: a part is replaced by a subclass that does one thing wrong.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from daemon.ports import Author, Held, Order
from daemon.services.loop import run as runs
from daemon.services.loop.hands import Hands
from daemon.services.loop.reconcile import Reconciler, Repair
from daemon.services.loop.switchboard import Outcome, Reading, Switchboard
from daemon.services.loop.takeback import TakeBack
from daemon.services.loop.tuner import Tuner
from daemon.store.lease import Lease
from daemon.tuning.change import Applied, evolve
from daemon.tuning.vocabulary import DecisionKind, Mode
from tests.simulation.process import Parts, SimEngine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from daemon.services.loop.hands import Written
    from daemon.services.loop.journal import Stamp
    from daemon.services.loop.run import Run
    from daemon.services.loop.tuner import Cycle
    from daemon.store.store import Tx
    from daemon.tuning.model import Decision


@dataclass(frozen=True)
class Mutant:
    """One bug."""

    parts: Parts
    what: str
    fond: frozenset[str]
    """Faults that bring it to light: it is looked for in runs that see more of them."""


MUTANTS: dict[str, Mutant] = {}


def planted(name: str, what: str, *fond: str, **parts: Any) -> None:
    """Enter a bug."""
    MUTANTS[name] = Mutant(Parts(**parts), what, frozenset(fond))


def with_parts(**kinds: type) -> type[SimEngine]:
    """Make an engine of which some parts are of another kind."""

    class Planted(SimEngine):
        def _take_over(self) -> None:
            super()._take_over()
            inner = {"hands": self.tuner.hands, "tuner": self.tuner, "orders": self.orders}
            inner["take_back"] = self.orders.take_back
            for name, kind in kinds.items():
                inner[name].__class__ = kind
            self.tuner.govern(self.tuner.loaded)

    return Planted


# ── who leads ────────────────────────────────────────────────────────────────
class NoFence(Lease):
    def fence(self, tx: Tx) -> None:
        tx.execute(text("update lease set beat = beat + 1"))


class NoPush(Switchboard):
    def take_over(self, epoch: int) -> dict[str, str]:
        return {}


planted(
    "no_fence",
    "a transaction does not ask whether this process still leads",
    "zombie",
    lease=NoFence,
)
planted("no_epoch_push", "the controls are not told who leads now", "zombie", board=NoPush)


# ── the order of things ──────────────────────────────────────────────────────
class MarkFirst(Hands):
    """Writes down that a rollback was done, and does it then."""

    def act(
        self, run: Run, decision: Decision, written: Written
    ) -> tuple[list[Repair], str | None]:
        if decision.kind is DecisionKind.APPLY:
            return super().act(run, decision, written)
        orders = self._orders(decision, written.changes)
        event = Applied(run.blocks.end)
        with self.leader.write() as tx:
            run.journal.acted(tx, event, self.stamp())
            run.state = evolve(run.state, event, run.journal.policy)
            runs.save(tx, run, run.state, self.stamp().at_us, now=True)
        self.board.carry_out(orders)
        return [], None


class WriteFirst(Tuner):
    """Sets the controls before the intent is committed."""

    def _decided(self, tx: Tx, run: Run, *rest: Any) -> Any:
        decision, state, written = super()._decided(tx, run, *rest)
        if decision.kind is DecisionKind.APPLY and not self._only_proposed(run, decision):
            self.board.carry_out(self.hands._orders(decision, written.changes))
        return decision, state, written


class InTwoSteps(Hands):
    """Writes down what was done and what is remembered of it in two transactions."""

    @contextmanager
    def _first(self) -> Iterator[Tx]:
        with self.leader.write() as tx:
            yield tx

    def act(
        self, run: Run, decision: Decision, written: Written
    ) -> tuple[list[Repair], str | None]:
        outcomes = self.board.carry_out(self._orders(decision, written.changes))
        stamp = self.stamp()
        if not all(outcome.done for outcome in outcomes.values()):
            return super().act(run, decision, written)
        event = Applied(max(stamp.at_us // 5_000_000, run.blocks.end))
        with self.leader.write() as tx:
            run.journal.acted(tx, event, stamp)
        state = evolve(run.state, event, run.journal.policy)
        with self.leader.write() as tx:
            runs.save(tx, run, state, stamp.at_us, now=True)
        run.state = state
        return [], None


class NoReadBack(Switchboard):
    """Believes that what raised nothing was done."""

    def carry_out(self, orders: Sequence[Order]) -> dict[str, Outcome]:
        done = super().carry_out(orders)
        return {
            rule: outcome
            if outcome.cause
            else replace(outcome, found=Held(value=outcome.order.value, author=Author.DAEMON))
            for rule, outcome in done.items()
        }


planted(
    "mark_first",
    "a rollback is on record before it is done",
    "crash",
    engine=with_parts(hands=MarkFirst),
)
planted(
    "write_first", "the controls are set before the intent", engine=with_parts(tuner=WriteFirst)
)
planted(
    "two_steps",
    "no single transaction for the change and the memory of it",
    "crash",
    engine=with_parts(hands=InTwoSteps),
)
planted("no_read_back", "what was set is not read back", "liar", board=NoReadBack)


# ── evidence and limits ──────────────────────────────────────────────────────
class NoEvidence(Tuner):
    """Judges by whatever there is, sick or not."""

    def govern(self, *args: Any, **kwargs: Any) -> None:
        super().govern(*args, **kwargs)
        self.watch.unfit = lambda *_: {}
        self.policy = replace(self.policy, min_samples=1, confidence=0.5)
        self.forget()


class NoLimits(Tuner):
    """Goes as far and as often as it likes."""

    def govern(self, *args: Any, **kwargs: Any) -> None:
        super().govern(*args, **kwargs)
        wide = tuple(replace(rule, low=-1e3, high=1e3) for rule in self.policy.rules)
        self.policy = replace(self.policy, rules=wide, cooldown_s=0.001, max_step_mult=4.0)
        self.forget()


class NoRest(Tuner):
    """Forgets that a rule rests after a change."""

    def govern(self, *args: Any, **kwargs: Any) -> None:
        super().govern(*args, **kwargs)
        self.policy = replace(self.policy, cooldown_s=0.001)
        self.reconciler.rest = lambda *_: None
        self.forget()


planted(
    "no_evidence",
    "a change is kept on too few samples",
    "sick",
    engine=with_parts(tuner=NoEvidence),
)
planted("no_limits", "neither bounds nor steps nor rests", engine=with_parts(tuner=NoLimits))
planted("no_cooldown", "a rule does not rest", engine=with_parts(tuner=NoRest))


# ── recovery ─────────────────────────────────────────────────────────────────
class Reapplies(SimEngine):
    """Does at the start what the last leader had in mind."""

    def _take_over(self) -> None:
        super()._take_over()
        with self.parts.lease.write() as tx:
            rows = tx.execute(text("select id, rule, new from changes where state = 'applying'"))
            orders = [
                Order(rule=row.rule, value=row.new, epoch=self.parts.lease.epoch, change_id=row.id)
                for row in rows
            ]
        if orders:
            self.parts.board.carry_out(orders)


class LooksAway(Reconciler):
    """Leaves changes alone that nobody looks after."""

    def look(
        self, tx: Tx, names: Iterable[str], reading: Reading, journal: Any, stamp: Stamp
    ) -> Any:
        found = super().look(tx, names, reading, _Tending(journal, tx), stamp)
        found.repairs = [one for one in found.repairs if one.change_id is None]
        return found


class _Tending:
    """A journal that says that it looks after everything."""

    def __init__(self, journal: Any, tx: Tx) -> None:
        self._journal, self._tx = journal, tx

    @property
    def tended(self) -> Mapping[str, int]:
        rows = self._tx.execute(text("select rule, id from changes where settled_at_us is null"))
        return {row.rule: row.id for row in rows}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._journal, name)


class NoRecovery(Tuner):
    """Begins afresh and looks at nothing that was left open."""

    def govern(self, *args: Any, **kwargs: Any) -> None:
        super().govern(*args, **kwargs)
        self.reconciler.__class__ = LooksAway

    def _taken_up(self, tx: Tx, *rest: Any) -> Run:
        run = super()._taken_up(tx, *rest)
        if not run.begun:
            run.state = None
            run.journal.attend(tx, None)
        return run


planted("reapplies", "a stale intent is carried out after a restart", "crash", engine=Reapplies)
planted(
    "no_recovery", "what was left open stays open", "crash", engine=with_parts(tuner=NoRecovery)
)


# ── whose value it is ────────────────────────────────────────────────────────
class NoStamps(Switchboard):
    """Takes every value for one that a person set."""

    def read(self, rules: Iterable[str]) -> Reading:
        found = super().read(rules)
        held = {rule: replace(one, author=Author.PERSON) for rule, one in found.held.items()}
        return replace(found, held=held)


class Stubborn(Reconciler):
    """Sets what a person set back to what it was."""

    def look(
        self, tx: Tx, names: Iterable[str], reading: Reading, journal: Any, stamp: Stamp
    ) -> Any:
        ours = {
            row.name: row.value
            for row in tx.execute(text("select name, value from rules where changed_at_us > 0"))
        }
        put_back = [
            Repair(Order(rule=rule, value=ours[rule], epoch=self.epoch), ours[rule])
            for rule, one in reading.held.items()
            if one.author is Author.PERSON and rule in ours and one.value != ours[rule]
        ]
        seen = {
            rule: replace(one, value=ours[rule])
            if rule in {r.order.rule for r in put_back}
            else one
            for rule, one in reading.held.items()
        }
        found = super().look(tx, names, replace(reading, held=seen), journal, stamp)
        found.repairs += put_back
        return found


class KnowsBetter(Tuner):
    def govern(self, *args: Any, **kwargs: Any) -> None:
        super().govern(*args, **kwargs)
        self.reconciler.__class__ = Stubborn


class WrongTarget(Hands):
    """Takes back a step from wherever the rule stands, not to where it stood."""

    def _orders(self, decision: Decision, ids: Mapping[str, int]) -> list[Order]:
        orders = super()._orders(decision, ids)
        if decision.kind is DecisionKind.APPLY:
            return orders
        held = self.board.read([order.rule for order in orders])
        steps = {move.rule: move.old - move.new for move in decision.moves}
        return [
            replace(order, value=(held.value(order.rule) or 0.0) - steps[order.rule])
            for order in orders
        ]


planted("no_stamps", "our own stamp is not looked at", "late", board=NoStamps)
planted("stubborn", "a person's edit is overruled", "human", engine=with_parts(tuner=KnowsBetter))
planted(
    "wrong_target",
    "a rollback goes back a step from where the rule stands",
    "crash",
    engine=with_parts(hands=WrongTarget),
)


# ── what a person wants ──────────────────────────────────────────────────────
class Deaf(Tuner):
    """Does not ask what stands against a change."""

    def govern(self, *args: Any, **kwargs: Any) -> None:
        super().govern(*args, **kwargs)
        self.watch.standing = lambda *_: (None, {})


class DeafBoard(Switchboard):
    def held(self) -> str | None:
        return None


class WetRun(Tuner):
    """Carries out in a dry run what it only had to propose."""

    def cycle(self) -> Cycle | None:
        done = super().cycle()
        if done and (done.mode, done.decision.kind) == (Mode.DRY_RUN, DecisionKind.APPLY):
            epoch, moves = self.leader.epoch, done.decision.moves
            self.board.carry_out([Order(rule=m.rule, value=m.new, epoch=epoch) for m in moves])
        return done


class TwiceTaken(TakeBack):
    """Gives every try a key of its own."""

    tries = 0

    def put(self, wanted: Mapping[str, float], wish: Any) -> Any:
        TwiceTaken.tries += 1
        return super().put(wanted, replace(wish, key=f"{wish.key}-{TwiceTaken.tries}"))


class TriesAgain(with_parts(take_back=TwiceTaken)):
    """Begins commands again that an earlier leader had begun."""

    def _take_over(self) -> None:
        with self.parts.lease.write() as tx:
            again = "update commands set state = 'pending', epoch = null where state = 'running'"
            tx.execute(text(again))
        super()._take_over()


planted("ignores_kill", "the kill switch stops nothing", "kill", engine=with_parts(tuner=Deaf))
planted("ignores_hold", "the HOLD file stops nothing", "hold", board=DeafBoard)
planted("dry_run_writes", "a dry run sets the controls", "dry_run", engine=with_parts(tuner=WetRun))
planted(
    "retry_new_key",
    "a command is carried out again under another key",
    "ask",
    "crash",
    engine=TriesAgain,
)
