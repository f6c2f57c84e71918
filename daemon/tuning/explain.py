"""A decision in words and in numbers: one plain sentence, and the evidence as JSON.

The sentence is for a person and may improve. The evidence is what a replay
compares bit for bit, so it holds every number that the decision rested on, in
the order in which the core gave them, and nothing that depends on when it is
written down.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from daemon.tuning.block import BLOCK_US
from daemon.tuning.model import BLOCK_S, LONGER_S, Asked
from daemon.tuning.reasons import Reason
from daemon.tuning.vocabulary import DecisionKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from daemon.tuning.model import Candidate, Decision, Effect, Judgement, Move, Policy

MINUTE_S = 60.0
HOUR_S = 3600.0

WORDS: dict[Reason, str] = {
    Reason.WARMING_UP: "the signals are still being watched at rest",
    Reason.TARGETS_MET: "all targets are met",
    Reason.NO_CANDIDATE: "no step may be made",
    Reason.NOTHING_HELPS: "what was tried lately did not help, so the next try waits",
    Reason.NOT_WORTH_IT: "no step promises enough",
    Reason.RESTING: "the signals are settling after the last change",
    Reason.WAITING: "it is not time to look yet",
    Reason.HELD: "changes are held",
    Reason.BUDGET_SPENT: "this hour's changes have been made",
    Reason.SIGNAL_UNFIT: "a signal is not fit as evidence",
    Reason.BARRED: "the rule may not be moved",
    Reason.COOLDOWN: "the rule rests after its last change",
    Reason.BACKED_OFF: "it failed lately",
    Reason.NO_GO: "a guard was broken there not long ago",
    Reason.AT_BOUND: "it would leave the bounds",
    Reason.TOO_RISKY: "it might lose too much",
    Reason.OUTBID: "another step promises more",
    Reason.TOO_FAR: "it goes further than is allowed at once",
    Reason.BUSY: "another change is still open",
    Reason.STALE: "it starts from a value that is not in force any more",
    Reason.NOTHING_OPEN: "no change is being observed",
    Reason.BEST_EXPECTED: "it promises the most for its risk",
    Reason.RETRY: "it was taken back undecided before",
    Reason.ASKED: "a person asked for it",
    Reason.OBSERVING: "what the change does is being observed",
    Reason.MEASURING_REVERSAL: "what taking it back does is being measured",
    Reason.MORE_SAMPLES: "the window has too few samples yet",
    Reason.IMPROVED: "the score rose",
    Reason.CONFIRMED: "a person wants it kept",
    Reason.NOT_PROVEN: "it may have helped, but that is not proven",
    Reason.NO_EFFECT: "it showed no effect",
    Reason.TOO_SMALL: "what it brought is too small to count",
    Reason.SCORE_FELL: "the score fell",
    Reason.GUARD_BROKEN: "a guard was broken",
    Reason.INSUFFICIENT_DATA: "too few samples came to judge it by",
    Reason.SUPERSEDED: "somebody else moved a rule",
    Reason.POLICY_CHANGED: "the policy changed, so what was open is not judged any more",
    Reason.REGIME_CHANGED: "the signals jumped, so what was learned is doubted",
}
"""Each reason as half a sentence."""


# ── in words ─────────────────────────────────────────────────────────────────
def sentence(decision: Decision, policy: Policy) -> str:
    """Say in one sentence what was decided, why, and on which numbers."""
    return _SENTENCES[decision.kind](decision, policy)


def _hold(decision: Decision, policy: Policy) -> str:
    numbers = decision.numbers
    asked = numbers.detail.get("asked")
    about = [WORDS[decision.reason]]
    if asked is not None:
        moves = tuple(move for one in numbers.passed_over for move in one.moves)
        about = [refused(Asked(kind=str(asked), moves=moves), decision.reason, policy)]
    if decision.change is not None:
        about.append(f"change {decision.change}")
    if decision.reason is Reason.BUDGET_SPENT:
        about.append(f"{policy.changes_per_hour} an hour at most")
    if numbers.passed_over and asked is None:
        about.append(passed(numbers.passed_over))
    if numbers.score is not None:
        about.append(f"the score is {short(numbers.score)}")
    return f"Nothing is changed: {'; '.join(about)}."


def refused(asked: Asked, why: Reason, policy: Policy) -> str:
    """Say why what a person asked for is not done, and the limit that it met."""
    if asked.kind == "step":
        what = f"moving {moved(asked.moves)}" if asked.moves else "a step"
    else:
        what = "keeping the change" if asked.kind == "keep" else "observing the change longer"
    more = _limits(asked, why, policy)
    return f"{what} was asked for, but {WORDS[why]}{f' ({more})' if more else ''}"


def _limits(asked: Asked, why: Reason, policy: Policy) -> str:
    """Name the limits that what was asked for has met."""
    if asked.kind != "step":
        return f"{short(LONGER_S / HOUR_S)} h in all" if why is Reason.TOO_FAR else ""
    named = {move.rule for move in asked.moves}
    rules = [rule for rule in policy.rules if rule.name in named]
    if why is Reason.AT_BOUND:
        return ", ".join(f"{rule.name}: {short(rule.low)} to {short(rule.high)}" for rule in rules)
    if why is Reason.TOO_FAR:
        steps = max(policy.max_step_mult, 1.0)
        return ", ".join(f"{rule.name}: {short(rule.step * steps)} at most" for rule in rules)
    if why is Reason.NO_CANDIDATE:
        unknown = sorted(named - {rule.name for rule in rules})
        return f"there is no rule {', '.join(unknown)}" if unknown else "it moves nothing"
    return ""


def _apply(decision: Decision, policy: Policy) -> str:
    return f"Move {_steps(decision)}: {_promise(decision, policy)}."


def _propose(decision: Decision, policy: Policy) -> str:
    return f"Would move {_steps(decision)}: {_promise(decision, policy)}."


def _promise(decision: Decision, policy: Policy) -> str:
    chosen = decision.numbers.chosen
    words = [WORDS[decision.reason]]
    if chosen is not None:
        words.append(
            f"the score should change by {signed(chosen.gain)} ± {size(chosen.spread)}, and fall by"
            f" more than {short(policy.harm_budget)} with a risk of {percent(chosen.risk)}"
        )
    if decision.numbers.passed_over:
        words.append(passed(decision.numbers.passed_over))
    return "; ".join(words)


def _keep(decision: Decision, policy: Policy) -> str:
    del policy
    return f"Keep change {decision.change}: {_found(decision)}."


def _rollback(decision: Decision, policy: Policy) -> str:
    del policy
    return f"Take back {_steps(decision)}: {_found(decision)}."


def _extend(decision: Decision, policy: Policy) -> str:
    more = f"{policy.min_samples} a signal are needed"
    blocks = decision.numbers.detail.get("blocks")
    if isinstance(blocks, int):
        more = f"it is judged {short(blocks * BLOCK_S / MINUTE_S)} min later"
    return f"Observe change {decision.change} longer: {WORDS[decision.reason]}; {more}."


def _command(decision: Decision, policy: Policy) -> str:
    del policy
    what = f" {_steps(decision)}" if decision.moves else ""
    return f"A command{what}: {WORDS[decision.reason]}."


_SENTENCES: dict[DecisionKind, Callable[[Decision, Policy], str]] = {
    DecisionKind.HOLD: _hold,
    DecisionKind.PROPOSE: _propose,
    DecisionKind.APPLY: _apply,
    DecisionKind.KEEP: _keep,
    DecisionKind.ROLLBACK: _rollback,
    DecisionKind.EXTEND: _extend,
    DecisionKind.REVERT: _rollback,
    DecisionKind.COMMAND: _command,
}


def _steps(decision: Decision) -> str:
    change = f" (change {decision.change})" if decision.change is not None else ""
    return f"{moved(decision.moves)}{change}"


def moved(moves: Sequence[Move]) -> str:
    """Say which rules go from where to where."""
    return " and ".join(
        f"{move.rule} from {short(move.old)} to {short(move.new)}" for move in moves
    )


def passed(candidates: Sequence[Candidate]) -> str:
    """Say how many steps were passed over, and why."""
    counts: dict[Reason, int] = {}
    for candidate in candidates:
        if candidate.refused is not None:
            counts[candidate.refused] = counts.get(candidate.refused, 0) + 1
    why = ", ".join(f"{count} {reason}" for reason, count in counts.items())
    plural = "s" if len(candidates) > 1 else ""
    return f"{len(candidates)} step{plural} passed over ({why})"


def _found(decision: Decision) -> str:
    judgement = decision.numbers.judgement
    words = [WORDS[decision.reason]]
    broken = decision.numbers.detail.get("signal")
    if broken is not None:
        told = f"the guard of {broken} was broken"
        words = [told] if decision.reason is Reason.GUARD_BROKEN else [*words, told]
    if judgement is not None and judgement.effects:  # what was withdrawn was never measured
        words.append(
            f"the score changed by {signed(judgement.gain)} ± {size(judgement.spread)}"
            f" and rose with a probability of {percent(judgement.probability)}"
        )
        words += _told(judgement, broken)
    return "; ".join(words)


def _told(judgement: Judgement, broken: object) -> list[str]:
    """Name the signal that it is about, or the one that is known best to have moved."""
    effects = judgement.effects
    named = [effect for effect in effects if effect.signal == broken]
    chosen = named[0] if named else max(effects, key=_clear)
    moved_by = f"{chosen.signal} moved by {signed(chosen.delta)} from {short(chosen.before)}"
    return [f"{moved_by} (95 %: {signed(chosen.low)} to {signed(chosen.high)})"]


def _clear(effect: Effect) -> float:
    width = effect.high - effect.low
    return abs(effect.delta) / width if width > 0 else 0.0


def short(value: float) -> str:
    """Write a number for the eye: four digits."""
    return f"{value:.4g}"


def size(value: float) -> str:
    """Write how unsure a number is: two digits."""
    return f"{value:.2g}"


def signed(value: float) -> str:
    """Write a movement: always with its sign."""
    return f"{value:+.3g}"


def percent(share: float) -> str:
    """Write a probability, never as certain as it is not."""
    shown = 100 * share
    if 0 < shown < 1:
        return "under 1 %"
    return "over 99 %" if 99 < shown < 100 else f"{shown:.0f} %"  # noqa: PLR2004 - percent


# ── in numbers ───────────────────────────────────────────────────────────────
def evidence(decision: Decision) -> dict[str, Any]:
    """Give what a decision rested on as plain JSON; what it has not is left out."""
    numbers = decision.numbers
    told: dict[str, Any] = {
        "block": decision.at_us // BLOCK_US,
        "change": decision.change,
        "moves": _moves(decision.moves),
        "score": None if numbers.score is None else _number(numbers.score),
        "judgement": numbers.judgement and _judgement(numbers.judgement),
        "chosen": numbers.chosen and _candidate(numbers.chosen),
        "passed_over": [_candidate(candidate) for candidate in numbers.passed_over],
        "detail": {name: _number(value) for name, value in numbers.detail.items()},
    }
    return {
        key: value for key, value in told.items() if value is not None and value not in ([], {})
    }


def _moves(moves: Sequence[Move]) -> list[dict[str, Any]]:
    return [
        {"rule": move.rule, "old": _number(move.old), "new": _number(move.new)} for move in moves
    ]


def _candidate(candidate: Candidate) -> dict[str, Any]:
    told: dict[str, Any] = {"moves": _moves(candidate.moves)}
    if candidate.refused is not None:
        told["refused"] = str(candidate.refused)
    if candidate.spread or candidate.gain or candidate.risk:  # those refused unseen have none
        told |= {
            "gain": _number(candidate.gain),
            "spread": _number(candidate.spread),
            "risk": _number(candidate.risk),
        }
    return told


def _judgement(found: Judgement) -> dict[str, Any]:
    return {
        "verdict": str(found.verdict),
        "cause": str(found.cause),
        "probability": _number(found.probability),
        "gain": _number(found.gain),
        "spread": _number(found.spread),
        "worthwhile": _number(found.worthwhile),
        "effects": [_effect(effect) for effect in found.effects],
    }


def _effect(effect: Effect) -> dict[str, Any]:
    return {
        "signal": effect.signal,
        "before": _number(effect.before),
        "delta": _number(effect.delta),
        "low": _number(effect.low),
        "high": _number(effect.high),
        "samples": effect.samples,
    }


def _number(value: Any) -> Any:
    """Name what JSON has no number for."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
