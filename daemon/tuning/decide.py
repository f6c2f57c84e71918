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

from daemon.tuning import effects, guards, null, propose, verdict
from daemon.tuning.change import blocks_of, kept, superseded, taken_back
from daemon.tuning.model import Decision, Verdicts
from daemon.tuning.objective import frame_of
from daemon.tuning.reasons import Reason
from daemon.tuning.state import Memory, Phase, State, Trial
from daemon.tuning.vocabulary import DecisionKind, Verdict

if TYPE_CHECKING:
    from daemon.tuning.model import Judgement, Observation, Policy
    from daemon.tuning.windows import Ints

Outcome = tuple[Decision, State]

LOOK = 4
LOOK_QUIET = 12
"""Blocks between two looks for something to propose: sooner after something was done."""

REFIT = 60
REFIT_EARLY = 12
EARLY = 360
"""The noise is learned anew every five minutes, in the first half hour every minute."""

HISTORY = 1440
QUIET_MIN = 8
"""Shorter stretches say nothing about noise."""

BASELINE_MIN = 12
"""Quiet blocks that a proposal needs behind it."""

FRESH = 6
FRESH_SHARE = 0.25
"""Samples that the newest half minute needs, as a share of the usual."""

EARLIEST = 6
"""Blocks after the settle gap before a clear loss may end an observation."""

FELL = 0.03
"""A score that fell by so much since the loop slowed down wakes it."""


def decide(state: State | None, seen: Observation, policy: Policy) -> Outcome:
    """Decide what to do now, and what to remember."""
    if state is None or state.policy != signature(policy):
        state = begin(seen, policy)
    setting = tuple(seen.rules[rule.name] for rule in policy.rules)
    if not _same(setting, state.setting):
        state = superseded(_followed(state, seen), setting, seen.blocks.end, policy)
        return _hold(state, seen, Reason.SUPERSEDED)
    return _PHASES[state.phase](_followed(state, seen), seen, policy)


def signature(policy: Policy) -> str:
    """Name what a state is the memory of: other signals or rules are another memory."""
    rules = [f"{rule.name}/{rule.step!r}" for rule in policy.rules]
    return ";".join([*policy.signals(), *rules])


def begin(seen: Observation, policy: Policy) -> State:
    """Know nothing yet."""
    return State(
        policy=signature(policy),
        first=seen.blocks.first,
        block=seen.blocks.first,
        setting=tuple(seen.rules[rule.name] for rule in policy.rules),
        quiet_since=seen.blocks.first,
    )


def _same(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(
        abs(a - b) <= 1e-9 * max(abs(a), abs(b), 1e-9) for a, b in zip(one, other, strict=True)
    )


# ── following the signals ────────────────────────────────────────────────────
def _followed(state: State, seen: Observation) -> State:
    """Take the blocks into account that came since the last decision."""
    if state.tracker is None or state.frame is None or state.believed is None:
        return replace(state, block=seen.blocks.end)
    believed, tracker = state.believed, state.tracker
    first = max(state.block, seen.blocks.first)
    new = seen.blocks.between(first, seen.blocks.end)
    rows = state.frame.within(new.mean)
    for offset in range(len(rows)):
        if first + offset < state.quiet_since:
            believed = tracker.age(believed)
        else:
            believed = tracker.follow(believed, rows[offset], new.count[offset])
    return replace(
        state,
        block=seen.blocks.end,
        believed=believed,
        score=float(state.frame.score(believed.level)),
    )


def _refitted(state: State, seen: Observation, policy: Policy) -> State:
    """Learn the noise anew, now and then."""
    now = seen.blocks.end
    pause = REFIT if now - state.first > EARLY else REFIT_EARLY
    if state.noise is not None and now - state.fitted < pause:
        return state
    assert state.frame is not None  # noqa: S101 - placed before the first fit
    rows = state.frame.within(seen.blocks.mean)
    stretches = [
        null.Stretch(setting, rows[max(first - seen.blocks.first, 0) : end - seen.blocks.first])
        for first, end, setting in _quiet(state, now)
    ]
    noise = null.fit([stretch for stretch in stretches if len(stretch.rows) >= QUIET_MIN])
    if noise is None:
        return state
    tracker = effects.tracker(noise, _per_block(seen), policy.forget_h)
    return replace(state, noise=noise, tracker=tracker, fitted=now)


def _quiet(state: State, now: int) -> list[tuple[int, int, tuple[float, ...]]]:
    """List the stretches without changes that are still young enough to learn from."""
    past = [(one.first, one.end, one.setting) for one in state.quiet]
    past.append((state.quiet_since, now, state.setting))
    oldest = now - HISTORY
    return [(max(first, oldest), end, setting) for first, end, setting in past if end > oldest]


def _per_block(seen: Observation) -> float:
    """Count the samples of a usual block."""
    count = seen.blocks.count
    usual = count[count > 0]
    return float(np.median(usual)) if len(usual) else 1.0


# ── the phases ───────────────────────────────────────────────────────────────
def _warm(state: State, seen: Observation, policy: Policy) -> Outcome:
    """Watch until there is a baseline, then learn the noise and follow what was watched."""
    now = seen.blocks.end
    watched = seen.blocks.between(state.quiet_since, now)
    if len(watched) < blocks_of(policy.warmup_s):
        return _hold(state, seen, Reason.WARMING_UP)
    if bool((np.count_nonzero(watched.count, axis=0) * 2 < len(watched)).any()):
        return _hold(state, seen, Reason.SIGNAL_UNFIT)
    frame = frame_of(policy, np.nanmedian(watched.mean, axis=0))
    state = _refitted(replace(state, frame=frame), seen, policy)
    if state.tracker is None or state.noise is None:
        return _hold(state, seen, Reason.WARMING_UP)
    believed = effects.unlearned(len(policy.signals()), len(policy.rules))
    believed.cov[:, effects.SLOW, effects.SLOW] = state.tracker.slow
    state = replace(state, believed=believed, block=state.quiet_since, phase=Phase.IDLE)
    return _idle(_followed(state, seen), seen, policy)


def _idle(state: State, seen: Observation, policy: Policy) -> Outcome:
    """Look for something to try, if it is time to."""
    now = seen.blocks.end
    if now < state.look:
        return _hold(state, seen, state.reason)
    state = _refitted(state, seen, policy)
    reason = _standstill(state, seen, policy)
    if reason is not None:
        return _hold(replace(state, look=now + LOOK), seen, reason)
    if _jumped(state, seen):
        return _hold(_woken(state, seen), seen, Reason.REGIME_CHANGED)
    state = _roused(state)
    if now < state.memory.idle_until:
        return _hold(replace(state, look=now + LOOK_QUIET), seen, Reason.NOTHING_HELPS)
    return _proposed(state, seen, policy)


def _standstill(state: State, seen: Observation, policy: Policy) -> Reason | None:
    """Say why nothing may be tried at all."""
    now = seen.blocks.end
    if seen.held is not None:
        return Reason.HELD
    if seen.unfit or not _fresh(state, seen):
        return Reason.SIGNAL_UNFIT
    if now - state.quiet_since < BASELINE_MIN:
        return Reason.RESTING
    return Reason.BUDGET_SPENT if guards.spent(state, policy, now) else None


def _fresh(state: State, seen: Observation) -> bool:
    assert state.tracker is not None  # noqa: S101 - set up before the first look
    newest = seen.blocks.window(seen.blocks.end - FRESH, seen.blocks.end)
    return bool((newest.n >= FRESH * state.tracker.per_block * FRESH_SHARE).all())


def _jumped(state: State, seen: Observation) -> bool:
    assert state.noise is not None  # noqa: S101 - learned before the first look
    assert state.frame is not None  # noqa: S101 - same
    return verdict.regime_changed(seen.blocks, state.quiet_since, state.noise, state.frame)


def _woken(state: State, seen: Observation) -> State:
    """Start over in a system that became another one, a minute ago."""
    assert state.noise is not None  # noqa: S101 - a jump is measured by it
    assert state.believed is not None  # noqa: S101 - same
    since = seen.blocks.end - verdict.BLOCKS_A_MINUTE
    believed = effects.restarted(state.believed, state.noise)
    memory = Memory(tried=state.memory.tried, resting=state.memory.resting)
    state = replace(state, believed=believed, block=since, quiet_since=since, memory=memory)
    return _followed(replace(state, look=seen.blocks.end + LOOK), seen)


def _roused(state: State) -> State:
    """Look sooner when the score fell since nothing seemed to help."""
    memory = state.memory
    if memory.score is None or state.score is None or state.score >= memory.score - FELL:
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
        return _hold(state, seen, _why_not(state, passed), numbers)
    assert state.believed is not None  # noqa: S101 - an option is judged by it
    trial = Trial(
        number=state.changes + 1,
        key=option.key,
        moves=option.moves,
        steps=option.steps,
        since=now,
        before=state.believed.level.copy(),
        doubt=state.believed,
        expected=chosen.gain,
        repeats=state.memory.repeats.get(option.key, 0),
    )
    state = replace(state, phase=Phase.OPENING, trial=trial, changes=trial.number, look=now + LOOK)
    reason = Reason.RETRY if trial.repeats else Reason.BEST_EXPECTED
    return _act(DecisionKind.APPLY, reason, state, seen, numbers)


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
    trial, noise, frame, believed = state.trial, state.noise, state.frame, state.believed
    assert trial is not None  # noqa: S101 - it is what this phase is about
    assert noise is not None  # noqa: S101 - no change opens without
    assert frame is not None  # noqa: S101 - same
    assert believed is not None  # noqa: S101 - same
    now, settle = seen.blocks.end, blocks_of(policy.settle_s)
    since = now - trial.since
    window = seen.blocks.window(trial.since + settle, now)
    broken = verdict.guard_broken(trial, seen.blocks, noise, frame, policy)
    if broken is not None:
        found = verdict.measure(trial, believed, frame, policy, window.n)
        found = verdict.ruled(found, Verdict.WORSE, Reason.GUARD_BROKEN)
        return _take_back(state, found, seen, policy, {"signal": broken})
    if since < settle + EARLIEST:
        return _hold(state, seen, Reason.OBSERVING)
    full = since - settle >= blocks_of(policy.observe_window_s)
    if not full and since % 2:
        return _hold(state, seen, Reason.OBSERVING)
    if not full:
        found = verdict.measure(trial, believed, frame, policy, window.n)
        if verdict.clearly_worse(found):
            found = verdict.ruled(found, Verdict.WORSE, Reason.SCORE_FELL)
            return _take_back(state, found, seen, policy, {})
        return _hold(state, seen, Reason.OBSERVING)
    return _verdict(state, seen, policy, window.n)


def _verdict(state: State, seen: Observation, policy: Policy, samples: Ints) -> Outcome:
    trial, frame, believed = state.trial, state.frame, state.believed
    assert trial is not None  # noqa: S101 - see `_observe`
    assert frame is not None  # noqa: S101 - same
    assert believed is not None  # noqa: S101 - same
    if seen.unfit or samples.min() < policy.min_samples:
        span = seen.blocks.end - trial.since - blocks_of(policy.settle_s)
        if span < 2 * blocks_of(policy.observe_window_s):
            return _act(DecisionKind.EXTEND, Reason.MORE_SAMPLES, state, seen, Verdicts())
        found = verdict.measure(trial, believed, frame, policy, samples)
        found = verdict.ruled(found, Verdict.INVALID, Reason.INSUFFICIENT_DATA)
        return _take_back(state, found, seen, policy, {})
    found = verdict.judge(trial, believed, frame, policy, samples)
    if found.verdict is Verdict.BETTER:
        numbers = Verdicts(score=state.score, judgement=found)
        decision, _ = _act(DecisionKind.KEEP, found.cause, state, seen, numbers)
        return decision, replace(kept(state, trial), look=seen.blocks.end)
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
    return _act(kind, found.cause, state, seen, numbers)


def _return(state: State, seen: Observation, policy: Policy) -> Outcome:
    """Measure what taking the change back does: evidence for nothing."""
    assert state.trial is not None  # noqa: S101 - it was taken back
    pause = blocks_of(policy.settle_s + policy.observe_window_s)
    if seen.blocks.end - state.trial.since < pause:
        return _hold(state, seen, Reason.MEASURING_REVERSAL)
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


# ── saying so ────────────────────────────────────────────────────────────────
def _hold(
    state: State, seen: Observation, reason: Reason, numbers: Verdicts | None = None
) -> Outcome:
    decision = Decision(
        kind=DecisionKind.HOLD,
        reason=reason,
        at_us=seen.at_us,
        change=state.trial.number if state.trial else None,
        numbers=numbers or Verdicts(score=state.score),
    )
    return decision, replace(state, reason=reason)


def _act(
    kind: DecisionKind, reason: Reason, state: State, seen: Observation, numbers: Verdicts
) -> Outcome:
    assert state.trial is not None  # noqa: S101 - an act is about a change
    moves = state.trial.moves if kind is DecisionKind.APPLY else ()
    if kind in {DecisionKind.ROLLBACK, DecisionKind.REVERT}:
        moves = tuple(move.back() for move in state.trial.moves)
    decision = Decision(
        kind=kind,
        reason=reason,
        at_us=seen.at_us,
        moves=moves,
        change=state.trial.number,
        numbers=numbers,
    )
    return decision, replace(state, reason=reason)
