"""``daemon session plan``: the jobs of the contract byte for byte, and files that are none."""

import json
import os
import subprocess
import sys

import pytest

from daemon.errors import Exit
from tests.session_kit import SESSION, write_quotes, write_session

FIRST = (
    '{"job_id": "sess001_0001", "config": {"data_file": "quotes.csv",'
    ' "initial_balance_usd": 10000, "max_open_trades": 1, "min_spread_bps": 20,'
    ' "taker_fee_a_bps": 5, "taker_fee_b_bps": 5, "slippage_bps": 3, "max_position_usd": 1000,'
    ' "stop_on_drawdown_pct": 20, "exit_model": "convergence", "tag": "sess001"},'
    ' "output_json": "outputs/tuning/sess001/sess001_0001.json"}'
)
BARE = """\
data_file: data/é.csv
min_spread_bps: 30.0
taker_fee_a_bps: 5
taker_fee_b_bps: 4.50
slippage_bps: 0
max_position_usd: 1e3
"""
ALONE = (
    '{"job_id": "job_0001", "config": {"data_file": "data/é.csv", "initial_balance_usd": 10000.0,'
    ' "max_open_trades": 1, "min_spread_bps": 30.0, "taker_fee_a_bps": 5, "taker_fee_b_bps": 4.5,'
    ' "slippage_bps": 0, "max_position_usd": 1000.0},'
    ' "output_json": "outputs/tuning/job_0001.json"}'
)


@pytest.fixture
def desk(bare, monkeypatch):
    """A terminal in a folder with quotes and a session file; no database is wanted."""
    monkeypatch.delenv("DAEMON_DATABASE_URL", raising=False)
    write_quotes(bare.folder)
    write_session(bare.folder)
    return bare


def jobs(terminal, name="session001.yaml", *more):
    shown = terminal.ok("session", "plan", name, "--output-jobs-file", "-", *more)
    return [json.loads(line) for line in shown.splitlines()]


# ── the jobs ─────────────────────────────────────────────────────────────────
def test_the_session_of_the_contract_is_planned_byte_for_byte(desk):
    shown = desk.ok("session", "plan", "session001.yaml", "--output-jobs-file", "-")
    lines = shown.splitlines()
    assert shown.endswith("}\n")
    assert lines[0] == FIRST
    assert len(lines) == 9
    assert lines[1] == FIRST.replace("_0001", "_0002").replace(
        '"slippage_bps": 3', '"slippage_bps": 5'
    )
    assert lines[8] == FIRST.replace("_0001", "_0009").replace(
        '"slippage_bps": 3', '"slippage_bps": 7'
    ).replace('"min_spread_bps": 20', '"min_spread_bps": 40')
    assert shown == desk.ok("session", "plan", "session001.yaml", "--output-jobs-file", "-")


def test_without_a_prefix_or_grids_there_is_one_job_with_the_defaults(desk):
    (desk.folder / "one.yaml").write_text(BARE)
    assert desk.ok("session", "plan", "one.yaml", "--output-jobs-file", "-") == f"{ALONE}\n"


def test_three_jobs_six_jobs_ten_jobs(desk):
    three = "grids:\n  - { name: min_spread_bps, values: [20, 30, 40] }\n"
    (desk.folder / "three.yaml").write_text(BARE + three)
    found = jobs(desk, "three.yaml")
    assert [job["job_id"] for job in found] == ["job_0001", "job_0002", "job_0003"]
    assert [job["config"]["min_spread_bps"] for job in found] == [20, 30, 40]
    six = three + "  - { name: max_open_trades, values: [1, 2] }\ntag_prefix: a.b-c_1\n"
    (desk.folder / "six.yaml").write_text(BARE + six)
    found = jobs(desk, "six.yaml")
    pairs = [(job["config"]["min_spread_bps"], job["config"]["max_open_trades"]) for job in found]
    assert pairs == [(20, 1), (20, 2), (30, 1), (30, 2), (40, 1), (40, 2)]
    assert found[5]["job_id"] == "a.b-c_1_0006"
    assert found[5]["output_json"] == "outputs/tuning/a.b-c_1/a.b-c_1_0006.json"
    assert found[5]["config"]["tag"] == "a.b-c_1"
    ten = "grids:\n  - { name: slippage_bps, values: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11] }\n"
    (desk.folder / "ten.yaml").write_text(BARE + ten + "max_jobs: 10\n")
    assert len(jobs(desk, "ten.yaml")) == 10
    assert len(jobs(desk, "ten.yaml", "--max-jobs", "4")) == 4


def test_json_plans_like_yaml_and_fixed_wins(desk):
    body = {
        "data_file": "quotes.csv",
        "min_spread_bps": 30,
        "fixed": {"min_spread_bps": 0, "taker_fee_a_bps": 0, "max_open_trades": 2},
        "grids": [{"name": "slippage_bps", "values": [1]}],
    }
    (desk.folder / "s.json").write_text(json.dumps(body))
    [job] = jobs(desk, "s.json")
    assert job["config"] == {
        "data_file": "quotes.csv",
        "initial_balance_usd": 10_000.0,
        "max_open_trades": 2,
        "min_spread_bps": 0,
        "taker_fee_a_bps": 0,
        "slippage_bps": 1,
    }
    assert "max_position_usd" in desk.err  # it could not be run, and that is said


def test_numbers_beyond_9999_take_five_digits(desk):
    values = ", ".join(str(value) for value in range(150))
    grids = [
        f"  - {{ name: {name}, values: [{values}] }}" for name in ("min_spread_bps", "slippage_bps")
    ]
    write_session(
        desk.folder, "\n".join(["data_file: quotes.csv", "tag_prefix: s", "grids:", *grids])
    )
    target = desk.folder / "jobs.jsonl"
    desk.ok("session", "plan", "session001.yaml", "--no-data", "--output-jobs-file", str(target))
    assert "22,500 jobs in" in desk.err
    with target.open() as file:
        ids = [line[12:].partition('"')[0] for line in file]
    assert ids[9_998:10_000] == ["s_9999", "s_10000"]
    assert (len(ids), ids[-1]) == (22_500, "s_22500")


# ── what is told ─────────────────────────────────────────────────────────────
def test_a_summary_a_table_and_a_document(desk):
    shown = desk.ok("session", "plan", "session001.yaml", "--limit", "2")
    assert [line.split() for line in shown.splitlines()] == [
        ["job_id", "min_spread_bps", "slippage_bps", "output_json"],
        ["sess001_0001", "20", "3", "outputs/tuning/sess001/sess001_0001.json"],
        ["sess001_0002", "20", "5", "outputs/tuning/sess001/sess001_0002.json"],
    ]
    assert "session001: 9 jobs" in desk.err
    assert "7 more" in desk.err
    assert "info [exit-model]" in desk.err
    found = json.loads(desk.ok("session", "plan", "session001.yaml", "-o", "json"))
    assert desk.err == ""  # the document says it all
    assert found["schema"] == "daemon.session.plan/1"
    assert (found["cells"], found["jobs"], found["duplicates"]) == (9, 9, 0)
    assert found["seconds"] > 0
    assert "exit-model" in {note["code"] for note in found["notes"]}
    assert len(found["rows"]) == 9


def test_more_combinations_than_jobs_and_repeated_values_are_told(desk):
    text = SESSION.replace("[20, 30, 40]", "[20, 30, 20, 40]").replace(
        "max_jobs: 50", "max_jobs: 4"
    )
    write_session(desk.folder, text)
    desk.ok("session", "plan", "session001.yaml")
    assert "4 jobs, the first of 9 combinations" in desk.err
    assert "more than once" in desk.err


@pytest.mark.parametrize("how", ["gone", "bad", "folder"])
def test_quotes_that_cannot_be_read_are_a_doubt_and_no_more(desk, how):
    quotes = desk.folder / "quotes.csv"
    if how == "bad":
        quotes.write_text("nonsense\n")
    else:
        quotes.unlink()
        if how == "folder":
            quotes.mkdir()
    assert len(jobs(desk)) == 9
    assert "warning [data]" in desk.err
    assert len(jobs(desk, "session001.yaml", "--no-data")) == 9
    assert "warning [data]" not in desk.err


def test_no_colour_and_no_control_characters(desk, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    path = write_session(desk.folder, name="a\x1b[31mb.yaml")
    desk.ok("session", "plan", str(path), "--limit", "1")
    assert "\x1b" not in desk.err + desk.out


# ── files ────────────────────────────────────────────────────────────────────
def test_a_jobs_file_is_whole_or_as_it_was(desk):
    target = desk.folder / "outputs" / "jobs.jsonl"
    assert desk.ok("session", "plan", "session001.yaml", "--output-jobs-file", str(target)) == ""
    assert "9 jobs in" in desk.err
    assert target.read_text().splitlines()[0] == FIRST
    assert [entry.name for entry in target.parent.iterdir()] == ["jobs.jsonl"]


@pytest.mark.parametrize("place", ["quotes.csv/jobs.jsonl", "."])
def test_where_no_file_can_be_written_it_is_told(desk, place):
    code = desk.type("session", "plan", "session001.yaml", "--output-jobs-file", place)
    assert code in {Exit.IO, Exit.USAGE}
    assert place in desk.err
    assert "Traceback" not in desk.err


def test_a_reader_who_has_enough_is_no_failure(desk):
    values = ", ".join(str(value) for value in range(300))
    grids = [
        f"  - {{ name: {name}, values: [{values}] }}" for name in ("min_spread_bps", "slippage_bps")
    ]
    write_session(desk.folder, "\n".join(["data_file: quotes.csv", "grids:", *grids]))
    words = ["session", "plan", "session001.yaml", "--no-data", "--output-jobs-file", "-"]
    plan = subprocess.Popen(
        [sys.executable, "-m", "daemon", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert plan.stdout.readline().startswith(b'{"job_id": "job_0001"')
    plan.stdout.close()
    said = plan.stderr.read()
    plan.stderr.close()
    assert plan.wait(20) == 0
    assert b"Traceback" not in said
    assert b"Broken" not in said


# ── what is refused ──────────────────────────────────────────────────────────
REFUSED = {
    "unknown key": ("nonsense", "1", "nonsense"),
    "unknown grid": ("grids", "[{name: min_spred_bps, values: [1]}]", "min_spread_bps"),
    "no grid values": ("grids", "[{name: min_spread_bps, values: []}]", "values"),
    "same grid twice": (
        "grids",
        "[{name: slippage_bps, values: [1]}, {name: slippage_bps, values: [2]}]",
        "slippage_bps",
    ),
    "no jobs": ("max_jobs", "0", "max_jobs"),
    "less than no jobs": ("max_jobs", "-1", "max_jobs"),
    "half a trade": ("max_open_trades", "1.5", "max_open_trades"),
    "no number": ("slippage_bps", ".nan", "slippage_bps"),
    "infinite": ("max_position_usd", ".inf", "max_position_usd"),
    "a way out": ("tag_prefix", '"../escape"', "tag_prefix"),
    "no data": ("data_file", None, "data_file"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_sense_is_refused_with_file_key_and_hint(desk, case):
    key, value, says = REFUSED[case]
    text = "\n".join(line for line in SESSION.splitlines() if not line.startswith("  - "))
    write_session(desk.folder, text, grids=None) if key != "grids" else None
    changed = {"grids": None} | {key: value}
    write_session(desk.folder, text, **changed)
    code = desk.type("session", "plan", "session001.yaml", "--output-jobs-file", "-")
    assert code == Exit.INPUT
    assert desk.out == ""
    assert says in desk.err
    assert "session001.yaml" in desk.err


@pytest.mark.parametrize("kind", ["missing", "folder", "binary", "empty", "list", "bomb"])
def test_what_is_no_session_file_is_refused(desk, kind):
    path = desk.folder / "hostile.yaml"
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        content = {
            "binary": bytes(range(256)),
            "empty": b"",
            "list": b"- 1\n- 2\n",
            "bomb": b"a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
        }
        path.write_bytes(content[kind])
    assert desk.type("session", "plan", "hostile.yaml") == Exit.INPUT
    assert "hostile.yaml" in desk.err
    assert "Traceback" not in desk.err


def test_a_trillion_combinations_are_refused_at_once_with_number_and_limit(desk):
    values = ", ".join(str(value) for value in range(1000))
    names = ("min_spread_bps", "slippage_bps", "taker_fee_a_bps", "taker_fee_b_bps")
    grids = [f"  - {{ name: {name}, values: [{values}] }}" for name in names]
    write_session(desk.folder, "\n".join(["data_file: quotes.csv", "grids:", *grids]))
    assert desk.type("session", "plan", "session001.yaml") == Exit.INPUT
    assert "1,000,000,000,000" in desk.err
    assert "10,000,000" in desk.err
    desk.ok("session", "plan", "session001.yaml", "--max-jobs", "3")
    assert "3 jobs, the first of 1,000,000,000,000 combinations" in desk.err
