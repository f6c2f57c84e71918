"""``daemon run`` as a process of its own: it leads, listens, is followed, and ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from daemon.app import shipped
from daemon.cli.main import run
from daemon.clock import SystemClock, iso
from daemon.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_S = 60
SETTINGS = """\
database: {{url: "sqlite:///{folder}/test.db"}}
policy_file: "{policy}"
http: {{port: 0}}
log: {{format: json}}
controls: {{file: {{kind: yaml, path: "{folder}/controls/rules.yaml"}}}}
sources:
  pushed: {{kind: push, signals: {{phase_diff: , creative_band: , risk_band: , entropy_rate: }}}}
"""


@dataclass
class Running:
    """A daemon, and what it has told so far."""

    process: subprocess.Popen[str]
    told: list[dict[str, Any]] = field(default_factory=list)

    def until(self, event: str) -> dict[str, Any]:
        """Read its log up to an event."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if line.startswith("{"):
                self.told.append(json.loads(line))
                if self.told[-1]["event"] == event:
                    return self.told[-1]
        raise AssertionError(f"it ended without {event}: {self.told}")

    def said(self, event: str) -> dict[str, Any]:
        """Find an event of its log, told already or still to come."""
        told = [one for one in self.told if one["event"] == event]
        return told[-1] if told else self.until(event)

    def ask(self, path: str, samples: Any = None) -> tuple[int, Any]:
        """Send it a request."""
        heard = self.said("http_listening")
        data = None if samples is None else json.dumps(samples).encode()
        request = urllib.request.Request(
            f"http://{heard['host']}:{heard['port']}{path}",
            data,
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, answer.read()


@pytest.fixture
def folder(tmp_path, monkeypatch, capsys):
    policy = shipped() / "configs" / "self_tuning.yaml"
    path = tmp_path / "daemon.yaml"
    path.write_text(SETTINGS.format(folder=tmp_path, policy=policy))
    monkeypatch.setenv("DAEMON_CONFIG", str(path))
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert run(["db", "upgrade"]) == 0
    return tmp_path


@contextmanager
def running(*options: str) -> Iterator[Running]:
    command = [sys.executable, "-m", "daemon", "run", *options]
    with subprocess.Popen(
        command, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield Running(process)
        finally:
            process.kill()


def ended(one: Running) -> tuple[int, str]:
    _, err = one.process.communicate(timeout=PATIENCE_S)
    return one.process.returncode, err


def test_one_leads_and_listens_and_another_ends_with_75(folder, capsys):
    with running() as leader:
        leader.until("ready")
        assert leader.ask("/livez")[0] == leader.ask("/readyz")[0] == 200
        status, body = leader.ask("/signals", [{"signal": "risk_band", "value": 0.3}])
        assert (status, json.loads(body)["accepted"]) == (202, 1)
        assert b"daemon_leader 1.0" in leader.ask("/metrics")[1]
        with running() as second:
            code, err = ended(second)
        assert code == Exit.NOT_LEADER
        assert "leads since" in err
        assert "--standby" in err
        leader.process.send_signal(signal.SIGHUP)
        leader.until("reloaded")
        leader.process.send_signal(signal.SIGTERM)
        code, err = ended(leader)
    assert (code, "Traceback" in err) == (Exit.DONE, False)
    capsys.readouterr()
    assert run(["db", "query", "select value from samples", "-o", "csv"]) == 0
    assert "0.3" in capsys.readouterr().out


def test_a_standby_takes_over_from_one_that_was_killed(folder):
    with running() as leader:
        first = leader.until("ready")
        with running("--standby") as standby:
            standby.until("http_listening")
            assert standby.ask("/livez")[0] == 200
            with pytest.raises(urllib.error.HTTPError, match="503"):
                standby.ask("/readyz")
            leader.process.kill()
            assert standby.until("ready")["epoch"] == first["epoch"] + 1
            assert standby.ask("/readyz")[0] == 200
            standby.process.send_signal(signal.SIGINT)
            assert ended(standby)[0] == Exit.DONE


# ── in this process ──────────────────────────────────────────────────────────
def test_a_configuration_that_does_not_hold_ends_it_with_78(folder, monkeypatch, capsys):
    monkeypatch.setenv("DAEMON_HTTP_HOST", "0.0.0.0")
    assert run(["run"]) == Exit.CONFIG
    assert "token_file" in capsys.readouterr().err


def test_a_token_that_is_not_there_does_so_as_well(folder, monkeypatch, capsys):
    monkeypatch.setenv("DAEMON_HTTP_TOKEN_FILE", str(folder / "none"))
    assert run(["run"]) == Exit.CONFIG
    assert "http.token_file" in capsys.readouterr().err


def test_without_a_database_it_ends_and_says_what_to_do(folder, capsys):
    (folder / "test.db").unlink()
    assert run(["run"]) == Exit.IO
    assert "daemon db upgrade" in capsys.readouterr().err


def test_once_is_one_cycle_and_time_may_pass_faster(folder, monkeypatch, capsys):
    monkeypatch.setenv("DAEMON_TIME_LAPSE_SPEED", "100")
    monkeypatch.setenv("DAEMON_TIME_LAPSE_SINCE", iso(SystemClock().now_us()))
    assert run(["run", "--once"]) == Exit.DONE
    err = capsys.readouterr().err
    assert "one cycle is done" in err
    assert "http_listening" not in err
    assert threading.active_count() == 1
