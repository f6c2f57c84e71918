"""``daemon session rank``: what was best, what it is worth, and what the loop may try of it."""

import json

import pytest

from daemon import app
from daemon.errors import Exit
from tests.acceptance.conftest import point
from tests.session_kit import write_quotes, write_session

RUN = ("session", "run", "session001.yaml")


@pytest.fixture
def desk(bare, sqlite_filled_url, monkeypatch):
    """A terminal in a folder with quotes and a session file, on a database."""
    point(monkeypatch, sqlite_filled_url)
    write_quotes(bare.folder)
    write_session(bare.folder)
    return bare


# ── ranking ──────────────────────────────────────────────────────────────────
def test_ranking_again_is_the_same_text_and_more_below(desk):
    shown = desk.ok(*RUN)
    ranked = desk.ok("session", "rank", "last")
    assert ranked.startswith(shown)
    assert "Is the winner luck?" in ranked
    assert "Would its neighbours do?" in ranked
    assert "the very same trades" in ranked
    assert desk.ok("session", "rank", "session001", "--fast") == shown
    assert desk.ok("session", "rank", "1") == ranked


def test_bounds_leave_jobs_out_and_are_not_kept(desk):
    desk.ok(*RUN)
    places = "select count(*) as n from leaderboard"
    [before] = desk.rows("db", "query", places)
    found = json.loads(desk.ok("session", "rank", "1", "--min-trades", "100000", "-o", "json"))
    assert found["schema"] == "daemon.session.rank/1"
    assert found["filters"] == {"min_trades": 100_000}
    assert found["top_by_pnl"] == []
    assert desk.rows("db", "query", places) == [before] == [{"n": 9}]
    assert desk.type("session", "rank", "1", "--max-drawdown-pct", "-3") == Exit.USAGE


def test_the_file_of_a_ranking_is_the_document_of_the_contract(desk):
    desk.ok(*RUN, "--write-json")
    desk.ok("session", "rank", "1", "--max-results", "3", "--output-json", "out/best.json")
    stored = json.loads((desk.folder / "out" / "best.json").read_text())
    folder = ("session", "rank", "--results-dir", "outputs", "--max-results", "3")
    desk.ok(*folder, "--output-json", "outputs/best.json")
    found = json.loads((desk.folder / "outputs" / "best.json").read_text())
    assert list(found)[:5] == ["total_jobs", "success_jobs", "error_jobs", "filters", "top_by_pnl"]
    assert set(found["top_by_pnl"][0]) == {"job_id", "tag", "config", "metrics", "status"}
    for name in ("total_jobs", "success_jobs", "error_jobs", "filters"):
        assert stored[name] == found[name]
    for one, other in zip(stored["top_by_pnl"], found["top_by_pnl"], strict=True):
        assert one == other
    assert json.loads(desk.ok(*folder, "--output-json", "-")) == found
    assert json.loads(desk.ok("session", "rank", "1", "--output-json", "-"))["total_jobs"] == 9
    assert not (desk.folder / "-").exists()
    desk.ok(*folder)  # a summary among the results is no job
    assert "Error Jobs:           0" in desk.out


def test_a_ranking_as_rows(desk):
    desk.ok(*RUN)
    lines = desk.ok("session", "rank", "last", "-o", "csv").splitlines()
    assert lines[0] == (
        "rank,job_id,min_spread_bps,slippage_bps,"
        "realized_pnl_usd,max_drawdown_pct,total_trades,win_rate"
    )
    assert len(lines) == 10


@pytest.mark.parametrize("words", [[], ["1", "--results-dir", "outputs"]])
def test_a_session_or_a_folder_and_never_both(desk, words):
    assert desk.type("session", "rank", *words) == Exit.USAGE
    assert desk.type("session", "rank", "--results-dir", "nowhere") == Exit.INPUT


# ── to the loop ──────────────────────────────────────────────────────────────
POLICY = """\
targets: { fill_rate: { min: 0.8 } }
rules: { min_spread_bps: { init: 30, min: 10, max: 80, lr: 2 } }
"""


def test_the_robust_winner_is_proposed_to_the_loop_and_told_how_to_decide(desk, monkeypatch):
    (desk.folder / "policy.yaml").write_text(POLICY)
    monkeypatch.setenv("DAEMON_POLICY_FILE", "policy.yaml")
    monkeypatch.setenv("DAEMON_SIGNALS", "{fill_rate: {}}")
    built = app.build(None)
    with built.upkeep() as upkeep:
        upkeep.adopt(built.policy())
    sample = app.shipped() / "data" / "sample_arbitrage_prices.csv"
    wanted = {"exit_model": "quoted", "promote": "[min_spread_bps, slippage_bps]"}
    write_session(desk.folder, data_file=sample, **wanted)
    found = json.loads(desk.ok(*RUN, "-o", "json"))
    told = {one["rules"][0]: one for one in found["promoted"]}
    assert told["slippage_bps"]["proposal"] is None
    assert "no rule is called so" in told["slippage_bps"]["said"]
    assert told["slippage_bps"]["said"] in desk.err
    proposal = told["min_spread_bps"]["proposal"]
    assert f"proposal {proposal}: min_spread_bps 30" in desk.err
    assert f"daemon ctl approve {proposal}" in desk.err
    [row] = desk.rows("ctl", "get", "proposals")
    assert (row["id"], row["origin"], row["state"]) == (proposal, "session", "pending")


@pytest.mark.postgres
def test_on_postgres_it_comes_to_the_same(desk, postgres_filled_url, monkeypatch):
    shown = (
        desk.ok(*RUN) + desk.ok("session", "rank", "last") + desk.ok("session", "export", "last")
    )
    point(monkeypatch, postgres_filled_url)
    there = (
        desk.ok(*RUN) + desk.ok("session", "rank", "last") + desk.ok("session", "export", "last")
    )
    assert without_times(there) == without_times(shown)
    assert "9 of 9" in desk.ok("session", "show", "session001")


def without_times(text):
    """Leave out the last column of the export: how long each job took."""
    return [line.rpartition(",")[0] or line for line in text.splitlines()]
