"""What systemd is told of the service: started, reloading, alive, stopping.

One datagram with lines ``NAME=value`` to the socket that ``$NOTIFY_SOCKET``
names; without one there is nobody to tell, and nothing is sent.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from daemon import log
from daemon.clock import MICROS, manager_us
from daemon.log import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

_log = log.get(__name__)

ABSTRACT = "@"
"""How an address without a file is written; the kernel wants a zero byte in its place."""

SENT_WITHIN_S = 1.0
"""How long a message may wait for a manager that does not read."""


class Notifier:
    """Tells the service manager; whoever started us without one is told nothing."""

    def __init__(
        self,
        address: str | None = None,
        watchdog_us: int = 0,
        sent_within_s: float = SENT_WITHIN_S,
    ) -> None:
        self._address = address
        self._watchdog_us = watchdog_us
        self._sent_within_s = sent_within_s
        self._failed = False

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Notifier:
        """Find out whom to tell, and how long it waits for a sign of life."""
        given = environ.get("WATCHDOG_USEC", "")
        return cls(environ.get("NOTIFY_SOCKET") or None, int(given) if given.isdigit() else 0)

    def ready(self, status: str) -> None:
        """Say that the service does its work, for the first time or again."""
        self._send("READY=1", _status(status))

    def reloading(self) -> None:
        """Say that the configuration is being read again."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={manager_us()}")

    def stopping(self, why: str) -> None:
        """Say that the service is about to end."""
        self._send("STOPPING=1", _status(why))

    def status(self, text: str) -> None:
        """Say in a line how it stands."""
        self._send(_status(text))

    def alive(self) -> None:
        """Say that the work goes on: what a watchdog waits for."""
        self._send("WATCHDOG=1")

    def extend(self, seconds: float) -> None:
        """Ask for more time to start or to stop."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(seconds * MICROS)}")

    def patience(self, seconds: float | None) -> None:
        """Have the watchdog wait longer; without seconds, as long as it was set to."""
        if self._watchdog_us:
            wanted_us = self._watchdog_us if seconds is None else round(seconds * MICROS)
            self._send(f"WATCHDOG_USEC={max(self._watchdog_us, wanted_us)}")

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        address = self._address
        if address.startswith(ABSTRACT):
            address = "\0" + address.removeprefix(ABSTRACT)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(self._sent_within_s)
                sender.sendto("\n".join(lines).encode(), address)
        except OSError as error:
            if not self._failed:  # the work does not depend on it, and once is enough to know
                _log.warning("service_manager_unreachable", error=str(error))
            self._failed = True
        else:
            self._failed = False


def _status(text: str) -> str:
    return f"STATUS={printable(text)}"
