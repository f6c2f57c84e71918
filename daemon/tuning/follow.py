"""Keeping up with the signals: what is believed of them, block by block.

Everything that `decide` decides rests on this; nothing here decides anything.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from daemon.tuning import effects, null, verdict
from daemon.tuning.objective import frame_of
from daemon.tuning.state import Memory, Phase, State

if TYPE_CHECKING:
    from daemon.tuning.model import Observation, Policy
    from daemon.tuning.objective import Floats
    from daemon.tuning.windows import Blocks

REFIT = 60
REFIT_EARLY = 12
EARLY = 360
"""The noise is learned anew every five minutes, in the first half hour every minute."""

HISTORY = 1440
QUIET_MIN = 8
"""Shorter stretches say nothing about noise."""

FRESH = 6
FRESH_SHARE = 0.25
"""Samples that the newest half minute needs, as a share of the usual."""


def begin(seen: Observation, policy: Policy, before: State | None = None) -> State:
    """Know nothing yet, of another subject not even what is known; limits still hold."""
    memory = Memory()
    if before is not None:
        memory = Memory(tried=before.memory.tried, resting=before.memory.resting)
    return State(
        subject=policy.subject(),
        aims=policy.aims(),
        first=seen.blocks.first,
        block=seen.blocks.first,
        setting=tuple(seen.rules[rule.name] for rule in policy.rules),
        quiet_since=seen.blocks.first,
        memory=memory,
        changes=before.changes if before is not None else 0,
    )


def grounded(state: State, watched: Blocks, seen: Observation, policy: Policy) -> State | None:
    """Take what was watched so far for the ground to stand on; None if it does not bear yet."""
    baseline = np.nanmedian(watched.mean, axis=0)
    state = replace(state, baseline=baseline, frame=frame_of(policy, baseline))
    state = refitted(state, seen, policy)
    if state.tracker is None:
        return None
    believed = effects.unlearned(len(policy.signals()), len(policy.rules))
    believed.cov[:, effects.SLOW, effects.SLOW] = state.tracker.slow
    return replace(state, believed=believed, block=state.quiet_since, phase=Phase.IDLE)


def followed(state: State, seen: Observation) -> State:
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


def refitted(state: State, seen: Observation, policy: Policy) -> State:
    """Learn the noise anew, now and then."""
    now = seen.blocks.end
    pause = REFIT if now - state.first > EARLY else REFIT_EARLY
    if state.noise is not None and now - state.fitted < pause:
        return state
    assert state.frame is not None  # noqa: S101 - placed before the first fit
    rows = state.frame.within(seen.blocks.mean)
    stretches = [
        null.Stretch(setting, _part(rows, first - seen.blocks.first, end - seen.blocks.first))
        for first, end, setting in _quiet(state, now)
    ]
    noise = null.fit([stretch for stretch in stretches if len(stretch.rows) >= QUIET_MIN])
    if noise is None:
        return state
    tracker = effects.tracker(noise, _per_block(seen), policy.forget_h, len(policy.rules))
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


def _part(rows: Floats, first: int, end: int) -> Floats:
    """Take some rows, as far as they are still known."""
    return rows[max(first, 0) : max(end, 0)]


def fresh(state: State, seen: Observation) -> bool:
    """Tell whether every signal still comes in."""
    assert state.tracker is not None  # noqa: S101 - set up before the first look
    newest = seen.blocks.window(seen.blocks.end - FRESH, seen.blocks.end)
    return bool((newest.n >= FRESH * state.tracker.per_block * FRESH_SHARE).all())


def jumped(state: State, seen: Observation) -> bool:
    """Tell whether the system became another one just now."""
    assert state.noise is not None  # noqa: S101 - learned before the first look
    assert state.frame is not None  # noqa: S101 - same
    return verdict.regime_changed(seen.blocks, state.quiet_since, state.noise, state.frame)


def woken(state: State, seen: Observation) -> State:
    """Start over in a system that became another one, a minute ago."""
    assert state.noise is not None  # noqa: S101 - a jump is measured by it
    assert state.believed is not None  # noqa: S101 - same
    since = seen.blocks.end - verdict.BLOCKS_A_MINUTE
    believed = effects.restarted(state.believed, state.noise)
    memory = Memory(tried=state.memory.tried, resting=state.memory.resting)
    state = replace(state, believed=believed, block=since, quiet_since=since, memory=memory)
    return followed(state, seen)


def reframed(state: State, policy: Policy) -> State:
    """See the same past against other targets: what was learned holds, in other units."""
    old = state.frame
    state = replace(state, aims=policy.aims())
    if old is None or state.baseline is None or state.believed is None or state.noise is None:
        return state
    new = frame_of(policy, state.baseline)
    ratio, shift = old.scale / new.scale, (old.anchor - new.anchor) / new.scale
    noise = null.scaled(state.noise, ratio)
    trial = state.trial
    if trial is not None:
        doubt = effects.reframed(trial.doubt, ratio, shift)
        trial = replace(trial, before=trial.before * ratio + shift, doubt=doubt)
    believed = effects.reframed(state.believed, ratio, shift)
    per_block = state.tracker.per_block if state.tracker is not None else 1.0
    return replace(
        state,
        frame=new,
        noise=noise,
        tracker=effects.tracker(noise, per_block, policy.forget_h, len(policy.rules)),
        believed=believed,
        trial=trial,
        memory=replace(state.memory, until={}, failures={}, given_up=0, dry=0, idle_until=0),
        score=float(new.score(believed.level)),
    )
