"""What a session will cost: how long on one core, how much on the disk.

The figures were fitted by hand to runs on one core of a server (2.5 GHz nominal):
`sweep` alone on 10,000 to 1,000,000 rows with 1 to 20,000 distinct lists of trades,
and `daemon session run` with 9 to 200,000 jobs, results and ranking on SQLite; they
were met within a third. Time grows with the rows, which are cut into runs once for
each rate; under quoted exits with rows times distinct lists, since each list is a
path of its own; and with the jobs, which are counted, kept and ranked. Reading the
file is not part of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon.search.doubts import COSTS, models, numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from daemon.search.plan import Planned

    Floats = NDArray[np.float64]

START_S = 0.5
ROW_S = 80e-9
"""A row, once for each rate."""
LIST_S = 5e-6
LIST_ROW_S = 0.5e-9
"""A row of a list, under quoted exits; every further open trade is one more path."""
DEEP_MAX = 16
"""More open trades than this cost no more: hardly any row opens so many."""

KEPT_ROW_S, KEPT_ROW_BYTES = 95e-6, 1_600
"""A job whose result is a row of its own."""
KEPT_BLOCK_S, KEPT_BLOCK_BYTES = 12e-6, 30
"""A job whose result is an element of a block."""
BEST = 1_000
"""Jobs of a session in blocks that are rows as well."""

SUMS_MAX = 1 << 20
"""Distinct thresholds that are counted; of more a number that is too large is told."""


@dataclass(frozen=True, slots=True)
class Costs:
    """What a session is expected to cost."""

    lists: int
    """Distinct lists of trades, at most."""
    seconds: float | None
    """On one core, without reading the file; None where nobody knows how many rows there are."""
    disk_bytes: int


def costs_of(planned: Planned, rows: int | None, rows_max: int) -> Costs:
    """Estimate what a session costs on so many rows of quotes."""
    jobs, lists = planned.jobs, lists_of(planned)
    as_rows = jobs <= rows_max
    disk_bytes = (jobs if as_rows else min(jobs, BEST)) * KEPT_ROW_BYTES
    disk_bytes += 0 if as_rows else jobs * KEPT_BLOCK_BYTES
    if rows is None:
        return Costs(lists, None, disk_bytes)
    rates = max(len(planned.values_of("exchange_a_to_b_rate")), 1)
    seconds = START_S + rows * rates * ROW_S + jobs * (KEPT_ROW_S if as_rows else KEPT_BLOCK_S)
    if "quoted" in models(planned):
        seconds += lists * (LIST_S + rows * _deep(planned) * LIST_ROW_S)
    return Costs(lists, seconds, disk_bytes)


def lists_of(planned: Planned) -> int:
    """Count the distinct lists of trades: who enters alike trades alike."""
    thresholds = np.zeros(1)
    ways = 1
    for name in ("min_spread_bps", *COSTS):
        found = np.array(numbers(planned, name) or [0.0])
        if len(thresholds) * len(found) > SUMS_MAX:
            ways *= len(found)
        else:
            thresholds = np.unique(np.add.outer(thresholds, found))
    for name in ("max_open_trades", "exchange_a_to_b_rate"):
        ways *= max(len(planned.values_of(name)), 1)
    return min(len(thresholds) * ways, planned.jobs)


def _deep(planned: Planned) -> float:
    found = numbers(planned, "max_open_trades")
    return float(np.minimum(found, DEEP_MAX).mean()) if found else 1.0
