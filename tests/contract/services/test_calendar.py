"""The calendar on every database: what is read is in force, and rows follow the time."""

from daemon.services.duties import calendar
from daemon.store import freezes
from daemon.store.freezes import NewFreeze
from tests.contract.rows import HOUR, MINUTE, T0

YEAR = 365 * 24 * HOUR


def add(store, **fields):
    said = {"reason": "nights", "owner": "ana", "created_at_us": T0, "starts_at_us": T0}
    with store.write() as tx:
        return freezes.add(tx, NewFreeze(**{**said, **fields}))


def standing(store, now_us):
    with store.read() as view:
        return [one.id for one in calendar.standing(view, now_us)]


def advance(store, now_us):
    with store.write() as tx:
        return calendar.advance(tx, now_us)


def span(store, number):
    with store.read() as view:
        row = freezes.get(view, number)
    return row.starts_at_us, row.ends_at_us


def test_what_stands_is_read_whatever_the_rows_say_of_it(store):
    nightly = add(store, cron="0 22 * * *", duration_s=3_600.0, ends_at_us=T0 + MINUTE)
    once = add(store, rule="risk_max", ends_at_us=T0 + HOUR)
    later = add(store, starts_at_us=T0 + HOUR, ends_at_us=T0 + 2 * HOUR)
    killed = add(store, kind="kill")
    assert standing(store, T0) == [killed, once]
    assert standing(store, T0 + HOUR) == [killed, later]
    assert standing(store, T0 + 14 * HOUR) == [killed, nightly]
    assert standing(store, T0 + YEAR) == [killed]
    assert standing(store, T0 + YEAR + 14 * HOUR) == [killed, nightly]
    # What was meant from then on is not put off by a clock that is set back.
    assert standing(store, T0 - YEAR) == [killed, once]
    assert standing(store, T0 - YEAR + 14 * HOUR) == [killed, nightly, once]


def test_rows_are_moved_to_now_or_the_next_time_in_both_directions(store):
    nightly = add(store, cron="0 22 * * *", duration_s=7_200.0, ends_at_us=T0 + MINUTE)
    assert advance(store, T0) == 1
    assert advance(store, T0) == 0
    assert span(store, nightly) == (T0 + 14 * HOUR, T0 + 16 * HOUR)
    assert advance(store, T0 + 15 * HOUR) == 0
    assert advance(store, T0 + 16 * HOUR) == 1
    assert span(store, nightly) == (T0 + 38 * HOUR, T0 + 40 * HOUR)
    for years in (1, -1):
        assert advance(store, T0 + years * YEAR) == 1
        assert span(store, nightly)[0] == T0 + years * YEAR + 14 * HOUR


def test_what_cannot_be_read_stands_and_stops_nothing_else(store):
    odd = add(store, cron="every night", duration_s=60.0, ends_at_us=T0 + MINUTE)
    nightly = add(store, cron="0 22 * * *", duration_s=60.0, ends_at_us=T0 + MINUTE)
    assert advance(store, T0 + HOUR) == 1
    assert span(store, nightly)[0] == T0 + 14 * HOUR
    assert standing(store, T0 + HOUR) == [odd]
    with store.write() as tx:
        assert freezes.remove(tx, odd, "ana", T0)
    assert standing(store, T0 + HOUR) == []
