"""``daemon session list``, ``show``, ``cancel`` and ``export``; and a session that is killed."""

import contextlib
import csv
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from daemon.errors import Exit
from tests.acceptance.conftest import point
from tests.session_kit import write_quotes, write_session

WIDE = """\
data_file: quotes.csv
exit_model: quoted
fixed: { taker_fee_a_bps: 1, taker_fee_b_bps: 1, max_position_usd: 1000 }
tag_prefix: wide
grids:
  - { name: max_open_trades, values: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] }
"""


@pytest.fixture
def desk(bare, sqlite_filled_url, monkeypatch):
    """A terminal in a folder with quotes and a session file, on a database."""
    point(monkeypatch, sqlite_filled_url)
    write_quotes(bare.folder)
    write_session(bare.folder)
    return bare


@pytest.fixture
def ran(desk):
    """The same, with a session of nine jobs that was run."""
    desk.ok("session", "run", "session001.yaml")
    return desk


def wide(folder, slippages=25, spreads=100):
    """Write a session of more jobs than are handed out at once; gives how many."""
    text = WIDE
    for name, count in (("slippage_bps", slippages), ("min_spread_bps", spreads)):
        text += f"  - {{ name: {name}, values: {[step / 4 for step in range(count)]} }}\n"
    (folder / "wide.yaml").write_text(text)
    return 12 * slippages * spreads


# ── list and show ────────────────────────────────────────────────────────────
def test_without_sessions_the_command_that_runs_one_is_named(desk):
    desk.ok("session", "list")
    assert "daemon session run" in desk.err
    assert desk.rows("session", "list") == []
    assert desk.type("session", "show", "last") == Exit.USAGE
    assert "daemon session run" in desk.err


def test_sessions_are_listed_the_newest_first(ran):
    ran.ok("session", "run", "session001.yaml", "--name", "second")
    rows = ran.rows("session", "list")
    assert [(row["session"], row["name"], row["state"]) for row in rows] == [
        (2, "second", "done"),
        (1, "session001", "done"),
    ]
    assert rows[0]["done"] == 9
    assert " ago)" in ran.ok("session", "list")
    assert len(ran.rows("session", "list", "--limit", "1")) == 1


@pytest.mark.parametrize("ref", ["1", "session001", "last"])
def test_a_session_has_a_number_a_name_and_an_age(ran, ref):
    shown = ran.ok("session", "show", ref)
    assert "9 of 9 (100%)" in shown
    assert "quotes.csv, 600 rows" in shown
    assert "daemon session rank 1" in shown
    found = json.loads(ran.ok("session", "show", ref, "-o", "json"))
    assert found["schema"] == "daemon.session.show/1"
    assert (found["session"], found["state"], found["progress"]) == (1, "done", 1.0)
    assert len(found["ranking"]) == 9
    assert found["ranking"][0]["job_id"] in shown


def test_the_name_that_was_meant_is_offered(ran):
    for words in (["show", "sesion001"], ["rank", "sesion001"], ["export", "sesion001"]):
        assert ran.type("session", *words) == Exit.USAGE
        assert "session001" in ran.err
    assert ran.type("session", "show", "99") == Exit.USAGE
    assert ran.type("session", "cancel", "nobody") == Exit.USAGE


def test_failures_are_shown_with_their_reasons(desk):
    path = desk.folder / "session001.yaml"
    path.write_text(path.read_text().replace("[3, 5, 7]", "[3, -5]"))
    assert desk.type("session", "run", "session001.yaml") == Exit.FAILED
    shown = desk.ok("session", "show", "last")
    assert "3 failed" in shown
    assert "sess001_0002: slippage_bps" in shown


def test_a_name_cannot_speak_to_the_terminal(desk):
    path = desk.folder / "a\x1b[31mb.yaml"
    path.write_text((desk.folder / "session001.yaml").read_text())
    desk.ok("session", "run", str(path))
    said = desk.err + desk.out + desk.ok("session", "list") + desk.ok("session", "show", "last")
    assert "\x1b" not in said


# ── export ───────────────────────────────────────────────────────────────────
def test_every_job_is_exported_in_order(ran):
    rows = [*csv.DictReader(io.StringIO(ran.ok("session", "export", "last")))]
    assert [row["job_id"] for row in rows] == [f"sess001_{n:04d}" for n in range(1, 10)]
    assert {row["status"] for row in rows} == {"success"}
    lines = ran.ok("session", "export", "session001", "-o", "jsonl").splitlines()
    ids = [json.loads(line)["config_summary"]["job_id"] for line in lines]
    assert ids == [row["job_id"] for row in rows]


def test_an_export_is_a_whole_file(ran):
    target = ran.folder / "out" / "all.csv"
    assert ran.ok("session", "export", "1", "--output", str(target)) == ""
    assert "9 jobs in" in ran.err
    assert target.read_text() == ran.ok("session", "export", "1", "-o", "csv")
    assert [entry.name for entry in target.parent.iterdir()] == ["all.csv"]
    assert ran.type("session", "export", "1", "-o", "xlsx") == Exit.USAGE


def test_parquet_is_written_or_the_extra_named(ran):
    code = ran.type("session", "export", "1", "-o", "parquet", "--output", "all.parquet")
    if code == Exit.CONFIG:
        assert "parquet" in ran.err
        assert not (ran.folder / "all.parquet").exists()
    else:
        assert code == Exit.DONE
        assert (ran.folder / "all.parquet").read_bytes()[:4] == b"PAR1"


# ── cancelled, interrupted, killed ───────────────────────────────────────────
def test_what_is_done_cannot_be_cancelled(ran):
    assert "already" in ran.ok("session", "cancel", "last")


def test_a_session_that_nobody_runs_is_cancelled_at_once_and_can_be_gone_on_with(desk):
    desk.ok("session", "run", "session001.yaml", "--shard", "0/2")
    assert "cancelled" in desk.ok("session", "cancel", "session001")
    [row] = desk.rows("session", "list")
    assert row["state"] == "cancelled"
    desk.ok("session", "run", "session001.yaml")
    [row] = desk.rows("session", "list")
    assert (row["state"], row["done"]) == ("done", 9)


def held_still(process, look):
    """Stop a process for a while, once it has written results and is not writing just now."""
    with contextlib.suppress(sqlite3.OperationalError):
        if look.execute("select count(*) from jobs").fetchone()[0]:
            process.send_signal(signal.SIGSTOP)
            try:
                look.execute("begin immediate")
                look.execute("rollback")
            except sqlite3.OperationalError:  # it writes
                process.send_signal(signal.SIGCONT)
            else:
                return True
    return False


@contextlib.contextmanager
def running(database):
    """A session in a process of its own, held still from the moment that it has results."""
    process = subprocess.Popen(
        [sys.executable, "-m", "daemon", "session", "run", "wide.yaml"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
    )
    try:
        with contextlib.closing(sqlite3.connect(database, timeout=0)) as look:
            look.isolation_level = None
            until = time.monotonic() + 60
            while not held_still(process, look):
                assert process.poll() is None, process.stderr.read()
                assert time.monotonic() < until
                time.sleep(0.002)
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)
        process.stdout.close()
        process.stderr.close()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["killed", "ended", "cancelled"])
def test_a_session_that_was_ended_early_goes_on_and_repeats_nothing(desk, how, sqlite_filled_url):
    jobs = wide(desk.folder)
    write_quotes(desk.folder, rows=200)
    with running(sqlite_filled_url.removeprefix("sqlite:///")) as process:
        if how == "cancelled":
            assert "asked to stop" in desk.ok("session", "cancel", "last")
            time.sleep(0.8)  # it looks as soon as it may go on
        else:
            process.send_signal(signal.SIGKILL if how == "killed" else signal.SIGTERM)
        process.send_signal(signal.SIGCONT)
        code = process.wait(30)
        said = process.stderr.read().decode()
    [row] = desk.rows("session", "list")
    assert 0 < row["done"] < jobs
    expected = {"killed": -signal.SIGKILL, "ended": Exit.TRY_AGAIN, "cancelled": Exit.FAILED}
    assert code == expected[how], said
    assert row["state"] == {"killed": "stalled", "ended": "stopped"}.get(how, "cancelled")
    assert "Traceback" not in said
    found = json.loads(desk.ok("session", "run", "wide.yaml", "--resume", "-o", "json"))
    assert (found["state"], found["done"]) == ("done", jobs)
    assert found["evaluated"] == jobs - row["done"]
    assert found["session_id"] == row["session"]
