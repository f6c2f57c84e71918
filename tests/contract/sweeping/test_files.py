"""Results as files: where the plan says, whole or not at all, and below one folder only."""

import io
import json

import pytest

from daemon.errors import Exit, InputError
from daemon.services.sweeping.export import export
from daemon.services.sweeping.running.outputs import OutputUnwritable
from daemon.store.tables import sessions
from tests.contract.rows import rows_of
from tests.sweeping_kit import Hand, jobs_of, none, run, small, tools, wanted

BOTH = pytest.mark.parametrize("rows_max", [1_000, 0], ids=["rows", "blocks"])


def read(folder, name="s_0001"):
    return json.loads((folder / "outputs" / "tuning" / "s" / f"{name}.json").read_text())


def files(folder):
    return sorted(path.name for path in (folder / "outputs").rglob("*") if path.is_file())


@BOTH
def test_every_job_has_its_file(store, tmp_path, rows_max):
    def broken(asked):
        return "it broke" if (asked.min_spread_bps == 3).any() else None

    used = tools(store, Hand(poison=broken), root=tmp_path)
    run(used, write_json=True, rows_max=rows_max)
    assert files(tmp_path) == [f"s_{n:04}.json" for n in range(1, 13)]
    sound, failed = read(tmp_path), read(tmp_path, "s_0005")
    assert sound["status"] == "success"
    assert sound["config"]["tag"] == "s"
    assert sound["config_summary"]["job_id"] == "s_0001"
    assert failed["status"] == "error"
    assert "it broke" in failed["error"]


@BOTH
def test_files_that_are_wanted_later_are_made_up_for(store, tmp_path, rows_max):
    run(tools(store), rows_max=rows_max)
    run(tools(store, none, root=tmp_path), write_json=True, rows_max=rows_max)
    later = {name: read(tmp_path, name.removesuffix(".json")) for name in files(tmp_path)}
    assert len(later) == 12
    (tmp_path / "fresh").mkdir()
    fresh = tools(store, none, root=tmp_path / "fresh")
    run(fresh, wanted(name="b"), write_json=True)
    assert {name: read(tmp_path / "fresh", name[:-5]) for name in later} == later


def test_a_file_that_is_there_is_not_written_anew(store, tmp_path):
    used = tools(store, root=tmp_path)
    run(used, write_json=True)
    place = tmp_path / "outputs" / "tuning" / "s" / "s_0001.json"
    place.write_text("mine")
    run(tools(store, none, root=tmp_path), write_json=True)
    assert place.read_text() == "mine"


def test_no_file_is_written_that_nobody_asked_for(store, tmp_path):
    run(tools(store, root=tmp_path))
    assert not list(tmp_path.iterdir())


def test_a_link_does_not_lead_out_of_the_folder(store, tmp_path):
    outside, root = tmp_path / "outside", tmp_path / "root"
    outside.mkdir()
    root.mkdir()
    (root / "outputs").symlink_to(outside)
    with pytest.raises(InputError, match="leads out") as refused:
        run(tools(store, root=root), write_json=True)
    assert refused.value.exit_code == Exit.INPUT
    assert not list(outside.iterdir())


def test_a_file_that_cannot_be_written_is_told(store, tmp_path):
    place = tmp_path / "outputs" / "tuning" / "s"
    place.mkdir(parents=True)
    (place / "s_0001.json").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        run(tools(store, none, root=tmp_path), write_json=True)
    assert not rows_of(store, sessions), "nothing was begun"
    (place / "s_0001.json").rmdir()

    def fills(found):
        (place / "s_0003.json").mkdir(exist_ok=True)
        return found

    with pytest.raises(OutputUnwritable, match="cannot be written"):
        run(tools(store, Hand(meddle=fills), root=tmp_path), write_json=True)
    assert "cannot be written" in rows_of(store, sessions)[0]["note"]
    (place / "s_0003.json").rmdir()
    assert run(tools(store, root=tmp_path), write_json=True).state == "done"


def test_a_path_that_begins_at_the_root_is_taken_as_it_is(store, tmp_path):
    (tmp_path / "here").mkdir()
    place = tmp_path / "there" / "b.json"
    planned = jobs_of([("b", 5)], tmp_path, output=str(place))
    run(tools(store, root=tmp_path / "here"), wanted(planned), write_json=True)
    assert json.loads(place.read_text())["config_summary"]["job_id"] == "b"


@BOTH
def test_a_failed_job_says_all_parameters_that_were_in_effect(store, tmp_path, rows_max):
    planned = small(count=1, slippage_bps=-1)
    run(tools(store, root=tmp_path), wanted(planned), write_json=True, rows_max=rows_max)
    config = read(tmp_path)["config"]
    assert config["slippage_bps"] == -1.0
    assert config["initial_balance_usd"] == 10_000.0
    assert (config["max_open_trades"], config["exit_model"]) == (1, "quoted")
    assert (config["exchange_a_to_b_rate"], config["tag"]) == (1.0, "s")
    assert config["stop_on_drawdown_pct"] is None
    out = io.BytesIO()
    export(store, "1", "jsonl", out)
    assert json.loads(out.getvalue().splitlines()[0])["config"] == config


def test_files_of_a_list_of_jobs_go_where_it_says(store, tmp_path):
    planned = jobs_of([("b", 5), ("a", 7)], tmp_path)
    run(tools(store, root=tmp_path), wanted(planned), write_json=True)
    assert {path.name for path in (tmp_path / "outputs").iterdir()} == {"a.json", "b.json"}
