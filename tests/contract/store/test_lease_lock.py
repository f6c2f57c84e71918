"""The lock beside a SQLite file: the operating system knows who lives."""

import fcntl
import multiprocessing
import os
import signal

import pytest

from daemon.errors import Exit, NotLeader, StoreUnavailable
from daemon.store.lease import Lease, held_by, lock_path
from daemon.store.store import Store
from tests.contract.lease_kit import HandClock, Process, lease


@pytest.fixture
def file_url(sqlite_backend):
    with sqlite_backend.lend() as url:
        yield url


@pytest.fixture
def one(file_url):
    with Store.open(file_url) as store:
        yield store


@pytest.fixture
def two(file_url):
    with Store.open(file_url) as store:
        yield store


def test_the_lock_lies_beside_the_file_whatever_name_it_is_opened_by(one, tmp_path):
    path = lock_path(one)
    assert str(path) == f"{one.url.database}.lock"
    link = tmp_path / "link.db"
    link.symlink_to(one.url.database)
    with Store.open(f"sqlite:///{link}") as linked:
        assert lock_path(linked) == path
        assert lease(one).acquire() == 1
        assert lease(linked, "two").acquire() is None


def test_a_lock_tells_at_once_that_its_holder_lives(one, two):
    lease_of_one = lease(one)
    lease_of_one.acquire()
    standby = lease(two, "two")
    assert standby.acquire() is None
    assert standby.rival_lives
    standby.clock.turn(3_600)
    assert standby.acquire() is None, "however long it has been silent"
    lease_of_one.beat()


def test_a_leader_that_is_killed_is_followed_at_once(one, file_url):
    with Process(file_url) as process:
        assert process.answer == "1"
        assert process.write() == "wrote"
        standby = lease(one)
        assert standby.acquire() is None
        assert held_by(one).running is True
        process.signal(signal.SIGKILL)
        process.child.wait()
        assert held_by(one).running is False
        assert standby.acquire() == 2


def test_a_second_process_is_refused(one, file_url):
    lease_of_one = lease(one)
    lease_of_one.acquire()
    with Process(file_url) as process:
        assert process.answer == "None"
        assert process.write() == Exit.NOT_LEADER


def test_a_leader_that_is_stopped_keeps_the_lead_unless_its_lock_is_taken_away(one, file_url):
    """It still holds the lock; only somebody who deletes the file lets another one in."""
    with Process(file_url) as process:
        process.signal(signal.SIGSTOP)
        standby = lease(one)
        assert standby.acquire() is None
        lock_path(one).unlink()
        assert standby.acquire() == 2
        process.signal(signal.SIGCONT)
        assert process.write() == Exit.NOT_LEADER
        standby.beat()


def test_a_leader_notices_that_its_lock_file_was_deleted_though_nobody_followed(one):
    clock = HandClock()
    mine = lease(one, clock=clock)
    mine.acquire()
    lock_path(one).unlink()
    mine.beat()
    clock.turn(1)
    with pytest.raises(NotLeader, match="lock file was deleted"):
        mine.beat()
    assert not mine.leads
    assert mine.acquire() == 2


def test_a_leader_notices_that_another_file_lies_there(one):
    clock = HandClock()
    mine = lease(one, clock=clock)
    mine.acquire()
    path = lock_path(one)
    path.rename(path.with_suffix(".old"))
    path.touch()
    clock.turn(1)
    with pytest.raises(NotLeader, match="lock file was deleted"):
        mine.beat()


def test_a_lock_that_stands_is_looked_at_and_found_sound(one):
    clock = HandClock()
    mine = lease(one, clock=clock)
    mine.acquire()
    for _ in range(3):
        clock.turn(1)
        mine.beat()


def test_a_forked_child_neither_leads_nor_keeps_the_lock(one, two):
    """A worker that outlives the leader must not keep the next one out."""
    context = multiprocessing.get_context("fork")
    mine = lease(one)
    mine.acquire()
    told, go_on = context.Queue(), context.Event()

    def work():
        try:
            mine.fence(None)
        except NotLeader as error:
            told.put(error.message)
        go_on.wait(30)
        os._exit(0)

    child = context.Process(target=work)
    child.start()
    try:
        assert "lock file" in told.get(timeout=30)
        mine.beat()
        assert lease(two, "two").acquire() is None, "the child gave away nothing"
        mine.release()
        assert lease(two, "two").acquire() == 2
        assert child.is_alive()
    finally:
        go_on.set()
        child.join()


def test_a_reader_that_looks_at_the_lock_is_waited_for(one):
    """Looking takes a shared lock for a moment; who starts at that moment leads all the same."""
    lock_path(one).touch()
    reader = os.open(lock_path(one), os.O_RDONLY)
    fcntl.flock(reader, fcntl.LOCK_SH)
    clock = HandClock()
    clock.meanwhile = lambda: fcntl.flock(reader, fcntl.LOCK_UN)
    try:
        assert lease(one, clock=clock).acquire() == 1
    finally:
        os.close(reader)


def test_a_lock_that_cannot_be_made_is_told_with_its_place(one):
    lock_path(one).mkdir()
    with pytest.raises(StoreUnavailable, match=r"\.lock cannot be taken") as raised:
        lease(one).acquire()
    assert "folder" in raised.value.hint


def test_a_start_that_fails_after_the_lock_lets_it_go(one, two):
    with one.write() as tx:
        tx.exec_driver_sql("ALTER TABLE lease RENAME TO gone")
    with pytest.raises(Exception, match="no such table"):
        lease(two, "two").acquire()
    with one.write() as tx:
        tx.exec_driver_sql("ALTER TABLE gone RENAME TO lease")
    assert lease(one).acquire() == 1


def test_letting_go_lets_the_lock_go_also_where_the_database_does_not_answer(one, two):
    mine = lease(one)
    mine.acquire()
    with two.write() as tx:
        tx.exec_driver_sql("ALTER TABLE lease RENAME TO gone")
    with pytest.raises(Exception, match="no such table"):
        mine.release()
    with two.write() as tx:
        tx.exec_driver_sql("ALTER TABLE gone RENAME TO lease")
    assert lease(two, "two").acquire() == 2


def test_a_database_in_memory_or_on_a_server_has_no_lock_file(memory_backend):
    with memory_backend.opened() as store:
        assert lock_path(store) is None
        assert Lease(store, "one", HandClock()).acquire() == 1
