"""Samples on their way to a replay: summarised into blocks, an hour at a time.

A month of four signals at 5 Hz is fifty million rows. They are read past the
layer that makes an object of each row, which is two thirds of the cost, and of
every hour only the blocks remain, so that memory does not grow with the range.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import text

from daemon.clock import MICROS
from daemon.store.ready import Ready
from daemon.store.samples import lookup
from daemon.tuning.block import BLOCK_US
from daemon.tuning.windows import summarise

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from daemon.store.store import Tx

HOUR_S = 3600

_SQLITE = Ready(
    text(
        "SELECT at_us, value FROM samples"
        " WHERE signal_id = :signal_id AND at_us >= :start_us AND at_us < :end_us ORDER BY at_us"
    )
)
_POSTGRES = """
SELECT string_agg(int8send(at_us), ''), string_agg(float8send(value), '')
FROM (
  SELECT at_us, value FROM samples
  WHERE signal_id = %s AND at_us >= %s AND at_us < %s ORDER BY at_us
) AS in_order
"""
_ROW = np.dtype([("at_us", np.int64), ("value", np.float64)])


@dataclass(frozen=True, slots=True)
class Chunk:
    """Blocks ``[first, end)`` of some signals, as `Blocks.extend` takes them."""

    signals: tuple[str, ...]
    first: int
    mean: NDArray[np.float64]
    """Block means, (blocks, signals); NaN where there were no samples."""
    count: NDArray[np.int64]
    """Samples per block, (blocks, signals)."""

    @property
    def end(self) -> int:
        """The block behind the last one."""
        return self.first + len(self.mean)


def stream_blocks(
    tx: Tx, signals: Sequence[str], start_us: int, end_us: int, *, chunk_s: int = HOUR_S
) -> Iterator[Chunk]:
    """Read the blocks that lie wholly in ``[start_us, end_us)``, chunk after chunk.

    Chunks follow each other without a gap, also where there are no samples. How
    long they are changes nothing in the blocks. A signal that is not known has
    blocks without samples.
    """
    names = tuple(signals)
    known = lookup(tx, names)
    ids = [known[name].id if name in known else -1 for name in names]
    rows = max(chunk_s * MICROS // BLOCK_US, 1)
    end = end_us // BLOCK_US
    for first in range(-(-start_us // BLOCK_US), end, rows):
        yield _chunk(tx, names, ids, first, min(rows, end - first))


def _chunk(tx: Tx, names: tuple[str, ...], ids: list[int], first: int, rows: int) -> Chunk:
    mean = np.empty((rows, len(ids)))
    count = np.empty((rows, len(ids)), np.int64)
    read = _read_sqlite if tx.dialect.name == "sqlite" else _read_postgres
    for column, signal_id in enumerate(ids):
        at_us, values = read(tx, (signal_id, first * BLOCK_US, (first + rows) * BLOCK_US))
        mean[:, column], count[:, column] = summarise(at_us, values, first, rows)
    return Chunk(names, first, mean, count)


_Samples = tuple["NDArray[np.int64]", "NDArray[np.float64]"]


def _read_sqlite(tx: Tx, span: tuple[int, int, int]) -> _Samples:
    """Take the driver's own tuples."""
    signal_id, start_us, end_us = span
    rows = _SQLITE.rows(tx, signal_id=signal_id, start_us=start_us, end_us=end_us)
    found = np.fromiter(rows, _ROW, len(rows))
    return np.ascontiguousarray(found["at_us"]), np.ascontiguousarray(found["value"])


def _read_postgres(tx: Tx, span: tuple[int, int, int]) -> _Samples:
    """Have the server pack a column into one value, as it would send the numbers anyway."""
    at_us, values = tx.exec_driver_sql(_POSTGRES, span).one()
    return (
        np.frombuffer(at_us or b"", ">i8").astype(np.int64),
        np.frombuffer(values or b"", ">f8").astype(np.float64),
    )
