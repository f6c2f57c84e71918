"""Long runs with everything that can go wrong: the limits hold after every single decision.

Rewards, moves of other people, refusals, reports that get lost, holds, barred
rules and missing samples are all drawn; a referee that knows nothing of how the
core works looks at each decision and at the controls.
"""

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from daemon.tuning.change import Applied, Refused
from daemon.tuning.decide import decide
from daemon.tuning.model import BLOCK_S
from daemon.tuning.reasons import Reason
from daemon.tuning.vocabulary import DecisionKind
from tests.tuning_kit import ACTS, NOW, PER_BLOCK, Loop, System, a_policy, bits, lone, stored
from tests.tuning_strategies import a_value, any_policy, seeds

RUNS = settings(max_examples=max(6, settings.default.max_examples // 8))
"""For properties whose every example is a quarter of an hour and more."""

CYCLES = 240
HOUR_S = 3600.0
BACK = {DecisionKind.ROLLBACK, DecisionKind.REVERT}


class Referee:
    """Knows the policy, the controls and what was done to them; nothing of the core."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.rules = {rule.name: rule for rule in loop.policy.rules}
        self.moved = {}  # rule: block of its last movement
        self.changes = []  # blocks at which changes were made
        self.open = None  # the change that is in force and not judged yet
        self.back = None  # how it is being taken back
        self.last = 0  # the number of the last change

    def judge(self, decision, observation) -> None:
        """Look at a decision before anything is done about it."""
        if decision.kind is DecisionKind.APPLY:
            self._step(decision, observation)
        elif decision.kind in BACK:
            self._way_back(decision, observation)
        elif decision.kind is DecisionKind.KEEP:
            self._keep(decision, observation)
        elif decision.kind is DecisionKind.EXTEND:
            assert self.open is not None
            assert decision.change == self.open.change
        else:
            assert decision.kind is DecisionKind.HOLD
            assert self.back is None or decision.reason is Reason.SUPERSEDED
        if decision.kind not in ACTS:
            assert decision.moves == ()
        if decision.reason is Reason.SUPERSEDED and decision.kind not in BACK:
            self.open = self.back = None

    def _step(self, decision, observation) -> None:
        policy, now = self.loop.policy, self.loop.blocks.end
        assert self.open is None
        assert decision.change == self.last + 1
        self.last = decision.change
        assert observation.held is None
        assert not observation.unfit
        lately = [block for block in self.changes if (now - block) * BLOCK_S < HOUR_S]
        assert len(lately) < policy.changes_per_hour
        assert len({move.rule for move in decision.moves}) == len(decision.moves)
        assert 1 <= len(decision.moves) <= policy.max_concurrent_changes
        for move in decision.moves:
            rule = self.rules[move.rule]
            assert rule.low <= move.new <= rule.high
            assert abs(move.new - move.old) <= rule.step * policy.max_step_mult * (1 + 1e-9)
            assert move.old == self.loop.rules[move.rule]
            assert move.rule not in observation.barred
            rested = (now - self.moved.get(move.rule, -(10**9))) * BLOCK_S
            assert rested >= policy.cooldown_s

    def _way_back(self, decision, observation) -> None:
        assert self.open is not None
        assert decision.change == self.open.change
        if decision.reason is Reason.SUPERSEDED:  # of two rules, the one that nobody else moved
            ours = [m for m in self.open.moves if observation.rules[m.rule] == m.new]
            self.open, self.back = replace(self.open, moves=tuple(ours)), None
            assert ours
        assert self.back in {None, decision.kind}
        self.back = decision.kind
        undone = [(move.rule, move.old, move.new) for move in decision.moves]
        assert undone == [(move.rule, move.new, move.old) for move in self.open.moves]

    def _keep(self, decision, observation) -> None:
        policy, found = self.loop.policy, decision.numbers.judgement
        assert self.open is not None
        assert self.back is None
        assert decision.change == self.open.change
        self.open = None
        since = self.changes[-1] * BLOCK_S + policy.settle_s
        span = self.loop.blocks.end * BLOCK_S - since
        assert span >= policy.observe_window_s - BLOCK_S
        first = int(np.ceil(since / BLOCK_S))
        window = observation.blocks.window(first, observation.blocks.end)
        assert window.n.min() >= policy.min_samples
        assert found.probability >= policy.confidence
        assert not observation.unfit

    def done(self, decision) -> None:
        """Take note of what was written."""
        now = self.loop.blocks.end
        self.moved |= dict.fromkeys((move.rule for move in decision.moves), now)
        if decision.kind is DecisionKind.APPLY:
            self.changes.append(now)
            self.open = decision
        else:
            self.open = self.back = None


def a_system(random: Random, policy) -> System:
    """Slopes of any sign and size, noise small or large, starting anywhere near the targets."""
    unit = {target.signal: target.scale or 1.0 for target in policy.targets}
    place = {t.signal: t.low if t.low is not None else t.high for t in policy.targets}
    units = np.array([unit.get(signal, 1.0) for signal in policy.signals()])
    slopes = [[random.choice([0, 0.1, 0.3, -0.3, 0.6]) for _ in policy.rules] for _ in units]
    start = [
        place.get(signal, 0.0) + random.uniform(-2, 2) * unit.get(signal, 1.0)
        for signal in policy.signals()
    ]
    system = System(policy, np.array(slopes) * units[:, None], start, seed=random.randint(0, 2**32))
    system.sd = random.choice([0.01, 0.03, 0.1]) * units
    system.phi = random.choice([0.0, 0.5, 0.95])
    return system


def a_busy_policy(random: Random):
    """Any policy under which something happens: most that can be drawn are too careful."""
    policy = any_policy(random)
    eager = [replace(target, weight=max(target.weight, 0.5)) for target in policy.targets]
    return replace(
        policy,
        targets=tuple(eager),
        good={},
        min_gain=min(policy.min_gain, 0.004),
        changes_per_hour=random.choice([3, 30]),
        cooldown_s=min(policy.cooldown_s, 100.0),
        confidence=min(policy.confidence, 0.97),
    )


def some_samples(random: Random, signals: int):
    if random.random() < 0.95:
        return None
    return [random.choice([0, 0, 1, PER_BLOCK, 100]) for _ in range(signals)]


def one_cycle(random: Random, loop: Loop, referee: Referee) -> None:
    """Let a block pass in which anything may happen; check what comes of it."""
    if random.random() < 0.003:
        loop.system.start = loop.system.start + random.choice([-3, 3]) * loop.system.sd * 5
    if random.random() < 0.005:
        rule = random.choice(loop.policy.rules)
        loop.rules[rule.name] = a_value(random, rule)
    loop.watch(some_samples(random, len(loop.policy.signals())))
    frozen = random.choice([*loop.rules])
    given = {
        "held": "by hand" if random.random() < 0.1 else None,
        "barred": {frozen: "frozen"} if random.random() < 0.1 else {},
        "unfit": {loop.policy.signals()[0]: "stale"} if random.random() < 0.03 else {},
    }
    observation = loop.observation(**given)
    before = loop.state
    decision = loop.ask(**given)
    referee.judge(decision, observation)
    if decision.kind is not DecisionKind.HOLD and before is not None:
        again, after = decide(stored(before), observation, loop.policy)
        assert repr(again) == repr(decision)
        assert bits(after) == bits(loop.state)
    if decision.moves:
        fate = random.random()
        if fate < 0.75:
            loop.do(decision)
            referee.done(decision)
        elif fate < 0.9:
            loop.report(Refused(loop.blocks.end))
        loop.state = stored(loop.state)


@RUNS
@given(seeds)
@example(7_135_538_512_581)  # a person moves one of the two rules of an open change
def test_whatever_happens_every_limit_holds_after_every_decision(seed):
    random = Random(seed)
    policy = a_busy_policy(random)
    loop = Loop(policy, a_system(random, policy))
    referee = Referee(loop)
    for _ in range(CYCLES):
        one_cycle(random, loop, referee)
        for rule, held in zip(policy.rules, loop.state.setting, strict=True):
            assert held == pytest.approx(loop.rules[rule.name], rel=1e-8)


@RUNS
@given(seeds, st.sampled_from([0.0, 0.5, 0.95]))
def test_in_a_system_that_answers_the_targets_are_reached_and_every_limit_holds(seed, phi):
    policy = a_policy(max_concurrent_changes=2)
    system = System(policy, [[-0.3, 0], [0, 0], [0, 1.0]], [1.9, 50.0, 6.0], sd=0.02, phi=phi)
    system.random = np.random.default_rng(seed)
    loop = Loop(policy, system)
    referee = Referee(loop)
    for _ in range(CYCLES + 60):
        loop.watch()
        observation = loop.observation()
        decision = loop.ask()
        referee.judge(decision, observation)
        if decision.moves:
            loop.do(decision)
            referee.done(decision)
    assert loop.state.score > 0.9
    assert loop.state.believed.level_sd.max() < 0.2


@RUNS
@given(seeds)
def test_in_a_system_that_does_not_answer_the_controls_end_where_they_were_or_were_kept(seed):
    policy = lone(cooldown_s=10.0, max_extensions=2)
    system = System(policy, [[0.0]], [0.0], sd=0.1, phi=0.5)
    system.random = np.random.default_rng(seed)
    loop = Loop(policy, system)
    referee = Referee(loop)
    kept = 0
    for _ in range(CYCLES):
        loop.watch()
        observation = loop.observation()
        decision = loop.ask()
        referee.judge(decision, observation)
        kept += decision.kind is DecisionKind.KEEP
        if decision.moves:
            loop.do(decision)
            referee.done(decision)
    assert kept <= 2
    if not kept and referee.open is None:
        assert loop.rules == {"r": 5.0}


def test_a_rollback_that_fails_for_an_hour_is_asked_for_all_the_while():
    policy = lone()
    loop = Loop(policy, System(policy, [[-2.0]], [0.5], sd=0.02), at=NOW)
    while loop.cycle().kind is not DecisionKind.APPLY:
        assert len(loop.decisions) < CYCLES
    asked = []
    for _ in range(60):
        loop.watch()
        decision = loop.ask(held="by hand")
        if decision.moves:
            asked.append(decision.moves)
            loop.report(Refused(loop.blocks.end))
    assert len(asked) > 40
    assert set(asked) == {asked[0]}
    loop.report(Applied(loop.blocks.end))
    assert loop.state.setting == (5.0,)
