"""Batches on many machines, by way of a Dask scheduler that somebody else has started."""

from __future__ import annotations

import pickle
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from daemon.adapters.executors import name_of, packed, told
from daemon.adapters.executors.cluster.client import CONNECT_S, Cluster, unfit
from daemon.adapters.executors.cluster.task import Ask, Outcome, run, version
from daemon.clock import MICROS, SystemClock, unique
from daemon.market.quotes import Quotes
from daemon.ports import ExecutorFault, Finished

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from daemon.clock import Clock
    from daemon.ports import Batch, JobExecutor

LOOK_S = 0.5
"""How often it is looked after the connection while nothing comes back."""

ASK_S = 5.0
"""How often the scheduler is asked how many workers there are; while there are none, more often."""

WORKERLESS_S = 60.0
"""A cluster may be without workers for so long; they may be starting again."""

SILENT_S = 60.0
"""A batch is lost that stays away for twice its time and this much: nobody knows where it is."""

FETCH_S = 30.0


class _Waiting(NamedTuple):
    """A batch that the scheduler does not have yet, for want of workers."""

    batch: Batch
    timeout_s: float


class _Running(NamedTuple):
    """A batch that the scheduler has."""

    future: Any
    since_us: int
    timeout_s: float


class DaskExecutor:
    """Runs batches on the workers of a Dask cluster.

    Workers need the same version of this package as whoever asks them, and nothing
    else: quotes are sent to each of them once, named by their digest. Where a worker
    dies, the scheduler gives its batch to another one. ``inside`` makes the executor
    that a worker runs a batch with; it is pickled by its name.

    Raises:
        MissingExtra: the library is not installed.
        ExecutorFault: nobody answers at this address, or there are no workers.
    """

    def __init__(
        self,
        address: str,
        inside: Callable[[], JobExecutor],
        *,
        clock: Clock | None = None,
        connect_s: float = CONNECT_S,
    ) -> None:
        self._clock = clock or SystemClock()
        self._inside = pickle.dumps(inside)
        self._cluster = Cluster(address, connect_s)
        self._name = unique()
        self._numbers = count(1)
        self._quotes: dict[str, Any] = {}
        self._backlog: deque[_Waiting] = deque()
        self._running: dict[int, _Running] = {}
        self._finished: list[Finished] = []
        self._asked_us = self._worked_us = self._clock.elapsed_us()

    # ── the port ─────────────────────────────────────────────────────────────
    @property
    def slots(self) -> int:
        """How many threads the workers have together; they come and go."""
        return max(1, self._cluster.threads)

    def submit(self, batch: Batch, timeout_s: float) -> None:
        """Hand a batch to the scheduler.

        Raises:
            ExecutorFault: the scheduler is gone.
        """
        if batch.number in self._in_hand():
            raise ValueError(f"batch {batch.number} is in hand already")
        if not self._cluster.connected:
            raise self._cluster.gone()
        waiting = _Waiting(batch, timeout_s)
        if self._backlog or not self._handed_over(waiting):
            self._backlog.append(waiting)

    def collect(self, timeout_s: float) -> Sequence[Finished]:
        """Give what has come back.

        Raises:
            ExecutorFault: the scheduler or all workers are gone, or a worker has
                another version and can run nothing.
        """
        until_us = self._clock.elapsed_us() + round(timeout_s * MICROS)
        while True:
            for number in [*self._running]:
                self._look_at(number)
            left_s = (until_us - self._clock.elapsed_us()) / MICROS
            if self._finished or left_s <= 0 or not self._in_hand():
                finished, self._finished = self._finished, []
                return finished
            self._look_after_cluster()
            while self._backlog and self._handed_over(self._backlog[0]):
                self._backlog.popleft()
            futures = [one.future for one in self._running.values()]
            if futures:
                self._cluster.wait(futures, max(0.001, min(left_s, LOOK_S)))
            else:
                self._clock.sleep(min(left_s, LOOK_S))

    def cancel(self) -> None:
        """Let go of everything: workers notice that nobody wants it and stop."""
        for running in self._running.values():
            running.future.release()
        self._backlog.clear()
        self._running.clear()
        self._finished.clear()

    def close(self) -> None:
        """Let go of everything, and of the connection."""
        self.cancel()
        self._quotes.clear()
        self._cluster.close()

    # ── on the way there ─────────────────────────────────────────────────────
    def _in_hand(self) -> set[int]:
        backlog = {one.batch.number for one in self._backlog}
        return backlog | self._running.keys() | {one.number for one in self._finished}

    def _handed_over(self, waiting: _Waiting) -> bool:
        """Hand a batch to the scheduler, unless nobody could run it now."""
        batch, timeout_s = waiting
        quotes = self._scattered(batch.quotes) if self._cluster.threads else None
        if quotes is None:
            return False
        key = f"backtests-{self._name}-{next(self._numbers)}"
        ask = Ask(key, packed(batch.combinations), timeout_s, self._inside, version())
        future = self._cluster.submit(key, run, quotes, ask)
        self._running[batch.number] = _Running(future, self._clock.elapsed_us(), timeout_s)
        return True

    def _scattered(self, quotes: Quotes) -> Any | None:
        """Give what stands for the quotes on the workers, and bring them there the first time."""
        name = name_of(quotes)
        known = self._quotes.get(name)
        if known is None or known.status != "finished":  # all who had them have died
            plain = Quotes(*quotes.prices, quotes.at_us, name)  # not what was computed of them
            known = self._quotes[name] = self._cluster.scatter(f"quotes-{name}", plain)
        return known

    # ── on the way back ──────────────────────────────────────────────────────
    def _look_at(self, number: int) -> None:
        running = self._running[number]
        status = running.future.status
        waited_s = (self._clock.elapsed_us() - running.since_us) / MICROS
        if status == "finished":
            self._take(number, running)
        elif status == "error":
            self._settle(number, lost=self._failure(running.future))
        elif status != "pending":
            if not self._cluster.connected:
                raise self._cluster.gone()
            self._settle(number, lost="whoever had its quotes has died")
        elif waited_s > 2 * running.timeout_s + SILENT_S:
            self._settle(number, lost=f"no worker has answered for {waited_s:.0f} s")

    def _take(self, number: int, running: _Running) -> None:
        try:
            outcome: Outcome = running.future.result(timeout=FETCH_S)
        except Exception as error:
            if not self._cluster.connected:
                raise self._cluster.gone(told(error)) from error
            self._settle(number, lost=f"its result did not arrive: {told(error)}")
            return
        if outcome.refused or outcome.finished is None:
            raise unfit(outcome.refused or "it says nothing")
        self._worked_us = self._clock.elapsed_us()
        done = outcome.finished
        self._settle(
            number,
            columns=done.columns,
            lost=done.lost,
            timed_out=done.timed_out,
            seconds=done.seconds,
        )

    def _settle(self, number: int, **said: Any) -> None:
        self._running.pop(number).future.release()
        self._finished.append(Finished(number=number, **said))

    def _failure(self, future: Any) -> str:
        """Tell a batch that nobody survives from workers that cannot run any."""
        error = future.exception(timeout=FETCH_S)
        if type(error).__name__ == "KilledWorker":
            return "one worker after the other died of it"
        raise unfit(told(error))

    def _look_after_cluster(self) -> None:
        """Make sure that there is a scheduler, and are workers.

        Raises:
            ExecutorFault: there have been none for too long.
        """
        if not self._cluster.connected:
            raise self._cluster.gone()
        now_us = self._clock.elapsed_us()
        if now_us - self._asked_us < (ASK_S if self._cluster.threads else LOOK_S) * MICROS:
            return
        self._asked_us = now_us
        self._cluster.look()
        if self._cluster.threads:
            self._worked_us = now_us
        elif now_us - self._worked_us > WORKERLESS_S * MICROS:
            raise ExecutorFault(
                f"the Dask scheduler at {self._cluster.address} has had no workers"
                f" for {WORKERLESS_S:.0f} s",
                hint="start some, then repeat the command: it goes on from here",
            )
