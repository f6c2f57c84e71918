"""What would have changed a decision: its own numbers, held against what it asked of them.

Everything is worked out from the evidence that was written down with the
decision and from the policy that it was made under, so it can be said of any
decision on record. Where it says "about", the noise of what comes is assumed to
be that of what came.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from daemon.tuning.explain import moved, percent, short, signed, size
from daemon.tuning.model import Move
from daemon.tuning.propose import UPSIDE
from daemon.tuning.reasons import Reason
from daemon.tuning.verdict import NULL, reaches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from daemon.tuning.model import Policy, Shift

EVEN = 0.5
LONGEST_S = 86_400.0
"""More evidence than of a day is not worth a number."""

CERTAIN = 1e-9
MINUTE_S = 60.0
HOUR_S = 3600.0
SOON_S = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A decision on record."""

    kind: str
    reason: str
    policy: Policy
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """As `explain.evidence` gave it."""
    observed_s: float | None = None
    """How long the change had been observed."""

    @property
    def judgement(self) -> Mapping[str, Any]:
        """The numbers of the verdict; empty where there was none."""
        found: Mapping[str, Any] = self.evidence.get("judgement") or {}
        return found

    def number(self, name: str) -> float:
        """Give a number of the verdict; NaN where it has none."""
        return number(self.judgement.get(name))

    def effect(self, signal: str) -> Mapping[str, Any] | None:
        """Give what was measured of one signal."""
        effects = self.judgement.get("effects", ())
        return next((one for one in effects if one["signal"] == signal), None)


def number(value: Any) -> float:
    """Read a number as the evidence holds it: JSON has none for NaN and infinity."""
    return math.nan if value is None else float(value)


def otherwise(case: Case) -> tuple[str, ...]:
    """Say in sentences what would have changed a decision; none where nothing can be said."""
    say = _ANSWERS.get(case.reason)
    return tuple(say(case)) if say is not None else ()


def lasting(seconds: float) -> str:
    """Write a duration for the eye."""
    if seconds < SOON_S:
        return f"{seconds:.0f} s"
    if seconds < SOON_S * MINUTE_S:
        return f"{seconds / MINUTE_S:.0f} min"
    return f"{seconds / HOUR_S:.1f} h"


def begun(sentence: str) -> str:
    """Begin a sentence with a capital; what follows keeps its own."""
    return sentence[:1].upper() + sentence[1:]


# ── a verdict on the score ───────────────────────────────────────────────────
def _distance(probability: float) -> float:
    """Say how many standard deviations from even odds a probability is."""
    return NormalDist().inv_cdf(min(max(probability, CERTAIN), 1 - CERTAIN))


def _kept(case: Case) -> Iterator[str]:
    asked, gain = case.policy.confidence, case.number("gain")
    yield (
        "A change is kept if the score rose with a probability of at least"
        f" {percent(asked)}; here it was {percent(case.number('probability'))}."
    )
    if gain > 0:
        enough = min(_distance(asked) * case.number("spread"), gain)
        yield (
            f"Known as well as it is, a rise of the score by about {short(enough)} would just have"
            f" been enough; it was {short(gain)}."
        )


def _undecided(case: Case) -> Iterator[str]:
    asked, found = case.policy.confidence, case.number("probability")
    gain, spread = case.number("gain"), case.number("spread")
    yield (
        "It would have been kept if the score rose with a probability of at least"
        f" {percent(asked)}; it was {percent(found)}."
    )
    if found >= asked:
        least = NULL * case.policy.min_gain
        yield f"That is sure enough, but it rose by {short(gain)}: more than {short(least)} counts."
        return
    needed, reached = _distance(asked), _distance(found)
    if not found > EVEN or not gain > 0:
        yield (
            "The score did not rise in what was seen, so more of the same would not have kept"
            f" it; known as well as it is, it takes a rise by {short(needed * spread)}."
        )
        return
    enough = short(gain * needed / reached)
    ways = [f"a rise of the score by {enough} instead of {short(gain)}"]
    longer = (case.observed_s or 0.0) * ((needed / reached) ** 2 - 1)
    if 0 < longer <= LONGEST_S:
        ways.insert(0, f"about {lasting(longer)} more of this evidence")
    yield begun(f"{_listed(ways)} would have decided it.")
    if longer > LONGEST_S:
        yield "More of this evidence would not have decided it within a day."


def _too_small(case: Case) -> Iterator[str]:
    yield (
        f"It was sure enough ({percent(case.number('probability'))}), but a rise counts only if a"
        " signal may have moved by what `safety.good` asks for."
    )
    for signal, shift in case.policy.good.items():
        found = case.effect(signal)
        if found is not None:
            yield (
                f"{signal} moved by {signed(number(found['delta']))} (95 %:"
                f" {signed(number(found['low']))} to {signed(number(found['high']))});"
                f" {bounds(shift)} would have counted."
            )


def _fell(case: Case) -> Iterator[str]:
    gain = case.number("gain")
    limit = 1 - case.policy.confidence
    yield (
        f"It is taken back as a loss if the score rose with a probability of {percent(limit)} or"
        f" less; here it was {percent(case.number('probability'))}."
    )
    if gain < 0:
        enough = min(-_distance(limit) * case.number("spread"), -gain)
        yield (
            f"Known as well as it is, a fall of the score by less than about {short(enough)} would"
            f" have left it undecided; it was {short(-gain)}."
        )


def _guard(case: Case) -> Iterator[str]:
    detail = case.evidence.get("detail", {})
    broken = detail.get("signal") or _broken(case)
    if broken is None:
        return
    found, shift = case.effect(broken), case.policy.warn.get(broken)
    by = "" if found is None else f" by {signed(number(found['delta']))}"
    if shift is None:
        yield (
            f"{broken} has no guard in `safety.warn`, but it has a target: it guards itself once it"
            f" is far outside and the score fell with it. It moved{by}."
        )
    else:
        yield (
            f"`safety.warn` forbids {bounds(shift)} of {broken}; it moved{by}, and less would have"
            " let the change go on. Guards look at the newest half minute, before any verdict."
        )


def _broken(case: Case) -> str | None:
    """Find the guard that a full window broke: it is not named in the evidence."""
    for signal, shift in case.policy.warn.items():
        found = case.effect(signal)
        if found is not None and reaches(shift, number(found["delta"])):
            return signal
    return None


def _too_few(case: Case) -> Iterator[str]:
    need = case.policy.min_samples
    yield f"It would have been judged with {need} samples of every signal in the window."
    short_of = [
        f"{one['signal']} had {one['samples']}"
        for one in case.judgement.get("effects", ())
        if one["samples"] < need
    ]
    if short_of:
        yield f"{_listed(short_of, 'and')}."


# ── nothing was done ─────────────────────────────────────────────────────────
def _unworthy(case: Case) -> Iterator[str]:
    best = _promising(case)
    least = UPSIDE * case.policy.min_gain
    yield (
        f"A step must promise at least {short(least)} of score, counting only the cases in which"
        " it gains, and more where the noise would hide that."
    )
    if best is not None:
        yield f"The best, {_step(best)}, promised {_promise(best)}."


def _outbid(case: Case) -> Iterator[str]:
    """Say how close the next best was to being taken instead."""
    chosen = case.evidence.get("chosen")
    if chosen is None:
        return
    draw = case.policy.exploration
    rest = [one for one in _weighed(case) if one.get("refused") == Reason.OUTBID]
    if not rest:
        yield "No other step was both allowed and worth it."
        return
    second = max(rest, key=lambda one: _worth(one, draw))
    yield (
        "Steps are compared by what they promise and"
        f" {draw:g} of how unsure that is, times the weight of the rule:"
        f" {short(_worth(chosen, draw))} here, {short(_worth(second, draw))} for the next best,"
        f" {_step(second)} ({_promise(second)})."
    )


def _worth(candidate: Mapping[str, Any], draw: float) -> float:
    return number(candidate["gain"]) + draw * number(candidate["spread"])


def _weighed(case: Case) -> list[Mapping[str, Any]]:
    """List the steps that were passed over after they were weighed."""
    return [one for one in case.evidence.get("passed_over", ()) if "gain" in one]


def _promising(case: Case) -> Mapping[str, Any] | None:
    draw = case.policy.exploration
    return max(_weighed(case), key=lambda one: _worth(one, draw), default=None)


def _step(candidate: Mapping[str, Any]) -> str:
    return moved([Move(one["rule"], one["old"], one["new"]) for one in candidate["moves"]])


def _promise(candidate: Mapping[str, Any]) -> str:
    return f"{signed(number(candidate['gain']))} ± {size(number(candidate['spread']))}"


def _said(sentence: str) -> Callable[[Case], Iterator[str]]:
    """Answer with a sentence that may name numbers of the policy."""

    def answer(case: Case) -> Iterator[str]:
        yield sentence.format(policy=case.policy)

    return answer


def bounds(shift: Shift) -> str:
    """Write how far a signal must move to count."""
    rise = [] if shift.rise is None else [f"a rise by {short(shift.rise)} or more"]
    fall = [] if shift.fall is None else [f"a fall by {short(-shift.fall)} or more"]
    return _listed([*rise, *fall])


def _listed(parts: list[str], word: str = "or") -> str:
    return f" {word} ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]


_ANSWERS: dict[str, Callable[[Case], Iterator[str]]] = {
    "improved": _kept,
    "not_proven": _undecided,
    "no_effect": _undecided,
    "too_small": _too_small,
    "score_fell": _fell,
    "guard_broken": _guard,
    "insufficient_data": _too_few,
    "more_samples": _too_few,
    "not_worth_it": _unworthy,
    "best_expected": _outbid,
    "retry": _outbid,
    "asked": _said("It was done at a person's word; no number would have changed that."),
    "confirmed": _said("It was kept at a person's word; no number would have changed that."),
    "warming_up": _said(
        "The first step may come after {policy.warmup_s:g} s in which nothing was moved and every"
        " signal came in."
    ),
    "targets_met": _said("A step is looked for as soon as a target is missed."),
    "no_candidate": _said("What stands in the way of each step is listed with it."),
    "nothing_helps": _said(
        "The next try comes at the latest {policy.idle_trial_s:g} s after the last one"
        " (`strategy.idle_trial_s`), and at once if the score falls clearly."
    ),
    "resting": _said("A step needs a minute behind it in which nothing moved."),
    "held": _said(
        "A step is looked for once nothing holds changes any more: `daemon ctl freeze list` and"
        " `daemon ctl status` name what does."
    ),
    "budget_spent": _said(
        "At most {policy.changes_per_hour} changes are made in an hour"
        " (`strategy.changes_per_hour`); the next may come when the oldest of them is an hour old."
    ),
    "signal_unfit": _said("Every signal must be fit as evidence: `daemon ctl get signals`."),
    "observing": _said(
        "It is judged when {policy.observe_window_s:g} s have been watched after"
        " {policy.settle_s:g} s to settle, earlier only if a guard breaks or the score clearly"
        " falls."
    ),
    "measuring_reversal": _said(
        "The next step may come when what taking it back did has been watched for"
        " {policy.observe_window_s:g} s."
    ),
    "superseded": _said("Somebody else moved a rule: no number would have changed that."),
    "policy_changed": _said("The policy changed: no number would have changed that."),
    "regime_changed": _said(
        "The signals jumped further than noise ever does: what was learned is doubted first."
    ),
}
"""By reason; those that are not here say all there is to say in their sentence."""
