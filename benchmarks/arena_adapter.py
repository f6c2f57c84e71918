"""The decision core behind the smallest possible interface: ``decide(state, windows, now)``.

For whoever wants to try the core on a simulator of their own. `configure` names
the policy file and, where the simulator has rules of its own, those; `decide` is
then called every five seconds with an hour of samples. What it returns are the
rules' new values, or None, and the state to hand back next time, as plain JSON
values. Dry run is ignored here: a simulator is no production.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.config.policy_file import load_policy
from daemon.config.tuning_policy import as_policy
from daemon.tuning.change import Applied, evolve
from daemon.tuning.decide import decide as core
from daemon.tuning.model import BLOCK_S, Observation, Policy, Rule
from daemon.tuning.vocabulary import DecisionKind
from daemon.tuning.windows import Blocks, summarise

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCALES = {"phase_diff": 0.05, "creative_band": 0.06, "risk_band": 0.10, "entropy_rate": 0.08}
"""What the score is measured in, where the policy file gives no scale."""

ACTS = {DecisionKind.APPLY, DecisionKind.ROLLBACK, DecisionKind.REVERT}

_policy: list[Policy] = []


def configure(path: str | None, rules: Sequence[Mapping[str, Any]] = ()) -> None:
    """Read the policy, and put the simulator's rules in the place of the file's."""
    shipped = Path(__file__).parent.parent / "configs" / "self_tuning.yaml"
    policy = as_policy(load_policy(Path(path) if path else shipped))
    targets = tuple(
        replace(target, scale=target.scale or SCALES.get(target.signal))
        for target in policy.targets
    )
    own = tuple(
        Rule(
            name=rule["name"],
            init=rule["init"],
            low=rule["min"],
            high=rule["max"],
            step=rule["step"],
            weight=rule.get("weight", 1.0),
            direction=rule.get("direction", 0),
        )
        for rule in rules
    )
    _policy[:] = [replace(policy, targets=targets, rules=own or policy.rules)]


def decide(state: Any, windows: Mapping[str, Any], now: float) -> dict[str, Any]:
    """Decide on the samples up to now; times are seconds since the start."""
    policy = _policy[0]
    values = windows["rules"]
    known, blocks = state if state is not None else (None, Blocks.empty(policy.signals()))
    blocks = _extended(blocks, windows, round(now / BLOCK_S))
    seen = Observation(blocks=blocks, rules=values)
    decision, known = core(known, seen, policy)
    rules = None
    if decision.kind in ACTS:
        rules = {move.rule: move.new for move in decision.moves}
        known = evolve(known, Applied(blocks.end), policy)
    return {"state": (known, blocks), "rules": rules, "decision": decision}


def _extended(blocks: Blocks, windows: Mapping[str, Any], end: int) -> Blocks:
    """Summarise the samples that came since the last call."""
    new = end - blocks.end
    means, counts = [], []
    for signal in blocks.signals:
        at_s, values = windows[signal]
        start = int(np.searchsorted(at_s, blocks.end * BLOCK_S - 1e-6))
        at_us = np.round(at_s[start:] * 1e6).astype(np.int64)
        mean, count = summarise(at_us, values[start:], blocks.end, new)
        means.append(mean)
        counts.append(count)
    return blocks.extend(blocks.end, np.stack(means, 1), np.stack(counts, 1))
