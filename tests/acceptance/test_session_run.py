"""``daemon session run`` and ``rank``: from a file to a ranking, and nothing twice."""

import json

import pytest
import yaml

from daemon.errors import Exit
from tests.acceptance.conftest import point
from tests.session_kit import SESSION, write_quotes, write_session

SUMMARY = """\
======================================================================
TUNING SESSION SUMMARY
======================================================================

Total Jobs:           9
Success Jobs:         9
Error Jobs:           0

Top 9 by Realized PnL (USD):
"""
RUN = ("session", "run", "session001.yaml")


@pytest.fixture
def desk(bare, sqlite_filled_url, monkeypatch):
    """A terminal in a folder with quotes and a session file, on a database."""
    point(monkeypatch, sqlite_filled_url)
    write_quotes(bare.folder)
    write_session(bare.folder)
    return bare


def ran(terminal, *more, code=Exit.DONE):
    """Run the session; gives what it came to as a document."""
    assert terminal.type(*RUN, *more, "-o", "json") == code, terminal.err
    return json.loads(terminal.out)


def best(document):
    return [entry["job_id"] for entry in document["top_by_pnl"]]


# ── from a file to a ranking ─────────────────────────────────────────────────
def test_a_session_is_run_and_its_summary_is_the_text_that_was_promised(desk):
    shown = desk.ok(*RUN)
    assert shown.startswith(SUMMARY)
    ranked = [line for line in shown.splitlines() if ") job_id=" in line]
    assert len(ranked) == 9
    found = ran(desk)["top_by_pnl"]
    for place, (line, entry) in enumerate(zip(ranked, found, strict=True), 1):
        metrics, config = entry["metrics"], entry["config"]
        assert line == (
            f"  {place}) job_id={entry['job_id']}  PnL={metrics['realized_pnl_usd']:+,.2f}"
            f"  DD={metrics['max_drawdown_pct']:.2f}%  trades={metrics['total_trades']}"
            f"  min_spread_bps={config['min_spread_bps']:g}"
            f"  slippage_bps={config['slippage_bps']:g}"
        )
    pnl = [entry["metrics"]["realized_pnl_usd"] for entry in found]
    assert pnl == sorted(pnl, reverse=True)
    assert pnl[0] > 0


def test_a_result_is_that_of_the_same_backtest_alone(desk):
    entry = ran(desk)["top_by_pnl"][3]
    names = ("min_spread_bps", "taker_fee_a_bps", "taker_fee_b_bps", "slippage_bps")
    words = [
        part for name in names for part in (f"--{name.replace('_', '-')}", entry["config"][name])
    ]
    alone = desk.ok(
        *("backtest", "--data-file", "quotes.csv", "--max-position-usd", "1000"),
        *("--stop-on-drawdown-pct", "20", *map(str, words)),
    )
    found = json.loads(alone)
    for one in (found, entry):
        del one["metrics"]["runtime_seconds"]
    for name, value in entry["metrics"].items():
        if isinstance(value, float):
            assert found["metrics"][name] == pytest.approx(value, rel=1e-9, abs=1e-9), name
        else:
            assert found["metrics"][name] == value, name
    assert found["config"] == entry["config"] | {"tag": None}


def test_running_it_again_does_nothing_and_says_so(desk):
    first = ran(desk)
    again = ran(desk)
    assert (first["evaluated"], first["known"]) == (9, 0)
    assert (again["evaluated"], again["state"]) == (0, "done")
    assert again["session_id"] == first["session_id"]
    assert best(again) == best(first)
    assert "nothing to do" in desk.err
    assert desk.ok(*RUN).startswith(SUMMARY)


def test_other_data_are_another_session_and_shared_jobs_are_known(desk):
    first = ran(desk)
    write_session(desk.folder, SESSION.replace("[3, 5, 7]", "[3, 5, 7, 9]"))
    wider = ran(desk)
    assert (wider["known"], wider["evaluated"]) == (9, 3)
    write_quotes(desk.folder, rows=500)
    other = ran(desk)
    assert (other["known"], other["evaluated"]) == (0, 12)
    assert len({first["session_id"], wider["session_id"], other["session_id"]}) == 3


def test_only_the_first_jobs_and_only_the_best_if_asked(desk):
    found = ran(desk, "--max-jobs", "4", "--max-results", "2")
    assert (found["jobs"], found["total_jobs"], len(found["top_by_pnl"])) == (4, 4, 2)
    assert ran(desk)["known"] == 4


def test_a_name_may_be_given_and_found(desk):
    found = ran(desk, "--name", "my session")
    assert found["name"] == "my session"
    assert json.loads(desk.ok("session", "show", "my session", "-o", "json"))["session"] == 1
    for bad in ("17", "last", " x", ""):
        assert desk.type(*RUN, "--name", bad) == Exit.USAGE


# ── resuming ─────────────────────────────────────────────────────────────────
def test_resume_goes_on_and_never_begins(desk):
    assert desk.type(*RUN, "--resume") == Exit.INPUT
    assert "never run" in desk.err
    assert ran(desk, "--shard", "0/3")["evaluated"] == 3
    assert ran(desk, "--resume")["evaluated"] == 6
    write_quotes(desk.folder, rows=400)
    assert desk.type(*RUN, "--resume") == Exit.INPUT
    assert "other data" in desk.err


def test_shares_make_up_the_whole_whoever_comes_last_ranks_it(desk):
    for share in ("2/3", "0/3"):
        assert "top_by_pnl" not in ran(desk, "--shard", share)
    last = ran(desk, "--shard", "1/3")
    assert (last["done"], len(last["top_by_pnl"])) == (9, 9)
    for bad in ("3/3", "1", "x/2", "-1/2", "0/0"):
        assert desk.type(*RUN, "--shard", bad) == Exit.USAGE


# ── jobs files and results in files ──────────────────────────────────────────
def test_a_jobs_file_goes_round(desk):
    desk.ok("session", "plan", "session001.yaml", "--output-jobs-file", "jobs.jsonl")
    by_jobs = desk.ok("session", "run", "--jobs-file", "jobs.jsonl")
    files = sorted((desk.folder / "outputs" / "tuning" / "sess001").iterdir())
    assert [file.name for file in files] == [f"sess001_000{n}.json" for n in range(1, 10)]
    assert by_jobs.startswith(SUMMARY)
    assert by_jobs == desk.ok("session", "rank", "--results-dir", "outputs/tuning/sess001")
    assert by_jobs == desk.ok(*RUN)
    one = json.loads(files[0].read_text())
    assert one["config_summary"]["job_id"] == "sess001_0001"
    assert one["config"]["tag"] == "sess001"
    assert one["config"]["data_file"] == "quotes.csv"


def test_files_are_written_for_a_session_only_if_asked(desk):
    desk.ok(*RUN)
    assert not (desk.folder / "outputs").exists()
    desk.ok(*RUN, "--write-json")
    assert len([*(desk.folder / "outputs" / "tuning" / "sess001").iterdir()]) == 9
    desk.ok("session", "plan", "session001.yaml", "--output-jobs-file", "jobs.jsonl")
    assert desk.ok("session", "run", "--jobs-file", "jobs.jsonl", "--no-write-json")


def test_jobs_on_several_files_of_quotes_are_several_sessions(desk):
    write_quotes(desk.folder, "other.csv", rows=300)
    desk.ok("session", "plan", "session001.yaml", "--output-jobs-file", "jobs.jsonl")
    lines = (desk.folder / "jobs.jsonl").read_text().splitlines()
    lines[4:] = [line.replace("quotes.csv", "other.csv") for line in lines[4:]]
    (desk.folder / "jobs.jsonl").write_text("\n".join(lines) + "\n")
    shown = desk.ok("session", "run", "--jobs-file", "jobs.jsonl")
    assert "Total Jobs:           4" in shown
    assert "Total Jobs:           5" in shown
    told = desk.ok("session", "run", "--jobs-file", "jobs.jsonl", "-o", "yaml")
    assert [one["jobs"] for one in yaml.safe_load_all(told)] == [4, 5]
    assert len(desk.rows("session", "list")) == 2


@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "binary", "no json", "bad job"])
def test_what_is_no_jobs_file_is_refused(desk, kind):
    path = desk.folder / "jobs.jsonl"
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        content = {
            "empty": b"",
            "binary": bytes(range(256)),
            "no json": b"job_0001\n",
            "bad job": b'{"job_id": "a", "config": {"data_file": "q.csv", "wat": 1}}\n',
        }
        path.write_bytes(content[kind])
    assert desk.type("session", "run", "--jobs-file", "jobs.jsonl") == Exit.INPUT
    assert "jobs.jsonl" in desk.err
    assert "Traceback" not in desk.err


# ── jobs that fail ───────────────────────────────────────────────────────────
FAILING = SESSION.replace("[3, 5, 7]", "[3, -5, 7]")


def test_jobs_that_fail_are_counted_named_and_never_ranked(desk):
    write_session(desk.folder, FAILING)
    found = ran(desk, code=Exit.FAILED)
    assert (found["done"], found["failed"], found["error_jobs"]) == (6, 3, 3)
    assert len(found["top_by_pnl"]) == 6
    assert [one["job_id"] for one in found["failures"]] == [f"sess001_000{n}" for n in (2, 5, 8)]
    assert "slippage_bps" in found["failures"][0]["error"]
    assert "failed sess001_0002, sess001_0005, sess001_0008: slippage_bps" in desk.err
    assert desk.type(*RUN) == Exit.DONE  # there is nothing to do
    assert "--retry-failed" in desk.err
    again = ran(desk, "--retry-failed", code=Exit.FAILED)
    assert (again["evaluated"], again["failed"]) == (0, 3)


def test_stop_on_error_stops_and_the_rest_is_done_later(desk):
    write_session(desk.folder, FAILING)
    found = ran(desk, "--stop-on-error", code=Exit.FAILED)
    assert found["state"] == "failed"
    assert found["failed"] >= 1
    assert "first job that failed" in found["said"]


def test_failed_jobs_are_files_too(desk):
    write_session(desk.folder, FAILING)
    assert desk.type(*RUN, "--write-json") == Exit.FAILED
    failed = json.loads((desk.folder / "outputs/tuning/sess001/sess001_0002.json").read_text())
    assert failed["status"] == "error"
    assert "slippage_bps" in failed["error"]
    assert "metrics" not in failed
    shown = desk.ok("session", "rank", "--results-dir", "outputs")
    assert "Error Jobs:           3" in shown


# ── what is refused ──────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "words",
    [
        ["session", "run"],
        [*RUN, "--jobs-file", "jobs.jsonl"],
        [*RUN, "--on", "moon"],
        [*RUN, "--on", "dask:"],
        [*RUN, "--workers", "0"],
        [*RUN, "--job-timeout", "0"],
        [*RUN, "--cpu", "2"],
        [*RUN, "--on", "kubernetes"],
        ["session", "run", "--jobs-file", "x", "--on", "kubernetes", "--dry-run"],
    ],
)
def test_wrong_usage(desk, words):
    assert desk.type(*words) == Exit.USAGE
    assert desk.out == ""


@pytest.mark.parametrize("missing", ["min_spread_bps", "max_position_usd"])
def test_what_must_be_given_must_be_given(desk, missing):
    text = SESSION.replace("  - { name: min_spread_bps, values: [20, 30, 40] }\n", "")
    write_session(desk.folder, text, **{missing: None})
    assert desk.type(*RUN) == Exit.INPUT
    assert missing in desk.err


@pytest.mark.parametrize("how", ["gone", "bad row"])
def test_quotes_that_cannot_be_read_are_told_before_anything_is_begun(desk, how):
    path = desk.folder / "quotes.csv"
    if how == "gone":
        path.unlink()
    else:
        path.write_text(path.read_text() + "x,y\n")
    assert desk.type(*RUN) == Exit.INPUT
    assert "quotes.csv" in desk.err
    assert desk.rows("session", "list") == []


def test_without_a_database_the_command_that_makes_one_is_named(bare, monkeypatch):
    monkeypatch.setenv("DAEMON_DATABASE_URL", f"sqlite:///{bare.folder}/none.db")
    write_quotes(bare.folder)
    write_session(bare.folder)
    assert bare.type(*RUN) in {Exit.IO, Exit.CONFIG}
    assert "daemon db upgrade" in bare.err


def test_a_folder_that_takes_no_files_costs_no_results(desk):
    (desk.folder / "outputs").write_text("in the way")
    code = desk.type(*RUN, "--write-json")
    assert code != Exit.DONE
    assert "outputs" in desk.err
    assert "Traceback" not in desk.err
    (desk.folder / "outputs").unlink()
    assert desk.ok(*RUN, "--write-json").startswith(SUMMARY)
    assert len([*(desk.folder / "outputs" / "tuning" / "sess001").iterdir()]) == 9


def test_many_failures_of_one_reason_are_one_line_and_a_number(desk):
    spreads = ", ".join(map(str, range(20)))
    text = FAILING.replace("[20, 30, 40]", f"[{spreads}]").replace("max_jobs: 50", "max_jobs: 60")
    write_session(desk.folder, text)
    assert desk.type(*RUN) == Exit.FAILED
    told = [line for line in desk.err.splitlines() if "failed sess001" in line or " more: " in line]
    assert len(told) == 2
    assert "sess001_0002, sess001_0005, sess001_0008, …: slippage_bps" in told[0]
    assert told[1] == "  and 10 more: daemon session export 1 -o jsonl"
