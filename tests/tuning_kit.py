"""What tests of the decision core are built from: policies, pasts, states, a system to tune.

Everything is small and quick: blocks of five seconds, windows of half a minute.
States are made by the functions that the core itself makes them with, so that a
test of one phase starts from a state that the core could be in.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from daemon.tuning import change, codec, effects
from daemon.tuning.decide import decide
from daemon.tuning.model import (
    BLOCK_S,
    Judgement,
    Move,
    Observation,
    Policy,
    Rule,
    Shift,
    Target,
)
from daemon.tuning.null import Noise, Process
from daemon.tuning.objective import frame_of
from daemon.tuning.propose import key_of
from daemon.tuning.reasons import Reason
from daemon.tuning.state import Phase, State, Trial
from daemon.tuning.vocabulary import DecisionKind, Verdict
from daemon.tuning.windows import Blocks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.tuning.model import Decision
    from daemon.tuning.state import Memory

PER_BLOCK = 25
NOW = 1000
"""The block at which ready-made states stand."""

ACTS = {
    DecisionKind.APPLY,
    DecisionKind.ROLLBACK,
    DecisionKind.REVERT,
}
"""What touches the controls."""


# ── what an operator wants ───────────────────────────────────────────────────
def a_rule(name="r", low=0.0, high=10.0, step=1.0, init=5.0, **more):
    return Rule(name=name, low=low, high=high, step=step, init=init, **more)


def a_policy(**changed) -> Policy:
    """Two targets, one guard alone, two rules; quick."""
    wanted = {
        "targets": (
            Target(signal="errors", high=1.0, scale=0.5, weight=0.6),
            Target(signal="speed", low=10.0, scale=4.0, weight=0.4),
        ),
        "rules": (a_rule("q"), a_rule("r", step=0.5)),
        "warn": {"heat": Shift(rise=3.0)},
        "observe_window_s": 30.0,
        "settle_s": 10.0,
        "cooldown_s": 40.0,
        "warmup_s": 120.0,
        "min_samples": 100,
        "no_go_s": 600.0,
    }
    return Policy(**(wanted | changed))


def lone(**changed) -> Policy:
    """One signal that should rise, one rule: all that many a test needs."""
    target = Target(signal="s", low=1.0, scale=1.0, weight=1.0)
    return a_policy(**({"targets": (target,), "rules": (a_rule(),), "warn": {}} | changed))


def inits(policy: Policy) -> dict[str, float]:
    return {rule.name: rule.init for rule in policy.rules}


def blocks_in(seconds: float) -> int:
    return math.ceil(seconds / BLOCK_S)


# ── what was seen ────────────────────────────────────────────────────────────
def past(signals, rows, end=NOW, counts=None) -> Blocks:
    """Blocks from their means; one that is NaN has no samples."""
    mean = np.array(rows, dtype=np.float64).reshape(-1, len(signals))
    if counts is None:
        counts = np.where(np.isfinite(mean), PER_BLOCK, 0)
    start = Blocks.empty(tuple(signals), end - len(mean))
    return start.extend(start.end, mean, np.array(counts, np.int64).reshape(mean.shape))


def calm(policy: Policy, levels=None, length=200, end=NOW, sd=0.02, seed=1) -> Blocks:
    """A past in which every signal stays where it is, but for a little noise."""
    signals = policy.signals()
    levels = np.zeros(len(signals)) if levels is None else np.array(levels, float)
    noise = np.random.default_rng(seed).standard_normal((length, len(signals)))
    return past(signals, levels + sd * noise, end)


def seen(policy: Policy, blocks: Blocks | None = None, rules=None, **more) -> Observation:
    blocks = calm(policy) if blocks is None else blocks
    return Observation(blocks=blocks, rules=rules or inits(policy), **more)


# ── what is believed ─────────────────────────────────────────────────────────
def a_noise(signals: int, phi=0.5, variance=0.0004) -> Noise:
    return Noise((a_process(1, np.full(signals, phi), np.full(signals, variance)),))


def a_process(span, phi, variance) -> Process:
    return Process(span, phi, variance)


def beliefs(levels, responses, level_sd=0.01, doubt=0.15) -> effects.Response:
    """Levels (signals,) and responses (signals, rules) that are known so well."""
    levels, responses = np.array(levels, float), np.array(responses, float)
    sd = np.concatenate([[level_sd, 0.02], np.full(responses.shape[1], doubt)])
    mean = np.column_stack([levels, np.zeros(len(levels)), responses])
    return effects.Response(mean, np.repeat(np.diag(sd**2)[None], len(levels), axis=0))


def a_state(policy: Policy, levels=None, responses=None, now=NOW, **changed) -> State:
    """A state that is idle and has learned something; its last block is ``now - 1``."""
    signals = policy.signals()
    levels = np.zeros(len(signals)) if levels is None else levels
    responses = np.zeros((len(signals), len(policy.rules))) if responses is None else responses
    first = replace(seen(policy), blocks=Blocks.empty(signals, now - 200))
    _, fresh = decide(None, first, policy)
    noise = a_noise(len(signals))
    ready = {
        "phase": Phase.IDLE,
        "block": now,
        "setting": tuple(rule.init for rule in policy.rules),
        "quiet_since": now - 100,
        "frame": frame_of(policy, np.zeros(len(signals))),
        "noise": noise,
        "fitted": now,
        "tracker": effects.tracker(noise, PER_BLOCK, policy.forget_h, len(policy.rules)),
        "believed": beliefs(levels, responses),
        "score": 0.5,
    }
    return replace(fresh, **(ready | changed))


def a_trial(state: State, policy: Policy, ways: Mapping[str, float], number=1, **more) -> Trial:
    """A step of some rules, by so many steps each, from where they are."""
    now = dict(zip((rule.name for rule in policy.rules), state.setting, strict=True))
    moves = tuple(
        Move(rule.name, now[rule.name], now[rule.name] + ways[rule.name] * rule.step)
        for rule in policy.rules
        if rule.name in ways
    )
    named = {
        "number": number,
        "key": key_of(tuple((name, 1 if by > 0 else -1) for name, by in ways.items())),
        "moves": moves,
        "steps": np.array([ways.get(rule.name, 0.0) for rule in policy.rules]),
        "since": state.block,
        "before": state.believed.level.copy(),
        "doubt": state.believed,
    }
    return Trial(**(named | more))


def opening(policy: Policy, ways=None, **changed) -> State:
    ready = a_state(policy, **changed)
    trial = a_trial(ready, policy, ways or {policy.rules[0].name: 1.0})
    return replace(ready, phase=Phase.OPENING, trial=trial, changes=1)


def observing(policy: Policy, ways=None, at=NOW, **changed) -> State:
    return change.evolve(opening(policy, ways, **changed), change.Applied(at), policy)


def a_judgement(verdict=Verdict.INCONCLUSIVE, cause=Reason.NOT_PROVEN, probability=0.6, **more):
    return Judgement(verdict=verdict, cause=cause, probability=probability, **more)


def closing(policy: Policy, ways=None, found=None, **changed) -> State:
    state = observing(policy, ways, **changed)
    return change.taken_back(state, state.trial, found or a_judgement(), NOW, policy)


def returning(policy: Policy, ways=None, found=None, at=NOW, **changed) -> State:
    return change.evolve(closing(policy, ways, found, **changed), change.Applied(at), policy)


def with_memory(state: State, **remembered) -> State:
    memory: Memory = replace(state.memory, **remembered)
    return replace(state, memory=memory)


def rules_of(state: State, policy: Policy) -> dict[str, float]:
    """What the controls hold if the state is right."""
    return dict(zip((rule.name for rule in policy.rules), state.setting, strict=True))


def stored(value):
    """What a process that died and came back finds."""
    return codec.load(json.loads(json.dumps(codec.dump(value), allow_nan=False)))


def bits(value) -> str:
    """Everything that is in a value, to the last bit."""
    return json.dumps(codec.dump(value), allow_nan=False)


# ── a system to tune ─────────────────────────────────────────────────────────
class System:
    """Signals that answer in proportion to the rules, with noise that remembers."""

    def __init__(self, policy: Policy, slopes, start, sd=0.02, phi=0.5, seed=0) -> None:
        self.policy = policy
        self.slopes = np.array(slopes, float)  # (signals, rules), per step
        self.start = np.array(start, float)
        self.sd, self.phi = sd, phi
        self.random = np.random.default_rng(seed)
        self.wander = np.zeros(len(self.start))

    def row(self, rules: Mapping[str, float]):
        steps = np.array([(rules[r.name] - r.init) / r.step for r in self.policy.rules])
        fresh = self.random.standard_normal(len(self.start)) * np.sqrt(1 - self.phi**2)
        self.wander = self.phi * self.wander + fresh
        return self.start + self.slopes @ steps + self.sd * self.wander


class Loop:
    """The core at work on a system: what it decides is done, and what it did is recorded."""

    def __init__(self, policy: Policy, system: System, state: State | None = None, at=NOW) -> None:
        self.policy, self.system, self.state = policy, system, state
        self.rules = inits(policy)
        self.blocks = Blocks.empty(policy.signals(), at)
        self.decisions: list[Decision] = []

    def watch(self, count=None, row=None) -> None:
        """Let a block pass; ``count`` samples of each signal arrive in it."""
        row = self.system.row(self.rules) if row is None else np.array(row, float)
        n = np.full(len(row), PER_BLOCK) if count is None else np.array(count, np.int64)
        mean = np.where(n > 0, row, np.nan)
        self.blocks = self.blocks.extend(self.blocks.end, mean[None], n[None].astype(np.int64))

    def observation(self, **more) -> Observation:
        return Observation(blocks=self.blocks, rules=dict(self.rules), **more)

    def ask(self, **more) -> Decision:
        """Decide, and do nothing about it yet."""
        decision, self.state = decide(self.state, self.observation(**more), self.policy)
        self.decisions.append(decision)
        return decision

    def do(self, decision: Decision) -> None:
        """Write the controls, and say so."""
        self.rules |= {move.rule: move.new for move in decision.moves}
        self.report(change.Applied(self.blocks.end))

    def report(self, event: change.Event) -> None:
        self.state = change.evolve(self.state, event, self.policy)

    def cycle(self, **more) -> Decision:
        """A block passes, something is decided, and what is asked for is done."""
        self.watch()
        decision = self.ask(**more)
        if decision.moves:
            self.do(decision)
        return decision

    def run(self, cycles: int) -> list[Decision]:
        return [self.cycle() for _ in range(cycles)]

    def until(self, kind: DecisionKind, most: int = 400) -> Decision:
        """Go on until something of a kind is decided."""
        for _ in range(most):
            decision = self.cycle()
            if decision.kind is kind:
                return decision
        raise AssertionError(f"no {kind} in {most} cycles; the last reason is {decision.reason}")
