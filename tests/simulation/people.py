"""What people and the machine's surroundings do between two cycles of the daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.store import commands
from tests.simulation import ground

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.simulation.world import World

HOUR_S = 3_600
YEAR_S = 365 * 24 * HOUR_S


class People:
    """Operators, with a liking for bad moments."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.filed = 0
        self.killed = False
        """Whether anybody ever pulled the kill switch."""

    def do(self, what: str) -> None:
        """Let something happen, by its name in `faults.WORLD`."""
        getattr(self, f"_{what}")()

    def leave(self) -> None:
        """Take back whatever would keep the daemon from coming to rest."""
        self.world.surface.hold = None
        self.world.clock_is_true()

    def edit(self) -> None:
        """Set a rule by hand, somewhere within reason."""
        random, surface = self.world.random, self.world.surface
        rule = random.choice(list(self.world.loaded.policy.rules))
        limits = self.world.loaded.policy.rules[rule]
        held = surface.values.get(rule)
        near = limits.init if held is None else held.value
        value = random.choice(
            [
                near,
                near + limits.lr,
                near - limits.lr,
                limits.init,
                limits.min,
                limits.max + limits.lr,
                round(random.uniform(limits.min, limits.max), 3),
            ]
        )
        surface.edit(rule, value)
        self.world.oracle.edits.append((rule, value))

    def ask(self, kind: str, args: Mapping[str, Any] | None = None) -> None:
        """File a command."""
        self.filed += 1
        self.killed = self.killed or kind == "kill"
        command = commands.NewCommand(
            key=f"command-{self.filed}",
            kind=kind,
            args=dict(args or {}),
            actor="somebody",
            at_us=self.world.clock.now_us(),
            reason="why not",
        )
        with self.world.base.write() as tx:
            commands.file(tx, command)

    # ── the surface ──────────────────────────────────────────────────────────
    def _human(self) -> None:
        self.edit()

    def _hold(self) -> None:
        surface = self.world.surface
        surface.hold = None if surface.hold else "somebody is at work"

    # ── commands ─────────────────────────────────────────────────────────────
    def _kill(self) -> None:
        if self.world.random.random() < 0.6:
            self.ask("kill", {"leave": self.world.random.random() < 0.4})
        else:
            self.ask("unkill")

    def _freeze(self) -> None:
        random = self.world.random
        rule = random.choice([None, *self.world.loaded.policy.rules])
        kind = random.choice(["pause", "resume", "resume"])
        self.ask(kind, {} if rule is None else {"rule": rule})

    def _adopt(self) -> None:
        for rule in self.world.loaded.policy.rules:
            self.ask("adopt", {"rule": rule})

    def _ask(self) -> None:
        random = self.world.random
        rule = random.choice(list(self.world.loaded.policy.rules))
        limits = self.world.loaded.policy.rules[rule]
        held = self.world.surface.values.get(rule)
        near = limits.init if held is None else held.value
        value = near + random.choice([-2, -1, -0.5, 0.5, 1, 2, 3]) * limits.lr
        self.ask("apply", {"moves": {rule: value}, "keep": random.random() < 0.5})

    def _confirm(self) -> None:
        self._about_open("confirm")

    def _extend(self) -> None:
        self._about_open("extend", seconds=self.world.random.choice([5, 60]))

    def _rollback(self) -> None:
        random = self.world.random
        rule = random.choice(list(self.world.loaded.policy.rules))
        limits = self.world.loaded.policy.rules[rule]
        ways: list[dict[str, Any]] = [
            {"last": True},
            {"all": True},
            {"lkg": True},
            {"rule": rule},
            {"rule": rule, "to": limits.init},
        ]
        self.ask("rollback", random.choice(ways))

    def _about_open(self, kind: str, **more: Any) -> None:
        row = self.world.connection.execute(
            "select id from changes where state = 'observing' order by id desc limit 1"
        ).fetchone()
        if row is not None:
            self.ask(kind, {"change": row[0], **more})

    # ── signals ──────────────────────────────────────────────────────────────
    def _sick(self) -> None:
        self.world.plant.fall_ill()

    def _shift(self) -> None:
        self.world.plant.shift()

    # ── time ─────────────────────────────────────────────────────────────────
    def _clock_forth(self) -> None:
        self.world.clock.step(self.world.random.choice([3, 61, HOUR_S]))

    def _clock_back(self) -> None:
        self.world.clock.step(-self.world.random.choice([3, 61, HOUR_S]))

    def _clock_year(self) -> None:
        self.world.clock.step(self.world.random.choice([-YEAR_S, YEAR_S]))

    def _suspend(self) -> None:
        self.world.clock.sleep(self.world.random.choice([7, 95, 600, HOUR_S]))

    # ── the daemon ───────────────────────────────────────────────────────────
    def _restart(self) -> None:
        self.world.stop()

    def _policy(self) -> None:
        self.world.govern(ground.policy_of(self.world.random.choice(["one", "two", "worse"])))

    def _dry_run(self) -> None:
        dry = self.world.loaded.policy.strategy.dry_run
        self.world.govern(ground.policy_of("one" if dry else "dry"))
