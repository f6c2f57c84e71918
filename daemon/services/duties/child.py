"""A program of ours as a process of its own: at low priority, its output told, surely ended."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from daemon import log
from daemon.log import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import IO

_log = log.get(__name__)

NICENESS = 15
LINE_BYTES = 8_192
"""A longer line is told in pieces."""

LINES_MAX = 20_000
"""Lines of a run that are told; the others are counted."""

TAIL = 20
"""Last lines that are kept for whoever asks why it failed."""

PATIENCE_S = 1.0
"""How long the end of the output is waited for when the process has ended."""

_NOT_INHERITED = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID")
"""What the service manager says to this process alone."""


class Child:
    """A process, and whatever it starts itself: all of them are one group."""

    def __init__(self, name: str, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        """Start it.

        Raises:
            OSError: there is no such program, or no room for another process.
        """
        self.name = name
        self.tail: deque[str] = deque(maxlen=TAIL)
        self._lines = 0
        self._process = subprocess.Popen(  # noqa: S603 - our own program; no shell reads this
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={key: value for key, value in environ.items() if key not in _NOT_INHERITED},
            process_group=0,
        )
        self.pid = self._process.pid
        with suppress(OSError):  # it may have ended already
            os.setpriority(os.PRIO_PGRP, self.pid, NICENESS)
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        self._reader = threading.Thread(
            target=self._read, args=(self._process.stdout,), name=f"output of {name}", daemon=True
        )
        self._reader.start()

    def ended(self) -> int | None:
        """Give its exit code, once it has ended; a signal that ended it is a negative number.

        What it has left running is killed with it.
        """
        if self._process.returncode is None:
            if os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                return None
            self.kill()  # while the dead process still keeps its number from others
            self._process.wait()
            self._reader.join(PATIENCE_S)
            if self._lines > LINES_MAX:
                left_out = self._lines - LINES_MAX
                _log.warning("child_output_left_out", child=self.name, lines=left_out)
        return self._process.returncode

    def ask_to_end(self) -> None:
        """Send SIGTERM to all of the group."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL to all of the group."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def _read(self, output: IO[bytes]) -> None:
        with output:
            while line := output.readline(LINE_BYTES):
                self._tell(line.decode(errors="replace").rstrip())

    def _tell(self, text: str) -> None:
        if not text:
            return
        self.tail.append(printable(text))
        self._lines += 1
        if self._lines <= LINES_MAX:
            _log.info("child_output", child=self.name, line=text)


# ── what an earlier daemon left behind ───────────────────────────────────────
def born(pid: int) -> int | None:
    """Say when a process began, in ticks since boot; None if there is none of that number."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    return int(stat.rpartition(")")[2].split()[19])


def end_orphan(pid: int, ticks: int) -> bool:
    """Kill the group of a child whose daemon died; not if another process has its number by now."""
    if pid <= 1 or born(pid) != ticks:
        return False
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
        return True
    return False
