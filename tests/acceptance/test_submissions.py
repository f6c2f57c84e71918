"""Studies handed in by HTTP to the real service: watched, cancelled, and finished after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from daemon.cli.main import run
from tests.acceptance.test_service import free_port
from tests.recording import write_policy
from tests.session_kit import write_quotes

PATIENCE_S = 90.0
PATH = "/api/v1/backtests/optimize"
SETTINGS = """\
database: {{ url: "{url}", lease_ttl_s: 2 }}
policy_file: {policy}
signals: {{ latency: {{}}, errors: {{}} }}
sources: {{ plant: {{ kind: push, signals: {{ latency: , errors: }} }} }}
http: {{ port: {port} }}
sweeps: {{ data_root: {folder}/data, workers: 1 }}
"""
STUDY = {
    "name": "small",
    "data_file": "quotes.csv",
    "fixed": {
        "taker_fee_a_bps": 5,
        "taker_fee_b_bps": 5,
        "slippage_bps": 3,
        "max_position_usd": 1000,
        "exit_model": "quoted",
    },
    "space": {
        "min_spread_bps": {"type": "float", "low": 2, "high": 60, "step": 0.001},
        "max_open_trades": {"type": "int", "low": 1, "high": 4},
    },
    "sampler": "random",
    "budget": {"trials": 400},
    "batch": 8,
    "reality_check": {"resamples": 100},
    "walk_forward": {"folds": 2, "test_share": 0.2},
}


class House:
    """A service in a folder of its own, started and killed by a test."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        (folder / "data").mkdir()
        write_quotes(folder / "data", rows=900)
        self.settings = folder / "daemon.yaml"
        text = SETTINGS.format(
            url=f"sqlite:///{folder}/d.db",
            policy=write_policy(folder),
            port=self.port,
            folder=folder,
        )
        self.settings.write_text(text)
        assert run(["db", "upgrade", "--config", str(self.settings)]) == 0
        self.process = None

    def start(self):
        environ = {name: value for name, value in os.environ.items() if "DAEMON_" not in name}
        with (self.folder / "run.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "daemon", "run", "--config", str(self.settings)],
                cwd=self.folder,
                env=environ,
                stdout=log,
                stderr=log,
            )
        self.until(lambda: self.process.poll() is None and self.answers())

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def answers(self):
        try:
            return self.ask("GET", "/livez")["phase"] == "leading"
        except OSError:
            return False

    def ask(self, method, path, body=None):
        request = Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        with urlopen(request, timeout=PATIENCE_S) as answer:
            return json.load(answer)

    def hand_in(self, priority=0, **changed):
        body = {"study": {**STUDY, **changed}, "priority": priority}
        return self.ask("POST", PATH, body)["id"]

    def look(self, number):
        return self.ask("GET", f"{PATH}/{number}")

    def until(self, holds):
        deadline = time.monotonic() + PATIENCE_S
        while not (found := holds()):
            assert time.monotonic() < deadline, (self.folder / "run.log").read_text()[-3000:]
            time.sleep(0.05)
        return found

    def until_state(self, number, state):
        def there():
            found = self.look(number)
            return found if found["state"] == state else None

        return self.until(there)

    def until_trials(self, number, trials):
        def there():
            found = self.look(number)
            assert found["state"] in {"queued", "running", "stopped"}, found
            progress = found["progress"]
            runs = found["state"] == "running" and progress
            return found if runs and progress["trials"] >= trials else None

        return self.until(there)


@pytest.fixture
def house(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("DAEMON_")]:
        monkeypatch.delenv(name)
    made = House(tmp_path)
    try:
        made.start()
        yield made
    finally:
        if made.process is not None:
            made.end()


@pytest.mark.slow
def test_one_is_cancelled_and_another_ends_though_the_service_is_killed(house):
    with pytest.raises(HTTPError, match="422"):
        house.hand_in(data_file="../daemon.yaml")
    endless = house.hand_in(priority=9, name="endless", budget={"trials": 100_000})
    small = house.hand_in()
    is_cancelled_while_the_other_waits(house, endless, small)
    study = ends_though_the_service_is_killed(house, small)

    # the same once more has nothing to do
    again = house.hand_in()
    assert house.until_state(again, "done")["study_id"] == study
    is_stopped_and_gone_on_with(house)


def is_cancelled_while_the_other_waits(house, endless, small):
    seen = house.until_trials(endless, 8)
    assert seen["progress"]["of"] == 200_000
    assert seen["progress"]["best_params"]
    assert house.look(small)["ahead"] == 0, "one at a time"
    began = time.monotonic()
    assert house.ask("DELETE", f"{PATH}/{endless}")["cancel_requested_at"]
    ended = house.until_state(endless, "cancelled")
    assert time.monotonic() - began < 5.0, "on a machine that is very busy"
    assert ended["note"] == "it was cancelled"


def ends_though_the_service_is_killed(house, small):
    """What is finished when the service is killed is not done again."""
    before = house.until_trials(small, 16)
    house.end(signal.SIGKILL)
    house.start()
    found = house.until_state(small, "done")
    assert (found["study_id"], found["tries"]) == (before["study_id"], 2)
    assert found["progress"]["trials"] == 800
    assert found["judgement"]["said"]
    assert isinstance(found["judgement"]["declared"], bool)
    listed = house.ask("GET", PATH)["submissions"]
    assert [one["state"] for one in listed] == ["done", "cancelled"]
    return found["study_id"]


def is_stopped_and_gone_on_with(house):
    """A service that is stopped in order stops what it runs, and the next one goes on with it."""
    left = house.hand_in(name="left", budget={"trials": 100_000})
    house.until_trials(left, 8)
    assert house.end() == 0
    house.start()
    seen = house.until_trials(left, 16)
    assert seen["tries"] == 1, "an orderly stop is no failed try"
    house.ask("DELETE", f"{PATH}/{left}")
    house.until_state(left, "cancelled")
