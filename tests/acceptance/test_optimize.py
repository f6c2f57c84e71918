"""``daemon optimize``: from a file to a verdict, and nothing twice."""

import csv
import io
import json

import pytest
import yaml

from daemon.errors import Exit
from tests.acceptance.conftest import on_a_file, point
from tests.acceptance.optimize_kit import STUDY, furnish, write_study
from tests.session_kit import write_quotes

RUN = ("optimize", "small.yaml")


@pytest.fixture
def desk(bare, sqlite_filled_url, monkeypatch):
    """A terminal in a folder with quotes and a study, on a database."""
    point(monkeypatch, sqlite_filled_url)
    furnish(bare.folder)
    return bare


def ran(terminal, *more, code=Exit.DONE):
    """Run the study; gives what it came to as a document."""
    assert terminal.type(*RUN, *more, "-o", "json") == code, terminal.err
    return json.loads(terminal.out)


# ── from a file to a verdict ─────────────────────────────────────────────────
def test_a_study_is_run_judged_and_told(ready):
    furnish(ready.folder)
    shown = ready.ok(*RUN)
    words = [line.split()[0] for line in shown.splitlines() if not line.startswith(" ")]
    assert words[:5] == ["study", "state", "sought", "trials", "data"]
    assert {"folds", "verdict", "gates", "matters", "next", "more"} <= set(words)
    assert "realized_pnl_usd by random, seed 0, over min_spread_bps, max_open_trades" in shown
    assert "48 of 48 in 2 folds" in shown
    assert "study 1 is done after 2 folds (its trials are used up)" in ready.err
    assert "48 trials in this run (48 evaluated, 0 known before), 48 trials in all" in ready.err
    document = ran(ready)
    assert document["schema"] == "daemon.optimize/1"
    assert document["nothing_to_do"]
    assert [fold["trials"] for fold in document["folds"]] == [24, 24]
    gates = document["report"]["judgement"]["gates"]
    assert document["declared"] == all(gate["held"] for gate in gates)


def test_running_it_again_does_nothing_and_says_so(desk):
    first, again = ran(desk), ran(desk)
    assert "nothing to do" in desk.err
    assert (first["evaluated"], again["evaluated"], again["state"]) == (48, 0, "done")
    assert again["study_id"] == first["study_id"]
    assert again["winner"] == first["winner"]


def test_a_larger_budget_goes_on_and_evaluates_only_what_is_new(desk):
    first, more = ran(desk), ran(desk, "--trials", "32")
    assert more["study_id"] == first["study_id"]
    assert (more["trials"], more["evaluated"]) == (64, 16)


def test_another_seed_sampler_or_name_is_another_study(desk):
    numbers = {
        ran(desk, *said)["study_id"]
        for said in ((), ("--seed", "3"), ("--sampler", "qmc"), ("--name", "other"))
    }
    assert len(numbers) == 4
    again = ran(desk, "--name", "other")
    assert (again["known"], again["nothing_to_do"]) == (0, True)
    assert again["name"] == "other"


def test_the_same_under_another_name_is_known_before(desk):
    ran(desk)
    other = ran(desk, "--name", "other")
    assert (other["evaluated"], other["known"]) == (0, 48)


def test_a_space_that_is_exhausted_ends_the_fold(desk):
    write_study(desk.folder, budget="{ trials: 500 }")
    found = ran(desk)
    assert "only 120 points" in desk.err
    assert [fold["trials"] for fold in found["folds"]] == [120, 120]
    exported = [*csv.DictReader(io.StringIO(desk.ok("study", "export", "last")))]
    cells = {(row["fold"], row["min_spread_bps"], row["max_open_trades"]) for row in exported}
    assert len(cells) == 240


def test_several_symbols_and_objectives(desk):
    write_quotes(desk.folder, "other.csv", rows=700)
    files = "[{ symbol: a, file: quotes.csv }, { symbol: b, file: other.csv, weight: 2 }]"
    aims = "[realized_pnl_usd, { metric: max_drawdown_pct, direction: minimize }]"
    write_study(desk.folder, data_file=None, data_files=files, objectives=aims)
    assert [one["symbol"] for one in ran(desk)["report"]["symbols"]] == ["a", "b"]
    rows = desk.rows("study", "rank", "last")
    assert rows
    for row in rows:
        assert row["value"] == pytest.approx(row["a"] + 2 * row["b"])
    assert "max_drawdown_pct" in rows[0]


def test_where_nothing_is_held_back_that_is_said(desk):
    write_study(desk.folder, walk_forward="none")
    found = ran(desk)
    assert "nothing is held back" in desk.err
    assert found["winner"]["oos_value"] is None
    assert "no rows held back" in desk.ok("study", "show", "last")


# ── before it is run ─────────────────────────────────────────────────────────
def test_a_dry_run_says_what_would_be_done_and_does_nothing(desk):
    shown = desk.ok(*RUN, "--dry-run")
    assert len(shown.splitlines()) == 3
    assert "120 points of min_spread_bps, max_open_trades" in desk.err
    assert "random, seed 0: 24 trials in each of 2 folds" in desk.err
    assert "nothing was run" in desk.err
    document = json.loads(desk.ok(*RUN, "--dry-run", "-o", "json"))
    assert document["schema"] == "daemon.optimize.plan/1"
    assert (document["cells"], document["trials"], document["folds"]) == (120, 48, 2)
    assert document["seconds"] > 0
    assert [row["train_rows"] for row in document["rows"]] == [540, 720]
    assert document["rows"][0]["train_from_at"].startswith("20")
    assert desk.rows("study", "list") == []


@pytest.mark.parametrize("output", ["csv", "yaml"])
def test_a_dry_run_in_other_formats(desk, output):
    shown = desk.ok(*RUN, "--dry-run", "-o", output)
    if output == "yaml":
        assert yaml.safe_load(shown)["trials_per_fold"] == 24
    else:
        assert [row["fold"] for row in csv.DictReader(io.StringIO(shown))] == ["1", "2"]


def test_a_dry_run_doubts_what_the_quotes_make_doubtful(desk):
    text = STUDY.replace("low: 2, high: 60", "low: 4000, high: 6000")
    write_study(desk.folder, text)
    desk.ok(*RUN, "--dry-run")
    assert "warning [never-trades]" in desk.err


def test_folds_that_are_longer_than_the_data_are_refused(desk):
    write_study(desk.folder, walk_forward="{ folds: 10, test_share: 0.01 }")
    for more in ((), ("--dry-run",)):
        assert desk.type(*RUN, *more) == Exit.INPUT
        assert "at least 20 are needed" in desk.err
    assert desk.rows("study", "list") == []


# ── what is refused ──────────────────────────────────────────────────────────
def test_everything_that_is_wrong_with_a_file_is_told_at_once(desk):
    text = STUDY.replace("low: 2, high: 60", "low: 60, high: 2").replace("batch: 8", "bach: 8")
    write_study(desk.folder, text)
    assert desk.type(*RUN) == Exit.INPUT
    assert "2 problems in the study" in desk.err
    assert "small.yaml:9: space.min_spread_bps.low: is 60, and `high` only 2" in desk.err
    assert "did you mean `batch`?" in desk.err
    assert desk.type("config", "lint", "small.yaml") == Exit.CONFIG
    assert desk.rows("study", "list") == []


@pytest.mark.parametrize(
    "words",
    [
        ["optimize"],
        [*RUN, "--on", "moon"],
        [*RUN, "--on", "kubernetes"],
        [*RUN, "--workers", "0"],
        [*RUN, "--trials", "0"],
        [*RUN, "--minutes", "0"],
        [*RUN, "--sampler", "bayes"],
    ],
)
def test_wrong_usage(desk, words):
    assert desk.type(*words) == Exit.USAGE
    assert desk.out == ""


@pytest.mark.parametrize("name", ["17", "last", " x", ""])
def test_a_name_by_which_it_could_not_be_found_is_refused(desk, name):
    assert desk.type(*RUN, "--name", name) == Exit.INPUT
    assert "--name" in desk.err


@pytest.mark.parametrize("how", ["gone", "bad row"])
def test_quotes_that_cannot_be_read_are_told_before_anything_is_begun(desk, how):
    path = desk.folder / "quotes.csv"
    if how == "gone":
        path.unlink()
    else:
        path.write_text(path.read_text() + "x,y\n")
    assert desk.type(*RUN) == Exit.INPUT
    assert "quotes.csv" in desk.err
    assert desk.rows("study", "list") == []


def test_a_study_that_was_never_run_is_not_resumed(desk):
    assert desk.type(*RUN, "--resume") == Exit.INPUT
    assert "never run" in desk.err
    ran(desk)
    assert ran(desk, "--resume", "--trials", "26")["evaluated"] == 4


def test_without_a_database_the_command_that_makes_one_is_named(bare, monkeypatch):
    monkeypatch.setenv("DAEMON_DATABASE_URL", f"sqlite:///{bare.folder}/none.db")
    furnish(bare.folder)
    assert bare.type(*RUN) in {Exit.IO, Exit.CONFIG}
    assert "daemon db upgrade" in bare.err


# ── when it is due ───────────────────────────────────────────────────────────
def test_a_study_runs_when_it_is_due_and_not_before(desk):
    first = ran(desk, "--if-due")
    assert first["evaluated"] == 48
    assert desk.type(*RUN, "--if-due", "-o", "json") == Exit.DONE
    again = json.loads(desk.out)
    assert (again["due"], again["exit_code"]) == (False, 0)
    assert {one["fired"] for one in again["triggers"]} == {False}
    assert desk.ok(*RUN, "--if-due") == ""
    ran(desk, "--sampler", "qmc")  # another study of the name is no answer to this one
    assert desk.type(*RUN, "--if-due", "-o", "json") == Exit.DONE
    assert json.loads(desk.out)["due"] is False
    told = desk.rows("study", "triggers", "small")
    assert {row["name"] for row in told} == {"small"}
    assert any(row["fired"] and row["started"] == first["study_id"] for row in told)
    assert desk.ok("study", "triggers")


# ── its limits ───────────────────────────────────────────────────────────────
@on_a_file
def test_a_study_holds_within_its_limits(ready):
    furnish(ready.folder, limits="{ memory_mb: 1500, workers: 1 }")
    assert ran(ready)["evaluated"] == 48
