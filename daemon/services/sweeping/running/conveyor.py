"""Batches on their way to an executor and back: as many in hand as keep it busy, and no more.

A batch that was lost is divided until the job is found that cannot be run: a job
alone is tried three times, or once if its time was over. What comes twice, or was
never asked for, is not looked at.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon import log
from daemon.market.metrics import NAMES
from daemon.market.staircase import LEVELS
from daemon.ports import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daemon.market.metrics import Columns
    from daemon.market.params import Combinations
    from daemon.market.quotes import Quotes
    from daemon.ports import Finished, JobExecutor
    from daemon.services.sweeping.running.tasks import Book, Task

_log = log.get(__name__)

QUICK_S = 1.0
"""As long as a batch takes less, the next ones are larger."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many jobs a batch has."""

    first: int
    growth: int
    """How many times larger the next ones are when one was quick."""
    largest: int


BOLD = Sizes(1_024, 16, 16_384)
CAREFUL = Sizes(1, 2, 64)

LONG = 200_000
"""Rows from which on it counts that every batch works out again what its jobs have in common."""

SWIFT = 2 * 10**10
"""Rows times jobs that are done in a second or two: so much may be tried before it is known."""

WHOLE = 1 << 15
"""Jobs of a batch that is not shared out, because hardly anything in it is."""

COURSES = 8
"""Courses of trades that one worker follows as fast as two: each is worked out for all jobs."""

TRIES = 3
"""How often a job is tried that is lost alone."""

WAIT_S = 0.2
"""How long results are waited for before somebody looks around."""

Ranges = "Iterator[tuple[int, int]]"


def ranges(jobs: int, shard: tuple[int, int], piece: int | None) -> Iterator[tuple[int, int]]:
    """Give the jobs of a share, as first and last of those that follow each other."""
    number, shares = shard
    step = piece or (jobs if shares == 1 else _even(jobs, shares))
    for first in range(1 + number * step, jobs + 1, shares * step):
        yield first, min(first + step - 1, jobs)


def _even(jobs: int, shares: int) -> int:
    """Divide jobs so that every share gets some of all regions."""
    return max(1, min(BOLD.first, -(-jobs // (shares * 8))))


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class How:
    """How jobs are brought to an executor."""

    timeout_s: float
    """A batch is lost when it has run for so long."""
    careful: bool = False
    """One after the other, in few steps, so that nothing behind a failure is begun."""
    over: Callable[[], bool] = _never
    """Whether nothing more is to be begun."""


class Conveyor:
    """Brings jobs to an executor, and results into a book."""

    def __init__(
        self,
        book: Book,
        quotes: Quotes,
        todo: Iterator[tuple[int, int]],
        executor: Callable[[], JobExecutor],
        how: How,
    ) -> None:
        self.book, self.quotes, self.timeout_s = book, quotes, how.timeout_s
        self.executor: JobExecutor | None = None
        self._make, self._todo, self._how = executor, todo, how
        self._rest: tuple[int, int] | None = None
        self._waiting: deque[Task] = deque()
        self._hand: dict[int, Task] = {}
        self._ready: deque[tuple[Task, Columns, float]] = deque()
        self._sizes = CAREFUL if how.careful else BOLD
        self._size, self._number = self._sizes.first, 0
        self._more = True
        self._long = len(quotes) >= LONG and not how.careful

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do."""
        return not (self._more or self._waiting or self._hand or self._ready)

    def step(self) -> None:
        """Hand out what can be, wait a moment for what comes back, write what came before.

        Raises:
            ExecutorFault: nothing runs any more.
        """
        self._fill()
        self._back()
        self._fill()
        self._write_one()

    def leave(self) -> None:
        """Take what has come back by now, and let go of the rest."""
        if self.executor is not None and self._hand:
            for one in self.executor.collect(0.0):
                self._take(one, alone=False)
            self.executor.cancel()
        while self._ready:
            self.book.done(*self._ready.popleft())
        self.book.leave()
        self._hand.clear()
        self._waiting.clear()

    def close(self) -> None:
        """End the workers."""
        if self.executor is not None:
            self.executor.close()

    # ── out ──────────────────────────────────────────────────────────────────
    def _fill(self) -> None:
        """Keep the executor busy; of what is known already, take up a piece at a time."""
        while (self._waiting or self._more) and not self._how.over():
            if self.executor is not None and self._busy(self.executor):
                return
            if not self._waiting:
                self._take_up()
                if not self._waiting:
                    return  # all of it was known: let somebody look around
            if self.executor is None:
                self.executor = self._begun(self._waiting[0])
            self._submit(self.executor, self._cut())

    def _busy(self, executor: JobExecutor) -> bool:
        """Tell whether enough is in hand, or more has come back than can be written meanwhile."""
        enough = executor.slots + max(1, executor.slots // 2)
        return len(self._hand) >= (1 if self._how.careful else enough) or len(self._ready) > enough

    def _take_up(self) -> None:
        span = self._rest or next(self._todo, None)
        self._rest = None
        if span is None:
            self._more = False
            return
        first, last = span
        taken = WHOLE if self._long else self._size
        end = last if self.book.piece is not None else min(last, first + taken - 1)
        if self._how.careful:
            end = self.book.until(first, end)
        if end < last:
            self._rest = (end + 1, last)
        task = self.book.open(first, end)
        if task is not None:
            self._waiting.append(task)

    def _cut(self) -> Task:
        task = self._waiting.popleft()
        if len(task) > self._size:
            self._waiting.appendleft(task.part(self._size, len(task)))
            task = task.part(0, self._size)
        return task

    def _begun(self, task: Task) -> JobExecutor:
        """Make the executor; over long quotes, what is sure to be quick is handed out at once."""
        executor = self._make()
        if self._long:
            swift = SWIFT // max(1, len(self.quotes))
            if _alike(task.combinations):
                share, largest = min(len(task), swift), WHOLE
            else:
                share = min(-(-len(task) // executor.slots), swift)
                largest = self._sizes.largest
            self._size = min(largest, max(self._sizes.first, share))
        return executor

    def _submit(self, executor: JobExecutor, task: Task) -> None:
        self._number += 1
        batch = Batch(number=self._number, quotes=self.quotes, combinations=task.combinations)
        self._hand[self._number] = task
        executor.submit(batch, self.timeout_s)

    # ── back ─────────────────────────────────────────────────────────────────
    def _back(self) -> None:
        """Take what comes back; wait for it, if there is nothing to write meanwhile."""
        if self._hand and self.executor is not None:
            for one in self.executor.collect(0.0 if self._ready else WAIT_S):
                self._take(one)

    def _write_one(self) -> None:
        if self._ready:
            self.book.done(*self._ready.popleft())

    def _take(self, finished: Finished, *, alone: bool = True) -> None:
        """Take what came back; jobs that cannot be run are found only where there is time."""
        task = self._hand.pop(finished.number, None)
        if task is None:  # it came before
            return
        columns = finished.columns
        if columns is not None and _whole(columns, len(task)):
            self._ready.append((task, columns, finished.seconds))
            if finished.seconds < QUICK_S and len(task) >= self._size:
                self._size = min(self._sizes.largest, self._size * self._sizes.growth)
            return
        why = finished.lost or "what came back was not what was asked for"
        _log.debug("batch_lost", jobs=len(task), first=int(task.numbers[0]), reason=why)
        if len(task) > 1:
            self._waiting.extendleft(reversed(task.halves()))
        elif not finished.timed_out and task.tries + 1 < TRIES:
            self._waiting.appendleft(task.again())
        elif alone:
            tried = "" if finished.timed_out else f" (tried {task.tries + 1} times)"
            self.book.failed(task, f"{why}{tried}")


def _alike(combinations: Combinations) -> bool:
    """Tell whether jobs have nearly all work in common, so that to share it out is to do it twice.

    That is so where no trade has to be followed in time, nor looked for threshold by threshold.
    """
    if combinations.quoted.any() or combinations.max_open_trades.max(initial=1) > LEVELS:
        return False
    ways = [combinations.exchange_a_to_b_rate, combinations.max_open_trades]
    return len(np.unique(np.stack(ways), axis=1)[0]) <= COURSES


def _whole(columns: Columns, count: int) -> bool:
    """Tell whether results are those of so many jobs."""
    return all(name in columns and len(columns[name]) == count for name in NAMES)
