"""Alerts that come in a flood, or come and go: one is told, none is forgotten."""

import pytest

from daemon.services.watching.alerting import Pace
from daemon.services.watching.courier import Patience
from tests.watch_kit import DEAD, STUCK, Desk


@pytest.fixture
def store(memory_backend):
    """What is decided here is the same on every database."""
    with memory_backend.opened() as opened:
        yield opened


@pytest.fixture
def desk(store):
    return Desk(store)


# ── storms ───────────────────────────────────────────────────────────────────
def test_a_storm_is_told_in_one_alert(store):
    desk = Desk(store, pace=Pace(per_minute=5))
    for number in range(50):
        desk.call("foreign_rule", f"rule {number}", "warn", "somebody set it")
    desk.minutes(3)
    kinds = [alert.kind for alert in desk.phone.rang]
    assert kinds.count("foreign_rule") == 5
    assert kinds.count("alert_storm") == 1
    storm = next(alert for alert in desk.phone.rang if alert.kind == "alert_storm")
    assert "45 alerts" in storm.text
    assert storm.body == {"foreign_rule": 45}
    assert desk.states.count("muted") == 45


def test_what_is_critical_is_not_drowned_by_what_is_not(store):
    desk = Desk(store, pace=Pace(per_minute=5))
    for number in range(50):
        desk.call("foreign_rule", f"rule {number}", "warn", "somebody set it")
    desk.call(*STUCK)
    desk.deliver()
    assert ("stuck_rollback", "7", False) in desk.phone.said


def test_a_storm_is_over_when_nothing_that_was_muted_stands(store):
    desk = Desk(store, pace=Pace(per_minute=2))
    for number in range(5):
        desk.call("foreign_rule", f"rule {number}", "warn", "somebody set it")
    desk.minutes(5)
    assert ("alert_storm", "alerts", True) not in desk.phone.said
    for number in range(5):
        desk.calm("foreign_rule", f"rule {number}")
    desk.minutes(3)
    assert desk.phone.said.count(("alert_storm", "alerts", True)) == 1
    desk.call("foreign_rule", "rule 9", "warn", "somebody set it")
    desk.minutes(1)
    assert desk.phone.said[-1] == ("foreign_rule", "rule 9", False)


def test_a_storm_that_becomes_worse_is_told_again(store):
    desk = Desk(store, pace=Pace(per_minute=1))
    for severity in ("warn", "warn", "warn", "crit", "crit"):
        desk.call("inconsistent", f"rule {len(desk.rows)}", severity, "a stamp of ours")
        desk.deliver()
    storms = [alert.severity for alert in desk.phone.rang if alert.kind == "alert_storm"]
    assert storms == ["warn", "crit"]


def test_a_storm_before_a_restart_is_still_ended(store):
    desk = Desk(store, pace=Pace(per_minute=1))
    for number in range(3):
        desk.call("foreign_rule", f"rule {number}", "warn", "somebody set it")
    desk.deliver()
    desk.restart()
    for number in range(3):
        desk.calm("foreign_rule", f"rule {number}")
    desk.minutes(3)
    assert ("alert_storm", "alerts", True) in desk.phone.said


def test_what_flaps_is_held_back_and_told_if_it_lasts(desk):
    for _ in range(6):
        desk.call(*DEAD)
        desk.deliver()
        desk.calm(*DEAD[:2])
        desk.deliver()
        desk.clock.turn(10)
    assert desk.phone.said == [(*DEAD[:2], False), (*DEAD[:2], True)] * 3
    desk.call(*DEAD)
    desk.minutes(9)
    assert len(desk.phone.rang) == 6
    desk.minutes(2)
    assert desk.phone.said[6:] == [(*DEAD[:2], False)]


def test_what_comes_again_after_long_is_told_at_once(desk):
    for _ in range(5):
        desk.call(*DEAD)
        desk.deliver()
        desk.calm(*DEAD[:2])
        desk.deliver()
        desk.clock.turn(700)
    assert len(desk.phone.rang) == 10


def test_the_steps_of_patience_can_be_chosen(store):
    desk = Desk(store, patience=Patience(retry_s=1, attempts_max=2))
    desk.phone.fail()
    desk.call(*DEAD)
    desk.minutes(3)
    assert desk.states == ["failed"]
    assert desk.rows[0].attempts == 2
