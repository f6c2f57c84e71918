"""Signals of the operating system: SIGTERM and SIGINT end the service, SIGHUP has it read again.

The first request to end is carried out in order, within ten seconds. A second
one ends the process at once, and so does an orderly end that takes too long:
nothing is lost by it, because every step can be interrupted anywhere.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING, Protocol

from daemon import log
from daemon.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Self

_log = log.get(__name__)

STOP_WITHIN_S = 10.0
"""How long an orderly end may take."""

KILLED_BY = 128
"""What a shell adds to the number of the signal that ended a process."""

ENDING = (signal.SIGTERM, signal.SIGINT)


class Wishes(Protocol):
    """What somebody outside wants of the running service."""

    @property
    def stop(self) -> str | None:
        """Why it should end; None while it should not."""
        ...

    def reload(self) -> bool:
        """Whether the configuration should be read again; asked once, answered once."""
        ...


class Interrupts:
    """Listens to signals from the main thread while the block runs."""

    def __init__(
        self, leave: Callable[[int], object] = os._exit, stop_within_s: float = STOP_WITHIN_S
    ) -> None:
        self._leave = leave
        self._stop_within_s = stop_within_s
        self._stop: str | None = None
        self._reload = False
        self._before: dict[signal.Signals, signal._HANDLER] = {}
        self._deadline: threading.Timer | None = None

    @property
    def stop(self) -> str | None:
        """Name the signal that asked for the end."""
        return self._stop

    def reload(self) -> bool:
        """Tell whether SIGHUP has come since this was last asked."""
        asked, self._reload = self._reload, False
        return asked

    def __enter__(self) -> Self:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        for number in (*ENDING, signal.SIGHUP):
            self._before[number] = signal.signal(number, self._heard)
        self._wakeup_before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._watcher = threading.Thread(target=self._watch, name="interrupts", daemon=True)
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        signal.set_wakeup_fd(self._wakeup_before)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._writer)
        self._watcher.join()
        os.close(self._reader)
        if self._deadline is not None:
            self._deadline.cancel()

    def _heard(self, number: int, frame: FrameType | None) -> None:
        """Note what was asked; the loop looks at it between two steps."""
        del frame
        if number == signal.SIGHUP:
            self._reload = True
        elif self._stop is None:
            self._stop = signal.Signals(number).name

    def _watch(self) -> None:
        """See to it that the end comes, even while the main thread waits for a database."""
        endings = 0
        while heard := os.read(self._reader, 1):
            if heard[0] not in ENDING:
                continue
            endings += 1
            if endings > 1:
                self._leave(KILLED_BY + heard[0])
            else:
                self._deadline = threading.Timer(self._stop_within_s, self._too_late)
                self._deadline.daemon = True
                self._deadline.start()

    def _too_late(self) -> None:
        _log.error("stop_took_too_long", seconds=self._stop_within_s)
        self._leave(Exit.FAILED)
