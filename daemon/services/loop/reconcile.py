"""What the controls really hold, against what the rows say: at the start, and in every cycle.

Nothing is concluded from what this program remembers of its own doing. A value
that a person set is theirs: it is written down, and the rule is left alone until
they hand it back. A value under our own stamp that our rows know nothing of is
our fault: the rule is frozen and somebody is called. Changes that nobody looks
after any more, because the run that made them is over, go to an end here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from daemon.clock import MICROS
from daemon.ports import Author, Order
from daemon.services.duties import calendar
from daemon.services.loop.books import RETURNING, Books
from daemon.services.loop.rests import Rests
from daemon.services.loop.switchboard import same
from daemon.store import changes, freezes, rules
from daemon.tuning.vocabulary import ChangeState

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping

    from daemon.ports import Held
    from daemon.services.loop.journal import Journal, Stamp
    from daemon.services.loop.switchboard import Outcome, Reading
    from daemon.store.rules import RuleRow
    from daemon.store.store import Tx
    from daemon.tuning.model import Policy

    Call = Callable[[Tx, str, str, str, str], None]
    """Kind, key, severity and words of an alert."""

    Calm = Callable[[Tx, str, str], None]
    """Kind and key of an alert that is over."""

    Change = Mapping[str, Any]

OPERATOR_KEY = "operator:"
"""How the idempotency keys of changes begin that a person made at their own word."""

OURSELVES = "daemon"
NOBODY = "nobody is left to judge it: what was watched of it is lost"
FOREIGN = "a person set it; to hand it back: daemon ctl adopt {}"


@dataclass(frozen=True, slots=True)
class Repair:
    """A value that is to be written again, and the change that it settles, if any."""

    order: Order
    old: float
    change_id: int | None = None


@dataclass(slots=True)
class Found:
    """What a look at the controls came to."""

    rules: dict[str, float] = field(default_factory=dict)
    """The value of every rule, as the core is to see it."""
    barred: dict[str, str] = field(default_factory=dict)
    repairs: list[Repair] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    """Rules that the policy no longer names, and a change of which is still to be taken back."""
    held: str | None = None
    """Why nothing may be changed at all."""


class Reconciler:
    """Compares, writes down what differs, and says what is to be repaired."""

    def __init__(self, epoch: int, policy: Policy, call: Call, calm: Calm) -> None:
        self.epoch = epoch
        self.policy = policy
        self.call = call
        self.calm = calm
        self._rests = Rests()

    def books(self, tx: Tx, stamp: Stamp) -> Books:
        """Open the books for a transaction."""
        cooldown_us = round(self.policy.cooldown_s * MICROS)
        return Books(tx, stamp, self.epoch, cooldown_us, self.policy.digest)

    def rest(self, tx: Tx, found: Found, known: Container[str], stamp: Stamp) -> None:
        """Bar rules that were moved a moment ago, but for those of which the core knows."""
        cooldown_us = round(self.policy.cooldown_s * MICROS)
        for name in found.rules:
            if name in found.barred or name in known:
                continue
            if self._rests.is_resting(tx, name, cooldown_us, stamp):
                found.barred[name] = f"it rests for {self.policy.cooldown_s:g} s after each change"

    def look(
        self, tx: Tx, names: Iterable[str], reading: Reading, journal: Journal, stamp: Stamp
    ) -> Found:
        """Compare what the controls hold with what the rows say of some rules."""
        look = _Look(self.books(tx, stamp), self.call, self.calm, reading, journal)
        known = rules.values(tx)
        left = {row["rule"]: row for row in changes.unsettled(tx)}
        for name in names:
            look.rule(known[name], left.pop(name, None))
        for change in left.values():
            look.stray(change)
        return look.found

    def repaired(
        self, tx: Tx, repairs: Iterable[Repair], outcomes: Mapping[str, Outcome], stamp: Stamp
    ) -> None:
        """Write down what came of repairs."""
        books = self.books(tx, stamp)
        for repair in repairs:
            outcome = outcomes[repair.order.rule]
            if repair.change_id is None:
                if outcome.done:
                    rule, value = repair.order.rule, repair.order.value
                    books.moved(rule, None, value, OURSELVES)
                    books.stands(rule, value)
                continue
            change = changes.get(tx, repair.change_id)
            if change is None or change["state"] not in RETURNING:
                continue
            if outcome.done:
                self.home(books, change)
            else:
                self.stuck(books, change, outcome.why())

    def home(self, books: Books, change: Change, actor: str = "daemon") -> None:
        """Say that a change is taken back at last: whoever was called need not come."""
        books.taken_back(change, actor)
        self.calm(books.tx, "stuck_rollback", str(change["id"]))

    def stuck(self, books: Books, change: Change, why: str) -> None:
        """Say once that a rollback could not be done; it is tried again in every cycle."""
        if change["state"] == ChangeState.ROLLING_BACK:
            books.advance(change, ChangeState.STUCK, cause=why)
        words = f"change {change['id']} cannot be taken back: {why}; it is tried every cycle"
        self.call(books.tx, "stuck_rollback", str(change["id"]), "crit", words)


@dataclass(slots=True)
class _Look:
    """One look at all rules."""

    books: Books
    call: Call
    calm: Calm
    reading: Reading
    journal: Journal
    found: Found = field(default_factory=Found)

    def rule(self, row: RuleRow, change: Change | None) -> None:
        """Look at one rule, and at the change that it has under way."""
        name, found = row.name, self.found
        if name in self.reading.unreadable:
            found.rules[name] = row.value
            found.barred[name] = f"its controls cannot be read: {self.reading.unreadable[name]}"
            return
        held = self.reading.held.get(name)
        tended = change is not None and change["id"] in self.journal.tended.values()
        orphaned = change is not None and not tended
        if change is not None and orphaned:
            change = self.orphan(change, held)
            row = rules.values(self.books.tx)[name]  # which that may have moved
        if tended and change is not None and _is_back(change, held):
            # The core asks for what it takes back until it was told that all of it is back.
            found.rules[name] = change["new"]
            return
        if held is None:
            found.rules[name] = row.value
            if not (orphaned and change is not None):  # else it is set to the old value already
                order = Order(rule=name, value=row.value, epoch=self.books.epoch)
                found.repairs.append(Repair(order, row.value))
            return
        found.rules[name] = held.value
        fits = _fits(row, change, held)
        if not fits:
            self._drifted(row, change, held)
        why = _why_not(row, change, held, fits=fits)
        if why is not None:
            found.barred[name] = why

    def stray(self, change: Change) -> None:
        """Look at a change of a rule that the policy no longer names.

        Until it is settled nothing else is tried: what that would do could not be
        told from what taking back does.
        """
        rule = change["rule"]
        left: Change | None = change
        words = f"change {change['id']} of {rule}, which the policy no longer names, comes first"
        if rule in self.reading.unreadable:
            words += f": {self.reading.unreadable[rule]}"
        else:
            left = self._led_home(change, self.reading.held.get(rule))
        self.found.held = words
        if left is not None:
            self.found.strays.append(rule)

    def _led_home(self, change: Change, held: Held | None) -> Change | None:
        """Bring such a change to its end; returns it if it is not there yet."""
        left = self.orphan(change, held)
        row = rules.get(self.books.tx, change["rule"])
        if left is None or held is None or row is None or _fits(row, left, held):
            return left
        self._drifted(row, left, held)
        return None

    # ── a value that the rows do not explain ─────────────────────────────────
    def _drifted(self, row: RuleRow, change: Change | None, held: Held) -> None:
        if row.changed_at_us is None and change is None:
            body = {"rule": row.name, "init": row.init, "found": held.value}
            self.books.note("rule_found", row.name, body)
            self.books.moved(row.name, None, held.value, "found")
            self.books.stands(row.name, held.value)
            return
        body = {
            "rule": row.name,
            "expected": row.value,
            "found": held.value,
            "author": str(held.author),
            "stamped_change": held.change_id,
            "stamped_epoch": held.epoch,
            "change": change and change["id"],
        }
        if held.author is Author.PERSON:
            self._set_by_person(row, change, held, body)
        elif change is not None or not self._frozen_for_it(row.name):
            self._inconsistent(row, change, held, body)

    def _set_by_person(
        self, row: RuleRow, change: Change | None, held: Held, body: dict[str, Any]
    ) -> None:
        books, name = self.books, row.name
        books.note("drift", name, body)
        if change is not None:
            books.advance(change, ChangeState.SUPERSEDED, cause="a person set another value")
            self.calm(books.tx, "stuck_rollback", str(change["id"]))
        self.journal.drop(name)
        books.moved(name, row.value, held.value, "person")
        rules.set_foreign(books.tx, name, held.value, books.stamp.at_us)
        self.calm(books.tx, "inconsistent", name)
        words = f"{name} was set to {held.value:g} by a person and is left alone until:"
        self.call(books.tx, "foreign_rule", name, "info", f"{words} daemon ctl adopt {name}")

    def _inconsistent(
        self, row: RuleRow, change: Change | None, held: Held, body: dict[str, Any]
    ) -> None:
        books, name = self.books, row.name
        cause = "the controls hold another value under our own stamp"
        books.note("inconsistent", name, body)
        if change is not None:
            books.advance(change, ChangeState.INCONSISTENT, cause=cause)
            self.calm(books.tx, "stuck_rollback", str(change["id"]))
        self.journal.drop(name)
        if not self._frozen_for_it(name):
            self._freeze(name, f"{cause}: {held.value:g}, not {row.value:g}")
        words = f"{name} holds {held.value:g} under our own stamp, but {row.value:g} is on record"
        advice = f"it is frozen; look at: daemon ctl history {name}"
        self.call(books.tx, "inconsistent", name, "crit", f"{words}: {advice}")

    def _freeze(self, name: str, reason: str) -> None:
        """Keep everybody from a rule until a person has looked at it."""
        at_us = self.books.stamp.at_us
        freeze = freezes.NewFreeze(
            rule=name,
            reason=reason,
            owner=OURSELVES,
            starts_at_us=at_us,
            created_at_us=at_us,
        )
        freezes.add(self.books.tx, freeze)

    def _frozen_for_it(self, name: str) -> bool:
        standing = calendar.standing(self.books.tx, self.books.stamp.at_us)
        return any(one.rule == name and one.owner == OURSELVES for one in standing)

    # ── changes that nobody looks after ──────────────────────────────────────
    def orphan(self, change: Change, held: Held | None) -> Change | None:
        """Bring a change of a run that is over to its end; returns it if it is not there yet."""
        state = ChangeState(change["state"])
        at_new = held is not None and same(held.value, change["new"])
        at_old = held is not None and same(held.value, change["old"])
        if state is ChangeState.PROPOSED:
            self.books.advance(change, ChangeState.REJECTED, cause="the daemon stopped before")
            return None
        if state is ChangeState.APPLYING and at_new:
            return self._applied(change)
        if state is ChangeState.APPLYING and (at_old or held is None):
            self.books.advance(change, ChangeState.FAILED, cause="it was never applied")
            return None
        if state is ChangeState.OBSERVING and (at_new or held is None):
            return self._take_back(change)
        if state in RETURNING and at_old:
            self.books.taken_back(change)
            self.calm(self.books.tx, "stuck_rollback", str(change["id"]))
            return None
        if state in RETURNING and (held is None or at_new or held.author is Author.DAEMON):
            self.found.repairs.append(self._repair(change))
        return change

    def _applied(self, change: Change) -> Change | None:
        """Finish what a person asked for at their own word; take back what nobody can judge."""
        if change["idempotency_key"].startswith(OPERATOR_KEY):
            self.books.confirmed(change, "operator")
            return None
        self.books.in_force(change, change["new"])
        return self._take_back(change)

    def _take_back(self, change: Change) -> Change:
        self.books.advance(change, ChangeState.ROLLING_BACK, cause=NOBODY)
        self.found.repairs.append(self._repair(change))
        return {**change, "state": ChangeState.ROLLING_BACK}

    def _repair(self, change: Change) -> Repair:
        epoch = self.books.epoch
        order = Order(rule=change["rule"], value=change["old"], epoch=epoch, change_id=change["id"])
        return Repair(order, change["new"], change["id"])


def _is_back(change: Change, held: Held | None) -> bool:
    """Tell whether a change that is being taken back holds its old value already."""
    return change["state"] in RETURNING and held is not None and same(held.value, change["old"])


def _fits(row: RuleRow, change: Change | None, held: Held) -> bool:
    """Tell whether a value is one that the rows explain."""
    if change is not None and change["state"] in RETURNING:
        return same(held.value, change["old"]) or same(held.value, change["new"])
    return same(held.value, row.value)


def _why_not(row: RuleRow, change: Change | None, held: Held, *, fits: bool) -> str | None:
    """Say why a rule may not be moved as it stands."""
    if row.foreign_at_us is not None or (not fits and held.author is Author.PERSON):
        return FOREIGN.format(row.name)
    if not fits:
        return f"its controls hold {held.value:g}, but {row.value:g} is on record"
    if change is not None and change["state"] in RETURNING:
        return f"change {change['id']} is being taken back"
    if not row.min_value <= held.value <= row.max_value:
        bounds = f"{row.min_value:g} to {row.max_value:g}"
        return f"its value {held.value:g} is outside of its bounds, {bounds}"
    return None
