"""Combinations on their way to an executor and back: divided where a batch was lost.

What cannot be run is found by halving, as in sessions: a combination alone is tried
three times, or once if its time was over. Nothing here is written down.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.market.metrics import NAMES
from daemon.ports import Batch
from daemon.services.sweeping import rows as figures
from daemon.services.sweeping.keys import some
from daemon.services.sweeping.running.conveyor import LONG, TRIES, WAIT_S
from daemon.store.types import LARGEST

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Self

    from numpy.typing import NDArray

    from daemon.market.metrics import Columns
    from daemon.market.params import Combinations
    from daemon.market.quotes import Quotes
    from daemon.ports import Finished, JobExecutor

    Ints = NDArray[np.int64]

AT_ONCE = 1_024
"""So many combinations go to an executor together, at most."""


class Brought:
    """What combinations brought on some quotes: an element of every column a combination."""

    def __init__(self, count: int) -> None:
        self.columns: Columns = figures.blank(count)
        self.errors: dict[int, str] = {}
        """Why some brought nothing, by place."""
        self.seconds = 0.0


@dataclass(frozen=True, eq=False, slots=True)
class _Task:
    """Some combinations for some quotes, on their way."""

    wish: int
    quotes: Quotes
    places: Ints
    combinations: Combinations
    tries: int = 0

    def __len__(self) -> int:
        return len(self.places)

    def part(self, start: int, end: int) -> Self:
        """Take some of them."""
        own = some(self.combinations, slice(start, end))
        return replace(self, places=self.places[start:end], combinations=own)


class Evaluator:
    """Has combinations evaluated, and waits for all of them."""

    def __init__(
        self, executor: Callable[[], JobExecutor], timeout_s: float, pulse: Callable[[], None]
    ) -> None:
        self._make, self._timeout_s, self._pulse = executor, timeout_s, pulse
        self._executor: JobExecutor | None = None
        self._number = 0

    def run(self, wishes: Sequence[tuple[Quotes, Combinations]]) -> list[Brought]:
        """Give what combinations bring, on some quotes each; whatever ends it lets go of all.

        Raises:
            ExecutorFault: nothing runs any more.
        """
        found = [Brought(len(combinations)) for _, combinations in wishes]
        waiting = deque(self._tasks(wishes))
        if not waiting:
            return found
        executor = self._executor = self._executor or self._make()
        hand: dict[int, _Task] = {}
        try:
            while waiting or hand:
                while waiting and len(hand) < executor.slots * 2:
                    self._submit(executor, waiting.popleft(), hand)
                for one in executor.collect(WAIT_S):
                    task = hand.pop(one.number, None)
                    if task is not None:  # else it came before
                        waiting.extendleft(self._taken(task, one, found[task.wish]))
                self._pulse()
        except BaseException:
            executor.cancel()
            raise
        return found

    def close(self) -> None:
        """End the workers."""
        if self._executor is not None:
            self._executor.close()
            self._executor = None

    # ── out ──────────────────────────────────────────────────────────────────
    def _tasks(self, wishes: Sequence[tuple[Quotes, Combinations]]) -> list[_Task]:
        """Cut what is wished for: long quotes are shared out, short ones are not worth it."""
        slots = 1
        if wishes and max(len(quotes) for quotes, _ in wishes) >= LONG:
            self._executor = self._executor or self._make()
            slots = max(1, self._executor.slots // len(wishes))
        tasks = []
        for number, (quotes, combinations) in enumerate(wishes):
            count = len(combinations)
            step = min(AT_ONCE, max(1, -(-count // slots)))
            whole = _Task(number, quotes, np.arange(count), combinations)
            tasks += [whole.part(start, start + step) for start in range(0, count, step)]
        return tasks

    def _submit(self, executor: JobExecutor, task: _Task, hand: dict[int, _Task]) -> None:
        self._number += 1
        hand[self._number] = task
        batch = Batch(number=self._number, quotes=task.quotes, combinations=task.combinations)
        executor.submit(batch, self._timeout_s)

    # ── back ─────────────────────────────────────────────────────────────────
    def _taken(self, task: _Task, finished: Finished, found: Brought) -> list[_Task]:
        """Take what came back; gives what is to be tried again, the last of it first."""
        found.seconds += finished.seconds
        columns = finished.columns
        if columns is not None and _whole(columns, len(task)):
            for name in NAMES:
                found.columns[name][task.places] = stored(columns[name])
            return []
        why = finished.lost or "what came back was not what was asked for"
        if len(task) > 1:
            middle = len(task) // 2
            tried = replace(task, tries=1)
            return [tried.part(middle, len(task)), tried.part(0, middle)]
        if not finished.timed_out and task.tries + 1 < TRIES:
            return [replace(task, tries=task.tries + 1)]
        told = "" if finished.timed_out else f" (tried {task.tries + 1} times)"
        found.errors[int(task.places[0])] = f"{why}{told}"
        return []


def stored(column: NDArray[Any]) -> NDArray[Any]:
    """Give a metric as it would be read back: what is no number for the store is none here."""
    if column.dtype.kind != "f":
        return column
    return np.where(np.abs(column) < LARGEST, column, np.nan)


def _whole(columns: Columns, count: int) -> bool:
    """Tell whether results are those of so many combinations."""
    return all(name in columns and len(columns[name]) == count for name in NAMES)
