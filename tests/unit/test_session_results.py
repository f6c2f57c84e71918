"""The names that other programs import to read results."""

import math

import pytest

from daemon.session_results import AggregatedJobResult, TuningResultsAggregator
from tests.results_kit import METRICS, job, put


@pytest.fixture
def results(tmp_path):
    put(tmp_path / "one" / "a.json", job(5.0, "s_1"))
    put(tmp_path / "one" / "b.json", job(9.0, "s_2", max_drawdown_pct=30.0))
    put(tmp_path / "c.json", job(7.0, "s_3", total_trades=1))
    put(tmp_path / "d.json", {"status": "error", "error": "no data", "config": {"tag": "sess001"}})
    put(tmp_path / "e.json", "null")
    return tmp_path


def test_every_result_is_loaded_with_what_it_says(results):
    loaded = TuningResultsAggregator(str(results)).load_results()
    assert [result.job_id for result in loaded] == ["d", "e", "s_1", "s_2", "s_3"]
    assert [result.status for result in loaded] == ["error", "error"] + ["success"] * 3
    first = loaded[2]
    assert isinstance(first, AggregatedJobResult)
    assert first.tag == "sess001"
    assert first.config["min_spread_bps"] == 30.0
    assert first.metrics == METRICS | {"realized_pnl_usd": 5.0}
    assert (loaded[0].error, loaded[0].tag, loaded[0].metrics) == ("no data", "sess001", {})
    assert loaded[1].error == "it is no JSON object"


def test_the_summary_counts_everything_and_ranks_what_passes(results):
    summary = TuningResultsAggregator(results).summarize()
    assert (summary.total_jobs, summary.success_jobs, summary.error_jobs) == (5, 3, 2)
    assert [result.job_id for result in summary.top_by_pnl] == ["s_2", "s_3", "s_1"]
    assert summary.filters == {}
    summary = TuningResultsAggregator(
        results, max_results=1, max_drawdown_pct=20, min_trades=2
    ).summarize()
    assert [result.job_id for result in summary.top_by_pnl] == ["s_1"]
    assert summary.top_by_pnl[0].status == "success"
    assert summary.filters == {"max_drawdown_pct": 20, "min_trades": 2}
    assert (summary.total_jobs, summary.success_jobs) == (5, 3)


def test_a_hundred_are_shown_where_nobody_says_how_many(tmp_path):
    for n in range(103):
        put(tmp_path / f"{n}.json", job(float(n)))
    summary = TuningResultsAggregator(tmp_path).summarize()
    assert len(summary.top_by_pnl) == 100
    assert summary.success_jobs == 103


def test_a_directory_that_is_not_there_is_an_error(tmp_path):
    aggregator = TuningResultsAggregator(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="no such directory"):
        aggregator.summarize()


@pytest.mark.parametrize(
    "wrong", [{"max_results": -1}, {"max_drawdown_pct": math.nan}, {"min_trades": -1}]
)
def test_senseless_bounds_are_refused_at_once(tmp_path, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TuningResultsAggregator(tmp_path, **wrong)


def test_the_names_can_be_imported_beside_those_of_the_planner():
    from daemon import sessions  # noqa: PLC0415 - the others need it not

    assert sessions.TuningResultsAggregator is TuningResultsAggregator
    assert sessions.AggregatedJobResult is AggregatedJobResult
