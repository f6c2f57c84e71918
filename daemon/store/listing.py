"""Rows as an operator asks for them: the newest of a kind, by name or number, since a moment.

The columns are those of the tables; whoever shows them finds the words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, column, or_, select, table, text

from daemon.store.runs import STATE, WORLD
from daemon.store.tables import (
    decision_repeats,
    decisions,
    events,
    metadata,
    rule_history,
    rules,
    signals,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement, FromClause

    from daemon.store.store import Tx


@dataclass(frozen=True, slots=True)
class _Kind:
    """How rows of a kind are found."""

    number: str
    """What a number names, and what the newest are told by."""
    names: tuple[str, ...]
    """What a word names: any of these."""
    since: str


_KINDS = {
    "alerts": _Kind("id", ("kind", "key", "state", "severity"), "at_us"),
    "changes": _Kind("id", ("rule", "state", "origin"), "opened_at_us"),
    "commands": _Kind("id", ("kind", "state", "actor"), "at_us"),
    "decisions": _Kind("seq", ("rule", "kind", "reason"), "at_us"),
    "freezes": _Kind("id", ("rule", "kind", "owner"), "created_at_us"),
    "proposals": _Kind("id", ("state", "origin"), "at_us"),
    "rule_history": _Kind("seq", ("rule",), "at_us"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which rows are asked for; None asks for all."""

    name: str | None = None
    """A number, or a word such as a rule's name."""
    since_us: int | None = None
    limit: int | None = None


def newest(tx: Tx, kind: str, wanted: Wanted) -> list[dict[str, Any]]:
    """Read rows of a kind, the newest first."""
    found = _KINDS[kind]
    source = metadata.tables[kind]
    query = _repeated() if kind == "decisions" else select(source)
    if wanted.name is not None:
        query = query.where(_named(source, found, wanted.name))
    if wanted.since_us is not None:
        query = query.where(source.c[found.since] >= wanted.since_us)
    return _read(tx, query.order_by(source.c[found.number].desc()), wanted.limit)


def _repeated() -> Select[Any]:
    """Decisions, with how often cycles came to the same again."""
    both = decisions.outerjoin(decision_repeats, decision_repeats.c.seq == decisions.c.seq)
    counted = (decision_repeats.c.n.label("repeats"), decision_repeats.c.last_at_us)
    return select(decisions, *counted).select_from(both)


def _named(source: FromClause, kind: _Kind, name: str) -> ColumnElement[bool]:
    if name.isdecimal():
        return source.c[kind.number] == int(name)
    return or_(*(source.c[column] == name for column in kind.names))


def current_rules(tx: Tx, wanted: Wanted) -> list[dict[str, Any]]:
    """Read where every rule stands: the view, with the step of each and what holds it."""
    names = ("rule", "value", "init", "min", "max", "changed_at", "change_id", "state")
    view = table("current_rules", *map(column, names))
    held = (rules.c.step, rules.c.cooldown_until_us, rules.c.foreign_at_us)
    query = select(view, *held).join(rules, rules.c.name == view.c.rule)
    if wanted.name is not None:
        query = query.where(view.c.rule == wanted.name)
    return _read(tx, query.order_by(view.c.rule), wanted.limit)


def signal_health(tx: Tx, wanted: Wanted) -> list[dict[str, Any]]:
    """Read how every signal does: the view, with what is said of each."""
    names = ("signal", "last_at", "age_s", "rate_hz", "share_bad", "state")
    view = table("signal_health", *map(column, names))
    said = (signals.c.unit, signals.c.source, signals.c.description)
    query = select(view, *said).join(signals, signals.c.name == view.c.signal)
    if wanted.name is not None:
        query = query.where(view.c.signal == wanted.name)
    return _read(tx, query.order_by(view.c.signal), wanted.limit)


def timeline(tx: Tx, wanted: Wanted) -> list[dict[str, Any]]:
    """Read the values that rules were given, the newest first, and what became of each."""
    states = metadata.tables["changes"]
    query = select(rule_history, states.c.state.label("outcome")).outerjoin(
        states, states.c.id == rule_history.c.change_id
    )
    if wanted.name is not None:
        query = query.where(rule_history.c.rule == wanted.name)
    if wanted.since_us is not None:
        query = query.where(rule_history.c.at_us >= wanted.since_us)
    return _read(tx, query.order_by(rule_history.c.seq.desc()), wanted.limit)


def rule_names(tx: Tx) -> list[str]:
    """Name the rules that may be moved."""
    query = select(rules.c.name).where(rules.c.retired_at_us.is_(None))
    return list(tx.execute(query.order_by(rules.c.name)).scalars())


def decision(tx: Tx, seq: int) -> dict[str, Any] | None:
    """Read a decision by its place."""
    return next(iter(newest(tx, "decisions", Wanted(name=str(seq)))), None)


def last_about(tx: Tx, change_ids: Sequence[int], kinds: Sequence[str]) -> dict[str, Any] | None:
    """Read the newest decision of some kinds about changes that are judged as one."""
    query = _repeated().where(decisions.c.change_id.in_(change_ids), decisions.c.kind.in_(kinds))
    found = _read(tx, query.order_by(decisions.c.seq.desc()), 1)
    return found[0] if found else None


def together(tx: Tx, decision_seq: int) -> list[dict[str, Any]]:
    """Read the changes that one decision opened: they are judged as one."""
    changes = metadata.tables["changes"]
    query = select(changes).where(changes.c.decision_seq == decision_seq)
    return _read(tx, query.order_by(changes.c.id), None)


def world(tx: Tx, at_us: int | None = None) -> dict[str, Any] | None:
    """Read what a cycle found: what held it, which rules were barred, what was unfit.

    That of the newest cycle, or of the one at a moment.
    """
    query = select(events.c.kind, events.c.body).where(events.c.kind.in_((STATE, WORLD)))
    if at_us is not None:
        query = query.where(events.c.at_us <= at_us)
    row = tx.execute(query.order_by(events.c.seq.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    found: dict[str, Any] = row.body["world"] if row.kind == STATE else row.body
    return found


def counts(tx: Tx) -> dict[str, int]:
    """Count signals by how they do."""
    query = text("SELECT state, count(*) FROM signal_health GROUP BY state")
    return {state: int(n) for state, n in tx.execute(query)}


def _read(tx: Tx, query: Select[Any], limit: int | None) -> list[dict[str, Any]]:
    found = tx.execute(query if limit is None else query.limit(limit))
    return [dict(row) for row in found.mappings()]
