"""Chores on every database: one row each, of which only what is given changes."""

import pytest

from daemon.errors import StoreError
from daemon.store import chores
from tests.contract.rows import MINUTE, T0

NOTHING = dict.fromkeys(
    ["last_started_us", "last_ended_us", "last_status", "last_due_us", "next_due_us", "detail"]
)


def put(store, name, **columns):
    with store.write() as tx:
        chores.put(tx, name, **columns)


def listed(store):
    with store.read() as view:
        return chores.listed(view)


def test_a_chore_is_known_by_its_name(store):
    assert listed(store) == []
    put(store, "prune")
    put(store, "prune")
    put(store, "backup", next_due_us=T0)
    assert listed(store) == [
        {**NOTHING, "name": "backup", "next_due_us": T0},
        {**NOTHING, "name": "prune"},
    ]


def test_only_what_is_given_changes(store):
    put(store, "prune", last_due_us=T0, next_due_us=T0 + MINUTE, last_status="running")
    put(store, "prune", last_status="done", last_ended_us=T0 + 5, detail={"rows": 7})
    put(store, "prune", next_due_us=None)
    assert listed(store) == [
        {
            "name": "prune",
            "last_started_us": None,
            "last_ended_us": T0 + 5,
            "last_status": "done",
            "last_due_us": T0,
            "next_due_us": None,
            "detail": {"rows": 7},
        }
    ]


@pytest.mark.parametrize("wrong", [{"name": ""}, {"name": "x", "last_status": "asleep"}])
def test_what_makes_no_sense_is_refused(store, wrong):
    with pytest.raises(StoreError):
        put(store, **wrong)
