"""What the core knows, and how far each source was read: the last word stands."""

from contextlib import suppress
from dataclasses import replace

import pytest

from daemon.errors import StoreError
from daemon.store import marks, memory
from daemon.store.memory import Memory
from daemon.store.tables import memory as table
from tests.contract.rows import T0, rows_of

KNOWN = Memory(
    at_us=T0,
    block=360_000_000,
    mode="live",
    epoch=3,
    policy="d" * 64,
    state={"phase": "idle", "rules": {"risk_max": 0.35}, "barred": [], "none": None},
)


def test_without_a_cycle_nothing_is_known(store):
    with store.read() as view:
        assert memory.recall(view) is None


def test_what_the_core_knew_last_is_recalled(store):
    newer = replace(KNOWN, at_us=T0 + 5, block=360_000_001, policy=None, mode="dry_run", state={})
    for known in (KNOWN, newer, newer):
        with store.write() as tx:
            memory.remember(tx, known)
        with store.read() as view:
            assert memory.recall(view) == known
    assert len(rows_of(store, table)) == 1


def test_memory_is_part_of_the_transaction_it_is_written_in(store):
    with store.write() as tx:
        memory.remember(tx, KNOWN)
    with suppress(ZeroDivisionError), store.write() as tx:
        memory.remember(tx, replace(KNOWN, block=1))
        raise ZeroDivisionError
    with store.read() as view:
        assert memory.recall(view) == KNOWN


@pytest.mark.parametrize("state", [{"x": float("nan")}, {"x": {1, 2}}, {"x": float("inf")}])
def test_what_has_no_form_in_json_is_refused(store, state):
    with pytest.raises(StoreError, match="cannot be written down"), store.write() as tx:
        memory.remember(tx, replace(KNOWN, state=state))


def test_every_number_is_recalled_as_it_was(store):
    state = {"x": [0.1 + 0.2, 5e-324, 1e300, -0.0, 2**53, 1, 1.0], "é": '"%s :name ?'}
    with store.write() as tx:
        memory.remember(tx, replace(KNOWN, state=state))
    with store.read() as view:
        assert memory.recall(view).state == state


def test_a_mode_that_is_none_is_refused(store):
    with pytest.raises(StoreError), store.write() as tx:
        memory.remember(tx, replace(KNOWN, mode="asleep"))


def test_a_mark_stands_until_the_next_one(store):
    with store.write() as tx:
        assert marks.get(tx, "csv") is None
        marks.put(tx, "csv", {"inode": 7, "offset": 100}, T0)
        marks.put(tx, "push", {}, T0 + 1)
        marks.put(tx, "csv", {"inode": 8, "offset": 0}, T0 + 2)
    with store.read() as view:
        assert marks.get(view, "csv") == {"inode": 8, "offset": 0}
        assert marks.get(view, "push") == {}
        assert marks.get(view, "other") is None
        assert marks.last_heard(view) == {"csv": T0 + 2, "push": T0 + 1}
