"""What surrounds calibration: who is typing, and checks of files that must never fail."""

import getpass
import os

import pytest

from daemon import app
from daemon.cli import ctl_calibrate as ctl
from daemon.cli.main import run
from daemon.services.calibration import Readiness
from daemon.tuning.calibration import Calibration, Finding

POLICY = """\
targets: { a: { max: 1 } }
rules: { r: { init: 0, min: 0, max: 1, lr: 0.1 } }
safety: { good: { a: { max: -0.1 } } }
"""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("DAEMON_")]:
        monkeypatch.delenv(name)
    (tmp_path / "policy.yaml").write_text(POLICY)
    return tmp_path


def test_who_has_no_name_is_unknown(monkeypatch):
    def nobody():
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert app.actor() == "unknown"


def test_lint_makes_no_database(place, capsys):
    assert run(["config", "lint", "policy.yaml"]) == 0
    assert not (place / "var").exists()
    assert "cannot be told" not in capsys.readouterr().err


def test_lint_says_nothing_of_noise_where_the_settings_do_not_hold(place, capsys):
    (place / "bad.yaml").write_text("nonsense: 1\n")
    assert run(["config", "lint", "--config", "bad.yaml", "policy.yaml"]) == 0
    assert "ok  policy.yaml" in capsys.readouterr().out


@pytest.mark.parametrize("what", ["no database at all", ""])
def test_lint_passes_over_a_database_that_cannot_be_read(place, monkeypatch, what):
    (place / "broken.db").write_text(what)
    monkeypatch.setenv("DAEMON_DATABASE_URL", "sqlite:///broken.db")
    assert run(["config", "lint", "policy.yaml"]) == 0
    assert (place / "broken.db").read_text() == what


def test_noise_is_not_asked_for_with_settings_that_do_not_hold(place):
    (place / "bad.yaml").write_text("nonsense: 1\n")
    assert app.doubts("bad.yaml", []) == []


def test_what_was_not_measured_is_not_shown():
    found = Calibration(
        policy="a" * 64,
        from_us=0,
        to_us=1,
        quiet_s=0.0,
        placebos=0,
        false_keep=None,
        false_worse=None,
        signals=(),
        reasons=(Finding("x", "too short", "wait"),),
        warnings=(),
    )
    lines = list(ctl._summary(found, app.Ready(Readiness.RED, "too short")))
    assert not any("though nothing was changed" in line for line in lines)
    assert lines[-1] == "red: too short"
    assert ctl._about(found, app.Ready(Readiness.RED, "too short"))["false_keep"] is None
