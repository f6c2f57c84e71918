"""What the loop leaves behind in the tables, as a replay reads it: never all of it at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Select, bindparam, func, select, text, update

from daemon.store.ready import Ready
from daemon.store.samples import lookup
from daemon.store.tables import (
    changes,
    decision_repeats,
    decisions,
    events,
    policies,
    rule_history,
    rules,
)
from daemon.store.tables.tuning import IS_OPEN
from daemon.tuning.vocabulary import DecisionKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from daemon.store.store import Tx

STATE = "tuning.state"
GAP = "tuning.gap"
WORLD = "tuning.world"
ACT = "tuning.act"
KINDS = (STATE, GAP, WORLD, ACT)
"""Events that the loop writes; the bodies are those of `services.loop.journal`."""

LOOP_KEY = "loop:"
"""How the idempotency keys of changes begin that the core judges, whoever asked for them."""

PAGE = 500

_OPEN_OF_LOOP = Ready(
    select(changes.c.rule, changes.c.id, changes.c.state).where(
        text(IS_OPEN), changes.c.idempotency_key.startswith(LOOP_KEY)
    )
)
_LAST_DECISION = Ready(select(func.coalesce(func.max(decisions.c.seq), 0)))
_NEWEST_OF_LOOP = Ready(
    select(decisions.c.seq, decisions.c.at_us)
    .where(decisions.c.kind != DecisionKind.COMMAND)
    .order_by(decisions.c.seq.desc())
    .limit(1)
)
_REPEATED = Ready(
    select(decision_repeats.c.last_at_us).where(decision_repeats.c.seq == bindparam("of_seq"))
)
_VALUES = Ready(
    select(rule_history.c.at_us, rule_history.c.rule, rule_history.c.old, rule_history.c.new)
    .where(rule_history.c.at_us >= bindparam("since_us"))
    .order_by(rule_history.c.at_us, rule_history.c.seq)
)
_PUT_IN_FORCE = Ready(
    update(rules)
    .where(rules.c.name == bindparam("rule"))
    .values(
        {
            name: bindparam(name)
            for name in ("value", "change_id", "changed_at_us", "cooldown_until_us")
        }
    )
)


@dataclass(frozen=True, slots=True)
class Extent:
    """From when to when there are samples of some signals, and what was pruned."""

    first_us: int
    end_us: int
    pruned_until_us: int
    missing: tuple[str, ...]
    """Signals without any."""


# ── reading ──────────────────────────────────────────────────────────────────
def first_state(tx: Tx) -> dict[str, Any] | None:
    """Read the oldest memory on record."""
    return _one(tx, select(events).where(events.c.kind == STATE).order_by(events.c.seq).limit(1))


def state_before(tx: Tx, at_us: int) -> dict[str, Any] | None:
    """Read the newest memory that is not younger than a moment."""
    query = select(events).where(events.c.kind == STATE, events.c.at_us <= at_us)
    return _one(tx, query.order_by(events.c.seq.desc()).limit(1))


def events_after(tx: Tx, seq: int) -> Iterator[dict[str, Any]]:
    """Read the loop's events behind a place, in order, a page at a time."""
    while True:
        query = select(events).where(events.c.seq > seq, events.c.kind.in_(KINDS))
        page = tx.execute(query.order_by(events.c.seq).limit(PAGE)).mappings().all()
        yield from map(dict, page)
        if len(page) < PAGE:
            return
        seq = page[-1]["seq"]


def decisions_after(tx: Tx, seq: int) -> Iterator[dict[str, Any]]:
    """Read decisions behind a place, in order, with the last moment each was repeated at."""
    repeated = decisions.outerjoin(decision_repeats, decision_repeats.c.seq == decisions.c.seq)
    columns = select(decisions, decision_repeats.c.last_at_us).select_from(repeated)
    while True:
        query = columns.where(decisions.c.seq > seq).order_by(decisions.c.seq).limit(PAGE)
        page = tx.execute(query).mappings().all()
        yield from map(dict, page)
        if len(page) < PAGE:
            return
        seq = page[-1]["seq"]


def policy_body(tx: Tx, digest: str) -> dict[str, Any] | None:
    """Read a policy that was in force."""
    query = select(policies.c.body).where(policies.c.digest == digest)
    body: dict[str, Any] | None = tx.execute(query).scalar_one_or_none()
    return body


def extent(tx: Tx, names: Iterable[str]) -> Extent:
    """Say from when to when there are samples; of nothing, from 0 to 0."""
    bounds = text("SELECT min(at_us), max(at_us) FROM samples WHERE signal_id = :id")
    wanted, spans, pruned = tuple(names), {}, 0
    for signal in lookup(tx, wanted).values():
        first, last = tx.execute(bounds, {"id": signal.id}).one()
        pruned = max(pruned, signal.pruned_until_us)
        if first is not None:
            spans[signal.name] = (int(first), int(last) + 1)
    return Extent(
        min((first for first, _ in spans.values()), default=0),
        max((end for _, end in spans.values()), default=0),
        pruned,
        tuple(name for name in wanted if name not in spans),
    )


def open_of_loop(tx: Tx) -> dict[str, tuple[int, str]]:
    """Read the open changes that the core judges: of each rule its id and its state."""
    return {rule: (change_id, state) for rule, change_id, state in _OPEN_OF_LOOP.rows(tx)}


def last_decision(tx: Tx) -> int:
    """Give the place of the newest decision."""
    return int(_LAST_DECISION.value(tx))


def policies_since(tx: Tx, seq: int) -> list[str]:
    """Name the policies that were in force from a memory on, by their digests."""
    query = "SELECT DISTINCT body ->> 'policy' FROM events WHERE kind = :kind AND seq >= :seq"
    return sorted(tx.execute(text(query), {"kind": STATE, "seq": seq}).scalars())


def last_cycle_us(tx: Tx) -> int:
    """Give the moment of the newest cycle that came to any decision."""
    written = tx.execute(select(func.max(decisions.c.at_us))).scalar_one() or 0
    repeated = tx.execute(select(func.max(decision_repeats.c.last_at_us))).scalar_one() or 0
    return int(max(written, repeated))


def judged_until_us(tx: Tx) -> int:
    """Give the moment up to which the newest cycle has judged what was measured."""
    newest = _NEWEST_OF_LOOP.first(tx)
    if newest is None:
        return 0
    seq, at_us = newest
    return max(int(at_us), int(_REPEATED.value(tx, of_seq=seq) or 0))


def values(tx: Tx, since_us: int = 0) -> list[tuple[int, str, float | None, float]]:
    """Read every value that rules were given since a moment: when, which, from, to."""
    return [
        (at_us, rule, old, new) for at_us, rule, old, new in _VALUES.rows(tx, since_us=since_us)
    ]


def _one(tx: Tx, query: Select[Any]) -> dict[str, Any] | None:
    row = tx.execute(query).mappings().one_or_none()
    return None if row is None else dict(row)


# ── writing ──────────────────────────────────────────────────────────────────
def put_in_force(
    tx: Tx, rule: str, value: float, *, change_id: int | None, at_us: int, cooldown_us: int
) -> None:
    """Say where a rule stands now, and until when it rests."""
    _PUT_IN_FORCE.run(
        tx,
        rule=rule,
        value=value,
        change_id=change_id,
        changed_at_us=at_us,
        cooldown_until_us=at_us + cooldown_us,
    )
