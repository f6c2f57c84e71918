"""All that a leader does, put together: the loop, what people ask, samples, chores, alerts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from daemon import log
from daemon.clock import MICROS
from daemon.errors import ConfigError, NotLeader, Problem, StoreError, StoreUnavailable
from daemon.services import invariants
from daemon.services.adopting import adopt
from daemon.services.living.ballast import is_full
from daemon.services.living.lookout import Lookout
from daemon.services.loop.hands import Hands
from daemon.services.loop.orders import Orders
from daemon.services.loop.tuner import Tuner
from daemon.services.watching.fitness import Fitness
from daemon.store import changes, commands, history, rules
from daemon.tuning.replay import as_made
from daemon.tuning.vocabulary import DecisionKind, Mode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from daemon.clock import Clock
    from daemon.config.policy_file import LoadedPolicy
    from daemon.config.settings import Signal
    from daemon.services.duties.children import Children
    from daemon.services.duties.chores import Chores
    from daemon.services.duties.housework import Housework
    from daemon.services.living.ballast import Ballast
    from daemon.services.living.metrics import Meters
    from daemon.services.loop.switchboard import Switchboard
    from daemon.services.loop.tuner import Cycle, Feed
    from daemon.services.submitting.queue import Queue
    from daemon.services.watching.alerting import Alerting
    from daemon.services.watching.fitness import Trait
    from daemon.services.watching.intake import Drained
    from daemon.store.lease import Lease
    from daemon.store.store import Store, Tx

_log = log.get(__name__)

LOOK_US = MICROS
"""How often samples are written and alerts are seen to between two cycles."""

CATCH_UP_IDLE = 100
"""After so many looks in which a source said that it had more and gave nothing, it is left."""

BREATH_S = 0.05
VERIFIED_EVERY_US = 3_600 * MICROS
_ENDED = frozenset({DecisionKind.KEEP, DecisionKind.ROLLBACK, DecisionKind.REVERT})


class Intake(Protocol):
    """Where samples come from, and how those are who bring them."""

    def start(self, view: Tx) -> None:
        """Go on where each source was read up to, each in a thread of its own."""
        ...

    def drain(self, tx: Tx, now_us: int, sealed_us: int) -> Drained:
        """Write what was brought in."""
        ...

    def written(self) -> Drained:
        """Hear that what was drained is committed; says what that was, once."""
        ...

    def dead(self) -> set[str]:
        """Name the sources that cannot be read for long."""
        ...

    def behind(self) -> bool:
        """Tell whether there is more to come at once."""
        ...

    def stale(self) -> list[str]:
        """Name the sources that bring nothing new."""
        ...

    def stop(self) -> None:
        """End every thread."""
        ...


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What an engine is made of."""

    store: Store
    lease: Lease
    clock: Clock
    board: Switchboard
    intake: Intake
    traits: Mapping[str, Trait]
    """What the settings say of signals."""
    alerting: Alerting
    housework: Housework
    chores: Chores
    children: Children
    meters: Meters
    policy: Callable[[], LoadedPolicy]
    """Reads the policy file as it is now."""
    signals: Mapping[str, Signal]
    ballast: Ballast
    queue: Queue | None = None
    """Runs the studies that programs handed in."""
    boot_id: str | None = None
    grace_s: float = 1.0


class Engine:
    """The leader's work; the lifecycle says when."""

    tuner: Tuner
    orders: Orders

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.broken: list[invariants.Broken] = []
        fitness = Fitness(parts.traits, lambda: self.tuner.policy, parts.intake.dead)
        self.lookout = Lookout(fitness, parts.alerting, parts.meters)
        self._ended_seq = 0
        self._looked_us = 0
        self._verified_us = 0
        self._status: dict[str, Any] = {}

    # ── the life ─────────────────────────────────────────────────────────────
    def start(self) -> None:
        """Take over the controls, settle what was left open, check that all is sound."""
        parts = self.parts
        self._take_over()
        parts.ballast.take_in()
        with parts.store.read() as view:
            parts.intake.start(view)
            self._ended_seq = changes.endings(view, 0)[1]
        parts.chores.begin()
        parts.children.begin()
        if parts.queue is not None:
            parts.queue.begin()
        parts.alerting.start()
        self._catch_up()
        parts.housework.measure()
        self._verify(controls=False)  # before anything is tried on a record that is broken
        self.cycle()
        self._verify()

    def _catch_up(self) -> None:
        """Take in what sources have of the time before, as long as nothing of it is judged yet."""
        parts, idle = self.parts, 0
        while parts.intake.behind() and idle < CATCH_UP_IDLE:
            parts.clock.sleep(BREATH_S)
            with parts.lease.write(durable=False) as tx:
                done = parts.intake.drain(tx, parts.clock.now_us(), self.tuner.seal(tx))
            self._count(parts.intake.written())
            idle = 0 if done.accepted else idle + 1

    def _take_over(self) -> None:
        """Keep every older leader from the controls, then go by the policy."""
        parts = self.parts
        unreached = parts.board.take_over(parts.lease.epoch)
        loaded = parts.policy()
        with parts.lease.write() as tx:
            self.lookout.tell_of_unreached(tx, unreached)
            self._note_whom_we_follow(tx)
            adopt(tx, loaded, parts.signals, parts.clock.now_us())
        hands = Hands(parts.lease, parts.clock, parts.board, self.lookout, parts.boot_id)
        feed: Feed = parts.intake
        self.tuner = Tuner(hands, feed, self.lookout, loaded, grace_s=parts.grace_s)
        standing = self.lookout.standing
        self.orders = Orders(hands, self.tuner, standing, self.reload, self._verify)
        self.orders.begin()

    def _note_whom_we_follow(self, tx: Tx) -> None:
        """Write down that the last leader was killed or paused, if it was."""
        before = self.parts.lease.followed
        if before is None or before.released:
            return
        body = {"holder": before.holder, "epoch": before.epoch, "last_beat_us": before.beat_at_us}
        at_us = self.parts.clock.now_us()
        event = history.Event(
            at_us=at_us, kind="leader_lost", body=body, epoch=self.parts.lease.epoch
        )
        history.append(tx, event)

    def take_over(self) -> None:
        """Lead for the sake of one command: no sources, no chores, no cycle."""
        self._take_over()
        self._verify(controls=False)

    def carry_out(self, command_id: int) -> None:
        """Carry out a command that is pending, and answer it in its row."""
        with self.parts.store.read() as view:
            found = commands.get(view, command_id)
        if found is None or found.state != commands.PENDING:
            return
        self.orders.carry_out([found])
        if self.tuner.request is not None:
            self.cycle()

    def stop(self) -> None:
        """Begin nothing new, write down what is known."""
        parts = self.parts
        if parts.queue is not None:
            parts.queue.ask_to_end()
        parts.children.close()
        if parts.queue is not None:
            parts.queue.close()
        self._keep_samples()
        parts.intake.stop()
        try:
            self.tuner.stop()
        finally:
            parts.alerting.close()
            parts.board.close()

    def _keep_samples(self) -> None:
        """Write what sources have given: what was pushed is given once."""
        parts = self.parts
        try:
            with parts.lease.write() as tx:
                parts.intake.drain(tx, parts.clock.now_us(), self.tuner.sealed_us)
        except (StoreError, NotLeader) as error:
            _log.warning("last_samples_not_written", error=error.message)
        else:
            self._count(parts.intake.written())

    def reload(self) -> str:
        """Read the policy again; what does not hold changes nothing.

        Raises:
            ConfigError: it does not hold; the one in force stays.
        """
        parts, before = self.parts, self.tuner.loaded
        loaded = parts.policy()
        if loaded.digest == before.digest:
            return "the policy is as it was"
        with parts.lease.write() as tx:
            _refuse_narrower(loaded, rules.values(tx))
            new = adopt(tx, loaded, parts.signals, parts.clock.now_us())
        self.tuner.govern(loaded)
        named = f"; new rules: {', '.join(new)}" if new else ""
        return f"the policy {before.digest[:12]} gave way to {loaded.digest[:12]}{named}"

    # ── the work ─────────────────────────────────────────────────────────────
    def due_us(self) -> int:
        """Say when the next cycle is due, by the clock that never steps."""
        wait_us = self.tuner.due_us() - self.parts.clock.now_us()
        return self.parts.clock.elapsed_us() + max(wait_us, 0)

    def cycle(self) -> None:
        """Do one cycle."""
        began_us = self.parts.clock.elapsed_us()
        self._freeze()
        try:
            done = self.tuner.cycle()
        except StoreUnavailable as error:
            self._went_away(error)
            raise
        self._count(self.parts.intake.written())
        self.orders.after_cycle()
        if done is not None:
            seconds = (self.parts.clock.elapsed_us() - began_us) / MICROS
            self._seen(done, seconds)

    def between(self) -> None:
        """Do what cannot wait for a cycle."""
        parts = self.parts
        with parts.store.read() as view:
            pending = commands.pending(view)
        try:
            if pending:
                self.orders.carry_out(pending)
            elapsed_us = parts.clock.elapsed_us()
            if elapsed_us - self._looked_us >= LOOK_US:
                self._looked_us = elapsed_us
                self._look()
            if elapsed_us - self._verified_us >= VERIFIED_EVERY_US:
                self._verify()
            parts.children.tick()
            if parts.queue is not None:
                parts.queue.tick()
            parts.chores.tick()
        except StoreUnavailable as error:
            self._went_away(error)
            raise

    def _look(self) -> None:
        parts = self.parts
        with parts.lease.write(durable=False) as tx:
            parts.intake.drain(tx, parts.clock.now_us(), self.tuner.sealed_us)
            parts.alerting.collect(tx)
            silent = parts.intake.dead(), parts.board.troubles
            self.lookout.tell_of_silence(tx, *silent, parts.clock.elapsed_us())
        self._count(parts.intake.written())
        if not parts.housework.disk_is_low:
            parts.ballast.take_in()
        self._freeze()

    def _count(self, done: Drained) -> None:
        meters = self.parts.meters
        for source, count in done.taken.items():
            meters.ingested(source, count)
        for why, count in done.refused.items():
            meters.refused(why, count)
        for count in done.unreadable.values():
            meters.refused("unreadable", count)

    def _seen(self, done: Cycle, seconds: float) -> None:
        """Show what a cycle came to."""
        meters, decision = self.parts.meters, done.decision
        meters.cycled(as_made(decision, dry=done.mode is Mode.DRY_RUN), seconds)
        meters.mode(done.mode)
        found = decision.numbers.judgement
        if found is not None and decision.kind in _ENDED:
            meters.verdict(found.verdict)
            for rule in done.changes:
                for effect in found.effects:
                    meters.delta(rule, effect.signal, effect.delta)
        with self.parts.store.read() as view:
            open_ones = changes.open_changes(view)
            ended, self._ended_seq = changes.endings(view, self._ended_seq)
        meters.open_changes(len(open_ones))
        for outcome in ended:
            meters.ended(outcome)
        lookout = self.lookout
        self._status = {
            "mode": str(done.mode),
            "not_live": done.not_live,
            "open_changes": len(open_ones),
            "inconsistent": sorted(lookout.frozen_rules),
            "killed": lookout.killed,
            "reason": str(decision.reason),
        }

    # ── soundness ────────────────────────────────────────────────────────────
    def _verify(self, *, controls: bool = True) -> None:
        """Check the invariants; where one is broken nothing is tried any more."""
        parts = self.parts
        self._verified_us = parts.clock.elapsed_us()
        names = [rule.name for rule in self.tuner.policy.rules]
        held = parts.board.read(names).held if controls else None
        with parts.store.read() as view:
            self.broken = invariants.check(view, readings=held)
        for one in self.broken:
            _log.error("invariant_broken", name=one.name, detail=one.detail)
        with parts.lease.write() as tx:
            if not self.broken:
                self.lookout.calm(tx, "invariant_broken", "history")
            else:
                text = f"{self.broken[0]}: nothing is changed until it is understood"
                self.lookout.call(tx, "invariant_broken", "history", "crit", text)
        self._freeze()

    def _freeze(self) -> None:
        """Say to the loop why nothing is tried, if so."""
        lookout = self.lookout
        if self.broken:
            lookout.frozen = f"an invariant is broken ({self.broken[0].name}): daemon ctl verify"
        elif self.parts.housework.disk_is_low:
            lookout.frozen = "the disk is nearly full"
        else:
            lookout.frozen = None

    def _went_away(self, error: StoreUnavailable) -> None:
        """Make room, if that is what is missing; what was told may not be on record."""
        self.lookout.forget()
        self._make_room(error)

    def _make_room(self, error: StoreUnavailable) -> None:
        """Give the ballast up for a disk that is full, so that rollbacks still fit."""
        if is_full(error.message) and self.parts.ballast.drop():
            _log.error("ballast_dropped", error=error.message)

    def status(self) -> Mapping[str, Any]:
        """Say how it stands, from memory."""
        parts = self.parts
        return {
            **self._status,
            "epoch": parts.lease.epoch,
            "stale_sources": parts.intake.stale(),
            "disk_free_bytes": parts.housework.free,
            "disk_floor_bytes": parts.housework.floor,
            "violations": len(self.broken),
        }


def _refuse_narrower(loaded: LoadedPolicy, known: Mapping[str, rules.RuleRow]) -> None:
    """Refuse bounds that leave a value outside that is in force."""
    problems = []
    for name, rule in loaded.policy.rules.items():
        row = known.get(name)
        if row is not None and not rule.min <= row.value <= rule.max:
            reason = f"it stands at {row.value:g}, outside of {rule.min:g} to {rule.max:g}"
            hint = f"set it inside first: daemon ctl apply {name}=VALUE --keep"
            problems.append(Problem(reason, str(loaded.path), key=f"rules.{name}", hint=hint))
    if problems:
        raise ConfigError(problems)
