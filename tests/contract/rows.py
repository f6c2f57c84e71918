"""Rows as tests want them: everything said once, and only what matters said again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from daemon.clock import MICROS
from daemon.store import history, samples
from daemon.store.changes import Move, NewChange
from daemon.store.tables import changes
from daemon.tuning.vocabulary import TERMINAL_STATES, ChangeState

if TYPE_CHECKING:
    from sqlalchemy import Table

    from daemon.store.store import Store, Tx

T0 = 1_800_000_000 * MICROS
"""2027-01-15T08:00:00Z, a whole minute."""

MINUTE = 60 * MICROS
HOUR = 60 * MINUTE


def decision(at_us: int = T0, **fields: Any) -> history.Decision:
    said = {"mode": "live", "kind": "hold", "reason": "cooldown", "explanation": "too early"}
    return history.Decision(at_us=at_us, **{**said, **fields})


def rule_set(at_us: int = T0, **fields: Any) -> history.RuleSet:
    return history.RuleSet(at_us=at_us, **{"rule": "risk_max", "new": 0.5, "actor": "me", **fields})


def event(at_us: int = T0, **fields: Any) -> history.Event:
    return history.Event(at_us=at_us, **{"kind": "start", **fields})


def new_change(rule: str = "risk_max", key: str = "k1", **fields: Any) -> NewChange:
    said = {"old": 0.35, "new": 0.37, "opened_at_us": T0}
    return NewChange(idempotency_key=key, rule=rule, **{**said, **fields})


def move(at_us: int = T0, **fields: Any) -> Move:
    return Move(at_us=at_us, **{"cause": "because", **fields})


def put_change(tx: Tx, state: ChangeState, key: str = "k1", **fields: Any) -> int:
    """Set a change into a state, whichever way it may have come there."""
    row = {
        "idempotency_key": key,
        "origin": "loop",
        "rule": "risk_max",
        "old": 0.35,
        "new": 0.37,
        "opened_at_us": T0,
        "settled_at_us": T0 if state in TERMINAL_STATES else None,
    }
    return tx.execute(
        insert(changes).values({**row, "state": state, **fields})
    ).inserted_primary_key[0]


def put_samples(store: Store, signal: str, first_us: int, values: list[float], hz: float = 1.0):
    """Write evenly spaced samples of one signal, all of them sound."""
    step_us = round(MICROS / hz)
    rows = [(signal, first_us + n * step_us, value) for n, value in enumerate(values)]
    with store.write() as tx:
        done = samples.ingest(tx, rows, first_us + len(values) * step_us)
    assert done.accepted == len(values)


def rows_of(store: Store, table: Table) -> list[dict[str, Any]]:
    with store.read() as view:
        query = select(table).order_by(*table.primary_key)
        return [dict(row) for row in view.execute(query).mappings()]
