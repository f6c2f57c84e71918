"""A service with an engine made by hand, as a process of its own.

    python life_process.py FOLDER [blocked] [STOP_WITHIN_S]

Its cycles come twenty times a second. ``blocked``: the first of them waits for
a database that another connection holds, deep inside the library, where no
Python code runs until the wait is over.
"""

import os
import sqlite3
import sys
from pathlib import Path

from daemon import log
from daemon.clock import SystemClock
from daemon.services.living.interrupts import STOP_WITHIN_S, Interrupts
from daemon.services.living.lifecycle import live
from daemon.services.living.metrics import Meters
from daemon.services.living.pulse import Pulse
from daemon.services.living.service import Service
from tests.life_kit import HandEngine, HandLease


class Quick(HandEngine):
    """Always due; shows its steps on stdout."""

    def due_us(self) -> int:
        return 0

    def cycle(self) -> None:
        self.tell("cycle")

    def reload(self) -> str:
        self.tell("reload")
        return "nothing"

    def stop(self) -> None:
        self.tell("stop")

    def tell(self, step: str) -> None:
        sys.stdout.write(f"{step}\n")
        sys.stdout.flush()


class Blocked(Quick):
    """Meets a database that somebody else is writing to, and waits for a minute."""

    path = Path()

    def cycle(self) -> None:
        holder = sqlite3.connect(self.path, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        waiter = sqlite3.connect(self.path, isolation_level=None, timeout=60)
        self.tell("waiting")
        waiter.execute("BEGIN IMMEDIATE")


def main(folder: str, kind: str = "quick", stop_within_s: float = STOP_WITHIN_S) -> None:
    log.configure()
    clock = SystemClock()
    Blocked.path = Path(folder) / "held.db"
    engine = (Blocked if kind == "blocked" else Quick)(clock)
    pulse = Pulse(clock.elapsed_us(), period_s=0.1, tick_s=0.01)
    service = Service(engine, HandLease(), clock, pulse, Meters(clock))
    with Interrupts(stop_within_s=stop_within_s) as wishes:
        live(service, wishes, sys.stderr.write, environ=os.environ)


if __name__ == "__main__":
    main(*sys.argv[1:3], *map(float, sys.argv[3:]))
