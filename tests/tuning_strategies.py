"""What Hypothesis draws for the decision core: policies, and states in every phase under them.

The state is drawn and not only the input: what a loop remembers after a year is
not found by running it for a minute. Hypothesis draws the phase and a seed, and
the rest comes from the seed: hundreds of draws for one state would take longer
than everything that is tried with it.
"""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
from hypothesis import strategies as st

from daemon.tuning.change import Applied, evolve, taken_back
from daemon.tuning.guards import admissible
from daemon.tuning.model import Judgement, Observation, Policy, Region, Rule, Shift, Target
from daemon.tuning.propose import options
from daemon.tuning.reasons import Reason
from daemon.tuning.state import Memory, NoGo, Phase, State, Trial
from daemon.tuning.vocabulary import Verdict
from tests.tuning_kit import NOW, a_noise, a_state, beliefs, past, rules_of

RULINGS = [
    (Verdict.WORSE, Reason.GUARD_BROKEN),
    (Verdict.WORSE, Reason.SCORE_FELL),
    (Verdict.INCONCLUSIVE, Reason.NOT_PROVEN),
    (Verdict.INVALID, Reason.INSUFFICIENT_DATA),
]


def _often(random: Random) -> bool:
    return random.random() < 0.9


# ── what an operator may want ────────────────────────────────────────────────
def a_shift(random: Random, size: float) -> Shift:
    """A movement that counts: a rise, a fall, or either."""
    rise, fall = (size * random.choice([0.05, 0.5, 2.0]) for _ in range(2))
    which = random.choice(["rise", "fall", "both"])
    return Shift(rise=None if which == "fall" else rise, fall=None if which == "rise" else -fall)


def a_target(random: Random, signal: str, unit: float) -> Target:
    """A target with either bound or both, in a unit of its own."""
    low, width = unit * random.randint(-4, 4), unit * random.choice([0.0, 0.5, 4.0])
    which = random.choice(["low", "high", "both"])
    return Target(
        signal=signal,
        low=None if which == "high" else low,
        high=None if which == "low" else low + width,
        weight=random.choice([0.5, 0.5, 1.0, 3.0, 0.0]),
        scale=random.choice([None, unit, 0.1 * unit]),
    )


def a_tunable(random: Random, name: str) -> Rule:
    """A rule: narrow or wide, starting anywhere."""
    low, width = random.choice([-3.0, 0.0, 0.1, 100.0]), random.choice([0.3, 10.0])
    return Rule(
        name=name,
        low=low,
        high=low + width,
        step=width * random.choice([0.05, 0.3, 1.0, 2.0]),
        init=random.choice([low, low + width, low + width / 2, low + width / 3]),
        weight=random.choice([0.1, 1.0, 5.0]),
        direction=random.choice([-1, 0, 1]),
    )


def any_policy(random: Random) -> Policy:
    """Any policy that could be read from a file, with windows short enough to try them out."""
    units = {name: random.choice([1e-3, 1.0, 1e6]) for name in "abz"[: random.randint(1, 3)]}
    rules = tuple(a_tunable(random, name) for name in "pqr"[: random.randint(1, 3)])
    watched = sorted(name for name in [*units, "c"] if random.random() < 0.4)
    good = sorted(name for name in units if random.random() < 0.3)
    regions = (
        Region(rule=rule.name, best=rule.low, radius=rule.step, trust=random.random())
        for rule in rules
        if random.random() < 0.3
    )
    return Policy(
        targets=tuple(a_target(random, name, unit) for name, unit in units.items()),
        rules=rules,
        warn={name: a_shift(random, units.get(name, 1.0)) for name in watched},
        good={name: a_shift(random, units[name]) for name in good},
        regions=tuple(regions),
        observe_window_s=random.choice([5.0, 30.0, 62.0]),
        settle_s=random.choice([0.0, 5.0, 22.0]),
        cooldown_s=random.choice([1.0, 12.0, 47.0, 300.0]),
        min_samples=random.choice([1, 20, 140]),
        warmup_s=120.0,
        max_concurrent_changes=random.randint(1, 3),
        confidence=random.choice([0.8, 0.97, 0.9999]),
        max_extensions=random.choice([0, 1, 6]),
        paired_toggling=_often(random),
        max_step_mult=random.choice([1.0, 1.7, 2.0, 4.0]),
        min_gain=random.choice([1e-6, 0.004, 0.004, 0.004, 0.5]),
        exploration=random.choice([0.0, 0.6, 3.0]),
        harm_budget=random.choice([0.01, 0.12, 0.12, 3.0]),
        changes_per_hour=random.choice([1, 3, 30, 30]),
        no_go_s=random.choice([1.0, 600.0, 10_800.0]),
    )


# ── what the core may remember ───────────────────────────────────────────────
def a_value(random: Random, rule: Rule) -> float:
    """A value at a bound, a step from one, or anywhere; a few lie outside."""
    low, high, step = rule.low, rule.high, rule.step
    inside = random.uniform(low, high)
    return random.choice([low, high, low + step, high - step, low + 0.1 * step, inside, inside])


def any_memory(random: Random, policy: Policy, now: int) -> Memory:
    """What could be remembered: moments before, at and after now; failures of a year."""
    if random.random() < 0.6:
        return Memory()
    names = [rule.name for rule in policy.rules]
    keys = [f"{name}{way}" for name in names for way in "+-"]
    keys += [f"{one},{other}" for one in keys for other in keys if one[0] < other[0]]

    def moment():
        return now + random.choice([-721, -720, -1, 0, 1, 50])

    def some(of, value):
        return {key: value() for key in random.sample(of, random.randint(0, min(3, len(of))))}

    cornered = random.sample(policy.rules, random.randint(0, min(2, len(policy.rules))))
    corner = tuple((r.name, random.choice([1, -1]), a_value(random, r)) for r in cornered)
    return Memory(
        tried=tuple(sorted(min(moment(), now) for _ in range(random.randint(0, 4)))),
        resting=some(names, moment),
        failures=some([*keys, *(f"!{key}" for key in keys)], lambda: random.choice([1, 5, 2000])),
        until=some(keys, moment),
        repeats=some(keys, lambda: random.randint(1, 7)),
        doubled=tuple(sorted(some(keys, moment))),
        no_go=(NoGo(corner, moment()),) if corner else (),
        given_up=random.choice([0, 0, 1, 12, 40, 2000]),
        idle_until=random.choice([0, 0, now, now + 1]),
        score=random.choice([None, -2.0, 0.5, 1.0]),
    )


def any_beliefs(random: Random, policy: Policy):
    """Anything that may be believed: sure or not, of levels inside and outside of targets."""
    signals, rules = len(policy.signals()), len(policy.rules)

    def near(*places):
        return random.choice([*places, random.uniform(-2, 2)])

    levels = [near(-9.0, -1.0, -0.1, 0.0, 0.1, 1.0, 9.0) for _ in range(signals)]
    slopes = [[near(0.0, 0.01, -0.01, 0.3, -0.3) for _ in range(rules)] for _ in range(signals)]
    doubt, level_sd = random.choice([1e-6, 0.02, 0.15, 0.225]), random.choice([1e-6, 0.01, 1.0])
    return beliefs(levels, slopes, level_sd=level_sd, doubt=doubt)


def any_state(random: Random, policy: Policy, phase: Phase, now: int = NOW) -> State:
    """A state in some phase, that may remember anything."""
    phi, variance = random.choice([0.0, 0.7, 0.995]), random.choice([1e-12, 1e-4, 1e-4, 1e-3, 1.0])
    state = a_state(
        policy,
        now=now,
        setting=tuple(a_value(random, rule) for rule in policy.rules),
        believed=any_beliefs(random, policy),
        noise=a_noise(len(policy.signals()), phi, variance),
        memory=any_memory(random, policy, now),
        quiet_since=now + random.choice([-300, -300, -60, -12, -11, 3]),
        fitted=random.choice([now, now - 5000]),
        look=random.choice([0, 0, 0, now, now + 1]),
        score=random.choice([None, 0.0, 1.0]),
        changes=random.randint(0, 5),
    )
    if phase is Phase.WARMING:
        return replace(state, phase=phase, believed=None, noise=None, tracker=None, frame=None)
    steps = [one for one in options(state, policy) if admissible(one.moves, policy)]
    if phase is Phase.IDLE or not steps:
        return state
    return _in_phase(random, state, policy, phase, random.choice(steps))


def _in_phase(random, state, policy, phase, option):
    """Bring a state to where a step is being made, watched or taken back."""
    trial = Trial(
        number=state.changes,
        key=option.key,
        moves=option.moves,
        steps=option.steps,
        since=state.block,
        before=state.believed.level.copy(),
        doubt=state.believed,
    )
    state = replace(state, phase=Phase.OPENING, trial=trial)
    if phase is Phase.OPENING:
        return state
    state = evolve(state, Applied(state.block - random.randint(0, 40)), policy)
    if phase is Phase.OBSERVING:
        return state
    verdict, cause = random.choice(RULINGS)
    found = Judgement(verdict=verdict, cause=cause, probability=random.random())
    state = taken_back(state, state.trial, found, state.block, policy)
    return state if phase is Phase.CLOSING else evolve(state, Applied(state.block), policy)


# ── what may be seen next ────────────────────────────────────────────────────
def any_past(random: Random, policy: Policy, state: State):
    """Blocks of any kind: steady, constant, gone, of one sample each, with holes; any length."""
    signals = policy.signals()
    length = random.choice([300, 300, 100, 100, 24, 5, 1, 0])
    end = state.block + random.choice([0, 1, 7, 30, 30, 400])
    noise = np.random.default_rng(random.randint(0, 2**32))
    rows = random.choice([0.0, 0.01, 0.02, 0.02, 1.0]) * noise.standard_normal(
        (length, len(signals))
    )
    if state.believed is not None:
        rows += state.believed.level
    since = length // 2 if state.trial is None else max(length - (end - state.trial.since), 0)
    rows[since:] += random.choice([0.0] * 6 + [0.1, -0.1, 0.3, -0.3, 1.5, -1.5, 9.0])
    counts = np.full(rows.shape, random.choice([1, 25, 25, 100]))
    if not _often(random):
        gone = [slice(None), slice(-6, None), slice(0, length // 2), slice(0, None, 2)]
        counts[random.choice(gone), random.randrange(len(signals))] = 0
    if state.frame is not None:
        rows = state.frame.anchor + state.frame.scale * rows
    return past(signals, np.where(counts > 0, rows, np.nan), end, counts)


def any_cycle(phase: Phase, seed: int):
    """A policy, a state under it, and what is seen next."""
    random = Random(seed)
    policy = any_policy(random)
    state = any_state(random, policy, phase)
    rules = rules_of(state, policy)
    if random.random() < 0.05:
        rules[random.choice([*rules])] += 0.01
    observation = Observation(
        blocks=any_past(random, policy, state),
        rules=rules,
        held=None if _often(random) else "a HOLD file",
        barred={} if _often(random) else {random.choice([*rules]): "frozen"},
        unfit={} if _often(random) else {policy.signals()[0]: "stale"},
    )
    return policy, state, observation


seeds = st.integers(0, 2**63)
phases = st.sampled_from([*Phase, Phase.IDLE, Phase.OBSERVING])
cycles = st.builds(any_cycle, phases, seeds)
looking = st.builds(any_cycle, st.just(Phase.IDLE), seeds)
watching = st.builds(any_cycle, st.just(Phase.OBSERVING), seeds)
