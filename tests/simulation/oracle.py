"""What the simulated world knows and the daemon does not: the truth to hold its record against.

The record alone cannot tell everything. That a person moved a rule is on record
if the daemon says so; whether any person did, only the world knows. And what a
control is set to must have been announced in a transaction that was committed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from daemon.clock import MICROS
from daemon.services.invariants import SLACK_S, check
from daemon.services.loop.journal import Stamp
from daemon.store import invariants
from tests.simulation import faults

if TYPE_CHECKING:
    from daemon.ports import Order
    from tests.simulation.process import Process
    from tests.simulation.world import World

TAIL = 40
"""Rows of each stream that are looked at after a fault; all of them at the end."""

SAME = 1e-9


_PLACES = """
select 'event', max(0, max(seq) - :tail) from change_events
union all select 'decision', max(0, max(seq) - :tail) from decisions
union all select 'entry', max(0, max(seq) - :tail) from rule_history
union all select 'note', max(0, max(seq) - :tail) from events
union all select 'change', max(0, max(id) - :tail / 4) from changes
"""
_QUERIES = {
    name: invariants.load(name).replace("@each", "json_each")
    for name in invariants.names()
    if not invariants.needs_now(name)
}


class Violation(AssertionError):  # noqa: N818 - what it is, and what the suite counts
    """Something happened that must never happen."""


@dataclass
class Oracle:
    """Watches every value that is set, and compares what is on record with what was."""

    world: World
    edits: list[tuple[str, float]] = field(default_factory=list)
    """What people set, and to what."""
    checks: int = 0
    _persons: int = 0
    """Up to which row of the history of rules every edit was accounted for."""
    _inconsistent: int = 0

    # ── as it happens ────────────────────────────────────────────────────────
    def written(self, process: Process, order: Order) -> None:
        """A value is about to be set: its intent is on record, and nothing stands against it."""
        connection = self.world.connection
        if connection.in_transaction:
            self.fail("written_ahead", f"{order} was set inside of a transaction")
        if order.epoch != process.lease.epoch:
            self.fail("own_epoch", f"{order} was set by {process.lease.epoch}")
        if order.change_id is None:
            self._restored(order)
            return
        row = connection.execute(
            "select c.state, c.old, c.new, c.epoch, d.mode, d.kind, d.reason from changes c"
            " left join decisions d on d.seq = c.decision_seq where c.id = ?",
            (order.change_id,),
        ).fetchone()
        if row is None:
            self.fail("written_ahead", f"{order} was set for a change that is not on record")
        state, old, new, epoch, mode, kind, reason = row
        wanted = {"applying": new, "rolling_back": old, "stuck": old}.get(state)
        if wanted is None or wanted != order.value:
            told = f"{old} -> {new} in state {state}"
            self.fail("written_ahead", f"{order} was set, on record is {told}")
        if state == "applying" and epoch != order.epoch:
            self.fail("stale", f"{order} was decided by the leader {epoch}, who is gone")
        if state == "applying" and kind != "command":
            if process.held is not None:
                self.fail("held", f"{order} was set although {process.held}")
            if mode == "dry_run" and reason != "asked":
                self.fail("dry_run", f"{order} was set in a dry run")

    def _restored(self, order: Order) -> None:
        held = self.world.surface.values.get(order.rule)
        if held is not None:
            self.fail("overruled", f"{order} was set without a change over {held}")
        query = "select value from rules where name = ?"
        row = self.world.connection.execute(query, (order.rule,)).fetchone()
        if row is None or row[0] != order.value:
            self.fail("restored", f"{order} was set without a change, on record is {row}")

    # ── between cycles ───────────────────────────────────────────────────────
    def look(self) -> None:
        """Check every invariant of the newest rows, and the record against the truth.

        The queries are the daemon's own, past the layer that would translate them:
        they run after every fault. Hashes stay as they were written, and are
        looked at once, at the end.
        """
        self.checks += 1
        query = self.world.connection.execute
        given = dict(query(_PLACES, {"tail": TAIL}).fetchall())
        given |= {"slack_us": round(SLACK_S * MICROS)}
        for name, statement in _QUERIES.items():
            found = query(statement, given)
            row = found.fetchone()
            if row is not None:
                told = dict(zip((column[0] for column in found.description), row, strict=True))
                self.fail(name, str(told))
        self._truth()

    def look_at_all(self) -> None:
        """Check everything, as `daemon ctl verify` does."""
        self.checks += 1
        clock = self.world.clock
        now = Stamp(clock.now_us(), clock.boot_id, clock.elapsed_us())
        with self.world.base.read() as view:
            for broken in check(view, full=True, now=now):
                self.fail(broken.name, str(broken))
        self._truth()

    def _truth(self) -> None:
        self._persons_were_there()
        self._commands_once()
        self._nothing_inconsistent()

    def _persons_were_there(self) -> None:
        rows = self.world.connection.execute(
            "select seq, rule, new from rule_history where seq > ? and actor = 'person'",
            (self._persons,),
        ).fetchall()
        for seq, rule, value in rows:
            if not any(rule == one and _same(value, to) for one, to in self.edits):
                self.fail("blamed", f"row {seq}: nobody set {rule} to {value}")
            self._persons = seq

    def _commands_once(self) -> None:
        """What a person asked for is done once, or not at all."""
        asked, done = self.world.connection.execute(
            "select (select count(*) from commands where kind = 'apply'),"
            " (select count(*) from decisions where kind = 'command' and reason = 'apply')"
        ).fetchone()
        if done > asked:
            self.fail(
                "once", f"{asked} times somebody asked for values, {done} times they were set"
            )

    def _nothing_inconsistent(self) -> None:
        """Only an order that lands after it was given up may leave a value that nobody explains."""
        if self.world.injected[faults.LATE]:
            return
        rows = self.world.connection.execute(
            "select seq, ref, body from events where seq > ? and kind = 'inconsistent'",
            (self._inconsistent,),
        ).fetchall()
        for seq, rule, body in rows:
            self.fail("inconsistent", f"event {seq}: {rule} {body}")

    # ── at the end ───────────────────────────────────────────────────────────
    def newest(self) -> int:
        """Give the newest change that there is."""
        return int(self.world.connection.execute("select max(id) from changes").fetchone()[0] or 0)

    def open_up_to(self, newest: int) -> list[Any]:
        """Give the changes that are open, of those that there were when the faults ended."""
        return self.world.connection.execute(
            "select id, rule, state from changes where id <= ? and"
            " state in ('proposed', 'applying', 'observing', 'rolling_back', 'stuck')",
            (newest,),
        ).fetchall()

    def longer(self, newest: int) -> int:
        """Give the cycles by which people want open changes to be observed longer."""
        found = [change for change, *_ in self.open_up_to(newest)]
        asked = self.world.connection.execute(
            "select sum(json_extract(args, '$.seconds')) from commands where kind = 'extend' and"
            " json_extract(args, '$.change') in (select value from json_each(?))",
            (str(found),),
        ).fetchone()[0]
        return -(-int(asked or 0) // 5)

    def settled(self, newest: int) -> None:
        """Nothing that was open when the faults ended is open now, and the controls are as told."""
        rows = self.open_up_to(newest)
        if rows:
            self.fail("liveness", f"still open long after the last fault: {rows}")
        self._controls_as_told()

    def _controls_as_told(self) -> None:
        """The controls hold what the record says, whoever set it there."""
        for told in self.untold():
            self.fail("controls", told)

    def untold(self) -> list[str]:
        """Name what the controls hold and the record does not say."""
        if self.world.injected[faults.LATE]:
            return []
        held = self.world.surface.plain()
        rows = self.world.connection.execute(
            "select name, value from rules r where retired_at_us is null and not exists (select 1"
            " from changes c where c.rule = r.name and c.state in ('applying', 'rolling_back'))"
        )
        return [
            f"{rule} is {held[rule]}, on record is {value}"
            for rule, value in rows
            if rule in held and not _same(held[rule], value)
        ]

    def fail(self, name: str, what: str) -> Any:
        """Say what was violated, and how to see it again."""
        raise Violation(f"{name}: {what}\n  {self.world.story()}")


def _same(one: float, other: float) -> bool:
    return abs(one - other) <= SAME * max(abs(one), abs(other))
