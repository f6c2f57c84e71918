"""The summary of a session: the contract's text byte for byte, and what stands below it."""

import json
import math

import pytest

from daemon.search.ranking import Filters
from daemon.services.sweeping.judging.summary import (
    Entry,
    LeftOut,
    Summary,
    plain,
    printable,
    written,
)

TEXT = """\
======================================================================
TUNING SESSION SUMMARY
======================================================================

Total Jobs:           50
Success Jobs:         47
Error Jobs:           3

Top 1 by Realized PnL (USD):
  1) job_id=sess001_0007  PnL=+1,250.00  DD=10.00%  trades=18  min_spread_bps=30  slippage_bps=3"""


def entry(job_id="sess001_0007", pnl=1250.0, rank=1, tied=False, **config):
    return Entry(
        job_id=job_id,
        tag="sess001",
        config={"data_file": "q.csv", "min_spread_bps": 30.0, "slippage_bps": 3, **config},
        metrics={"total_trades": 18, "realized_pnl_usd": pnl, "max_drawdown_pct": 10.0},
        rank=rank,
        tied=tied,
    )


def summary(*top, **changed):
    counts = {"total_jobs": 50, "success_jobs": 47, "error_jobs": 3}
    shown = {"shown": ("min_spread_bps", "slippage_bps")}
    return Summary(top=top, **counts | shown | changed)


def below(told):
    """What follows the list."""
    return told.text().partition(" by Realized PnL (USD):\n")[2].splitlines()


# ── text ─────────────────────────────────────────────────────────────────────
def test_the_text_is_that_of_the_contract():
    assert summary(entry()).text() == TEXT


def test_ten_jobs_are_the_top_ten():
    top = [entry(f"s_{n}", 100.0 - n, n) for n in range(1, 11)]
    lines = summary(*top).text().splitlines()
    assert lines[8] == "Top 10 by Realized PnL (USD):"
    assert lines[9].startswith("  1) job_id=s_1  PnL=+99.00  DD=10.00%  trades=18  ")
    assert lines[18].startswith("  10) job_id=s_10  PnL=+90.00  ")
    assert len(lines) == 19


@pytest.mark.parametrize(
    ("pnl", "told"),
    [
        (-1234.567, "PnL=-1,234.57"),
        (0.0, "PnL=+0.00"),
        (-1e-9, "PnL=+0.00"),
        (1e6, "PnL=+1,000,000.00"),
        (3, "PnL=+3.00"),
    ],
)
def test_money_has_a_sign_and_cents(pnl, told):
    assert told in summary(entry(pnl=pnl)).text()


def test_only_parameters_that_the_session_varied_are_shown():
    told = summary(entry(stop_on_drawdown_pct=None, exit_model="quoted"), shown=())
    assert told.text().endswith("trades=18")
    shown = ("exit_model", "stop_on_drawdown_pct", "no_such")
    told = summary(entry(stop_on_drawdown_pct=None, exit_model="quoted"), shown=shown)
    assert told.text().endswith("exit_model=quoted  stop_on_drawdown_pct=none  no_such=none")


def test_nobody_to_show_is_said():
    assert summary().text().splitlines()[-2:] == [
        "Top 0 by Realized PnL (USD):",
        "  (no job could be ranked)",
    ]


def test_ties_are_named_by_their_places():
    top = [entry("a", 9.0, 1), entry("b", 8.0, 2, tied=True), entry("c", 8.0, 2, tied=True)]
    assert below(summary(*top))[3:] == [
        "",
        "Tied: 2 to 3 are equal in PnL and drawdown; lower ids come first",
    ]
    alone = [entry("a", 9.0, 1), entry("b", 8.0, 2, tied=True)]
    assert below(summary(*alone))[-1] == (
        "Tied: 2 is equal in PnL and drawdown with jobs that are not shown; lower ids come first"
    )


def test_bounds_and_who_was_left_out_stand_below_the_list():
    left_out = (
        LeftOut(reason="error", jobs=1, examples=("bad.json: it is no JSON",)),
        LeftOut(reason="total_trades below 5", jobs=7, examples=("s_1", "s_2")),
        LeftOut(reason="win_rate not finite", jobs=2),
    )
    filters = Filters(max_drawdown_pct=12.5, min_trades=5)
    assert below(summary(entry(), filters=filters, left_out=left_out))[1:] == [
        "",
        "Filters: max_drawdown_pct at most 12.5, min_trades at least 5",
        "Not ranked: 10",
        "  error: 1 (bad.json: it is no JSON)",
        "  total_trades below 5: 7 (s_1, s_2, …)",
        "  win_rate not finite: 2",
    ]


def test_whatever_a_job_is_called_it_stays_on_its_line():
    told = summary(entry("a\nb\x1b[31m\ud800é"), shown=("x\ty",))
    assert below(told)[0].startswith("  1) job_id=a\\nb\\u001b[31m\\ud800é  PnL")
    assert below(told)[0].endswith("  x\\ty=none")
    told.text().encode()


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (30.0, "30"),
        (30, "30"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (1e20, "1e+20"),
        (10**30, "1" + "0" * 30),
        (math.inf, "inf"),
        (True, "true"),
        (None, "none"),
        ([1, math.nan], "[1, null]"),
    ],
)
def test_values_are_written_as_a_person_would(value, told):
    assert written(value) == told


# ── document ─────────────────────────────────────────────────────────────────
def test_the_document_has_the_keys_of_the_contract_and_two_of_ours():
    told = summary(
        entry(tag=1),
        entry("b", rank=1),
        filters=Filters(min_trades=0),
        left_out=(LeftOut(reason="error", jobs=3, examples=("x",)),),
    ).document()
    assert [*told] == [
        "total_jobs",
        "success_jobs",
        "error_jobs",
        "filters",
        "top_by_pnl",
        "ranks",
        "not_ranked",
    ]
    assert (told["total_jobs"], told["success_jobs"], told["error_jobs"]) == (50, 47, 3)
    assert told["filters"] == {"min_trades": 0}
    assert [*told["top_by_pnl"][0]] == ["job_id", "tag", "config", "metrics", "status"]
    assert told["top_by_pnl"][0]["status"] == "success"
    assert told["ranks"] == [1, 1]
    assert told["not_ranked"] == [{"reason": "error", "jobs": 3, "examples": ["x"]}]
    assert json.loads(json.dumps(told, allow_nan=False)) == told


def test_what_is_no_number_is_null_there():
    told = summary(entry(odd=[math.nan, {"x": math.inf}], fine=(1, 2.5))).document()
    assert told["top_by_pnl"][0]["config"]["odd"] == [None, {"x": None}]
    assert told["top_by_pnl"][0]["config"]["fine"] == [1, 2.5]
    assert plain({1: -math.inf}) == {"1": None}


def test_plain_text_is_left_as_it_is():
    assert printable("sess-001_é") == "sess-001_é"
