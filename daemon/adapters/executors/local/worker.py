"""A worker process as its parent sees it: a connection, and whether it is still there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import struct
import warnings
from multiprocessing.connection import Connection
from pickle import UnpicklingError
from typing import TYPE_CHECKING

from daemon.adapters.executors import packed
from daemon.adapters.executors.local.child import Answer, Ask, become_worker
from daemon.clock import MICROS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.adapters.executors import Work
    from daemon.clock import Clock
    from daemon.market.quotes import Quotes
    from daemon.ports import Batch

SILENT_S = 10
"""A worker that stops in the middle of an answer, or of a question, is given up after so long."""

REAPED_WITHIN_S = 1.0
_LOOK_S = 0.001


class WorkerGone(Exception):  # noqa: N818 - a state, not a bug
    """The process has ended, or can be talked to no more; the message says how."""


class Worker:
    """One process, which runs one batch at a time."""

    silent_s = SILENT_S

    def __init__(self, work: Work, quotes: Mapping[str, Quotes], clock: Clock) -> None:
        self.knows = frozenset(quotes)
        self.batch: Batch | None = None
        self.timeout_s = 0.0
        self.since_us = 0
        self.until_us = 0
        self._work, self._quotes, self._clock = work, quotes, clock
        self._pid = 0
        self.connection: Connection

    def start(self) -> None:
        """Fork it.

        Raises:
            OSError: there may be no further process, or no further file.
        """
        ours, theirs = socket.socketpair()
        with ours, theirs:
            for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
                ours.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", self.silent_s, 0))
            self.connection, other = _connection(ours), _connection(theirs)
        with other:
            try:
                self._fork(other)
            except OSError:
                self.connection.close()
                raise

    def _fork(self, theirs: Connection) -> None:
        parent = os.getpid()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            with warnings.catch_warnings():
                # Newer Pythons warn of threads here; the child touches no lock of theirs.
                warnings.simplefilter("ignore", DeprecationWarning)
                pid = os.fork()
            if pid == 0:
                become_worker(parent, theirs, self._work, self._quotes, self._clock)
            self._pid, self._quotes = pid, {}  # the child has them
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def give(self, batch: Batch, quotes: str, timeout_s: float) -> None:
        """Have it run a batch.

        Raises:
            WorkerGone: it has ended; the batch was not begun.
        """
        self.batch, self.timeout_s = batch, timeout_s
        self.since_us = self._clock.elapsed_us()
        self.until_us = self.since_us + round(timeout_s * MICROS)
        try:
            self.connection.send(Ask(batch.number, quotes, packed(batch.combinations)))
        except OSError:
            self.batch = None
            raise WorkerGone(self.end()) from None

    def take(self) -> Answer:
        """Take its answer, which has begun to arrive.

        Raises:
            WorkerGone: it has ended, or stopped in the middle.
        """
        try:
            answer: Answer = self.connection.recv()
        except (EOFError, OSError, UnpicklingError):
            raise WorkerGone(self.end()) from None
        self.batch = None
        return answer

    @property
    def seconds(self) -> float:
        """How long it has been running its batch."""
        return (self._clock.elapsed_us() - self.since_us) / MICROS

    def kill(self) -> None:
        """End it; `end` waits until it has."""
        if self._pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)

    def end(self) -> str:
        """Make sure that it has ended, and say how it did."""
        self.connection.close()
        if not self._pid:
            return "it was never there"
        status = self._reaped()  # it may have ended by itself: then that is how
        if status is None:
            self.kill()
            status = self._reaped(REAPED_WITHIN_S)
        self._pid = 0
        return _told(status)

    def _reaped(self, patience_s: float = 10 * _LOOK_S) -> int | None:
        until_us = self._clock.elapsed_us() + round(patience_s * MICROS)
        while True:
            try:
                pid, status = os.waitpid(self._pid, os.WNOHANG)
            except ChildProcessError:
                return -1  # somebody else of this process waits for children
            if pid:
                return status
            if self._clock.elapsed_us() >= until_us:
                return None
            self._clock.sleep(_LOOK_S)


def _connection(end: socket.socket) -> Connection:
    """Take a file above those of the standard streams, which may be closed and used for this."""
    return Connection(fcntl.fcntl(end.fileno(), fcntl.F_DUPFD_CLOEXEC, 3))


def _told(status: int | None) -> str:
    if status is None or status < 0:
        return "ended, nobody knows how"
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"ended by itself with exit code {code}"
    if code == -signal.SIGKILL:
        return "was killed by SIGKILL (out of memory?)"
    known = -code in set(signal.Signals)
    return f"was killed by {signal.Signals(-code).name if known else f'signal {-code}'}"
