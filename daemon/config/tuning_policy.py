"""From the policy file to what the core decides by.

A translation and nothing else: every value comes from the file, and the file has
been judged. The rules, targets and bounds come sorted by name, since the order of
a file is no part of its digest and so must not change a decision.

``strategy.dry_run`` and ``strategy.approval`` are the keys without a place here:
they choose what stands behind the controls, and whether a person says yes before
they move; the core decides alike in all cases.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.tuning import model

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from daemon.config.policy_file import LoadedPolicy, PolicyFile
    from daemon.config.policy_sections import Delta


def as_policy(loaded: LoadedPolicy, regions: Iterable[model.Region] = ()) -> model.Policy:
    """Say what an operator wants in the words of the core.

    Regions of rules that the file does not have are left out: a session may have
    searched more than may be moved now.
    """
    file = loaded.policy
    safety, strategy = file.safety, file.strategy
    return model.Policy(
        targets=_targets(file),
        rules=_rules(file),
        good=_shifts(safety.good),
        warn=_shifts(safety.warn),
        regions=tuple(region for region in regions if region.rule in file.rules),
        observe_window_s=file.observe_window_s,
        min_samples=file.min_samples,
        cooldown_s=file.cooldown_s,
        max_concurrent_changes=strategy.max_concurrent_changes,
        warmup_s=file.warmup_s,
        settle_s=file.settle_s,
        confidence=strategy.confidence,
        max_extensions=strategy.max_extensions,
        paired_toggling=strategy.paired_toggling,
        max_step_mult=strategy.max_step_mult,
        min_gain=strategy.min_gain,
        exploration=strategy.exploration,
        harm_budget=safety.harm_budget,
        changes_per_hour=strategy.changes_per_hour,
        idle_trial_s=strategy.idle_trial_s,
        no_go_s=safety.no_go_s,
        forget_h=strategy.forget_h,
        target_margin=strategy.target_margin,
        digest=loaded.digest,
    )


def _targets(file: PolicyFile) -> tuple[model.Target, ...]:
    return tuple(
        model.Target(
            signal=signal,
            low=target.min,
            high=target.max,
            weight=file.objective_weight(signal),
            scale=target.scale,
        )
        for signal, target in sorted(file.targets.items())
    )


def _rules(file: PolicyFile) -> tuple[model.Rule, ...]:
    return tuple(
        model.Rule(
            name=name,
            low=rule.min,
            high=rule.max,
            step=rule.lr,
            init=rule.init,
            weight=rule.weight,
            direction=file.strategy.direction.get(name, 0),
        )
        for name, rule in sorted(file.rules.items())
    )


def _shifts(deltas: Mapping[str, Delta]) -> dict[str, model.Shift]:
    """Translate the bounds of movements.

    In a file that was judged a ``min`` is above 0 and a ``max`` below: what would
    count when nothing moved is refused, so a shift can say all that is left.
    """
    return {
        signal: model.Shift(rise=delta.min, fall=delta.max)
        for signal, delta in sorted(deltas.items())
    }
