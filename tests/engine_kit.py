"""A leader's work put together from real parts, on a source and controls that a test holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from daemon.clock import MICROS
from daemon.config.policy_file import load_policy
from daemon.config.settings import Settings
from daemon.ports import Declared, Polled, Reading, SourceFault
from daemon.services.duties.children import Children, Launch
from daemon.services.duties.chores import Chores
from daemon.services.duties.housework import Housework
from daemon.services.living.ballast import Ballast
from daemon.services.living.engine import Engine, Parts
from daemon.services.living.metrics import Meters
from daemon.services.loop.switchboard import Route, Switchboard
from daemon.services.watching.alerting import Alerting
from daemon.services.watching.fitness import traits
from daemon.services.watching.intake import Intake
from daemon.store import calibrations, commands
from daemon.store.lease import Lease
from daemon.tuning.windows import BLOCK_US
from tests.loop_kit import Clock, Shaky, Surface
from tests.recording import FIRST, Governed, write_policy

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from daemon.config.policy_file import LoadedPolicy
    from daemon.ports import Mark
    from daemon.store.store import Store

SETTINGS = Settings.model_validate(
    {
        "signals": {"latency": {"unit": "ms"}, "errors": {}},
        "sources": {"plant": {"kind": "push", "signals": {"latency": None, "errors": None}}},
    }
)
PLENTY = 10**12
WARM_S = 185.0
"""Seconds after which the loop is about to move something."""


@dataclass
class Outlet:
    """A source of a system that follows what the controls hold; it can be read again."""

    surface: Surface
    system: Governed
    clock: Clock
    name: str = "plant"
    period_s: float = 1.0
    next: int = FIRST
    fault: str | None = None
    page: int = 10_000
    """So many blocks are given at once."""
    closed: bool = False
    resumed: list[Mark | None] = field(default_factory=list)

    def signals(self) -> Mapping[str, Declared]:
        return {name: Declared(period_s=1.0) for name in ("latency", "errors")}

    def resume(self, mark: Mark | None) -> None:
        self.resumed.append(mark)
        if mark is not None:
            self.next = mark["next"]

    def poll(self) -> Polled:
        if self.fault is not None:
            raise SourceFault(self.fault)
        end = min(self.clock.now_us() // BLOCK_US, self.next + self.page)
        batch = []
        for block in range(self.next, end):
            self.system.values |= self.surface.values
            batch += [Reading(*sample) for sample in self.system.samples(block)]
        self.next = max(self.next, end)
        more = self.next < self.clock.now_us() // BLOCK_US
        return Polled(readings=batch, mark={"next": self.next}, more=more)

    def close(self) -> None:
        self.closed = True


class Station:
    """A database, a policy file, controls and a source; a leader as long as a test wants one."""

    def __init__(self, base: Store, folder: Path, *changes: tuple[str, str]) -> None:
        self.store = Shaky(base)
        self.folder = folder
        self.clock = Clock()
        self.surface = Surface()
        init = {"workers": 8.0, "batch": 50.0}
        self.system = Governed(init, np.random.default_rng(1))
        self.free: int | None = PLENTY
        self.ballast = Ballast(None)
        self.starts = 0
        self.write_policy(*changes)
        self.build()

    # ── the policy ───────────────────────────────────────────────────────────
    def write_policy(self, *changes: tuple[str, str]) -> None:
        """Write the policy file anew, with some words replaced."""
        self.path = write_policy(self.folder, "policy.yaml", *changes)

    def policy(self) -> LoadedPolicy:
        """Read the policy file."""
        return load_policy(self.path)

    def calibrate(self) -> None:
        """Find nothing against the policy: it may go live."""
        now_us = self.clock.now_us()
        with self.store.write() as tx:
            found = calibrations.Calibration(
                at_us=now_us,
                policy=self.policy().meaning,
                outcome="green",
                from_us=0,
                to_us=now_us,
                quiet_s=3600.0,
                placebos=100,
                false_keep=0.0,
                false_worse=0.0,
                reasons=[],
                warnings=[],
                signals=[],
            )
            calibrations.record(tx, found)

    # ── the life ─────────────────────────────────────────────────────────────
    def build(self) -> None:
        """Put a leader together, as a new process does."""
        self.starts += 1
        store, clock = self.store, self.clock
        self.lease = Lease(store, f"station:{self.starts}", clock)
        while self.lease.acquire() is None:
            clock.sleep(1.0)
        self.source = Outlet(self.surface, self.system, clock)
        self.intake = Intake([self.source], clock, threads=False)
        self.alerting = Alerting(store, clock, [], lambda: 0.5)
        self.housework = Housework(self.lease, clock, self.alerting, SETTINGS, lambda: self.free)
        self.meters = Meters(clock)
        self.engine = Engine(
            Parts(
                store=store,
                lease=self.lease,
                clock=clock,
                board=Switchboard([Route(self.surface)]),
                intake=self.intake,
                traits=traits(SETTINGS),
                alerting=self.alerting,
                housework=self.housework,
                chores=Chores(self.housework.chores(), self.lease, clock, self.alerting),
                children=Children([], Launch(argv=()), self.lease, clock, self.alerting),
                meters=self.meters,
                policy=self.policy,
                signals=SETTINGS.signals,
                ballast=self.ballast,
                boot_id="boot",
            )
        )

    def again(self, *, killed: bool = False) -> None:
        """End, in order or not, and start a new leader."""
        if not killed:
            self.engine.stop()
            self.lease.release()
        self.build()
        self.engine.start()

    def go(self, seconds: float, step_s: float = 1.0) -> None:
        """Let time pass as the lifecycle does: a look now and then, a cycle whenever one is due."""
        until_us = self.clock.elapsed_us() + round(seconds * MICROS)
        while self.clock.elapsed_us() < until_us:
            self.clock.sleep(step_s)
            self.engine.between()
            if self.engine.due_us() <= self.clock.elapsed_us():
                self.engine.cycle()

    def warm(self) -> None:
        """Start, and let so much time pass at once that the loop has seen enough."""
        self.engine.start()
        self.clock.sleep(WARM_S)

    def until(self, state: str, seconds: float = 200.0) -> None:
        """Let time pass until a change stands so."""
        for _ in range(round(seconds / 5)):
            self.go(5.0, 5.0)
            if any(one == state for _, one in self.states()):
                return
        raise AssertionError(f"no change is {state} after {seconds:g} s: {self.states()}")

    # ── what came of it ──────────────────────────────────────────────────────
    def ask(self, kind: str, /, **args: object) -> int:
        """File a command, as `ctl` does."""
        now_us = self.clock.now_us()
        with self.store.write() as tx:
            key = f"{kind}:{now_us}:{len(commands.recent(tx))}"
            asked = commands.NewCommand(key=key, kind=kind, actor="ann", at_us=now_us, args=args)
            return commands.file(tx, asked)

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

    def states(self) -> list[tuple[str, str]]:
        """Say of every change which rule it is about, and how it stands."""
        return self.sql("SELECT rule, state FROM changes ORDER BY id")

    def alerts(self) -> list[tuple[str, str]]:
        """Name what somebody was called for and that is not over."""
        return self.sql("SELECT kind, key FROM alerts WHERE resolved_at_us IS NULL ORDER BY 1, 2")

    def shows(self, line: str) -> bool:
        """Tell whether the metrics have such a line."""
        return line in self.meters.render().decode().splitlines()
