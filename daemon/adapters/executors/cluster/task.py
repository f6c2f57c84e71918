"""What a Dask worker does with a batch: it has an executor of its own machine run it.

A thread cannot be ended from outside, nor does a worker outlive a crash of one. So
each thread of a worker keeps an executor that runs batches in processes of its own:
what hangs there is ended in time, what crashes there takes nothing else along, and
what was cancelled stops at once.
"""

from __future__ import annotations

import pickle
import threading
from typing import TYPE_CHECKING, NamedTuple

import daemon
from daemon.adapters.executors import told, unpacked
from daemon.errors import DaemonError
from daemon.market.metrics import ENGINE_VERSION
from daemon.ports import Batch, Finished

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.adapters.executors import Packed
    from daemon.market.quotes import Quotes
    from daemon.ports import JobExecutor

LOOK_S = 0.1
"""How often a worker asks itself whether anybody still wants what it runs."""

IDLE_S = 60.0
"""A worker that was given nothing for so long ends its processes and lets go of the quotes."""


class Ask(NamedTuple):
    """A batch as it travels."""

    key: str
    """The name by which the cluster knows it."""
    combinations: Packed
    timeout_s: float
    inside: bytes
    """What makes the executor that runs it, pickled."""
    version: str
    """That of whoever asks."""


class Outcome(NamedTuple):
    """What became of it."""

    finished: Finished | None
    refused: str | None = None
    """Why this worker can run nothing at all."""


def version() -> str:
    """Name all that must be equal for equal questions to get equal answers."""
    return f"{daemon.__version__} with engine {ENGINE_VERSION}"


def run(quotes: Quotes, ask: Ask) -> Outcome:
    """Run a batch on this worker, for as long as it is wanted there."""
    if (here := version()) != ask.version:
        return Outcome(None, f"it has version {here}, and the session {ask.version}")
    bench: Bench | None = getattr(_here, "bench", None)
    if bench is None:
        bench = _here.bench = Bench()
    try:
        return Outcome(bench.run(quotes, ask, _wanted(ask.key)))
    except DaemonError as error:
        return Outcome(None, error.message)
    except Exception as error:  # noqa: BLE001 - the cluster would only show where it stood
        return Outcome(None, told(error))


_here = threading.local()


def _wanted(key: str) -> Callable[[], bool]:
    """Give a way to ask whether the cluster still wants what it knows by this name."""
    from distributed import get_worker  # noqa: PLC0415 - an extra, and it is large

    tasks = get_worker().state.tasks

    def wanted() -> bool:
        task = tasks.get(key)
        return task is not None and task.state == "executing"

    return wanted


class Bench:
    """Where one thread of a worker runs its batches; cleared when nobody uses it."""

    def __init__(self, idle_s: float = IDLE_S) -> None:
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._inside = b""
        self._executor: JobExecutor | None = None
        self._timer: threading.Timer | None = None

    def run(self, quotes: Quotes, ask: Ask, wanted: Callable[[], bool]) -> Finished:
        """Run a batch; if it is wanted no more, it is lost."""
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()
            try:
                return self._run(quotes, ask, wanted)
            except BaseException:
                self._drop()
                raise
            finally:
                self._timer = threading.Timer(self._idle_s, self.clear)
                self._timer.daemon = True
                self._timer.start()

    def _run(self, quotes: Quotes, ask: Ask, wanted: Callable[[], bool]) -> Finished:
        executor = self._made(ask.inside)
        batch = Batch(number=0, quotes=quotes, combinations=unpacked(ask.combinations))
        executor.submit(batch, ask.timeout_s)
        while wanted():
            for finished in executor.collect(LOOK_S):
                return finished
        executor.cancel()
        return Finished(number=0, lost="it was cancelled")

    def clear(self) -> None:
        """End the processes, if nobody is using them."""
        if self._lock.acquire(blocking=False):
            try:
                self._drop()
            finally:
                self._lock.release()

    def _made(self, inside: bytes) -> JobExecutor:
        if self._executor is None or inside != self._inside:
            self._drop()
            self._executor = pickle.loads(inside)()  # noqa: S301 - workers run what clients send
            self._inside = inside
        made: JobExecutor = self._executor
        return made

    def _drop(self) -> None:
        if self._executor is not None:
            self._executor.close()
            self._executor = None
