"""One cycle, decided: the same function live, in a dry run and in a replay.

It reads nothing, writes nothing, and knows no time but its observation's. It
asks for at most one change at a time, of one rule or of a few together, and
returns the state that it wants to be given next, which `change.evolve` first
brings up to what really happened.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from daemon.tuning import guards, propose, verdict
from daemon.tuning.asked import answered
from daemon.tuning.change import LOOK, in_force, left, started, superseded, taken_back
from daemon.tuning.follow import (
    begin,
    followed,
    fresh,
    grounded,
    jumped,
    refitted,
    reframed,
    woken,
)
from daemon.tuning.model import Judgement, Verdicts, blocks_of, same_values
from daemon.tuning.outcome import act, hold, keep
from daemon.tuning.reasons import Reason
from daemon.tuning.state import Phase, State
from daemon.tuning.vocabulary import DecisionKind, Verdict

if TYPE_CHECKING:
    from daemon.tuning.model import Observation, Policy
    from daemon.tuning.outcome import Outcome
    from daemon.tuning.windows import Ints

LOOK_QUIET = 12
"""Blocks between two looks for something to propose, where nothing was done."""

BASELINE_MIN = 12
"""Quiet blocks that a proposal needs behind it."""

EARLIEST = 6
"""Blocks after the settle gap before a clear loss may end an observation."""

FELL = 0.03
"""A score that fell by so much since the loop slowed down wakes it."""

Z_FELL = 4.0
"""And by more standard deviations than the level is unsure by."""


def decide(state: State | None, seen: Observation, policy: Policy) -> Outcome:
    """Decide what to do now, and what to remember.

    Raises:
        ValueError: the blocks are not of the signals that the policy names, in their order.
    """
    if seen.blocks.signals != policy.signals():
        raise ValueError(
            f"blocks of {seen.blocks.signals}, but the policy reads {policy.signals()}"
        )
    if state is not None and state.subject != policy.subject():
        if in_force(state, seen):
            return _withdrawn(state, seen, Reason.POLICY_CHANGED)
        state = begin(seen, policy, state)
    if state is None:
        state = begin(seen, policy)
    if state.aims != policy.aims():
        state = reframed(state, policy)
    setting = seen.setting(policy)
    if not same_values(setting, state.setting):
        ours = left(state, seen, policy)
        state = superseded(followed(state, seen), setting, seen.blocks.end, policy)
        if ours is not None:
            return _withdrawn(replace(state, trial=ours), seen, Reason.SUPERSEDED)
        return hold(state, seen, Reason.SUPERSEDED)
    state = followed(state, seen)
    answer = answered(state, seen, policy) if seen.asked is not None else None
    return answer or _PHASES[state.phase](state, seen, policy)


def _withdrawn(state: State, seen: Observation, why: Reason) -> Outcome:
    """Take back what is open and can be judged no more."""
    trial = state.trial
    assert trial is not None  # noqa: S101 - it is what is open
    if trial.closed is None:
        trial = replace(trial, closed=Judgement(verdict=Verdict.INVALID, cause=why))
    state = replace(state, phase=Phase.CLOSING, trial=trial)
    return _closing_act(state, seen, Verdicts(score=state.score, judgement=trial.closed))


# ── the phases ───────────────────────────────────────────────────────────────
def _warm(state: State, seen: Observation, policy: Policy) -> Outcome:
    """Watch until there is a baseline, then learn the noise and follow what was watched."""
    now = seen.blocks.end
    watched = seen.blocks.between(state.quiet_since, now)
    if len(watched) < blocks_of(policy.warmup_s):
        return hold(state, seen, Reason.WARMING_UP)
    recent = watched.last(blocks_of(policy.warmup_s))
    if bool((np.count_nonzero(recent.count, axis=0) * 2 < len(recent)).any()):
        return hold(state, seen, Reason.SIGNAL_UNFIT)
    ready = grounded(state, watched, seen, policy)
    if ready is None:
        return hold(state, seen, Reason.WARMING_UP)
    return _idle(followed(ready, seen), seen, policy)


def _idle(state: State, seen: Observation, policy: Policy) -> Outcome:
    """Look for something to try, if it is time to."""
    now = seen.blocks.end
    if now < state.look:
        return hold(state, seen, state.reason)
    state = refitted(state, seen, policy)
    reason = _standstill(state, seen, policy)
    if reason is not None:
        return hold(replace(state, look=now + LOOK), seen, reason)
    if jumped(state, seen):
        return hold(replace(woken(state, seen), look=now + LOOK), seen, Reason.REGIME_CHANGED)
    state = _roused(state)
    if now < state.memory.idle_until:
        return hold(replace(state, look=now + LOOK_QUIET), seen, Reason.NOTHING_HELPS)
    return _proposed(state, seen, policy)


def _standstill(state: State, seen: Observation, policy: Policy) -> Reason | None:
    """Say why nothing may be tried at all."""
    now = seen.blocks.end
    if seen.held is not None:
        return Reason.HELD
    if seen.unfit or not fresh(state, seen):
        return Reason.SIGNAL_UNFIT
    if now - state.quiet_since < BASELINE_MIN:
        return Reason.RESTING
    return Reason.BUDGET_SPENT if guards.spent(state, policy, now) else None


def _roused(state: State) -> State:
    """Look sooner when the score fell since nothing seemed to help, beyond what is unsure of it."""
    memory, frame, believed = state.memory, state.frame, state.believed
    if memory.score is None or state.score is None or frame is None or believed is None:
        return state
    unsure = float(np.sqrt(((frame.weight * believed.level_sd) ** 2).sum()))
    if state.score >= memory.score - max(FELL, Z_FELL * unsure):
        return state
    given_up = max(memory.given_up - 2, 0)
    return replace(
        state, memory=replace(memory, idle_until=0, given_up=given_up, score=state.score)
    )


def _proposed(state: State, seen: Observation, policy: Policy) -> Outcome:
    now = seen.blocks.end
    option, chosen, passed = propose.choose(state, seen, policy)
    numbers = Verdicts(score=state.score, chosen=chosen, passed_over=passed)
    if option is None or chosen is None:
        state = replace(state, look=now + LOOK_QUIET)
        return hold(state, seen, _why_not(state, passed), numbers)
    state = started(state, option, chosen.gain, now)
    repeats = state.memory.repeats.get(option.key)
    reason = Reason.RETRY if repeats else Reason.BEST_EXPECTED
    return act(DecisionKind.APPLY, reason, state, seen, numbers)


def _why_not(state: State, passed: tuple[object, ...]) -> Reason:
    assert state.frame is not None  # noqa: S101 - options are judged by it
    if state.score is not None and state.score >= 1.0:
        return Reason.TARGETS_MET
    refused = {getattr(candidate, "refused", None) for candidate in passed}
    return Reason.NOT_WORTH_IT if Reason.NOT_WORTH_IT in refused else Reason.NO_CANDIDATE


def _opening(state: State, seen: Observation, policy: Policy) -> Outcome:
    """Nobody reported what became of the step: it was not made, as the controls say."""
    return _idle(replace(state, phase=Phase.IDLE, trial=None), seen, policy)


def _observe(state: State, seen: Observation, policy: Policy) -> Outcome:
    """Judge the change that is open, if it can be judged yet."""
    trial, tracker, frame, believed = state.trial, state.tracker, state.frame, state.believed
    assert trial is not None  # noqa: S101 - it is what this phase is about
    assert tracker is not None  # noqa: S101 - no change opens without
    assert frame is not None  # noqa: S101 - same
    assert believed is not None  # noqa: S101 - same
    now, settle = seen.blocks.end, blocks_of(policy.settle_s)
    since = now - trial.since
    window = seen.blocks.window(trial.since + settle, now)
    broken = verdict.guard_broken(trial, seen.blocks, tracker, frame, policy)
    if broken is not None:
        found = verdict.measure(trial, believed, frame, policy, window.n)
        found = verdict.ruled(found, Verdict.WORSE, Reason.GUARD_BROKEN)
        return _take_back(state, found, seen, policy, {"signal": broken})
    if since < settle + EARLIEST:
        return hold(state, seen, Reason.OBSERVING)
    full = since - settle >= verdict.watched(trial, policy)
    if not full and since % 2:
        return hold(state, seen, Reason.OBSERVING)
    if not full:
        found = verdict.measure(trial, believed, frame, policy, window.n)
        if verdict.clearly_worse(found):
            found = verdict.ruled(found, Verdict.WORSE, Reason.SCORE_FELL)
            return _take_back(state, found, seen, policy, {})
        return hold(state, seen, Reason.OBSERVING)
    return _verdict(state, seen, policy, window.n)


def _verdict(state: State, seen: Observation, policy: Policy, samples: Ints) -> Outcome:
    trial, frame, believed = state.trial, state.frame, state.believed
    assert trial is not None  # noqa: S101 - see `_observe`
    assert frame is not None  # noqa: S101 - same
    assert believed is not None  # noqa: S101 - same
    if seen.unfit or samples.min() < policy.min_samples:
        span = seen.blocks.end - trial.since - blocks_of(policy.settle_s)
        if span < verdict.watched(trial, policy) + blocks_of(policy.observe_window_s):
            return act(DecisionKind.EXTEND, Reason.MORE_SAMPLES, state, seen, Verdicts())
        found = verdict.measure(trial, believed, frame, policy, samples)
        found = verdict.ruled(found, Verdict.INVALID, Reason.INSUFFICIENT_DATA)
        return _take_back(state, found, seen, policy, {})
    found = verdict.judge(trial, believed, frame, policy, samples)
    if found.verdict is Verdict.BETTER:
        return keep(state, seen, found.cause, Verdicts(score=state.score, judgement=found))
    return _take_back(state, found, seen, policy, {})


def _take_back(
    state: State, found: Judgement, seen: Observation, policy: Policy, detail: dict[str, str]
) -> Outcome:
    assert state.trial is not None  # noqa: S101 - it is what is taken back
    state = taken_back(state, state.trial, found, seen.blocks.end, policy)
    numbers = Verdicts(score=state.score, judgement=found, detail=detail)
    return _closing_act(state, seen, numbers)


def _closing(state: State, seen: Observation, policy: Policy) -> Outcome:
    """Ask again for a rollback that nobody reported as done."""
    del policy
    assert state.trial is not None  # noqa: S101 - it is what is taken back
    return _closing_act(state, seen, Verdicts(score=state.score, judgement=state.trial.closed))


def _closing_act(state: State, seen: Observation, numbers: Verdicts) -> Outcome:
    assert state.trial is not None  # noqa: S101 - it is what is taken back
    found = state.trial.closed
    assert found is not None  # noqa: S101 - why it is taken back
    kind = DecisionKind.ROLLBACK if found.verdict is Verdict.WORSE else DecisionKind.REVERT
    return act(kind, found.cause, state, seen, numbers)


def _return(state: State, seen: Observation, policy: Policy) -> Outcome:
    """Measure what taking the change back does: evidence for nothing."""
    assert state.trial is not None  # noqa: S101 - it was taken back
    pause = blocks_of(policy.settle_s + policy.observe_window_s)
    if seen.blocks.end - state.trial.since < pause:
        return hold(state, seen, Reason.MEASURING_REVERSAL)
    state = replace(state, phase=Phase.IDLE, trial=None, look=seen.blocks.end)
    return _idle(state, seen, policy)


_PHASES = {
    Phase.WARMING: _warm,
    Phase.IDLE: _idle,
    Phase.OPENING: _opening,
    Phase.OBSERVING: _observe,
    Phase.CLOSING: _closing,
    Phase.RETURNING: _return,
}
