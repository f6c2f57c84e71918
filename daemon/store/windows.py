"""Samples on their way out: the raw values of a window, as arrays.

The cost is that of the window, whatever the history: the table is clustered by
signal and moment, so a window is one range of one tree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import select

from daemon.store.samples import lookup
from daemon.store.tables import sample_rollups

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from daemon.store.store import Tx

_WINDOW = (
    "SELECT at_us, value FROM samples"
    " WHERE signal_id = {0} AND at_us >= {0} AND at_us < {0} ORDER BY at_us"
)
_PLACEHOLDER = {"sqlite": "?", "postgresql": "%s"}


@dataclass(frozen=True)
class Window:
    """The samples of one signal in ``[start_us, end_us)``, oldest first."""

    signal: str
    start_us: int
    end_us: int
    at_us: NDArray[np.int64]
    values: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A rollup: how many samples, their mean, the sum of squares around it, their range."""

    bucket_us: int
    n: int
    mean: float
    m2: float
    lo: float
    hi: float


def read_windows(tx: Tx, signals: Iterable[str], start_us: int, end_us: int) -> dict[str, Window]:
    """Read one window of several signals; a signal that is not known has an empty one."""
    wanted = list(signals)
    known = lookup(tx, wanted)
    return {
        name: _read(tx, name, known[name].id if name in known else -1, start_us, end_us)
        for name in wanted
    }


def read_window(tx: Tx, signal: str, start_us: int, end_us: int) -> Window:
    """Read one window of one signal."""
    return read_windows(tx, [signal], start_us, end_us)[signal]


def _read(tx: Tx, name: str, signal_id: int, start_us: int, end_us: int) -> Window:
    query = _WINDOW.format(_PLACEHOLDER[tx.dialect.name])
    rows = tx.exec_driver_sql(query, (signal_id, start_us, end_us)).all()
    at_us = np.fromiter((row[0] for row in rows), np.int64, len(rows))
    values = np.fromiter((row[1] for row in rows), np.float64, len(rows))
    return Window(name, start_us, end_us, at_us, values)


def read_rollups(tx: Tx, signal: str, res_s: int, start_us: int, end_us: int) -> list[Bucket]:
    """Read the rollups of a signal whose bucket starts in ``[start_us, end_us)``."""
    known = lookup(tx, [signal])
    if signal not in known:
        return []
    columns = sample_rollups.c
    query = (
        select(columns.bucket_us, columns.n, columns.mean, columns.m2, columns.lo, columns.hi)
        .where(
            columns.signal_id == known[signal].id,
            columns.res_s == res_s,
            columns.bucket_us >= start_us,
            columns.bucket_us < end_us,
        )
        .order_by(columns.bucket_us)
    )
    return [Bucket(*row) for row in tx.execute(query)]


def merge(first: Bucket, second: Bucket) -> Bucket:
    """Join two rollups into the rollup of all their samples (Chan's formula)."""
    n = first.n + second.n
    gap = second.mean - first.mean
    return Bucket(
        min(first.bucket_us, second.bucket_us),
        n,
        first.mean + gap * second.n / n,
        first.m2 + second.m2 + gap * gap * first.n * second.n / n,
        min(first.lo, second.lo),
        max(first.hi, second.hi),
    )
