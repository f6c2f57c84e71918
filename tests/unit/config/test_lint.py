from pathlib import Path

import pytest

from daemon.config.lint import lint_files, lint_in_force
from daemon.errors import ConfigError

POLICY = """\
targets: { a: { max: 1 } }
rules: { r: { init: 0, min: 0, max: 1, lr: 0.1 } }
"""


@pytest.fixture
def write(tmp_path):
    def to(name, text):
        path = tmp_path / name
        path.write_text(text)
        return path

    return to


@pytest.fixture
def unlisted(write):
    """Settings that list no signals."""
    return write("settings.yaml", "{}")


def test_what_is_in_force_is_the_settings_and_their_policy(write):
    policy = write("p.yaml", POLICY)
    config = write("d.yaml", f"policy_file: {policy}\nsignals: {{a: }}\n")
    report = lint_in_force(config, {"DAEMON_NONSENSE": "1"})
    assert report.problems == []
    digest = report.accepted[1][1].rpartition(" ")[2]
    width = max(len(str(config)), len(str(policy)))
    assert report.lines() == [
        f"ok  {config!s:<{width}}  settings: sqlite:///var/daemon.db, 1 signal",
        (f"ok  {policy!s:<{width}}  policy: 1 target, 1 rule, 0 guards, dry run, sha256 {digest}"),
    ]
    assert [warning.file for warning in report.warnings] == ["DAEMON_NONSENSE"]
    report.raise_problems()


def test_without_a_file_it_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report = lint_in_force(None, {})
    assert report.lines() == [
        (
            "ok  (no configs/daemon.yaml: built-in defaults)"
            "  settings: sqlite:///var/daemon.db, 0 signals"
        )
    ]
    assert [problem.file for problem in report.problems] == ["configs/self_tuning.yaml"]


def test_settings_that_do_not_hold_end_it(write):
    report = lint_in_force(write("d.yaml", "x: 1\ny: 2\n"), {"DAEMON_X": "1"})
    assert [warning.file for warning in report.warnings] == ["DAEMON_X"]
    assert report.accepted == []
    assert [problem.key for problem in report.problems] == ["x", "y"]
    with pytest.raises(ConfigError, match="2 problems"):
        report.raise_problems()


def test_a_live_policy_is_called_live(write):
    policy = write("p.yaml", POLICY + "strategy: {dry_run: false}\n")
    report = lint_files([policy], None, None, {"DAEMON_SIGNALS": "{a: }"})
    assert "LIVE" in report.lines()[0]


def test_the_kind_is_told_from_the_keys(write):
    daemon = write("anything.yaml", "log: {level: debug}\n")
    policy = write("something.yaml", POLICY)
    report = lint_files([daemon, policy], None, write("in-force.yaml", "signals: {a: }"), {})
    assert [summary.partition(":")[0] for _, summary in report.accepted] == ["settings", "policy"]
    assert report.warnings == []


def test_the_kind_may_be_said(write):
    path = write("x.yaml", "log: {level: debug}\n")
    report = lint_files([path], "policy", None, {})
    assert {problem.key for problem in report.problems} == {"log", "rules", "targets"}


def test_each_file_is_judged_and_every_problem_told(write, unlisted):
    paths = [
        write("a.yaml", "log: {level: loud}\n"),
        write("b.yaml", POLICY.replace("0.1", "9")),
        write("c.yaml", "a: [\n"),
        write("d.yaml", "log: {level: info}\n"),
        write("e.yaml", "- 1\n"),
        Path("none.yaml"),
    ]
    report = lint_files(paths, None, unlisted, {})
    assert [Path(problem.file).name for problem in report.problems] == [
        "a.yaml",
        "b.yaml",
        "c.yaml",
        "e.yaml",
        "none.yaml",
    ]
    assert [name for name, _ in report.accepted] == [str(paths[3])]


def test_a_file_is_judged_without_the_environment(write):
    path = write("d.yaml", "log: {level: info}\n")
    report = lint_files([path], None, None, {"DAEMON_LOG_LEVEL": "loud"})
    assert report.problems == []


def test_settings_that_do_not_hold_leave_the_signals_unchecked(write):
    report = lint_files([write("p.yaml", POLICY)], None, write("d.yaml", "x: 1"), {})
    assert report.problems == []
    assert [warning.key for warning in report.warnings] == ["targets"]


def test_rows_are_for_a_machine(write, unlisted):
    path = write("a.yaml", "\nlgo: {}\n")
    report = lint_files([path, write("p.yaml", POLICY)], None, unlisted, {})
    assert report.rows()[0] == (
        str(path),
        2,
        "lgo",
        "error",
        "is not a key that exists here",
        "did you mean `log`?",
    )
    assert [row[3] for row in report.rows()] == ["error", "warning"]
