"""Setting rules at a person's word: rolling back, and putting values in force unjudged.

A rollback needs no evidence, waits for nothing and is stopped by nothing: no
limit, no freeze, no dry run. Where it leads is the value on record, never a
guess: the old value of the change, or the one that is named.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from daemon.errors import Exit
from daemon.ports import Order
from daemon.services.loop.books import RETURNING
from daemon.services.loop.reconcile import OPERATOR_KEY
from daemon.services.loop.switchboard import same
from daemon.store import changes, freezes, history, rules
from daemon.tuning.vocabulary import TERMINAL_STATES, ChangeState, Mode

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from daemon.services.loop.books import Books
    from daemon.services.loop.hands import Hands
    from daemon.services.loop.reconcile import Reconciler
    from daemon.services.loop.switchboard import Outcome
    from daemon.services.loop.tuner import Tuner
    from daemon.store.store import Tx

    Change = Mapping[str, Any]

ROLLBACK = "rollback"
_APPLIED = frozenset({ChangeState.KEPT, ChangeState.OBSERVING, *RETURNING})


class Refused(Exception):  # noqa: N818 - an answer, not a fault
    """What was asked for is not done, and why."""

    def __init__(self, text: str, code: Exit = Exit.REFUSED) -> None:
        super().__init__(text)
        self.code = code


@dataclass(slots=True)
class Plan:
    """What is to be set, and what it settles."""

    back: Sequence[Change] = field(default_factory=list)
    """Open changes to be taken back."""
    set_to: dict[str, float] = field(default_factory=dict)
    """Rules that get a value of their own."""
    nothing: str = "there is nothing to take back"
    """What to say when the plan is empty."""
    left_out: list[str] = field(default_factory=list)
    """What cannot be set, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Whose word it is, why, and the key by which it is done once."""

    kind: str
    """The command: ``apply``, ``rollback``, ``kill``."""
    actor: str
    key: str
    why: str = ""
    proposal: int | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one rule."""

    change_id: int
    rule: str
    old: float
    new: float
    state: str
    why: str | None = None


# ── what a person means ──────────────────────────────────────────────────────
def plan(tx: Tx, args: Mapping[str, Any]) -> Plan:
    """Find what a request for a rollback is about.

    Raises:
        Refused: it names something that is not there, or leads where no rule may go.
    """
    found, known = _plan(tx, args), rules.values(tx)
    for rule, value in list(found.set_to.items()):
        row = known[rule]
        if not row.min_value <= value <= row.max_value:
            bounds = f"{row.min_value:g} to {row.max_value:g}"
            found.left_out.append(f"{rule} may go from {bounds}, not to {value:g}")
            del found.set_to[rule]
    if found.left_out and (args.get("rule") is not None or not (found.back or found.set_to)):
        raise Refused("; ".join(found.left_out))
    return found


def _plan(tx: Tx, args: Mapping[str, Any]) -> Plan:
    if args.get("change") is not None:
        return _of_change(tx, _change(tx, int(args["change"])))
    if args.get("rule") is not None:
        return _of_rule(tx, str(args["rule"]), args)
    if args.get("lkg"):
        good, now = changes.kept_values(tx), rules.values(tx)
        moved = {rule: to for rule, to in good.items() if not same(now[rule].value, to)}
        back = [one for one in changes.open_changes(tx) if one["rule"] in good]
        for change in back:
            if same(change["old"], good[change["rule"]]):
                moved.pop(change["rule"], None)
        return Plan(back, moved, "every rule stands at its last known good value")
    if args.get("all"):
        return Plan(back=changes.open_changes(tx), nothing="no change is open")
    for change in changes.latest(tx, limit=200):
        undid = change["idempotency_key"].startswith(f"{OPERATOR_KEY}{ROLLBACK}:")
        if change["state"] in _APPLIED and not undid:  # asked twice, nothing goes back again
            return _of_change(tx, change)
    return Plan(nothing="no change was ever applied, or all were taken back")


def _change(tx: Tx, change_id: int) -> Change:
    change = changes.get(tx, change_id)
    if change is None:
        raise Refused(f"there is no change {change_id}: daemon ctl get changes", Exit.USAGE)
    return change


def _of_change(tx: Tx, change: Change) -> Plan:
    """Take back a change, and what was changed with it in one step."""
    if change["state"] not in TERMINAL_STATES:
        together = [
            one
            for one in changes.open_changes(tx)
            if one["id"] == change["id"]
            or (one["decision_seq"] is not None and one["decision_seq"] == change["decision_seq"])
        ]
        return Plan(back=together)
    if change["state"] != ChangeState.KEPT:
        said = f"change {change['id']} is {change['state']}: nothing of it is in force"
        return Plan(nothing=said)
    row = rules.values(tx).get(change["rule"])
    if row is None:
        raise Refused(f"the policy does not name {change['rule']} any more")
    if same(row.value, change["old"]):
        return Plan(nothing=f"{change['rule']} stands at {change['old']:g} already")
    open_one = _open_of(tx, change["rule"])
    return Plan(back=open_one, set_to={change["rule"]: change["old"]})


def _of_rule(tx: Tx, rule: str, args: Mapping[str, Any]) -> Plan:
    known = rules.values(tx)
    if rule not in known:
        raise Refused(f"there is no rule {rule}: daemon ctl get rules", Exit.USAGE)
    open_one = _open_of(tx, rule)
    target = args.get("to")
    if args.get("rev") is not None:
        target = _revision(tx, rule, int(args["rev"]))
    if target is not None:
        if not open_one and same(known[rule].value, float(target)):
            return Plan(nothing=f"{rule} stands at {float(target):g} already")
        back = [one for one in open_one if not same(one["old"], float(target))]
        if open_one and not back:
            return Plan(back=open_one)
        return Plan(back=open_one, set_to={rule: float(target)})
    if open_one:
        return _of_change(tx, open_one[0])
    for change in changes.latest(tx, rule, limit=200):
        if change["state"] == ChangeState.KEPT:
            return _of_change(tx, change)
    return Plan(nothing=f"no change of {rule} is in force")


def _open_of(tx: Tx, rule: str) -> list[Change]:
    return [one for one in changes.open_changes(tx) if one["rule"] == rule]


def _revision(tx: Tx, rule: str, seq: int) -> float:
    found = history.read(tx, "rule_history", after=seq - 1, limit=1)
    if not found or found[0]["seq"] != seq or found[0]["rule"] != rule:
        raise Refused(f"{rule} has no revision {seq}: daemon ctl history {rule}", Exit.USAGE)
    return float(found[0]["new"])


# ── doing it ─────────────────────────────────────────────────────────────────
class TakeBack:
    """Carries out what a person wants set, at once."""

    def __init__(self, hands: Hands, tuner: Tuner) -> None:
        self.hands = hands
        self.tuner = tuner

    @property
    def reconciler(self) -> Reconciler:
        """Who keeps the books under the policy in force."""
        return self.tuner.reconciler

    def roll_back(self, wanted: Plan, wish: Wish) -> list[Done]:
        """Take back what is open, then set what has a value of its own."""
        done = self._back(wanted.back, wish)
        stuck = {one.rule for one in done if one.why is not None}
        free = {rule: value for rule, value in wanted.set_to.items() if rule not in stuck}
        return done + self.put(free, wish)

    def _back(self, wanted: Sequence[Change], wish: Wish) -> list[Done]:
        if not wanted:
            return []
        actor = wish.actor
        cause = f"rolled back by {actor}: {wish.why}" if wish.why else f"rolled back by {actor}"
        with self.hands.leader.write() as tx:
            books = self.reconciler.books(tx, self.hands.stamp())
            for change in wanted:
                if change["state"] not in RETURNING:
                    books.advance(change, ChangeState.ROLLING_BACK, cause=cause, actor=actor)
                self.tuner.settled_by_person(change["rule"])
        epoch = self.hands.leader.epoch
        orders = [
            Order(rule=one["rule"], value=one["old"], epoch=epoch, change_id=one["id"])
            for one in wanted
        ]
        outcomes = self.hands.board.carry_out(orders)
        with self.hands.leader.write() as tx:
            books = self.reconciler.books(tx, self.hands.stamp())
            return [self._backed(books, one["id"], outcomes[one["rule"]], actor) for one in wanted]

    def _backed(self, books: Books, change_id: int, outcome: Outcome, actor: str) -> Done:
        change = changes.get(books.tx, change_id)
        assert change is not None  # noqa: S101 - it was advanced a moment ago
        why = None
        if outcome.done:
            self.reconciler.home(books, change, actor)
            self._in_our_hands(books, change["rule"])
        else:
            why = outcome.why()
            self.reconciler.stuck(books, change, why)
        after = changes.get(books.tx, change_id) or change
        return Done(change_id, change["rule"], change["new"], change["old"], after["state"], why)

    def put(self, wanted: Mapping[str, float], wish: Wish) -> list[Done]:
        """Put values in force at a person's word: kept without being judged."""
        if not wanted:
            return []
        with self.hands.leader.write() as tx:
            books = self.reconciler.books(tx, self.hands.stamp())
            opened = self._open(books, wanted, wish)
        epoch = self.hands.leader.epoch
        orders = [
            Order(rule=rule, value=value, epoch=epoch, change_id=opened[rule])
            for rule, value in wanted.items()
        ]
        outcomes = self.hands.board.carry_out(orders)
        with self.hands.leader.write() as tx:
            books = self.reconciler.books(tx, self.hands.stamp())
            return [self._put(books, opened[rule], outcomes[rule], wish.actor) for rule in wanted]

    def _open(self, books: Books, wanted: Mapping[str, float], wish: Wish) -> dict[str, int]:
        """Write down what is about to be set, and on whose word."""
        known, stamp, opened = rules.values(books.tx), books.stamp, dict[str, int]()
        named = ", ".join(f"{rule} to {value:g}" for rule, value in wanted.items())
        words = f"{wish.actor} has set {named}" + (f": {wish.why}" if wish.why else "")
        rule, value = next(iter(wanted.items()))
        about = {"rule": rule, "old": known[rule].value, "new": value}
        seq = books.commanded(wish.kind, words, Mode.LIVE, **about)
        move = changes.Move(
            at_us=stamp.at_us,
            cause=wish.why or "at a person's word",
            actor=wish.actor,
            epoch=books.epoch,
            boot_id=stamp.boot_id,
            elapsed_us=stamp.elapsed_us,
        )
        for rule, value in wanted.items():
            change = changes.NewChange(
                idempotency_key=f"{OPERATOR_KEY}{wish.kind}:{wish.key}:{rule}",
                rule=rule,
                old=known[rule].value,
                new=value,
                opened_at_us=stamp.at_us,
                origin="operator",
                epoch=books.epoch,
                proposal_id=wish.proposal,
                decision_seq=seq,
            )
            change_id = changes.open_change(books.tx, change, ChangeState.PROPOSED, move)
            origin, target = ChangeState.PROPOSED, ChangeState.APPLYING
            changes.advance(books.tx, change_id, origin, target, move)
            opened[rule] = change_id
        return opened

    def _put(self, books: Books, change_id: int, outcome: Outcome, actor: str) -> Done:
        change = changes.get(books.tx, change_id)
        assert change is not None  # noqa: S101 - it was opened a moment ago
        rule, why = change["rule"], None
        if outcome.done:
            books.confirmed(change, actor)
            self._in_our_hands(books, rule)
        else:
            why = outcome.why()
            found = outcome.found
            if outcome.readable and (found is None or same(found.value, change["old"])):
                books.advance(change, ChangeState.FAILED, cause=why, actor=actor)
        after = changes.get(books.tx, change_id) or change
        return Done(change_id, rule, change["old"], change["new"], after["state"], why)

    def _in_our_hands(self, books: Books, rule: str) -> None:
        """Say that a rule stands where it was set from here, not where a person put it."""
        rules.adopt(books.tx, rule)
        for kind in ("foreign_rule", "inconsistent"):
            self.reconciler.calm(books.tx, kind, rule)

    def leave_alone(self, tx: Tx, rule: str, actor: str, seconds: float) -> int:
        """Keep the loop off a rule for a while: a person has just taken back what it did."""
        now_us = self.hands.clock.now_us()
        return freezes.add(
            tx,
            freezes.NewFreeze(
                kind=freezes.PAUSE,
                rule=rule,
                reason=f"{actor} took back what the loop had done",
                owner=actor,
                starts_at_us=now_us,
                created_at_us=now_us,
                ends_at_us=now_us + round(seconds * 1e6),
            ),
        )
