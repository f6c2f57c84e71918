"""A stage for the torture: settings, a governed system, a database, and daemons to start on it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from daemon.clock import SystemClock, iso
from daemon.store import commands
from daemon.store.store import Store
from tests.torture.feed import RULES
from tests.torture.report import Tally, say

ROOT = Path(__file__).parents[2]
READY_WITHIN_S = 60.0
HEARS_S = 0.2
SPEED = 60.0

SETTINGS = """\
database: {{ url: '{url}', auto_upgrade: true, lease_ttl_s: 2, disk_floor_mb: {floor} }}
policy_file: '{folder}/policy.yaml'
sources:
  fed:
    {{ kind: jsonl, path: '{folder}/metrics.jsonl', start: beginning,
      signals: {{ slow: , cost: }} }}
controls:
  file: {{ kind: yaml, path: '{controls}/rules.yaml' }}
http: {{ port: 0 }}
grace_s: 1
time_lapse: {{ speed: {speed:g}, since: '{since}' }}
log: {{ level: info, format: json }}
"""
POLICY = """\
targets:
  slow: {{ max: 51 }}
  cost: {{ max: 25 }}
rules:
{rules}
observe_window_s: {window}
min_samples: 10
settle_s: 5
cooldown_s: {rest}
warmup_s: 120
safety: {{ harm_budget: 3, no_go_s: 1 }}
strategy:
  dry_run: {dry_run}
  changes_per_hour: 3600
  max_concurrent_changes: 3
  max_extensions: 1
  paired_toggling: false
  confidence: 0.8
  idle_trial_s: 1
"""


class Life:
    """One process of the daemon, and the socket on which it tells how it is."""

    def __init__(self, scene: Scene, *how: str, before: tuple[str, ...] = (), environ=None) -> None:
        scene.lives.append(self)
        self.address = scene.folder / f"n{len(scene.lives)}"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.address))
        self._ready, self._over = threading.Event(), threading.Event()
        self.began_s = time.monotonic()
        self.ready_s: float | None = None
        self.ready_busy_s: float | None = None
        """How much of a processor that took."""
        command = [*before, sys.executable, "-m", "daemon", "run", *how, "--config", scene.config]
        with (scene.folder / "daemon.log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**clean(), "NOTIFY_SOCKET": str(self.address), **(environ or {})},
                start_new_session=True,
            )
        self._traced = bool(before)
        threading.Thread(target=self._hear, daemon=True).start()

    def _hear(self) -> None:
        """Hear all that it tells: somebody who tells nobody waits."""
        self.socket.settimeout(HEARS_S)
        while not self._over.is_set():
            try:
                said = self.socket.recv(4096).decode()
            except TimeoutError:
                continue
            except OSError:
                return
            if said.startswith("READY=1") and self.ready_s is None:
                self.ready_s = time.monotonic() - self.began_s
                with suppress(OSError, IndexError):
                    self.ready_busy_s = busy_s(self.pid)
                self._ready.set()

    def listen(self, seconds: float) -> bool:
        """Wait until it says that it is ready; False if it ends before, or does not say so."""
        until_s = time.monotonic() + seconds
        while not self._ready.wait(0.02):
            if self.process.poll() is not None or time.monotonic() >= until_s:
                break
        return self._ready.is_set()

    @property
    def pid(self) -> int:
        """The process of the daemon itself, also where somebody traces it."""
        if not self._traced:
            return self.process.pid
        task = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return int(task.read_text().split()[0])

    def signal(self, number: int) -> None:
        """Send it a signal."""
        with suppress(ProcessLookupError, OSError, IndexError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self.wait(10)

    def wait(self, seconds: float) -> int | None:
        """Wait for its end; None if it does not come."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        self._over.set()
        self.address.unlink(missing_ok=True)
        return code

    def end(self) -> None:
        """End it, whatever it takes."""
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            if self.wait(15) is None:
                self.kill()


class Scene:
    """A folder, a database and a governed system, over as many lives of the daemon as it takes."""

    def __init__(
        self, tally: Tally, url: str | None = None, *, store_in: Path | None = None, **options
    ) -> None:
        self._tally = tally
        self.folder = Path(tempfile.mkdtemp(prefix="torture-"))
        self.store_in = store_in or self.folder
        self.controls = self.store_in / "controls"
        self.url = url or f"sqlite:///{self.store_in}/t.db"
        self.config = str(self.folder / "daemon.yaml")
        self.lives: list[Life] = []
        self.asked = 0
        self.window = options.pop("window", 20)
        self.speed = options.pop("speed", SPEED)
        self.floor = options.pop("floor", 1)
        self.store_url = options.pop("store_url", self.url)
        """Where those look who watch: not through a proxy that loses things."""
        self.write()
        self.feed: subprocess.Popen | None = None

    def write(self) -> None:
        """Write settings and policy."""
        since = iso(SystemClock().now_us())
        text = SETTINGS.format(
            url=self.url,
            folder=self.folder,
            controls=self.controls,
            speed=self.speed,
            since=since,
            floor=self.floor,
        )
        Path(self.config).write_text(text)
        self.write_policy(dry_run=True)

    def write_policy(self, *, dry_run: bool) -> None:
        """Write what may be moved."""
        rules = "\n".join(
            f"  {name}: {{ init: {value:g}, min: 0, max: 20, lr: 1 }}"
            for name, value in RULES.items()
        )
        text = POLICY.format(
            rules=rules, window=self.window, rest=self.window + 5, dry_run=str(dry_run).lower()
        )
        (self.folder / "policy.yaml").write_text(text)

    def __enter__(self) -> Self:
        self.ctl("db", "upgrade")
        self.feed = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.feed", self.config],
            cwd=ROOT,
            env=clean(),
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._go_live()
        return self

    def __exit__(self, *_: object) -> None:
        for life in self.lives:
            if life.process.poll() is None:
                life.signal(signal.SIGCONT)
                life.kill()
        if self.feed is not None:
            self.feed.kill()
            self.feed.wait()
        if self._tally.failed:
            say(f"{self._tally.part}: see {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _go_live(self) -> None:
        """Let the daemon hear what there is, calibrate on it, and have it act from then on."""
        life = self.start()
        if not life.listen(READY_WITHIN_S):
            raise RuntimeError(f"the daemon does not start: {self.folder / 'daemon.log'}")
        self.ctl("ctl", "calibrate", "--accept-anyway", "torture", fine=(0, 5))
        life.end()
        self.write_policy(dry_run=False)

    def ctl(self, *arguments: str, fine: tuple[int, ...] = (0,)) -> str:
        """Run a command of the program."""
        done = subprocess.run(
            [sys.executable, "-m", "daemon", *arguments, "--config", self.config],
            cwd=ROOT,
            env=clean(),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode not in fine:
            raise RuntimeError(f"daemon {' '.join(arguments)}: {done.returncode} {done.stderr}")
        return done.stdout

    def start(self, *how: str, **options) -> Life:
        """Start the daemon."""
        return Life(self, *how, **options)

    def store(self) -> Store:
        """Open the database as an onlooker does."""
        return Store.open(self.store_url)

    def ask(self, kind: str, args: dict[str, Any]) -> int:
        """Ask the daemon for something, as `daemon ctl` does."""
        self.asked += 1
        wanted = commands.NewCommand(
            key=f"torture:{len(self.lives)}:{self.asked}",
            kind=kind,
            actor="torture",
            at_us=SystemClock().now_us(),
            args=args,
        )
        with self.store() as store, store.write() as tx:
            return commands.file(tx, wanted)


def busy_s(pid: int) -> float:
    """Say how much of a processor a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def clean() -> dict[str, str]:
    """Give the environment, without anything that would configure the daemon."""
    return {k: v for k, v in os.environ.items() if not k.startswith("DAEMON_")}
