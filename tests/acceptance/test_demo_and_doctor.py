"""``daemon demo`` and ``daemon doctor``, as a newcomer meets them."""

import pytest

from daemon.app import shipped
from daemon.cli.main import run
from daemon.errors import Exit


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("DAEMON_DATABASE_URL", "DAEMON_POLICY_FILE", "DAEMON_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_the_demo_walks_through_and_can_be_walked_again(place, capsys):
    assert run(["demo"]) == 0
    first = capsys.readouterr()
    assert "$ daemon db import-legacy" in first.err
    assert "risk_max" in first.out
    assert "synthetic" in first.err
    assert (place / "var" / "demo" / "demo.db").exists()
    assert run(["demo"]) == 0
    assert "already at" in capsys.readouterr().out


def test_a_step_that_fails_ends_the_demo_with_a_hint(place, capsys):
    (place / "bad").mkdir()
    (place / "bad" / "demo.db").write_text("this is not a database, and long enough to be read")
    assert run(["demo", "--folder", "bad"]) == Exit.FAILED
    said = capsys.readouterr().err
    assert "hint" in said
    assert "Traceback" not in said


def test_the_demo_never_writes_to_a_database_that_the_environment_names(place, capsys, monkeypatch):
    theirs = place / "production.db"
    monkeypatch.setenv("DAEMON_DATABASE_URL", f"sqlite:///{theirs}")
    assert run(["demo"]) == Exit.CONFIG
    said = capsys.readouterr().err
    assert "DAEMON_DATABASE_URL" in said
    assert "unset" in said
    assert not theirs.exists()


def test_the_demo_may_live_in_a_folder_with_an_awkward_name(place, capsys):
    assert run(["demo", "--folder", "a: 'b' c"]) == 0
    assert (place / "a: 'b' c" / "demo.db").exists()


def test_the_doctor_finds_a_healthy_installation_healthy(place, capsys):
    assert run(["demo"]) == 0
    capsys.readouterr()
    assert run(["doctor", "--config", "var/demo/daemon.yaml", "-o", "csv"]) == 0
    said = capsys.readouterr().out
    for check in ("python", "package", "extras", "settings", "policy", "database", "structure"):
        assert f",{check}," in said


def test_the_doctor_names_what_is_wrong_and_asks_on(place, capsys):
    (place / "bad.yaml").write_text("policy_file: nowhere.yaml\n")
    assert run(["doctor", "--config", "bad.yaml", "-o", "csv"]) == Exit.FAILED
    said = capsys.readouterr().out
    assert "nowhere.yaml" in said
    assert "daemon db upgrade" in said


def test_the_doctor_survives_settings_that_do_not_hold(place, capsys):
    (place / "bad.yaml").write_text("databse: {}\n")
    assert run(["doctor", "--config", "bad.yaml", "-o", "csv"]) == Exit.FAILED
    said = capsys.readouterr().out
    assert "bad.yaml:1" in said
    assert "database" in said


def test_the_doctor_passes_on_what_is_doubtful(place, capsys, monkeypatch):
    (place / "plain.yaml").write_text("retention: {raw_days: 3}\n")
    monkeypatch.setenv("DAEMON_DATABSE_URL", "sqlite:///x.db")
    monkeypatch.setenv("DAEMON_POLICY_FILE", str(shipped() / "configs" / "self_tuning.yaml"))
    assert run(["doctor", "--config", "plain.yaml", "-o", "csv"]) == Exit.FAILED
    said = capsys.readouterr().out
    assert "DAEMON_DATABSE_URL" in said
    assert "warn,policy" in said
