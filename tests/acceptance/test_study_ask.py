"""``daemon study``: what studies found, asked by number, by name and as the last one."""

import csv
import io
import json
import shutil

import pytest

from daemon.cli.main import run
from daemon.errors import Exit
from tests.acceptance.conftest import point
from tests.acceptance.optimize_kit import furnish


@pytest.fixture(scope="module")
def searched(sqlite_filled, tmp_path_factory):
    """A folder with quotes, a study and a database in which it was run; to be copied."""
    folder = tmp_path_factory.mktemp("searched")
    shutil.copy(sqlite_filled, folder / "run.db")
    furnish(folder, promote="[min_spread_bps]")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        point(patch, f"sqlite:///{folder / 'run.db'}")
        assert run(["optimize", "small.yaml"]) == 0
        assert run(["optimize", "small.yaml", "--name", "second", "--trials", "8"]) == 0
    return folder


@pytest.fixture
def desk(searched, bare, monkeypatch):
    shutil.copytree(searched, bare.folder, dirs_exist_ok=True)
    point(monkeypatch, f"sqlite:///{bare.folder / 'run.db'}")
    return bare


# ── list and show ────────────────────────────────────────────────────────────
def test_studies_are_listed_the_newest_first(desk):
    rows = desk.rows("study", "list")
    assert [(row["study"], row["name"], row["state"]) for row in rows] == [
        (2, "second", "done"),
        (1, "small", "done"),
    ]
    assert [row["trials"] for row in rows] == [16, 48]
    shown = desk.ok("study", "list", "--limit", "1")
    assert "second" in shown
    assert "--limit shows more" in desk.err


@pytest.mark.parametrize(("ref", "number"), [("last", 2), ("small", 1), ("1", 1)])
def test_a_study_is_shown_by_number_by_name_and_as_the_last(desk, ref, number):
    found = json.loads(desk.ok("study", "show", ref, "-o", "json"))
    assert (found["schema"], found["study"]) == ("daemon.study.show/1", number)
    assert len(found["walk"]) == 2
    shown = desk.ok("study", "show", ref)
    assert shown.startswith(f"study      {number} (")
    gates = found["report"]["judgement"]["gates"]
    for gate in gates:
        assert gate["text"] in shown
    assert f"daemon study rank {number}" in shown


def test_what_is_not_declared_is_not_to_be_traded_on(desk):
    found = json.loads(desk.ok("study", "show", "second", "-o", "json"))
    shown = desk.ok("study", "show", "second")
    if found["declared"]:
        assert "is declared the winner" in shown
    else:
        assert "verdict    no winner is declared" in shown
        for advice in found["report"]["judgement"]["next"][:3]:
            assert advice in shown
        assert found["proposals"] == []


@pytest.mark.parametrize("command", ["show", "rank", "cancel", "export"])
@pytest.mark.parametrize(("ref", "hint"), [("smallx", "small"), ("99", "daemon study list")])
def test_what_nobody_has_run_is_refused_with_what_there_is(desk, command, ref, hint):
    assert desk.type("study", command, ref) == Exit.USAGE
    assert hint in desk.err
    assert desk.out == ""


def test_without_a_study_the_command_that_runs_one_is_named(bare, sqlite_filled_url, monkeypatch):
    point(monkeypatch, sqlite_filled_url)
    bare.ok("study", "list")
    assert "daemon optimize FILE" in bare.err
    bare.ok("study", "triggers")
    assert "--if-due" in bare.err
    assert bare.type("study", "show", "last") == Exit.USAGE
    assert "daemon optimize FILE" in bare.err


# ── rank ─────────────────────────────────────────────────────────────────────
def test_ranks_in_sample_and_out_of_sample_stand_side_by_side(desk):
    document = json.loads(desk.ok("study", "rank", "small", "--max-results", "24", "-o", "json"))
    assert (document["fold"], document["folds"], document["study"]) == (2, 2, 1)
    rows = document["rows"]
    values = [row["value"] for row in rows if row["violation"] == 0]
    assert values == sorted(values, reverse=True)
    assert rows[0]["rank"].rstrip("=") == "1"
    assert {row["oos_rank"] for row in rows} - {None}
    equal = [row["value"] for row in rows]
    for row in rows:
        assert row["rank"].endswith("=") == (equal.count(row["value"]) > 1)
    first = json.loads(desk.ok("study", "rank", "small", "--fold", "1", "-o", "json"))
    assert first["fold"] == 1
    assert first["rows"] != rows[:10]
    assert desk.type("study", "rank", "small", "--fold", "3") == Exit.USAGE
    assert "study 1 has no fold 3" in desk.err
    assert "its folds are 1 to 2" in desk.err
    shown = desk.ok("study", "rank", "small")
    assert shown.split()[:5] == ["rank", "oos_rank", "robust_rank", "trial", "mark"]
    assert "study 1 (small), fold 2 of 2: realized_pnl_usd" in desk.err


def test_a_fold_that_there_is_not_is_refused(desk):
    assert desk.type("study", "rank", "small", "--fold", "9") == Exit.USAGE
    assert "fold 9" in desk.err
    for command in (("study", "list"), ("study", "triggers"), ("session", "list")):
        assert desk.type(*command, "--limit", "9" * 20) == Exit.USAGE


# ── cancel ───────────────────────────────────────────────────────────────────
def test_what_is_done_is_not_cancelled(desk):
    assert "done already" in desk.ok("study", "cancel", "last")
    assert desk.rows("study", "list")[0]["state"] == "done"


# ── export ───────────────────────────────────────────────────────────────────
def test_every_trial_is_exported_with_what_it_brought(desk):
    rows = [*csv.DictReader(io.StringIO(desk.ok("study", "export", "small")))]
    assert [int(row["n"]) for row in rows] == [*range(1, 49)]
    for row in rows:
        assert row["state"] == "done"
        assert float(row["value_realized_pnl_usd"]) == float(row["train_realized_pnl_usd"])
        assert float(row["oos_value"]) == float(row["test_realized_pnl_usd"])
        assert 2 <= float(row["min_spread_bps"]) <= 60
    lines = [
        json.loads(line)
        for line in desk.ok("study", "export", "1", "-o", "jsonl").split("\n")
        if line
    ]
    assert [line["n"] for line in lines] == [*range(1, 49)]
    for line, row in zip(lines, rows, strict=True):
        told = line["metrics"]["data"]["train"]["realized_pnl_usd"]
        assert told == float(row["train_realized_pnl_usd"]) == line["values"]["realized_pnl_usd"]


def test_parquet_says_what_csv_says(desk):
    parquet = pytest.importorskip("pyarrow.parquet")
    desk.ok("study", "export", "small", "-o", "parquet", "--output", "all.parquet")
    assert "48 trials in all.parquet" in desk.err
    table = parquet.read_table(desk.folder / "all.parquet").to_pylist()
    rows = [*csv.DictReader(io.StringIO(desk.ok("study", "export", "small", "--output", "-")))]
    assert [*table[0]] == [*rows[0]]
    for mine, row in zip(table, rows, strict=True):
        assert mine["n"] == int(row["n"])
        assert mine["train_realized_pnl_usd"] == float(row["train_realized_pnl_usd"])
        assert mine["known"] is (row["known"] == "True")


def test_optuna_is_handed_every_fold(desk):
    optuna = pytest.importorskip("optuna")
    url = f"sqlite:///{desk.folder / 'optuna.db'}"
    desk.ok("study", "export", "second", "--optuna", url)
    assert "8 trials into Optuna's study 'second 2 fold 1'" in desk.err
    names = optuna.study.get_all_study_names(url)
    assert sorted(names) == ["second 2 fold 1", "second 2 fold 2"]
    study = optuna.load_study(study_name=names[0], storage=url)
    rows = [*csv.DictReader(io.StringIO(desk.ok("study", "export", "second")))]
    own = [row for row in rows if row["fold"] == names[0][-1]]
    assert [trial.value for trial in study.trials] == [
        float(row["value_realized_pnl_usd"]) for row in own
    ]
    assert [trial.params["min_spread_bps"] for trial in study.trials] == [
        float(row["min_spread_bps"]) for row in own
    ]
    desk.ok("study", "export", "second", "--optuna", url)
    assert "0 trials into Optuna's study 'second 2 fold 1', 8 were there" in desk.err
    assert desk.type("study", "export", "second", "--optuna", "nonsense://x") == Exit.FAILED
    assert "Traceback" not in desk.err
    more = ("--optuna", url, "--output", "x.csv")
    assert desk.type("study", "export", "second", *more) == Exit.USAGE
