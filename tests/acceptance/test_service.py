"""The real service on a simulated system: run, asked, told, stopped, killed, and replaced."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from urllib.request import Request, urlopen

import psycopg
import pytest

from daemon.cli.main import run
from daemon.demo.story import Cast, Narrator, Stage
from daemon.errors import Exit

SPEED = 60.0
TTL = "lease_ttl_s: 2,"
PATIENCE_S = 120.0
"""After so long a test gives up; nothing waits for it but on a machine that is very busy."""


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Scene:
    """A demonstration that a test plays in."""

    def __init__(self, folder, url=None):
        self.stage = Stage(folder, SPEED, free_port(), url)
        self.stage.build()
        text = self.stage.settings.read_text()
        self.stage.settings.write_text(text.replace("database: { url:", f"database: {{ {TTL} url:"))
        self.config = ["--config", str(self.stage.settings)]
        self.cast = Cast(self.stage)
        self.narrator = Narrator(self.stage)

    def begin(self):
        assert run(["db", "upgrade", *self.config]) == 0
        self.cast.raise_curtain()
        self.start()

    def start(self):
        self.cast.enter_daemon(self.leads)

    def leads(self):
        return self.narrator.is_leading() and run(["ctl", "status", *self.config]) == 0

    def end(self, number=signal.SIGTERM) -> int:
        self.cast.daemon.send_signal(number)
        return self.cast.daemon.wait(PATIENCE_S)

    def ctl(self, *arguments: str) -> int:
        return run(["ctl", *arguments, *self.config])

    def sql(self, query: str) -> list[tuple]:
        if self.stage.url is not None:
            with psycopg.connect(self.stage.url.replace("+psycopg", "")) as base:
                return base.execute(query).fetchall()
        path = self.stage.folder / "demo.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as base:
            return base.execute(query).fetchall()

    def until(self, query: str):
        """Wait until a query has rows."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            if found := self.sql(query):
                return found
            time.sleep(0.1)
        raise AssertionError(f"nothing within {PATIENCE_S} s: {query}")

    def get(self, path: str) -> tuple[int, str]:
        with urlopen(f"http://127.0.0.1:{self.stage.port}{path}", timeout=PATIENCE_S) as answer:
            return answer.status, answer.read().decode()

    def values(self) -> dict[str, float]:
        import yaml  # noqa: PLC0415

        text = (self.stage.folder / "controls" / "rules.yaml").read_text()
        return yaml.safe_load(text)["rules"]


@pytest.fixture
def alone(monkeypatch):
    for name in [name for name in os.environ if name.startswith("DAEMON_")]:
        monkeypatch.delenv(name)


@contextmanager
def playing(folder, url=None):
    """Let a demonstration play; whatever happens, it ends."""
    scene = Scene(folder, url)
    try:
        scene.begin()
        yield scene
    finally:
        scene.cast.leave()


@pytest.fixture
def scene(tmp_path, alone):
    with playing(tmp_path / "scene") as scene:
        yield scene


@pytest.fixture
def either(kind, request, tmp_path, alone):
    """On a file, and on Postgres."""
    url = request.getfixturevalue("postgres_url") if kind == "postgres" else None
    with playing(tmp_path / "scene", url) as scene:
        yield scene


@pytest.mark.slow
def test_an_operator_watches_tells_and_ends_the_service(scene, capsys):
    # it only watches, and says so
    capsys.readouterr()
    assert scene.ctl("status", "-o", "json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["schema"].startswith("daemon.ctl.status/")
    assert scene.get("/livez")[0] == 200
    assert scene.get("/readyz")[0] == 200
    assert "daemon_cycles_total" in scene.get("/metrics")[1]
    assert not (scene.stage.folder / "controls" / "rules.yaml").exists() or not scene.values()
    what_is_pushed_to_nobody_is_refused(scene)

    # a step at a person's word is made and judged
    assert scene.ctl("calibrate", "--accept-anyway", "a test") in {0, Exit.REFUSED}
    assert scene.ctl("apply", "workers=5", "--reason", "a look", "--wait") in {
        Exit.DONE,
        Exit.ROLLED_BACK,
        Exit.INCONCLUSIVE,
    }
    assert scene.sql("SELECT DISTINCT actor FROM change_events WHERE from_state IS NULL")

    # at their own word it is set unjudged, and set back
    assert scene.ctl("apply", "batch=30", "--keep") == 0
    assert scene.values()["batch"] == 30.0
    assert scene.ctl("rollback", "--rule", "batch", "--to", "40") == 0
    assert scene.values()["batch"] == 40.0

    # what is refused says so by its code
    assert scene.ctl("apply", "workers=99") == Exit.REFUSED
    assert scene.ctl("kill", "--reason", "enough") == 0
    assert scene.ctl("apply", "workers=6", "--keep") == Exit.REFUSED
    assert scene.ctl("unkill") == 0

    assert scene.end() == 0
    works_without_the_daemon(scene)


def works_without_the_daemon(scene):
    assert scene.ctl("status") == Exit.NOT_RUNNING
    assert scene.ctl("pause", "workers") == 0
    assert scene.ctl("resume", "workers") == 0
    assert scene.ctl("apply", "batch=35", "--keep") == Exit.REFUSED, "paused by the rollback"
    assert scene.ctl("resume", "batch") == 0
    assert scene.ctl("apply", "batch=35", "--keep") == 0
    assert scene.values()["batch"] == 35.0
    assert scene.ctl("rollback", "--last") == 0
    assert scene.values()["batch"] == 40.0
    assert scene.ctl("verify") == 0
    assert run(["replay", *scene.config]) == 0


def what_is_pushed_to_nobody_is_refused(scene):
    body = json.dumps({"samples": [{"signal": "nobody", "value": 1.0}]}).encode()
    request = Request(
        f"http://127.0.0.1:{scene.stage.port}/signals",
        data=body,
        headers={"Content-Type": "application/json"},
    )
    with pytest.raises(OSError, match="HTTP Error 4"):
        urlopen(request, timeout=PATIENCE_S)


@pytest.mark.slow
def test_it_goes_live_by_a_signal_keeps_what_helps_and_survives_being_killed(scene):
    assert scene.ctl("calibrate", "--accept-anyway", "a test") in {0, Exit.REFUSED}
    scene.stage.write_policy(dry_run=False)
    scene.cast.tell_daemon_to_read_again()
    scene.until("SELECT 1 FROM changes WHERE state = 'observing'")
    assert scene.end(signal.SIGKILL) == -signal.SIGKILL
    before = scene.sql("SELECT seq, hash FROM change_events ORDER BY seq")
    scene.start()
    assert scene.sql("SELECT seq, hash FROM change_events ORDER BY seq")[: len(before)] == before
    scene.until("SELECT 1 FROM changes WHERE state IN ('kept', 'rolled_back')")
    assert scene.ctl("verify") == 0


@pytest.mark.soak
def test_a_second_one_leaves_and_a_standby_takes_over_where_the_leader_was_killed(either):
    scene = either
    command = [sys.executable, "-m", "daemon", "run", *scene.config]
    second = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert second.returncode == Exit.NOT_LEADER
    assert "Traceback" not in second.stderr
    ((epoch, ttl_s),) = scene.sql("SELECT epoch, ttl_s FROM lease")
    assert ttl_s == 2 * SPEED, "as the settings have it"
    with (scene.stage.folder / "demo.log").open("ab") as log:
        standby = subprocess.Popen([*command, "--standby"], stdout=log, stderr=log)
    try:
        scene.ctl("apply", "workers=5", "--reason", "to be left open")
        before = scene.sql("SELECT seq, hash FROM change_events ORDER BY seq")
        assert standby.poll() is None
        scene.end(signal.SIGKILL)
        scene.until(f"SELECT 1 FROM lease WHERE epoch > {epoch}")
        scene.until(f"SELECT 1 FROM decisions WHERE epoch > {epoch}")
        assert (
            scene.sql("SELECT seq, hash FROM change_events ORDER BY seq")[: len(before)] == before
        )
        scene.until("SELECT 1 FROM changes WHERE settled_at_us IS NOT NULL")
        assert scene.ctl("verify") == 0
    finally:
        standby.send_signal(signal.SIGTERM)
        assert standby.wait(PATIENCE_S) == 0
