"""Who leads, for those who only want to know: told at once by a lock, else by a beat."""

import pytest

from daemon.clock import MICROS
from daemon.errors import StoreUnavailable
from daemon.store.engine import Options
from daemon.store.lease import Holder, beating, held_by, lock_path
from daemon.store.store import Store
from daemon.store.tables import lease as table
from tests.contract.conftest import BOTH
from tests.contract.lease_kit import HandClock, lease, silent
from tests.contract.rows import T0, rows_of

ABOUT = {"pid": 7, "host": "h", "mode": "live"}
SECOND = MICROS


def test_before_anybody_led_nobody_does(store):
    assert held_by(store) is None
    assert beating(store, HandClock()) is False


def test_who_leads_is_told(store):
    mine = lease(store, "one", about=ABOUT, ttl_s=20.0)
    mine.acquire()
    mine.beat()
    running = None if lock_path(store) is None else True
    assert held_by(store) == Holder("one", 1, 1, 20.0, T0, T0, False, ABOUT, running)
    mine.release()
    assert held_by(store).running is (None if lock_path(store) is None else False)


def test_a_leader_that_beats_while_one_looks_lives(shared, other):
    mine, clock = lease(shared), HandClock()
    mine.acquire()
    clock.meanwhile = mine.beat
    assert beating(other, clock, 1.0) is True


def test_a_leader_that_lets_go_while_one_looks_does_not(shared, other):
    mine, clock = lease(shared), HandClock()
    mine.acquire()
    clock.meanwhile = mine.release
    assert beating(other, clock, 1.0) is (lock_path(other) is not None), "a lock tells at once"
    mine.release()
    assert beating(other, clock, 1.0) is False


def test_a_leader_that_is_silent_does_not_live(shared, other):
    silent(shared)
    clock = HandClock()
    assert beating(other, clock, 3.0) is False
    waited = clock.elapsed_us() >= 3 * SECOND
    assert waited is (lock_path(other) is None), "a lock tells at once"


@pytest.mark.parametrize("what", BOTH)
def test_whoever_looks_changes_nothing(request, what):
    backend = request.getfixturevalue(f"{what}_backend")
    with backend.opened() as store:
        mine = lease(store)
        mine.acquire()
        before = rows_of(store, table)
        for _ in range(3):
            held_by(store)
            beating(store, HandClock(), 0.5)
        assert rows_of(store, table) == before
        mine.beat()


def test_a_database_that_is_busy_is_told_and_nothing_is_held(url):
    with Store.open(url) as one, Store.open(url, Options(busy_timeout_s=0.05)) as two:
        with one.write() as tx:
            if one.dialect == "postgresql":
                tx.exec_driver_sql("LOCK TABLE lease")
            with pytest.raises(StoreUnavailable):
                lease(two, "two").acquire()
        assert lease(one).acquire() == 1
