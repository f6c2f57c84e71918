"""Spans in which nothing, or one rule, may be changed: freezes, pauses, and the kill switch.

All three are rows and survive a restart. A freeze that recurs holds its current
or next occurrence; whoever keeps the calendar moves it on with `recur`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import BindParameter, ColumnElement, Select, bindparam, insert, or_, select, update

from daemon.store.ready import Ready
from daemon.store.tables import freezes
from daemon.store.types import Micros

if TYPE_CHECKING:
    from daemon.store.store import Tx

FREEZE, PAUSE, KILL = "freeze", "pause", "kill"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFreeze:
    """What may not be changed, from when to when, why, and who says so."""

    reason: str
    owner: str
    starts_at_us: int
    created_at_us: int
    rule: str | None = None
    """None: nothing may be changed."""
    kind: str = FREEZE
    ends_at_us: int | None = None
    """None: until it is removed."""
    cron: str | None = None
    duration_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze(NewFreeze):
    """A freeze on record."""

    id: int
    removed_at_us: int | None
    removed_by: str | None


def add(tx: Tx, freeze: NewFreeze) -> int:
    """Record a freeze; returns its id."""
    inserted = tx.execute(insert(freezes).values(asdict(freeze))).inserted_primary_key
    return int(inserted[0]) if inserted else 0


def remove(tx: Tx, freeze_id: int, by: str, at_us: int) -> bool:
    """End a freeze; False if there is none of that id, or it was ended before."""
    return bool(_remove(tx, freezes.c.id == freeze_id, by=by, at_us=at_us))


def lift(tx: Tx, kind: str, rule: str | None, by: str, at_us: int) -> list[int]:
    """End every freeze of a kind and a rule (None: those of everything); returns which."""
    return _remove(tx, freezes.c.kind == kind, _about(rule), by=by, at_us=at_us)


def get(tx: Tx, freeze_id: int) -> Freeze | None:
    """Read a freeze."""
    found = _read(tx, select(freezes).where(freezes.c.id == freeze_id))
    return found[0] if found else None


def current(tx: Tx, now_us: int) -> list[Freeze]:
    """Read the freezes that are in force, oldest first."""
    begun = freezes.c.starts_at_us <= now_us
    return _read(tx, select(freezes).where(_standing(), begun, _not_over(now_us)))


def listed(tx: Tx, now_us: int, *, every: bool = False) -> list[Freeze]:
    """Read the freezes that are in force or still to come, or every one there ever was."""
    found = _EVERY.records(tx) if every else _LISTED.records(tx, now_us=now_us)
    return [Freeze(**row) for row in found]


def recurring(tx: Tx) -> list[Freeze]:
    """Read the freezes that recur."""
    return _read(tx, select(freezes).where(_standing(), freezes.c.cron.is_not(None)))


def recur(tx: Tx, freeze_id: int, starts_at_us: int, ends_at_us: int) -> bool:
    """Move a freeze on to its next occurrence; False if it was removed meanwhile."""
    moved = update(freezes).where(
        freezes.c.id == freeze_id, _standing(), freezes.c.cron.is_not(None)
    )
    return tx.execute(moved.values(starts_at_us=starts_at_us, ends_at_us=ends_at_us)).rowcount == 1


def _standing() -> ColumnElement[bool]:
    return freezes.c.removed_at_us.is_(None)


def _not_over(now_us: int | BindParameter[int]) -> ColumnElement[bool]:
    return or_(freezes.c.ends_at_us.is_(None), freezes.c.ends_at_us > now_us)


def _about(rule: str | None) -> ColumnElement[bool]:
    return freezes.c.rule.is_(None) if rule is None else freezes.c.rule == rule


def _remove(tx: Tx, *which: ColumnElement[bool], by: str, at_us: int) -> list[int]:
    ended = update(freezes).where(_standing(), *which).values(removed_at_us=at_us, removed_by=by)
    return sorted(tx.execute(ended.returning(freezes.c.id)).scalars())


def _read(tx: Tx, query: Select[Any]) -> list[Freeze]:
    return [Freeze(**row) for row in tx.execute(query.order_by(freezes.c.id)).mappings()]


_IN_ORDER = select(freezes).order_by(freezes.c.id)
_EVERY = Ready(_IN_ORDER)
_LISTED = Ready(
    _IN_ORDER.where(
        _standing(), or_(_not_over(bindparam("now_us", type_=Micros)), freezes.c.cron.is_not(None))
    )
)
