"""The normal form of a line: what the columns of a table take of it, and the rest.

The four JSONL formats are here, the two of CSV in `columns.py`. Aliases, units
and wordings that legacy files differ in are settled here and nowhere else.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from daemon.store.legacy.values import (
    BadLine,
    content,
    moment,
    number,
    pack,
    shown,
    sound,
    structure,
    text,
)
from daemon.tuning.vocabulary import DecisionKind, Mode, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Fitter = Callable[[Any], Any]


class Kind(StrEnum):
    """The kinds of files, named like the files, in the order in which they are read.

    Effects come before what may refer to them.
    """

    EFFECTS = "rules_effects"
    HISTORY = "rules_history"
    QUOTES = "quotes_bank"
    RISKS = "risk_ledger"
    DECISIONS = "tuning_decisions"
    METRICS = "metrics"

    @property
    def file(self) -> str:
        """The name of the file."""
        ending = "csv" if self in {Kind.EFFECTS, Kind.METRICS} else "jsonl"
        return f"{self}.{ending}"


SOMEBODY = "unknown"
"""Who did it, where a line does not say."""

UNEXPLAINED = "Imported without an explanation."
UNREASONED = "imported"
LONGEST_REASON = 64

CHANGE = "change_key"
"""The field that names a change across databases; its number is that of one database."""

ROW = "row"
"""The field in which a row of ours tells its place, so that it is known when it comes back."""

_NOT_IN_A_CODE = re.compile(r"[^A-Za-z0-9_.:/-]+")


@dataclass(frozen=True, slots=True)
class Entry:
    """A line in its normal form."""

    at_us: int
    fields: dict[str, Any]
    extra: dict[str, Any]

    def content(self, kind: Kind) -> str:
        """Write down all it says, in one form however the line was written."""
        return content(kind, self.at_us, self.fields, pack(self.extra))


_FIELDS: dict[Kind, dict[str, Fitter]] = {
    Kind.HISTORY: {
        "actor": text,
        "rule": text,
        "old": number,
        "new": number,
        "note": text,
        CHANGE: text,
    },
    Kind.QUOTES: {
        "by": text,
        "rule": text,
        "delta": structure,
        "confidence": number,
        "quote": text,
    },
    Kind.RISKS: {"severity": text, "rule": text, "signal": structure, "note": text},
    Kind.DECISIONS: {
        "rule": text,
        "old": number,
        "new": number,
        "explanation": text,
        "policy": text,
        "evidence": structure,
        CHANGE: text,
    },
}


def parse(kind: Kind, raw: Mapping[str, Any]) -> Entry:
    """Bring a JSON object into its normal form.

    Raises:
        BadLine: something that cannot be left out is missing or makes no sense.
    """
    sound(raw)
    given = {name: value for name, value in raw.items() if name != "ts"}
    fields, extra = fit(given, _FIELDS[kind])
    if raw.get("ts") is None:
        raise BadLine("ts is missing")
    _FINISH[kind](fields, extra)
    return Entry(moment(raw["ts"]), fields, extra)


def render(line: Mapping[str, Any]) -> str:
    """Write a line of JSONL."""
    return json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n"


def fit(
    raw: Mapping[str, Any], fitters: Mapping[str, Fitter]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Divide fields into those that columns take and the rest."""
    fields: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, value in raw.items():
        fitter = fitters.get(name)
        if fitter is None:
            extra[name] = value
        elif value is not None:
            fitted = fitter(value)
            (extra if fitted is None else fields)[name] = value if fitted is None else fitted
    return fields, extra


def need(fields: Mapping[str, Any], extra: Mapping[str, Any], *names: str) -> None:
    """Refuse a line without one of these fields."""
    for name in names:
        if name in extra:
            raise BadLine(f"{name} makes no sense: {shown(extra[name])}")
        if fields.get(name) in {None, ""}:
            raise BadLine(f"{name} is missing")


# ── what each kind needs ─────────────────────────────────────────────────────


def _finish_history(fields: dict[str, Any], extra: dict[str, Any]) -> None:
    need(fields, extra, "rule", "new")
    fields.setdefault("actor", SOMEBODY)


def _finish_quote(fields: dict[str, Any], _extra: dict[str, Any]) -> None:
    fields.setdefault("by", SOMEBODY)


def _finish_risk(fields: dict[str, Any], extra: dict[str, Any]) -> None:
    need(fields, extra, "severity")
    severity = fields["severity"].strip().lower()
    if severity not in set(Severity):
        raise BadLine(f"severity is info, warn or crit, not {shown(fields['severity'])}")
    fields["severity"] = severity


def _finish_decision(fields: dict[str, Any], extra: dict[str, Any]) -> None:
    for name in ("mode", "dry_run", "kind", "action", "decision", "reason", "note"):
        if name in extra and extra[name] is None:
            del extra[name]
    if "explanation" not in fields:
        fields["explanation"] = _explanation(extra)
    fields.update(mode=_mode(extra), kind=_kind(extra), reason=_reason(extra))


def _explanation(extra: dict[str, Any]) -> str:
    if "explanation" in extra:
        return UNEXPLAINED
    if isinstance(extra.get("note"), str):
        return str(extra.pop("note"))
    reason = extra.get("reason")
    return reason if reason and isinstance(reason, str) else UNEXPLAINED


def _mode(extra: dict[str, Any]) -> str:
    if "mode" in extra:
        mode = _word(extra["mode"], Mode)
        if mode:
            del extra["mode"]
        return mode or Mode.LIVE
    if isinstance(extra.get("dry_run"), bool):
        return Mode.DRY_RUN if extra.pop("dry_run") else Mode.LIVE
    return Mode.LIVE


def _kind(extra: dict[str, Any]) -> str:
    """Find what was decided under the first of its names; another word for it stays extra."""
    name = next((name for name in ("kind", "action", "decision") if name in extra), None)
    kind = _word(extra[name], DecisionKind) if name else None
    if name and kind:
        del extra[name]
    return kind or DecisionKind.HOLD


def _word(value: Any, words: type[StrEnum]) -> str | None:
    """Find a word of ours, however it is capitalised or hyphenated."""
    word = str(value).strip().lower().replace("-", "_")
    return str(words(word)) if word in set(words) else None


def _reason(extra: dict[str, Any]) -> str:
    """Make a code of a reason; one that is more than a code also stays as it was."""
    given = extra.get("reason")
    if not isinstance(given, str):
        return UNREASONED
    code = _NOT_IN_A_CODE.sub("_", given).strip("_")[:LONGEST_REASON]
    if code == given:
        del extra["reason"]
    return code or UNREASONED


_FINISH: dict[Kind, Callable[[dict[str, Any], dict[str, Any]], None]] = {
    Kind.HISTORY: _finish_history,
    Kind.QUOTES: _finish_quote,
    Kind.RISKS: _finish_risk,
    Kind.DECISIONS: _finish_decision,
}
