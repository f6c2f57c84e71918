"""Time as the strategy sees it: runs of rows on which one side stands at or above zero.

On a valid row at most one side does: both would mean that each venue bids at
least what the other asks, though it bids less than it asks itself. So trades of
the two sides never overlap; within a run nothing closes, and the first valid row
after it closes whatever is open. A strategy with a threshold cannot see more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from daemon.market.quotes import Quotes

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False, slots=True)
class Runs:
    """The rows on which a trade might open, and the runs that they belong to."""

    row: Ints
    """The number of each such row, in order."""
    spread: Floats
    """What the side of its run would bring there: zero or more."""
    run: Ints
    """The number of its run."""
    close_row: Ints
    """Per run, the row that closes it; the number of rows for one that is still on at the end."""
    reverse: Floats
    """Per run, the other side's spread on that row; on the last valid row where there is none."""
    rows: int
    """How many rows there are in all."""
    closed: int
    """How many runs have ended: all, or all but the last."""

    @property
    def open_from(self) -> int:
        """Where the rows of a run that has not ended begin, in ``row``."""
        if self.closed == len(self.close_row):
            return len(self.row)
        return int(np.searchsorted(self.run, self.closed))


def runs_of(quotes: Quotes, rate: float) -> Runs:
    """Cut quotes into runs; once for each rate."""
    return quotes.once(("runs", rate), lambda: _cut(quotes, rate))


def _cut(quotes: Quotes, rate: float) -> Runs:
    spreads = quotes.spreads(rate)
    ab, ba = spreads.ab, spreads.ba
    side = (ab >= 0).view(np.int8) - (ba >= 0).view(np.int8)  # 1, -1, or 0: neither
    valid = np.flatnonzero(spreads.valid)
    side = side[valid]
    new = np.ones(len(side), np.bool_)
    np.not_equal(side[1:], side[:-1], out=new[1:])
    first = np.flatnonzero(new)  # where a stretch begins
    stop = np.append(first, len(side))[1:]
    kind = side[first]
    one_sided = kind != 0
    first, stop, kind = first[one_sided], stop[one_sided], kind[one_sided]
    at = np.minimum(stop, len(side) - 1)
    row = valid[np.flatnonzero(side)]
    return Runs(
        row=row,
        spread=np.maximum(ab, ba)[row],
        run=np.repeat(np.arange(len(first)), stop - first),
        close_row=np.where(stop < len(side), valid[at], len(quotes)),
        reverse=np.where(kind > 0, ba[valid[at]], ab[valid[at]]),
        rows=len(quotes),
        closed=int(np.count_nonzero(stop < len(side))),
    )
