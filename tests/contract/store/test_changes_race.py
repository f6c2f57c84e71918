"""Two who act at the same moment: the database decides, and both are told."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import pytest

from daemon.errors import StoreError
from daemon.store import changes
from daemon.store.changes import RuleBusy, StaleChange
from daemon.store.store import Store
from daemon.store.tables import change_events
from daemon.store.tables import changes as changes_table
from daemon.tuning.vocabulary import ChangeState
from tests.contract.rows import move, new_change, put_change, rows_of

S = ChangeState
INTENT = {"state": S.APPLYING, "move": move()}


def at_once(url, *acts):
    """Let each act in a store and thread of its own, begun together; returns what each got."""
    together = Barrier(len(acts))

    def run(act):
        with Store.open(url) as mine:
            with mine.read():
                together.wait()
            try:
                with mine.write() as tx:
                    return act(tx)
            except StoreError as error:
                return error

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def test_of_two_that_open_a_change_of_one_rule_one_is_told_it_is_busy(shared, url):
    keys = ["k1", "k2", "k3", "k4"]
    acts = [partial(changes.open_change, change=new_change(key=key), **INTENT) for key in keys]
    got = at_once(url, *acts)
    assert [type(answer) for answer in got].count(RuleBusy) == len(keys) - 1, got
    assert len(rows_of(shared, changes_table)) == len(rows_of(shared, change_events)) == 1


@pytest.mark.parametrize("state", [S.APPLYING, S.PROPOSED])
def test_two_that_ask_with_the_same_key_get_the_same_change(shared, url, state):
    def ask(tx):
        return changes.open_change(tx, new_change(), state, move())

    got = at_once(url, ask, ask, ask)
    assert len(set(got)) == 1, got
    assert len(rows_of(shared, changes_table)) == len(rows_of(shared, change_events)) == 1


def test_of_two_that_move_a_change_one_is_told_it_is_stale(shared, url):
    with shared.write() as tx:
        number = put_change(tx, S.OBSERVING)
    got = at_once(
        url,
        lambda tx: changes.advance(tx, number, S.OBSERVING, S.KEPT, move()),
        lambda tx: changes.advance(tx, number, S.OBSERVING, S.ROLLING_BACK, move()),
    )
    assert [type(answer) for answer in got].count(StaleChange) == 1
    assert [type(answer) for answer in got].count(type(None)) == 1
    assert len(rows_of(shared, change_events)) == 1


def until_somebody_waits(store):
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    for _ in range(2_000):
        with store.read() as view:
            if view.exec_driver_sql(waiting).scalar_one():
                return
    raise AssertionError("nobody waits for a lock")


@pytest.mark.postgres
def test_who_waits_for_the_other_is_answered_when_that_one_commits(postgresql_backend):
    """Not left to chance: the second asks while the first has not committed yet."""
    with (
        postgresql_backend.lend() as url,
        Store.open(url) as one,
        Store.open(url) as two,
        ThreadPoolExecutor(1) as pool,
    ):

        def ask():
            with two.write() as tx:
                return changes.open_change(tx, new_change(), **INTENT)

        with one.write() as tx:
            mine = changes.open_change(tx, new_change(), **INTENT)
            theirs = pool.submit(ask)
            until_somebody_waits(one)
        assert theirs.result() == mine
