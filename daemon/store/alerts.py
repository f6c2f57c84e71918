"""What a person should know: raised once, counted while it lasts, delivered, and resolved.

An alert that comes again while it is unresolved is counted and not sent again.
When it is resolved, whoever was told of it is told that, too; what nobody was
told of is resolved in silence.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, case, delete, func, literal, or_, select, text, update

from daemon.store import upsert
from daemon.store.ready import Ready
from daemon.store.tables import alerts
from daemon.store.tables.service import UNRESOLVED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Select

    from daemon.store.store import Tx

PENDING, SENT, FAILED, MUTED = "pending", "sent", "failed", "muted"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAlert:
    """What happened, what it is about, how bad it is, and a sentence with what to do."""

    at_us: int
    kind: str
    key: str
    severity: str
    text: str
    body: Mapping[str, Any] | None = None
    muted: bool = False
    """On record only: nobody is told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raised:
    """An alert on record."""

    id: int
    at_us: int
    kind: str
    key: str
    severity: str
    text: str
    body: Mapping[str, Any] | None
    state: str
    times: int
    last_at_us: int
    attempts: int
    next_at_us: int | None
    sent_at_us: int | None
    resolved_at_us: int | None
    error: str | None


def raise_alert(tx: Tx, alert: NewAlert) -> int:
    """Raise an alert, or count it if it is unresolved; returns its id.

    Its text and body are those of the last time.
    """
    given = {name: value for name, value in asdict(alert).items() if name != "muted"}
    state = {"state": MUTED} if alert.muted else {"state": PENDING, "next_at_us": alert.at_us}
    statement = upsert.insert(tx, alerts).values(**given, **state, last_at_us=alert.at_us)
    again = {"last_at_us": alert.at_us, "text": alert.text, "body": statement.excluded.body}
    known = statement.on_conflict_do_update(
        index_elements=["kind", "key"],
        index_where=text(UNRESOLVED),
        set_={**again, "times": alerts.c.times + 1},
    )
    return int(tx.execute(known.returning(alerts.c.id)).scalar_one())


def standing(tx: Tx, kind: str, key: str) -> Raised | None:
    """Read the alert of a kind and a key that is unresolved."""
    query = select(alerts).where(alerts.c.kind == kind, alerts.c.key == key, text(UNRESOLVED))
    found = _read(tx, query)
    return found[0] if found else None


def worsen(tx: Tx, alert_id: int, severity: str, at_us: int, *, muted: bool = False) -> None:
    """Say that an alert became worse than it was told to be: it is told anew, unless muted."""
    state: dict[str, Any] = {"state": PENDING, "next_at_us": at_us}
    if muted:
        state = {"state": MUTED, "next_at_us": None}
    worse = update(alerts).where(alerts.c.id == alert_id, text(UNRESOLVED))
    tx.execute(worse.values(**state, severity=severity, attempts=0, error=None))


def muted(tx: Tx) -> dict[str, int]:
    """Count, by severity, the unresolved alerts that nobody is told of."""
    query = select(alerts.c.severity, func.count()).where(alerts.c.state == MUTED, text(UNRESOLVED))
    counted = tx.execute(query.group_by(alerts.c.severity))
    return {row[0]: row[1] for row in counted}


def resolve(tx: Tx, kind: str, key: str, at_us: int) -> int | None:
    """Say that an alert is over; returns its id, None if there was none."""
    # An attempt may have reached one of several people, or all of them with the answer lost.
    told = or_(alerts.c.sent_at_us.is_not(None), alerts.c.attempts > 0)
    over = update(alerts).where(alerts.c.kind == kind, alerts.c.key == key, text(UNRESOLVED))
    over = over.values(
        resolved_at_us=at_us,
        state=case((told, PENDING), else_=MUTED),
        next_at_us=case((told, literal(at_us)), else_=None),
        attempts=0,
    )
    found: int | None = tx.execute(over.returning(alerts.c.id)).scalar_one_or_none()
    return found


def due(tx: Tx, now_us: int, limit: int = 20) -> list[Raised]:
    """Read what is to be delivered now, the longest due first; one that is resolved says so."""
    query = select(alerts).where(alerts.c.state == PENDING, alerts.c.next_at_us <= now_us)
    return _read(tx, query.order_by(alerts.c.next_at_us, alerts.c.id).limit(limit))


def delivered(tx: Tx, alert_id: int, at_us: int, *, over: bool = False) -> None:
    """Record that a person was told of an alert, or (``over``) that it is resolved.

    If it was resolved while they were told of it, they are told that next.
    """
    unheard = and_(alerts.c.sent_at_us.is_(None), alerts.c.resolved_at_us.is_not(None))
    outdated = and_(unheard, literal(not over))
    sent = update(alerts).where(alerts.c.id == alert_id)
    tx.execute(
        sent.values(
            state=case((outdated, PENDING), else_=SENT),
            next_at_us=case((outdated, literal(at_us)), else_=None),
            sent_at_us=at_us,
            error=None,
        )
    )


def failed(tx: Tx, alert_id: int, error: str, next_at_us: int | None) -> None:
    """Record an attempt that failed, and when the next one is due; without one it is given up."""
    state = FAILED if next_at_us is None else PENDING
    tried = update(alerts).where(alerts.c.id == alert_id, alerts.c.state == PENDING)
    count = alerts.c.attempts + 1
    tx.execute(tried.values(state=state, error=error, next_at_us=next_at_us, attempts=count))


def forget(tx: Tx, before_us: int, limit: int = 1_000) -> int:
    """Remove alerts that were resolved before a moment, and of which nobody need hear any more."""
    old = select(alerts.c.id).where(alerts.c.resolved_at_us < before_us, alerts.c.state != PENDING)
    gone = delete(alerts).where(alerts.c.id.in_(old.limit(limit).scalar_subquery()))
    return int(tx.execute(gone).rowcount)


def listed(tx: Tx, *, unresolved: bool = False, limit: int = 50) -> list[Raised]:
    """Read the newest alerts, or those that are still true."""
    if not unresolved:
        return _read(tx, select(alerts).order_by(alerts.c.id.desc()).limit(limit))
    # Few of all there ever were: found by their index, and sorted here.
    standing = select(alerts).where(text(UNRESOLVED)).order_by(alerts.c.kind, alerts.c.key)
    return sorted(_read(tx, standing), key=lambda one: one.id, reverse=True)[:limit]


_KEYS = Ready(select(alerts.c.key).where(alerts.c.kind == bindparam("of_kind"), text(UNRESOLVED)))


def keys_of(tx: Tx, kind: str) -> set[str]:
    """Name what the unresolved alerts of a kind are about."""
    return {key for (key,) in _KEYS.rows(tx, of_kind=kind)}


def get(tx: Tx, alert_id: int) -> Raised | None:
    """Read an alert."""
    found = _read(tx, select(alerts).where(alerts.c.id == alert_id))
    return found[0] if found else None


def _read(tx: Tx, query: Select[Any]) -> list[Raised]:
    return [Raised(**row) for row in tx.execute(query).mappings()]
