"""What to try next: the admissible step with the best expected gain for its risk.

Steps of one rule, and of two together where two may be changed at once. Not
knowing draws (a step that might help a lot is worth a look), risk repels. A
hint of the policy or of a ranked session orders what is not known yet; it fades
as evidence comes in, and it is never evidence itself.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product
from typing import TYPE_CHECKING

import numpy as np

from daemon.tuning.effects import STEP_SD
from daemon.tuning.guards import refusal
from daemon.tuning.model import SAME, Candidate, Move, blocks_of
from daemon.tuning.reasons import Reason
from daemon.tuning.verdict import Z_95, may_count

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.tuning.model import Observation, Policy, Rule
    from daemon.tuning.objective import Floats, Frame
    from daemon.tuning.state import State

HINT = 0.3
"""How much a hint promises of every missed target, per step, in `effects.STEP_SD`."""

RISKY = 0.3
"""A step that loses more than the harm budget with this probability is not taken."""

SHORTEST = 0.2
"""A step that the bounds cut to less than this share says nothing."""

UPSIDE = 2.0
"""A step must promise this many times the smallest gain, counting only the draws that gain."""

TELLS = 0.5
"""A step must promise so many standard deviations of what its trials could show."""

FAR = 10.0
"""More than any gain: what may not be done comes behind all that may."""

HALF = 0.5
SHOWN = 8
"""How many of those passed over a decision names."""


class Option:
    """A step that could be made: its key, its moves, and its length in steps of each rule."""

    __slots__ = ("key", "moves", "refused", "steps")

    def __init__(self, key: str, moves: tuple[Move, ...], steps: Floats) -> None:
        self.key = key
        self.moves = moves
        self.steps = steps
        self.refused: Reason | None = None


def key_of(ways: tuple[tuple[str, int], ...]) -> str:
    """Name which rules go which way."""
    return ",".join(f"{rule}{'+' if way > 0 else '-'}" for rule, way in ways)


def options(state: State, policy: Policy) -> Iterator[Option]:
    """List every step there is, whether or not it may be made."""
    ways: list[tuple[tuple[int, int], ...]] = [
        ((index, way),) for index in range(len(policy.rules)) for way in (1, -1)
    ]
    if policy.max_concurrent_changes > 1:
        ways += [
            ((first, one), (second, other))
            for first, second in combinations(range(len(policy.rules)), 2)
            for one, other in product((1, -1), repeat=2)
        ]
    for way in ways:
        key = key_of(tuple((policy.rules[index].name, sign) for index, sign in way))
        for length in _lengths(key, len(way), state, policy):
            option = _option(key, way, length, state, policy)
            if option is not None:
                yield option


def _lengths(key: str, rules: int, state: State, policy: Policy) -> tuple[float, ...]:
    """Choose how long a step may be: longer once a single one said nothing."""
    longest = policy.max_step_mult
    doubled = key in state.memory.doubled and longest > 1
    if rules > 1:
        return (1.0, longest) if doubled else (1.0,)
    if doubled and state.memory.repeats.get(key):
        return (1.0, longest)
    return (1.0, HALF, longest) if doubled else (1.0, HALF)


def _option(
    key: str, ways: tuple[tuple[int, int], ...], length: float, state: State, policy: Policy
) -> Option | None:
    steps = np.zeros(len(policy.rules))
    moves = []
    for index, way in ways:
        rule, value = policy.rules[index], state.setting[index]
        goal = stepped(rule, value, way * length)
        steps[index] = (goal - value) / rule.step
        if abs(steps[index]) < SHORTEST:
            return None
        moves.append(Move(rule.name, value, goal))
    return Option(key, tuple(moves), steps)


def step_of(moves: tuple[Move, ...], state: State, policy: Policy) -> Option:
    """Take some moves for one step, as if it had been found here.

    It starts from what is in force, and leaves out what does not move.
    """
    goal = {move.rule: move.new for move in moves}
    steps, made, ways = np.zeros(len(policy.rules)), [], []
    for index, (rule, value) in enumerate(zip(policy.rules, state.setting, strict=True)):
        new = goal.get(rule.name, value)
        if abs(new - value) <= SAME * max(abs(value), rule.step):
            continue
        steps[index] = (new - value) / rule.step
        made.append(Move(rule.name, value, new))
        ways.append((rule.name, 1 if new > value else -1))
    return Option(key_of(tuple(ways)), tuple(made), steps)


def stepped(rule: Rule, value: float, steps: float) -> float:
    """Go so many steps from a value, and no further than the bounds."""
    return min(max(value + steps * rule.step, rule.low), rule.high)


def choose(
    state: State, seen: Observation, policy: Policy
) -> tuple[Option | None, Candidate | None, tuple[Candidate, ...]]:
    """Find the best step that may be made, and say why the others were passed over."""
    found = list(options(state, policy))
    for option in found:
        option.refused = refusal(option.key, option.moves, state, seen, policy)
    open_ = [option for option in found if option.refused is None]
    shut = [
        Candidate(moves=option.moves, refused=option.refused) for option in found if option.refused
    ]
    if not open_:
        return None, None, tuple(shut[:SHOWN])
    assert state.believed is not None  # noqa: S101 - nothing is proposed before it is
    assert state.frame is not None  # noqa: S101 - same
    gains = _expected(np.array([option.steps for option in open_]), state, policy)
    gain, spread = gains.mean(axis=1), gains.std(axis=1)
    risk = (gains < -policy.harm_budget).mean(axis=1)
    worth = (gain + policy.exploration * spread) * _preference(open_, policy)
    steps = np.array([option.steps for option in open_])
    counts = may_count(steps, gain + Z_95 * spread, state.believed, state.frame, policy)
    upside = np.maximum(gains, 0.0).mean(axis=1)
    fit = (risk <= RISKY) & (upside >= _least(state, policy)) & counts
    order = np.argsort(-np.where(fit, worth, worth - FAR), kind="stable").tolist()
    weighed = [
        Candidate(
            moves=open_[index].moves,
            gain=float(gain[index]),
            spread=float(spread[index]),
            risk=float(risk[index]),
            refused=_why(float(risk[index]), fit=bool(fit[index])),
        )
        for index in order
    ]
    if not fit[order[0]]:
        return None, None, tuple([*weighed, *shut][:SHOWN])
    best = replace(weighed[0], refused=None)
    return open_[order[0]], best, tuple([*weighed[1:], *shut][:SHOWN])


def promised(option: Option, state: State, policy: Policy) -> Candidate:
    """Say what a step should bring, whether or not it would be chosen."""
    gains = _expected(option.steps[None], state, policy)[0]
    return Candidate(
        moves=option.moves,
        gain=float(gains.mean()),
        spread=float(gains.std()),
        risk=float((gains < -policy.harm_budget).mean()),
    )


def _least(state: State, policy: Policy) -> float:
    """Say what a step must promise: the smallest gain, and enough to be told from noise.

    A gain that all the toggling in the world would not show is not worth trying:
    it could only be taken back undecided.
    """
    assert state.noise is not None  # noqa: S101 - nothing is proposed before it is
    assert state.frame is not None  # noqa: S101 - same
    window, settle = blocks_of(policy.observe_window_s), blocks_of(policy.settle_s)
    apart = state.noise.of_difference(window, settle, window)
    pairs = 2 * (1 + policy.max_extensions * policy.paired_toggling)
    shows = float(np.sqrt((state.frame.weight**2 * apart).sum() / pairs))
    return max(UPSIDE * policy.min_gain, TELLS * shows)


def _why(risk: float, *, fit: bool) -> Reason:
    if risk > RISKY:
        return Reason.TOO_RISKY
    return Reason.OUTBID if fit else Reason.NOT_WORTH_IT


def _preference(found: list[Option], policy: Policy) -> Floats:
    """Weigh the rules that an operator prefers; 1 on average."""
    weight = np.array([rule.weight for rule in policy.rules])
    weight = weight / weight.mean()
    used = np.array([option.steps != 0 for option in found])
    preference: Floats = (used * weight).sum(axis=1) / used.sum(axis=1)
    return preference


def _expected(steps: Floats, state: State, policy: Policy) -> Floats:
    """Draw the gains that some steps would bring."""
    assert state.believed is not None  # noqa: S101 - nothing is proposed before it is
    assert state.frame is not None  # noqa: S101 - same
    effect, doubt = state.believed.of_steps(steps)
    effect = effect + _hinted(steps, doubt, state, policy, state.frame)
    frame = state.frame.aimed(policy.target_margin)
    return frame.gains(state.believed.level, state.believed.level_sd, effect, doubt)


def _hinted(steps: Floats, doubt: Floats, state: State, policy: Policy, frame: Frame) -> Floats:
    """Add what the hints promise, as far as nothing is known yet."""
    ways = np.array(
        [_way(rule, value, policy) for rule, value in zip(policy.rules, state.setting, strict=True)]
    )
    wanted = np.where(np.isfinite(frame.high), -1.0, 1.0) * (frame.weight > 0)
    unknown = (doubt / (doubt + STEP_SD)) ** 2
    promised: Floats = unknown * HINT * STEP_SD * (steps @ ways)[:, None] * wanted
    return promised


def _way(rule: Rule, value: float, policy: Policy) -> float:
    """Tell which way a rule should be tried first: a session's finding before the policy's."""
    for region in policy.regions:
        if region.rule == rule.name and abs(region.best - value) > region.radius:
            return region.trust * (1.0 if region.best > value else -1.0) / HINT
    return float(rule.direction)
