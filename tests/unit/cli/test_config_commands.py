import csv
import io
import json
import os
from pathlib import Path

import pytest
import yaml

from daemon.cli.main import run

STUDIES = Path(__file__).parents[3] / "configs" / "studies"
POLICY = """\
targets: { a: { max: 1 } }
rules: { r: { init: 0, min: 0, max: 1, lr: 0.1 } }
"""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A directory of its own, and an environment without settings."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("DAEMON_")]:
        monkeypatch.delenv(name)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "daemon.yaml").write_text("signals: { a: }\n")
    (tmp_path / "configs" / "self_tuning.yaml").write_text(POLICY)
    return tmp_path


# ── lint ─────────────────────────────────────────────────────────────────────
def test_lint_names_what_holds(capsys):
    assert run(["config", "lint"]) == 0
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert lines[0] == ("ok  configs/daemon.yaml       settings: sqlite:///var/daemon.db, 1 signal")
    assert lines[1].startswith(
        "ok  configs/self_tuning.yaml  policy: 1 target, 1 rule, 0 guards, dry run, sha256 "
    )
    assert shown.err == ""


def test_lint_tells_every_problem_and_ends_with_78(place, capsys):
    (place / "bad.yaml").write_text("targets:\n  b: { max: 1 }\nrules: {}\nlr: 1\n")
    assert run(["config", "lint", "bad.yaml", "configs/daemon.yaml"]) == 78
    shown = capsys.readouterr()
    assert shown.out == "ok  configs/daemon.yaml  settings: sqlite:///var/daemon.db, 1 signal\n"
    assert shown.err == (
        "error: 3 problems in the configuration:\n"
        "  bad.yaml:2: targets.b: no source provides this signal\n"
        "      hint: known: `a`\n"
        "  bad.yaml:3: rules: must name at least one\n"
        "      hint: What may be moved, and how far\n"
        "  bad.yaml:4: lr: is not a key that exists here\n"
        "      hint: `lr` belongs under `rules.*`\n"
    )


def test_lint_warns_and_ends_with_0(place, capsys, monkeypatch):
    monkeypatch.setenv("DAEMON_LOG_LEVLE", "debug")
    (place / "configs" / "daemon.yaml").write_text("signals: {}\n")
    assert run(["config", "lint"]) == 0
    shown = capsys.readouterr()
    assert shown.out.count("ok  ") == 2
    assert shown.err == (
        "warning: DAEMON_LOG_LEVLE: is set, but no setting has this variable: it is ignored\n"
        "    hint: did you mean `DAEMON_LOG_LEVEL`?\n"
        "warning: configs/self_tuning.yaml:1: targets:"
        " the names of the signals were not checked: the settings list none\n"
        "    hint: list what the sources provide under `signals` in configs/daemon.yaml\n"
    )


def test_lint_for_a_machine(place, capsys):
    (place / "bad.yaml").write_text("\nlgo: {}\n")
    assert run(["config", "lint", "-o", "json", "bad.yaml"]) == 78
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {
        "schema": "daemon.config.lint/1",
        "rows": [
            {
                "file": "bad.yaml",
                "line": 2,
                "key": "lgo",
                "severity": "error",
                "reason": "is not a key that exists here",
                "hint": "did you mean `log`?",
            }
        ],
    }
    assert shown.err == ""
    assert run(["config", "lint", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == []


def test_lint_with_a_kind(place, capsys):
    (place / "x.yaml").write_text("log: {level: debug}\n")
    assert run(["config", "lint", "--kind", "policy", "x.yaml"]) == 78
    assert "x.yaml:1: log: is not a key that exists here" in capsys.readouterr().err
    assert run(["config", "lint", "--kind", "nonsense", "x.yaml"]) == 64


def test_lint_says_when_a_file_is_not_there(capsys):
    assert run(["config", "lint", "none.yaml"]) == 78
    assert "none.yaml: there is no such file" in capsys.readouterr().err


@pytest.mark.parametrize("by", ["option", "variable"])
def test_another_file_of_settings(place, capsys, monkeypatch, by):
    (place / "other.yaml").write_text("signals: { a: , b: }\n")
    arguments = ["config", "lint"]
    if by == "option":
        arguments += ["--config", "other.yaml"]
    else:
        monkeypatch.setenv("DAEMON_CONFIG", "other.yaml")
    assert run(arguments) == 0
    assert "ok  other.yaml " in capsys.readouterr().out


# ── show ─────────────────────────────────────────────────────────────────────
def test_show_says_what_is_in_force_and_who_said_so(capsys, monkeypatch):
    monkeypatch.setenv("DAEMON_DATABASE_URL", "postgresql://u:hush@h/db")
    monkeypatch.setenv("DAEMON_X", "1")
    assert run(["config", "show", "-o", "csv"]) == 0
    shown = capsys.readouterr()
    rows = {row["key"]: row for row in csv.DictReader(io.StringIO(shown.out))}
    assert rows["database.url"]["value"] == "postgresql://u:***@h/db"
    assert rows["database.url"]["origin"] == "env DAEMON_DATABASE_URL"
    assert rows["signals.a.unit"] == {
        "key": "signals.a.unit",
        "value": "",
        "origin": "default",
    }
    assert rows["retention.raw_days"]["value"] == "7.0"
    assert "hush" not in shown.out + shown.err
    assert "DAEMON_X: is set, but no setting" in shown.err


@pytest.mark.parametrize(("output", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_show_for_a_machine(capsys, output, read):
    assert run(["config", "show", "-o", output]) == 0
    shown = read(capsys.readouterr().out)
    assert shown["schema"] == "daemon.config.show/1"
    assert {"key": "database.auto_upgrade", "value": False, "origin": "default"} in shown["rows"]


def test_show_the_policy(capsys):
    assert run(["config", "show", "--policy", "-o", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["schema"] == "daemon.config.policy/1"
    rows = {row["key"]: (row["value"], row["origin"]) for row in shown["rows"]}
    assert rows["rules.r.lr"] == (0.1, "configs/self_tuning.yaml:2")
    assert rows["strategy.dry_run"] == (True, "default")


def test_show_as_a_table(capsys):
    assert run(["config", "show"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["key", "value", "origin"]
    assert lines[1].split() == ["database.url", "sqlite:///var/daemon.db", "default"]


@pytest.mark.parametrize("arguments", [["show"], ["show", "--policy"]])
def test_show_refuses_what_does_not_hold(place, capsys, arguments):
    broken = "daemon.yaml" if len(arguments) == 1 else "self_tuning.yaml"
    (place / "configs" / broken).write_text("nonsense: 1\n")
    assert run(["config", *arguments]) == 78
    shown = capsys.readouterr()
    assert shown.out == ""
    assert f"configs/{broken}:1: nonsense: is not a key that exists here" in shown.err


# ── schema ───────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("arguments", "title"),
    [([], "Settings of"), (["daemon"], "Settings of"), (["policy"], "Policy of")],
)
def test_schema_prints_a_schema(capsys, arguments, title):
    assert run(["config", "schema", *arguments]) == 0
    assert json.loads(capsys.readouterr().out)["title"].startswith(title)


def test_schema_of_something_else_is_a_usage_error(capsys):
    assert run(["config", "schema", "nonsense"]) == 64


@pytest.mark.parametrize("command", [[], ["lint"], ["show"], ["schema"]])
def test_help_shows_an_example(capsys, command):
    assert run(["config", *command, "--help"]) == 0
    assert f"  daemon config {' '.join(command)}" in capsys.readouterr().out


# ── init ─────────────────────────────────────────────────────────────────────
def test_init_writes_what_the_daemon_ships_and_it_holds(place, capsys):
    assert run(["config", "init", "mine"]) == 0
    said = capsys.readouterr()
    files = [
        "mine/daemon.yaml",
        "mine/self_tuning.yaml",
        "mine/sessions/night.yaml",
        "mine/sessions/session001.yaml",
        *(f"mine/studies/{path.name}" for path in sorted(STUDIES.glob("*.yaml"))),
    ]
    assert said.out.splitlines() == [
        *(f"wrote    {file}" for file in files),
        "wrote    data/sample_arbitrage_prices.csv",
        "wrote    data/sample_arbitrage_prices_eth.csv",
    ]
    assert "daemon config lint" in said.err
    assert run(["config", "lint", *files, "--config", files[0]]) == 0
    assert run(["session", "plan", files[3], "-o", "json"]) == 0
    assert run(["optimize", "mine/studies/symbols.yaml", "--dry-run", "-o", "json"]) == 0


def test_init_leaves_alone_what_is_there(place, capsys):
    (place / "configs" / "self_tuning.yaml").unlink()
    before = (place / "configs" / "daemon.yaml").read_text()
    assert run(["config", "init"]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "is there configs/daemon.yaml",
        "wrote    configs/self_tuning.yaml",
    ]
    assert (place / "configs" / "daemon.yaml").read_text() == before


def test_init_says_where_it_may_not_write(place, capsys):
    (place / "taken").write_text("")
    assert run(["config", "init", "taken"]) == 74
    assert "taken" in capsys.readouterr().err
