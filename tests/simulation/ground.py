"""Where simulated runs begin: a loop that has been running for a while and is ready to move.

Warming up takes longer than most runs. So it is done once for every policy, and
each run begins with a copy of what was left: database, controls and signals.
"""

from __future__ import annotations

import copy
import sqlite3
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from daemon.config.policy_file import load_policy
from daemon.store import migrate, rules
from daemon.store.store import Store
from daemon.tuning.windows import BLOCK_US
from tests.simulation.plant import Plant, Slope

if TYPE_CHECKING:
    from random import Random

    from daemon.config.policy_file import LoadedPolicy
    from daemon.store.lease import Lease
    from tests.simulation.clock import SimClock
    from tests.simulation.surface import Surface

POLICY = """\
targets:
  latency: {{ max: 100, scale: 20 }}
{more_targets}
rules:
  workers: {{ init: 8, min: 2, max: 20, lr: 1 }}
  batch.size: {{ init: 50, min: 10, max: 90, lr: 5 }}
observe_window_s: 20
min_samples: {samples}
cooldown_s: 60
settle_s: 5
warmup_s: 120
safety:
  good: {{ latency: {{ max: -0.5 }} }}
{more_safety}
strategy:
  dry_run: {dry}
  max_concurrent_changes: {together}
  direction: {{ workers: {way}, batch.size: -1 }}
  max_extensions: 2
"""

GUARDED = {
    "more_targets": "  errors: { max: 0.02, scale: 0.02 }",
    "more_safety": "  warn: { errors: { min: 0.01 } }",
}
ALONE = {"more_targets": "", "more_safety": ""}

VARIANTS = {
    "one": {"dry": "false", "together": 1, "way": 1, "samples": 4, **ALONE},
    "two": {"dry": "false", "together": 2, "way": 1, "samples": 4, **ALONE},
    "worse": {"dry": "false", "together": 1, "way": -1, "samples": 4, **GUARDED},
    "dry": {"dry": "true", "together": 1, "way": 1, "samples": 4, **ALONE},
}
"""Policies that runs go by: one rule at a time or two, first the right way or the wrong one."""

BEGIN_US = 1_770_000_000_000_000 // BLOCK_US // 720 * 720 * BLOCK_US + 1_500_000
"""A whole hour, and a moment for the last samples to come in."""


WARM = 23
"""Cycles until a loop with these policies is about to propose something."""


@dataclass
class Ground:
    """What a run begins with."""

    variant: str
    loaded: LoadedPolicy
    database: sqlite3.Connection
    clock: SimClock
    plant: Plant
    surface: Surface

    def copied(self) -> tuple[SimClock, Plant, Surface]:
        """Give everything but the database, to be changed at will."""
        return copy.copy(self.clock), self.plant.copied(), self.surface.copied()


def a_plant(random: Random) -> Plant:
    """A system in which more workers and smaller batches help, more or less."""
    return Plant(
        random,
        {
            "latency": Slope(128.0, {"workers": -5.0, "batch.size": 0.3}, 1.0),
            "errors": Slope(0.012, {"workers": 0.0006}, 0.0003),
        },
        {"workers": 8.0, "batch.size": 50.0},
    )


@cache
def policy_of(variant: str) -> LoadedPolicy:
    """Load a policy as a file of it would be loaded."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{variant}.yaml"
        path.write_text(POLICY.format(**VARIANTS[variant]))
        return load_policy(path)


def adopt(store: Store | Lease, loaded: LoadedPolicy, at_us: int) -> None:
    """Put a policy in force in the database."""
    limits = [
        rules.RuleLimits(
            name=name, init=rule.init, min_value=rule.min, max_value=rule.max, step=rule.lr
        )
        for name, rule in loaded.policy.rules.items()
    ]
    put = rules.Policy(digest=loaded.digest, body=loaded.body, source=str(loaded.path.name))
    with store.write() as tx:
        rules.adopt_policy(tx, put, limits, at_us)


@cache
def engines_of() -> Store:
    """Open the one database of this process: every run begins by writing a ground over it."""
    return Store.open("sqlite:///:memory:")


def lay(database: sqlite3.Connection) -> None:
    """Write a database over that of this process."""
    with engines_of().engines.writer.connect() as connection:
        connection.rollback()
        database.backup(connection.connection.driver_connection)


def lift() -> sqlite3.Connection:
    """Copy the database of this process."""
    copied = sqlite3.connect(":memory:", check_same_thread=False)
    with engines_of().engines.writer.connect() as connection:
        connection.rollback()
        connection.connection.driver_connection.backup(copied)
    return copied


@cache
def bare() -> sqlite3.Connection:
    """A database with tables and nothing in them."""
    with Store.open("sqlite:///:memory:") as store:
        migrate.upgrade(store)
        copied = sqlite3.connect(":memory:", check_same_thread=False)
        with store.engines.writer.connect() as connection:
            connection.rollback()
            connection.connection.driver_connection.backup(copied)
    return copied
