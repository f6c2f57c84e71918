"""What a step should do to each signal, as far as past changes taught it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.tuning.model import Effect
from daemon.tuning.propose import step_of
from daemon.tuning.verdict import Z_95

if TYPE_CHECKING:
    from daemon.tuning.model import Move, Policy
    from daemon.tuning.state import State


def prospects(state: State | None, policy: Policy, moves: tuple[Move, ...]) -> tuple[Effect, ...]:
    """Say what some moves should do to each signal, with how unsure that is.

    The step is taken from the setting that the state knows. Nothing is said where
    nothing is known yet, or of other signals and rules than those known.
    """
    if state is None or state.believed is None or state.frame is None:
        return ()
    if state.subject != policy.subject() or state.aims != policy.aims():
        return ()
    frame, believed = state.frame, state.believed
    effect, doubt = believed.of_steps(step_of(moves, state, policy).steps[None])
    before = frame.anchor + believed.level * frame.scale
    delta, reach = effect[0] * frame.scale, Z_95 * doubt[0] * frame.scale
    rows = zip(policy.signals(), before.tolist(), delta.tolist(), reach.tolist(), strict=True)
    return tuple(
        Effect(signal=signal, before=at, delta=by, low=by - wide, high=by + wide)
        for signal, at, by, wide in rows
    )
