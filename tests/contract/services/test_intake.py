"""Samples on their way in: nothing lost, nothing doubled, nothing silent."""

import pytest
import structlog

from daemon.ports import Polled, SourceFault
from daemon.services.watching import intake
from daemon.store import marks
from daemon.store.tables import sample_faults, signals
from tests.contract.rows import MINUTE, T0, rows_of
from tests.contract.services.intake_kit import (
    HandClock,
    Scripted,
    begun,
    drained,
    faults,
    values,
)


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def source(clock):
    return Scripted(clock)


# ── nothing lost, nothing doubled ────────────────────────────────────────────
def test_samples_are_written_with_how_far_their_source_was_read(store, clock, source):
    taking = begun(store, clock, source)
    assert source.resumed is None
    assert [drained(store, taking).accepted for _ in range(3)] == [1, 1, 1]
    again = Scripted(clock)
    taking = begun(store, clock, again)
    assert again.resumed == {"count": 3}
    drained(store, taking)
    assert values(store) == [0.0, 1.0, 2.0, 3.0]
    assert faults(store) == {}


def test_what_was_not_committed_comes_again(store, clock, source):
    taking = begun(store, clock, source)
    drained(store, taking)

    def fail():
        with store.write() as tx:
            clock.sleep(1)
            taking.drain(tx, clock.now_us() + MINUTE)
            raise RuntimeError

    for _ in range(2):
        with pytest.raises(RuntimeError):
            fail()
    assert values(store) == [0.0]
    drained(store, taking)
    assert values(store) == [0.0, 1.0, 2.0, 3.0]
    assert faults(store) == {}


def test_what_was_committed_though_nobody_heard_of_it_does_not_come_again(store, clock, source):
    taking = begun(store, clock, source)
    for _ in range(3):
        clock.sleep(1)
        with store.write() as tx:
            taking.drain(tx, clock.now_us() + MINUTE)
        # the answer to the commit was lost: `written` is not called
    assert values(store) == [0.0, 1.0, 2.0]
    assert faults(store) == {}
    drained(store, taking)
    assert taking.health()["app"].waiting == 0


def test_a_batch_is_bounded_and_the_rest_comes_next(store, clock, source, monkeypatch):
    monkeypatch.setattr(intake, "AT_ONCE", 25)
    taking = begun(store, clock, source)
    source.size = 10
    for _ in range(4):
        clock.sleep(1)
        taking.poll_now()
    source.idle = True
    assert [drained(store, taking).accepted for _ in range(4)] == [20, 20, 0, 0]
    assert len(values(store)) == 40
    with store.read() as view:
        assert marks.get(view, "app")["mark"] == {"count": 40}


def test_a_source_that_has_nothing_new_writes_nothing(store, clock, source):
    taking = begun(store, clock, source)
    drained(store, taking)
    with store.read() as view:
        before = marks.get(view, "app")
    source.idle = True
    for _ in range(3):
        drained(store, taking)
    with store.read() as view:
        assert marks.get(view, "app") == before


# ── nothing silent ───────────────────────────────────────────────────────────
def test_what_cannot_be_read_is_counted_against_every_signal_of_the_source(store, clock):
    source = Scripted(clock, signals=("a", "b"))
    taking = begun(store, clock, source, Scripted(clock, "other", signals=("c",)))
    source.unreadable = 3
    with structlog.testing.capture_logs() as told:
        done = drained(store, taking)
    assert done.unreadable == {"app": 3}
    names = {row["id"]: row["name"] for row in rows_of(store, signals)}
    found = [(names[row["signal_id"]], row["n"]) for row in rows_of(store, sample_faults)]
    assert found == [("a", 3), ("b", 3)]
    assert faults(store) == {"unreadable": 6}
    assert [(one["event"], one["example"]) for one in told] == [
        ("source_unreadable", "a line that is none")
    ]
    assert taking.health()["app"].unreadable == 3


def test_samples_of_a_block_that_was_judged_come_too_late(store, clock, source):
    taking = begun(store, clock, source)
    done = drained(store, taking, sealed_us=T0 + 1)
    assert (done.accepted, done.refused) == (0, {"late": 1})


def test_a_signal_that_was_not_declared_is_unreadable(store, clock, source):
    taking = begun(store, clock, source)
    source.names = ("a", "stranger")
    done = drained(store, taking)
    assert (done.accepted, done.unreadable) == (1, {"app": 1})
    assert [row["name"] for row in rows_of(store, signals)] == ["a"]


def test_what_a_source_says_of_its_signals_is_written_down(store, clock, source):
    drained(store, begun(store, clock, source))
    (row,) = rows_of(store, signals)
    assert (row["name"], row["unit"], row["source"], row["period_s"]) == ("a", "ms", "app", 1.0)


def test_a_source_is_not_asked_while_too_much_waits(store, clock, source, monkeypatch):
    monkeypatch.setattr(intake, "WAITING_MAX", 1_000)
    source.size = 500
    taking = begun(store, clock, source)
    with structlog.testing.capture_logs() as told:
        for _ in range(5):
            clock.sleep(1)
            taking.poll_now()
    assert len(source.asked) == 2
    health = taking.health()["app"]
    assert (health.waiting, health.skipped) == (1_000, 3)
    assert [one["event"] for one in told] == ["source_waits"]
    source.size = 1
    drained(store, taking)
    drained(store, taking)
    assert len(source.asked) > 2


def test_it_is_behind_while_something_waits_or_there_is_more(store, clock, source):
    taking = begun(store, clock, source)
    assert taking.behind()  # nobody has looked yet
    drained(store, taking)
    assert not taking.behind()
    clock.sleep(1)
    taking.poll_now()
    assert taking.behind()
    source.trouble = SourceFault("it is gone")
    drained(store, taking)
    assert not taking.behind()


def test_marks_alone_do_not_pile_up(store, clock, source):
    taking = begun(store, clock, source)
    source.size = 0
    counts = iter(range(1_000))

    def poll():
        source.asked.append(0)
        return Polled(mark={"count": next(counts)})

    source.poll = poll
    for _ in range(50):
        clock.sleep(1)
        taking.poll_now()
    assert len(taking._lanes[0]._queue) == 1
    drained(store, taking)
    with store.read() as view:
        assert marks.get(view, "app")["mark"] == {"count": 50}
