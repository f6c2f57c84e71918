"""Two processes, or a busy database: nobody does the same twice, and nobody waits for ever."""

import pytest
from sqlalchemy import text

from daemon.clock import MICROS
from daemon.errors import Exit, StoreUnavailable
from daemon.services.sweeping.runners import this_process
from daemon.services.sweeping.wanted import SessionBusy
from daemon.store import sessions
from daemon.store.sessions import Share
from daemon.store.store import Store
from daemon.store.tables import session_runners
from tests.contract.conftest import IMPATIENT
from tests.contract.rows import T0, rows_of
from tests.sweeping_kit import (
    Clock,
    Hand,
    none,
    run,
    small,
    tools,
    wanted,
)

SLOW_S = 1.5
"""Batches that take so long do not grow: there are more of them, with fewer jobs."""


def session(store, number=1):
    with store.read() as view:
        return sessions.get(view, number)


def occupy(store, runner="elsewhere/boot/ns/7/7", shard=0, shards=1):
    """Leave a session half done, with somebody at work on it."""
    run(tools(store, stop=lambda: "SIGTERM"), wanted())
    share = Share(session_id=1, runner=runner, shard=shard, shards=shards)
    with store.write() as tx:
        assert sessions.take(tx, share, T0)
    return share


def test_a_second_process_leaves_it_to_the_first_one(store):
    share, clock = occupy(store), Clock()

    def lives():
        with store.write() as tx:
            sessions.beat(tx, share, clock.now_us(), 5.0)

    clock.sleeps = [lambda: None, lives]
    with pytest.raises(SessionBusy, match="process 7 on elsewhere") as busy:
        run(tools(store, none, clock=clock))
    assert busy.value.exit_code == Exit.TRY_AGAIN
    assert "session cancel" in busy.value.hint


def test_one_that_says_nothing_any_more_is_followed(store):
    occupy(store)
    assert run(tools(store)).state == "done"


@pytest.mark.parametrize(
    ("runner", "later_s"),
    [
        ("/".join([*this_process().split("/")[:3], "999999999", "1"]), 1),
        ("elsewhere/boot/ns/7/7", 1_000),
    ],
    ids=["it has ended", "long ago"],
)
def test_one_that_is_surely_gone_is_followed_at_once(store, runner, later_s):
    occupy(store, runner)
    clock = Clock()
    clock.passed_us = later_s * MICROS

    def waited():
        raise AssertionError("nobody has to be waited for")

    clock.sleeps = [waited]
    assert run(tools(store, clock=clock)).state == "done"


def test_whoever_waits_for_another_one_can_be_asked_to_end(store):
    occupy(store)
    stops = iter([None, "SIGTERM"])
    with pytest.raises(SessionBusy):
        run(tools(store, none, stop=lambda: next(stops)))


def test_one_that_lets_go_meanwhile_is_followed_at_once(store):
    share, clock = occupy(store), Clock()

    def lets_go():
        with store.write() as tx:
            sessions.let_go(tx, share, T0)

    clock.sleeps = [lets_go]
    assert run(tools(store, clock=clock)).state == "done"
    assert clock.passed_us < 5 * MICROS


def test_whoever_was_followed_finds_out_and_stops(store):
    clock, hand = Clock(tick_us=200_000), Hand(seconds=SLOW_S)

    def taken(found):
        if len(hand.evaluated) == 2:
            mine = Share(session_id=1, runner="test/boot/ns/1/1")
            with store.write() as tx:
                other = Share(session_id=1, runner="elsewhere/boot/ns/7/7")
                assert sessions.take(tx, other, T0, instead_of=mine.runner)
        return found

    hand.meddle = taken
    with pytest.raises(SessionBusy, match="too long"):
        run(tools(store, hand, clock=clock), wanted(small(count=3_000)))
    assert session(store).state == "running", "it belongs to the other one now"
    runners = rows_of(store, session_runners)
    assert [row["runner"] for row in runners] == ["elsewhere/boot/ns/7/7"]


def test_a_database_that_is_busy_for_a_moment_is_waited_for(backend):
    with backend.lend() as url, Store.open(url, IMPATIENT) as store, Store.open(url) as other:
        blocker = other.engines.writer.connect()
        blocker.begin()
        blocker.execute(text("UPDATE chains SET seq = seq"))
        blocker.execute(text("UPDATE sessions SET note = note"))
        if store.dialect == "postgresql":
            blocker.execute(text("LOCK TABLE sessions"))

        def free():
            blocker.rollback()
            blocker.close()

        clock = Clock()
        clock.sleeps = [lambda: None, free]
        assert run(tools(store, clock=clock)).state == "done"


def test_a_database_that_stays_away_ends_it(backend):
    with (
        backend.lend() as url,
        Store.open(url, IMPATIENT) as store,
        Store.open(url) as other,
        other.engines.writer.connect() as blocker,
    ):
        blocker.begin()
        blocker.execute(text("UPDATE chains SET seq = seq"))
        if store.dialect == "postgresql":
            blocker.execute(text("LOCK TABLE sessions"))
        with pytest.raises(StoreUnavailable):
            run(tools(store))
