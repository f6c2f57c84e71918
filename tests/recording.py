"""A run of the loop on a simulated system, recorded as the service records one.

The system is as small as can be: signals follow the rules at once, under noise
that remembers. What counts is that everything goes through the real core, the
real journal and the real store, cycle by cycle.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from daemon.config.policy_file import load_policy
from daemon.config.tuning_policy import as_policy
from daemon.services.loop.journal import Journal
from daemon.store import rules, samples
from daemon.tuning import codec
from daemon.tuning.change import Applied, Refused, evolve
from daemon.tuning.decide import decide
from daemon.tuning.model import Observation
from daemon.tuning.replay import ACTS, as_made
from daemon.tuning.vocabulary import DecisionKind, Mode
from daemon.tuning.windows import BLOCK_US, KEEP, Blocks, summarise

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.config.policy_file import LoadedPolicy
    from daemon.store.store import Store
    from daemon.tuning.model import Asked, Policy
    from daemon.tuning.state import State

FIRST = 1_770_000_000_000_000 // BLOCK_US // 720 * 720
"""The first block: a whole hour."""

POLICY = """\
targets:
  latency: { max: 100, scale: 20 }
  errors: { max: 0.02, scale: 0.02 }
rules:
  workers: { init: 8, min: 2, max: 20, lr: 1 }
  batch: { init: 50, min: 10, max: 90, lr: 5 }
observe_window_s: 60
min_samples: 12
cooldown_s: 30
settle_s: 10
warmup_s: 180
safety:
  good: { latency: { max: -1 } }
  warn: { errors: { min: 0.01 } }
strategy: { dry_run: false, direction: { workers: 1 } }
"""

PER_BLOCK = 5
"""Samples of a block: one a second."""


@dataclass
class Governed:
    """A system with two rules and two signals."""

    values: dict[str, float]
    rng: np.random.Generator
    noise: np.ndarray = field(default_factory=lambda: np.zeros(2))

    def samples(self, block: int) -> list[tuple[str, int, float]]:
        """Give the samples of five seconds."""
        workers, batch = self.values["workers"] - 8, (self.values["batch"] - 50) / 5
        level = (130 - 6 * workers + 2 * batch, 0.01 + 0.001 * workers)
        batch_of = []
        for n in range(PER_BLOCK):
            self.noise = 0.7 * self.noise + self.rng.normal(size=2)
            at_us = block * BLOCK_US + n * BLOCK_US // PER_BLOCK
            batch_of.append(("latency", at_us, float(level[0] + 2 * self.noise[0])))
            batch_of.append(("errors", at_us, float(level[1] + 0.0005 * self.noise[1])))
        return batch_of


class Recording:
    """Runs the loop and records it; can be stopped, restarted, stalled, edited, held and asked."""

    def __init__(
        self, store: Store, loaded: LoadedPolicy, *, mode: Mode = Mode.LIVE, seed: int = 1
    ):
        self.store = store
        self.policy: Policy = as_policy(loaded)
        self.mode = mode
        self.system = Governed(
            {rule.name: rule.init for rule in self.policy.rules}, np.random.default_rng(seed)
        )
        self.block = FIRST
        self.state: State | None = None
        self.blocks = Blocks.empty(self.policy.signals(), FIRST)
        self.journal = Journal(self.policy, mode=mode)
        self.begun = False
        self.held: str | None = None
        self.asked: Asked | None = None
        self.refuse = False
        """Whether the controls cannot be written."""
        self.kinds: list[str] = []
        adopt(store, loaded)

    def run(self, cycles: int) -> None:
        """Let so many blocks pass, a cycle at the end of each."""
        for _ in range(cycles):
            self._cycle()

    def ask(self, asked: Asked) -> str:
        """Let a block pass, a person's word at its end; tell what kind of decision came of it."""
        self.asked = asked
        self._cycle()
        self.asked = None
        return self.kinds[-1]

    def stall(self, blocks: int) -> None:
        """Let blocks pass without a cycle; their samples come all the same."""
        for _ in range(blocks):
            with self.store.write() as tx:
                self._sample(tx)

    def restart(self, *, remember: bool = True) -> None:
        """Stop and start again: memory from the database, blocks from the samples."""
        if remember and self.state is not None:
            with self.store.write() as tx:
                self.journal.remember(tx, self.state, stop=True)
        self.state = codec.load(codec.dump(self.state))
        kept = self.blocks.last(KEEP)
        self.blocks = Blocks.empty(kept.signals, kept.first).extend(
            kept.first, kept.mean.copy(), kept.count.copy()
        )
        self.journal, self.begun = Journal(self.policy, mode=self.mode), False

    def stop(self) -> None:
        """Write down the memory, as a service that ends does."""
        assert self.state is not None
        with self.store.write() as tx:
            self.journal.remember(tx, self.state, stop=True)

    def switch(self, loaded: LoadedPolicy) -> None:
        """Go on with another policy."""
        assert self.state is not None
        adopt(self.store, loaded)
        self.policy = as_policy(loaded)
        with self.store.write() as tx:
            self.journal.switch(tx, self.state, self.policy)

    def _sample(self, tx) -> None:
        batch = self.system.samples(self.block)
        samples.ingest(tx, batch, (self.block + 1) * BLOCK_US)
        columns = []
        for signal in self.blocks.signals:
            rows = [(at_us, value) for name, at_us, value in batch if name == signal]
            at_us = np.array([at for at, _ in rows])
            values = np.array([value for _, value in rows])
            columns.append(summarise(at_us, values, self.block, 1))
        mean, count = (np.stack(part, 1) for part in zip(*columns, strict=True))
        self.blocks = self.blocks.extend(self.block, mean, count)
        self.block += 1

    def _cycle(self) -> None:
        with self.store.write() as tx:
            self._sample(tx)
            seen = Observation(
                blocks=self.blocks,
                rules=dict(self.system.values),
                held=self.held,
                asked=self.asked,
            )
            if not self.begun:
                self.journal.begin(tx, seen, self.state)
                self.begun = True
            decision, self.state = decide(self.state, seen, self.policy)
            self.journal.decided(tx, seen, decision)
        self.kinds.append(decision.kind)
        if decision.kind in ACTS:
            made = as_made(decision, dry=self.mode is Mode.DRY_RUN)
            refused = self.refuse or made.kind is DecisionKind.PROPOSE
            if not refused:
                self.system.values |= {move.rule: move.new for move in decision.moves}
            event = (Refused if refused else Applied)(self.block)
            with self.store.write() as tx:
                self.journal.acted(tx, event)
            self.state = evolve(self.state, event, self.policy)
        with self.store.write() as tx:
            self.journal.remember(tx, self.state)


def adopt(store: Store, loaded: LoadedPolicy) -> None:
    """Put a policy in force, as `daemon db import-legacy` and the service do."""
    limits = [
        rules.RuleLimits(
            name=name, init=rule.init, min_value=rule.min, max_value=rule.max, step=rule.lr
        )
        for name, rule in loaded.policy.rules.items()
    ]
    put = rules.Policy(digest=loaded.digest, body=loaded.body, source=str(loaded.path))
    with store.write() as tx:
        rules.adopt_policy(tx, put, limits, FIRST * BLOCK_US)


def write_policy(folder: Path, name: str = "policy.yaml", *changes: tuple[str, str]) -> Path:
    """Write the policy file, with some words replaced."""
    text = POLICY
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = folder / name
    path.write_text(text)
    return path


def loaded_policy(folder: Path, *changes: tuple[str, str]) -> LoadedPolicy:
    """Load the policy, with some words replaced."""
    return replace(load_policy(write_policy(folder, "loaded.yaml", *changes)))
