"""Where the lines of a batch go: into their tables, with a note of which line became which row.

Everything here is part of the caller's transaction: rows and notes are written
together or not at all.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select

from daemon.store import chain, changes, history, samples
from daemon.store.legacy import stored
from daemon.store.legacy.formats import CHANGE, ROW, Entry, Kind, parse
from daemon.store.legacy.values import BadLine, pack
from daemon.store.tables import change_events, evidence, imported_lines, risk_ledger
from daemon.store.tables import changes as changes_table
from daemon.store.types import MAX_EXACT_INT
from daemon.tuning.vocabulary import TERMINAL_STATES, ChangeState, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy import Table

    from daemon.store.store import Tx

CAUSE = "imported"
ORIGIN = "import"
_NEVER_APPLIED = {ChangeState.REJECTED, ChangeState.DRY_RUN}


@dataclass(frozen=True, slots=True)
class Arrival:
    """A line on its way in: its key, its normal form, and all it says."""

    key: str
    entry: Entry
    content: str


@dataclass(slots=True)
class _Landed:
    """A line that became a row, and what no column took of it."""

    key: str
    ref: int
    extra: dict[str, Any]


def arrival(kind: Kind, entry: Entry, content: str, occurrence: int) -> Arrival:
    """Give a line its key: the same line in the same file has the same one for ever.

    Lines that say the same are told apart by counting them.
    """
    key = hashlib.sha256(f"{kind}\n{content}\n{occurrence}".encode()).hexdigest()
    return Arrival(key, entry, content)


def land(tx: Tx, kind: Kind, batch: Sequence[Arrival], now_us: int) -> int:
    """Write the lines of a batch that are new; returns how many were."""
    known = _known(tx, batch) | _at_home(tx, kind, batch)
    landed = _WRITERS[kind](tx, [line for line in batch if line.key not in known], now_us)
    notes = [
        {
            "line_key": line.key,
            "kind": str(kind),
            "ref": line.ref,
            "extra": pack(line.extra),
            "imported_at_us": now_us,
        }
        for line in landed
    ]
    if notes:
        tx.execute(insert(imported_lines), notes)
    return len(notes)


def _known(tx: Tx, batch: Sequence[Arrival]) -> set[str]:
    keys = [line.key for line in batch]
    query = select(imported_lines.c.line_key).where(imported_lines.c.line_key.in_(keys))
    return set(tx.execute(query).scalars())


def _at_home(tx: Tx, kind: Kind, batch: Sequence[Arrival]) -> set[str]:
    """Find lines that this very database exported: rows of its own, not to be doubled."""
    claimed = {line.key: place for line in batch if (place := _place(line.entry)) is not None}
    if kind is Kind.EFFECTS or not claimed:
        return set()
    rows = stored.at(tx, kind, set(claimed.values()))
    ours = {row.place: _said(kind, row) for row in rows if row.ours}
    return {
        line.key
        for line in batch
        if line.key in claimed and ours.get(claimed[line.key]) == line.content
    }


def _place(entry: Entry) -> int | None:
    place = entry.extra.get(ROW)
    return place if type(place) is int and 0 <= place <= MAX_EXACT_INT else None


def _said(kind: Kind, row: stored.Stored) -> str | None:
    try:
        return parse(kind, row.line).content(kind)
    except BadLine:
        return None


# ── streams and ledgers ──────────────────────────────────────────────────────


def _land_history(tx: Tx, new: Sequence[Arrival], _now_us: int) -> list[_Landed]:
    ids = _changes_named(tx, new)
    entries = [
        history.RuleSet(
            at_us=line.entry.at_us,
            rule=fields["rule"],
            new=fields["new"],
            actor=fields["actor"],
            old=fields.get("old"),
            note=fields.get("note"),
            change_id=ids.get(fields.get(CHANGE)),
        )
        for line in new
        for fields in (line.entry.fields,)
    ]
    return _landed_in_stream(new, history.append_all(tx, entries), ids)


def _land_decisions(tx: Tx, new: Sequence[Arrival], _now_us: int) -> list[_Landed]:
    ids = _changes_named(tx, new)
    entries = [
        history.Decision(
            at_us=line.entry.at_us,
            change_id=ids.get(line.entry.fields.get(CHANGE)),
            **{name: value for name, value in line.entry.fields.items() if name != CHANGE},
        )
        for line in new
    ]
    return _landed_in_stream(new, history.append_all(tx, entries), ids)


def _changes_named(tx: Tx, new: Sequence[Arrival]) -> dict[str | None, int]:
    """Find the changes that lines refer to."""
    names = {line.entry.fields[CHANGE] for line in new if CHANGE in line.entry.fields}
    columns = changes_table.c
    query = select(columns.idempotency_key, columns.id).where(columns.idempotency_key.in_(names))
    return {row.idempotency_key: row.id for row in tx.execute(query)}


def _landed_in_stream(
    new: Sequence[Arrival], places: Sequence[int], ids: dict[str | None, int]
) -> list[_Landed]:
    """Pair lines with rows; the name of a change that is not here stays extra."""
    landed = []
    for line, place in zip(new, places, strict=True):
        name = line.entry.fields.get(CHANGE)
        lost = {} if name is None or name in ids else {CHANGE: name}
        landed.append(_Landed(line.key, place, {**line.entry.extra, **lost}))
    return landed


def _land_quotes(tx: Tx, new: Sequence[Arrival], _now_us: int) -> list[_Landed]:
    rows = [
        {
            "at_us": line.entry.at_us,
            "author": line.entry.fields["by"],
            **{
                name: line.entry.fields.get(name)
                for name in ("rule", "delta", "confidence", "quote")
            },
        }
        for line in new
    ]
    return _landed(new, _insert(tx, evidence, rows))


def _land_risks(tx: Tx, new: Sequence[Arrival], _now_us: int) -> list[_Landed]:
    names = ("severity", "rule", "signal", "note")
    rows = [
        {"at_us": line.entry.at_us, **{name: line.entry.fields.get(name) for name in names}}
        for line in new
    ]
    return _landed(new, _insert(tx, risk_ledger, rows))


def _landed(new: Sequence[Arrival], ids: Sequence[int]) -> list[_Landed]:
    return [_Landed(line.key, ref, line.entry.extra) for line, ref in zip(new, ids, strict=True)]


def _insert(tx: Tx, table: Table, rows: list[dict[str, Any]]) -> list[int]:
    """Insert rows in their order; returns their numbers."""
    if not rows:
        return []
    statement = insert(table).returning(table.c.id, sort_by_parameter_order=True)
    return list(tx.execute(statement, rows).scalars())


# ── effects ──────────────────────────────────────────────────────────────────


def _land_effects(tx: Tx, new: Sequence[Arrival], now_us: int) -> list[_Landed]:
    named = _named(tx, new)
    ids = _insert(tx, changes_table, [_change_row(line, name) for line, name in named])
    chain.append(
        tx,
        change_events,
        [_event(line, change_id) for (line, _), change_id in zip(named, ids, strict=True)],
    )
    names = {signal for line, _ in named for signal in line.entry.fields["deltas"]}
    known = samples.declare(tx, names, now_us) if names else {}
    pairs = zip(named, ids, strict=True)
    found = [delta for (line, _), ref in pairs for delta in _deltas(line.entry, ref, known)]
    changes.add_deltas(tx, found)
    return [
        _Landed(line.key, ref, _beyond(line.entry, name))
        for (line, name), ref in zip(named, ids, strict=True)
    ]


def _named(tx: Tx, new: Sequence[Arrival]) -> list[tuple[Arrival, str]]:
    """Name each change; leave out those that are here already under their name.

    A name that another change has is not taken: the line then stands under the
    name that its key gives it, and what it said stays extra.
    """
    candidates = {line.key: _candidates(line) for line in new}
    taken = _taken(tx, {name for names in candidates.values() for name in names})
    named = []
    for line in new:
        itself = _identity(line.entry)
        names = candidates[line.key]
        name = next((name for name in names if taken.get(name, itself) == itself), None)
        if name is not None and name not in taken:
            taken[name] = itself
            named.append((line, name))
    return named


def _candidates(line: Arrival) -> list[str]:
    given, own = line.entry.fields.get(CHANGE), f"{ORIGIN}:{line.key}"
    return [own] if given is None else [given, own]


def _identity(entry: Entry) -> tuple[Any, ...]:
    return (entry.fields["rule"], entry.fields["old"], entry.fields["new"], entry.at_us)


def _taken(tx: Tx, names: set[str]) -> dict[str, tuple[Any, ...]]:
    columns = changes_table.c
    began_us = func.coalesce(columns.applied_at_us, columns.opened_at_us)
    query = select(columns.idempotency_key, columns.rule, columns.old, columns.new, began_us)
    rows = tx.execute(query.where(columns.idempotency_key.in_(names)))
    return {row[0]: tuple(row[1:]) for row in rows}


def _state(entry: Entry) -> ChangeState:
    """Say how a change ended; one that was open elsewhere is over here."""
    state = ChangeState(entry.fields["outcome"])
    return state if state in TERMINAL_STATES else ChangeState.SUPERSEDED


def _beyond(entry: Entry, name: str) -> dict[str, Any]:
    said = {"outcome": str(entry.fields["outcome"]), CHANGE: entry.fields.get(CHANGE, name)}
    took = {"outcome": str(_state(entry)), CHANGE: name}
    return {**{key: said[key] for key in said if said[key] != took[key]}, **entry.extra}


def _change_row(line: Arrival, name: str) -> dict[str, Any]:
    entry, state = line.entry, _state(line.entry)
    return {
        "idempotency_key": name,
        "origin": ORIGIN,
        "rule": entry.fields["rule"],
        "old": entry.fields["old"],
        "new": entry.fields["new"],
        "state": state,
        "opened_at_us": entry.at_us,
        "applied_at_us": None if state in _NEVER_APPLIED else entry.at_us,
        "settled_at_us": entry.at_us,
        "cause": CAUSE,
    }


def _event(line: Arrival, change_id: int) -> dict[str, Any]:
    return {
        "change_id": change_id,
        "at_us": line.entry.at_us,
        "epoch": 0,
        "to_state": str(_state(line.entry)),
        "cause": CAUSE,
        "actor": line.entry.fields["actor"],
    }


def _deltas(entry: Entry, change_id: int, known: dict[str, samples.Signal]) -> list[changes.Delta]:
    return [
        changes.Delta(
            change_id=change_id,
            signal_id=known[signal].id,
            at_us=entry.at_us,
            verdict=Verdict.INCONCLUSIVE,
            pre_s=entry.fields.get("pre_s"),
            post_s=entry.fields.get("post_s"),
            delta=value,
            cause=CAUSE,
        )
        for signal, value in entry.fields["deltas"].items()
    ]


_WRITERS: dict[Kind, Callable[[Tx, Sequence[Arrival], int], list[_Landed]]] = {
    Kind.EFFECTS: _land_effects,
    Kind.HISTORY: _land_history,
    Kind.QUOTES: _land_quotes,
    Kind.RISKS: _land_risks,
    Kind.DECISIONS: _land_decisions,
}
