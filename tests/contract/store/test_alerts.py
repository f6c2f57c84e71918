"""Alerts on every database: one at a time, sent once, and once more when they are over."""

import pytest

from daemon.errors import StoreError
from daemon.store import alerts
from daemon.store.alerts import NewAlert, Raised
from tests.contract.rows import MINUTE, T0
from tests.contract.store.test_changes_race import at_once


def new(at_us=T0, **fields):
    said = {"kind": "stuck", "key": "risk_max", "severity": "crit", "text": "risk_max is stuck"}
    return NewAlert(at_us=at_us, **{**said, **fields})


def do(store, act, *given):
    with store.write() as tx:
        return act(tx, *given)


def raised(store, *what):
    return [do(store, alerts.raise_alert, one) for one in what]


def get(store, number):
    with store.read() as view:
        return alerts.get(view, number)


def due(store, now_us, limit=20):
    with store.read() as view:
        return [one.id for one in alerts.due(view, now_us, limit)]


def test_an_alert_is_read_back_as_it_was_raised(store):
    (number,) = raised(store, new(body={"change": 7}))
    assert get(store, number) == Raised(
        id=number,
        at_us=T0,
        kind="stuck",
        key="risk_max",
        severity="crit",
        text="risk_max is stuck",
        body={"change": 7},
        state="pending",
        times=1,
        last_at_us=T0,
        attempts=0,
        next_at_us=T0,
        sent_at_us=None,
        resolved_at_us=None,
        error=None,
    )
    assert get(store, number + 1) is None


def test_an_alert_that_comes_again_is_counted_and_not_sent_again(store):
    first, again = raised(store, new(), new(T0 + 5, text="still stuck", body={"n": 2}))
    assert first == again
    do(store, alerts.delivered, first, T0 + 6)
    raised(store, new(T0 + 7))
    told = get(store, first)
    assert (told.times, told.last_at_us, told.at_us) == (3, T0 + 7, T0)
    assert (told.text, told.body) == ("risk_max is stuck", None), "those of the last time"
    assert (told.state, told.sent_at_us) == ("sent", T0 + 6)
    assert due(store, T0 + MINUTE) == []


def test_alerts_of_another_kind_or_about_something_else_are_others(store):
    numbers = raised(store, new(), new(kind="frozen"), new(key="creative_min"))
    assert len(set(numbers)) == 3


def test_of_several_that_raise_an_alert_at_once_there_is_one(shared, url):
    got = at_once(url, *[lambda tx: alerts.raise_alert(tx, new())] * 4)
    assert len(set(got)) == 1, got
    assert get(shared, got[0]).times == 4


def test_what_is_due_is_read_the_longest_due_first(store):
    one, two, three = raised(store, new(T0 + 5, key="1"), new(key="2"), new(T0 + 9, key="3"))
    assert due(store, T0 - 1) == []
    assert due(store, T0 + 9) == [two, one, three]
    assert due(store, T0 + 9, 1) == [two]


def test_an_attempt_that_failed_is_tried_again_when_it_is_time(store):
    (number,) = raised(store, new())
    do(store, alerts.failed, number, "503", T0 + MINUTE)
    assert due(store, T0 + MINUTE - 1) == []
    assert due(store, T0 + MINUTE) == [number]
    tried = get(store, number)
    assert (tried.state, tried.attempts, tried.error) == ("pending", 1, "503")
    do(store, alerts.delivered, number, T0 + MINUTE)
    told = get(store, number)
    assert (told.state, told.attempts, told.error, told.next_at_us) == ("sent", 1, None, None)


def test_what_fails_too_often_is_given_up(store):
    (number,) = raised(store, new())
    do(store, alerts.failed, number, "no route", None)
    left = get(store, number)
    assert (left.state, left.attempts, left.error, left.next_at_us) == (
        "failed",
        1,
        "no route",
        None,
    )
    assert due(store, T0 + MINUTE) == []


def test_who_was_told_of_an_alert_is_told_when_it_is_over(store):
    (number,) = raised(store, new())
    do(store, alerts.failed, number, "503", T0 + 1)
    do(store, alerts.delivered, number, T0 + 1)
    assert do(store, alerts.resolve, "stuck", "risk_max", T0 + 9) == number
    over = get(store, number)
    assert (over.state, over.resolved_at_us, over.next_at_us, over.attempts) == (
        "pending",
        T0 + 9,
        T0 + 9,
        0,
    )
    assert due(store, T0 + 9) == [number]
    do(store, alerts.delivered, number, T0 + 10)
    assert get(store, number).state == "sent"
    assert due(store, T0 + MINUTE) == []


@pytest.mark.parametrize("muted", [True, False])
def test_what_nobody_was_told_of_is_over_in_silence(store, muted):
    (number,) = raised(store, new(muted=muted))
    do(store, alerts.resolve, "stuck", "risk_max", T0 + 9)
    assert get(store, number).state == "muted"
    assert due(store, T0 + MINUTE) == []


@pytest.mark.parametrize("next_us", [T0 + MINUTE, None])
def test_who_may_have_been_told_of_an_alert_is_told_when_it_is_over(store, next_us):
    """An attempt that failed may have reached one of several people, or its answer was lost."""
    (number,) = raised(store, new())
    do(store, alerts.failed, number, "no answer", next_us)
    do(store, alerts.resolve, "stuck", "risk_max", T0 + 9)
    over = get(store, number)
    assert (over.state, over.next_at_us, over.attempts) == ("pending", T0 + 9, 0)
    assert due(store, T0 + 9) == [number]


def test_what_becomes_worse_is_told_anew(store):
    (number,) = raised(store, new(severity="warn"))
    do(store, alerts.failed, number, "503", T0 + 1)
    do(store, alerts.delivered, number, T0 + 1)
    do(store, alerts.worsen, number, "crit", T0 + 5)
    worse = get(store, number)
    assert (worse.severity, worse.state, worse.attempts) == ("crit", "pending", 0)
    assert due(store, T0 + 5) == [number]
    do(store, alerts.delivered, number, T0 + 6)
    assert (get(store, number).state, get(store, number).sent_at_us) == ("sent", T0 + 6)


def test_what_becomes_worse_in_a_storm_is_on_record_only(store):
    (number,) = raised(store, new(severity="warn"))
    with store.write() as tx:
        alerts.worsen(tx, number, "crit", T0 + 5, muted=True)
    assert (get(store, number).severity, get(store, number).state) == ("crit", "muted")
    assert due(store, T0 + MINUTE) == []


def test_what_is_over_does_not_become_worse(store):
    (number,) = raised(store, new(severity="warn"))
    do(store, alerts.resolve, "stuck", "risk_max", T0 + 1)
    do(store, alerts.worsen, number, "crit", T0 + 5)
    assert (get(store, number).severity, get(store, number).state) == ("warn", "muted")


def test_the_alert_that_stands_is_found(store):
    with store.read() as view:
        assert alerts.standing(view, "stuck", "risk_max") is None
    first, _ = raised(store, new(), new(key="other"))
    with store.read() as view:
        assert alerts.standing(view, "stuck", "risk_max").id == first
    do(store, alerts.resolve, "stuck", "risk_max", T0 + 1)
    with store.read() as view:
        assert alerts.standing(view, "stuck", "risk_max") is None


def test_alerts_that_nobody_is_told_of_are_counted_by_how_bad_they_are(store):
    raised(
        store,
        new(key="1", muted=True),
        new(key="2", muted=True),
        new(key="3", muted=True, severity="warn"),
        new(key="4"),
        new(key="5", muted=True),
    )
    do(store, alerts.resolve, "stuck", "5", T0)
    with store.read() as view:
        assert alerts.muted(view) == {"crit": 2, "warn": 1}


def test_what_was_over_before_word_of_it_arrived_is_told_to_be_over(store):
    """Delivery takes time: the alert went out, and was resolved before that was known."""
    (number,) = raised(store, new())
    do(store, alerts.resolve, "stuck", "risk_max", T0 + 1)
    do(store, alerts.delivered, number, T0 + 2)
    assert due(store, T0 + 2) == [number]
    do(store, alerts.delivered, number, T0 + 3)
    assert due(store, T0 + 3) == []


def test_what_was_over_before_its_delivery_failed_is_not_tried_again(store):
    (number,) = raised(store, new())
    do(store, alerts.resolve, "stuck", "risk_max", T0 + 1)
    do(store, alerts.failed, number, "503", T0 + 2)
    assert get(store, number).state == "muted"
    assert due(store, T0 + MINUTE) == []


def test_what_is_over_can_be_raised_anew(store):
    (first,) = raised(store, new())
    do(store, alerts.delivered, first, T0)
    do(store, alerts.resolve, "stuck", "risk_max", T0 + 1)
    assert do(store, alerts.resolve, "stuck", "risk_max", T0 + 2) is None
    (second,) = raised(store, new(T0 + 3))
    assert second != first
    assert get(store, first).resolved_at_us == T0 + 1
    assert due(store, T0 + 3) == [first, second], "first that it was over, then that it is back"


def test_what_is_muted_is_on_record_only(store):
    (number,) = raised(store, new(muted=True))
    assert get(store, number).state == "muted"
    assert due(store, T0 + MINUTE) == []
    raised(store, new(T0 + 1))
    assert due(store, T0 + MINUTE) == [], "counted, like any that comes again"


def test_alerts_are_listed_newest_first_all_or_those_that_last(store):
    one, two, three = raised(store, new(key="1"), new(key="2"), new(key="3"))
    do(store, alerts.resolve, "stuck", "2", T0)
    with store.read() as view:
        assert [a.id for a in alerts.listed(view)] == [three, two, one]
        assert [a.id for a in alerts.listed(view, limit=2)] == [three, two]
        assert [a.id for a in alerts.listed(view, unresolved=True)] == [three, one]


@pytest.mark.parametrize("wrong", [{"severity": "bad"}, {"kind": ""}, {"key": ""}, {"at_us": -1}])
def test_what_makes_no_sense_is_refused(store, wrong):
    with pytest.raises(StoreError):
        raised(store, new(**wrong))
