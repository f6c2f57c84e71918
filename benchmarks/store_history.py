"""Writing history in bulk: decisions, changes and rule values whose chains verify."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, text
from store_lake import SIGNALS, START_US

from daemon.clock import MICROS
from daemon.store import chain, rules, samples
from daemon.store.tables import change_events, changes, decisions, deltas, events, rule_history

if TYPE_CHECKING:
    from daemon.store.store import Store, Tx

RULES = tuple(f"rule_{number:02}" for number in range(20))
CYCLE_US = 90 * MICROS
BLOCK = 1_000
"""Decisions that are written at once."""

CHANGE_EVERY = 5
"""One decision in so many opens a change; every decision sets a value, as a busy operator might."""

EXPLANATION = "latency fell by 4.2 % (95 % interval 1.1 to 7.3) and nothing got worse"
EVIDENCE = {"pre_n": 450, "post_n": 450, "delta": -4.2, "ci": [-7.3, -1.1], "verdict": "better"}
STEPS = ((None, "applying"), ("applying", "observing"), ("observing", "kept"))


def found(store: Store) -> None:
    """Make known what history refers to: a policy with its rules, and the signals."""
    policy = rules.Policy(digest="a" * 64, body={"version": 1}, source="benchmark")
    limits = [
        rules.RuleLimits(name=name, init=5.0, min_value=0.0, max_value=10.0, step=0.5)
        for name in RULES
    ]
    with store.write() as tx:
        samples.declare(tx, SIGNALS, START_US)
        rules.adopt_policy(tx, policy, limits, START_US)


def fill_history(store: Store, start: int, stop: int) -> None:
    """Continue history from so many decisions to so many."""
    with store.read() as view:
        ids = [signal.id for signal in samples.lookup(view, SIGNALS).values()]
    for first in range(start, stop, BLOCK):
        with store.write() as tx:
            _write_block(tx, range(first, min(first + BLOCK, stop)), ids)
    if store.dialect == "postgresql":
        with store.write() as tx:
            tx.execute(
                text(
                    "SELECT setval(pg_get_serial_sequence('changes', 'id'),"
                    " (SELECT max(id) FROM changes))"
                )
            )


def _write_block(tx: Tx, places: range, signal_ids: list[int]) -> None:
    changed = [place for place in places if place % CHANGE_EVERY == 0]
    tx.execute(insert(changes), [_change(place) for place in changed])
    chain.append(tx, decisions, (_decision(place) for place in places))
    chain.append(tx, change_events, (row for place in changed for row in _steps(place)))
    chain.append(tx, rule_history, (_value(place) for place in places))
    chain.append(tx, events, (_event(place) for place in changed))
    tx.execute(insert(deltas), [_delta(place, sid) for place in changed for sid in signal_ids])


def _at(place: int) -> int:
    return START_US + place * CYCLE_US


def _change_id(place: int) -> int | None:
    return None if place % CHANGE_EVERY else place // CHANGE_EVERY + 1


def _rule(place: int) -> str:
    return RULES[place // CHANGE_EVERY % len(RULES)]


def _decision(place: int) -> dict[str, Any]:
    change_id = _change_id(place)
    return {
        "at_us": _at(place),
        "mode": "live",
        "kind": "apply" if change_id else "hold",
        "reason": "better" if change_id else "nothing_to_do",
        "explanation": EXPLANATION,
        "rule": _rule(place),
        "old": 5.0,
        "new": 5.5,
        "policy": "a" * 64,
        "change_id": change_id,
        "evidence": EVIDENCE,
        "epoch": 1,
    }


def _change(place: int) -> dict[str, Any]:
    return {
        "id": _change_id(place),
        "idempotency_key": f"history-{place}",
        "origin": "loop",
        "rule": _rule(place),
        "old": 5.0,
        "new": 5.5,
        "state": "kept",
        "epoch": 1,
        "decision_seq": place + 1,
        "opened_at_us": _at(place),
        "applied_at_us": _at(place),
        "settled_at_us": _at(place + 1),
        "cause": "better",
    }


def _steps(place: int) -> list[dict[str, Any]]:
    return [
        {
            "change_id": _change_id(place),
            "at_us": _at(place),
            "elapsed_us": _at(place) - START_US,
            "epoch": 1,
            "from_state": origin,
            "to_state": target,
            "cause": "better",
            "actor": "daemon",
        }
        for origin, target in STEPS
    ]


def _delta(place: int, signal_id: int) -> dict[str, Any]:
    return {
        "change_id": _change_id(place),
        "signal_id": signal_id,
        "trial": 1,
        "at_us": _at(place + 1),
        "pre_s": 90.0,
        "pre_n": 450,
        "pre_mean": 105.0,
        "pre_var": 8.3,
        "post_s": 90.0,
        "post_n": 450,
        "post_mean": 100.8,
        "post_var": 8.1,
        "delta": -4.2,
        "ci_low": -7.3,
        "ci_high": -1.1,
        "verdict": "better",
    }


def _value(place: int) -> dict[str, Any]:
    return {
        "at_us": _at(place),
        "epoch": 1,
        "rule": _rule(place),
        "old": 5.0,
        "new": 5.5,
        "actor": "daemon",
        "note": None,
        "change_id": _change_id(place),
    }


def _event(place: int) -> dict[str, Any]:
    return {
        "at_us": _at(place),
        "epoch": 1,
        "kind": "applied",
        "ref": _rule(place),
        "body": {"value": 5.5},
    }
