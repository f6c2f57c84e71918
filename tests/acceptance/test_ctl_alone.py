"""``daemon ctl`` where no service runs: it leads for a moment, and rolling back always works."""

import pytest

from daemon.cli.main import run
from daemon.errors import Exit
from tests.recording import write_policy

SETTINGS = """\
database: {{ url: 'sqlite:///{folder}/alone.db' }}
policy_file: '{folder}/policy.yaml'
signals: {{ latency: {{}}, errors: {{}} }}
controls: {{ app: {{ kind: yaml, path: '{folder}/controls/rules.yaml' }} }}
"""


@pytest.fixture
def alone(tmp_path, monkeypatch, capsys):
    """Type a command; give its code and what it said."""
    for variable in ("DAEMON_DATABASE_URL", "DAEMON_CONFIG", "DAEMON_POLICY_FILE"):
        monkeypatch.delenv(variable, raising=False)
    settings = tmp_path / "daemon.yaml"
    settings.write_text(SETTINGS.format(folder=tmp_path))
    write_policy(tmp_path)

    def type_(*words):
        capsys.readouterr()
        code = run([*words, "--config", str(settings)])
        return code, "".join(capsys.readouterr())

    assert type_("db", "upgrade")[0] == Exit.DONE
    return type_


def value(folder):
    text = (folder / "controls" / "rules.yaml").read_text()
    return next(line for line in text.splitlines() if "workers:" in line).split()[-1]


@pytest.mark.parametrize("how", ["sound", "wrong", "gone"])
def test_rolling_back_needs_no_policy_that_holds(alone, tmp_path, how):
    code, said = alone("ctl", "apply", "workers=9", "--keep")
    assert (code, value(tmp_path)) == (Exit.DONE, "9.0"), said
    policy = tmp_path / "policy.yaml"
    if how == "wrong":
        policy.write_text("nonsense: 1\n")
    elif how == "gone":
        policy.unlink()
    code, said = alone("ctl", "rollback", "--last")
    assert (code, value(tmp_path)) == (Exit.DONE, "8.0"), said
    assert alone("ctl", "kill")[0] == Exit.DONE
    assert alone("ctl", "unkill")[0] == Exit.DONE


def test_without_any_policy_on_record_there_is_nothing_to_go_by(alone, tmp_path):
    (tmp_path / "policy.yaml").unlink()
    code, said = alone("ctl", "rollback", "--last")
    assert code == Exit.CONFIG
    assert "policy.yaml" in said


def test_the_log_of_the_leader_of_a_moment_is_for_those_who_look_for_a_fault(alone, monkeypatch):
    _, said = alone("ctl", "apply", "workers=9", "--keep")
    assert '"level": "info"' not in said
    monkeypatch.setenv("DAEMON_LOG_LEVEL", "debug")
    _, said = alone("ctl", "rollback", "--last")
    assert '"level": "info"' in said
