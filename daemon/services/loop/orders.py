"""What people ask of the service, carried out by whoever leads, and answered.

A command is a row: whoever filed it waits for its answer. Rolling back, pausing
and the kill switch are done at once. What the core has to agree to, a step that
is to be judged or a word on an open change, waits for the next cycle, one at a
time. A command that was begun and never answered is not begun again.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from daemon import log
from daemon.errors import DaemonError, Exit, NotLeader, StoreUnavailable
from daemon.services.loop.barriers import Barriers
from daemon.services.loop.journal import Word
from daemon.services.loop.switchboard import same
from daemon.services.loop.takeback import Plan, Refused, TakeBack, Wish, plan
from daemon.services.loop.tuner import Request
from daemon.store import changes, commands, freezes, proposals, rules
from daemon.tuning.model import LONGER_S, Asked, Move, blocks_of
from daemon.tuning.reasons import Reason
from daemon.tuning.vocabulary import OPEN_STATES, TERMINAL_STATES, ChangeState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from daemon.services.loop.hands import Hands
    from daemon.services.loop.takeback import Done
    from daemon.services.loop.tuner import Tuner
    from daemon.store.commands import Command
    from daemon.store.store import Tx

_log = log.get(__name__)

Result = dict[str, Any]

_AGAIN = frozenset(
    {Reason.BUSY, Reason.STALE, Reason.SUPERSEDED, Reason.POLICY_CHANGED, Reason.RESTING}
)
"""Refusals that another try may not meet; all others are the policy's."""


class Orders:
    """Carries out commands."""

    def __init__(
        self,
        hands: Hands,
        tuner: Tuner,
        standing: Callable[[Tx, int], tuple[str | None, Mapping[str, str]]],
        reload: Callable[[], str],
        recheck: Callable[[], None] = lambda: None,
    ) -> None:
        self.hands = hands
        self.tuner = tuner
        self.take_back = TakeBack(hands, tuner)
        self.barriers = Barriers(hands, tuner)
        self._standing = standing
        self._reload = reload
        self._recheck = recheck
        self._waiting: tuple[Command, Request] | None = None
        self._cut_off: list[Command] = []
        """Commands during which the database went away."""
        stand = self.barriers
        self._does: dict[str, Callable[[Command], Result | None]] = {
            "apply": self._apply,
            "approve": self._apply,
            "reject": self._reject,
            "rollback": self._rollback,
            "confirm": self._confirm,
            "extend": self._extend,
            "pause": stand.pause,
            "resume": stand.resume,
            "kill": self._kill,
            "unkill": stand.unkill,
            "freeze_add": stand.freeze_add,
            "freeze_remove": stand.freeze_remove,
            "adopt": stand.adopt,
            "reload": self._reload_now,
            "accept": self._accept,
        }

    # ── taking them up ───────────────────────────────────────────────────────
    def begin(self) -> None:
        """Answer what an earlier leader began and never finished."""
        with self.hands.leader.write() as tx:
            commands.abandoned(tx, self.hands.leader.epoch, self.hands.clock.now_us())

    def carry_out(self, pending: list[Command]) -> None:
        """Carry out what can be, in the order in which it was asked for."""
        for command in pending:
            if command.kind in _NEEDS_CORE and self._waiting is not None:
                continue
            with self.hands.leader.write() as tx:
                now_us = self.hands.clock.now_us()
                late = command.expires_at_us is not None and command.expires_at_us <= now_us
                if late or not commands.take(tx, command.id, self.hands.leader.epoch):
                    commands.expire(tx, now_us)
                    continue
            try:
                self._carry_out(command)
            except StoreUnavailable:
                self._cut_off.append(command)
                raise

    def _carry_out(self, command: Command) -> None:
        _log.info("command", id=command.id, kind=command.kind, actor=command.actor)
        does = self._does.get(command.kind)
        if does is None:
            text = f"this version of the daemon does not know the command {command.kind}"
            self._finish(command, commands.REFUSED, Exit.USAGE, {"text": text})
            return
        try:
            result = does(command)
        except Refused as no:
            self._finish(command, commands.REFUSED, no.code, {"text": str(no)})
        except (NotLeader, StoreUnavailable):
            raise
        except DaemonError as error:
            self._finish(command, commands.FAILED, error.exit_code, {"text": error.message})
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            _log.exception("command_unreadable", id=command.id)
            text = f"the command {command.kind} cannot be read: {type(error).__name__}: {error}"
            self._finish(command, commands.FAILED, Exit.USAGE, {"text": text})
        else:
            if result is not None:
                code = Exit(result.pop("exit_code", Exit.DONE))
                state = commands.DONE if code is not Exit.UNVERIFIED else commands.FAILED
                self._finish(command, state, code, result)

    def _finish(self, command: Command, state: str, code: Exit, result: Result) -> None:
        with self.hands.leader.write() as tx:
            at_us = self.hands.clock.now_us()
            commands.finish(tx, command.id, state, code, result, at_us)

    # ── what the core has to agree to ────────────────────────────────────────
    def after_cycle(self) -> None:
        """Answer the command that waited for this cycle, and those that were cut off."""
        for command in self._cut_off:
            self._finish(command, commands.FAILED, Exit.FAILED, {"text": _CUT_OFF})
        self._cut_off.clear()
        request = self.tuner.request
        if request is None or not request.answered:
            return
        if self._waiting is not None:
            self._answer(self._waiting[0], request)
        self._waiting, self.tuner.request = None, None

    def _answer(self, command: Command, request: Request) -> None:
        if request.lost:
            self._finish(command, commands.FAILED, Exit.FAILED, {"text": _CUT_OFF})
            return
        if request.refused is not None:
            code = Exit.TRY_AGAIN if request.refused in _AGAIN else Exit.REFUSED
            text = _why(request, request.refused)
            self._finish(command, commands.REFUSED, code, {"text": text})
            return
        ids = sorted(request.changes.values())
        if request.cause is not None:
            text = f"it was tried and not done: {request.cause}"
            self._finish(command, commands.FAILED, Exit.FAILED, {"text": text, "changes": ids})
            return
        proposal = command.args.get("proposal")
        if proposal is not None:
            with self.hands.leader.write() as tx:
                proposals.carried_out(tx, int(proposal))
        undo = f"daemon ctl rollback {ids[0]}" if ids else None
        text = _TOLD[command.kind].format(", ".join(map(str, ids)))
        self._finish(
            command, commands.DONE, Exit.DONE, {"text": text, "changes": ids, "undo": undo}
        )

    def _ask(self, command: Command, asked: Asked) -> None:
        word = Word(command.actor, command.args.get("proposal"), command.reason)
        request = Request(asked, word)
        self._waiting, self.tuner.request = (command, request), request

    # ── values ───────────────────────────────────────────────────────────────
    def _apply(self, command: Command) -> Result | None:
        args = dict(command.args)
        if args.get("proposal") is not None:
            args = {**self._approved(command, int(args["proposal"])), **args}
        wanted = {rule: float(value) for rule, value in args["moves"].items()}
        with self.hands.leader.write() as tx:
            known = rules.values(tx)
            held, barred = self._standing(tx, self.hands.clock.now_us())
        self._check(wanted, args.get("base") or {}, known)
        if not args.get("keep"):
            moves = [Move(rule, known[rule].value, value) for rule, value in wanted.items()]
            self._ask(command, Asked(kind="step", moves=tuple(moves)))
            return None
        held = self.hands.board.held() or held
        if held is not None:
            raise Refused(f"nothing may be changed: {held}")
        for rule in wanted:
            if rule in barred:
                raise Refused(f"{rule}: {barred[rule]}")
        if self.tuner.request is not None or self._open(wanted):
            raise Refused(_REFUSALS[Reason.BUSY], Exit.TRY_AGAIN)
        wish = Wish(
            kind="apply",
            actor=command.actor,
            key=command.key,
            why=command.reason or "",
            proposal=args.get("proposal"),
        )
        done = self.take_back.put(wanted, wish)
        if wish.proposal is not None and all(one.why is None for one in done):
            with self.hands.leader.write() as tx:
                proposals.carried_out(tx, wish.proposal)
        return _told(done, "set")

    def _approved(self, command: Command, proposal: int) -> Result:
        """Take a proposal that is pending for approved, by whoever wants it applied."""
        with self.hands.leader.write() as tx:
            found, at_us = proposals.get(tx, proposal), self.hands.clock.now_us()
            if found is None:
                raise Refused(
                    f"there is no proposal {proposal}: daemon ctl get proposals", Exit.USAGE
                )
            proposals.expire(tx, at_us)
            given = proposals.decide(tx, proposal, "approved", command.actor, at_us)
            after = proposals.get(tx, proposal)
            if not given and (after is None or after.state != "approved"):
                state = "gone" if after is None else after.state
                text = f"proposal {proposal} is {state}; make a new one: daemon ctl dry-run"
                raise Refused(text, Exit.TRY_AGAIN)
        return {"moves": dict(found.target), "base": dict(found.base)}

    def _check(
        self, wanted: Mapping[str, float], base: Mapping[str, float], known: Mapping[str, Any]
    ) -> None:
        """Refuse what names no rule, leaves the bounds, or rests on other values."""
        for rule, value in wanted.items():
            row = known.get(rule)
            if row is None:
                raise Refused(f"there is no rule {rule}: daemon ctl get rules", Exit.USAGE)
            if not row.min_value <= value <= row.max_value:
                bounds = f"{row.min_value:g} to {row.max_value:g}"
                raise Refused(f"{rule} may go from {bounds}, not to {value:g}")
        for rule, value in base.items():
            row = known.get(rule)
            if row is None or not same(row.value, float(value)):
                stands = "is not a rule any more" if row is None else f"stands at {row.value:g}"
                text = f"it rests on {rule} at {float(value):g}, which {stands}: plan again"
                raise Refused(text, Exit.TRY_AGAIN)

    def _open(self, wanted: Mapping[str, float]) -> bool:
        with self.hands.leader.write() as tx:
            return any(row["rule"] in wanted for row in changes.open_changes(tx))

    def _rollback(self, command: Command) -> Result:
        with self.hands.leader.write() as tx:
            wanted = plan(tx, command.args)
            rule = command.args.get("rule")
            row = None if rule is None else rules.get(tx, str(rule))
        if row is not None and not wanted.back and not wanted.set_to:
            held = self.hands.board.read([row.name]).value(row.name)
            if held is not None and not same(held, row.value):  # the rows are not what counts
                wanted = Plan(set_to={row.name: row.value})
        return self._taken_back(command, wanted)

    def _taken_back(self, command: Command, wanted: Plan) -> Result:
        if not wanted.back and not wanted.set_to:
            return {"text": wanted.nothing, "changes": []}
        kind, actor, why = command.kind, command.actor, command.reason or ""
        done = self.take_back.roll_back(
            wanted, Wish(kind=kind, actor=actor, key=command.key, why=why)
        )
        result = _told(done, "taken back" if wanted.back else "set back")
        result["text"] = "; ".join([result["text"], *wanted.left_out])
        if kind == "kill":
            return result
        rest_s = self.tuner.policy.no_go_s
        with self.hands.leader.write() as tx:
            pauses = [self.take_back.leave_alone(tx, one.rule, actor, rest_s) for one in done]
        named = ", ".join(sorted({one.rule for one in done}))
        result["text"] += f"; the loop leaves {named} alone for {rest_s / 3600:g} h"
        result["undo"] = f"daemon ctl resume {done[0].rule}"
        return {**result, "pauses": pauses}

    # ── proposals and open changes ───────────────────────────────────────────
    def _reject(self, command: Command) -> Result:
        proposal, at_us = int(command.args["proposal"]), self.hands.clock.now_us()
        with self.hands.leader.write() as tx:
            if not proposals.decide(tx, proposal, "rejected", command.actor, at_us):
                found = proposals.get(tx, proposal)
                state = "not there" if found is None else found.state
                raise Refused(f"proposal {proposal} is {state}, not pending", Exit.TRY_AGAIN)
            self.barriers.noted(tx, command, f"{command.actor} has rejected proposal {proposal}")
        return {"text": f"proposal {proposal} is rejected"}

    def _confirm(self, command: Command) -> None:
        self._observed(command)
        self._ask(command, Asked(kind="keep"))

    def _extend(self, command: Command) -> None:
        self._observed(command)
        self._ask(command, Asked(kind="extend", blocks=blocks_of(float(command.args["seconds"]))))

    def _observed(self, command: Command) -> None:
        """Refuse a word on a change that is not being watched."""
        change_id = int(command.args["change"])
        with self.hands.leader.write() as tx:
            change = changes.get(tx, change_id)
        if change is None:
            raise Refused(f"there is no change {change_id}: daemon ctl get changes", Exit.USAGE)
        if change["state"] in TERMINAL_STATES or change["state"] not in OPEN_STATES:
            raise Refused(f"change {change_id} is {change['state']} already", Exit.TRY_AGAIN)
        if change["state"] != ChangeState.OBSERVING:
            raise Refused(f"change {change_id} is {change['state']}, not observed", Exit.TRY_AGAIN)

    # ── all of it ────────────────────────────────────────────────────────────
    def _kill(self, command: Command) -> Result:
        why = command.reason or f"killed by {command.actor}"
        freeze = self.barriers.bar(command, freezes.KILL, None, why)
        result: Result = {"text": "", "changes": []}
        if not command.args.get("leave"):
            with self.hands.leader.write() as tx:
                wanted = plan(tx, {"all": True})
            result = self._taken_back(command, wanted)
        elif self.tuner.request is None:
            self.tuner.request = Request(Asked(kind="keep"), Word(command.actor, None, why))
        text = "the kill switch is set: nothing is changed until daemon ctl unkill"
        result["text"] = f"{text}; {result['text']}" if result["text"] else text
        return {**result, "freeze": freeze, "undo": "daemon ctl unkill"}

    def _accept(self, command: Command) -> Result:
        result = self.barriers.accept(command)
        self._recheck()
        return result

    def _reload_now(self, command: Command) -> Result:
        del command
        return {"text": self._reload()}


def _told(done: list[Done], word: str) -> Result:
    """Say what became of every rule, and end with 9 if one could not be verified."""
    parts = [
        f"{one.rule} is {word} to {one.new:g} (change {one.change_id})"
        if one.why is None
        else f"{one.rule} could not be set to {one.new:g}: {one.why} (change {one.change_id})"
        for one in done
    ]
    result: Result = {"text": "; ".join(parts), "changes": [asdict(one) for one in done]}
    moved = [one for one in done if one.state != ChangeState.FAILED]
    if moved:
        result["undo"] = f"daemon ctl rollback {moved[0].change_id}"
    if any(one.why is not None for one in done):
        result["exit_code"] = Exit.UNVERIFIED
    return result


def _why(request: Request, reason: Reason) -> str:
    """Say in words why the core did not agree."""
    seen, asked = request.seen, request.asked
    if reason is Reason.HELD and seen is not None:
        return f"nothing may be changed: {seen.held}"
    if reason is Reason.BARRED and seen is not None:
        mine = sorted({move.rule for move in asked.moves} & set(seen.barred))
        return "; ".join(f"{rule}: {seen.barred[rule]}" for rule in mine)
    if reason is Reason.TOO_FAR and asked.kind == "extend":
        return f"no change is watched for more than {LONGER_S / 3600:g} h longer"
    return _REFUSALS.get(reason, f"refused: {reason}")


_CUT_OFF = "the database went away while it was carried out: look at daemon ctl status"
_NEEDS_CORE = frozenset({"apply", "approve", "confirm", "extend"})
_TOLD = {
    "apply": "applied as change {}; it is watched now, and taken back unless it helps",
    "approve": "applied as change {}; it is watched now, and taken back unless it helps",
    "confirm": "change {} is kept at your word",
    "extend": "change {} is watched for longer",
}
_REFUSALS = {
    Reason.BUSY: "another change is open: wait for its verdict, or roll it back",
    Reason.STALE: "the values have moved since: plan again with daemon ctl dry-run",
    Reason.WARMING_UP: "there is nothing to judge it by yet: the loop is still warming up;"
    " to set it at your own word, unjudged: --keep",
    Reason.TOO_FAR: "it is further than one step may go (max_step_mult times lr): go in steps, or"
    " set it at your own word, unjudged: --keep",
    Reason.AT_BOUND: "it is outside of the rule's bounds",
    Reason.COOLDOWN: "the rule was changed a moment ago and still rests (cooldown_s)",
    Reason.SIGNAL_UNFIT: "a signal is no evidence at the moment, so nobody could judge it:"
    " daemon ctl get signals; to set it all the same: --keep",
    Reason.NO_CANDIDATE: "that moves nothing the policy may move",
    Reason.NOTHING_OPEN: "the loop watches no change any more: look again",
    Reason.SUPERSEDED: "somebody moved a rule a moment ago: look again",
    Reason.POLICY_CHANGED: "the policy has just changed: look again",
}
