import json
import re
import sys
from types import SimpleNamespace

import pytest
from baselines import Nothing
from decisions import main, parse, policies_of
from plants import BY_NAME


@pytest.fixture
def coreless(monkeypatch):
    monkeypatch.setitem(sys.modules, "core", None)


def test_a_comparison_prints_tables_and_writes_every_run(tmp_path, capsys):
    file = tmp_path / "runs.json"
    arguments = ["--plants", "linear,no effect .9", "--policies", "nothing,pattern"]
    assert main([*arguments, "--seeds", "2", "--hours", "1", "--json", str(file)]) == 0
    shown = capsys.readouterr()
    assert "linear" in shown.out
    assert "No effect .9" in shown.out
    assert "4 of 4" in shown.err
    written = json.loads(file.read_text())
    assert len(written["runs"]) == 8
    assert len(written["tables"]) == 4
    gains = {(run["plant"], run["policy"]): run["gain"] for run in written["runs"]}
    assert gains["linear", "nothing"] == pytest.approx(0)
    assert gains["linear", "pattern"] > 0.2
    assert gains["no effect .9", "pattern"] is None


def test_processes_change_nothing_but_the_time(tmp_path):
    found = []
    for jobs in (1, 2):
        file = tmp_path / f"{jobs}.json"
        chosen = ["--plants", "linear", "--policies", "spsa", "--seeds", "2", "--hours", "0.5"]
        main([*chosen, "--jobs", str(jobs), "--json", str(file)])
        runs = json.loads(file.read_text())["runs"]
        found.append([{**run, "cpu_s": 0} for run in runs])
    assert found[0] == found[1]


@pytest.mark.usefixtures("coreless")
def test_our_policy_is_left_out_with_a_word_where_nobody_builds_it(capsys):
    assert "core" not in policies_of(parse([]))
    assert "benchmarks/core.py is missing" in capsys.readouterr().err


@pytest.mark.usefixtures("coreless")
def test_our_policy_is_missed_where_it_was_asked_for():
    with pytest.raises(SystemExit, match=r"core\.py is missing"):
        policies_of(parse(["--policies", "core,pattern"]))


def test_our_policy_comes_last_and_has_goals(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "core", SimpleNamespace(core_policy=Nothing))
    arguments = ["--plants", "linear,no effect .9", "--policies", "core,pattern"]
    assert main([*arguments, "--seeds", "1", "--hours", "0.5", "--strict"]) == 1
    shown = capsys.readouterr().out
    assert re.search(r"plant +pattern +core +goal", shown)
    assert "MISSED" in shown


@pytest.mark.parametrize("arguments", [["--plants", "liner"], ["--policies", "patterns"]])
def test_a_misspelt_name_is_refused_with_the_names_there_are(arguments, capsys):
    with pytest.raises(SystemExit):
        parse(arguments)
    assert "is none of" in capsys.readouterr().err


def test_quick_is_shorter_than_what_is_asked_for_otherwise():
    assert parse(["--quick"]).hours == 6
    assert parse([]).plants == tuple(BY_NAME)


def test_what_is_known_is_not_run_again_but_ours_is(tmp_path, capsys, monkeypatch):
    file = tmp_path / "runs.json"
    asked = ["--plants", "linear", "--seeds", "2", "--hours", "0.5"]
    main([*asked, "--policies", "pattern", "--json", str(file)])
    first = json.loads(file.read_text())["runs"]
    monkeypatch.setitem(sys.modules, "core", SimpleNamespace(core_policy=Nothing))
    for _ in range(2):
        main([*asked, "--policies", "pattern,core", "--known", str(file), "--json", str(file)])
        assert "2 of 2" in capsys.readouterr().err
        runs = json.loads(file.read_text())["runs"]
        assert [run for run in runs if run["policy"] == "pattern"] == first
        assert [run["policy"] for run in runs].count("core") == 2


def test_runs_of_another_length_are_not_compared(tmp_path):
    file = tmp_path / "runs.json"
    asked = ["--plants", "linear", "--seeds", "1", "--policies", "pattern"]
    main([*asked, "--hours", "0.5", "--json", str(file)])
    with pytest.raises(SystemExit, match="another length"):
        main([*asked, "--hours", "1", "--known", str(file)])
