"""The demonstration itself: sets the stage, starts the shop and the daemon, tells what happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from daemon import app
from daemon.clock import MICROS, SystemClock, iso
from daemon.demo.plant import SIGNALS, START
from daemon.demo.system import METRICS
from daemon.errors import ConfigError, DaemonError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import FrameType

    Popen = subprocess.Popen[bytes]

OURS = "# Written by `daemon demo`: everything of the demo stays in this folder.\n"
SETTINGS = (
    OURS
    + """\
database: {{ url: {url} }}
policy_file: {policy}
signals:
  latency_ms: {{ unit: ms, description: how long a customer waits }}
  error_rate: {{ description: share of requests that fail }}
  cost_per_hour: {{ unit: EUR, description: what the machines cost }}
sources:
  shop: {{ kind: jsonl, path: {metrics}, start: beginning, expect_s: 0.2, signals: {signals} }}
controls:
  shop: {{ kind: yaml, path: {controls} }}
http: {{ port: {port} }}
grace_s: 5
time_lapse: {{ speed: {speed}, since: '{since}' }}
log: {{ level: warning }}
"""
)
POLICY = """\
# What the shop should reach, and what may be moved. Try it: edit, then `kill -HUP` the daemon.
targets:
  latency_ms:    {{ max: 130 }}
  error_rate:    {{ max: 0.02 }}
  cost_per_hour: {{ max: 18 }}
rules:
  workers: {{ init: {workers:g}, min: 1, max: 16, lr: 1  }}
  batch:   {{ init: {batch:g}, min: 10, max: 80, lr: 5 }}
observe_window_s: 45
min_samples: 150
settle_s: 15
cooldown_s: 60
warmup_s: 300
safety:
  good: {{ latency_ms: {{ max: -2 }} }}
  warn: {{ error_rate: {{ min: +0.006 }} }}
strategy:
  objective_weights: {{ latency_ms: 1.5 }}
  direction: {{ workers: +1, batch: +1 }}   # the second hint is wrong: evidence overrules it
  dry_run: {dry_run}
"""

WITHIN_S = 60.0
"""How long a part of the demonstration may take to be ready."""

STOP_S = 15.0
LOOK_S = 0.25

_EVENTS = """
SELECT seq, at, kind, explanation, change_id FROM decision_log
WHERE seq > {after} AND kind IN ('apply', 'keep', 'rollback', 'revert', 'propose') ORDER BY seq
"""


@dataclass(frozen=True)
class Told:
    """Something that the daemon did."""

    at: str
    kind: str
    sentence: str
    change: int | None


@dataclass
class Stage:
    """A folder with everything of a demonstration in it."""

    folder: Path
    speed: float
    port: int
    url: str | None = None
    """Another database than a file in the folder."""
    settings: Path = field(init=False)
    policy: Path = field(init=False)

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()
        self.settings = self.folder / "daemon.yaml"
        self.policy = self.folder / "policy.yaml"

    def build(self) -> None:
        """Write settings and policy; remove what an earlier demonstration left.

        Raises:
            DaemonError: the folder holds settings of somebody else.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.settings.exists() and not _is_ours(self.settings):
            raise DaemonError(
                f"{self.settings} was not written by a demo: nothing is touched",
                hint="name another folder: daemon demo --folder",
            )
        for name in ("demo.db", "demo.db-wal", "demo.db-shm", METRICS, "controls/rules.yaml"):
            (self.folder / name).unlink(missing_ok=True)
        since = iso(SystemClock().now_us())
        quoted = {
            "url": json.dumps(self.url or f"sqlite:///{self.folder}/demo.db"),
            "policy": json.dumps(str(self.policy)),
            "metrics": json.dumps(str(self.folder / METRICS)),
            "controls": json.dumps(str(self.folder / "controls" / "rules.yaml")),
            "signals": "{ " + ", ".join(f"{name}: " for name in SIGNALS) + " }",
        }
        text = SETTINGS.format(**quoted, port=self.port, speed=self.speed, since=since)
        self.settings.write_text(text, encoding="utf-8")
        self.write_policy(dry_run=True)

    def write_policy(self, *, dry_run: bool) -> None:
        """Write the policy, which an operator would edit."""
        text = POLICY.format(**START, dry_run=str(dry_run).lower())
        self.policy.write_text(text, encoding="utf-8")

    def refuse_another_database(self) -> None:
        """Stop where the environment would have the demo write to a database of the operator's."""
        origin = app.build(str(self.settings)).loaded.origins["database.url"]
        if not origin.startswith("env "):
            return
        variable = origin.removeprefix("env ")
        reason = "is set: the demo would write synthetic rows into that database"
        hint = f"unset {variable} first, for the commands that the demo prints as well"
        raise ConfigError([Problem(reason, variable, hint=hint)])


class Cast:
    """The two processes of the demonstration."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.shop: Popen | None = None
        self.daemon: Popen | None = None

    def raise_curtain(self) -> None:
        """Start the shop; it has been running for a while already."""
        self.shop = self._start("-m", "daemon.demo.system", str(self._stage.settings))
        metrics = self._stage.folder / METRICS
        self._wait(lambda: metrics.exists() and metrics.stat().st_size > 0, "the simulated shop")

    def enter_daemon(self, ready: Callable[[], bool]) -> None:
        """Start the daemon, as a service manager would."""
        settings = str(self._stage.settings)
        self.daemon = self._start("-m", "daemon", "run", "--config", settings)
        self._wait(ready, "the daemon")

    def tell_daemon_to_read_again(self) -> None:
        """Do what an operator does after editing the policy."""
        assert self.daemon is not None  # noqa: S101 - it was started before
        self.daemon.send_signal(signal.SIGHUP)

    def alive(self) -> None:
        """Notice a process that has ended before its time.

        Raises:
            DaemonError: with where to look.
        """
        for name, process in (("shop", self.shop), ("daemon", self.daemon)):
            if process is not None and process.poll() is not None:
                raise DaemonError(
                    f"the {name} of the demo has ended with {process.returncode}",
                    hint=f"its last words are in {self._stage.folder / 'demo.log'}",
                )

    def leave(self) -> None:
        """End both, in good order."""
        for process in (self.daemon, self.shop):
            if process is None or process.poll() is not None:
                continue
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self, *arguments: str) -> Popen:
        with (self._stage.folder / "demo.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, *arguments],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                env={k: v for k, v in os.environ.items() if not k.startswith("DAEMON_")},
                start_new_session=True,
            )

    def _wait(self, ready: Callable[[], bool], what: str) -> None:
        clock = SystemClock()
        until_us = clock.elapsed_us() + round(WITHIN_S * MICROS)
        while not ready():
            self.alive()
            if clock.elapsed_us() > until_us:
                log = self._stage.folder / "demo.log"
                raise DaemonError(
                    f"{what} was not ready within {WITHIN_S:g} s",
                    hint=f"its last words are in {log}",
                )
            clock.sleep(LOOK_S)


class Narrator:
    """Reads what the daemon writes down, as anybody can."""

    def __init__(self, stage: Stage) -> None:
        self._app = app.build(str(stage.settings))
        self._after = 0

    def is_leading(self) -> bool:
        """Tell whether the daemon has begun its cycles."""
        return bool(self._ask("SELECT 1 AS found FROM decisions LIMIT 1"))

    def news(self) -> Iterator[Told]:
        """Tell what was done since the last time."""
        for row in self._ask(_EVENTS.format(after=self._after)):
            self._after = int(row["seq"])
            yield Told(row["at"], row["kind"], row["explanation"], row["change_id"])

    def outcomes(self) -> dict[str, int]:
        """Say for every outcome which change had it last."""
        question = "SELECT state, max(id) AS id FROM changes GROUP BY state"
        return {row["state"]: int(row["id"]) for row in self._ask(question)}

    def _ask(self, question: str) -> list[dict[str, Any]]:
        with self._app.upkeep() as upkeep:
            answer = upkeep.ask(question, 500)
            return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


@contextmanager
def performance(stage: Stage) -> Iterator[Cast]:
    """Have both processes ended, whatever happens."""
    cast = Cast(stage)
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield cast
    finally:
        cast.leave()
        signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Have a wish to end do what Ctrl-C does."""
    del number, frame
    raise KeyboardInterrupt


def follow(
    cast: Cast,
    narrator: Narrator,
    tell: Callable[[Told], None],
    *,
    until: Sequence[str] = (),
    seconds: float | None = None,
) -> bool:
    """Tell what happens until every one of some outcomes was seen; False if time ran out first."""
    clock = SystemClock()
    began_us = clock.elapsed_us()
    while seconds is None or clock.elapsed_us() - began_us < seconds * MICROS:
        seen = set(until) <= narrator.outcomes().keys()
        for told in narrator.news():  # asked for afterwards: what brought the outcome is told
            tell(told)
        if until and seen:
            return True
        cast.alive()
        clock.sleep(LOOK_S)
    return False


def _is_ours(settings: Path) -> bool:
    return settings.read_text(encoding="utf-8", errors="replace").startswith(OURS)
