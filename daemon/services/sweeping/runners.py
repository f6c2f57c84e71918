"""Who runs a session, and whether they still do: a name that says host, boot and process."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path

from daemon.clock import boot_id
from daemon.services.duties.child import born

UNKNOWN = "-"
NAME_MAX = 64
PARTS = 5


def this_process() -> str:
    """Name this process, so that others on this machine can tell whether it lives."""
    pid = os.getpid()
    host = socket.gethostname()[:NAME_MAX].replace("/", UNKNOWN)
    parts = (host or UNKNOWN, boot_id() or UNKNOWN, _pids(), pid, born(pid) or UNKNOWN)
    return "/".join(map(str, parts))


def _pids() -> str:
    """Name the world that numbers of processes are of: a container has its own."""
    with suppress(OSError):
        return str(Path("/proc/self/ns/pid").readlink()).rpartition("[")[2].rstrip("]")
    return UNKNOWN


def gone(runner: str) -> bool | None:
    """Tell whether a process has ended; None if that cannot be seen from here."""
    named, here = _parts(runner), _parts(this_process())
    if named[0] != here[0] or UNKNOWN in {named[1], here[1]}:
        return None
    if named[1] != here[1]:
        return True  # this machine was started anew since
    if named[2] != here[2] or not named[3].isdecimal():
        return None
    return str(born(int(named[3]))) != named[4]


def shown(runner: str) -> str:
    """Write a runner for a person."""
    parts = _parts(runner)
    return f"process {parts[3]} on {parts[0]}"


def _parts(runner: str) -> list[str]:
    return (runner.split("/") + [UNKNOWN] * PARTS)[:PARTS]
