"""What a person sets against changes: pauses, freezes, the kill switch, and rules of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.errors import Exit
from daemon.services.duties import calendar
from daemon.services.loop.reconcile import OURSELVES
from daemon.services.loop.switchboard import same
from daemon.services.loop.takeback import Refused
from daemon.store import freezes, rules
from daemon.store.invariants import ACCEPTED

if TYPE_CHECKING:
    from daemon.services.loop.hands import Hands
    from daemon.services.loop.tuner import Tuner
    from daemon.store.commands import Command
    from daemon.store.store import Tx

Result = dict[str, Any]


class Barriers:
    """Sets them up and takes them down."""

    def __init__(self, hands: Hands, tuner: Tuner) -> None:
        self.hands = hands
        self.tuner = tuner

    def pause(self, command: Command) -> Result:
        """Keep the loop from new changes of a rule, or of all."""
        rule = self.known(command.args.get("rule"))
        why = command.reason or f"paused by {command.actor}"
        freeze = self.bar(command, freezes.PAUSE, rule, why)
        undo = f"daemon ctl resume {rule or ''}".strip()
        text = f"{rule or 'every rule'} is paused: no new change until {undo}"
        return {"text": text, "freeze": freeze, "undo": undo}

    def resume(self, command: Command) -> Result:
        """Lift a pause."""
        return self._lifted(command, freezes.PAUSE, self.known(command.args.get("rule")))

    def unkill(self, command: Command) -> Result:
        """Lift the kill switch."""
        return self._lifted(command, freezes.KILL, None)

    def freeze_add(self, command: Command) -> Result:
        """Freeze a rule or all of them, once or again and again."""
        args = command.args
        rule = self.known(args.get("rule"))
        now_us = self.hands.clock.now_us()
        starts_us, ends_us = int(args.get("starts_at_us") or now_us), args.get("ends_at_us")
        if args.get("cron") is not None:
            span = calendar.recurring(str(args["cron"]), float(args["duration_s"]), now_us)
            starts_us, ends_us = span.starts_at_us, span.ends_at_us
        freeze = freezes.NewFreeze(
            rule=rule,
            reason=str(args["reason"]),
            owner=command.actor,
            starts_at_us=starts_us,
            ends_at_us=ends_us,
            cron=args.get("cron"),
            duration_s=args.get("duration_s"),
            created_at_us=now_us,
        )
        with self.hands.leader.write() as tx:
            freeze_id = freezes.add(tx, freeze)
            words = f"{command.actor} has frozen {rule or 'every rule'}: {args['reason']}"
            self.noted(tx, command, words)
        undo = f"daemon ctl freeze remove {freeze_id}"
        text = f"freeze {freeze_id} is set for {rule or 'every rule'}"
        return {"text": text, "freeze": freeze_id, "undo": undo}

    def freeze_remove(self, command: Command) -> Result:
        """Lift a freeze."""
        freeze_id, at_us = int(command.args["id"]), self.hands.clock.now_us()
        with self.hands.leader.write() as tx:
            if not freezes.remove(tx, freeze_id, command.actor, at_us):
                text = f"freeze {freeze_id} is not in force: daemon ctl freeze list"
                raise Refused(text, Exit.USAGE)
            self.noted(tx, command, f"{command.actor} has lifted freeze {freeze_id}")
        return {"text": f"freeze {freeze_id} is lifted"}

    def bar(self, command: Command, kind: str, rule: str | None, why: str) -> int:
        """Set up a barrier that stands until it is lifted."""
        now_us = self.hands.clock.now_us()
        freeze = freezes.NewFreeze(
            kind=kind,
            rule=rule,
            reason=why,
            owner=command.actor,
            starts_at_us=now_us,
            created_at_us=now_us,
        )
        with self.hands.leader.write() as tx:
            freeze_id = freezes.add(tx, freeze)
            self.noted(tx, command, f"{kind} of {rule or 'everything'} by {command.actor}: {why}")
        return freeze_id

    def _lifted(self, command: Command, kind: str, rule: str | None) -> Result:
        with self.hands.leader.write() as tx:
            at_us = self.hands.clock.now_us()
            lifted = freezes.lift(tx, kind, rule, command.actor, at_us)
            if lifted:
                self.noted(tx, command, f"{command.actor} has lifted the {kind}")
        subject = rule or "everything"
        if not lifted:
            return {"text": f"there is no {kind} of {subject}", "freezes": []}
        undo = f"daemon ctl {kind} {rule}" if rule else f"daemon ctl {kind}"
        return {"text": f"the {kind} of {subject} is lifted", "freezes": lifted, "undo": undo}

    def adopt(self, command: Command) -> Result:
        """Hand a rule back to the loop that a person had set."""
        rule = self.known(command.args["rule"])
        assert rule is not None  # noqa: S101 - it was given
        held = self.hands.board.read([rule]).value(rule)
        with self.hands.leader.write() as tx:
            row = rules.values(tx)[rule]
            ours = self._frozen_by_us(tx, rule)
            if not rules.adopt(tx, rule) and not ours:
                return {"text": f"{rule} is not in other hands: it stands at {row.value:g}"}
            if ours and held is None:
                raise Refused(f"nobody can tell what {rule} stands at", Exit.UNVERIFIED)
            value = row.value if held is None else held
            if not same(value, row.value):
                books = self.tuner.reconciler.books(tx, self.hands.stamp())
                books.moved(rule, row.value, value, command.actor)
                books.stands(rule, value)
            for number in ours:
                freezes.remove(tx, number, command.actor, self.hands.clock.now_us())
            for kind in ("foreign_rule", "inconsistent", "frozen_rule"):
                self.tuner.watch.calm(tx, kind, rule)
            self.noted(tx, command, f"{command.actor} has handed {rule} at {value:g} back")
        text = f"{rule} is the loop's again, from {value:g} on"
        return {"text": text, "undo": f"daemon ctl pause {rule}"}

    def _frozen_by_us(self, tx: Tx, rule: str) -> list[int]:
        """Find the freezes that the daemon set because the rule made no sense."""
        standing = calendar.standing(tx, self.hands.clock.now_us())
        return [one.id for one in standing if one.rule == rule and one.owner == OURSELVES]

    def accept(self, command: Command) -> Result:
        """Take a person's word that what broke an invariant is understood."""
        findings = [str(one) for one in command.args["findings"]]
        body = {"findings": findings, "by": command.actor, "reason": command.reason}
        with self.hands.leader.write() as tx:
            self.tuner.reconciler.books(tx, self.hands.stamp()).note(ACCEPTED, None, body)
            words = f"{command.actor} has accepted {len(findings)} broken promises on record"
            self.noted(tx, command, f"{words}: {command.reason}")
        return {"text": f"{len(findings)} findings are accepted, and stay on record"}

    def known(self, rule: str | None) -> str | None:
        """Refuse a rule that the policy does not name."""
        if rule is None:
            return None
        with self.hands.leader.write() as tx:
            if rule not in rules.values(tx):
                raise Refused(f"there is no rule {rule}: daemon ctl get rules", Exit.USAGE)
        return rule

    def noted(self, tx: Tx, command: Command, words: str) -> None:
        """Write down among the decisions what a person had done."""
        books = self.tuner.reconciler.books(tx, self.hands.stamp())
        mode = self.tuner.mode
        rule = command.args.get("rule")
        books.commanded(command.kind, words, mode or "dry_run", rule=rule)
