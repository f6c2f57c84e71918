"""From a ranked session to proposals: a step towards the robust winner, for rules of its names.

A session says where to go; it does not jump there. What it proposes is a step as
long as one may be, from the values in force, and the goal stands beside it. Once
such a step was applied and kept, the next run of the session proposes the next
one, until the goal is reached. One that was turned down, taken back or left to
expire is not proposed again for the same finding.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daemon.clock import MICROS
from daemon.services.loop.switchboard import same
from daemon.services.sweeping.patience import patiently
from daemon.store import proposals, rules, runs, sessions
from daemon.store.proposals import APPLIED, NewProposal

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from daemon.services.sweeping.judging.ranked import Finding
    from daemon.services.sweeping.record import Record
    from daemon.services.sweeping.wanted import Tools
    from daemon.store.rules import RuleRow
    from daemon.store.store import Tx

ORIGIN = "session"

PBO_MAX = 0.5
"""From here on a winner is more likely than not below the median on quotes it was not chosen on."""

WAITS_S = 7 * 86_400.0
"""Seconds after which a proposal that nobody decided expires."""

STEP_MULT, CONCURRENT = 2.0, 1
"""What a policy holds that says nothing of them."""


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


def promote(tools: Tools, found: Finding, names: Sequence[str]) -> list[Promoted]:
    """Propose a step of each of these rules towards the robust winner, where it is sound."""
    why = _unsound(found)
    if why is not None or found.robust is None:
        return [Promoted(rules=tuple(names), proposal=None, said=f"nothing is proposed: {why}")]
    now_us = tools.clock.now_us()
    return patiently(tools, lambda tx: list(_all(tx, found, names, now_us)))


# ── whether ──────────────────────────────────────────────────────────────────
def _unsound(found: Finding) -> str | None:
    """Say why nobody should follow this winner."""
    robust, session = found.robust, found.session
    if session.jobs_left:
        return f"session {session.id} is not finished"
    if robust is None or found.place is None:
        return "no job has neighbours on a grid that speak for it (or it was ranked with --fast)"
    pnl = (robust.metrics or {}).get("realized_pnl_usd")
    if pnl is None or not pnl > 0:
        return f"the robust winner {robust.job_id} gains nothing ({_usd(pnl)})"
    score = found.place.robust_score
    if score is None or not score > 0:
        return f"the neighbours of {robust.job_id} gain nothing on average ({_usd(score)})"
    return _lucky(_pbo(found.report))


def _lucky(pbo: float | None) -> str | None:
    """Say so when a winner is rather lucky than good, or nobody knows."""
    if pbo is None:
        return "how far the winner may be luck is not known, so nobody can vouch for it"
    if pbo < PBO_MAX:
        return None
    return (
        f"the probability of overfitting is {pbo:.2f}, and {PBO_MAX} or more is as good as a"
        " guess: more data, or fewer combinations"
    )


def _pbo(report: Mapping[str, Any]) -> float | None:
    luck = report.get("luck") or {}
    found: float | None = luck.get("pbo")
    return found


# ── what ─────────────────────────────────────────────────────────────────────
def _all(tx: Tx, found: Finding, names: Sequence[str], now_us: int) -> Iterator[Promoted]:
    robust = found.robust
    assert robust is not None  # noqa: S101 - it was found sound
    known = rules.values(tx)
    reach = _reach(tx)
    steps: list[_Step] = []
    for name in names:
        why = _no_goal(name, robust.params.get(name), known)
        if why is not None:
            yield Promoted(rules=(name,), proposal=None, said=why)
        else:
            steps.append(_step(known[name], float(robust.params[name]), reach.step_mult))
    for start in range(0, len(steps), reach.at_once):
        yield _proposed(tx, found, steps[start : start + reach.at_once], now_us)


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


def _proposed(tx: Tx, found: Finding, steps: Sequence[_Step], now_us: int) -> Promoted:
    """Propose some steps together, unless this finding was proposed before."""
    names = tuple(step.rule for step in steps)
    finding = _finding(found, steps)
    proposals.expire(tx, now_us)
    mine = sessions.proposed(tx, found.session.id)
    before = next((one for one in mine if (one.expected or {}).get("finding") == finding), None)
    if before is not None and not _kept(before, {step.rule: step.old for step in steps}):
        said = f"nothing new is proposed: proposal {before.id} of this finding is {before.state}"
        return Promoted(rules=names, proposal=None, said=said)
    reason = _reason(found, steps)
    number = proposals.propose(
        tx,
        NewProposal(
            at_us=now_us,
            origin=ORIGIN,
            session_id=found.session.id,
            base={step.rule: step.old for step in steps},
            target={step.rule: step.new for step in steps},
            expected=_expected(found, steps, finding),
            reason=reason,
            expires_at_us=now_us + round(WAITS_S * MICROS),
        ),
    )
    return Promoted(rules=names, proposal=number, said=reason)


def _kept(before: proposals.Proposal, stands: Mapping[str, float]) -> bool:
    """Tell whether the step before was made, and the rules are still where it led."""
    there = (same(stands[rule], float(value)) for rule, value in before.target.items())
    return before.state == APPLIED and all(there)


def _finding(found: Finding, steps: Sequence[_Step]) -> str:
    """Name what was found: where some rules should go, by this session."""
    body = [found.session.id, sorted((step.rule, step.goal) for step in steps)]
    return hashlib.sha256(json.dumps(body).encode()).hexdigest()[:32]


# ── in words ─────────────────────────────────────────────────────────────────
def _reason(found: Finding, steps: Sequence[_Step]) -> str:
    session, robust, place = found.session, found.robust, found.place
    assert robust is not None  # noqa: S101 - it was found sound
    assert place is not None  # noqa: S101 - same
    moves = ", ".join(f"{step.rule} {step.old:g} → {step.new:g}" for step in steps)
    goals = ", ".join(
        f"{step.rule} {step.goal:g}{' (its bound)' if step.clipped else ''}" for step in steps
    )
    most = max(step.steps for step in steps)
    far = "" if most == 1 else f", the first of {most} steps to {goals}"
    pbo = _pbo(found.report)
    return (
        f"{moves}{far}: {robust.job_id} is best together with its neighbours in session"
        f" {session.id} ({session.name}), {_usd(place.robust_score)} on average and"
        f" {_usd((robust.metrics or {}).get('realized_pnl_usd'))} alone, place {place.rank} of"
        f" {session.jobs_done} by profit; probability of overfitting {pbo or 0.0:.2f}"
    )


def _expected(found: Finding, steps: Sequence[_Step], finding: str) -> dict[str, Any]:
    """Give what stands behind a proposal, as JSON can hold it."""
    robust: Record | None = found.robust
    place, luck = found.place, found.report.get("luck") or {}
    assert robust is not None  # noqa: S101 - it was found sound
    assert place is not None  # noqa: S101 - same
    return {
        "finding": finding,
        "goal": {step.rule: step.goal for step in steps},
        "steps": max(step.steps for step in steps),
        "job_id": robust.job_id,
        "rank": place.rank,
        "robust_score_usd": place.robust_score,
        "realized_pnl_usd": (robust.metrics or {}).get("realized_pnl_usd"),
        "max_drawdown_pct": (robust.metrics or {}).get("max_drawdown_pct"),
        "pbo": luck.get("pbo"),
        "deflated_sharpe": luck.get("deflated_sharpe"),
        "exit_model": robust.params.get("exit_model"),
        "data_digest": found.session.data_digest,
    }


def _usd(value: float | None) -> str:
    return "nothing known" if value is None else f"{value:+,.2f} USD"
