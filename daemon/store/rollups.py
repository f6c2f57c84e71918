"""Rollups: for every signal, buckets of 10 and 60 seconds that outlive the raw samples.

A bucket is computed from its raw samples, once they are complete, and computed
anew when a late one arrives: doing it twice gives the same. What has been
pruned is never rolled up again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from sqlalchemy import delete, insert, text, update

from daemon.clock import MICROS
from daemon.store.samples import Signal, lookup
from daemon.store.tables import sample_rollups, signals
from daemon.store.windows import read_window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.store.store import Door, Tx
    from daemon.store.windows import Window

RESOLUTIONS_S = (10, 60)
"""Widths of a bucket; the widest divides every span that is rolled up."""

WIDEST_US = max(RESOLUTIONS_S) * MICROS
SPAN_US = 6 * 3600 * MICROS
"""How much of a signal is rolled up in one transaction."""


def roll_up(door: Door, until_us: int) -> int:
    """Roll up everything complete before a moment; returns how many buckets were written."""
    return sum(rolling_up(door, until_us))


def rolling_up(door: Door, until_us: int) -> Iterator[int]:
    """Do the same a transaction at a time, between which anything else may be done.

    Each gives how many buckets it wrote. It may be left at any of them.
    """
    end_us = until_us - until_us % WIDEST_US
    with door.read() as view:
        known = list(lookup(view).values())
    for signal in known:
        yield from _roll_up_signal(door, signal, end_us)


def _roll_up_signal(door: Door, signal: Signal, end_us: int) -> Iterator[int]:
    while (span := _next_span(door, signal.name, end_us)) is not None:
        written = 0
        with door.write() as tx:
            # First the mark, which locks the signal: a late sample that is being
            # written now waits, sees the mark, and takes it back. One that has
            # taken it back since the span was chosen is where to go on from.
            moved = tx.execute(
                update(signals)
                .where(signals.c.id == signal.id, signals.c.rolled_until_us >= span.mark_us)
                .values(rolled_until_us=span.stop_us)
            )
            if moved.rowcount:
                written = _roll_up_span(tx, signal, span.start_us, span.stop_us)
        yield written


class _Span(NamedTuple):
    """What to roll up next, and how far the signal was rolled up when that was chosen."""

    mark_us: int
    start_us: int
    stop_us: int


def _next_span(door: Door, name: str, end_us: int) -> _Span | None:
    """Choose from the first bucket that is not final, beyond any stretch without samples."""
    with door.read() as view:
        signal = lookup(view, [name])[name]
        at_us = signal.rolled_until_us - signal.rolled_until_us % WIDEST_US
        at_us = max(at_us, _round_up(signal.pruned_until_us))
        first_us = _first_sample(view, signal, at_us)
    if first_us is None or first_us >= end_us:
        return None
    start_us = first_us - first_us % WIDEST_US
    return _Span(signal.rolled_until_us, start_us, min(start_us + SPAN_US, end_us))


def _round_up(at_us: int) -> int:
    return -(-at_us // WIDEST_US) * WIDEST_US


def _first_sample(tx: Tx, signal: Signal, from_us: int) -> int | None:
    query = text(
        "SELECT at_us FROM samples WHERE signal_id = :id AND at_us >= :at ORDER BY at_us LIMIT 1"
    )
    found: int | None = tx.execute(query, {"id": signal.id, "at": from_us}).scalar()
    return found


def _roll_up_span(tx: Tx, signal: Signal, start_us: int, stop_us: int) -> int:
    window = read_window(tx, signal.name, start_us, stop_us)
    columns = sample_rollups.c
    tx.execute(
        delete(sample_rollups).where(
            columns.signal_id == signal.id,
            columns.bucket_us >= start_us,
            columns.bucket_us < stop_us,
        )
    )
    rows = [row for res_s in RESOLUTIONS_S for row in _buckets(window, signal.id, res_s)]
    if rows:
        tx.execute(insert(sample_rollups), rows)
    return len(rows)


def _buckets(window: Window, signal_id: int, res_s: int) -> list[dict[str, Any]]:
    """Summarise a window per bucket; the squares are summed around each bucket's own mean."""
    if not len(window):
        return []
    keys = window.at_us - window.at_us % (res_s * MICROS)
    starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
    counts = np.diff(np.r_[starts, len(keys)])
    means = np.add.reduceat(window.values, starts) / counts
    around = window.values - np.repeat(means, counts)
    columns = {
        "bucket_us": keys[starts],
        "n": counts,
        "mean": means,
        "m2": np.add.reduceat(around * around, starts),
        "lo": np.minimum.reduceat(window.values, starts),
        "hi": np.maximum.reduceat(window.values, starts),
    }
    fixed = {"signal_id": signal_id, "res_s": res_s}
    listed = {name: column.tolist() for name, column in columns.items()}
    return [
        {**fixed, **dict(zip(listed, values, strict=True))}
        for values in zip(*listed.values(), strict=True)
    ]
