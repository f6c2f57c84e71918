"""A Dask cluster as somebody else would run it: processes of its own, on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
START_S = 60.0

QUIET = {
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "1s",
    "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__INTERVAL": "10s",
}
"""What a cluster measures of itself while nothing is asked of it is most of what it costs."""


class DaskCluster:
    """A scheduler, and workers that may be killed."""

    def __init__(self, folder: Path, workers: int = 2) -> None:
        self._folder = folder
        self._started = 0
        self._file = folder / "scheduler.json"
        self._workers: list[subprocess.Popen[bytes]] = []
        words = ["--port", "0", "--no-dashboard", "--dashboard-address", "127.0.0.1:0"]
        words += ["--scheduler-file", str(self._file)]
        self.scheduler = self._start("scheduler", *words)
        for _ in range(workers):
            self.start_worker()
        self.address = self._address()

    def _start(self, kind: str, *words: str, **environ: str) -> subprocess.Popen[bytes]:
        self._started += 1
        command = [sys.executable, "-m", "dask", kind, "--host", "127.0.0.1", *words]
        log = self._folder / f"{kind}-{self._started}.log"
        settings = {"PYTHONPATH": str(ROOT), "DASK_CONFIG": str(self._folder)} | QUIET | environ
        with log.open("wb") as file:
            return subprocess.Popen(
                command,
                cwd=self._folder,
                env=os.environ | settings,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )

    def start_worker(self, *words: str) -> None:
        """Start a worker with one thread; it waits for the scheduler by itself."""
        given = ["--scheduler-file", str(self._file), "--nthreads", "1", "--no-nanny"]
        given += ["--no-dashboard", "--local-directory", str(self._folder), "--death-timeout", "60"]
        worker = self._start("worker", *given, *words)
        self._workers.append(worker)

    def _address(self) -> str:
        until = time.monotonic() + START_S
        while time.monotonic() < until and self.scheduler.poll() is None:
            try:
                found: dict[str, Any] = json.loads(self._file.read_text())
                return str(found["address"])
            except (OSError, ValueError):
                time.sleep(0.05)
        raise AssertionError((self._folder / "scheduler-1.log").read_text())

    def kill(self, pid: int) -> None:
        """Kill a worker, and start another one in its place."""
        worker = next(one for one in self._workers if one.pid == pid)
        worker.kill()
        worker.wait()
        self._workers.remove(worker)
        self.start_worker()

    def kill_workers(self) -> None:
        """Kill all workers at once; nobody takes their places."""
        for worker in self._workers:
            worker.kill()
            worker.wait()
        self._workers.clear()

    def stop(self) -> None:
        for process in (*self._workers, self.scheduler):
            process.kill()
            process.wait()
