"""Where jobs stand in the plain order that are not among its first thousand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from daemon.search.ranking import judged

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from daemon.search.ranking import Filters
    from daemon.services.sweeping.reading import Checked

    Ints = NDArray[np.int64]


def behind(
    parts: Iterable[Checked], filters: Filters, jobs: int, others: Ints, *, best: int
) -> dict[int, int]:
    """Say in which row each of some jobs stands, behind so many best; by index, in order.

    All jobs are looked at: the place of one depends on how many are better.
    """
    keys = [np.zeros(0)] * 3
    for part in parts:
        count = len(part.numbers)
        left, _ = judged(part.columns, filters, part.done, count, part.spans)
        pnl, drawdown = (part.columns[name] for name in ("realized_pnl_usd", "max_drawdown_pct"))
        new = (part.numbers, drawdown, -pnl)
        keys = [np.concatenate((old, one[left])) for old, one in zip(keys, new, strict=True)]
    row_of = np.zeros(jobs, np.int64)
    row_of[keys[0][np.lexsort(keys)].astype(np.int64) - 1] = np.arange(1, len(keys[0]) + 1)
    found, row = {}, best
    for index in others[np.argsort(row_of[others])].tolist():
        row = max(row + 1, int(row_of[index]))
        found[index] = row
    return found
