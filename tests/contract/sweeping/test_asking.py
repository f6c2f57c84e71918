"""What an operator is told of sessions, and how one is named."""

import pytest

from daemon.clock import MICROS
from daemon.errors import Exit
from daemon.services.sweeping import asking
from daemon.services.sweeping.runners import this_process
from daemon.services.sweeping.running.run import SessionRun
from daemon.services.sweeping.wanted import Options
from daemon.store import sessions
from daemon.store.sessions import Share
from tests.contract.rows import T0
from tests.sweeping_kit import Clock, Hand, large, run, small, tools, wanted


def rows(store, clock=None):
    table = asking.listed(store, clock or Clock())
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_sessions_are_found_by_number_by_name_and_the_last_one(store):
    run(tools(store))
    run(tools(store), wanted(small(count=3)))
    run(tools(store), wanted(name="day"))
    assert asking.find(store, "1").id == 1
    assert asking.find(store, "night").id == 2, "the newest of this name"
    assert asking.find(store, "last").id == 3


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        ("4", "no session 4"),
        ("nighht", "'nighht'"),
        ("0", "no session 0"),
        ("9" * 30, "no session"),
    ],
)
def test_a_name_that_no_session_has_is_told_with_the_nearest(store, ref, words):
    with pytest.raises(asking.UnknownSession, match="no session yet"):
        asking.find(store, ref)
    run(tools(store))
    with pytest.raises(asking.UnknownSession, match=words) as unknown:
        asking.find(store, ref)
    assert unknown.value.exit_code == Exit.USAGE
    assert "night" in unknown.value.hint or "session list" in unknown.value.hint


def test_a_list_says_how_each_session_stands(store):
    run(tools(store))
    run(tools(store, stop=lambda: "SIGTERM"), wanted(name="day"))
    day, night = rows(store)
    assert (night["session"], night["state"], night["done"], night["left"]) == (1, "done", 12, 0)
    assert (day["state"], day["done"], day["left"]) == ("stopped", 0, 12)
    assert "SIGTERM" in day["note"]
    assert night["finished_at"].startswith("2027-01-15T08:00:0")
    table = asking.listed(store, Clock(), limit=1)
    assert table.more
    assert len(table.rows) == 1
    assert set(table.brief) <= set(table.columns)


def working(store, runner, at_us=T0):
    run(tools(store, stop=lambda: "SIGTERM"), wanted())
    share = Share(session_id=1, runner=runner)
    with store.write() as tx:
        assert sessions.take(tx, share, at_us)
        sessions.beat(tx, share, at_us, 4.0)


def test_a_running_session_says_how_fast_it_goes_and_when_it_ends(store):
    working(store, this_process())
    (row,) = rows(store)
    assert (row["state"], row["jobs_per_s"]) == ("running", 4.0)
    assert row["eta_at"] == "2027-01-15T08:00:03.000000Z"
    assert row["runner"].startswith("process ")


@pytest.mark.parametrize(
    ("runner", "later_s", "state"),
    [
        ("far/b/n/1/1", 5, "running"),
        ("far/b/n/1/1", 60, "stalled"),
        ("/".join([*this_process().split("/")[:3], "999999999", "1"]), 5, "stalled"),
    ],
)
def test_a_session_whose_runner_is_silent_or_gone_is_stalled(store, runner, later_s, state):
    working(store, runner)
    clock = Clock()
    clock.passed_us = later_s * MICROS
    (row,) = rows(store, clock)
    assert row["state"] == state
    assert (row["eta_at"] is None) == (state == "stalled")


@pytest.mark.parametrize("rows_max", [1_000, 0])
def test_all_that_is_known_of_a_session(store, rows_max):
    def poison(asked):
        return "it broke" if (asked.min_spread_bps == 3).any() else None

    run(tools(store, Hand(poison=poison)), rows_max=rows_max)
    told = asking.shown(store, Clock(), "night")
    assert (told["progress"], told["evaluated"], told["jobs"], told["failed"]) == (1.0, 10, 12, 2)
    assert told["grids"] == ["min_spread_bps", "max_open_trades"]
    assert [one["job_id"] for one in told["failures"]] == ["s_0005", "s_0006"]
    assert "it broke" in told["failures"][0]["error"]
    assert len(told["ranking"]) == 10
    assert told["ranking"][0]["rank"] == 1
    assert set(told["ranking"][0]["params"]) == {"min_spread_bps", "max_open_trades"}
    assert told["report"]["failed"] == 2
    assert told["blocks"] == (None if rows_max else 1)
    assert told["spec"]["plan"]["kind"] == "grid"


def test_progress_is_told_while_it_runs(store):
    told = []
    used = tools(store, Hand(seconds=1.5), clock=Clock(tick_us=20_000))
    SessionRun(used, wanted(large(5_000)), Options(fast=True, rows_max=10_000), told.append).run()
    done = [one.done for one in told]
    assert done == sorted(done)
    assert done[-1] == 5_000
    assert 0 < done[0] < 5_000
    assert told[-1].left == 0
    assert any(one.eta_s for one in told)
    assert all(one.jobs_per_s is None or one.jobs_per_s > 0 for one in told)
