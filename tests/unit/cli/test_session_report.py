"""What is said of a session beside its ranking."""

from types import SimpleNamespace

import pytest

from daemon.cli.session_report import lines, standing
from daemon.services.sweeping.record import Record

LUCK = {
    "n": 1,
    "trials": 12_345,
    "effective_trials": 37.2,
    "deflated_sharpe": 0.62,
    "sharpe": {"sharpe": 0.41, "expected_best": 0.38, "trades": 80},
    "pbo": 0.61,
    "cross_validation": {"loss_share": 0.25, "halves": 12_870, "trials": 300},
    "notes": ["a note\x1b"],
}


def record(n, job_id):
    return Record(n, job_id, {"min_spread_bps": 20.0, "slippage_bps": 3.5}, {}, 0.1, None)


def ranking(winner=1, best=1, left=0, **report):
    jobs = {1: record(1, "s_0001"), 2: record(2, "s_0002")}
    return SimpleNamespace(
        report=report,
        winner=jobs.get(winner),
        robust=jobs.get(best),
        summary=SimpleNamespace(
            top=[SimpleNamespace(job_id=f"s_000{n}") for n in (1, 2, 3)],
            shown=("min_spread_bps", "slippage_bps"),
        ),
        session=SimpleNamespace(id=7, name="night\x1b", jobs_left=left, jobs_total=100),
    )


def said(found):
    return "\n".join(lines(found))


def test_where_nothing_is_known_nothing_is_said():
    assert said(ranking()) == ""
    assert said(ranking(luck=None, robust=None, dead_axes=[], same=[], unchanged=[])) == ""


def test_how_far_it_is_luck():
    text = said(ranking(luck=LUCK))
    assert "12,345 backtests" in text
    assert "37 independent bets" in text
    assert "deflated Sharpe ratio 0.62" in text
    assert "not beyond the best" in text
    assert "probability of overfitting 61%" in text
    assert "does not carry over" in text
    assert "\x1b" not in text
    sure = LUCK | {"deflated_sharpe": 0.99, "pbo": 0.1, "effective_trials": 1.0}
    text = said(ranking(luck=sure))
    assert "more than the best of so many" in text
    assert "the choice carries over" in text
    assert "1 independent bet\n" in text
    unknown = LUCK | {"deflated_sharpe": None, "pbo": None, "sharpe": None}
    assert "Sharpe" not in said(ranking(luck=unknown))


@pytest.mark.parametrize(
    ("robust", "head"),
    [(1, "s_0001 is also the most robust"), (2, "s_0002 is more robust")],
)
def test_whether_the_neighbours_do(robust, head):
    told = {"n": robust, "axes": ["slippage_bps"], "score_usd": 12.5, "worst_usd": -3.0}
    text = said(ranking(best=robust, robust=told | {"spread_usd": 1, "neighbours": 8}))
    assert f"{head}: with its 8 neighbours it brings +12.50 USD on average, at worst -3.00" in text
    assert "with min_spread_bps 20, slippage_bps 3.5" in text


def test_a_job_without_neighbours_is_not_called_robust():
    told = {"n": 1, "axes": [], "score_usd": 1.0, "worst_usd": 1.0, "neighbours": 0}
    assert said(ranking(robust=told)) == ""


def test_parameters_that_change_nothing():
    same = [{"axis": "max_open_trades", "values": [3, 4]}]
    text = said(ranking(dead_axes=["stop_on_drawdown_pct"], same=same))
    assert "stop_on_drawdown_pct: nothing depends on it" in text
    assert "max_open_trades: 3, 4 give the same" in text
    many = [{"axis": "max_open_trades", "values": [*range(2_000)]}]
    assert "0 to 1999 (2,000 values) give the same" in said(ranking(same=many))


def test_how_far_a_threshold_may_move_is_told_once_for_those_that_share_it():
    told = [
        {"n": 1, "min_spread_bps_above": 1.5, "min_spread_bps_to": 2.25},
        {"n": 2, "min_spread_bps_above": 1.5, "min_spread_bps_to": 2.25},
        {"n": 3, "min_spread_bps_above": None, "min_spread_bps_to": None},
    ]
    text = said(ranking(unchanged=told))
    assert "s_0001, s_0002: above 1.5, to 2.25" in text
    assert "s_0003: from 0, however high" in text


def test_which_session_it_was_and_what_is_left():
    assert standing(ranking()).startswith(
        "session 7 (night\\x1b); all jobs: daemon session export 7"
    )
    assert "3 of its 100 jobs are not finished" in standing(ranking(left=3))
