"""What is written down of a session's best, and what is said beside it."""

import numpy as np
import pytest
from sqlalchemy import text

from daemon.errors import InputError
from daemon.search.ranking import Filters, rank
from daemon.search.space import Axis
from daemon.services.sweeping import asking
from daemon.services.sweeping.judging import ranked
from daemon.services.sweeping.judging.ranked import Asking, rank_session
from daemon.services.sweeping.reading import Metrics
from daemon.store import sessions
from daemon.store.tables import jobs, rankings
from tests.contract.rows import rows_of
from tests.search_kit import plan
from tests.sweeping_kit import Bank, Hand, jobs_of, large, market, run, small, tools, wanted


def session(store, number=1):
    with store.read() as view:
        return sessions.get(view, number)


def leaderboard(store, number=1):
    query = text("SELECT * FROM leaderboard WHERE session_id = :id ORDER BY rank")
    with store.read() as view:
        return [dict(row) for row in view.execute(query, {"id": number}).mappings()]


def best_first(store, number=1):
    """The numbers of a session's jobs as they should be ranked."""
    one = session(store, number)
    columns = Metrics(store, one)
    named = ("realized_pnl_usd", "max_drawdown_pct", "total_trades")
    found = rank({name: columns[name] for name in named}, np.arange(1, one.jobs_total + 1))
    return (found.places + 1).tolist()


@pytest.mark.parametrize("rows_max", [1_000, 0])
def test_the_leaderboard_shows_the_best_first_whatever_holds_the_results(store, rows_max):
    outcome = run(tools(store), wanted(small(count=20)), rows_max=rows_max, fast=False)
    board = leaderboard(store)
    expected = [f"s_{n:04}" for n in best_first(store)]
    assert [row["job_id"] for row in board] == expected
    assert [row["rank"] for row in board] == list(range(1, 41))
    profits = [row["realized_pnl_usd"] for row in board]
    assert profits == sorted(profits, reverse=True)
    assert {row["robust_rank"] for row in board} >= {1, 2, 3}
    assert outcome.ranking.summary.top[0].job_id == expected[0]
    assert outcome.ranking.winner.job_id == expected[0]


def test_only_the_best_of_very_many_are_rows_and_the_most_robust_with_them(store, monkeypatch):
    planned = large(20_000)
    outcome = run(tools(store), wanted(planned), rows_max=100, fast=False)
    rows = rows_of(store, rankings)
    order = {n: row for row, n in enumerate(best_first(store), 1)}
    best = [row for row in rows if row["rank"] <= 1_000]
    assert [row["n"] for row in best] == best_first(store)[:1_000]
    others = [row for row in rows if row["rank"] > 1_000]
    assert all(0 < row["robust_rank"] <= 100 for row in others)
    assert all(row["rank"] == order[row["n"]] for row in others)
    assert len(rows_of(store, jobs)) == len(rows)
    assert len([row for row in rows if row["robust_rank"]]) >= 100
    assert outcome.ranking.robust is not None
    assert outcome.ranking.place.robust_rank == 1


@pytest.mark.parametrize("rows_max", [1_000, 0])
def test_the_most_robust_are_written_down_wherever_they_stand(store, rows_max):
    run(tools(store), wanted(small(count=20)), rows_max=rows_max)
    order = {n: row for row, n in enumerate(best_first(store), 1)}
    rank_session(tools(store), "1", Asking(kept=3, max_results=2))
    rows = rows_of(store, rankings)
    assert [row["rank"] for row in rows][:3] == [1, 2, 3]
    assert len(rows) == 40, "all of them are among the hundred most robust"
    assert [row["rank"] for row in rows] == [order[row["n"]] for row in rows]
    assert {row["robust_rank"] for row in rows} >= {1, 2, 3}


def test_equals_share_the_place_of_their_first(store):
    planned = plan(
        Axis("min_spread_bps", (3, 5)),
        Axis("stop_on_drawdown_pct", (80, 90)),
        exit_model="quoted",
    )
    outcome = run(tools(store), wanted(planned))
    rows = rows_of(store, rankings)
    assert [row["rank"] for row in rows] == [1, 2, 3, 4]
    assert [row["tied_with"] for row in rows] == [1, 1, 3, 3]
    top = outcome.ranking.summary.top
    assert [(one.rank, one.tied) for one in top] == [(1, True), (1, True), (3, True), (3, True)]


def test_the_report_says_what_changed_nothing_and_how_much_is_luck(store):
    planned = plan(
        Axis("min_spread_bps", tuple(range(1, 9))),
        Axis("stop_on_drawdown_pct", (80, 90)),
        exit_model="quoted",
    )
    run(tools(store), wanted(planned), fast=False)
    with store.read() as view:
        report = sessions.report(view, 1)
    assert report["dead_axes"] == ["stop_on_drawdown_pct"]
    assert report["luck"]["trials"] == 16
    assert 0 <= report["luck"]["pbo"] <= 1
    assert report["unchanged"]
    assert report["robust"]["n"]
    assert (report["jobs"], report["succeeded"], report["left"]) == (16, 16, 0)


def test_luck_counts_what_other_sessions_have_tried_on_these_data(store):
    def trials():
        with store.read() as view:
            return sessions.report(view, number)["luck"]["trials"]

    number = run(tools(store), wanted(small(1, 6)), fast=False).session_id
    assert trials() == 12
    number = run(tools(store), wanted(small(4, 6), name="b"), fast=False).session_id
    assert trials() == 18, "six cells are the same, and count once"
    other = tools(store, bank=Bank(**{"q.csv": market(seed=2)}))
    number = run(other, wanted(), fast=False).session_id
    assert trials() == 12
    number = run(tools(store), wanted(small(40, 2), name="c"), rows_max=0, fast=False).session_id
    assert trials() == 22
    number = run(tools(store), wanted(small(60, 1), name="d"), fast=False).session_id
    assert trials() == 24, "blocks count, and their best only once"


def test_another_bound_ranks_anew_and_says_who_was_left_out(store):
    run(tools(store), wanted(small(count=20)))
    trades = sorted(row["total_trades"] for row in leaderboard(store))[20]
    filters = Filters(min_trades=trades)
    found = rank_session(tools(store), "night", Asking(filters=filters, max_results=3))
    board = leaderboard(store)
    assert all(row["total_trades"] >= trades for row in board)
    assert 0 < len(board) < 40
    assert len(found.summary.top) == 3
    assert found.report["filters"] == {"min_trades": trades}
    (left,) = found.report["left_out"]
    assert left["jobs"] == 40 - len(board)
    assert left["examples"][0].startswith("s_")
    assert found.document()["session"] == {"id": 1, "name": "night"}


def test_what_is_only_shown_is_not_written_down(store):
    run(tools(store), wanted(small(count=20)))
    before = rows_of(store, rankings)
    filters = Filters(min_trades=10_000)
    found = rank_session(tools(store), "1", Asking(filters=filters, store=False))
    assert found.winner is None
    assert not found.summary.top
    assert rows_of(store, rankings) == before


def test_failed_jobs_are_counted_and_never_ranked(store):
    planned = plan(Axis("min_spread_bps", (3, 5)), Axis("max_position_usd", (1000, 0)))
    outcome = run(tools(store), wanted(planned))
    assert len(rows_of(store, rankings)) == 2
    summary = outcome.ranking.summary
    assert (summary.total_jobs, summary.success_jobs, summary.error_jobs) == (4, 2, 2)
    assert outcome.ranking.report["left_out"] == [
        {"reason": "error", "jobs": 2, "examples": ["s_0002", "s_0004"]}
    ]


def test_a_session_that_is_not_finished_is_ranked_as_far_as_it_is(store):
    with pytest.raises(asking.UnknownSession):
        rank_session(tools(store), "night", Asking())
    run(tools(store, stop=lambda: "SIGTERM"), wanted())
    with pytest.raises(InputError, match="no results yet"):
        rank_session(tools(store), "night", Asking())
    hand = Hand(seconds=1.5)
    used = tools(store, hand, stop=lambda: "SIGTERM" if hand.evaluated else None)
    run(used, wanted(small(count=1_500), name="b"))
    found = rank_session(tools(store), "b", Asking())
    assert found.report["left"] > 0
    assert len(rows_of(store, rankings)) == 1_000 or found.report["ranked"] < 3_000


def test_without_its_quotes_a_session_is_ranked_and_says_what_is_missing(store):
    run(tools(store))
    for bank in (Bank(other=market()), Bank(**{"q.csv": market(seed=2)})):
        bank.by_digest = lambda digest: None
        found = rank_session(tools(store, bank=bank), "1", Asking())
        assert found.report["luck"] is None
        (note,) = found.report["notes"]
        assert "luck" in note
    assert found.summary.top


def test_a_list_of_jobs_is_ranked_by_the_natural_order_of_its_names(store, tmp_path):
    planned = jobs_of([("s_10000", 5), ("s_9999", 5), ("x", 7)], tmp_path)
    run(tools(store), wanted(planned), fast=False)
    named = [row["job_id"] for row in leaderboard(store)]
    assert named.index("s_9999") < named.index("s_10000")
    again = rank_session(tools(store), "1", Asking())
    assert again.robust is None
    assert again.report["luck"]["trials"] == 3


def test_ranked_twice_at_once_one_ranking_stands(store):
    run(tools(store))
    first = rank_session(tools(store), "1", Asking())
    again = rank_session(tools(store), "1", Asking())
    assert [one.job_id for one in first.summary.top] == [one.job_id for one in again.summary.top]
    assert len(rows_of(store, rankings)) == 12
    assert ranked.RANKED_MAX >= 1_000
