"""``daemon backtest`` as a user runs it: one job, one file of quotes, one result."""

import gzip
import json
import stat
from pathlib import Path

import pytest
import yaml

from daemon.errors import Exit
from daemon.market.metrics import ENGINE_VERSION
from daemon.store.store import Store
from tests.acceptance.conftest import point
from tests.session_kit import HEADER, write_quotes

ASKED = {
    "--min-spread-bps": "10",
    "--taker-fee-a-bps": "2",
    "--taker-fee-b-bps": "2",
    "--slippage-bps": "1",
    "--max-position-usd": "1000",
}
PROMISED = [
    *("total_trades", "closed_trades", "open_trades", "final_balance_usd", "realized_pnl_usd"),
    *("max_drawdown_pct", "win_rate", "avg_pnl_per_trade_usd", "runtime_seconds"),
]


def words(data="quotes.csv", **changed):
    """What a user types; an option that is None is left out."""
    options = {"--data-file": data, **ASKED}
    options |= {f"--{name.replace('_', '-')}": value for name, value in changed.items()}
    flat = [part for name, value in options.items() if value is not None for part in (name, value)]
    return ["backtest", *(str(part) for part in flat)]


@pytest.fixture
def bench(bare, monkeypatch):
    """A terminal in a folder with quotes, and without a database."""
    monkeypatch.delenv("DAEMON_DATABASE_URL", raising=False)
    write_quotes(bare.folder)
    return bare


def result(terminal, *more, **changed):
    return json.loads(terminal.ok(*words(**changed), *more))


# ── the result ───────────────────────────────────────────────────────────────
def test_the_result_goes_to_stdout_in_the_form_that_was_promised(bench):
    found = result(bench, tag="sess001", job_id="sess001_0001")
    assert list(found) == ["status", "config", "metrics", "config_summary"]
    assert found["status"] == "success"
    assert list(found["metrics"])[: len(PROMISED)] == PROMISED
    assert found["metrics"]["total_trades"] > 10
    assert found["metrics"]["runtime_seconds"] > 0
    assert found["config"] == {
        "data_file": "quotes.csv",
        "min_spread_bps": 10.0,
        "taker_fee_a_bps": 2.0,
        "taker_fee_b_bps": 2.0,
        "slippage_bps": 1.0,
        "max_position_usd": 1000.0,
        "max_open_trades": 1,
        "initial_balance_usd": 10_000.0,
        "stop_on_drawdown_pct": None,
        "exchange_a_to_b_rate": 1.0,
        "exit_model": "convergence",
        "tag": "sess001",
    }
    summary = found["config_summary"]
    assert (summary["job_id"], summary["rows"]) == ("sess001_0001", 600)
    assert summary["engine_version"] == ENGINE_VERSION
    assert len(summary["data_digest"]) == 64
    assert bench.err == ""


def test_output_json_holds_the_same_and_stdout_nothing(bench):
    target = bench.folder / "outputs" / "tuning" / "x" / "job.json"
    assert bench.ok(*words(output_json=target)) == ""
    assert "trades on 600 rows" in bench.err
    written, shown = json.loads(target.read_text()), result(bench)
    for one in (written, shown):
        del one["metrics"]["runtime_seconds"]
    assert written == shown
    assert [entry.name for entry in target.parent.iterdir()] == ["job.json"]


def test_a_dash_and_a_device_are_stdout_and_stay_what_they_are(bench):
    assert json.loads(bench.ok(*words(output_json="-")))["status"] == "success"
    assert bench.ok(*words(output_json="/dev/null")) == ""
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)


def test_every_parameter_of_a_session_is_an_option(bench):
    found = result(
        bench,
        max_open_trades=3,
        initial_balance_usd=500,
        stop_on_drawdown_pct=90,
        exchange_a_to_b_rate=1.0005,
        exit_model="quoted",
    )["config"]
    assert found["max_open_trades"] == 3
    assert found["initial_balance_usd"] == 500.0
    assert found["stop_on_drawdown_pct"] == 90.0
    assert found["exchange_a_to_b_rate"] == 1.0005
    assert found["exit_model"] == "quoted"


def test_exits_at_quoted_prices_can_lose(bench):
    free, paid = result(bench), result(bench, exit_model="quoted", min_spread_bps=0)
    assert free["metrics"]["win_rate"] == 1.0
    assert paid["metrics"]["win_rate"] < 1.0
    assert paid["metrics"]["max_drawdown_pct"] > 0


def test_yaml_csv_and_a_table_say_the_same(bench):
    found = result(bench)
    for shown in (yaml.safe_load(bench.ok(*words(), "-o", "yaml")), found):
        del shown["metrics"]["runtime_seconds"]
    assert yaml.safe_load(bench.ok(*words(), "-o", "yaml"))["config"] == found["config"]
    assert "realized_pnl_usd" in bench.ok(*words(), "-o", "table")
    assert bench.ok(*words(), "-o", "csv").startswith("what,value\nstatus,success\n")


def test_quotes_may_be_gzipped_have_a_mark_and_any_order_of_columns(bench):
    plain = (bench.folder / "quotes.csv").read_text()
    table = [line.split(",") for line in plain.splitlines()]
    turned = "\n".join(",".join(row[::-1]) for row in table)
    with gzip.open(bench.folder / "turned.csv.gz", "wb") as file:
        file.write(b"\xef\xbb\xbf" + turned.encode())
    one, other = result(bench), result(bench, data="turned.csv.gz")
    assert one["config_summary"] == other["config_summary"]
    assert one["metrics"]["realized_pnl_usd"] == other["metrics"]["realized_pnl_usd"]


# ── trades ───────────────────────────────────────────────────────────────────
def test_trades_are_listed_and_add_up(bench):
    found = json.loads(bench.ok(*words(), "--trades", "-o", "json"))
    assert found["schema"] == "daemon.backtest.trades/1"
    assert len(found["rows"]) == found["metrics"]["closed_trades"]
    total = sum(row["pnl_usd"] for row in found["rows"])
    assert total == pytest.approx(found["metrics"]["realized_pnl_usd"])
    first = found["rows"][0]
    assert first["side"] in {"LONG_A_SHORT_B", "LONG_B_SHORT_A"}
    assert 1 <= first["entry_row"] < first["exit_row"] <= 600
    assert first["entry_at"] < first["exit_at"]


def test_trades_are_a_table_unless_asked_otherwise_and_the_result_can_go_elsewhere(bench):
    target = bench.folder / "job.json"
    shown = bench.ok(*words(output_json=target), "--trades")
    assert "exit_spread_bps" in shown
    assert json.loads(target.read_text())["status"] == "success"
    rows = bench.ok(*words(), "--trades", "-o", "csv").splitlines()
    assert rows[0].startswith("trade,side,entry_row,")


# ── what goes wrong ──────────────────────────────────────────────────────────
def spoilt(folder, kind):
    """A file of quotes that is none, of some kind; gives its name."""
    path = folder / f"{kind}.csv"
    if kind == "folder":
        path.mkdir()
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "header":
        path.write_text(f"{HEADER}\n")
    elif kind == "column":
        path.write_text("timestamp,best_bid_a,best_ask_a,best_bid_b\n1,1,2,1\n")
    elif kind == "binary":
        path.write_bytes(bytes(range(256)) * 40)
    elif kind == "row":
        path.write_text(f"{HEADER}\n1,99,100,101,102\n2,ninety,100,101,102\n")
    elif kind == "torn":
        path.write_bytes(gzip.compress(b"x" * 10_000)[:-20])
    return path.name


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("missing", "No such file"),
        ("folder", "Is a directory"),
        ("empty", "empty"),
        ("header", "no rows"),
        ("column", "best_ask_b"),
        ("binary", "binary.csv"),
        ("row", "row.csv:3"),
        ("torn", "unpacked"),
    ],
)
def test_quotes_that_cannot_be_read_leave_a_result_that_says_so(bench, kind, says):
    name = spoilt(bench.folder, kind)
    assert bench.type(*words(data=name, job_id="j1")) == Exit.INPUT
    assert says in bench.err
    assert "Traceback" not in bench.err
    found = json.loads(bench.out)
    assert found["status"] == "error"
    assert says in found["error"]
    assert "metrics" not in found
    assert found["config"]["data_file"] == name
    assert found["config_summary"]["job_id"] == "j1"
    target = bench.folder / "failed.json"
    assert bench.type(*words(data=name, output_json=target)) == Exit.INPUT
    assert bench.out == ""
    assert json.loads(target.read_text())["status"] == "error"


def test_bad_rows_may_be_left_out_and_are_counted(bench):
    path = bench.folder / "quotes.csv"
    path.write_text(path.read_text() + "nonsense\nand,more,of,it,here\n")
    assert bench.type(*words()) == Exit.INPUT
    assert "--skip-bad-rows" in bench.err
    assert json.loads(bench.ok(*words(), "--skip-bad-rows"))["config_summary"]["rows"] == 600
    assert "2 rows were left out" in bench.err
    assert "quotes.csv:602" in bench.err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("taker_fee_a_bps", "-1"),
        ("slippage_bps", "nan"),
        ("max_position_usd", "0"),
        ("initial_balance_usd", "inf"),
        ("stop_on_drawdown_pct", "0"),
        ("max_open_trades", "0"),
        ("exchange_a_to_b_rate", "-2.5"),
    ],
)
def test_a_value_that_makes_no_sense_is_a_failed_job(bench, name, value):
    assert bench.type(*words(**{name: value})) == Exit.INPUT
    assert name in bench.err
    found = json.loads(bench.out)
    assert (found["status"], "metrics" in found) == ("error", False)
    assert name in found["error"]


@pytest.mark.parametrize(
    "changed",
    [
        {"min_spread_bps": "ten"},
        {"max_open_trades": "2.5"},
        {"exit_model": "hope"},
        {"slippage_bps": None},
        {"data_file": None},
        {"output_json": "."},
        {"nonsense": "1"},
    ],
)
def test_what_cannot_be_understood_is_wrong_usage_and_no_job(bench, changed):
    assert bench.type(*words(**changed)) == Exit.USAGE
    assert bench.out == ""


@pytest.mark.parametrize("place", ["quotes.csv/x.json", "quotes.csv/deep/x.json"])
def test_a_result_that_cannot_be_written_is_told(bench, place):
    assert bench.type(*words(output_json=bench.folder / place)) == Exit.IO
    assert place in bench.err


# ── the database ─────────────────────────────────────────────────────────────
def trials(terminal):
    [row] = terminal.rows("db", "query", "select count(*) as n from results")
    return row["n"]


def test_without_a_database_nothing_is_made_and_nothing_said(bench):
    result(bench)
    assert bench.err == ""
    assert not (bench.folder / "var" / "daemon.db").exists()


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def test_a_result_is_kept_once_unless_one_says_no(bench, request, kind, monkeypatch):
    point(monkeypatch, request.getfixturevalue(f"{kind}_url"))
    result(bench)
    assert bench.err == ""  # there is a database, and no schema in it
    bench.ok("db", "upgrade")
    result(bench, "--no-record")
    assert trials(bench) == 0
    result(bench)
    result(bench, tag="another")
    assert trials(bench) == 1
    result(bench, min_spread_bps="11")
    assert trials(bench) == 2
    assert bench.type(*words(data="missing.csv")) == Exit.INPUT
    assert trials(bench) == 2


def test_a_database_that_somebody_writes_to_costs_the_record_and_not_the_result(
    bench, sqlite_url, monkeypatch
):
    point(monkeypatch, sqlite_url)
    monkeypatch.setattr("daemon.app.sweeping.RECORD_PATIENCE_S", 0.0)
    bench.ok("db", "upgrade")
    with Store.open(sqlite_url) as other, other.write():
        assert result(bench)["status"] == "success"
    assert "not kept" in bench.err


# ── what was parsed before ───────────────────────────────────────────────────
@pytest.mark.parametrize(("megabytes", "kept"), [("100", True), ("0", False)])
def test_quotes_are_kept_where_and_as_far_as_the_settings_say(bench, monkeypatch, megabytes, kept):
    monkeypatch.setenv("DAEMON_SWEEPS_CACHE_DIR", "elsewhere")
    monkeypatch.setenv("DAEMON_SWEEPS_CACHE_MB", megabytes)
    first = result(bench)["config_summary"]
    assert (bench.folder / "elsewhere").exists() is kept
    assert not (bench.folder / "var").exists()
    assert result(bench)["config_summary"] == first
