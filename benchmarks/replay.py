"""How long a recorded month takes to be run again.

    python benchmarks/replay.py --quick        a day
    python benchmarks/replay.py                thirty days: 51.8 million samples, 518,400 cycles

The run is recorded first, by the core itself on a simulated system of four
signals at 5 Hz, many cycles to a transaction; that takes longer than the replay
and is not measured. Then the same policy must give the same decisions, and
another one is asked what it would have done otherwise.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from measure import Goal, Table, report, say
from store_lake import SqliteLake, filling

from daemon.config.policy_file import load_policy
from daemon.config.tuning_policy import as_policy
from daemon.services.loop.journal import Journal
from daemon.services.replay import replaying
from daemon.store import rules, samples
from daemon.store.store import Store
from daemon.tuning.block import BLOCK_US
from daemon.tuning.change import Applied, evolve
from daemon.tuning.decide import decide
from daemon.tuning.model import Observation
from daemon.tuning.replay import ACTS
from daemon.tuning.windows import Blocks, summarise

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from daemon.config.policy_file import LoadedPolicy
    from daemon.store.store import Tx
    from daemon.tuning.model import Decision, Policy
    from daemon.tuning.state import State

    Floats = NDArray[np.float64]

DAY = 17_280
HOUR = 720
MONTH = 30
PER_BLOCK = 25
START = 1_750_000_000_000_000 // BLOCK_US // DAY * DAY
GOAL = Goal(120)
"""Seconds for thirty days."""

LEVELS = {"phase_diff": 0.07, "creative_band": 0.21, "risk_band": 0.34, "entropy_rate": 0.26}
SIZES = {"phase_diff": 0.01, "creative_band": 0.012, "risk_band": 0.02, "entropy_rate": 0.015}
POLICY = Path(__file__).parent.parent / "configs" / "self_tuning.yaml"


class System:
    """Four signals that follow two rules, drift with the day, and are noisy."""

    def __init__(self, policy: Policy, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._rules = policy.rules
        signals = policy.signals()
        self._level = np.array([LEVELS[signal] for signal in signals])
        self._size = np.array([SIZES[signal] for signal in signals])
        self._effect = 0.3 * self._size * self._rng.normal(size=(len(policy.rules), len(signals)))
        self.values = {rule.name: rule.init for rule in policy.rules}

    def hour(self, first: int) -> Floats:
        """Draw the noise of an hour, (blocks, samples, signals)."""
        noise = self._rng.normal(size=(HOUR, PER_BLOCK, len(self._size)))
        slow = self._rng.normal(size=(HOUR, 1, len(self._size))).cumsum(axis=0) * 0.02
        daily = np.sin(2 * np.pi * (first + np.arange(HOUR)) / DAY)[:, None, None]
        drawn: Floats = self._level + self._size * (noise + slow + 0.3 * daily)
        return drawn

    def now(self, noise: Floats) -> Floats:
        """Give the samples of a block at the rules' values."""
        steps = np.array([(self.values[rule.name] - rule.init) / rule.step for rule in self._rules])
        shown: Floats = noise + steps @ self._effect
        return shown


class Recorder:
    """The loop on a system, recorded."""

    def __init__(self, loaded: LoadedPolicy, seed: int = 1) -> None:
        self.loaded = loaded
        self.policy = as_policy(loaded)
        self.system = System(self.policy, seed)
        self.journal = Journal(self.policy)
        self.blocks = Blocks.empty(self.policy.signals(), START)
        self.state: State | None = None
        self.acts = 0

    def adopt(self, tx: Tx) -> None:
        """Put the policy in force."""
        limits = [
            rules.RuleLimits(
                name=name, init=rule.init, min_value=rule.min, max_value=rule.max, step=rule.lr
            )
            for name, rule in self.loaded.policy.rules.items()
        ]
        body = rules.Policy(digest=self.loaded.digest, body=self.loaded.body)
        rules.adopt_policy(tx, body, limits, START * BLOCK_US)
        samples.declare(tx, self.policy.signals(), START * BLOCK_US)

    def hour(self, tx: Tx) -> None:
        """Record an hour."""
        noise = self.system.hour(self.blocks.end)
        rows: dict[str, list[tuple[str, int, float]]] = {name: [] for name in self.blocks.signals}
        for block in noise:
            self._cycle(tx, self.system.now(block), rows)
        for name in sorted(rows):
            end_us = self.blocks.end * BLOCK_US
            samples.ingest(tx, rows[name], end_us)

    def _cycle(self, tx: Tx, values: Floats, rows: dict[str, list[Any]]) -> None:
        first = self.blocks.end
        at_us = first * BLOCK_US + np.arange(PER_BLOCK, dtype=np.int64) * (BLOCK_US // PER_BLOCK)
        columns = []
        for index, name in enumerate(self.blocks.signals):
            column = np.ascontiguousarray(values[:, index])
            rows[name] += zip([name] * PER_BLOCK, at_us.tolist(), column.tolist(), strict=True)
            columns.append(summarise(at_us, column, first, 1))
        mean, count = (np.stack(part, 1) for part in zip(*columns, strict=True))
        self.blocks = self.blocks.extend(first, mean, count)
        self._decide(tx)

    def _decide(self, tx: Tx) -> None:
        seen = Observation(blocks=self.blocks, rules=dict(self.system.values))
        if self.state is None:
            self.journal.begin(tx, seen, None)
        decision, self.state = decide(self.state, seen, self.policy)
        self.journal.decided(tx, seen, decision)
        if decision.kind in ACTS:
            self._act(tx, decision, self.state)
        self.journal.remember(tx, self.state)

    def _act(self, tx: Tx, decision: Decision, state: State) -> None:
        self.system.values |= {move.rule: move.new for move in decision.moves}
        event = Applied(self.blocks.end)
        self.journal.acted(tx, event)
        self.state = evolve(state, event, self.policy)
        self.acts += 1


@dataclass(frozen=True)
class Wish:
    """What was asked for on the command line."""

    days: int
    quick: bool
    keep: Path | None
    json: Path | None
    strict: bool


def parse(arguments: list[str]) -> Wish:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--days", type=int, default=MONTH, help="how long the recorded run is (default: 30)")
    add("--quick", action="store_true", help="one day")
    add("--keep", type=Path, metavar="FOLDER", help="keep the database here")
    add("--json", type=Path, metavar="FILE", help="write the table to a file, too")
    add("--strict", action="store_true", help="exit with 1 when a goal is missed")
    wish = Wish(**vars(parser.parse_args(arguments)))
    return replace(wish, days=1) if wish.quick else wish


def record(url: str, loaded: LoadedPolicy, days: int) -> Recorder:
    """Record a run."""
    recorder = Recorder(loaded)
    with filling(url) as store:
        with store.write() as tx:
            recorder.adopt(tx)
        for hour in range(24 * days):
            with store.write() as tx:
                recorder.hour(tx)
            if hour % 24 == 0:
                say(f"recording: day {hour // 24 + 1} of {days}")
    return recorder


def measure(url: str, loaded: LoadedPolicy, days: int, changes: int) -> Table:
    """Run it again, with the same policy and with another."""
    table = Table(
        f"A recorded run of {days} days run again: 4 signals at 5 Hz, {changes:,} changes, SQLite",
        ("policy", "cycles", "wall s", "CPU s", "us a cycle", f"s for {MONTH} days"),
        notes=("Reading 100 samples a cycle and making blocks of them is part of it.",),
    )
    other = _bolder(loaded)
    for name, policy in (("the same", None), ("another", other)):
        with Store.open(url) as store, replaying(store, policy, lambda: loaded) as run:
            wall, cpu = time.perf_counter(), time.process_time()
            found = run.report()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        if found.difference is not None:
            raise RuntimeError(f"the same policy decided otherwise: {found.difference}")
        figure = MONTH / days * wall
        each = 1e6 * wall / max(found.cycles, 1)
        table.add(name, found.cycles, wall, cpu, each, figure=figure, goal=GOAL)
    return table


def _bolder(loaded: LoadedPolicy) -> LoadedPolicy:
    strategy = loaded.policy.strategy.model_copy(update={"confidence": 0.9, "min_gain": 0.001})
    policy = loaded.policy.model_copy(update={"strategy": strategy})
    return replace(loaded, policy=policy, digest="0" * 64)


def tables(wish: Wish) -> Iterator[Table]:
    """Record and measure."""
    loaded = load_policy(POLICY)
    with tempfile.TemporaryDirectory() as folder:
        url = SqliteLake(wish.keep or Path(folder)).empty()
        recorder = record(url, loaded, wish.days)
        yield measure(url, loaded, wish.days, recorder.acts)


def main(arguments: list[str]) -> int:
    """Measure, print, and say whether the goal is met."""
    wish = parse(arguments)
    met = report(tables(wish), wish.json)
    return 1 if wish.strict and not met else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
