"""Retention: raw samples go once they are rolled up and nobody needs them; history never goes.

The windows of an open change are never pruned, whatever their age. Deleting
happens in slices, each its own transaction, so that nobody waits for it; a late
sample that arrives between two of them stays until it is rolled up, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import func, select, text, update

from daemon.clock import MICROS
from daemon.store.rollups import WIDEST_US, rolling_up
from daemon.store.samples import Signal, lookup
from daemon.store.tables import changes, signals
from daemon.store.tables.tuning import IS_OPEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Select

    from daemon.store.store import Door

PRE_WINDOW_US = 3_600 * MICROS
"""How long before an open change its evidence may reach."""

_COUNT = text("SELECT count(*) FROM samples WHERE signal_id = :id AND at_us < :before")
_SLICE_END = text(
    "SELECT at_us FROM samples WHERE signal_id = :id AND at_us < :before"
    " ORDER BY at_us LIMIT 1 OFFSET :skip"
)
_DELETE = text("DELETE FROM samples WHERE signal_id = :id AND at_us < :before")


@dataclass(frozen=True)
class Pruned:
    """What pruning did, or would do, to one signal."""

    signal: str
    rows: int
    before_us: int


def floor_us(door: Door, keep_from_us: int) -> int:
    """Say up to which moment raw samples may go: whole buckets, and none an open change needs."""
    query = select(func.min(changes.c.opened_at_us)).where(text(IS_OPEN))
    with door.read() as view:
        oldest: int | None = view.execute(query).scalar()
    if oldest is not None:
        keep_from_us = min(keep_from_us, oldest - PRE_WINDOW_US)
    return max(0, keep_from_us - keep_from_us % WIDEST_US)


def plan(door: Door, keep_from_us: int) -> list[Pruned]:
    """Say what pruning would remove."""
    before_us = floor_us(door, keep_from_us)
    with door.read() as view:
        return [
            Pruned(
                signal.name,
                view.execute(_COUNT, {"id": signal.id, "before": before_us}).scalar_one(),
                before_us,
            )
            for signal in lookup(view).values()
        ]


def prune(
    door: Door,
    keep_from_us: int,
    *,
    slice_rows: int = 10_000,
    on_slice: Callable[[int], None] | None = None,
) -> list[Pruned]:
    """Roll up, then remove raw samples older than a moment."""
    removed: dict[str, Pruned] = {}
    for part in pruning(door, keep_from_us, slice_rows=slice_rows):
        if part is None:
            continue
        before = removed.get(part.signal)
        rows = part.rows + (before.rows if before else 0)
        removed[part.signal] = Pruned(part.signal, rows, part.before_us)
        if on_slice:
            on_slice(part.rows)
    return list(removed.values())


def pruning(door: Door, keep_from_us: int, *, slice_rows: int = 10_000) -> Iterator[Pruned | None]:
    """Do the same a transaction at a time, between which anything else may be done.

    Each gives what it removed from one signal, or None while there is still
    something to roll up. It may be left at any of them.
    """
    before_us = floor_us(door, keep_from_us)
    for _ in rolling_up(door, before_us):
        yield None
    with door.read() as view:
        known = list(lookup(view).values())
    for signal in known:
        yield from _prune_signal(door, signal, before_us, slice_rows)


def _prune_signal(door: Door, signal: Signal, before_us: int, slice_rows: int) -> Iterator[Pruned]:
    while True:
        with door.write() as tx:
            bounds = {"id": signal.id, "before": before_us, "skip": slice_rows}
            rolled_us = tx.execute(_rolled_until(signal)).scalar_one()
            upto_us = tx.execute(_SLICE_END, bounds).scalar()
            whole_us = rolled_us - rolled_us % WIDEST_US
            stop_us = min(before_us if upto_us is None else upto_us, whole_us)
            gone = tx.execute(_DELETE, {"id": signal.id, "before": stop_us}).rowcount
            # A bucket that has lost a sample cannot be computed anew: it is closed as a whole.
            closed_us = stop_us + -stop_us % WIDEST_US
            tx.execute(
                update(signals)
                .where(signals.c.id == signal.id, signals.c.pruned_until_us < closed_us)
                .values(pruned_until_us=closed_us)
            )
        yield Pruned(signal.name, gone, before_us)
        if upto_us is None or stop_us < upto_us:
            return


def _rolled_until(signal: Signal) -> Select[int]:
    """Ask how far a signal is rolled up, and hold it: a late sample may have come meanwhile."""
    return select(signals.c.rolled_until_us).where(signals.c.id == signal.id).with_for_update()
