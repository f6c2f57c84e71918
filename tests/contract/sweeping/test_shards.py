"""Several processes share the jobs of one session: together they do all of them, once."""

import threading

import pytest

from daemon.services.sweeping.running.conveyor import ranges
from daemon.services.sweeping.wanted import SessionBusy
from daemon.store import sessions
from daemon.store.sessions import Share
from daemon.store.store import Store
from daemon.store.tables import rankings, session_runners
from tests.contract.rows import T0, rows_of
from tests.sweeping_kit import Clock, Hand, job_rows, large, none, run, small, tools, wanted


def session(store, number=1):
    with store.read() as view:
        return sessions.get(view, number)


@pytest.mark.parametrize("jobs", [1, 7, 1_000, 50_000])
@pytest.mark.parametrize("shares", [1, 2, 3, 8])
@pytest.mark.parametrize("piece", [None, 16_384])
def test_shares_are_all_jobs_and_no_job_twice(jobs, shares, piece):
    parts = [list(ranges(jobs, (number, shares), piece)) for number in range(shares)]
    numbers = [n for part in parts for first, last in part for n in range(first, last + 1)]
    assert sorted(numbers) == list(range(1, jobs + 1))
    if piece is None and jobs >= 8 * shares:
        sizes = [sum(last - first + 1 for first, last in part) for part in parts]
        assert max(sizes) <= 2 * min(sizes)


@pytest.mark.parametrize(("planned", "rows_max"), [(small(count=40), 1_000), (large(40_000), 100)])
def test_one_after_the_other_they_do_all_and_the_last_one_ranks(store, planned, rows_max):
    hands = []
    for number in range(3):
        hands.append(Hand())
        assert session(store) is None or session(store).state == "stopped"
        outcome = run(
            tools(store, hands[-1], runner=f"host{number}/b/n/1/1"),
            wanted(planned),
            shard=(number, 3),
            rows_max=rows_max,
        )
        assert outcome.state == "done"
        assert (outcome.ranking is not None) == (number == 2)
        assert bool(rows_of(store, rankings)) == (number == 2)
    assert sum(sum(hand.evaluated) for hand in hands) == planned.jobs
    assert session(store).state == "done"
    assert session(store).jobs_done == planned.jobs
    assert {row["ended_at_us"] is None for row in rows_of(store, session_runners)} == {False}


def test_a_share_that_is_done_is_not_done_again(store):
    planned = small(count=40)
    run(tools(store), wanted(planned), shard=(0, 2))
    again = run(tools(store, none), wanted(planned), shard=(0, 2))
    assert (again.state, again.evaluated) == ("done", 0)
    assert session(store).state == "stopped"
    assert "40 jobs left" in again.said


def test_what_is_left_can_be_done_by_one_alone(store):
    planned = small(count=40)
    run(tools(store), wanted(planned), shard=(1, 2))
    outcome = run(tools(store), wanted(planned))
    assert outcome.state == session(store).state == "done"
    assert [n for n, _ in job_rows(store)] == list(range(1, 81))


def test_shares_of_another_division_wait_for_each_other(store):
    run(tools(store, stop=lambda: "SIGTERM"), wanted())
    share, clock = Share(session_id=1, runner="far/b/n/1/1", shard=1, shards=4), Clock()
    with store.write() as tx:
        assert sessions.take(tx, share, T0)

    def lives():
        with store.write() as tx:
            sessions.beat(tx, share, clock.now_us(), None)

    clock.sleeps = [lives]
    with pytest.raises(SessionBusy):
        run(tools(store, none, clock=clock), wanted())
    outcome = run(tools(store), wanted(), shard=(0, 4))
    assert outcome.state == "done", "this one is in nobody's way"


def test_at_the_same_time_they_do_all_and_one_of_them_ranks(backend):
    planned, shares = small(count=500), 3
    with backend.lend() as url:
        outcomes = [None] * shares

        def work(number):
            with Store.open(url) as store:
                used = tools(store, Hand(seconds=1.5), runner=f"host{number}/b/n/1/1")
                outcomes[number] = run(used, wanted(planned), shard=(number, shares))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(shares)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        with Store.open(url) as store:
            assert [n for n, _ in job_rows(store)] == list(range(1, 1_001))
            assert session(store).jobs_done == 1_000
            assert session(store).jobs_evaluated == 1_000
            assert session(store).state == "done"
    assert [outcome.state for outcome in outcomes] == ["done"] * shares
    assert sum(outcome.ranking is not None for outcome in outcomes) == 1
