"""Why: a decision or a change told in a few sentences, with the numbers that it rested on.

Everything is read from what was written down when it happened, and from the
policy that was in force then; nothing is worked out anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from daemon.clock import MICROS, iso
from daemon.services.asking.inquiry_rows import Table, UnknownName, holding, steps
from daemon.services.asking.recorded import policy_of
from daemon.services.asking.undoing import way_back
from daemon.store import changes, listing
from daemon.tuning.explain import WORDS, short
from daemon.tuning.otherwise import Case, bounds, lasting, number, otherwise
from daemon.tuning.reasons import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from daemon.store.store import Tx
    from daemon.tuning.model import Policy, Target

Row = dict[str, Any]

ENDS = ("keep", "rollback", "revert", "command")
ANY = ("hold", "propose", "apply", "extend", *ENDS)

SIGNALS = ("signal", "before", "after", "delta", "ci_low", "ci_high", "samples", "target", "guard")
STEPS = ("step", "gain", "spread", "risk", "refused", "why")
EVENTS = ("at", "from", "to", "cause", "actor", "epoch")

_AGAINST = (
    "What the signals did was held against what they would have done without the change, and"
    " against the noise that they showed while nothing was moved."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The answer to why."""

    about: Mapping[str, Any]
    """The row itself: what was decided, or what was changed."""
    told: Sequence[str]
    """What happened, in sentences."""
    compared: Sequence[str] = ()
    """What it was held against."""
    otherwise: Sequence[str] = ()
    """What would have changed it."""
    signals: Table = field(default_factory=lambda: Table("signals", SIGNALS, []))
    steps: Table = field(default_factory=lambda: Table("steps", STEPS, []))
    """The step that was chosen, and those that were passed over."""
    events: Table = field(default_factory=lambda: Table("events", EVENTS, []))
    undo: str | None = None
    """The command that undoes it."""


# ── a decision ───────────────────────────────────────────────────────────────
def explain_decision(view: Tx, seq: int) -> Account:
    """Say why a decision came out as it did.

    Raises:
        UnknownName: there is no such decision.
    """
    row = listing.decision(view, seq)
    if row is None:
        raise UnknownName(
            f"there is no decision {seq}", hint="see the newest: daemon ctl get decisions"
        )
    change = None if row["change_id"] is None else changes.get(view, row["change_id"])
    found = _reasons(view, row, change)
    about = {name: row[name] for name in ("seq", "mode", "kind", "reason", "policy", "change_id")}
    return Account(
        about={"at": iso(row["at_us"]), **about, "repeats": row["repeats"] or 0},
        told=[row["explanation"], *_holding(view, row), *_counted(row)],
        compared=found.compared,
        otherwise=found.otherwise,
        signals=found.signals,
        steps=found.steps,
        events=_events(view, row["change_id"]),
        undo=None if change is None else way_back(view, change),
    )


def _holding(view: Tx, row: Row) -> list[str]:
    """Say what held changes when a decision was made."""
    if row["reason"] != Reason.HELD:
        return []
    held = (listing.world(view, row["at_us"]) or {}).get("held")
    return [holding(held)] if held else []


def _counted(row: Row) -> list[str]:
    """Say that later cycles came to the same."""
    if not row["repeats"]:
        return []
    cycles = "cycle" if row["repeats"] == 1 else "cycles"
    return [
        f"{row['repeats']} more {cycles} came to the same, until {iso(row['last_at_us'])[:19]}Z."
    ]


# ── a change ─────────────────────────────────────────────────────────────────
def explain_change(view: Tx, change_id: int) -> Account:
    """Say why a change was made, and what became of it and why.

    Raises:
        UnknownName: there is no such change.
    """
    row = changes.get(view, change_id)
    if row is None:
        raise UnknownName(
            f"there is no change {change_id}", hint="see the newest: daemon ctl get changes"
        )
    seq = row["decision_seq"]
    first = None if seq is None else listing.decision(view, seq)
    judged = listing.together(view, seq) if seq is not None else [row]
    ids = [one["id"] for one in judged]
    last = listing.last_about(view, ids, ENDS) or listing.last_about(view, ids, ANY)
    found = _Reasons() if last is None else _reasons(view, last, row)
    names = ("id", "rule", "old", "new", "state", "cause", "origin", "decision_seq", "proposal_id")
    moments = {
        name.removesuffix("_us"): None if row[name] is None else iso(row[name])
        for name in ("opened_at_us", "applied_at_us", "settled_at_us")
    }
    return Account(
        about={**{name: row[name] for name in names}, **moments},
        told=_story(row, first, last, judged),
        compared=found.compared,
        otherwise=found.otherwise,
        signals=found.signals,
        steps=found.steps if first is None else _steps(first["evidence"] or {}),
        events=_events(view, change_id),
        undo=way_back(view, row),
    )


def _story(row: Row, first: Row | None, last: Row | None, judged: Sequence[Row]) -> list[str]:
    told = [f"Change {row['id']} moves {_step(row)}; it is {row['state'].replace('_', ' ')}."]
    told += [
        f"It is judged as one with change {one['id']}, which moves {_step(one)}."
        for one in judged
        if one["id"] != row["id"]
    ]
    told += [f"It began with decision d{first['seq']}: {first['explanation']}"] if first else []
    if last is not None and (first is None or last["seq"] != first["seq"]):
        word = "It ended with" if row["settled_at_us"] is not None else "The newest on it is"
        told.append(f"{word} decision d{last['seq']}: {last['explanation']}")
    return told


def _step(change: Row) -> str:
    return steps({change["rule"]: change["old"]}, {change["rule"]: change["new"]})


# ── the numbers ──────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True, kw_only=True)
class _Reasons:
    compared: Sequence[str] = ()
    otherwise: Sequence[str] = ()
    signals: Table = field(default_factory=lambda: Table("signals", SIGNALS, []))
    steps: Table = field(default_factory=lambda: Table("steps", STEPS, []))


def _reasons(view: Tx, row: Row, change: Row | None) -> _Reasons:
    evidence = row["evidence"] or {}
    policy = policy_of(view, row["policy"])
    signals, weighed = _signals(evidence, policy), _steps(evidence)
    if policy is None:
        said = "The policy it was made under is not on record, or of another version."
        return _Reasons(compared=[said], signals=signals, steps=weighed)
    seen_s = _observed_s(row, change, policy)
    case = Case(
        kind=row["kind"],
        reason=row["reason"],
        policy=policy,
        evidence=evidence,
        observed_s=seen_s,
    )
    compared = _compared(policy, seen_s) if evidence.get("judgement") else []
    return _Reasons(compared=compared, otherwise=otherwise(case), signals=signals, steps=weighed)


def _observed_s(row: Row, change: Row | None, policy: Policy) -> float | None:
    """Say for how long a change had been watched when it was decided on."""
    if change is None or change["applied_at_us"] is None:
        return None
    watched_s: float = (row["at_us"] - change["applied_at_us"]) / MICROS - policy.settle_s
    return max(watched_s, 0.0)


def _compared(policy: Policy, seen_s: float | None) -> list[str]:
    watched = "" if seen_s is None else f" It had been watched for {lasting(seen_s)}."
    return [_AGAINST, f"{policy.settle_s:g} s to settle are left out.{watched}"]


def _signals(evidence: Mapping[str, Any], policy: Policy | None) -> Table:
    effects = (evidence.get("judgement") or {}).get("effects", ())
    targets = {target.signal: target for target in policy.targets} if policy else {}
    rows = [
        (
            one["signal"],
            _finite(number(one["before"])),
            _finite(number(one["before"]) + number(one["delta"])),
            _finite(number(one["delta"])),
            _finite(number(one["low"])),
            _finite(number(one["high"])),
            one["samples"],
            _target(targets.get(one["signal"])),
            bounds(policy.warn[one["signal"]]) if policy and one["signal"] in policy.warn else None,
        )
        for one in effects
    ]
    return Table("signals", SIGNALS, rows)


def _target(target: Target | None) -> str | None:
    if target is None:
        return None
    if target.low is None:
        return f"at most {short(target.high)}" if target.high is not None else None
    if target.high is None:
        return f"at least {short(target.low)}"
    return f"{short(target.low)} to {short(target.high)}"


def _steps(evidence: Mapping[str, Any]) -> Table:
    chosen = evidence.get("chosen")
    weighed = [chosen] if chosen else []
    rows = []
    for one in [*weighed, *evidence.get("passed_over", ())]:
        moves = one["moves"]
        refused = one.get("refused")
        rows.append(
            (
                steps({m["rule"]: m["old"] for m in moves}, {m["rule"]: m["new"] for m in moves}),
                *(_finite(number(one.get(name))) for name in ("gain", "spread", "risk")),
                refused,
                _word(refused),
            )
        )
    return Table("steps", STEPS, rows)


def _word(refused: str | None) -> str:
    if refused is None:
        return "chosen"
    try:
        return WORDS[Reason(refused)]
    except (KeyError, ValueError):
        return refused.replace("_", " ")


def _events(view: Tx, change_id: int | None) -> Table:
    found = [] if change_id is None else changes.events_of(view, change_id)
    rows = [
        (
            iso(event["at_us"]),
            event["from_state"],
            event["to_state"],
            event["cause"],
            event["actor"],
            event["epoch"],
        )
        for event in found
    ]
    return Table("events", EVENTS, rows)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
