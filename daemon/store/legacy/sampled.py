"""Metrics on their way in and out: rows of a file are samples of several signals at one moment."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from sqlalchemy import select

from daemon.clock import iso
from daemon.store.legacy.columns import csv_line, metric_column, metric_columns
from daemon.store.samples import Sample, ingest, lookup
from daemon.store.tables import samples

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from daemon.store.legacy.columns import Row
    from daemon.store.samples import Signal
    from daemon.store.store import Tx

PAGE = 2_000
"""How many samples of a signal are held at a time."""


@dataclass(slots=True)
class Fate:
    """What became of a row: values that are new, values known before, what was wrong."""

    new: int
    known: int
    faults: dict[str, str]


def land(tx: Tx, batch: Sequence[Row], now_us: int) -> list[Fate]:
    """Write the values of a batch that are new; the first value of a moment stands.

    What the store would refuse is sorted out before: a second import must not
    count as faults of the signal.
    """
    gate = _Gate(tx, batch)
    fates = []
    for row in batch:
        fate = Fate(0, 0, dict(row.faults))
        for signal, value in row.values.items():
            gate.judge(fate, Sample(signal, row.at_us, value))
        fates.append(fate)
    ingest(tx, gate.passed, now_us)
    return fates


class _Gate:
    """What is in the database at the moments of a batch, and what may go there."""

    def __init__(self, tx: Tx, batch: Sequence[Row]) -> None:
        names = {signal for row in batch for signal in row.values}
        self.signals = lookup(tx, names) if names else {}
        moments = sorted({row.at_us for row in batch})
        self.there = {
            (name, at_us): value
            for name, signal in self.signals.items()
            for at_us, value in _values_at(tx, signal, moments)
        }
        self.passed: list[Sample] = []

    def judge(self, fate: Fate, sample: Sample) -> None:
        """Let a sample pass, or say why not."""
        place = (sample.signal, sample.at_us)
        known = self.signals.get(sample.signal)
        if place in self.there:
            fate.known += 1
            if self.there[place] != sample.value:
                fate.known -= 1
                fate.faults[sample.signal] = f"this moment has the value {self.there[place]!r}"
        elif known and sample.at_us < known.pruned_until_us:
            fate.faults[sample.signal] = f"samples before {iso(known.pruned_until_us)} were pruned"
        else:
            self.there[place] = sample.value
            self.passed.append(sample)
            fate.new += 1


def _values_at(tx: Tx, signal: Signal, moments: Sequence[int]) -> list[tuple[int, float]]:
    query = select(samples.c.at_us, samples.c.value).where(
        samples.c.signal_id == signal.id, samples.c.at_us.in_(moments)
    )
    return [(row.at_us, row.value) for row in tx.execute(query)]


# ── out ──────────────────────────────────────────────────────────────────────


def walk(tx: Tx) -> Iterator[str]:
    """Write every sample as lines of CSV, a row for each moment; nothing when there is none."""
    known = {
        name: signal.id for name, signal in lookup(tx).items() if _page(tx, signal.id, -1, limit=1)
    }
    names = metric_columns(known)
    if not names:
        return
    yield csv_line(["ts", *map(metric_column, names)])
    streams = [_stream(tx, known[name], column) for column, name in enumerate(names)]
    for at_us, values in groupby(heapq.merge(*streams), key=itemgetter(0)):
        yield csv_line([iso(at_us), *_cells(values, len(names))])


def _stream(tx: Tx, signal_id: int, column: int) -> Iterator[tuple[int, int, float]]:
    after_us = -1
    while page := _page(tx, signal_id, after_us, limit=PAGE):
        for at_us, value in page:
            yield at_us, column, value
        after_us = page[-1][0]


def _page(tx: Tx, signal_id: int, after_us: int, *, limit: int) -> list[tuple[int, float]]:
    query = (
        select(samples.c.at_us, samples.c.value)
        .where(samples.c.signal_id == signal_id, samples.c.at_us > after_us)
        .order_by(samples.c.at_us)
        .limit(limit)
    )
    return [(row.at_us, row.value) for row in tx.execute(query)]


def _cells(values: Iterable[tuple[int, int, float]], width: int) -> list[str]:
    cells = [""] * width
    for _, column, value in values:
        cells[column] = repr(value + 0.0)
    return cells
