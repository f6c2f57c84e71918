import os
from pathlib import Path

import pytest
from sqlalchemy import update

from daemon.clock import MICROS
from daemon.errors import InputError
from daemon.store import samples
from daemon.store.legacy.report import MAX_PROBLEMS
from daemon.store.tables import (
    change_events,
    changes,
    decisions,
    deltas,
    evidence,
    imported_lines,
    risk_ledger,
    rule_history,
    sample_faults,
    signals,
)
from daemon.store.tables import (
    samples as samples_table,
)
from tests.shelf import in_memory
from tests.unit.store.legacy_kit import (
    NOW_US,
    TS,
    TS_US,
    assert_chained,
    bring_in,
    counts,
    exported,
    jsonl,
    reasons,
    rows,
    write,
)

SHIPPED = Path(__file__).parents[3] / "data" / "legacy"
EFFECTS = "rule_ts,actor,rule,old,new,pre_s,post_s,d_phase,d_entropy,d_creative,d_risk"
LINE = {"ts": TS, "actor": "mara", "rule": "r", "old": 1, "new": 2, "note": "n"}


@pytest.fixture
def store():
    with in_memory() as opened:
        yield opened


def take(row, *names):
    return {name: row[name] for name in names}


# ── where lines go ───────────────────────────────────────────────────────────


def test_history_goes_to_rule_history(store, tmp_path):
    report = bring_in(store, write(tmp_path, rules_history=jsonl({**LINE, "why": [1]})))
    (row,) = rows(store, rule_history)
    assert take(row, "at_us", "actor", "rule", "old", "new", "note") == {
        "at_us": TS_US,
        "actor": "mara",
        "rule": "r",
        "old": 1.0,
        "new": 2.0,
        "note": "n",
    }
    (noted,) = rows(store, imported_lines)
    assert take(noted, "kind", "ref", "extra", "imported_at_us") == {
        "kind": "rules_history",
        "ref": row["seq"],
        "extra": {"why": [1]},
        "imported_at_us": NOW_US,
    }
    assert (report.imported, report.known, report.bad, report.problems) == (1, 0, 0, ())
    assert_chained(store)


def test_effects_go_to_changes_and_deltas(store, tmp_path):
    bring_in(store, write(tmp_path, rules_effects=f"{EFFECTS}\n{TS},lin,r,1,2,90,60,-0.5,,0.25,\n"))
    (change,) = rows(store, changes)
    (noted,) = rows(store, imported_lines)
    assert {name: value for name, value in change.items() if value is not None} == {
        "id": 1,
        "idempotency_key": f"import:{noted['line_key']}",
        "origin": "import",
        "rule": "r",
        "old": 1.0,
        "new": 2.0,
        "state": "kept",
        "epoch": 0,
        "opened_at_us": TS_US,
        "applied_at_us": TS_US,
        "settled_at_us": TS_US,
        "cause": "imported",
    }
    (event,) = rows(store, change_events)
    assert take(event, "change_id", "from_state", "to_state", "cause", "actor", "at_us") == {
        "change_id": 1,
        "from_state": None,
        "to_state": "kept",
        "cause": "imported",
        "actor": "lin",
        "at_us": TS_US,
    }
    names = {row["id"]: row["name"] for row in rows(store, signals)}
    assert {
        names[row["signal_id"]]: tuple(
            take(row, "delta", "pre_s", "post_s", "verdict", "cause", "trial", "at_us").values()
        )
        for row in rows(store, deltas)
    } == {
        "phase_diff": (-0.5, 90.0, 60.0, "inconclusive", "imported", 1, TS_US),
        "creative_band": (0.25, 90.0, 60.0, "inconclusive", "imported", 1, TS_US),
    }
    assert_chained(store)


def test_quotes_go_to_evidence(store, tmp_path):
    quote = {"ts": TS, "by": "lin", "rule": "r", "delta": {"risk": 1}, "confidence": 1, "quote": ""}
    bring_in(store, write(tmp_path, quotes_bank=jsonl(quote, {"ts": TS})))
    assert rows(store, evidence) == [
        {
            "id": 1,
            "at_us": TS_US,
            "author": "lin",
            "rule": "r",
            "delta": {"risk": 1},
            "confidence": 1.0,
            "quote": "",
        },
        {
            "id": 2,
            "at_us": TS_US,
            "author": "unknown",
            "rule": None,
            "delta": None,
            "confidence": None,
            "quote": None,
        },
    ]


def test_risks_go_to_the_ledger(store, tmp_path):
    risk = {"ts": TS, "severity": "crit", "rule": "r", "signal": {"a": 1}, "note": "n"}
    bring_in(store, write(tmp_path, risk_ledger=jsonl(risk)))
    (row,) = rows(store, risk_ledger)
    assert row == {
        "id": 1,
        "at_us": TS_US,
        "severity": "crit",
        "rule": "r",
        "signal": {"a": 1},
        "note": "n",
    }


def test_decisions_go_to_decisions(store, tmp_path):
    line = {"ts": TS, "action": "apply", "dry_run": True, "rule": "r", "old": 1, "new": 2}
    bring_in(store, write(tmp_path, tuning_decisions=jsonl({**line, "evidence": {"n": 5}})))
    (row,) = rows(store, decisions)
    assert take(row, "mode", "kind", "rule", "old", "new", "reason", "evidence", "epoch") == {
        "mode": "dry_run",
        "kind": "apply",
        "rule": "r",
        "old": 1.0,
        "new": 2.0,
        "reason": "imported",
        "evidence": {"n": 5},
        "epoch": 0,
    }
    assert_chained(store)


def test_metrics_go_to_samples(store, tmp_path):
    text = f"ts,phase_diff,risk_band,heat\n{TS},0.5,,7\n{TS_US + 1},,1,\n{TS_US + 2},,,\n"
    report = bring_in(store, write(tmp_path, metrics=text))
    with store.read() as tx:
        names = {signal.id: name for name, signal in samples.lookup(tx).items()}
    found = rows(store, samples_table)
    assert sorted((names[row["signal_id"]], row["at_us"], row["value"]) for row in found) == [
        ("heat", TS_US, 7.0),
        ("phase_diff", TS_US, 0.5),
        ("risk_band", TS_US + 1, 1.0),
    ]
    assert counts(report) == {"metrics": (3, 2, 0, 0)}


def test_a_change_is_found_again_by_its_name(store, tmp_path):
    write(
        tmp_path,
        rules_effects=f"{EFFECTS},change_key\n{TS},lin,r,1,2,,,,,,,alpha\n",
        rules_history=jsonl({**LINE, "change_key": "alpha"}, {**LINE, "change_key": "beta"}),
        tuning_decisions=jsonl({"ts": TS, "change_key": "alpha"}),
    )
    bring_in(store, tmp_path)
    assert [row["change_id"] for row in rows(store, rule_history)] == [1, None]
    assert [row["change_id"] for row in rows(store, decisions)] == [1]
    extras = [row["extra"] for row in rows(store, imported_lines)]
    assert {"change_key": "beta"} in extras


def test_the_outcome_of_a_change_is_taken_over_but_nothing_stays_open(store, tmp_path):
    lines = [f"{TS},a,r,1,2,{end}\n" for end in ("rolled_back", "observing", "dry_run", "fine")]
    text = "rule_ts,actor,rule,old,new,outcome\n" + "".join(lines)
    bring_in(store, write(tmp_path, rules_effects=text))
    assert [(row["state"], row["applied_at_us"]) for row in rows(store, changes)] == [
        ("rolled_back", TS_US),
        ("superseded", TS_US),
        ("dry_run", None),
        ("kept", TS_US),
    ]
    text = exported(store, tmp_path / "out")["rules_effects.csv"].decode()
    assert [line.split(",")[11] for line in text.splitlines()] == [
        "outcome",
        "rolled_back",
        "observing",
        "dry_run",
        "fine",
    ]


def test_a_name_that_another_change_has_is_not_taken(store, tmp_path):
    text = "rule_ts,actor,rule,old,new,change_key\n" + "".join(
        f"{TS},a,r,1,{new},{key}\n" for new, key in ((2, "A"), (3, "A"), (2, "A"))
    )
    report = bring_in(store, write(tmp_path, rules_effects=text))
    keys = [row["idempotency_key"] for row in rows(store, changes)]
    assert keys[0] == "A"
    assert keys[1].startswith("import:")
    assert counts(report) == {"rules_effects": (3, 2, 1, 0)}
    with in_memory() as other:
        out = exported(store, tmp_path / "out")
        bring_in(other, tmp_path / "out")
        assert exported(other, tmp_path / "again") == out


# ── what cannot be taken ─────────────────────────────────────────────────────


def test_bad_lines_are_listed_and_the_rest_goes_in(store, tmp_path):
    text = jsonl(LINE, {**LINE, "new": None}) + "nothing\n" + jsonl(LINE) + '{"ts"'
    report = bring_in(store, write(tmp_path, rules_history=text))
    assert reasons(report) == [
        (2, "new is missing"),
        (3, "not JSON: Expecting value"),
        (5, "the last line is only half written"),
    ]
    assert str(report.problems[0]) == f"{tmp_path}/rules_history.jsonl:2: new is missing"
    assert counts(report) == {"rules_history": (5, 2, 0, 3)}


def test_a_bad_record_tells_when_it_may_be_half_written(store, tmp_path):
    text = f"{EFFECTS}\n{TS},a,r,1,2,,,,,,\nshort\n{TS},a,r,1"
    report = bring_in(store, write(tmp_path, rules_effects=text))
    assert reasons(report) == [
        (3, "1 cells under 11 columns"),
        (4, "4 cells under 11 columns; the last line has no end and may be half written"),
    ]


def test_the_list_of_bad_lines_is_bounded_and_the_count_is_not(store, tmp_path):
    report = bring_in(store, write(tmp_path, rules_history="[]\n" * (MAX_PROBLEMS + 5)))
    (file,) = report.files
    assert (file.bad, len(file.problems)) == (MAX_PROBLEMS + 5, MAX_PROBLEMS)


def test_bad_cells_are_listed_and_the_row_goes_in(store, tmp_path):
    text = (
        "ts,a,b\n"
        f"{TS_US},1,x\n"
        f"{TS_US + 1},nan,1e300\n"
        f"{TS_US},1,2\n"
        f"{TS_US},5,2\n"
        f"{NOW_US + 3 * MICROS},1,1\n"
    )
    report = bring_in(store, write(tmp_path, metrics=text))
    assert [str(problem).rpartition("metrics.csv:")[2] for problem in report.problems] == [
        "2: b: 'x' is not a number",
        "3: a: 'nan' is not a finite number",
        "3: b: '1e300' is not a finite number",
        "5: a: this moment has the value 1.0",
        "6: this moment has not come yet",
    ]
    assert counts(report) == {"metrics": (5, 2, 1, 4)}
    assert rows(store, sample_faults) == []


def test_samples_that_were_pruned_do_not_come_back(store, tmp_path):
    with store.write() as tx:
        samples.declare(tx, ["a"], NOW_US)
        tx.execute(update(signals).values(pruned_until_us=TS_US + 1))
    report = bring_in(store, write(tmp_path, metrics=f"ts,a\n{TS_US},1\n{TS_US + 1},2\n"))
    assert reasons(report) == [(2, "samples before 2026-01-15T08:00:00.000001Z were pruned")]
    assert counts(report) == {"metrics": (2, 1, 0, 1)}


def test_a_file_without_its_columns_is_refused_and_the_others_go_in(store, tmp_path):
    write(tmp_path, metrics=b"time,a\n1,2\n", rules_effects=b"\xff\n", risk_ledger=b"")
    (tmp_path / "rules_history.jsonl").mkdir()
    report = bring_in(store, write(tmp_path, quotes_bank=jsonl({"ts": TS})))
    assert {file.kind: file.refused for file in report.files} == {
        "rules_effects": "byte 1 is not UTF-8 text",
        "rules_history": "it is not a regular file",
        "quotes_bank": None,
        "risk_ledger": None,
        "metrics": "there is no column ts among 'time, a'",
    }
    assert [file.kind for file in report.refused] == ["rules_effects", "rules_history", "metrics"]
    assert report.imported == 1
    assert [problem.line for problem in report.problems] == [1, None, 1]


@pytest.mark.parametrize("text", ["", "ts,a\n"])
def test_a_table_without_rows_is_nothing_to_import(store, tmp_path, text):
    assert counts(bring_in(store, write(tmp_path, metrics=text))) == {"metrics": (0, 0, 0, 0)}


def test_a_pipe_in_place_of_a_file_is_refused(store, tmp_path):
    os.mkfifo(tmp_path / "metrics.csv")
    assert bring_in(store, tmp_path).refused[0].refused == "it is not a regular file"


def test_a_directory_that_is_not_there(store, tmp_path):
    with pytest.raises(InputError, match="there is no directory") as caught:
        bring_in(store, tmp_path / "nowhere")
    assert "rules_effects.csv, rules_history.jsonl" in caught.value.hint


def test_a_directory_without_any_of_the_files(store, tmp_path):
    write(tmp_path, something="x")
    with pytest.raises(InputError, match="none of the files to import") as caught:
        bring_in(store, tmp_path)
    assert "metrics.csv" in caught.value.hint
