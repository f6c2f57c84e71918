"""Our own decisions, as the benchmarks ask for them: the core that ships, and nothing beside it.

`core_policy` governs a plant the way the daemon does. The others judge changes of
one signal, many repetitions at a time: a half hour is learned from for all of
them at once, because the core's arrays have a row a signal, and a repetition is
one; from the change on, each goes its own way through `decide`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml
from noise import BLOCK, SMALLEST_EFFECT_SD
from trials import Judged

from daemon.config.policy_file import policy_from
from daemon.config.tuning_policy import as_policy
from daemon.config.yaml_safe import read_yaml
from daemon.tuning import verdict
from daemon.tuning.block import BLOCK_US
from daemon.tuning.change import Applied, evolve
from daemon.tuning.decide import decide
from daemon.tuning.model import BLOCK_S, Move, Observation, Policy, Rule, Shift, Target
from daemon.tuning.objective import GUARD_SHARE, frame_of
from daemon.tuning.state import Phase, State, Trial
from daemon.tuning.vocabulary import DecisionKind
from daemon.tuning.windows import Blocks, summarise

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from plants import Plant
    from trials import Seen, Values

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

JUDGED = {
    DecisionKind.KEEP: True,
    DecisionKind.ROLLBACK: False,
    DecisionKind.REVERT: False,
}
ACTS = {DecisionKind.APPLY, DecisionKind.ROLLBACK, DecisionKind.REVERT}
SAMPLE_US = BLOCK_US // BLOCK
RULES_AT_ONCE = 2
"""As in the policy that ships."""


# ── on a plant ───────────────────────────────────────────────────────────────
class Core:
    """The daemon's decisions on a plant, without the daemon around them."""

    def __init__(self, plant: Plant) -> None:
        document = plant.spec.policy()
        document["strategy"]["max_concurrent_changes"] = RULES_AT_ONCE
        text = yaml.safe_dump(document, sort_keys=False)
        self.policy = as_policy(policy_from(read_yaml(text, name="plant"), Path("plant")))
        self.judged: list[Judged] = []
        names = [signal.name for signal in plant.spec.system.signals]
        self._columns = [names.index(signal) for signal in self.policy.signals()]
        self._blocks = Blocks.empty(self.policy.signals())
        self._state: State | None = None

    def tick(self, now_s: float, seen: Seen) -> Values | None:
        """Decide on what is known after 5 s more."""
        first = self._blocks.end
        at_us = first * BLOCK_US + SAMPLE_US * np.arange((seen.blocks - first) * BLOCK)
        new = seen.samples[first * BLOCK :, self._columns]
        found = [summarise(at_us, row, first, seen.blocks - first) for row in new.T]
        mean, count = (np.stack(part, axis=1) for part in zip(*found, strict=True))
        self._blocks = self._blocks.extend(first, mean, count)
        looked = Observation(blocks=self._blocks, rules=seen.rules)
        decision, self._state = decide(self._state, looked, self.policy)
        if decision.kind in JUDGED:
            self.judged.append(Judged(now_s, JUDGED[decision.kind]))
        if decision.kind not in ACTS:
            return None
        self._state = evolve(self._state, Applied(self._blocks.end), self.policy)
        return {move.rule: move.new for move in decision.moves}


def core_policy(plant: Plant) -> Core:
    """Build our own policy for a plant."""
    return Core(plant)


# ── on one signal ────────────────────────────────────────────────────────────
SIGNAL = "signal"
GOOD_SCALE = 0.1
"""The smallest effect that counts, in scales of the target: as on the plants."""

SCALE_SD = SMALLEST_EFFECT_SD / GOOD_SCALE
WARN_SD = GUARD_SHARE * SCALE_SD
"""What a guard allows, in sd of one sample: four smallest effects."""

FAR_SD = 1.5 * SCALE_SD
"""How far outside of its target the signal is: the score then follows it in a straight line."""

RULE = Rule(name="rule", low=0.0, high=1.0, step=1.0, init=0.0)
"""There is one way to go and one step to make."""

AT_REST = {RULE.name: RULE.init}
KEY = "rule+"

POLICY = Policy(
    targets=(Target(signal=SIGNAL, high=-FAR_SD, scale=SCALE_SD),),
    rules=(RULE,),
    good={SIGNAL: Shift(fall=-SMALLEST_EFFECT_SD)},
)
GUARDED = replace(POLICY, warn={SIGNAL: Shift(rise=WARN_SD)})
ONLY_GUARDED = Policy(targets=(), rules=(RULE,), warn={SIGNAL: Shift(rise=WARN_SD)})
"""A signal that is watched and has no target."""


def learned(mean: Floats, count: Ints, policy: Policy) -> list[State]:
    """Give what the core remembers of each signal after blocks, (blocks, signals), without changes.

    It watches all of them at once, held back from proposing anything; what it
    learned of one does not depend on the others.
    """
    signals = tuple(f"{column:06d}" for column in range(mean.shape[1]))
    many = _repeated(policy, signals)
    blocks = Blocks.empty(signals).extend(0, mean, count)
    state = None
    for end in range(1, len(mean) + 1):
        seen = Observation(blocks=blocks.between(0, end), rules=AT_REST, held="watching")
        _, state = decide(state, seen, many)
    assert state is not None
    return [_of_one(state, row, policy) for row in range(len(signals))]


def _repeated(policy: Policy, signals: tuple[str, ...]) -> Policy:
    """Want the same of many signals."""
    return replace(
        policy,
        targets=tuple(
            replace(target, signal=signal) for target in policy.targets for signal in signals
        ),
        good={signal: shift for shift in policy.good.values() for signal in signals},
        warn={signal: shift for shift in policy.warn.values() for signal in signals},
    )


def _of_one(state: State, row: int, policy: Policy) -> State:
    """Take what is remembered of one signal."""
    assert state.baseline is not None
    assert state.believed is not None
    believed, baseline = _rows(state.believed, row), _rows(state.baseline, row)
    frame = frame_of(policy, baseline)
    return replace(
        state,
        subject=policy.subject(),
        aims=policy.aims(),
        baseline=baseline,
        frame=frame,
        noise=_rows(state.noise, row),
        tracker=_rows(state.tracker, row),
        believed=believed,
        score=float(frame.score(believed.level)),
        look=0,
    )


def _rows(value: Any, row: int) -> Any:
    """Take a row of every array in a value; what is no array is common to all."""
    if isinstance(value, np.ndarray):
        return value[row : row + 1]
    if isinstance(value, tuple):
        return tuple(_rows(part, row) for part in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value, **{one.name: _rows(getattr(value, one.name), row) for one in fields(value)}
        )
    return value


def blocked(samples: Floats) -> tuple[Floats, Ints]:
    """Summarise samples, a row for each repetition, into blocks, (blocks, repetitions)."""
    number = samples.shape[1] // BLOCK
    at_us = SAMPLE_US * np.arange(number * BLOCK)
    found = [summarise(at_us, row[: len(at_us)], 0, number) for row in samples]
    mean, count = (np.stack(part, axis=1) for part in zip(*found, strict=True))
    return mean, count


def _pasts(samples: Floats, change: int, policy: Policy) -> tuple[list[Blocks], list[State]]:
    """Give the blocks of every repetition, and what is known of it when the change comes."""
    mean, count = blocked(samples)
    pasts = [
        Blocks.empty((SIGNAL,), keep=len(mean)).extend(0, one[:, None], number[:, None])
        for one, number in zip(mean.T, count.T, strict=True)
    ]
    return pasts, learned(mean[: change // BLOCK], count[: change // BLOCK], policy)


def _opened(state: State, block: int, policy: Policy) -> State:
    """Make the change, whether or not it would have been proposed."""
    assert state.believed is not None
    trial = Trial(
        number=1,
        key=KEY,
        moves=(Move(RULE.name, RULE.init, RULE.init + RULE.step),),
        steps=np.ones(1),
        since=block,
        before=state.believed.level.copy(),
        doubt=state.believed,
    )
    state = replace(state, phase=Phase.OPENING, trial=trial, changes=1)
    return evolve(state, Applied(block), policy)


def core_verdicts(samples: Floats, change: int) -> tuple[Bools, Bools]:
    """Judge one change of each repetition: would it be kept, would it be called harmful?

    Args:
        samples: in sd of one sample, the lower the better; a row for each repetition.
        change: the place of the first sample after the change.
    """
    pasts, states = _pasts(samples, change, POLICY)
    found = [
        _judged(state, past, change // BLOCK) for state, past in zip(states, pasts, strict=True)
    ]
    verdicts = np.array(found)
    return verdicts == DecisionKind.KEEP, verdicts == DecisionKind.ROLLBACK


def _judged(state: State, past: Blocks, change: int) -> DecisionKind:
    state = _opened(state, change, POLICY)
    values = {RULE.name: RULE.init + RULE.step}
    for end in range(change + 1, past.end + 1):
        seen = Observation(blocks=past.between(0, end), rules=values)
        decision, state = decide(state, seen, POLICY)
        if decision.kind in JUDGED:
            return decision.kind
    return DecisionKind.HOLD


# ── made, unmade, and made again ─────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Ending:
    """How a change ended that was made as often as the core asked for it."""

    kept: bool
    given_up: bool
    """It will not be tried again soon. Neither means that the time was up."""
    made: int
    """How often it was made."""
    took_s: float
    """From when it was first made until the matter was settled."""


def core_toggles(noise: Floats, change: int, effect: float) -> list[Ending]:
    """Let the core make a change, unmake it and make it again, as long as it wishes to.

    Args:
        noise: in sd of one sample; a row for each repetition.
        change: the place of the sample from which on something may be changed.
        effect: by how much the signal falls while the change is made, in sd.
    """
    pasts, states = _pasts(noise, change, POLICY)
    return [
        _toggled(state, past, change // BLOCK, effect)
        for state, past in zip(states, pasts, strict=True)
    ]


def _toggled(state: State, noise: Blocks, change: int, effect: float) -> Ending:
    past = noise.between(0, change)
    values: dict[str, float] = AT_REST
    begun = made = 0
    for end in range(change, noise.end + 1):
        if end > change:
            row = slice(end - 1, end)
            off = effect * (values[RULE.name] - RULE.init) / RULE.step
            past = past.extend(end - 1, noise.mean[row] - off, noise.count[row])
        decision, state = decide(state, Observation(blocks=past, rules=values), POLICY)
        if decision.kind in ACTS:
            begun, made = begun or end, made + (decision.kind is DecisionKind.APPLY)
            state = evolve(state, Applied(end), POLICY)
            values = {move.rule: move.new for move in decision.moves}
        kept = decision.kind is DecisionKind.KEEP
        if kept or state.memory.failures:
            return Ending(kept, not kept, made, (end - begun) * BLOCK_S)
    return Ending(kept=False, given_up=False, made=made, took_s=(noise.end - begun) * BLOCK_S)


# ── the guard ────────────────────────────────────────────────────────────────
def core_guard(samples: Floats, change: int, policy: Policy = GUARDED) -> Floats:
    """Say after how many seconds each repetition's guard takes the change back; NaN if never."""
    pasts, states = _pasts(samples, change, policy)
    taken = [
        _guarded(state, past, change // BLOCK, policy)
        for state, past in zip(states, pasts, strict=True)
    ]
    return np.array(taken)


def _guarded(state: State, past: Blocks, change: int, policy: Policy) -> float:
    state = _opened(state, change, policy)
    assert state.trial is not None
    assert state.tracker is not None
    assert state.frame is not None
    for end in range(change + 1, past.end + 1):
        seen = past.between(0, end)
        if verdict.guard_broken(state.trial, seen, state.tracker, state.frame, policy):
            return (end - change) * BLOCK_S
    return np.nan
