"""A session in lines for a person."""

import pytest

from daemon.cli.session_show import lines
from daemon.clock import iso
from tests.market_kit import START_US

FOUND = {
    "session": 12,
    "name": "night\x1b",
    "state": "running",
    "note": None,
    "jobs": 1_000,
    "done": 400,
    "failed": 10,
    "left": 590,
    "progress": 0.41,
    "jobs_per_s": 59.0,
    "runner": "process 1 on here",
    "data_file": "quotes.csv",
    "data_digest": "0123456789abcdef",
    "data_rows": 600,
    "started_at": iso(START_US - 60_000_000),
    "finished_at": None,
    "ranked_at": None,
    "ranking": [],
    "grids": ["slippage_bps"],
    "failures": [{"job_id": "n_0001", "error": "slippage\x1b"}],
}
PLACE = {
    "rank": 1,
    "job_id": "n_0002",
    "params": {"slippage_bps": 3.0},
    "realized_pnl_usd": 1_234.5,
    "max_drawdown_pct": 0.5,
    "total_trades": 7,
}


def said(**changed):
    return "\n".join(lines(FOUND | changed, START_US))


@pytest.fixture(autouse=True)
def _plain(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")


def test_one_that_runs_says_how_far_and_how_fast_and_how_to_stop_it():
    text = said()
    assert "410 of 1,000 (41%), 10 failed, 59 a second, 10 s left" in text
    assert "process 1 on here" in text
    assert "quotes.csv, 600 rows, 0123456789ab\n" in text
    assert "started    2023-02-28T23:59:00Z (1 min ago)" in text
    assert "n_0001: slippage\\x1b" in text
    assert "daemon session cancel 12" in text
    assert "\x1b" not in text


def test_one_that_ended_early_says_why_and_how_to_go_on():
    text = said(state="stopped", note="it was asked to end", runner=None, jobs_per_s=None)
    assert "stopped: it was asked to end" in text
    assert "run its file again" in text
    assert "a second" not in text


def test_one_that_is_done_says_what_was_best_and_what_more_there_is():
    text = said(state="done", left=0, runner=None, ranking=[PLACE, PLACE | {"rank": 2}])
    assert "n_0002  +1,234.50 USD, drawdown 0.50%, 7 trades  (slippage_bps 3)" in text
    assert "daemon session rank 12" in text
    assert "(slippage" not in said(state="done", left=0, ranking=[PLACE], grids=[])


def test_data_that_nobody_has_read_have_no_rows():
    assert "quotes.csv, \n" in said(data_digest=None, data_rows=None)
