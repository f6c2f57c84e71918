"""Those who want to lead, with a clock that a test turns by hand."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Self

from daemon.clock import MICROS
from daemon.store.lease import Lease
from tests.contract.rows import T0

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.store.store import Store


class HandClock:
    """Time stands still until it is turned; waiting turns it, and calls whoever is told of it."""

    def __init__(self, now_us: int = T0, elapsed_us: int = 0) -> None:
        self._now_us = now_us
        self._elapsed_us = elapsed_us
        self.meanwhile: Callable[[], None] = lambda: None

    def now_us(self) -> int:
        return self._now_us

    def elapsed_us(self) -> int:
        return self._elapsed_us

    def sleep(self, seconds: float) -> None:
        self.turn(seconds)
        self.meanwhile()

    def turn(self, seconds: float) -> None:
        self._now_us += round(seconds * MICROS)
        self._elapsed_us += round(seconds * MICROS)

    def step_wall(self, seconds: float) -> None:
        """What an operator or a time server does: only the wall clock moves."""
        self._now_us += round(seconds * MICROS)


def lease(store: Store, holder: str = "one", clock: HandClock | None = None, **how) -> Lease:
    return Lease(store, holder, clock or HandClock(), **how)


def silent(store: Store, **how) -> Lease:
    """A leader that will show no further sign, and of which no lock tells either."""
    led = lease(store, "silent", **how)
    assert led.acquire() == 1
    if led._lock is not None:
        led._lock.release()
    return led


CHILD = """
import sys
from daemon.clock import SystemClock
from daemon.errors import DaemonError
from daemon.store.lease import Lease
from daemon.store.store import Store

with Store.open(sys.argv[1]) as store:
    lease = Lease(store, sys.argv[2], SystemClock())
    print(lease.acquire(), flush=True)
    for line in sys.stdin:
        try:
            with lease.write() as tx:
                pass
        except DaemonError as error:
            sys.exit(int(error.exit_code))
        print("wrote", flush=True)
"""


class Process:
    """Another process that asks to lead once, and writes whenever it is told to."""

    def __init__(self, url: str, holder: str = "process") -> None:
        self.child = subprocess.Popen(
            [sys.executable, "-c", CHILD, url, holder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.answer = self.child.stdout.readline().strip()

    def write(self) -> str | int:
        """What became of it: ``wrote``, or the code that it exited with."""
        self.child.stdin.write("write\n")
        self.child.stdin.flush()
        return self.child.stdout.readline().strip() or self.child.wait()

    def signal(self, number: int) -> None:
        self.child.send_signal(number)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.child.kill()
        self.child.communicate()
