"""All results of a session, in order, in three forms."""

import csv
import io
import json

import pytest

from daemon.errors import InputError, MissingExtra
from daemon.market.metrics import NAMES
from daemon.services.sweeping import export as exports
from daemon.services.sweeping.asking import UnknownSession
from daemon.services.sweeping.export import COLUMNS, export
from tests.sweeping_kit import Hand, jobs_of, market, run, small, tools, wanted

BOTH = pytest.mark.parametrize("rows_max", [1_000, 0], ids=["rows", "blocks"])


def broken(asked):
    return "it broke" if (asked.min_spread_bps == 3).any() else None


def written(store, form, rows_max, planned=None):
    run(tools(store, Hand(poison=broken)), wanted(planned or small()), rows_max=rows_max)
    out = io.BytesIO()
    count = export(store, "night", form, out)
    assert not out.closed
    assert count == 12
    return out.getvalue()


@BOTH
def test_a_table_holds_every_job_in_order(store, rows_max):
    text = written(store, "csv", rows_max).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == COLUMNS
    assert [int(row["n"]) for row in rows] == list(range(1, 13))
    assert [row["status"] for row in rows].count("error") == 2
    failed, sound = rows[4], rows[0]
    assert "it broke" in failed["error"]
    assert failed["realized_pnl_usd"] == ""
    assert float(failed["min_spread_bps"]) == 3
    assert sound["exit_model"] == "quoted"
    assert sound["tag"] == "s"
    assert float(sound["realized_pnl_usd"]) == pytest.approx(
        float(sound["final_balance_usd"]) - 10_000
    )


@BOTH
def test_a_line_a_job_has_the_form_of_the_contract(store, rows_max):
    lines = written(store, "jsonl", rows_max).decode().splitlines()
    documents = [json.loads(line) for line in lines]
    assert [one["config_summary"]["job_id"] for one in documents] == [
        f"s_{n:04}" for n in range(1, 13)
    ]
    sound, failed = documents[0], documents[4]
    assert list(sound) == ["status", "config", "metrics", "config_summary"]
    assert sound["config"]["data_file"] == "q.csv"
    assert sound["config"]["min_spread_bps"] == 1.0
    assert sound["config"]["tag"] == "s"
    assert list(sound["metrics"])[8] == "runtime_seconds"
    assert set(sound["metrics"]) == {*NAMES, "runtime_seconds"}
    assert sound["config_summary"]["data_digest"] == market().digest
    assert failed["status"] == "error"
    assert "metrics" not in failed
    assert "it broke" in failed["error"]


@BOTH
def test_a_parquet_file_holds_the_same_as_columns(store, rows_max):
    parquet = pytest.importorskip("pyarrow.parquet")
    data = written(store, "parquet", rows_max)
    table = parquet.read_table(io.BytesIO(data)).to_pydict()
    assert tuple(table) == COLUMNS
    out = io.BytesIO()
    export(store, "1", "csv", out)
    rows = list(csv.DictReader(io.StringIO(out.getvalue().decode())))
    for name in COLUMNS:
        told = ["" if value is None else str(value) for value in table[name]]
        assert told == [row[name] for row in rows], name


def test_without_the_library_parquet_says_what_to_install(store, monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(exports, "import_module", missing)
    run(tools(store))
    with pytest.raises(MissingExtra, match="parquet") as refused:
        export(store, "1", "parquet", io.BytesIO())
    assert "pip install" in refused.value.hint


def test_refused_parameters_do_not_stop_an_export(store):
    pytest.importorskip("pyarrow.parquet")
    planned = small(count=3, max_position_usd=0)
    run(tools(store), wanted(planned))
    for form in exports.FORMATS:
        assert export(store, "1", form, io.BytesIO()) == 6


def test_a_session_or_a_form_that_nobody_knows(store):
    with pytest.raises(UnknownSession):
        export(store, "night", "csv", io.BytesIO())
    with pytest.raises(InputError, match="xlsx"):
        export(store, "night", "xlsx", io.BytesIO())


@BOTH
def test_jobs_of_a_file_keep_their_names(store, rows_max, tmp_path):
    planned = jobs_of([("b", 5), ("a", 7), ("c 1", 9)], tmp_path)
    run(tools(store), wanted(planned), rows_max=rows_max)
    out = io.BytesIO()
    export(store, "1", "csv", out)
    rows = list(csv.DictReader(io.StringIO(out.getvalue().decode())))
    assert [row["job_id"] for row in rows] == ["b", "a", "c 1"]
    assert [float(row["min_spread_bps"]) for row in rows] == [5, 7, 9]
