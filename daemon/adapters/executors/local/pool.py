"""Worker processes of our own, each with a connection, instead of a pool of the library.

A shared pool cannot tell which batch killed a worker: it breaks as a whole, and
everything in hand is suspect. Nor can it end a batch that hangs. Here a worker has
one batch at a time; when it dies, that batch is lost and no other, and when the
batch takes too long, that worker is killed and no other.
"""

from __future__ import annotations

import contextlib
from collections import OrderedDict, deque
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, NamedTuple

from daemon.adapters.executors import backtested, in_common, name_of
from daemon.adapters.executors.local.worker import Worker, WorkerGone
from daemon.clock import MICROS, SystemClock
from daemon.ports import ExecutorFault, Finished

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from multiprocessing.connection import Connection

    from daemon.adapters.executors import Work
    from daemon.clock import Clock
    from daemon.market.quotes import Quotes
    from daemon.ports import Batch

KEPT = 8
"""So many quotes are held for workers that are yet to be born."""

DEATHS_MAX = 600
DEATHS_WITHIN_S = 60
"""Workers may die so often within so long, with no batch that came back between, and no more."""

LOOK_S = 1.0
"""No wait is longer, so that time during which nobody ran can be told from time that passed."""


class _Waiting(NamedTuple):
    """A batch that no worker has yet."""

    batch: Batch
    timeout_s: float


class LocalExecutor:
    """Runs batches in processes that it forks when they are first needed.

    Quotes are never sent: a worker inherits those that were known when it was
    forked, in memory that all of them share, and with them what all batches need
    to know of them. For quotes that came later, a worker
    that is idle is replaced by a new one, which takes a few milliseconds.

    It is used and closed by one thread: workers die with the thread that forked
    them, as they do with the process.
    """

    def __init__(
        self,
        workers: int,
        *,
        work: Work = backtested,
        clock: Clock | None = None,
        deaths_max: int = DEATHS_MAX,
    ) -> None:
        if workers < 1:
            raise ValueError(f"{workers} workers cannot run anything")
        self.slots = workers
        self._work = work
        self._clock = clock or SystemClock()
        self._workers: list[Worker] = []
        self._queue: deque[_Waiting] = deque()
        self._finished: list[Finished] = []
        self._kept: OrderedDict[str, Quotes] = OrderedDict()
        self._deaths: deque[int] = deque(maxlen=deaths_max)
        self._last_death = ""

    # ── the port ─────────────────────────────────────────────────────────────
    def submit(self, batch: Batch, timeout_s: float) -> None:
        """Take a batch in hand.

        Raises:
            ExecutorFault: workers die one after the other, or none can be started.
        """
        if batch.number in self._in_hand():
            raise ValueError(f"batch {batch.number} is in hand already")
        self._queue.append(_Waiting(batch, timeout_s))
        try:
            self._feed()
        except ExecutorFault:
            self._queue = deque(one for one in self._queue if one.batch is not batch)
            raise

    def collect(self, timeout_s: float) -> Sequence[Finished]:
        """Give what has finished.

        Raises:
            ExecutorFault: workers die one after the other, or none can be started.
        """
        until_us = self._now_us() + round(timeout_s * MICROS)
        self._hear(0.0)
        while True:
            self._end_overdue()
            self._feed()
            left_s = (until_us - self._now_us()) / MICROS
            if self._finished or left_s <= 0 or not self._in_hand():
                finished, self._finished = self._finished, []
                return finished
            self._hear(max(0.0, min(left_s, self._next_s(), LOOK_S)))

    def cancel(self) -> None:
        """Let go of everything: workers that run something are killed, idle ones stay."""
        self._queue.clear()
        self._finished.clear()
        self._deaths.clear()
        self._dismiss([worker for worker in self._workers if worker.batch])

    def close(self) -> None:
        """Kill all workers, and wait until they are gone."""
        self.cancel()
        self._kept.clear()
        self._dismiss(self._workers[:])

    # ── who does what ────────────────────────────────────────────────────────
    def _in_hand(self) -> set[int]:
        queued = {one.batch.number for one in self._queue}
        running = {worker.batch.number for worker in self._workers if worker.batch}
        return queued | running | {one.number for one in self._finished}

    def _now_us(self) -> int:
        return self._clock.elapsed_us()

    def _feed(self) -> None:
        """Give batches to workers for as long as there are both."""
        while self._queue:
            waiting = self._queue[0]
            name = self._name(waiting.batch.quotes)
            worker = self._free(name, waiting.batch)
            if worker is None:
                return
            try:
                worker.give(waiting.batch, name, waiting.timeout_s)
            except WorkerGone as gone:
                self._workers.remove(worker)
                self._mourn(str(gone))  # it died idle: the batch is none the worse for it
            else:
                self._queue.popleft()

    def _name(self, quotes: Quotes) -> str:
        """Name quotes, and hold them for workers to come."""
        name = name_of(quotes)
        self._kept.setdefault(name, quotes)
        self._kept.move_to_end(name)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return name

    def _free(self, quotes: str, batch: Batch) -> Worker | None:
        """Find a worker that is idle and has these quotes, or make one."""
        idle = [worker for worker in self._workers if not worker.batch]
        for worker in idle:
            if quotes in worker.knows:
                return worker
        if len(self._workers) >= self.slots:
            if not idle:
                return None
            self._dismiss(idle[:1])
        return self._born(self._kept[quotes], batch)

    def _born(self, quotes: Quotes, batch: Batch) -> Worker | None:
        """Start a worker; None if that cannot be done now and others are at work."""
        self._check()
        with contextlib.suppress(MemoryError):  # a worker that needs it says so
            in_common(quotes, batch.combinations)
        worker = Worker(self._work, dict(self._kept), self._clock)
        self._workers.append(worker)
        try:
            worker.start()
        except OSError as error:
            self._workers.remove(worker)
            if any(other.batch for other in self._workers):
                return None
            raise ExecutorFault(
                f"no worker process can be started: {error.strerror or error}",
                hint="is there memory, and may this user have more processes (ulimit -u)?",
            ) from error
        return worker

    # ── what comes back ──────────────────────────────────────────────────────
    def _hear(self, timeout_s: float) -> None:
        """Wait for workers that have something to say, or have ended."""
        if not self._workers:
            return
        by_connection = {worker.connection: worker for worker in self._workers}
        before_us = self._now_us()
        ready: Iterable[Connection] = wait(list(by_connection), timeout_s)  # type: ignore[assignment]
        slept_us = self._now_us() - before_us - round(timeout_s * MICROS)
        if slept_us > LOOK_S * MICROS:  # the machine slept, or we were stopped: so were they
            for worker in self._workers:
                worker.until_us += slept_us
        for connection in ready:
            self._take(by_connection[connection])

    def _take(self, worker: Worker) -> None:
        batch = worker.batch
        try:
            answer = worker.take()
        except WorkerGone as gone:
            self._workers.remove(worker)
            self._mourn(str(gone))
            if batch is not None:
                lost = f"its worker {gone}"
                self._finished.append(
                    Finished(number=batch.number, lost=lost, seconds=worker.seconds)
                )
            return
        self._finished.append(
            Finished(
                number=answer.number,
                columns=answer.columns,
                lost=answer.lost,
                seconds=answer.seconds,
            )
        )
        self._deaths.clear()
        if answer.spent:
            self._dismiss([worker])

    def _next_s(self) -> float:
        """How long until the next batch has run for too long."""
        first_us = min((worker.until_us for worker in self._workers if worker.batch), default=None)
        return LOOK_S if first_us is None else (first_us - self._now_us()) / MICROS

    def _end_overdue(self) -> None:
        now_us = self._now_us()
        overdue = [one for one in self._workers if one.batch and now_us >= one.until_us]
        for worker in overdue:
            assert worker.batch is not None  # noqa: S101 - just asked
            self._finished.append(
                Finished(
                    number=worker.batch.number,
                    lost=f"it ran for more than {worker.timeout_s:g} s",
                    timed_out=True,
                    seconds=worker.seconds,
                )
            )
        self._dismiss(overdue)

    # ── the end of workers ───────────────────────────────────────────────────
    def _dismiss(self, workers: Sequence[Worker]) -> None:
        for worker in workers:
            worker.kill()
        for worker in workers:
            self._workers.remove(worker)
            worker.end()

    def _mourn(self, how: str) -> None:
        """Remember that a worker died that nobody had told to."""
        self._last_death = how
        self._deaths.append(self._now_us())

    def _check(self) -> None:
        """Start no more workers where they do nothing but die.

        Raises:
            ExecutorFault: so many have died, and nothing came back.
        """
        deaths = len(self._deaths)
        if deaths != self._deaths.maxlen:
            return
        within_us = self._now_us() - self._deaths[0]
        if within_us > DEATHS_WITHIN_S * MICROS:
            return
        raise ExecutorFault(
            f"{deaths} workers in a row died before any batch came back;"
            f" the last one {self._last_death}",
            hint="is there enough memory for so many? The kernel's log says what it killed (dmesg)",
        )
