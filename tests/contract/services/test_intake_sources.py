"""Sources that fail, hang, break and are late: nobody is in the way of the others."""

import contextlib
import threading
import time

import pytest
import structlog

from daemon.clock import MICROS, SystemClock
from daemon.ports import Polled, SourceFault
from daemon.services.watching import intake
from daemon.services.watching.intake import BACK_OFF_MAX_S, DEAD_S, Intake
from tests.contract.rows import MINUTE, T0
from tests.contract.services.intake_kit import HandClock, Scripted, begun, drained, faults


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
def source(clock):
    return Scripted(clock)


# ── faults ───────────────────────────────────────────────────────────────────
def test_a_source_that_fails_is_left_alone_for_longer_each_time(store, clock, source):
    taking = begun(store, clock, source)
    source.trouble = SourceFault("it is gone")
    with structlog.testing.capture_logs() as told:
        for _ in range(200):
            clock.sleep(0.5)
            taking.poll_now()
    gaps = [after - before for before, after in zip(source.asked, source.asked[1:], strict=False)]
    assert gaps == [2.0, 4.0, 8.0, 16.0, BACK_OFF_MAX_S, BACK_OFF_MAX_S]
    assert [(one["event"], one["why"]) for one in told] == [("source_failed", "it is gone")]
    source.trouble = None
    clock.sleep(30)
    assert drained(store, taking).accepted == 1
    drained(store, taking)
    assert source.asked[-1] - source.asked[-2] == 1.0


def test_a_slow_source_is_not_asked_sooner_because_it_failed(clock, store):
    source = Scripted(clock, period_s=100.0)
    taking = begun(store, clock, source)
    source.trouble = SourceFault("no")
    for _ in range(300):
        clock.sleep(1)
        taking.poll_now()
    assert source.asked == [1.0, 101.0, 201.0]


def test_a_source_that_breaks_does_not_take_the_others_with_it(store, clock, source):
    other = Scripted(clock, "other", signals=("b",))
    taking = begun(store, clock, source, other)
    source.trouble = ZeroDivisionError("ours")
    with structlog.testing.capture_logs() as told:
        assert drained(store, taking).accepted == 1
    assert taking.health()["app"].error == "ZeroDivisionError: ours"
    assert [one["event"] for one in told] == ["source_broke", "source_failed"]


def test_a_source_is_ok_failing_or_dead(store, clock, source):
    taking = begun(store, clock, source)
    drained(store, taking)
    health = taking.health()["app"]
    assert (health.state, health.error) == ("ok", None)
    assert health.last_read_us == health.last_value_us == T0 + MICROS
    source.trouble = SourceFault("it is gone")
    drained(store, taking)
    assert (taking.health()["app"].state, taking.dead()) == ("failing", set())
    clock.sleep(DEAD_S)
    drained(store, taking)
    assert (taking.health()["app"].state, taking.dead()) == ("dead", {"app"})
    source.trouble = None
    clock.sleep(30)
    drained(store, taking)
    assert taking.health()["app"].state == "ok"


def test_a_source_that_hangs_is_dead_too(store, clock, source):
    taking = begun(store, clock, source)
    clock.sleep(DEAD_S + 1)  # and nobody came back from asking it
    assert taking.dead() == {"app"}


def test_a_source_without_values_is_stale(store, clock, source):
    slow = Scripted(clock, "slow", period_s=20.0, signals=("b",))
    taking = begun(store, clock, source, slow)
    source.idle = slow.idle = True
    clock.sleep(14)
    drained(store, taking)
    assert taking.stale() == []
    drained(store, taking)
    assert taking.stale() == ["app"]
    source.idle = False
    clock.sleep(45)
    drained(store, taking)
    assert taking.stale() == ["slow"]


# ── the beat ─────────────────────────────────────────────────────────────────
def test_the_beat_does_not_drift_and_missed_beats_are_left_out(store, clock, source):
    taking = begun(store, clock, source)
    for pause in (0.0, 0.3, 0.7, 0.4, 0.6, 3.5, 0.0, 0.5):
        clock.sleep(pause)
        taking.poll_now()
    assert source.asked == [0.0, 1.0, 2.0, 5.5, 6.0]


def test_a_source_with_more_is_asked_again_at_once(store, clock, source):
    taking = begun(store, clock, source)
    source.more = True

    def poll(of=source.poll):
        source.more = len(source.asked) < 4
        return of()

    source.poll = poll
    assert drained(store, taking).accepted == 5


# ── threads ──────────────────────────────────────────────────────────────────
def of_sources():
    return sorted(thread.name for thread in threading.enumerate() if "source-" in thread.name)


def test_each_source_is_asked_in_a_thread_of_its_own(store):
    clock = SystemClock()
    fast = [Scripted(clock, name, 0.01, (name,)) for name in ("one", "two")]
    taking = Intake(fast, clock)
    with store.read() as view:
        taking.start(view)
    assert of_sources() == ["source-one", "source-two"]
    accepted = 0
    with contextlib.suppress(StopIteration):
        for _ in range(500):
            with store.write() as tx:
                accepted += taking.drain(tx, T0 + MINUTE).accepted
            taking.written()
            if accepted >= 20:
                break
            time.sleep(0.01)
    began = time.monotonic()
    taking.stop()
    assert time.monotonic() - began < 2.5
    assert accepted >= 20
    assert of_sources() == []
    assert [source.closed for source in fast] == [1, 1]
    assert faults(store) == {}


def test_a_source_that_hangs_does_not_keep_the_daemon_from_ending(store, monkeypatch):
    monkeypatch.setattr(intake, "STOP_S", 0.2)
    clock, released = SystemClock(), threading.Event()
    stuck = Scripted(clock, "stuck", 0.01)

    def wait():
        released.wait()
        return Polled()

    stuck.poll = wait
    sound = Scripted(clock, "sound", 0.01, ("b",))
    taking = Intake([stuck, sound], clock)
    with store.read() as view:
        taking.start(view)
    with structlog.testing.capture_logs() as told:
        taking.stop()
    assert [one["source"] for one in told] == ["stuck"]
    assert (stuck.closed, sound.closed) == (0, 1)
    released.set()
    taking.stop()
    assert of_sources() == []
