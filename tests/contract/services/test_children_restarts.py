"""Scheduled commands over restarts of the daemon: none is lost, none runs unwatched."""

import os
import subprocess
import sys

import pytest
import structlog

from daemon.errors import StoreUnavailable
from daemon.services.duties.child import Child, born, end_orphan
from daemon.services.duties.children import PREFIX
from daemon.store import chores as records
from tests.children_kit import DAY, HOUR, WAIT, Nursery, is_alive, job, said
from tests.contract.rows import T0
from tests.watch_kit import eventually


@pytest.fixture
def store(memory_backend):
    """What is decided here is the same on every database."""
    with memory_backend.opened() as opened:
        yield opened


@pytest.fixture
def nursery(store):
    made = Nursery(store)
    with structlog.testing.capture_logs() as made.log:
        yield made
    for children in made.opened:
        children.close(0)


# ── over restarts ────────────────────────────────────────────────────────────
def test_after_a_week_off_it_runs_once(nursery):
    nursery.open(job("pass"))
    nursery.go(HOUR)
    nursery.until_ended()
    nursery.clock.turn(7 * DAY)
    nursery.open(job("pass"))
    for _ in range(3):
        nursery.go(1)
        nursery.until_ended()
    assert len(nursery.events()) == 2


def test_what_was_not_in_the_schedule_meanwhile_owes_no_runs(nursery):
    nursery.open(job("pass"))
    nursery.go(HOUR)
    nursery.until_ended()
    nursery.open()
    nursery.clock.turn(7 * DAY)
    nursery.open(job("pass"))
    nursery.go(1)
    assert nursery.children.running == []
    nursery.go(HOUR)
    assert nursery.children.running == ["night"]


def test_what_an_earlier_daemon_left_running_is_ended_and_begun_again(nursery):
    nursery.open(job(WAIT))
    nursery.go(HOUR)
    eventually(lambda: said(nursery))
    left = nursery.row()["detail"]["pid"]
    nursery.open(job(WAIT))  # the first one died without a word
    assert nursery.row()["last_status"] == "abandoned"
    eventually(lambda: not is_alive(left))
    nursery.go(1)
    assert nursery.children.running == ["night"]
    assert nursery.row()["detail"]["attempt"] == 2
    nursery.open(job(WAIT))
    nursery.go(1)
    assert nursery.row()["detail"]["attempt"] == 3
    nursery.open(job(WAIT))
    nursery.go(1)
    assert nursery.children.running == [], "it may be what ends the daemon each time"
    nursery.go(HOUR)
    assert nursery.children.running == ["night"]


def test_an_end_that_could_not_be_written_is_written_later(nursery):
    class Door:
        """A leader whose database goes away."""

        away = False
        epoch = nursery.leader.epoch
        read = staticmethod(nursery.leader.read)

        def write(self, *, durable=True):
            if self.away:
                raise StoreUnavailable("it is being restarted")
            return nursery.leader.write(durable=durable)

    door = Door()
    nursery.open(job("pass"), leader=door)
    nursery.go(HOUR)
    door.away = True

    def refused():
        try:
            nursery.children.tick()
        except StoreUnavailable:
            return True
        return False

    eventually(refused)
    door.away = False
    nursery.children.tick()
    assert nursery.events() == [("night", "done")]


# ── processes ────────────────────────────────────────────────────────────────
def test_a_number_that_another_process_has_by_now_is_left_alone():
    with subprocess.Popen([sys.executable, "-c", WAIT], process_group=0) as other:
        try:
            assert not end_orphan(other.pid, born(other.pid) - 1)
            assert not end_orphan(1, born(1) or 0)
            assert is_alive(other.pid)
            assert end_orphan(other.pid, born(other.pid))
        finally:
            other.kill()
    assert born(other.pid) is None


def test_a_child_of_another_boot_is_nobodys(nursery):
    with subprocess.Popen([sys.executable, "-c", WAIT], process_group=0) as other:
        try:
            told = {"pid": other.pid, "born": born(other.pid), "boot_id": "another boot"}
            with nursery.leader.write() as tx:
                records.put(
                    tx, PREFIX + "night", last_status="running", last_due_us=T0, detail=told
                )
            nursery.open(job(WAIT))
            assert is_alive(other.pid)
        finally:
            other.kill()


def test_an_ended_child_is_signalled_no_more():
    child = Child("quick", [sys.executable, "-c", "pass"], os.environ)
    eventually(lambda: child.ended() is not None)
    child.ask_to_end()
    child.kill()
    assert child.ended() == 0
