"""Putting a policy in force."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.store import rules, samples

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.config.policy_file import LoadedPolicy
    from daemon.config.settings import Signal
    from daemon.store.store import Tx


def adopt(tx: Tx, policy: LoadedPolicy, signals: Mapping[str, Signal], now_us: int) -> list[str]:
    """Put a policy in force, with what the settings say of the signals; returns the new rules."""
    limits = [
        rules.RuleLimits(
            name=name,
            init=rule.init,
            min_value=rule.min,
            max_value=rule.max,
            step=rule.lr,
            weight=rule.weight,
        )
        for name, rule in policy.policy.rules.items()
    ]
    loaded = rules.Policy(digest=policy.digest, body=policy.body, source=str(policy.path))
    for name, signal in signals.items():
        about = samples.About(unit=signal.unit, description=signal.description)
        samples.declare(tx, [name], now_us, about)
    return rules.adopt_policy(tx, loaded, limits, now_us)
