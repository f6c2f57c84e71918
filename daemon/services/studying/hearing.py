"""What the running daemon recorded: do its signals do worse since a study than before it?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.clock import MICROS
from daemon.config.tuning_policy import as_policy
from daemon.search.studies import signals
from daemon.search.studies.signals import HOURS, Wish
from daemon.search.studies.triggers import REGIME, Rules, Trigger, span, untold, watched
from daemon.search.studies.watching import SHORTFALL
from daemon.services.asking import recorded
from daemon.store import hours

if TYPE_CHECKING:
    import numpy as np

    from daemon.search.studies.watching import Reading
    from daemon.store.store import Tx
    from daemon.tuning.model import Policy, Shift

BEFORE_DAYS = 60
"""Days before the study that tell what is usual."""

SINCE_DAYS = 90
"""Days since the study that are looked at, at most."""

SIGNALS_MAX = 64
DAY_US = 86_400 * MICROS


def regime(
    view: Tx, rules: Rules, finished_us: int, now_us: int, rng: np.random.Generator
) -> Trigger:
    """Say whether signals do worse since a study than before it."""
    loaded = recorded.in_force(view)
    if loaded is None:
        return untold(REGIME, "no daemon has adopted a policy here, so there are no signals")
    wanted = {wish.signal: wish for wish in wishes(as_policy(loaded))[:SIGNALS_MAX]}
    since = min(max(now_us - finished_us, 0) // DAY_US, SINCE_DAYS)
    before = min(BEFORE_DAYS, finished_us // DAY_US)
    origin_us = finished_us - before * DAY_US
    found = hours.means(view, wanted, origin_us, (before + since) * HOURS)
    channels = signals.channels(
        [wanted[name] for name in found], [signals.by_day(row) for row in found.values()], before
    )
    if not channels:
        return untold(REGIME, "no signal of the policy was recorded on any day before the study")
    return watched(REGIME, channels, SHORTFALL, rules, rng, _worse)


def _worse(worst: Reading) -> str:
    return (
        f"{worst.channel} is worse by {worst.value:.2f} of its usual spread from day to day over"
        f" {span(worst.days)}; above {worst.bound:.2f} is unusual"
    )


def wishes(policy: Policy) -> list[Wish]:
    """Say where every signal of a policy is wanted; guards count where they watch one way only."""
    found = {
        target.signal: Wish(target.signal, target.low, target.high, target.weight)
        for target in policy.targets
    }
    for signal, shift in policy.warn.items():
        guarded = _guarded(signal, shift)
        if guarded is not None:
            found.setdefault(signal, guarded)
    return list(found.values())


def _guarded(signal: str, shift: Shift) -> Wish | None:
    """Where a guard watches one way, this way is the worse one."""
    if (shift.rise is None) == (shift.fall is None):
        return None
    return Wish(signal, high=0.0) if shift.fall is None else Wish(signal, low=0.0)
