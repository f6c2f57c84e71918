"""What a worker process does, from its birth by `fork` to its end.

It inherits all that its parent has and may use next to nothing of it: locks may
be held by threads that do not exist here, connections are the parent's, and so is
the terminal. So it touches numbers and its own connection, lets nothing of the
parent be finalised, and ends without running what the parent registered.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import os
import resource
import signal
import sys
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from daemon.adapters.executors import told, unpacked
from daemon.clock import MICROS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from multiprocessing.connection import Connection

    from daemon.adapters.executors import Packed, Work
    from daemon.clock import Clock
    from daemon.market.metrics import Columns
    from daemon.market.quotes import Quotes

NICE = 10
"""Sampling, and whoever else works on this machine, goes first."""

_FIRST_KILLED = "500"
"""Where memory is short, the kernel ends a worker before it ends who holds the results."""

_FILES = 1 << 16
_PR_SET_PDEATHSIG = 1


class Ask(NamedTuple):
    """A batch as it is given to a worker."""

    number: int
    quotes: str
    """The name of quotes that the worker was born with."""
    combinations: Packed


class Answer(NamedTuple):
    """What became of it."""

    number: int
    columns: Columns | None
    lost: str | None
    seconds: float
    spent: bool = False
    """The worker ends with this answer, to give its memory back."""


def become_worker(
    parent: int,
    connection: Connection,
    work: Work,
    quotes: Mapping[str, Quotes],
    clock: Clock,
) -> NoReturn:
    """Turn a process that was just forked, all signals blocked, into a worker."""
    code = 1
    try:
        _leave_home(parent, connection.fileno())
        serve(connection, work, quotes, clock)
        code = 0
    finally:
        os._exit(code)  # an exception that leaves here ends too: nothing of the parent's is run


def serve(connection: Connection, work: Work, quotes: Mapping[str, Quotes], clock: Clock) -> None:
    """Run one batch after the other until nobody sends any more."""
    with contextlib.suppress(EOFError, OSError):  # the parent has let go, or is gone
        while True:
            spent, answer = _answer(connection.recv(), work, quotes, clock)
            connection.send_bytes(answer)
            if spent:
                return


def _answer(
    ask: Ask, work: Work, quotes: Mapping[str, Quotes], clock: Clock
) -> tuple[bool, memoryview | bytes]:
    """Run a batch; whatever it raises is an answer."""
    since_us = clock.elapsed_us()
    try:
        columns = work(quotes[ask.quotes], unpacked(ask.combinations))
        seconds = (clock.elapsed_us() - since_us) / MICROS
        return False, ForkingPickler.dumps(Answer(ask.number, columns, None, seconds))
    except BaseException as error:  # noqa: BLE001 - it is told to whoever asked
        seconds = (clock.elapsed_us() - since_us) / MICROS
        spent = isinstance(error, MemoryError)
        answer = Answer(ask.number, None, told(error), seconds, spent)
        return spent, ForkingPickler.dumps(answer)


def _leave_home(parent: int, mine: int) -> None:
    """Keep what is a worker's, and nothing that could be mistaken for the parent's."""
    gc.freeze()  # what the parent left for its collector is not finalised twice
    sys.stdin = sys.stdout = sys.stderr = None  # threads that are not here may hold their locks
    faulthandler.disable()  # a crash is told in a sentence, not on the parent's terminal
    signal.set_wakeup_fd(-1)
    os.closerange(3, mine)
    os.closerange(mine + 1, _FILES)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C belongs to the parent
    _die_with(parent)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    with contextlib.suppress(OSError):
        os.nice(NICE)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_FIRST_KILLED, encoding="ascii")
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _die_with(parent: int) -> None:
    """Have the kernel end this process together with the thread that forked it."""
    with contextlib.suppress(AttributeError, OSError):  # elsewhere than on Linux
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
