"""Scheduled commands as tests start them: scripts, under a clock that is turned by hand."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from daemon.config.cron import Cron, Window
from daemon.services.duties.children import PREFIX, Children, Job, Launch
from daemon.services.duties.timetable import Recurring
from daemon.store import chores as records
from daemon.store import history
from tests.contract.lease_kit import HandClock, lease
from tests.watch_kit import Calls, eventually

HOUR = 3_600
DAY = 24 * HOUR
HOURLY = "0 * * * *"

WAIT = "import time; print('here', flush=True); time.sleep(60)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + WAIT
FAMILY = (
    "import subprocess, sys, time;"
    " child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
    " print(child.pid, flush=True); time.sleep(60)"
)


class Waiting(HandClock):
    """Time stands still until it is turned, but who waits for a process really waits."""

    def sleep(self, seconds):
        time.sleep(seconds)
        self.turn(seconds)


class Nursery:
    """A leader with scheduled commands; the commands are scripts."""

    def __init__(self, store):
        self.clock = Waiting()
        self.leader = lease(store, clock=self.clock)
        self.leader.acquire()
        self.calls = Calls()
        self.children = None
        self.opened = []
        self.log = []

    def open(self, *jobs, **how):
        environ = {**os.environ, "NOTIFY_SOCKET": "/run/of/the/daemon"}
        launch = Launch(argv=[sys.executable, "-c"], environ=environ, boot_id="this boot")
        leader = how.pop("leader", self.leader)
        self.children = Children(jobs, launch, leader, self.clock, self.calls, **how)
        self.opened.append(self.children)
        self.children.begin()
        return self.children

    def go(self, seconds):
        self.clock.turn(seconds)
        self.children.tick()

    def until_ended(self):
        def ended():
            self.children.tick()
            return not self.children.running

        eventually(ended)

    def runs(self, names):
        self.children.tick()
        return self.children.running == names

    def row(self, name="night"):
        with self.leader.read() as view:
            rows = {row["name"]: row for row in records.listed(view)}
        return rows.get(PREFIX + name)

    def events(self):
        with self.leader.read() as view:
            rows = history.read(view, "events")
        return [(row["ref"], row["body"]["status"]) for row in rows]


def job(script, name="night", when=HOURLY, **how):
    window = how.pop("window", None)
    return Job(
        name=name,
        words=[script],
        timer=Recurring(Cron.parse(when)),
        window=Window.parse(window) if window else None,
        **how,
    )


def is_alive(pid):
    """Whether a process runs; one that is dead and not yet reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def said(nursery):
    """Whether a child has said something."""
    return [line["line"] for line in nursery.log if line["event"] == "child_output"]
