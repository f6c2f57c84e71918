import csv
import hashlib
import io
import json

import pytest

from daemon.errors import InputError
from daemon.store import history, migrate, samples
from daemon.store.changes import Delta, Move, NewChange, add_deltas, advance, open_change
from daemon.store.legacy import export_directory
from daemon.store.store import Store
from daemon.store.tables import evidence, risk_ledger
from daemon.tuning.vocabulary import ChangeState
from tests.shelf import in_memory
from tests.unit.store.legacy_kit import (
    NOW_US,
    TS,
    TS_US,
    assert_chained,
    bring_in,
    exported,
    files,
    jsonl,
    write,
)


@pytest.fixture
def store():
    with in_memory() as opened:
        yield opened


def a_life(store):
    """One row of everything, and changes that ended in several ways."""
    with store.write() as tx:
        known = samples.declare(tx, ["phase_diff", "phase", "ts", "a,b"], TS_US)
        first = change(tx, "k1", "r1", "keeper")
        second = change(tx, "k2", "r2", "")
        advance(tx, first, ChangeState.APPLYING, ChangeState.OBSERVING, move("applied", TS_US + 5))
        add_deltas(
            tx,
            [
                Delta(
                    change_id=first,
                    signal_id=known[name].id,
                    at_us=TS_US,
                    verdict="worse",
                    trial=trial,
                    delta=delta,
                    pre_s=trial * 10.0,
                    post_s=None,
                )
                for trial, name, delta in (
                    (1, "a,b", 9.0),
                    (1, "phase", 9.0),
                    (2, "phase_diff", -0.5),
                    (2, "phase", 0.25),
                    (2, "ts", None),
                )
            ],
        )
        target = ChangeState.ROLLING_BACK
        advance(tx, first, ChangeState.OBSERVING, target, move("guard: a, b"))
        advance(tx, first, target, ChangeState.ROLLED_BACK, move("guard: a, b"))
        for about in (first, second, 77, None):
            history.append(
                tx, history.RuleSet(at_us=TS_US, rule="r", new=1, actor="x", change_id=about)
            )
        seq = history.append(tx, decision(first))
        history.repeat(tx, seq, TS_US)
        tx.execute(
            risk_ledger.insert().values(
                at_us=TS_US, severity="warn", signal={"b": 1e300, "a": -0.0}
            )
        )
        tx.execute(evidence.insert().values(at_us=TS_US, author="me", delta=[1, 2], confidence=0.5))
        samples.ingest(tx, [("ts", TS_US, 1.0), ("phase_diff", TS_US, -0.0)], NOW_US)
        samples.ingest(tx, [("ts", TS_US + second, second / 7) for second in range(5_000)], NOW_US)


def change(tx, key, rule, actor):
    new = NewChange(idempotency_key=key, rule=rule, old=1, new=2, opened_at_us=TS_US, epoch=4)
    return open_change(tx, new, ChangeState.APPLYING, move("why", actor=actor))


def move(cause, at_us=TS_US, actor="daemon"):
    return Move(at_us=at_us, cause=cause, actor=actor)


def decision(change_id):
    return history.Decision(
        at_us=TS_US,
        mode="replay",
        kind="extend",
        reason="Not a code, really",
        explanation="",
        rule="r",
        policy="p",
        change_id=change_id,
        evidence={"z": {"b": [1e16, 0.1], "a": None}, "a": "größer"},
        epoch=7,
    )


def table(raw):
    return list(csv.DictReader(io.StringIO(raw.decode(), newline="")))


def lines(raw):
    return [json.loads(line) for line in raw.decode().splitlines()]


def test_what_the_daemon_did_is_exported(store, tmp_path):
    a_life(store)
    out = exported(store, tmp_path / "out")
    first, second = table(out["rules_effects.csv"])
    assert {name: cell for name, cell in first.items() if cell} == {
        "rule_ts": "2026-01-15T08:00:00.000005Z",
        "actor": "keeper",
        "rule": "r1",
        "old": "1.0",
        "new": "2.0",
        "pre_s": "20.0",
        "d_phase": "-0.5",
        'd_signal:"phase"': "0.25",
        "outcome": "rolled_back",
        "change_key": "k1",
        "cause": "guard: a, b",
        "origin": "loop",
    }
    assert (second["actor"], second["outcome"]) == ("unknown", "applying")
    assert [line.get("change_key") for line in lines(out["rules_history.jsonl"])] == [
        "k1",
        "k2",
        77,
        None,
    ]
    assert lines(out["tuning_decisions.jsonl"]) == [
        {
            "ts": TS,
            "mode": "replay",
            "kind": "extend",
            "rule": "r",
            "reason": "Not a code, really",
            "explanation": "",
            "policy": "p",
            "evidence": {"a": "größer", "z": {"a": None, "b": [1e16, 0.1]}},
            "change_key": "k1",
            "epoch": 7,
            "row": 1,
        }
    ]
    assert out["risk_ledger.jsonl"].decode() == (
        f'{{"ts": "{TS}", "severity": "warn", "signal": {{"a": 0, "b": 1e+300}}, "row": 1}}\n'
    )
    assert lines(out["quotes_bank.jsonl"]) == [
        {"ts": TS, "by": "me", "delta": [1, 2], "confidence": 0.5, "row": 1}
    ]
    metrics = out["metrics.csv"].decode().splitlines()
    assert metrics[:3] == [
        'ts,phase_diff,"signal:""ts"""',
        f"{TS},0.0,1.0",
        f"2026-01-15T08:00:00.000001Z,,{1 / 7!r}",
    ]
    assert len(metrics) == 5_001


def test_an_export_of_an_import_of_an_export_is_the_export(store, tmp_path):
    a_life(store)
    first = exported(store, tmp_path / "first")
    with in_memory() as other:
        report = bring_in(other, tmp_path / "first")
        assert report.problems == ()
        assert exported(other, tmp_path / "second") == first
        assert bring_in(other, tmp_path / "second").imported == 0
        assert_chained(other)
    assert bring_in(store, tmp_path / "first").imported == 0
    assert exported(store, tmp_path / "third") == first


@pytest.mark.postgres
def test_both_databases_export_the_same(store, tmp_path, postgres_url):
    a_life(store)
    write(
        tmp_path / "legacy",
        rules_history=jsonl(
            {"ts": TS, "rule": "r", "new": 1, "b": {"big": 2**60, "x": 1.0}},
            {"ts": TS, "rule": "r", "new": 1, "b": [1e300, 1e-7, -0.0, 2**53], "a": None},
        ),
        quotes_bank=jsonl({"ts": TS, "quote": "größer \u2028", "delta": {"b": 1e22, "a": 1.0}}),
        rules_effects=f"rule_ts,rule,old,new,pre_s,d_heat,note\n{TS},r,1,2,9,,x\n{TS},r,1,2,9,1,\n",
    )
    bring_in(store, tmp_path / "legacy")
    here = exported(store, tmp_path / "here")
    with Store.open(postgres_url) as there:
        migrate.upgrade(there)
        a_life(there)
        bring_in(there, tmp_path / "legacy")
        assert exported(there, tmp_path / "there") == here
        again = bring_in(there, tmp_path / "here")
        assert (again.imported, again.problems) == (0, ())
        assert_chained(there)


@pytest.mark.postgres
def test_postgres_takes_back_what_it_exported(store, tmp_path, postgres_url):
    a_life(store)
    here = exported(store, tmp_path / "here")
    with Store.open(postgres_url) as there:
        migrate.upgrade(there)
        assert bring_in(there, tmp_path / "here").problems == ()
        assert exported(there, tmp_path / "there") == here
        assert bring_in(there, tmp_path / "there").imported == 0


# ── files and directories ────────────────────────────────────────────────────


def test_the_report_says_what_was_written(store, tmp_path):
    a_life(store)
    heard = []
    directory = tmp_path / "a" / "b"
    report = export_directory(store, directory, on_progress=lambda *said: heard.append(said))
    on_disk = files(directory)
    assert {file.path.name for file in report.files} == on_disk.keys()
    for file in report.files:
        raw = on_disk[file.path.name]
        assert (file.bytes, file.sha256) == (len(raw), hashlib.sha256(raw).hexdigest())
    assert {file.kind: file.rows for file in report.files} == {
        "rules_effects": 2,
        "rules_history": 4,
        "quotes_bank": 1,
        "risk_ledger": 1,
        "tuning_decisions": 1,
        "metrics": 5_000,
    }
    assert report.rows == 5_009
    assert [said for said in heard if said[0] == "metrics.csv"] == [
        ("metrics.csv", rows) for rows in (1_000, 2_000, 3_000, 4_000, 5_000, 5_000)
    ]


def test_a_database_without_rows_exports_nothing(store, tmp_path):
    report = export_directory(store, tmp_path / "out")
    assert (report.files, report.rows, files(tmp_path / "out")) == ((), 0, {})


def test_a_directory_that_is_not_empty_is_refused(store, tmp_path):
    write(tmp_path, metrics="ts\n")
    with pytest.raises(InputError, match="is not empty"):
        export_directory(store, tmp_path)
    assert files(tmp_path) == {"metrics.csv": b"ts\n"}


def test_overwriting_leaves_no_file_that_says_otherwise(store, tmp_path):
    write(tmp_path, metrics="ts\n", risk_ledger="old", other="kept")
    with store.write() as tx:
        tx.execute(risk_ledger.insert().values(at_us=0, severity="info"))
    export_directory(store, tmp_path, overwrite=True)
    assert files(tmp_path).keys() == {"risk_ledger.jsonl", "other.jsonl"}


def test_what_a_killed_export_left_behind_is_no_obstacle(store, tmp_path):
    (tmp_path / ".metrics.csv.part").write_text("half")
    a_life(store)
    export_directory(store, tmp_path)
    assert ".metrics.csv.part" not in files(tmp_path)


class TiredError(Exception):
    pass


def test_an_export_that_breaks_off_leaves_whole_files_only(store, tmp_path):
    a_life(store)

    def tire(file, rows):
        if (file, rows) == ("metrics.csv", 3_000):
            raise TiredError

    with pytest.raises(TiredError):
        export_directory(store, tmp_path, on_progress=tire)
    assert len(files(tmp_path)) == 5
    assert "metrics.csv" not in files(tmp_path)


def test_a_directory_that_cannot_be_made_says_so(store, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written: File exists"):
        export_directory(store, tmp_path / "file")


def test_extra_fields_come_back_in_their_places(store, tmp_path):
    given = {"ts": TS, "actor": "a", "rule": "r", "old": "much", "new": 1.0, "z": 1, "b": [2**60]}
    bring_in(store, write(tmp_path / "in", rules_history=jsonl(given)))
    out = exported(store, tmp_path / "out")["rules_history.jsonl"].decode()
    assert out == (
        f'{{"ts": "{TS}", "actor": "a", "rule": "r", "old": "much", "new": 1.0,'
        f' "b": [{2**60}], "z": 1}}\n'
    )
