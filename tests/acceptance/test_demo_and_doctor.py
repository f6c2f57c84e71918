"""``daemon demo`` and ``daemon doctor``, as a newcomer meets them."""

import socket
from contextlib import closing

import pytest

from daemon.app import shipped
from daemon.cli.main import run
from daemon.errors import Exit


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("DAEMON_DATABASE_URL", "DAEMON_POLICY_FILE", "DAEMON_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.slow
def test_the_demo_shows_a_change_that_is_kept_and_one_that_is_taken_back(place, capsys):
    assert run(["demo", "--fast", "--port", str(free_port())]) == 0
    said = capsys.readouterr()
    for words in ("simulated", "daemon ctl calibrate", "daemon ctl rollback --to lkg"):
        assert words in said.err
    assert "it is kept" in said.out
    assert "it is rolled back" in said.out
    assert run(["ctl", "verify", "--config", "var/demo/daemon.yaml"]) == 0
    assert run(["doctor", "--config", "var/demo/daemon.yaml", "-o", "csv"]) == 0
    said = capsys.readouterr().out
    for check in ("python", "package", "extras", "settings", "policy", "database", "structure"):
        assert f",{check}," in said


def test_the_demo_touches_no_settings_of_somebody_else(place, capsys):
    (place / "mine").mkdir()
    (place / "mine" / "daemon.yaml").write_text("database: {}\n")
    assert run(["demo", "--folder", "mine"]) == Exit.FAILED
    said = capsys.readouterr().err
    assert "hint" in said
    assert "Traceback" not in said
    assert (place / "mine" / "daemon.yaml").read_text() == "database: {}\n"


def test_the_demo_never_writes_to_a_database_that_the_environment_names(place, capsys, monkeypatch):
    theirs = place / "production.db"
    monkeypatch.setenv("DAEMON_DATABASE_URL", f"sqlite:///{theirs}")
    assert run(["demo"]) == Exit.CONFIG
    said = capsys.readouterr().err
    assert "DAEMON_DATABASE_URL" in said
    assert "unset" in said
    assert not theirs.exists()


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
