"""From where somebody wants rules to be to a proposal: one step of the way, within what is allowed.

Sessions and studies say where to go; neither jumps there. What is proposed is a step
as long as one may be, from the values in force, and the goal stands beside it. Once
such a step was applied and kept, the next one is proposed, until the goal is reached.
One that was turned down, taken back or left to expire is not proposed again for the
same finding.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from daemon.clock import MICROS
from daemon.services.loop.switchboard import same
from daemon.services.sweeping.patience import patiently
from daemon.store import proposals, rules, runs
from daemon.store.proposals import APPLIED, NewProposal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from daemon.services.sweeping.wanted import Tools
    from daemon.store.rules import RuleRow
    from daemon.store.store import Tx

WAITS_S = 7 * 86_400.0
"""Seconds after which a proposal that nobody decided expires."""

STEP_MULT, CONCURRENT = 2.0, 1
"""What a policy holds that says nothing of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """Where rules of some names should go, and who says so."""

    origin: str
    session_id: int | None = None
    study_id: int | None = None
    params: Mapping[str, Any]
    """The parameters of the winner, by name."""
    because: str
    """What speaks for it; it follows the moves."""
    expected: Mapping[str, Any] = field(default_factory=dict)
    """What stands behind it, as JSON can hold it."""

    @property
    def named(self) -> Sequence[Any]:
        """What tells its findings from those of others."""
        return [self.session_id] if self.study_id is None else ["study", self.study_id]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """What became of the finding for some rules."""

    rules: tuple[str, ...]
    proposal: int | None
    """None if nothing was proposed."""
    said: str
    """What is proposed, or why nothing is."""


@dataclass(frozen=True, slots=True)
class _Reach:
    """How far one step may go, and how many rules at once."""

    step_mult: float
    at_once: int


@dataclass(frozen=True, slots=True)
class _Step:
    """A step of one rule."""

    rule: str
    old: float
    new: float
    goal: float
    clipped: bool
    steps: int
    """How many such steps it takes in all."""


def propose(tools: Tools, goal: Goal, names: Sequence[str]) -> list[Promoted]:
    """Propose a step of each of these rules towards a goal."""
    now_us = tools.clock.now_us()
    return patiently(tools, lambda tx: list(_all(tx, goal, names, now_us)))


def _all(tx: Tx, goal: Goal, names: Sequence[str], now_us: int) -> Iterator[Promoted]:
    known = rules.values(tx)
    reach = _reach(tx)
    steps: list[_Step] = []
    for name in names:
        why = _no_goal(name, goal.params.get(name), known)
        if why is not None:
            yield Promoted(rules=(name,), proposal=None, said=why)
        else:
            steps.append(_step(known[name], float(goal.params[name]), reach.step_mult))
    for start in range(0, len(steps), reach.at_once):
        yield _proposed(tx, goal, steps[start : start + reach.at_once], now_us)


def _no_goal(name: str, goal: Any, known: Mapping[str, RuleRow]) -> str | None:
    """Say why a rule cannot be moved to where the winner is."""
    if name not in known:
        return (
            f"nothing is proposed for {name}: no rule is called so (rules are on record once the"
            " daemon has run with the policy that names them: daemon run --once)"
        )
    if isinstance(goal, bool) or not isinstance(goal, int | float) or not math.isfinite(goal):
        return f"nothing is proposed for {name}: the winner has no number for it"
    rule = known[name]
    held = min(max(float(goal), rule.min_value), rule.max_value)
    if same(rule.value, held):
        return f"nothing is proposed for {name}: it stands at {rule.value:g} already"
    return None


def _reach(tx: Tx) -> _Reach:
    """Read from the policy in force how far a step may go."""
    digest = rules.policy_in_force(tx)
    body = (runs.policy_body(tx, digest) if digest is not None else None) or {}
    strategy = body.get("strategy") or {}
    mult = float(strategy.get("max_step_mult") or STEP_MULT)
    return _Reach(max(mult, 1.0), int(strategy.get("max_concurrent_changes") or CONCURRENT))


def _step(rule: RuleRow, goal: float, step_mult: float) -> _Step:
    """Go as far towards a goal as one step may go, and never out of the rule's bounds."""
    held = min(max(goal, rule.min_value), rule.max_value)
    way, longest = held - rule.value, rule.step * step_mult
    steps = max(1, math.ceil(abs(way) / longest - 1e-9))
    new = held if steps == 1 else rule.value + math.copysign(longest, way)
    return _Step(rule.name, rule.value, new, held, not same(held, goal), steps)


def _proposed(tx: Tx, goal: Goal, steps: Sequence[_Step], now_us: int) -> Promoted:
    """Propose some steps together, unless this finding was proposed before."""
    names = tuple(step.rule for step in steps)
    finding = _finding(goal, steps)
    proposals.expire(tx, now_us)
    mine = proposals.of(tx, session_id=goal.session_id, study_id=goal.study_id)
    before = next((one for one in mine if (one.expected or {}).get("finding") == finding), None)
    if before is not None and not _kept(before, {step.rule: step.old for step in steps}):
        said = f"nothing new is proposed: proposal {before.id} of this finding is {before.state}"
        return Promoted(rules=names, proposal=None, said=said)
    reason = f"{_moves(steps)}: {goal.because}"
    expected = {
        "finding": finding,
        "goal": {step.rule: step.goal for step in steps},
        "steps": max(step.steps for step in steps),
    }
    number = proposals.propose(
        tx,
        NewProposal(
            at_us=now_us,
            origin=goal.origin,
            session_id=goal.session_id,
            study_id=goal.study_id,
            base={step.rule: step.old for step in steps},
            target={step.rule: step.new for step in steps},
            expected=expected | dict(goal.expected),
            reason=reason,
            expires_at_us=now_us + round(WAITS_S * MICROS),
        ),
    )
    return Promoted(rules=names, proposal=number, said=reason)


def _kept(before: proposals.Proposal, stands: Mapping[str, float]) -> bool:
    """Tell whether the step before was made, and the rules are still where it led."""
    there = (same(stands[rule], float(value)) for rule, value in before.target.items())
    return before.state == APPLIED and all(there)


def _finding(goal: Goal, steps: Sequence[_Step]) -> str:
    """Name what was found: where some rules should go, by this session or study."""
    body = [*goal.named, sorted((step.rule, step.goal) for step in steps)]
    return hashlib.sha256(json.dumps(body).encode()).hexdigest()[:32]


def _moves(steps: Sequence[_Step]) -> str:
    moves = ", ".join(f"{step.rule} {step.old:g} → {step.new:g}" for step in steps)
    goals = ", ".join(
        f"{step.rule} {step.goal:g}{' (its bound)' if step.clipped else ''}" for step in steps
    )
    most = max(step.steps for step in steps)
    return moves if most == 1 else f"{moves}, the first of {most} steps to {goals}"
