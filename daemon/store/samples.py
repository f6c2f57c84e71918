"""Samples on their way in: checked, counted, written in batches, readable at once.

A sample that cannot be evidence is not stored but counted, with its reason, in
`sample_faults`: not finite, from the future, older than what has been pruned or
than what has been judged, or for a moment that already has one. The first value
of a moment stands.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Text, bindparam, select, text, update

from daemon.clock import MICROS
from daemon.store import upsert
from daemon.store.ready import Ready
from daemon.store.tables import signals
from daemon.store.types import LARGEST

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from daemon.store.store import Tx

FUTURE_TOLERANCE_US = 2 * MICROS
"""How far ahead of our clock a source's clock may be."""

FAULT_BUCKET_US = 60 * MICROS
ROLLUP_GRACE_US = 60 * MICROS
"""Only samples older than this can fall into a bucket that somebody rolls up."""

_INSERT_SQLITE = Ready(
    text("INSERT INTO samples VALUES (:signal_id, :at_us, :value) ON CONFLICT DO NOTHING")
)
_INSERT_POSTGRES = """
WITH written AS (
  INSERT INTO samples (signal_id, at_us, value)
  SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::float8[])
  ON CONFLICT DO NOTHING RETURNING signal_id
)
SELECT signal_id, count(*) FROM written GROUP BY signal_id
"""

_IN_ORDER = select(
    signals.c.id, signals.c.name, signals.c.rolled_until_us, signals.c.pruned_until_us
).order_by(signals.c.id)
_ALL = Ready(_IN_ORDER)


_REOPEN = Ready(
    text(
        "UPDATE signals SET rolled_until_us ="
        " CASE WHEN rolled_until_us > :oldest THEN :oldest ELSE rolled_until_us END"
        " WHERE id = :id"
    )
)
_COUNT_FAULT = Ready(
    text(
        "INSERT INTO sample_faults (signal_id, bucket_us, fault, n)"
        " VALUES (:signal_id, :bucket_us, :fault, :n)"
        " ON CONFLICT (signal_id, bucket_us, fault) DO UPDATE SET n = sample_faults.n + excluded.n"
    )
)


@lru_cache(maxsize=64)
def _named(count: int) -> Ready:
    """Give the statement that reads so many signals by name; they are the same again and again."""
    places = [bindparam(f"name_{place}", type_=Text) for place in range(count)]
    return Ready(_IN_ORDER.where(signals.c.name.in_(places)))


class Sample(NamedTuple):
    """One value of one signal at one moment."""

    signal: str
    at_us: int
    value: float


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal as the store knows it."""

    id: int
    name: str
    rolled_until_us: int
    pruned_until_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What an operator or a source says of a signal."""

    unit: str | None = None
    description: str | None = None
    source: str | None = None
    period_s: float | None = None


@dataclass(slots=True)
class Ingested:
    """What became of a batch: rows written, and per signal what was refused and why."""

    accepted: int = 0
    faults: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def refused(self, fault: str | None = None) -> int:
        """Count refused samples, of one kind or of all."""
        if fault is None:
            return sum(counter.total() for counter in self.faults.values())
        return sum(counter[fault] for counter in self.faults.values())


def declare(
    tx: Tx, names: Iterable[str], at_us: int, about: About | None = None
) -> dict[str, Signal]:
    """Make signals known, and say what is known of them; those known already keep their id."""
    wanted = sorted(set(names))
    known = lookup(tx, wanted)
    missing = [name for name in wanted if name not in known]
    if missing:
        tx.execute(
            upsert.insert(tx, signals).on_conflict_do_nothing(),
            [{"name": name, "created_at_us": at_us} for name in missing],
        )
    given = {key: value for key, value in asdict(about or About()).items() if value is not None}
    if given:
        tx.execute(update(signals).where(signals.c.name.in_(wanted)).values(given))
    return lookup(tx, wanted)


def lookup(tx: Tx, names: Iterable[str] | None = None) -> dict[str, Signal]:
    """Read signals by name, or all of them."""
    if names is None:
        found = _ALL.rows(tx)
    else:
        given = {f"name_{place}": name for place, name in enumerate(names)}
        found = _named(len(given)).rows(tx, **given) if given else []
    return {row[1]: Signal(*row) for row in found}


def ingest(
    tx: Tx,
    batch: Iterable[Sample | tuple[str, int, float]],
    now_us: int,
    sealed_us: int = 0,
) -> Ingested:
    """Check a batch and write what is sound; unknown signals become known.

    What is older than ``sealed_us``, the end of the newest block that was judged,
    comes too late: evidence does not change behind the back of whoever judged it.

    The whole batch is part of the caller's transaction: let it ride in the next
    decision's, or in one of its own with ``store.write(durable=False)``.
    """
    by_signal: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for name, at_us, value in batch:
        by_signal[name].append((at_us, value))
    if not by_signal:
        return Ingested()
    known = lookup(tx, by_signal)
    if len(known) < len(by_signal):
        known = declare(tx, by_signal, now_us)
    done = Ingested()
    span = (sealed_us, now_us + FUTURE_TOLERANCE_US)
    sound = {  # in the order of their ids: two writers lock signals in the same order
        signal: _sound(signal, by_signal[name], span, done) for name, signal in known.items()
    }
    for signal, written in _write(tx, sound).items():
        rows = sound[signal]
        done.accepted += written
        if written < len(rows):
            done.faults[signal.name]["duplicate"] += len(rows) - written
        if rows:
            _reopen_rollups(tx, signal, min(rows)[1], now_us)
    _record_faults(tx, done.faults, known, now_us)
    return done


def count_faults(tx: Tx, faults: Mapping[str, Mapping[str, int]], now_us: int) -> None:
    """Count what was refused before it came here: of each signal how often, and why."""
    if faults:
        _record_faults(tx, faults, declare(tx, faults, now_us), now_us)


def _sound(
    signal: Signal, rows: list[tuple[int, float]], span: tuple[int, int], done: Ingested
) -> list[tuple[int, int, float]]:
    """Keep the rows that may be stored; count the others."""
    sealed_us, horizon_us = span
    number, floor_us = signal.id, max(signal.pruned_until_us, sealed_us)
    sound = [
        (number, at_us, value)
        for at_us, value in rows
        if floor_us <= at_us <= horizon_us and -LARGEST < value < LARGEST
    ]
    if len(sound) < len(rows):
        done.faults[signal.name].update(
            fault
            for at_us, value in rows
            if (fault := _fault(at_us, value, span, signal.pruned_until_us))
        )
    return sound


def _fault(at_us: int, value: float, span: tuple[int, int], pruned_us: int) -> str | None:
    sealed_us, horizon_us = span
    if not -LARGEST < value < LARGEST:
        return "not_finite"
    if at_us > horizon_us:
        return "future"
    if at_us < pruned_us:
        return "too_old"
    return "late" if at_us < sealed_us else None


def _write(tx: Tx, sound: dict[Signal, list[tuple[int, int, float]]]) -> dict[Signal, int]:
    """Insert rows, past the layer that would turn them into dictionaries; count what went in."""
    if tx.dialect.name == "sqlite":
        return {
            signal: _INSERT_SQLITE.run_all(tx, rows) if rows else 0
            for signal, rows in sound.items()
        }
    rows = [row for part in sound.values() for row in part]
    if not rows:
        return dict.fromkeys(sound, 0)
    columns = tuple(map(_array, zip(*rows, strict=True)))
    written = {row[0]: row[1] for row in tx.exec_driver_sql(_INSERT_POSTGRES, columns)}
    return {signal: written.get(signal.id, 0) for signal in sound}


def _array(numbers: Iterable[float]) -> str:
    """Write an array as Postgres reads it: the driver is slower, and refuses 1 beside 1.5."""
    return "{" + ",".join(map(str, numbers)) + "}"


def _reopen_rollups(tx: Tx, signal: Signal, oldest_us: int, now_us: int) -> None:
    """Have rollups that a late sample falls into computed anew, also one being computed now.

    The update touches the signal even where it changes nothing: a roll-up that
    starts now then waits until these samples are there for it to see.
    """
    if oldest_us < max(signal.rolled_until_us, now_us - ROLLUP_GRACE_US):
        _REOPEN.run(tx, oldest=oldest_us, id=signal.id)


def _record_faults(
    tx: Tx, faults: Mapping[str, Mapping[str, int]], known: dict[str, Signal], now_us: int
) -> None:
    rows = [
        {
            "signal_id": known[name].id,
            "bucket_us": now_us - now_us % FAULT_BUCKET_US,
            "fault": fault,
            "n": count,
        }
        for name, counter in faults.items()
        for fault, count in counter.items()
    ]
    for row in rows:
        _COUNT_FAULT.run(tx, **row)
