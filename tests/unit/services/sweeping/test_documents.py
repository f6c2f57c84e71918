"""The result of a job as a document, and files that are whole or not there."""

import errno
import json
import os
import stat
import threading

import pytest

from daemon.market.metrics import ENGINE_VERSION, NAMES
from daemon.services.sweeping import documents
from tests.market_kit import QUOTED, ab, both, params, quotes

PROMISED = [
    "total_trades",
    "closed_trades",
    "open_trades",
    "final_balance_usd",
    "realized_pnl_usd",
    "max_drawdown_pct",
    "win_rate",
    "avg_pnl_per_trade_usd",
    "runtime_seconds",
]


def result(**changed):
    metrics = both(quotes([ab(40.0), ab(-5.0), ab(30.0)]), params()).document()
    config = documents.config_of("data/q.csv", params(exit_model=QUOTED), "sess001")
    summary = documents.summary_of("sess001_0001", "d" * 64, 3)
    return documents.success(config, metrics | changed, 0.125, summary)


# ── what stands in it ────────────────────────────────────────────────────────
def test_a_result_has_the_form_that_was_promised():
    found = result()
    assert list(found) == ["status", "config", "metrics", "config_summary"]
    assert found["status"] == "success"
    assert list(found["metrics"])[: len(PROMISED)] == PROMISED
    assert set(found["metrics"]) == {*NAMES, "runtime_seconds"}
    assert found["metrics"]["runtime_seconds"] == 0.125
    assert found["config_summary"] == {
        "job_id": "sess001_0001",
        "data_digest": "d" * 64,
        "rows": 3,
        "engine_version": ENGINE_VERSION,
    }


def test_the_configuration_says_every_parameter_with_what_was_in_effect():
    assert result()["config"] == {
        "data_file": "data/q.csv",
        "min_spread_bps": 5.0,
        "taker_fee_a_bps": 1.0,
        "taker_fee_b_bps": 1.5,
        "slippage_bps": 2.5,
        "max_position_usd": 1000.0,
        "max_open_trades": 1,
        "initial_balance_usd": 10_000.0,
        "stop_on_drawdown_pct": None,
        "exchange_a_to_b_rate": 1.0,
        "exit_model": "quoted",
        "tag": "sess001",
    }


def test_metrics_that_carry_a_run_time_of_their_own_say_it_once():
    found = result(runtime_seconds=99.0)
    assert list(found["metrics"])[: len(PROMISED)] == PROMISED
    assert found["metrics"]["runtime_seconds"] == 0.125


def test_a_failure_has_a_reason_and_no_metrics():
    found = documents.failure({"data_file": "x"}, "it is not there", documents.summary_of(None))
    assert list(found) == ["status", "config", "error", "config_summary"]
    assert (found["status"], found["error"]) == ("error", "it is not there")
    assert found["config_summary"]["data_digest"] is None


def test_what_is_no_number_is_null_and_names_cannot_speak_to_a_terminal():
    text = documents.text_of(
        result(profit_factor=float("nan")) | {"config": {"tag": "é \x1b[31m \u202e\x9b"}}
    )
    assert json.loads(text)["metrics"]["profit_factor"] is None
    assert json.loads(text)["config"]["tag"] == "é \x1b[31m \u202e\x9b"
    assert "é" in text
    assert text.replace("\n", "").isprintable()


# ── files ────────────────────────────────────────────────────────────────────
def test_a_file_is_written_with_the_folders_that_lead_to_it(tmp_path):
    path = tmp_path / "outputs" / "tuning" / "job.json"
    documents.write(path, "one\n")
    documents.write(path, "two\n")
    assert path.read_text() == "two\n"
    assert [entry.name for entry in path.parent.iterdir()] == ["job.json"]


def test_a_file_that_could_not_be_finished_leaves_the_old_one_alone(tmp_path):
    path = tmp_path / "job.json"
    path.write_text("old")

    def half():
        with documents.written(path) as stream:
            stream.write("new, but ")
            stream.flush()
            assert path.read_text() == "old"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        half()
    assert path.read_text() == "old"
    assert [*tmp_path.iterdir()] == [path]


def test_bytes_are_written_in_the_same_way(tmp_path):
    with documents.written_bytes(tmp_path / "a" / "all.parquet") as stream:
        stream.write(b"\x00\xff")
    assert (tmp_path / "a" / "all.parquet").read_bytes() == b"\x00\xff"


def test_a_link_stays_one_and_its_file_is_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "latest.json"
    link.symlink_to(tmp_path / "real" / "job.json")
    documents.write(link, "text")
    assert link.is_symlink()
    assert (tmp_path / "real" / "job.json").read_text() == "text"


def test_what_is_no_file_is_never_replaced_by_one(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard = []
    reader = threading.Thread(target=lambda: heard.append(pipe.read_text()))
    reader.start()
    documents.write(pipe, "text")
    reader.join(5)
    assert heard == ["text"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_reader_that_left_is_not_taken_for_a_bad_file(tmp_path):
    with pytest.raises(BrokenPipeError), documents.written(tmp_path / "x"):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


@pytest.mark.parametrize("place", ["file/job.json", "file/deeper/job.json", "folder"])
def test_where_nothing_can_be_written_the_error_names_what_was_asked_for(tmp_path, place):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=r"job\.json|folder") as error:
        documents.write(tmp_path / place, "text")
    assert error.value.filename == str(tmp_path / place)
