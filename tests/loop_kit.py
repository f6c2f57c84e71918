"""The loop as the service drives it, on a small simulated system: time passes as it is told to."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from daemon.clock import MICROS
from daemon.errors import StoreUnavailable
from daemon.ports import (
    Author,
    Controls,
    ControlsFault,
    ControlsFenced,
    ControlsRefused,
    Held,
    Order,
)
from daemon.services.duties import calendar
from daemon.services.loop.hands import Hands
from daemon.services.loop.orders import Orders
from daemon.services.loop.switchboard import Route, Switchboard
from daemon.services.loop.tuner import Tuner
from daemon.store import alerts, commands, samples
from daemon.store.lease import Lease
from daemon.store.store import Store
from daemon.tuning.windows import BLOCK_US
from tests.recording import FIRST, Governed, adopt, loaded_policy

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from daemon.config.policy_file import LoadedPolicy
    from daemon.services.loop.tuner import Cycle
    from daemon.store.store import Tx

DRY = ("dry_run: false", "dry_run: true")
WRONG = ("direction: { workers: 1 }", "direction: { workers: -1 }")
"""The first step goes the way that makes everything worse."""

TOGETHER = ("strategy: { dry_run: false", "strategy: { dry_run: false, max_concurrent_changes: 2")
NO_WORKERS = (
    ("  workers: { init: 8, min: 2, max: 20, lr: 1 }\n", ""),
    (", direction: { workers: 1 }", ""),
)
NARROW = ("workers: { init: 8, min: 2", "workers: { init: 9, min: 9")
GRACE_S = 1.0
WARM = 36
"""Blocks after which the loop is about to move something, as warmed up as the policy wants."""


@dataclass
class Clock:
    """Passes when told to."""

    wall_us: int = FIRST * BLOCK_US
    boot_us: int = 1_000 * MICROS

    def now_us(self) -> int:
        return self.wall_us

    def elapsed_us(self) -> int:
        return self.boot_us

    def sleep(self, seconds: float) -> None:
        self.wall_us += round(seconds * MICROS)
        self.boot_us += round(seconds * MICROS)


_POLICIES: dict[tuple[tuple[str, str], ...], LoadedPolicy] = {}


def _policy(folder: Path, *changes: tuple[str, str]) -> LoadedPolicy:
    """Load the policy with some of its words replaced, once in a run of the tests."""
    if changes not in _POLICIES:
        _POLICIES[changes] = loaded_policy(folder, *changes)
    return _POLICIES[changes]


class Shaky(Store):
    """The real store, until a test says that it goes away."""

    def __init__(self, base: Store) -> None:
        super().__init__(base.url, base.engines)
        self.writes_left: int | None = None
        """So many more transactions that write until it is away; None: it stays."""
        self.reason = "the database is away"

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Tx]:
        if self.writes_left is not None:
            if not self.writes_left:
                raise StoreUnavailable(self.reason)
            self.writes_left -= 1
        with super().write(durable=durable) as tx:
            yield tx


@dataclass
class Surface:
    """Controls in memory, with what can go wrong with controls."""

    values: dict[str, float] = field(default_factory=dict)
    stamps: dict[str, tuple[float, int | None, int]] = field(default_factory=dict)
    epoch: int = 0
    hold: str | None = None
    fault: str | None = None
    """One of: refuse, lie, torn, deaf (written, and said to have failed), mute (unreadable)."""
    written: list[Order] = field(default_factory=list)
    name: str = "surface"

    def take_over(self, epoch: int) -> None:
        if epoch < self.epoch:
            raise ControlsFenced(f"epoch {self.epoch} leads")
        self.epoch = epoch

    def read(self, rules: Sequence[str]) -> Mapping[str, Held]:
        if self.fault == "mute":
            raise ControlsFault("no answer")
        return {rule: self._held(rule) for rule in rules if rule in self.values}

    def _held(self, rule: str) -> Held:
        value, stamp = self.values[rule], self.stamps.get(rule)
        if stamp is None or stamp[0] != value:
            return Held(value=value)
        return Held(value=value, author=Author.DAEMON, change_id=stamp[1], epoch=stamp[2])

    def write(self, orders: Sequence[Order]) -> None:
        if any(order.epoch < self.epoch for order in orders):
            raise ControlsFenced(f"epoch {self.epoch} leads")
        if self.fault == "refuse":
            raise ControlsRefused("not today")
        if self.fault == "lie":
            return
        for place, order in enumerate(orders):
            if self.fault == "torn" and place:
                raise ControlsFault("broke off in the middle")
            self.values[order.rule] = order.value
            self.stamps[order.rule] = (order.value, order.change_id, order.epoch)
            self.written.append(order)
        if self.fault in {"deaf", "mute"}:
            raise ControlsFault("no answer in time")

    def edit(self, rule: str, value: float) -> None:
        """Set a value as a person does."""
        self.values[rule] = value
        self.stamps.pop(rule, None)

    def held(self) -> str | None:
        return self.hold

    def close(self) -> None:
        pass


@dataclass
class Lookout:
    """Knows the calendar, and of the signals what the test says."""

    clock: Clock
    sick: dict[str, str] = field(default_factory=dict)
    not_live: str | None = None

    def standing(self, tx: Tx, now_us: int) -> tuple[str | None, Mapping[str, str]]:
        bars = calendar.bars(calendar.standing(tx, now_us))
        return bars.held, bars.barred

    def unfit(self, tx: Tx, blocks: object, now_us: int) -> Mapping[str, str]:
        return self.sick

    def may_go_live(self, tx: Tx, digest: str, now_us: int) -> str | None:
        return self.not_live

    def call(self, tx: Tx, kind: str, key: str, severity: str, text: str) -> None:
        at_us = self.clock.now_us()
        told = alerts.NewAlert(at_us=at_us, kind=kind, key=key, severity=severity, text=text)
        alerts.raise_alert(tx, told)

    def calm(self, tx: Tx, kind: str, key: str) -> None:
        alerts.resolve(tx, kind, key, self.clock.now_us())


class Plant:
    """A feed of a system that follows what the controls hold."""

    def __init__(self, surface: Surface, policy, seed: int = 1) -> None:
        self.surface = surface
        init = {rule.name: rule.init for rule in policy.rules}
        self.system = Governed(init, np.random.default_rng(seed))
        self.next = FIRST
        self.silent = False

    def drain(self, tx: Tx, now_us: int, sealed_us: int) -> int:
        batch = []
        while (self.next + 1) * BLOCK_US <= now_us:
            self.system.values |= self.surface.values
            if not self.silent:
                batch += self.system.samples(self.next)
            self.next += 1
        return samples.ingest(tx, batch, now_us, sealed_us).accepted


class Loop:
    """A leader on a store: can be run, crashed, restarted and told things."""

    def __init__(self, store: Store, folder: Path, *changes: tuple[str, str], seed: int = 1):
        self.store = store
        self.clock = Clock()
        self.surface = Surface()
        self.folder = folder
        self.watch = Lookout(self.clock)
        self.loaded = _policy(folder, *changes)
        adopt(store, self.loaded)
        self.boots = 0
        self.lease: Lease | None = None
        self.start()
        self.plant = Plant(self.surface, self.tuner.policy, seed)
        self.tuner.feed = self.plant
        self.cycles: list[Cycle] = []

    def start(self, controls: Controls | None = None) -> None:
        """Begin as a new process does: a new lease, new memory, the same database."""
        self.boots += 1
        if self.lease is not None and self.lease.leads:
            self.lease.release()
        self.lease = Lease(self.store, f"test:{self.boots}", self.clock)
        epoch = self.lease.acquire()
        assert epoch is not None
        board = Switchboard([Route(controls or self.surface)])
        board.take_over(epoch)
        self.hands = Hands(self.lease, self.clock, board, self.watch, "boot")
        feed = getattr(self, "plant", None)
        self.tuner = Tuner(self.hands, feed, self.watch, self.loaded, grace_s=GRACE_S)
        self.orders = Orders(self.hands, self.tuner, self.watch.standing, lambda: "nothing")
        self.orders.begin()

    def run(self, cycles: int) -> list[Cycle]:
        """Let so many blocks pass, a cycle at the end of each."""
        done = []
        for _ in range(cycles):
            self.clock.sleep(5.0)
            self.answer()
            cycle = self.tuner.cycle()
            self.orders.after_cycle()
            if cycle is not None:
                done.append(cycle)
        self.cycles += done
        return done

    def warm(self) -> None:
        """Begin, and let the time pass at once in which the loop would only watch.

        What was measured meanwhile counts as if it had been watched, and a test
        does not wait for three minutes of quiet cycles.
        """
        if not self.cycles:
            self.run(1)
        ahead_us = (FIRST + WARM) * BLOCK_US - self.clock.now_us()
        if ahead_us > 0:
            self.clock.sleep(ahead_us / MICROS)

    def until(self, *kinds: str, limit: int = 200) -> Cycle:
        """Run until a cycle comes to one of these."""
        self.warm()
        for _ in range(limit):
            for cycle in self.run(1):
                if cycle.decision.kind in kinds:
                    return cycle
        raise AssertionError(f"none of {kinds} within {limit} cycles")

    def ask(self, kind: str, /, **args: object) -> int:
        """File a command, as `ctl` does."""
        with self.store.write() as tx:
            key = f"test:{kind}:{self.clock.now_us()}:{len(commands.recent(tx))}"
            wanted = commands.NewCommand(
                key=key, kind=kind, actor="ann", at_us=self.clock.now_us(), args=args
            )
            return commands.file(tx, wanted)

    def have_done(self, kind: str, /, *, cycles: int = 2, **args: object) -> commands.Command:
        """File a command, carry it out, let some cycles pass, and give the answer."""
        command = self.ask(kind, **args)
        self.answer()
        self.run(cycles)
        return self.told(command)

    def govern(self, *changes: tuple[str, str]) -> None:
        """Read the policy again, with some of its words replaced."""
        self.loaded = _policy(self.folder, *changes)
        adopt(self.store, self.loaded)
        self.tuner.govern(self.loaded)

    def states(self) -> list[tuple[str, str]]:
        """Say of every change which rule it is about, and how it stands."""
        return self.sql("SELECT rule, state FROM changes ORDER BY id")

    def alerts(self) -> list[tuple[str, str]]:
        """Name what somebody was called for and that is not over."""
        return self.sql("SELECT kind, key FROM alerts WHERE resolved_at_us IS NULL ORDER BY 1, 2")

    def answer(self) -> None:
        """Carry out what was filed."""
        with self.store.read() as view:
            pending = commands.pending(view)
        self.orders.carry_out(pending)

    def told(self, command: int) -> commands.Command:
        """Read what became of a command."""
        with self.store.read() as view:
            found = commands.get(view, command)
        assert found is not None
        return found

    def sql(self, query: str) -> list[tuple]:
        """Ask the database."""
        with self.store.read() as view:
            return [tuple(row) for row in view.exec_driver_sql(query)]
