"""Rows of the tables as the lines they are exported as.

A row that was imported gets back the extra fields of its line. A row of ours
tells instead what it has beyond the format: its place, its epoch, its origin.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, select

from daemon.clock import iso
from daemon.store.legacy.columns import delta_column
from daemon.store.legacy.formats import CHANGE, ROW, SOMEBODY, Kind
from daemon.store.legacy.values import plain, real, unpack
from daemon.store.tables import (
    change_events,
    changes,
    decisions,
    deltas,
    evidence,
    imported_lines,
    risk_ledger,
    rule_history,
    signals,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import ColumnElement, Row, Select, Table

    from daemon.store.store import Tx

PAGE = 1_000
"""How many rows are held at a time."""

TABLES: dict[Kind, Table] = {
    Kind.EFFECTS: changes,
    Kind.HISTORY: rule_history,
    Kind.QUOTES: evidence,
    Kind.RISKS: risk_ledger,
    Kind.DECISIONS: decisions,
}
"""Where the lines of each kind are kept; metrics are samples."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A row as the line it is exported as; ``ours`` says that no line was its origin."""

    place: int
    ours: bool
    line: dict[str, Any]


def walk(tx: Tx, kind: Kind) -> Iterator[Stored]:
    """Read every row of a kind in order, a page at a time."""
    place, after = _place(kind), -1
    while page := _read(tx, kind, place > after, limit=PAGE):
        yield from page
        after = page[-1].place


def at(tx: Tx, kind: Kind, places: Iterable[int]) -> list[Stored]:
    """Read the rows at some places."""
    return _read(tx, kind, _place(kind).in_(list(places)))


def _place(kind: Kind) -> ColumnElement[int]:
    table = TABLES[kind]
    return table.c.seq if "seq" in table.c else table.c.id


def _read(
    tx: Tx, kind: Kind, where: ColumnElement[bool], *, limit: int | None = None
) -> list[Stored]:
    rows = tx.execute(_query(kind).where(where).order_by(_place(kind)).limit(limit)).all()
    lines = _effects(tx, rows) if kind is Kind.EFFECTS else [_LINES[kind](row) for row in rows]
    return [_stored(row, line) for row, line in zip(rows, lines, strict=True)]


def _query(kind: Kind) -> Select[Any]:
    table, place = TABLES[kind], _place(kind)
    origin = and_(imported_lines.c.kind == str(kind), imported_lines.c.ref == place)
    query = select(
        table, place.label("place"), imported_lines.c.line_key, imported_lines.c.extra
    ).outerjoin(imported_lines, origin)
    if "change_id" not in table.c:
        return query
    of_it = changes.c.id == table.c.change_id
    return query.add_columns(changes.c.idempotency_key.label(CHANGE)).outerjoin(changes, of_it)


def _stored(row: Row[Any], line: Line) -> Stored:
    """Put a line together: what is known in its order, then the rest.

    An extra field of a known name is what the line really said there.
    """
    ours = row.line_key is None
    rest = line.beyond if ours else unpack(row.extra)
    merged = {**line.known, **rest}
    given = {name: value for name, value in merged.items() if value is not None or name in rest}
    return Stored(row.place, ours, given)


@dataclass(frozen=True, slots=True)
class Line:
    """What the format takes of a row, and what it has beyond."""

    known: Mapping[str, Any]
    beyond: Mapping[str, Any]


def _history(row: Row[Any]) -> Line:
    return Line(
        {
            "ts": iso(row.at_us),
            "actor": row.actor,
            "rule": row.rule,
            "old": real(row.old),
            "new": real(row.new),
            "note": row.note,
            CHANGE: _change(row),
        },
        _beyond(row),
    )


def _quote(row: Row[Any]) -> Line:
    return Line(
        {
            "ts": iso(row.at_us),
            "by": row.author,
            "rule": row.rule,
            "delta": plain(row.delta),
            "confidence": real(row.confidence),
            "quote": row.quote,
        },
        _beyond(row),
    )


def _risk(row: Row[Any]) -> Line:
    return Line(
        {
            "ts": iso(row.at_us),
            "severity": row.severity,
            "rule": row.rule,
            "signal": plain(row.signal),
            "note": row.note,
        },
        _beyond(row),
    )


def _decision(row: Row[Any]) -> Line:
    return Line(
        {
            "ts": iso(row.at_us),
            "mode": row.mode,
            "kind": row.kind,
            "rule": row.rule,
            "old": real(row.old),
            "new": real(row.new),
            "reason": row.reason,
            "explanation": row.explanation,
            "policy": row.policy,
            "evidence": plain(row.evidence),
            CHANGE: _change(row),
        },
        _beyond(row),
    )


def _beyond(row: Row[Any]) -> dict[str, Any]:
    epoch = getattr(row, "epoch", 0)
    return {"epoch": epoch, ROW: row.place} if epoch else {ROW: row.place}


def _change(row: Row[Any]) -> Any:
    """Name the change a row is about; one that is not there by its number."""
    return getattr(row, CHANGE) or row.change_id


_LINES: dict[Kind, Callable[[Row[Any]], Line]] = {
    Kind.HISTORY: _history,
    Kind.QUOTES: _quote,
    Kind.RISKS: _risk,
    Kind.DECISIONS: _decision,
}


# ── effects: a change, who made it, and what its last trial measured ─────────


def _effects(tx: Tx, rows: Sequence[Row[Any]]) -> list[Line]:
    ids = [row.id for row in rows]
    actors, measured = _actors(tx, ids), _last_trials(tx, ids)
    return [_effect(row, actors.get(row.id), measured.get(row.id, [])) for row in rows]


def _actors(tx: Tx, ids: list[int]) -> dict[int, str]:
    """Find who began each change."""
    events = change_events.c
    query = select(events.change_id, events.actor).where(events.change_id.in_(ids))
    return {row.change_id: row.actor for row in tx.execute(query.order_by(events.seq.desc()))}


def _last_trials(tx: Tx, ids: list[int]) -> dict[int, list[Any]]:
    columns = (deltas.c.change_id, deltas.c.trial, deltas.c.delta, deltas.c.pre_s, deltas.c.post_s)
    query = select(*columns, signals.c.name).join(signals, signals.c.id == deltas.c.signal_id)
    found: dict[int, list[Any]] = {}
    for row in tx.execute(query.where(deltas.c.change_id.in_(ids)).order_by(deltas.c.trial)):
        earlier = found.setdefault(row.change_id, [])
        if earlier and earlier[0].trial != row.trial:
            earlier.clear()
        earlier.append(row)
    return found


def _effect(row: Row[Any], actor: str | None, measured: Sequence[Row[Any]]) -> Line:
    began_us = row.opened_at_us if row.applied_at_us is None else row.applied_at_us
    return Line(
        {
            "rule_ts": iso(began_us),
            "actor": actor or SOMEBODY,
            "rule": row.rule,
            "old": real(row.old),
            "new": real(row.new),
            "pre_s": _longest(delta.pre_s for delta in measured),
            "post_s": _longest(delta.post_s for delta in measured),
            **{delta_column(delta.name): real(delta.delta) for delta in measured},
            "outcome": row.state,
            CHANGE: row.idempotency_key,
        },
        {"cause": row.cause, "origin": row.origin} if row.cause else {"origin": row.origin},
    )


def _longest(windows: Iterable[float | None]) -> float | None:
    return max((window for given in windows if (window := real(given)) is not None), default=None)
