"""From a fault to a person: told once, told again when it matters, never lost, never a flood."""

import json

import pytest
import structlog

from daemon.adapters.alerts.webhook import Caution, WebhookAlerts
from daemon.clock import SystemClock
from daemon.services.watching.courier import Channel
from daemon.store import migrate
from daemon.store.store import Store
from tests.watch_kit import AT_ONCE, DEAD, HOUR, STUCK, Desk, Phone, Receiver, eventually


@pytest.fixture
def store(memory_backend):
    """What is decided here is the same on every database; the last test is held on all."""
    with memory_backend.opened() as opened:
        yield opened


@pytest.fixture
def desk(store):
    return Desk(store)


# ── told ─────────────────────────────────────────────────────────────────────
def test_it_is_told_once_and_told_when_it_is_over(desk):
    for _ in range(3):
        desk.call(*STUCK, {"rule": "risk_max"})
        desk.deliver()
    assert desk.phone.said == [("stuck_rollback", "7", False)]
    assert desk.phone.rang[0].body == {"rule": "risk_max"}
    assert desk.rows[0].times == 3
    for _ in range(2):
        desk.calm(*STUCK[:2])
        desk.deliver()
    assert desk.phone.said == [("stuck_rollback", "7", False), ("stuck_rollback", "7", True)]
    assert desk.states == ["sent"]


def test_the_worst_is_told_first(desk):
    desk.call(*DEAD)
    desk.call(*STUCK)
    desk.deliver()
    assert [kind for kind, _, _ in desk.phone.said] == ["stuck_rollback", "dead_source"]


def test_what_becomes_worse_is_told_again_and_what_becomes_better_is_not(desk):
    for severity in ("warn", "crit", "warn", "crit"):
        desk.call("disk_low", "database", severity, f"it is {severity}")
        desk.deliver()
    assert [alert.severity for alert in desk.phone.rang] == ["warn", "crit"]
    assert len(desk.rows) == 1


def test_what_nobody_wants_to_hear_is_only_on_record(store):
    phone = Phone()
    desk = Desk(store, Channel(name="pager", alerts=phone, min_severity="crit"))
    desk.call(*DEAD)
    desk.call(*STUCK)
    desk.deliver()
    assert phone.said == [("stuck_rollback", "7", False)]
    assert desk.states == ["muted", "sent"]
    desk.call(DEAD[0], DEAD[1], "crit", "and it matters now")
    desk.deliver()
    assert [kind for kind, _, _ in phone.said] == ["stuck_rollback", "dead_source"]


def test_where_nobody_is_named_it_waits_for_somebody(store):
    """As when a command is carried out while the service is down."""
    desk = Desk(store)
    channels, desk.channels = desk.channels, ()
    desk.restart()
    desk.call(*STUCK)
    assert desk.deliver() == 0
    assert desk.states == ["pending"]
    desk.alerting.start()
    desk.alerting.close()
    desk.channels = channels
    desk.restart()
    desk.deliver()
    assert desk.phone.said == [("stuck_rollback", "7", False)]


def test_what_nobody_wants_any_more_waits(store):
    desk = Desk(store)
    desk.call(*DEAD)
    desk.channels = (Channel(name="phone", alerts=desk.phone, min_severity="crit"),)
    desk.restart()
    assert desk.deliver() == 0
    assert desk.states == ["pending"]


def test_what_is_over_before_it_was_told_is_not_told(desk):
    desk.call(*STUCK)
    desk.calm(*STUCK[:2])
    assert desk.deliver() == 0
    assert desk.phone.rang == []


# ── what fails ───────────────────────────────────────────────────────────────
def test_a_failure_is_repeated_later_and_later(desk):
    desk.phone.fail()
    desk.call(*DEAD)
    desk.deliver()
    waits = []
    for _ in range(9):
        waits.append(0)
        while desk.deliver() == 0:
            desk.clock.turn(5)
            waits[-1] += 5
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 900]


def test_the_wait_is_drawn_so_that_not_all_come_at_once(store):
    waits = []
    for draw in (0.0, 0.5, 0.999):
        desk = Desk(store, draw=lambda draw=draw: draw)
        desk.phone.fail()
        desk.call(DEAD[0], f"source {draw}", "crit", "it is tried before the others")
        desk.deliver()
        waits.append((desk.rows[0].next_at_us - desk.clock.now_us()) / 1e6)
        desk.phone.fault = None
        desk.calm(DEAD[0], f"source {draw}")
        desk.minutes(1)
    assert waits == [2.5, 5.0, pytest.approx(7.495)]


def test_a_critical_alert_is_tried_hourly_for_ever_and_others_are_given_up(desk):
    desk.phone.fail()
    desk.call(*STUCK)
    desk.call(*DEAD)
    for _ in range(40):
        desk.clock.turn(HOUR)
        desk.deliver()
        desk.deliver()
    by_kind = {row.kind: row for row in desk.rows}
    assert by_kind["dead_source"].state == "failed"
    assert by_kind["dead_source"].attempts == 10
    assert by_kind["dead_source"].error == "phone: the line is dead"
    assert by_kind["stuck_rollback"].state == "pending"
    desk.phone.fault = None
    desk.clock.turn(HOUR)
    desk.deliver()
    assert desk.phone.said == [("stuck_rollback", "7", False)]


def test_whatever_a_channel_throws_is_a_failure(desk):
    desk.phone.fault = RuntimeError("a bug in the adapter")
    desk.call(*STUCK)
    desk.deliver()
    assert desk.rows[0].error == "phone: RuntimeError"
    desk.phone.fault = None
    desk.minutes(1)
    assert desk.phone.said == [("stuck_rollback", "7", False)]


def test_a_receiver_that_is_down_is_tried_once_a_round(desk):
    desk.phone.fail()
    for number in range(5):
        desk.call(*DEAD[:1], f"source {number}", *DEAD[2:])
    assert desk.deliver() == 1


def test_one_receiver_that_is_down_keeps_nothing_from_the_other(store):
    good, bad = Phone(), Phone()
    channels = (Channel(name="good", alerts=good), Channel(name="bad", alerts=bad))
    desk = Desk(store, *channels)
    bad.fail("gone")
    desk.call(*STUCK)
    desk.call(*DEAD)
    for _ in range(4):
        desk.deliver()
    assert good.said == [("stuck_rollback", "7", False), ("dead_source", "prices", False)]
    desk.minutes(5)
    assert len(good.rang) == 2, "what a receiver has is not sent to it again"
    bad.fault = None
    desk.minutes(20)
    assert sorted(bad.said) == sorted(good.said)
    assert desk.states == ["sent", "sent"]


def test_it_is_over_while_one_of_two_still_waits_for_it(store):
    good, bad = Phone(), Phone()
    channels = (Channel(name="good", alerts=good), Channel(name="bad", alerts=bad))
    desk = Desk(store, *channels)
    bad.fail()
    desk.call(*STUCK)
    desk.deliver()
    desk.calm(*STUCK[:2])
    bad.fault = None
    desk.minutes(1)
    assert good.said == [("stuck_rollback", "7", False), ("stuck_rollback", "7", True)]


@pytest.mark.parametrize("fails", [False, True])
def test_it_is_over_while_it_is_being_told(desk, fails):
    if fails:
        desk.phone.fail()
    desk.call(*STUCK)
    desk.alerting.deliver()
    desk.calm(*STUCK[:2])
    desk.collect()
    desk.phone.fault = None
    desk.minutes(1)
    expected = [] if fails else [("stuck_rollback", "7", False), ("stuck_rollback", "7", True)]
    assert desk.phone.said == expected


def test_it_becomes_worse_while_it_is_being_told(desk):
    desk.call("disk_low", "database", "warn", "low")
    desk.alerting.deliver()
    desk.call("disk_low", "database", "crit", "lower")
    desk.collect()
    desk.minutes(1)
    assert [alert.severity for alert in desk.phone.rang] == ["warn", "crit"]
    assert desk.states == ["sent"]


def test_nothing_is_told_twice_while_the_leader_is_busy(desk):
    desk.call(*STUCK)
    for _ in range(5):
        desk.alerting.deliver()
        desk.clock.turn(60)
    assert len(desk.phone.rang) == 1
    assert desk.alerting.has_news()
    assert desk.collect() == 1
    assert not desk.alerting.deliver()


def test_a_transaction_that_was_lost_sends_nothing_again(desk):
    desk.call(*STUCK)
    desk.alerting.deliver()

    with desk.store.engines.writer.connect() as tx:
        desk.alerting.collect(tx)
        tx.rollback()
    assert desk.states == ["pending"]
    desk.minutes(2)
    assert desk.states == ["sent"]
    assert len(desk.phone.rang) == 1


def test_after_a_restart_what_was_not_delivered_is_tried_at_once(desk):
    desk.phone.fail()
    desk.call(*STUCK)
    desk.deliver()
    desk.phone.fault = None
    desk.restart()
    desk.deliver()
    assert desk.phone.said == [("stuck_rollback", "7", False)]


@pytest.mark.parametrize("years", [1, -1])
def test_a_clock_that_is_set_delays_nothing(desk, years):
    desk.phone.fail()
    desk.call(*DEAD)
    desk.deliver()
    desk.phone.fault = None
    desk.clock.step_wall(years * 365 * 24 * HOUR)
    desk.call(*STUCK)
    desk.minutes(1)
    assert len(desk.phone.rang) == 2


# ── the thread ───────────────────────────────────────────────────────────────
def test_a_thread_delivers_over_a_real_socket_while_the_leader_writes(shared):
    with Receiver() as receiver:
        webhook = WebhookAlerts(
            receiver.url,
            "5ecret-of-the-receiver",
            SystemClock(),
            caution=Caution(allow_private=True),
        )
        desk = Desk(shared, Channel(name="hook", alerts=webhook), patience=AT_ONCE)
        desk.alerting.start()
        desk.call(*STUCK)
        eventually(desk.alerting.has_news)
        desk.collect()
        desk.calm(*STUCK[:2])
        eventually(desk.alerting.has_news)
        desk.collect()
        desk.alerting.close()
    assert [json.loads(body)["resolved"] for _, body in receiver.got] == [False, True]
    assert desk.states == ["sent"]


def test_the_thread_outlives_a_database_that_is_away(tmp_path):
    path = tmp_path / "later.db"
    with Store.open(f"sqlite:///{path}") as store:
        desk = Desk(store, patience=AT_ONCE)
        with structlog.testing.capture_logs() as told:
            desk.alerting.start()
            eventually(lambda: any(line["event"] == "alerts_not_read" for line in told))
            migrate.upgrade(store)
            desk.call(*STUCK)
            eventually(lambda: desk.phone.rang)
            desk.alerting.close()
