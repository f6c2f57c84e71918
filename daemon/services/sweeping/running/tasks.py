"""Jobs on their way to an executor: cut into batches, divided where a batch was lost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from daemon.services.sweeping.keys import some

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    import numpy as np
    from numpy.typing import NDArray

    from daemon.market.metrics import Columns
    from daemon.market.params import Combinations

    Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Task:
    """Jobs that are to be evaluated together."""

    numbers: Ints
    """Of the jobs, from 1, rising."""
    combinations: Combinations
    texts: Sequence[str] = ()
    """The parameters in their canonical form, where somebody needed them already."""
    keys: Sequence[str] = ()
    """What their results are known by; same."""
    tries: int = 0
    """How often they were lost."""

    def __len__(self) -> int:
        return len(self.numbers)

    def part(self, start: int, end: int) -> Self:
        """Take some of them."""
        return replace(
            self,
            numbers=self.numbers[start:end],
            combinations=some(self.combinations, slice(start, end)),
            texts=self.texts[start:end],
            keys=self.keys[start:end],
        )

    def halves(self) -> tuple[Self, Self]:
        """Divide them; each half counts as tried once."""
        middle = len(self) // 2
        tried = replace(self, tries=1)
        return tried.part(0, middle), tried.part(middle, len(self))

    def again(self) -> Self:
        """Give them another try."""
        return replace(self, tries=self.tries + 1)


class Book(Protocol):
    """Where the results of a session are written."""

    @property
    def piece(self) -> int | None:
        """How many jobs are taken up at once; None where any number will do."""
        ...

    def open(self, first: int, last: int) -> Task | None:
        """Take up the jobs from first to last: what is known is written, the rest is a task."""
        ...

    def until(self, first: int, last: int) -> int:
        """Say up to which job none has to be refused; the first one, if it has to be itself."""
        ...

    def done(self, task: Task, columns: Columns, seconds: float) -> None:
        """Take in what jobs brought; they ran for so long, together."""
        ...

    def failed(self, task: Task, reason: str) -> None:
        """Take in that the one job of a task cannot be run."""
        ...

    def leave(self) -> None:
        """Keep what was found so far and is not written; nothing more will come."""
        ...
