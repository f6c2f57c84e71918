"""Changes and their protocol in rows: opened once, moved only along legal transitions.

Every move is a conditional update and an event in the same transaction: a
second writer, a repeated request or a stale reader changes nothing.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from daemon.errors import StoreError
from daemon.store import chain
from daemon.store.ready import Ready
from daemon.store.tables import change_events, changes, deltas, rules, signals
from daemon.store.tables.tuning import IS_OPEN, IS_UNSETTLED
from daemon.tuning.vocabulary import TERMINAL_STATES, TRANSITIONS, ChangeState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    from daemon.store.store import Tx


_WAIT = "wait until it is settled, or roll it back"

_OPEN = Ready(select(changes).where(text(IS_OPEN)).order_by(changes.c.id))
_KNOWN = Ready(select(changes.c.id).where(changes.c.idempotency_key == bindparam("key")))
_UNSETTLED = Ready(select(changes).where(text(IS_UNSETTLED)).order_by(changes.c.id))


class RuleBusy(StoreError):  # noqa: N818 - a state, not a fault
    """The rule already has an open change."""


class StaleChange(StoreError):  # noqa: N818 - same
    """The change is no longer in the state it was thought to be in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewChange:
    """A change that is about to enter its protocol."""

    idempotency_key: str
    rule: str
    old: float
    new: float
    opened_at_us: int
    origin: str = "loop"
    epoch: int = 0
    proposal_id: int | None = None
    decision_seq: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Why and by whom a change goes from one state to the next, and when (two clocks)."""

    at_us: int
    cause: str
    actor: str = "daemon"
    epoch: int = 0
    boot_id: str | None = None
    elapsed_us: int | None = None
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What one change did to one signal in one trial, and what the verdict on it was."""

    change_id: int
    signal_id: int
    at_us: int
    verdict: str
    trial: int = 1
    pre_s: float | None = None
    pre_n: int | None = None
    pre_mean: float | None = None
    pre_var: float | None = None
    post_s: float | None = None
    post_n: int | None = None
    post_mean: float | None = None
    post_var: float | None = None
    delta: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    cause: str | None = None


_MEASURED = Ready(insert(deltas), tuple(field.name for field in fields(Delta)))


@lru_cache(maxsize=8)
def _insert(columns: tuple[str, ...]) -> Ready:
    return Ready(insert(changes).returning(changes.c.id), columns)


@lru_cache(maxsize=8)
def _advance(columns: tuple[str, ...]) -> Ready:
    return Ready(
        update(changes)
        .where(changes.c.id == bindparam("change_id"), changes.c.state == bindparam("was"))
        .values({name: bindparam(name) for name in columns})
    )


def _tried(tx: Tx) -> AbstractContextManager[object]:
    """Run one statement so that the transaction goes on if it is refused, as SQLite does anyway."""
    return nullcontext() if tx.dialect.name == "sqlite" else tx.begin_nested()


_MOVE = tuple(field.name for field in fields(Move))


def open_change(tx: Tx, change: NewChange, state: ChangeState, move: Move) -> int:
    """Record the intent to change a rule; returns the change's id.

    The same idempotency key opens the same change: asked twice, it answers with
    the id it gave the first time and writes nothing.

    Raises:
        RuleBusy: the rule has an open change.
    """
    earlier = _KNOWN.value(tx, key=change.idempotency_key)
    if earlier is not None:
        return int(earlier)
    row = {**asdict(change), "state": state, **_stamps(state, move)}
    try:
        with _tried(tx):
            change_id = int(_insert(tuple(row)).value(tx, **row))
    except IntegrityError as error:
        earlier = _KNOWN.value(tx, key=change.idempotency_key)  # asked by two at the same moment
        if earlier is not None:
            return int(earlier)
        if open_id(tx, change.rule) is None:
            raise
        raise RuleBusy(f"{change.rule} already has an open change", hint=_WAIT) from error
    _record(tx, change_id, None, state, move)
    return change_id


def advance(tx: Tx, change_id: int, origin: ChangeState, target: ChangeState, move: Move) -> None:
    """Move a change from one state to the next.

    Raises:
        ValueError: the protocol has no such transition.
        StaleChange: the change is not in the state it was thought to be in.
        RuleBusy: the change would open while another one of its rule is open.
    """
    if target not in TRANSITIONS[origin]:
        raise ValueError(f"a change never goes from {origin} to {target}")
    given = {"state": target, **_stamps(target, move)}
    try:
        with _tried(tx):
            moved = _advance(tuple(given)).run(tx, change_id=change_id, was=origin, **given)
    except IntegrityError as error:
        raise RuleBusy(
            f"change {change_id} cannot open: its rule already has an open change", hint=_WAIT
        ) from error
    if moved != 1:
        raise StaleChange(f"change {change_id} is not {origin} any more")
    _record(tx, change_id, origin, target, move)


def add_deltas(tx: Tx, measured: Sequence[Delta]) -> None:
    """Record what changes did to signals."""
    for delta in measured:
        _MEASURED.run(tx, **asdict(delta))


def open_id(tx: Tx, rule: str) -> int | None:
    """Find the open change of a rule."""
    query = select(changes.c.id).where(changes.c.rule == rule, text(IS_OPEN))
    return tx.execute(query).scalar_one_or_none()


def open_changes(tx: Tx) -> list[dict[str, Any]]:
    """Read every open change, oldest first."""
    return _OPEN.records(tx)


# ── reading ──────────────────────────────────────────────────────────────────
def unsettled(tx: Tx) -> list[dict[str, Any]]:
    """Read every change that has not ended, open or only proposed, oldest first."""
    return _UNSETTLED.records(tx)


def latest(tx: Tx, rule: str | None = None, limit: int = 20) -> list[dict[str, Any]]:
    """Read the newest changes, of one rule or of all, newest first."""
    query = select(changes).order_by(changes.c.id.desc()).limit(limit)
    if rule is not None:
        query = query.where(changes.c.rule == rule)
    return [dict(row) for row in tx.execute(query).mappings()]


def get(tx: Tx, change_id: int) -> dict[str, Any] | None:
    """Read a change."""
    query = select(changes).where(changes.c.id == change_id)
    row = tx.execute(query).mappings().one_or_none()
    return None if row is None else dict(row)


def events_of(tx: Tx, change_id: int) -> list[dict[str, Any]]:
    """Read the states that a change went through, in order."""
    query = select(change_events).where(change_events.c.change_id == change_id)
    return [dict(row) for row in tx.execute(query.order_by(change_events.c.seq)).mappings()]


class Intent(NamedTuple):
    """When a change was begun, by both clocks."""

    at_us: int
    boot_id: str | None
    elapsed_us: int | None


_NEWEST = Ready(
    select(changes.c.id)
    .where(changes.c.rule == bindparam("rule"), changes.c.state != ChangeState.FAILED)
    .order_by(changes.c.id.desc())
    .limit(1)
)


def newest_of(tx: Tx, rule: str) -> int | None:
    """Find the newest change of a rule that moved it, if only for a moment."""
    found: int | None = _NEWEST.value(tx, rule=rule)
    return found


_INTENT = Ready(
    select(change_events.c.at_us, change_events.c.boot_id, change_events.c.elapsed_us)
    .where(
        change_events.c.change_id == bindparam("of_change"),
        change_events.c.to_state == ChangeState.APPLYING,
    )
    .order_by(change_events.c.seq)
    .limit(1)
)


def intent_of(tx: Tx, change_id: int) -> Intent | None:
    """Read when a change was begun; None if it never was."""
    row = _INTENT.first(tx, of_change=change_id)
    return None if row is None else Intent(*row)


def deltas_of(tx: Tx, change_id: int) -> list[dict[str, Any]]:
    """Read what a change did, with the name of each signal, trial after trial."""
    query = (
        select(signals.c.name.label("signal"), deltas)
        .join(signals, signals.c.id == deltas.c.signal_id)
        .where(deltas.c.change_id == change_id)
        .order_by(deltas.c.trial, signals.c.name)
    )
    return [dict(row) for row in tx.execute(query).mappings()]


_LAST_EVENT = Ready(select(func.coalesce(func.max(change_events.c.seq), 0)))


def endings(tx: Tx, after: int) -> tuple[list[str], int]:
    """Read how changes have ended behind a place in their events, and the newest place."""
    columns = change_events.c
    last = int(_LAST_EVENT.value(tx))
    if not after or last == after:
        return [], last
    ends = columns.to_state.in_(sorted(TERMINAL_STATES))
    query = select(columns.to_state).where(columns.seq > after, ends)
    return list(tx.execute(query.order_by(columns.seq)).scalars()), last


def kept_values(tx: Tx) -> dict[str, float]:
    """Read the last values known to be good, of every rule that is not retired.

    That is where the newest change that was kept led; if none ever was, where
    the rule stood before anything was changed.
    """
    of_rule = changes.c.rule == rules.c.name
    kept = select(changes.c.new).where(of_rule, changes.c.state == ChangeState.KEPT)
    moved = select(changes.c.old).where(of_rule, changes.c.applied_at_us.is_not(None))
    good = func.coalesce(
        kept.order_by(changes.c.id.desc()).limit(1).scalar_subquery(),
        moved.order_by(changes.c.id).limit(1).scalar_subquery(),
        rules.c.init,
    )
    query = select(rules.c.name, good).where(rules.c.retired_at_us.is_(None))
    return {name: float(value) for name, value in tx.execute(query.order_by(rules.c.name))}


# ── writing an event ─────────────────────────────────────────────────────────
def _stamps(state: ChangeState, move: Move) -> dict[str, Any]:
    """Say what entering a state writes beside it."""
    if state in TERMINAL_STATES:
        return {"settled_at_us": move.at_us, "cause": move.cause}
    if state is ChangeState.OBSERVING:
        return {"applied_at_us": move.at_us, "cause": move.cause}
    return {"cause": move.cause}


def _record(
    tx: Tx, change_id: int, origin: ChangeState | None, target: ChangeState, move: Move
) -> None:
    event = {name: getattr(move, name) for name in _MOVE}
    event |= {"change_id": change_id, "from_state": origin, "to_state": target}
    chain.append(tx, change_events, [event])
