"""A directory of results: counted whatever lies there, ranked only what is sound."""

import json
import math
import os

import pytest

from daemon.errors import Exit, InputError
from daemon.search.ranking import ANY, Filters
from daemon.services.sweeping.judging.results_dir import ALWAYS, SIZE_MAX, load, summarize
from tests.results_kit import job, put


@pytest.fixture
def told(tmp_path):
    """Write files, and summarize the directory they stand in."""

    def write(files, filters=ANY, max_results=10):
        for name, document in files.items():
            put(tmp_path / name, document)
        return summarize(load(tmp_path), filters, max_results)

    return write


def ids(summary):
    return [entry.job_id for entry in summary.top]


def reasons(summary):
    return {one.reason: one.jobs for one in summary.left_out}


# ── what is found ────────────────────────────────────────────────────────────
def test_results_are_found_at_any_depth_and_ranked(told):
    summary = told(
        {
            "a.json": job(5.0, "s_1"),
            "x/y/z/b.json": job(9.0, "s_2"),
            "x/c.json": job(-2.0),
            "x/notes.txt": "no result",
            "x/jobs.jsonl": "{}",
        }
    )
    assert ids(summary) == ["s_2", "s_1", "c"]
    assert (summary.total_jobs, summary.success_jobs, summary.error_jobs) == (3, 3, 0)
    assert summary.top[0].tag == "sess001"
    assert summary.top[0].metrics["total_trades"] == 10
    assert summary.left_out == ()


def test_equal_jobs_stand_in_the_natural_order_of_their_ids(told):
    names = ["s_10000", "s_9999", "s_0001"]
    summary = told({f"{9 - n}.json": job(1.0, name) for n, name in enumerate(names)})
    assert ids(summary) == ["s_0001", "s_9999", "s_10000"]
    assert [entry.rank for entry in summary.top] == [1, 1, 1]
    assert all(entry.tied for entry in summary.top)


def test_less_drawdown_goes_first_among_equal_pnl(told):
    summary = told(
        {"1.json": job(7.0, max_drawdown_pct=3.0), "2.json": job(7.0, max_drawdown_pct=1.0)}
    )
    assert ids(summary) == ["2", "1"]


def test_filters_and_limits(told):
    files = {f"{n}.json": job(float(n), total_trades=n, max_drawdown_pct=n) for n in range(1, 7)}
    summary = told(files, Filters(max_drawdown_pct=5, min_trades=3), 2)
    assert ids(summary) == ["5", "4"]
    assert reasons(summary) == {"max_drawdown_pct above 5": 1, "total_trades below 3": 2}
    assert summary.left_out[1].examples == ("1", "2")
    assert summary.success_jobs == 6


def test_an_earlier_summary_is_no_result(told, tmp_path):
    first = told({"a.json": job(5.0, "s_1"), "b.json": "null"})
    put(tmp_path / "summary.json", {"schema": "x/1"} | first.document())
    again = told({})
    assert again == first
    assert again.total_jobs == 2


def test_the_parameters_in_which_jobs_differ_are_shown(told):
    summary = told(
        {
            "1.json": job(config={"slippage_bps": 3, "min_spread_bps": 20, "path": ["a"]}),
            "2.json": job(config={"slippage_bps": 5, "min_spread_bps": 20.0, "tag": "other"}),
            "3.json": {"status": "error", "error": "x", "config": {"path": ["b"], "new": 1}},
        }
    )
    assert summary.shown == ("slippage_bps", "path")


def test_of_jobs_that_do_not_differ_the_threshold_is_shown(told):
    assert told({"1.json": job(), "2.json": job()}).shown == ("min_spread_bps",)


def test_and_the_slippage(told):
    assert told({"1.json": job(config={"slippage_bps": 1})}).shown == ALWAYS


def test_an_empty_directory_is_summarized_too(told):
    summary = told({})
    assert (summary.total_jobs, summary.top, summary.shown) == (0, (), ())


@pytest.mark.parametrize("kind", ["missing", "a file"])
def test_a_directory_that_is_none_is_refused(tmp_path, kind):
    place = tmp_path / "results"
    if kind == "a file":
        place.write_text("{}")
    with pytest.raises(InputError, match=r"results: (there is no such|is no) directory") as caught:
        load(place)
    assert caught.value.exit_code == Exit.INPUT
    assert caught.value.hint


# ── errors ───────────────────────────────────────────────────────────────────
def test_failed_jobs_are_counted_with_their_reasons(told):
    failed = {"status": "error", "error": "min_spread_bps is -1", "config_summary": {}}
    summary = told({"a.json": failed, "b.json": job()})
    assert (summary.success_jobs, summary.error_jobs) == (1, 1)
    assert summary.left_out[0].examples == ("a.json: min_spread_bps is -1",)


DEEP = "[" * 200 + "]" * 200


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no JSON"),
        ("{", "no JSON"),
        ("null", "no JSON object"),
        ("[]", "no JSON object"),
        ("7", "no JSON object"),
        ("{}", "it has no status"),
        ('{"status": "pending"}', "its status is 'pending'"),
        ('{"status": ["success"]}', "its status is"),
        ('{"status": "success", "metrics": []}', "its metrics is no JSON object"),
        ('{"status": "success", "config": "x"}', "its config is no JSON object"),
        ('{"status": "success", "config_summary": 1}', "its config_summary is no JSON object"),
        ('{"status": "success", "status": "error"}', "'status' stands in one object twice"),
        ('{"status": ' + "9" * 5000 + "}", "too many digits"),
        ('{"status": "success", "config": {"x": ' + DEEP + "}}", "nested deeper"),
        ('{"status": ' + "[" * 200_000, "nested deeper"),
        ('{"status": "error", "error": 5}', "its status is 'error'"),
    ],
)
def test_what_is_no_result_is_an_error_with_a_reason(told, text, reason):
    summary = told({"x/bad.json": text, "good.json": job()})
    assert (summary.success_jobs, summary.error_jobs) == (1, 1)
    assert summary.left_out[0].reason == "error"
    assert summary.left_out[0].examples[0].startswith("x/bad.json: ")
    assert reason in summary.left_out[0].examples[0]


def test_files_that_cannot_be_read_are_errors(told, tmp_path):
    put(tmp_path / "good.json", job())
    (tmp_path / "latin.json").write_bytes(b'{"status": "\xe9"}')
    (tmp_path / "loop.json").symlink_to("loop.json")
    (tmp_path / "gone.json").symlink_to("nowhere.json")
    os.mkfifo(tmp_path / "pipe.json")
    with (tmp_path / "huge.json").open("wb") as huge:
        huge.truncate(SIZE_MAX + 1)
    summary = told({})
    assert (summary.success_jobs, summary.error_jobs) == (1, 5)
    reasons = dict(example.split(": ", 1) for example in summary.left_out[0].examples)
    assert reasons["latin.json"] == "it is not written in UTF-8"
    assert reasons["pipe.json"] == "it is no file"
    assert "more than 16 MB" in reasons["huge.json"]
    assert "cannot be read" in reasons["loop.json"]
    assert "cannot be read" in reasons["gone.json"]


def test_directories_called_like_results_are_directories(told, tmp_path):
    put(tmp_path / "x.json" / "a.json", job(job_id="inside"))
    (tmp_path / "x.json" / "back.json").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "empty.json").mkdir()
    summary = told({})
    assert ids(summary) == ["inside"]
    assert summary.total_jobs == 1


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path):
    """Its path is longer than any path may be."""
    put(tmp_path / "good.json", job())
    place = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=place)
        inner = os.open("d" * 250, os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    os.close(place)
    failed, good = load(tmp_path)
    assert (failed.status, good.status) == ("error", "success")
    assert failed.job_id == "d" * 250
    assert failed.error == "the folder cannot be listed: File name too long"


def test_a_byte_order_mark_is_no_error(tmp_path):
    (tmp_path / "a.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(job()).encode())
    assert [result.status for result in load(tmp_path)] == ["success"]


# ── metrics that are no numbers ──────────────────────────────────────────────
@pytest.mark.parametrize("metric", ["realized_pnl_usd", "max_drawdown_pct", "total_trades"])
@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "missing"),
        (math.nan, "not finite"),
        (math.inf, "not finite"),
        (-math.inf, "not finite"),
        (10**400, "not finite"),
        (True, "no number"),
        ("12", "no number"),
        ([1], "no number"),
    ],
)
def test_such_a_job_is_counted_named_and_not_ranked(told, metric, value, reason):
    summary = told({"bad.json": job(**{metric: value}), "good.json": job(-5.0)})
    assert ids(summary) == ["good"]
    assert (summary.success_jobs, summary.error_jobs) == (2, 0)
    assert reasons(summary) == {f"{metric} {reason}": 1}
    assert summary.left_out[0].examples == ("bad",)
    assert f"{metric} {reason}: 1 (bad)" in summary.text()


def test_a_metric_that_is_not_there_does_not_count_as_zero(told):
    without = job()
    del without["metrics"]["realized_pnl_usd"]
    nothing = {"status": "success"}
    summary = told({"a.json": without, "b.json": nothing, "c.json": job(-1.0)})
    assert ids(summary) == ["c"]
    assert reasons(summary) == {"realized_pnl_usd missing": 2}


def test_a_metric_that_nobody_is_ranked_by_may_be_missing_but_not_wrong(told):
    summary = told({"a.json": job(win_rate=None), "b.json": job(win_rate=math.nan)})
    assert ids(summary) == ["a"]
    assert reasons(summary) == {"win_rate not finite": 1}


def test_whole_numbers_are_numbers(told):
    summary = told({"a.json": job(5), "b.json": job(5.5)})
    assert ids(summary) == ["b", "a"]
    assert "PnL=+5.00" in summary.text()
