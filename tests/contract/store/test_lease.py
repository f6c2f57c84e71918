"""The lease on every database: one leader, and one that was followed writes nothing more."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from daemon.clock import MICROS
from daemon.errors import Exit, NotLeader, StoreUnavailable
from daemon.store import history
from daemon.store.lease import Lease, held_by
from daemon.store.store import Store
from daemon.store.tables import events
from daemon.store.tables import lease as table
from tests.contract.lease_kit import HandClock, lease, silent
from tests.contract.rows import T0, event, rows_of

ABOUT = {"pid": 7, "host": "h", "mode": "live"}
SECOND = MICROS


# ── leading ──────────────────────────────────────────────────────────────────
def test_who_comes_first_leads(store):
    mine = lease(store, "one", about=ABOUT)
    assert (mine.leads, mine.epoch) == (False, 0)
    assert mine.acquire() == 1
    assert (mine.leads, mine.epoch) == (True, 1)
    (row,) = rows_of(store, table)
    assert row == {
        "name": "leader",
        "epoch": 1,
        "holder": "one",
        "beat": 0,
        "ttl_s": 15.0,
        "since_us": T0,
        "beat_at_us": T0,
        "released_at_us": None,
        "about": ABOUT,
    }


def test_who_leads_already_is_told_its_epoch_again(store):
    mine = lease(store)
    assert [mine.acquire(), mine.acquire()] == [1, 1]
    assert rows_of(store, table)[0]["beat"] == 0


def test_every_transaction_of_a_leader_is_a_beat(store):
    clock = HandClock()
    mine = lease(store, clock=clock)
    mine.acquire()
    clock.turn(5)
    with mine.write() as tx:
        history.append(tx, event())
    clock.turn(5)
    mine.beat()
    (row,) = rows_of(store, table)
    assert (row["beat"], row["beat_at_us"], row["since_us"]) == (2, T0 + 10 * SECOND, T0)
    assert len(rows_of(store, events)) == 1


def test_a_transaction_that_fails_is_no_beat_and_costs_nobody_the_lead(store):
    mine = lease(store)
    mine.acquire()
    with pytest.raises(ZeroDivisionError), mine.write():
        raise ZeroDivisionError
    assert rows_of(store, table)[0]["beat"] == 0
    mine.beat()


def test_who_does_not_lead_writes_nothing(store):
    mine = lease(store)
    with pytest.raises(NotLeader, match="does not lead") as raised, mine.write() as tx:
        history.append(tx, event())
    assert raised.value.exit_code == Exit.NOT_LEADER
    assert "daemon ctl status" in raised.value.hint
    assert rows_of(store, events) == []


def test_who_lets_go_is_followed_at_once(shared, other):
    clock = HandClock()
    one, two = lease(shared, "one", clock), lease(other, "two")
    one.acquire()
    assert two.acquire() is None
    clock.turn(3)
    one.release()
    assert not one.leads
    assert held_by(other).released
    assert rows_of(shared, table)[0]["released_at_us"] == T0 + 3 * SECOND
    assert two.acquire() == 2
    with pytest.raises(NotLeader), one.write():
        pass
    two.beat()


def test_a_leader_lets_go_in_the_transaction_of_its_last_words(shared, other):
    one = lease(shared)
    one.acquire()
    with one.write() as tx:
        history.append(tx, event(kind="stop"))
        one.release(tx)
        with pytest.raises(NotLeader):
            one.fence(tx)
    assert lease(other, "two").acquire() == 2
    assert len(rows_of(shared, events)) == 1


def test_letting_go_twice_or_without_leading_does_nothing(store):
    mine = lease(store)
    mine.release()
    assert rows_of(store, table) == []
    mine.acquire()
    mine.release()
    mine.release()
    assert mine.acquire() == 2


def test_who_was_followed_does_not_let_go_for_its_successor(shared, other):
    one = silent(shared)
    two = lease(other, "two")
    succeed(two)
    one.release()
    assert not held_by(shared).released
    two.beat()


# ── who else wants to ────────────────────────────────────────────────────────
def succeed(standby, wait_s=15.0):
    """Stand by until it leads: at once where a lock tells, else after a while of silence."""
    if standby.acquire() is None:
        standby.clock.turn(wait_s)
        standby.acquire()
    assert standby.leads


def test_there_is_one_leader(shared, other):
    one, two = lease(shared, "one", about=ABOUT), lease(other, "two")
    assert (one.acquire(), two.acquire()) == (1, None)
    assert (two.rival.holder, two.rival.epoch, two.rival.about) == ("one", 1, ABOUT)
    with pytest.raises(NotLeader), two.write():
        pass
    one.beat()


def test_a_leader_that_was_paused_and_followed_writes_nothing_when_it_wakes(shared, other):
    one = silent(shared)
    two = lease(other, "two")
    succeed(two)
    assert two.epoch == 2
    with pytest.raises(NotLeader, match=r"epoch 1 has ended|lock file"), one.write() as tx:
        history.append(tx, event())
    assert not one.leads
    assert rows_of(shared, events) == []
    with two.write() as tx:
        history.append(tx, event(epoch=2))


def test_the_fence_of_the_row_holds_also_where_no_lock_is_asked(shared, other):
    """On SQLite, too: the lock is looked at once a second, the row in every transaction."""
    one = silent(shared)
    one._lock = None
    two = lease(other, "two")
    succeed(two)
    with pytest.raises(NotLeader, match="epoch 1 has ended"), one.write() as tx:
        history.append(tx, event())
    assert rows_of(shared, events) == []


def test_who_was_followed_may_lead_again_with_a_new_epoch(shared, other):
    one = silent(shared)
    two = lease(other, "two")
    succeed(two)
    with pytest.raises(NotLeader):
        one.beat()
    assert one.acquire() is None
    two.release()
    assert one.acquire() == 3
    one.beat()


def test_a_row_of_ones_own_that_one_does_not_know_of_is_taken_at_once(store):
    """The answer to the first commit was lost: nobody else can hold what bears this name."""
    silent(store)
    assert lease(store, "silent").acquire() == 2


def test_a_leader_whose_row_somebody_else_let_go_of_steps_down(store):
    """The way for an operator with a SQL prompt to end a leadership."""
    mine = lease(store)
    mine.acquire()
    with store.write() as tx:
        tx.execute(table.update().values(released_at_us=T0))
    with pytest.raises(NotLeader):
        mine.beat()
    assert mine.acquire() == 2


# ── where only the beat tells ────────────────────────────────────────────────
@pytest.fixture(params=["memory", pytest.param("postgresql", marks=pytest.mark.postgres)])
def timed(request):
    """Databases without a file to lock."""
    backend = request.getfixturevalue(f"{request.param}_backend")
    with backend.opened() as opened:
        yield opened


def test_a_leader_is_followed_once_it_was_seen_silent_for_its_time(timed):
    silent(timed)
    clock = HandClock()
    two = lease(timed, "two", clock)
    assert two.acquire() is None
    clock.turn(14.999999)
    assert two.acquire() is None
    assert not two.rival_lives
    clock.turn(0.000001)
    assert two.acquire() == 2


def test_a_beat_in_between_begins_the_wait_anew(timed):
    one, clock = lease(timed, "one"), HandClock()
    one.acquire()
    two = lease(timed, "two", clock)
    assert two.acquire() is None
    clock.turn(14)
    one.beat()
    clock.turn(14)
    assert two.acquire() is None
    assert two.rival_lives
    clock.turn(14)
    assert two.acquire() is None
    clock.turn(1)
    assert two.acquire() == 2


@pytest.mark.parametrize("years", [-1, 1])
def test_moments_in_the_row_decide_nothing(timed, years):
    """Neither the leader's clock nor ours may be right: only our own waiting counts."""
    wrong = HandClock(T0 + years * 365 * 86_400 * SECOND)
    silent(timed, clock=wrong)
    clock = HandClock()
    two = lease(timed, "two", clock)
    for _ in range(3):
        clock.step_wall(86_400 * 365)
        assert two.acquire() is None
    clock.turn(15)
    assert two.acquire() == 2


@pytest.mark.parametrize(("mine", "theirs"), [(15.0, 60.0), (60.0, 15.0)])
def test_the_longer_of_two_times_is_waited(timed, mine, theirs):
    silent(timed, ttl_s=theirs)
    clock = HandClock()
    two = lease(timed, "two", clock, ttl_s=mine)
    two.acquire()
    clock.turn(59)
    assert two.acquire() is None
    clock.turn(1)
    assert two.acquire() == 2


def test_a_successor_is_watched_anew(timed):
    silent(timed)
    clock = HandClock()
    two, three = lease(timed, "two", clock), lease(timed, "three", clock)
    two.acquire()
    three.acquire()
    clock.turn(15)
    assert two.acquire() == 2
    assert three.acquire() is None, "what it saw was the silence of another"
    assert three.rival.holder == "two"


# ── at the same moment ───────────────────────────────────────────────────────
def all_at_once(url, leases):
    together = Barrier(len(leases))

    def ask(mine):
        together.wait()
        return mine.acquire()

    with ThreadPoolExecutor(len(leases)) as pool:
        return list(pool.map(ask, leases))


@pytest.mark.parametrize("before", ["nobody", "released", "silent"])
def test_of_several_that_ask_at_once_one_leads(url, before):
    stores = [Store.open(url) for _ in range(4)]
    try:
        several = [lease(store, f"l{n}") for n, store in enumerate(stores)]
        if before != "nobody":
            first = silent(stores[0])
            if before == "released":
                first.release()
        if before == "silent":
            for one in several:
                if one.store.dialect == "postgresql":
                    assert one.acquire() is None
                one.clock.turn(15)
        epoch = 1 if before == "nobody" else 2
        got = all_at_once(url, several)
        assert sorted(got, key=str) == [epoch, None, None, None]
        (leader,) = [one for one in several if one.leads]
        leader.beat()
        assert held_by(stores[0]).holder == leader.holder
    finally:
        for store in stores:
            store.close()


@pytest.mark.postgres
def test_nobody_takes_over_between_the_fence_and_the_commit(postgresql_backend):
    """Who asks meanwhile is not kept waiting: a row that is locked has a leader."""
    with postgresql_backend.lend() as url, Store.open(url) as one, Store.open(url) as two:
        leader, standby = lease(one, "one"), lease(two, "two")
        leader.acquire()
        standby.acquire()
        standby.clock.turn(15)
        with leader.write() as tx:
            assert standby.acquire() is None
            history.append(tx, event())
        assert standby.acquire() is None
        assert standby.rival_lives
        assert len(rows_of(two, events)) == 1


class Slow(Lease):
    """A standby to whom something happens between judging the row and taking it."""

    meanwhile = staticmethod(lambda: None)

    def _may_follow(self, row):
        answer = super()._may_follow(row)
        if answer:
            self.meanwhile()
        return answer


@pytest.mark.postgres
def test_a_row_that_moved_while_it_was_judged_is_not_taken(postgresql_backend):
    with postgresql_backend.lend() as url, Store.open(url) as one, Store.open(url) as two:
        leader, standby = lease(one, "one"), Slow(two, "two", HandClock())
        leader.acquire()
        standby.acquire()
        standby.clock.turn(15)
        standby.meanwhile = leader.beat
        assert standby.acquire() is None
        leader.beat()
        assert held_by(two).holder == "one"


@pytest.mark.postgres
def test_a_row_that_another_one_took_while_it_was_judged_is_not_taken_again(postgresql_backend):
    """The other's beat begins where that of the dead one stood: only the epoch tells them apart."""
    with postgresql_backend.lend() as url, Store.open(url) as one, Store.open(url) as two:
        silent(one)
        other, standby = lease(one, "other"), Slow(two, "two", HandClock())
        for waiting in (other, standby):
            waiting.acquire()
            waiting.clock.turn(15)
        standby.meanwhile = other.acquire
        assert standby.acquire() is None
        assert (other.epoch, held_by(two).epoch, held_by(two).holder) == (2, 2, "other")
        other.beat()


@pytest.mark.postgres
@pytest.mark.parametrize("lapse", [1.0, 20.0])
def test_a_leader_paused_within_a_transaction_does_not_keep_the_row(postgresql_backend, lapse):
    with postgresql_backend.lend() as url, Store.open(url) as one, Store.open(url) as two:
        leader = lease(one, "one", ttl_s=0.05 * lapse, lapse=lapse)
        standby = lease(two, "two", ttl_s=0.05 * lapse)
        leader.acquire()
        standby.acquire()
        standby.clock.turn(lapse)

        def write_and_be_paused():
            with leader.write() as tx:
                history.append(tx, event())
                until(lambda: standby.acquire() == 2)

        with pytest.raises(StoreUnavailable, match="idle-in-transaction"):
            write_and_be_paused()
        assert rows_of(two, events) == []
        with pytest.raises(NotLeader):
            leader.beat()


def until(done, times=2_000):
    for _ in range(times):
        if done():
            return
    raise AssertionError("it never came to that")
