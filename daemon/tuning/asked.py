"""A person's word: a step that they ask for, a change that they keep, or have observed longer.

It stands in for the loop's judgement of what is worth trying, and for nothing
else. What the loop would find too risky, tried too often or proven bad, a person
may ask for; bounds, rests, freezes and one change at a time hold for them too.
A step is judged afterwards as any other is, so it needs signals to be judged by.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from daemon.tuning import guards, propose, verdict
from daemon.tuning.change import in_force, started
from daemon.tuning.follow import fresh, refitted
from daemon.tuning.model import LONGER_S, Candidate, Verdicts, blocks_of, same_values
from daemon.tuning.outcome import act, hold, keep
from daemon.tuning.reasons import Reason
from daemon.tuning.state import Phase
from daemon.tuning.vocabulary import DecisionKind, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daemon.tuning.model import Asked, Judgement, Move, Observation, Policy
    from daemon.tuning.outcome import Outcome
    from daemon.tuning.state import State

GUARDS = (
    Reason.SUPERSEDED,
    Reason.POLICY_CHANGED,
    Reason.BUSY,
    Reason.WARMING_UP,
    Reason.NO_CANDIDATE,
    Reason.STALE,
    Reason.AT_BOUND,
    Reason.TOO_FAR,
    Reason.HELD,
    Reason.BARRED,
    Reason.COOLDOWN,
    Reason.SIGNAL_UNFIT,
)
"""What a step is held against, in this order."""

_OPEN = {Phase.OBSERVING, Phase.CLOSING}
"""While a change is open there is no room for another one; a way back may be cut short."""


# ── what stands against it ───────────────────────────────────────────────────
def refusal(state: State | None, seen: Observation, policy: Policy) -> Reason | None:
    """Say why what is asked for would not be done; None if it would, or if nothing is asked.

    `decide` goes by the same answer, so whoever asks can be told beforehand.
    """
    return next(objections(state, seen, policy), None)


def objections(state: State | None, seen: Observation, policy: Policy) -> Iterator[Reason]:
    """Name all that stands against what is asked for; the first is what it is refused for."""
    asked = seen.asked
    if asked is None:
        return
    if state is None or (state.subject != policy.subject() and not in_force(state, seen)):
        yield Reason.WARMING_UP if asked.kind == "step" else Reason.NOTHING_OPEN
    elif state.subject != policy.subject():
        yield Reason.POLICY_CHANGED
    elif not same_values(seen.setting(policy), state.setting):
        yield Reason.SUPERSEDED
    elif asked.kind == "step":
        yield from _against_step(asked, state, seen, policy)
    else:
        yield from _against_more(asked, state)


def _against_more(asked: Asked, state: State) -> Iterator[Reason]:
    """Say what stands against keeping a change, or observing it longer."""
    if state.phase is not Phase.OBSERVING:
        yield Reason.NOTHING_OPEN
    elif asked.kind == "extend" and asked.blocks < 1:
        yield Reason.NO_CANDIDATE
    elif asked.kind == "extend":
        assert state.trial is not None  # noqa: S101 - it is what is observed
        if state.trial.extra + asked.blocks > blocks_of(LONGER_S):
            yield Reason.TOO_FAR


def _against_step(
    asked: Asked, state: State, seen: Observation, policy: Policy
) -> Iterator[Reason]:
    if state.phase in _OPEN:
        yield Reason.BUSY
    if state.phase is Phase.WARMING:
        yield Reason.WARMING_UP
    named = [move.rule for move in asked.moves]
    if len(set(named)) < len(named) or not {rule.name for rule in policy.rules} >= set(named):
        yield Reason.NO_CANDIDATE
    else:
        yield from _against_moves(asked, state, seen, policy)


def _against_moves(
    asked: Asked, state: State, seen: Observation, policy: Policy
) -> Iterator[Reason]:
    moves = propose.step_of(asked.moves, state, policy).moves
    if not moves:
        yield Reason.NO_CANDIDATE
    if any(not same_values((seen.rules[move.rule],), (move.old,)) for move in asked.moves):
        yield Reason.STALE
    yield from _out_of_reach(moves, policy)
    yield from _not_now(moves, state, seen)


def _out_of_reach(moves: tuple[Move, ...], policy: Policy) -> Iterator[Reason]:
    rules = {rule.name: rule for rule in policy.rules}
    if not all(guards.inside(move, rules) for move in moves):
        yield Reason.AT_BOUND
    if not all(guards.near(move, rules, policy) for move in moves):
        yield Reason.TOO_FAR


def _not_now(moves: tuple[Move, ...], state: State, seen: Observation) -> Iterator[Reason]:
    now, resting = seen.blocks.end, state.memory.resting
    if seen.held is not None:
        yield Reason.HELD
    if any(move.rule in seen.barred for move in moves):
        yield Reason.BARRED
    if any(resting.get(move.rule, 0) > now for move in moves):
        yield Reason.COOLDOWN
    if seen.unfit or (state.phase is not Phase.WARMING and not fresh(state, seen)):
        yield Reason.SIGNAL_UNFIT


# ── doing it ─────────────────────────────────────────────────────────────────
def answered(state: State, seen: Observation, policy: Policy) -> Outcome | None:
    """Do what is asked for, or refuse it; None where the cycle goes on as if nobody had asked.

    A change that is open is looked after as always: only where none is, a cycle
    says in its decision why a step was refused.
    """
    asked = seen.asked
    assert asked is not None  # noqa: S101 - it is what is answered
    why = refusal(state, seen, policy)
    if why is None:
        return _DONE[asked.kind](asked, state, seen, policy)
    if asked.kind != "step" or state.phase in _OPEN:
        return None
    if state.phase is Phase.OPENING:  # nobody reported a step, so it was not made
        state = replace(state, phase=Phase.IDLE, trial=None)
    numbers = Verdicts(
        score=state.score,
        passed_over=(Candidate(moves=asked.moves, refused=why),),
        detail={"asked": asked.kind},
    )
    decision, _ = hold(state, seen, why, numbers)
    return decision, state  # why the loop itself does nothing is another question


def _step(asked: Asked, state: State, seen: Observation, policy: Policy) -> Outcome:
    """Open a change of these moves, as if it had been found worth trying."""
    state = refitted(state, seen, policy)
    option = propose.step_of(asked.moves, state, policy)
    chosen = propose.promised(option, state, policy)
    state = started(state, option, chosen.gain, seen.blocks.end)
    numbers = Verdicts(score=state.score, chosen=chosen)
    return act(DecisionKind.APPLY, Reason.ASKED, state, seen, numbers)


def _keep(asked: Asked, state: State, seen: Observation, policy: Policy) -> Outcome:
    """Keep the change whatever it did, and say what was measured of it."""
    del asked
    found, detail = _measured(state, seen, policy)
    numbers = Verdicts(score=state.score, judgement=found, detail=detail)
    return keep(state, seen, Reason.CONFIRMED, numbers)


def _measured(state: State, seen: Observation, policy: Policy) -> tuple[Judgement, dict[str, str]]:
    """Judge a change as far as it can be judged by now."""
    trial, tracker, frame, believed = state.trial, state.tracker, state.frame, state.believed
    assert trial is not None  # noqa: S101 - it is what is observed
    assert tracker is not None  # noqa: S101 - no change opens without
    assert frame is not None  # noqa: S101 - same
    assert believed is not None  # noqa: S101 - same
    now, first = seen.blocks.end, trial.since + blocks_of(policy.settle_s)
    samples = seen.blocks.window(first, now).n
    broken = verdict.guard_broken(trial, seen.blocks, tracker, frame, policy)
    if broken is not None:
        found = verdict.measure(trial, believed, frame, policy, samples)
        return verdict.ruled(found, Verdict.WORSE, Reason.GUARD_BROKEN), {"signal": broken}
    full = now - first >= verdict.watched(trial, policy)
    if full and not seen.unfit and samples.min() >= policy.min_samples:
        return verdict.judge(trial, believed, frame, policy, samples), {}
    return verdict.measure(trial, believed, frame, policy, samples), {}


def _extend(asked: Asked, state: State, seen: Observation, policy: Policy) -> Outcome:
    """Observe the change longer before it is judged; what is clearly bad still ends it."""
    del policy
    assert state.trial is not None  # noqa: S101 - it is what is observed
    trial = replace(state.trial, extra=state.trial.extra + asked.blocks)
    numbers = Verdicts(score=state.score, detail={"blocks": asked.blocks, "extra": trial.extra})
    return act(DecisionKind.EXTEND, Reason.ASKED, replace(state, trial=trial), seen, numbers)


_DONE: dict[str, Callable[[Asked, State, Observation, Policy], Outcome]] = {
    "step": _step,
    "keep": _keep,
    "extend": _extend,
}
