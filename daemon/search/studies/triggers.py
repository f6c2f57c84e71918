"""When a study should run again: each reason with its evidence, and how long they have to rest.

Three reasons claim that something has changed, and chance alone will say so now
and then. They share one budget of false alarms; how they keep it stands in
`watching`. Age claims nothing: it is a date.

Two things keep them from chattering. Between two runs lies a rest; and a reason
that asks again although it was not calm once since the run that it asked for waits
twice as long each time: that run evidently did not settle it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from daemon.search.studies import watching

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    import numpy as np

    from daemon.search.studies.watching import Channel, Measure, Reading

FIRST, UNFINISHED, ASKED, REPLACED = "first", "unfinished", "asked", "replaced"
AGE, DECAY, DRIFT, REGIME = "age", "decay", "drift", "regime"

KINDS = (FIRST, UNFINISHED, ASKED, REPLACED, AGE, DECAY, DRIFT, REGIME)
CHANGES = (DECAY, DRIFT, REGIME)
"""Those that claim that something has changed."""

AT_ONCE = frozenset({FIRST, UNFINISHED, ASKED})
"""Those that need no rest: nothing was found yet that could be worn out."""

CALM = 0.7
"""Below this share of what is unusual a reason is calm again."""

REST_MAX_DAYS = 30.0
"""No rest is longer."""

HORIZON_DAYS = (14, 90)
"""For at least and at most so many days what is unusual is learned."""

NO_AGE_DAYS = 60
DAY_US = 86_400 * 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What an operator wants of it."""

    max_age_days: float | None = 60.0
    min_rest_days: float = 1.0
    false_per_month: float = 0.5
    """How often chance may start a study, over all reasons that claim a change."""
    decay: bool = True
    drift: bool = True
    regime: bool = True

    def wants(self, kind: str) -> bool:
        """Tell whether a change is looked for."""
        return {DECAY: self.decay, DRIFT: self.drift, REGIME: self.regime}[kind]

    @property
    def share(self) -> float:
        """How often a month chance may speak through one of those that are looked for."""
        return self.false_per_month / max(sum(map(self.wants, CHANGES)), 1)

    @property
    def horizon(self) -> int:
        """For how many days newer ones are looked at before a study runs anyway."""
        least, most = HORIZON_DAYS
        return round(min(max(self.max_age_days or NO_AGE_DAYS, least), most))


@dataclass(frozen=True, slots=True)
class Trigger:
    """A reason to run again, or why it is none."""

    kind: str
    fired: bool
    said: str
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """How large the change is, from 1 on unusual; None where nobody could tell."""
        found: float | None = self.evidence.get("ratio")
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What a reason said earlier."""

    kind: str
    fired: bool
    ratio: float | None = None
    started: bool = False
    """A study was begun for it."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a study should run now, and why, in a sentence."""

    fired: bool
    said: str
    rest_days: float = 0.0
    """How long there is still to be rested."""


# ── age ──────────────────────────────────────────────────────────────────────
def aged(rules: Rules, finished_us: int, now_us: int) -> Trigger:
    """Say whether a study is too old, whatever has changed."""
    days = max(now_us - finished_us, 0) / DAY_US
    evidence = {"age_days": int(days), "max_age_days": rules.max_age_days}
    if rules.max_age_days is None:
        return Trigger(AGE, fired=False, said="age is no reason here", evidence=evidence)
    old = days >= rules.max_age_days
    said = f"it is {days:.1f} days old, and {rules.max_age_days:g} are allowed"
    return Trigger(AGE, fired=old, said=said, evidence=evidence)


# ── change ───────────────────────────────────────────────────────────────────
def untold(kind: str, why: str, **evidence: Any) -> Trigger:
    """Say why nobody can tell whether something has changed."""
    return Trigger(kind, fired=False, said=why, evidence=evidence)


def watched(
    kind: str,
    channels: Sequence[Channel],
    measure: Measure,
    rules: Rules,
    rng: np.random.Generator,
    say: Callable[[Reading], str],
) -> Trigger:
    """Say whether the newest days are unlike those that a study saw."""
    seen, newer = len(channels[0].seen), len(channels[0].newer)
    days = {"seen_days": seen, "newer_days": newer}
    if seen < watching.FEWEST:
        why = f"too few whole days to tell what is usual: {seen}, and it takes {watching.FEWEST}"
        return untold(kind, why, **days)
    if not newer:
        return untold(kind, "no whole day has passed since what the study saw", **days)
    threshold = watching.learn(channels, measure, rules.share, rules.horizon, rng)
    found = watching.readings(channels, measure, threshold)
    worst = max(found, key=lambda reading: reading.ratio)
    evidence = {
        **days,
        "ratio": worst.ratio,
        "worst": _document(worst),
        "windows": [_document(reading) for reading in found],
        "false_per_month": rules.share,
        "horizon_days": threshold.horizon,
        "block_days": threshold.block,
        "effective_days": threshold.effective_days,
    }
    return Trigger(kind, fired=worst.ratio > 1, said=say(worst), evidence=evidence)


def _document(reading: Reading) -> dict[str, Any]:
    return {
        "what": reading.channel,
        "days": reading.days,
        "value": reading.value,
        "bound": reading.bound,
    }


def span(days: int) -> str:
    """Say how long a window is."""
    return "the newest day" if days == 1 else f"the newest {days} days"


# ── whether ──────────────────────────────────────────────────────────────────
def decide(
    rules: Rules, triggers: Sequence[Trigger], past: Iterable[Past], since_days: float
) -> Decision:
    """Say whether a study should run now.

    Args:
        rules: what an operator wants.
        triggers: what every reason says now.
        past: what they said earlier, the oldest first.
        since_days: how long ago the last study finished.
    """
    fired = [trigger for trigger in triggers if trigger.fired]
    if not fired:
        return Decision(fired=False, said=_calm(triggers))
    why = "; ".join(f"{trigger.kind}: {trigger.said}" for trigger in fired)
    earlier = list(past)
    rest = min(rest_days(rules, trigger.kind, earlier) for trigger in fired) - since_days
    if rest > 0:
        return Decision(False, f"resting for {rest:.1f} more days, although {why}", rest)
    return Decision(fired=True, said=why)


def rest_days(rules: Rules, kind: str, past: Sequence[Past]) -> float:
    """Say how long after the last study a reason may ask for another one."""
    if kind in AT_ONCE:
        return 0.0
    longest = max(REST_MAX_DAYS, rules.min_rest_days)
    return float(min(rules.min_rest_days * 2.0 ** min(asked_for(kind, past), 64), longest))


def asked_for(kind: str, past: Sequence[Past]) -> int:
    """Count the studies that were begun for a change since it was calm last."""
    if kind not in CHANGES:
        return 0
    count = 0
    for one in past:
        if one.kind != kind:
            continue
        if one.ratio is not None and one.ratio < CALM:
            count = 0
        count += one.started
    return count


def _calm(triggers: Sequence[Trigger]) -> str:
    told = "; ".join(f"{trigger.kind}: {trigger.said}" for trigger in triggers)
    return told or "there is nothing to look at"
