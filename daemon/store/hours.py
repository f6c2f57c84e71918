"""Signals hour by hour: means of the rollups, which outlive the samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import text

from daemon.clock import MICROS
from daemon.store.samples import lookup

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from daemon.store.store import Tx

HOUR_US = 3600 * MICROS
RES_S = 60
"""The widest rollups: they are the fewest."""

_MEANS = text(
    "SELECT (bucket_us - :origin) / :hour, SUM(n * mean) / SUM(n) FROM sample_rollups"
    " WHERE signal_id = :id AND res_s = :res AND bucket_us >= :origin AND bucket_us < :until"
    " GROUP BY (bucket_us - :origin) / :hour"
)


def means(
    tx: Tx, signals: Iterable[str], origin_us: int, hours: int
) -> dict[str, NDArray[np.float64]]:
    """Give the mean of each signal in so many hours from a moment on; NaN where nothing was seen.

    Signals that nobody knows are left out.
    """
    found = {}
    for name, signal in lookup(tx, signals).items():
        asked = {"origin": origin_us, "hour": HOUR_US, "id": signal.id, "res": RES_S}
        until_us = origin_us + hours * HOUR_US
        values = np.full(hours, np.nan)
        for hour, mean in tx.execute(_MEANS, {**asked, "until": until_us}):
            values[int(hour)] = mean
        found[name] = values
    return found
