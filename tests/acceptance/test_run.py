"""``daemon run`` as a process of its own: it leads, listens, is followed, and ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from daemon.app import shipped
from daemon.cli.main import run
from daemon.clock import SystemClock, iso
from daemon.errors import Exit
from tests.acceptance.conftest import on_a_file

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_S = 120
SETTINGS = """\
database: {{url: "{url}", lease_ttl_s: 2}}
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
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, refusal.read()

    def becomes_ready(self) -> None:
        """Wait until it says so to whoever asks."""
        deadline = time.monotonic() + PATIENCE_S
        while self.ask("/readyz")[0] != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def has_written(self, samples: int) -> None:
        """Wait until so many samples that were pushed are in the database, as its metrics tell."""
        told = f'daemon_samples_ingested_total{{source="pushed"}} {samples:.1f}'.encode()
        deadline = time.monotonic() + PATIENCE_S
        while told not in self.ask("/metrics")[1]:
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture
def folder(ready_url, tmp_path, monkeypatch):
    """A folder with settings, which name a database that is ready."""
    policy = shipped() / "configs" / "self_tuning.yaml"
    path = tmp_path / "daemon.yaml"
    path.write_text(SETTINGS.format(url=ready_url, folder=tmp_path, policy=policy))
    monkeypatch.setenv("DAEMON_CONFIG", str(path))
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    return tmp_path


@contextmanager
def running(*options: str) -> Iterator[Running]:
    command = [sys.executable, "-m", "daemon", "run", *options]
    with subprocess.Popen(
        command, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        late = threading.Timer(PATIENCE_S, process.kill)
        late.start()  # whoever waits for a line that never comes is told that it ended
        try:
            yield Running(process)
        finally:
            late.cancel()
            late.join()
            process.kill()


def ended(one: Running) -> tuple[int, str]:
    _, err = one.process.communicate(timeout=PATIENCE_S)
    return one.process.returncode, err


@pytest.mark.slow
@on_a_file
def test_one_leads_and_listens_and_another_ends_with_75(folder, capsys):
    with running() as leader:
        leader.until("ready")
        assert leader.ask("/livez")[0] == 200
        leader.becomes_ready()
        status, body = leader.ask("/signals", [{"signal": "risk_band", "value": 0.3}])
        assert (status, json.loads(body)["accepted"]) == (202, 1)
        assert b"daemon_leader 1.0" in leader.ask("/metrics")[1]
        leader.has_written(1)
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


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
def test_a_standby_takes_over_from_one_that_was_killed(folder):
    with running() as leader:
        first = leader.until("ready")
        with running("--standby") as standby:
            standby.until("http_listening")
            assert standby.ask("/livez")[0] == 200
            assert standby.ask("/readyz")[0] == 503
            leader.process.kill()
            assert standby.until("ready")["epoch"] == first["epoch"] + 1
            standby.becomes_ready()
            standby.process.send_signal(signal.SIGINT)
            assert ended(standby)[0] == Exit.DONE


# ── in this process ──────────────────────────────────────────────────────────
@on_a_file
def test_a_configuration_that_does_not_hold_ends_it_with_78(folder, monkeypatch, capsys):
    monkeypatch.setenv("DAEMON_HTTP_HOST", "0.0.0.0")
    assert run(["run"]) == Exit.CONFIG
    assert "token_file" in capsys.readouterr().err


@on_a_file
def test_a_token_that_is_not_there_does_so_as_well(folder, monkeypatch, capsys):
    monkeypatch.setenv("DAEMON_HTTP_TOKEN_FILE", str(folder / "none"))
    assert run(["run"]) == Exit.CONFIG
    assert "http.token_file" in capsys.readouterr().err


@on_a_file
def test_without_a_database_it_ends_and_says_what_to_do(folder, ready_url, capsys):
    Path(ready_url.removeprefix("sqlite:///")).unlink()
    assert run(["run"]) == Exit.IO
    assert "daemon db upgrade" in capsys.readouterr().err


@on_a_file
def test_once_is_one_cycle_and_time_may_pass_faster(folder, monkeypatch, capsys):
    monkeypatch.setenv("DAEMON_TIME_LAPSE_SPEED", "100")
    monkeypatch.setenv("DAEMON_TIME_LAPSE_SINCE", iso(SystemClock().now_us()))
    threads = set(threading.enumerate())
    assert run(["run", "--once"]) == Exit.DONE
    err = capsys.readouterr().err
    assert "one cycle is done" in err
    assert "http_listening" not in err
    assert set(threading.enumerate()) <= threads
