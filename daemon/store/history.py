"""The event log: what was decided, and what else happened.

Each append is part of the caller's transaction and returns the row's place in
its stream. Reading is by place: ``after`` the last row seen, so that a reader
can follow the log for as long as it likes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, text

from daemon.store import chain
from daemon.store.ready import Ready
from daemon.store.tables import decisions, events, rule_history

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import Table

    from daemon.store.store import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a cycle came to, the numbers it rested on, and a sentence for a person."""

    at_us: int
    mode: str
    kind: str
    reason: str
    explanation: str
    rule: str | None = None
    old: float | None = None
    new: float | None = None
    policy: str | None = None
    change_id: int | None = None
    evidence: Mapping[str, Any] | None = None
    epoch: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSet:
    """A rule got a value: from the daemon, or from a person."""

    at_us: int
    rule: str
    new: float
    actor: str
    old: float | None = None
    note: str | None = None
    change_id: int | None = None
    epoch: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something else worth remembering: a start, a new leader, drift, an alert."""

    at_us: int
    kind: str
    ref: str | None = None
    body: Mapping[str, Any] | None = None
    epoch: int = 0


Entry = Decision | RuleSet | Event

_STREAM: dict[type[Entry], Table] = {Decision: decisions, RuleSet: rule_history, Event: events}
_FIELDS = {kind: tuple(field.name for field in fields(kind)) for kind in _STREAM}


def _row(entry: Entry) -> dict[str, Any]:
    """Name the columns; bodies of many kilobytes are not copied for it."""
    return {name: getattr(entry, name) for name in _FIELDS[type(entry)]}


_REPEAT = Ready(
    text(
        "INSERT INTO decision_repeats (seq, n, last_at_us) VALUES (:seq, 1, :at_us)"
        " ON CONFLICT (seq) DO UPDATE"
        " SET n = decision_repeats.n + 1, last_at_us = excluded.last_at_us"
    )
)


def append(tx: Tx, entry: Entry) -> int:
    """Write one entry at the end of its stream; returns its place."""
    return chain.append(tx, _STREAM[type(entry)], [_row(entry)])[0].seq


def append_all(tx: Tx, entries: Sequence[Entry]) -> list[int]:
    """Write entries of one kind at the end of their stream, in order."""
    if not entries:
        return []
    stream = _STREAM[type(entries[0])]
    return [place.seq for place in chain.append(tx, stream, map(_row, entries))]


def repeat(tx: Tx, seq: int, at_us: int) -> None:
    """Count a cycle that came to the same decision again."""
    _REPEAT.run(tx, seq=seq, at_us=at_us)


def read(tx: Tx, stream: str, *, after: int = 0, limit: int = 1_000) -> list[dict[str, Any]]:
    """Read a stream in order: ``decisions``, ``change_events``, ``rule_history`` or ``events``."""
    return chain.read(tx, chain.STREAMS[stream], after=after, limit=limit)


def latest_decision(tx: Tx, *, rule: str | None = None) -> dict[str, Any] | None:
    """Read the newest decision, or the newest about one rule."""
    query = select(decisions).order_by(decisions.c.seq.desc()).limit(1)
    if rule is not None:
        query = query.where(decisions.c.rule == rule)
    row = tx.execute(query).mappings().one_or_none()
    return dict(row) if row else None
