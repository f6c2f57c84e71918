"""A run of the loop as entries of a record, without any database: what pure tests replay."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.tuning import codec
from daemon.tuning.change import Applied, Refused, evolve
from daemon.tuning.decide import decide
from daemon.tuning.explain import sentence
from daemon.tuning.model import Asked, Observation, Policy, Rule, Shift, Target
from daemon.tuning.record import Acted, Begun, Decided, Entry, Found, Past, Remembered, Walk, World
from daemon.tuning.replay import ACTS, as_made, last_of, row, same
from daemon.tuning.vocabulary import DecisionKind
from daemon.tuning.windows import Blocks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from daemon.tuning.model import Decision

FIRST = 1000
SIGNALS = ("errors", "latency")
NOBODY: dict[int, Asked] = {}
"""Nobody asks for anything."""


def a_policy(**changed: Any) -> Policy:
    """Two signals, two rules, short windows."""
    policy = Policy(
        targets=(
            Target(signal="errors", high=0.02, scale=0.02),
            Target(signal="latency", high=100.0, scale=20.0),
        ),
        rules=(
            Rule(name="batch", low=10, high=90, step=5, init=50),
            Rule(name="workers", low=2, high=20, step=1, init=8, direction=1),
        ),
        good={"latency": Shift(fall=-1.0)},
        warn={"errors": Shift(rise=0.01)},
        observe_window_s=60,
        min_samples=12,
        cooldown_s=30,
        settle_s=10,
        warmup_s=180,
        digest="d" * 64,
    )
    return replace(policy, **changed)


@dataclass
class Run:
    """What a run left behind."""

    policy: Policy
    entries: list[Entry]
    mean: np.ndarray
    count: np.ndarray
    state: Any

    @property
    def begun(self) -> Begun:
        return self.entries[0]

    @property
    def end(self) -> int:
        return FIRST + len(self.mean)

    def decided(self, *kinds: str) -> list[Decided]:
        """Decisions on record, of some kinds or all."""
        found = [entry for entry in self.entries if isinstance(entry, Decided)]
        return [entry for entry in found if not kinds or entry.kind in kinds]

    def walk(self, entries: Sequence[Entry] | None = None) -> Walk:
        return Walk(self.begun, iter((entries or self.entries)[1:]))

    def past(self, end: int | None = None) -> Past:
        past = Past(SIGNALS, FIRST)
        rows = (end or self.end) - FIRST
        past.extend(FIRST, self.mean[:rows], self.count[:rows])
        return past

    def altered(self, entry: Entry, **fields: Any) -> list[Entry]:
        """The record with one entry changed."""
        return [replace(one, **fields) if one is entry else one for one in self.entries]


def a_run(
    blocks: int = 300,
    *,
    policy: Policy | None = None,
    dry: bool = False,
    refuse: bool = False,
    asks: Mapping[int, Asked] = NOBODY,
) -> Run:
    """Let the core govern a small system, and record it; people may ask at some cycles."""
    policy = policy or a_policy()
    values = {rule.name: rule.init for rule in policy.rules}
    past = Blocks.empty(SIGNALS, FIRST)
    world = World(rules=dict(values))
    entries: list[Any] = [
        Begun(due=FIRST + 1, first=FIRST, policy=policy, state=None, world=world, dry=dry)
    ]
    rng, noise = np.random.default_rng(4), np.zeros(2)
    last, written, state = None, 0, None
    for block in range(FIRST, FIRST + blocks):
        noise = 0.6 * noise + rng.normal(size=2)
        past = past.extend(block, _shown(values, noise), np.full((1, 2), 5))
        end = block + 1
        asked = asks.get(block - FIRST)
        if (values, asked) != (world.rules, world.asked):
            world = World(rules=dict(values), asked=asked)
            entries.append(Found(due=end, world=world))
        decision, state = decide(
            state, Observation(blocks=past, rules=world.rules, asked=asked), policy
        )
        shown = as_made(decision, dry=dry)
        if same(shown, last):
            entries[written] = replace(entries[written], until=end)
        else:
            last, written = last_of(shown), len(entries)
            entries.append(_decided(shown, end, len(entries), policy))
        if decision.kind in ACTS:
            applied = not (refuse or shown.kind is DecisionKind.PROPOSE)
            if applied:
                values |= {move.rule: move.new for move in decision.moves}
            if shown.kind is not DecisionKind.PROPOSE:
                entries.append(Acted(due=end, block=end, applied=applied))
            state = evolve(state, (Applied if applied else Refused)(end), policy)
    entries.append(Remembered(due=FIRST + blocks, state=codec.dump(state)))
    return Run(policy, entries, past.mean.copy(), past.count.copy(), state)


def _decided(shown: Decision, end: int, seq: int, policy: Policy) -> Decided:
    """A decision as it is on record."""
    return Decided(
        due=end,
        seq=seq,
        kind=str(shown.kind),
        reason=str(shown.reason),
        explanation=sentence(shown, policy),
        row=row(shown),
        last=last_of(shown),
        until=end,
    )


def _shown(values: dict[str, float], noise: np.ndarray) -> np.ndarray:
    """What the signals show at the rules' values."""
    moved = np.array([values["workers"] - 8, (values["batch"] - 50) / 5])
    level = np.array([0.01 + 0.001 * moved[0], 130 - 6 * moved[0] + 2 * moved[1]])
    return (level + noise * [0.0003, 1.0])[None]
