"""The two CSV formats: which column means what, and the normal form of a record.

A name that would be mistaken for another in a header (a signal called ``ts``,
one with blanks around it) is written ``signal:"…"``, in quotes as JSON has them.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daemon.store.legacy.formats import CHANGE, SOMEBODY, Entry, fit, need
from daemon.store.legacy.values import BadLine, moment, number, shown, sound, text
from daemon.tuning.vocabulary import ChangeState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LONGEST_NAME = 200
"""The longest name of a signal that the database takes."""

SHORT = {
    "phase": "phase_diff",
    "entropy": "entropy_rate",
    "creative": "creative_band",
    "risk": "risk_band",
}
"""What the columns of effects call the four signals that every installation has."""

METRICS = ("phase_diff", "entropy_rate", "creative_band", "risk_band")
"""The same signals in the order of the columns of `metrics.csv`."""

EFFECTS = ("rule_ts", "actor", "rule", "old", "new", "pre_s", "post_s")
DELTAS = tuple(f"d_{short}" for short in SHORT)
_NEEDED = ("rule_ts", "rule", "old", "new")
_LONG = {signal: short for short, signal in SHORT.items()}
_ESCAPE = "signal:"

_FITTERS = {
    "actor": text,
    "rule": text,
    "old": number,
    "new": number,
    "pre_s": number,
    "post_s": number,
    "outcome": text,
    CHANGE: text,
}


def escaped(name: str, taken: Iterable[str]) -> str:
    """Write the name of a signal so that a header cannot be misread."""
    plain = name == name.strip() and not name.startswith(_ESCAPE) and name not in taken
    return name if plain else _ESCAPE + json.dumps(name)


def unescaped(name: str) -> str:
    """Read the name of a signal from a header."""
    if not name.startswith(_ESCAPE):
        return name
    try:
        found = json.loads(name.removeprefix(_ESCAPE))
    except ValueError:
        return name
    return found if isinstance(found, str) else name


def delta_column(signal: str) -> str:
    """Name the column for what changes did to a signal."""
    return f"d_{_LONG.get(signal) or escaped(signal, SHORT)}"


def metric_column(signal: str) -> str:
    """Name the column for the values of a signal."""
    return escaped(signal, ("ts",))


def header(cells: Sequence[str], needed: Sequence[str]) -> list[str]:
    """Read the names of the columns.

    Raises:
        BadLine: one is needed and missing, has no name, or stands there twice.
    """
    names = [cell.strip() for cell in cells]
    sound(names)
    missing = [name for name in needed if name not in names]
    if missing:
        raise BadLine(f"there is no column {', '.join(missing)} among {shown(', '.join(names))}")
    if "" in names:
        raise BadLine(f"column {names.index('') + 1} has no name")
    _once(names)
    return names


def _once(names: Iterable[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise BadLine(f"more than one column is for {shown(twice[0])}")


def _filled(names: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    if len(cells) != len(names):
        raise BadLine(f"{len(cells)} cells under {len(names)} columns")
    return {name: cell for name, cell in zip(names, cells, strict=True) if cell}


# ── rules_effects.csv ────────────────────────────────────────────────────────


@dataclass(frozen=True)
class EffectColumns:
    """The columns of a file of effects: their names, and which are for which signal."""

    names: list[str]
    signals: dict[str, str]

    @classmethod
    def read(cls, cells: Sequence[str]) -> EffectColumns:
        """Read a header."""
        names = [_settled(name) for name in header(cells, _NEEDED)]
        _once(names)
        signals = {name: _signal(name) for name in names}
        return cls(names, {name: signal for name, signal in signals.items() if signal})

    def parse(self, cells: Sequence[str]) -> Entry:
        """Bring a record into its normal form; ``deltas`` holds a number for each signal."""
        raw = _filled(self.names, cells)
        sound(raw)
        at = raw.pop("rule_ts", None)
        fields, extra = fit(raw, {**_FITTERS, **dict.fromkeys(self.signals, number)})
        if at is None:
            raise BadLine("rule_ts is missing")
        need(fields, extra, "rule", "old", "new")
        fields.setdefault("actor", SOMEBODY)
        deltas = {name: fields.pop(name) for name in self.signals if name in fields}
        fields["deltas"] = {self.signals[name]: value for name, value in deltas.items()}
        if not deltas:
            for name in {"pre_s", "post_s"} & fields.keys():
                extra[name] = raw[name]
                del fields[name]
        fields["outcome"] = _outcome(fields.pop("outcome", None), extra)
        return Entry(moment(at), fields, extra)


def _signal(column: str) -> str | None:
    """Say which signal a column is for; None when it is for none."""
    if not column.startswith("d_"):
        return None
    name = column.removeprefix("d_")
    signal = SHORT.get(name) or unescaped(name)
    return signal if 0 < len(signal) <= LONGEST_NAME else None


def _settled(column: str) -> str:
    """Name a column as export would: ``d_phase_diff`` is ``d_phase``."""
    signal = _signal(column)
    return delta_column(signal) if signal else column


def _outcome(given: str | None, extra: dict[str, Any]) -> str:
    """Take the state a change ended in; another word for it stays extra."""
    if given is None or given in set(ChangeState):
        return given or ChangeState.KEPT
    extra["outcome"] = given
    return ChangeState.KEPT


def effect_columns(used: Iterable[str]) -> list[str]:
    """Put the columns of effects in order: those of the format, further deltas, what is ours."""
    rest = set(used) - {*EFFECTS, *DELTAS, "outcome", CHANGE}
    further = sorted(name for name in rest if name.startswith("d_"))
    return [*EFFECTS, *DELTAS, *further, "outcome", CHANGE, *sorted(rest - set(further))]


# ── metrics.csv ──────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Row:
    """A record of metrics: a moment, its values by signal, and what is wrong with cells."""

    at_us: int
    values: dict[str, float]
    faults: dict[str, str]


@dataclass(frozen=True)
class MetricColumns:
    """The columns of a file of metrics: every one but ``ts`` is for a signal."""

    names: list[str]
    signals: dict[str, str]

    @classmethod
    def read(cls, cells: Sequence[str]) -> MetricColumns:
        """Read a header."""
        names = header(cells, ("ts",))
        signals = {name: unescaped(name) for name in names if name != "ts"}
        for name in signals.values():
            if not 0 < len(name) <= LONGEST_NAME:
                raise BadLine(f"the name of a signal has 1 to 200 letters, unlike {shown(name)}")
        _once(signals.values())
        return cls(names, signals)

    def parse(self, cells: Sequence[str]) -> Row:
        """Read a record; a cell that is no number is a fault, and the others stand."""
        raw = _filled(self.names, cells)
        at = raw.pop("ts", None)
        if at is None:
            raise BadLine("ts is missing")
        row = Row(moment(at), {}, {})
        for name, cell in raw.items():
            if cell.strip():
                _take(row, self.signals[name], cell)
        return row


def _take(row: Row, signal: str, cell: str) -> None:
    try:
        value = number(cell)
    except BadLine as error:
        row.faults[signal] = str(error)
        return
    if value is None:
        row.faults[signal] = f"{shown(cell)} is not a number"
    else:
        row.values[signal] = value


def metric_columns(signals: Iterable[str]) -> list[str]:
    """Put signals in order: the four that every installation has, then the others by name."""
    there = set(signals)
    return [name for name in METRICS if name in there] + sorted(there - set(METRICS))


# ── writing ──────────────────────────────────────────────────────────────────


def csv_line(cells: Iterable[str]) -> str:
    """Write a record; the same in every version of Python."""
    return ",".join(_quoted(cell) for cell in cells) + "\n"


def _quoted(cell: str) -> str:
    if not any(letter in cell for letter in ',"\r\n'):
        return cell
    return '"' + cell.replace('"', '""') + '"'


def effect_cells(columns: Sequence[str], line: Mapping[str, Any]) -> list[str]:
    """Write the cells of an effect."""
    return [_cell(line.get(name)) for name in columns]


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else repr(value)
