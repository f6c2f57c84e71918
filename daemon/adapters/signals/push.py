"""Values that others send: the door offers them from its threads, the daemon takes them."""

from __future__ import annotations

from collections import deque
from threading import Lock
from typing import TYPE_CHECKING

from daemon.adapters.signals import Provider, shown
from daemon.ports import Polled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.adapters.signals import Profile
    from daemon.clock import Clock
    from daemon.ports import Reading

TAKEN = 5_000
"""Values that are taken at once."""


class PushSource(Provider):
    """A buffer that never grows beyond its size.

    What was accepted is not on record yet: it is lost if the process ends before
    it was written, so whoever cannot bear that sends a value again.
    """

    def __init__(self, profile: Profile, clock: Clock, *, buffer: int = 50_000) -> None:
        super().__init__(profile, clock)
        self.buffer = buffer
        self._lock = Lock()
        self._waiting: deque[Reading] = deque()
        self._unknown = 0
        self._example: str | None = None

    def offer(self, readings: Sequence[Reading]) -> int:
        """Take a batch, or none of it when there is no room: whoever sent it tries again.

        Values of signals that it does not provide are counted and left out.

        Returns:
            How many were accepted; 0 of some means that the buffer is full.
        """
        known = [reading for reading in readings if reading.signal in self._declared]
        with self._lock:
            if len(self._waiting) + len(known) > self.buffer:
                return 0
            self._waiting.extend(known)
            if len(known) < len(readings):
                self._unknown += len(readings) - len(known)
                stray = next(one for one in readings if one.signal not in self._declared)
                self._example = f"{shown(stray.signal)} is not among the signals of {self.name}"
        return len(known)

    def room(self) -> int:
        """Say how many values it would take now."""
        with self._lock:
            return self.buffer - len(self._waiting)

    def poll(self) -> Polled:
        """Give what was offered."""
        with self._lock:
            count = min(len(self._waiting), TAKEN)
            taken = [self._waiting.popleft() for _ in range(count)]
            unknown, example = self._unknown, self._example
            self._unknown, self._example = 0, None
            more = bool(self._waiting)
        return Polled(readings=taken, unreadable=unknown, example=example, more=more)
