"""What a run has found out itself: held in memory, so that nobody reads it back to rank it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from daemon.market.metrics import NAMES
from daemon.services.sweeping import rows
from daemon.services.sweeping.reading import AT_ONCE, Checked
from daemon.store.results import COLUMNS
from daemon.store.sessions import BLOCKS
from daemon.store.types import LARGEST

if TYPE_CHECKING:
    from typing import Any, Self

    from numpy.typing import NDArray

    from daemon.market.metrics import Columns
    from daemon.store.sessions import Session

    Ints = NDArray[np.int64]


class Fresh:
    """Metrics of the jobs that one run has evaluated and written, an element a job.

    They are what would be read back: what is no number for the store is none here.
    """

    def __init__(self, jobs: int) -> None:
        self.columns: Columns = rows.blank(jobs)
        self._known = np.zeros(jobs, np.bool_)

    @classmethod
    def of(cls, session: Session) -> Self | None:
        """Make room for a session; None if its results would take too much of it."""
        few = session.jobs_total <= AT_ONCE and session.layout != BLOCKS
        return cls(session.jobs_total) if few else None

    def take(self, numbers: Ints, columns: Columns) -> None:
        """Take note of what was written."""
        places = numbers - 1
        for name in NAMES:
            self.columns[name][places] = _stored(columns[name])
        self._known[places] = True

    def whole(self, session: Session) -> bool:
        """Tell whether this is all of a session: nothing failed, was known before or is left."""
        return session.jobs_done == session.jobs_total and bool(self._known.all())

    def checked(self) -> Checked:
        """Give what jobs are ranked by, as it is read from the store."""
        columns = {name: self.columns[name].astype(np.float64) for name in COLUMNS}
        return Checked(np.arange(1, len(self._known) + 1), columns, self._known)


def _stored(column: NDArray[Any]) -> NDArray[Any]:
    if column.dtype.kind != "f":
        return column
    sound = np.abs(column) < LARGEST
    return column if sound.all() else np.where(sound, column, np.nan)
