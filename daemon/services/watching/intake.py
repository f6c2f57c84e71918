"""Samples on their way in: each source asked in a thread of its own, written by the leader alone.

What a source gave waits until it is written, together with how far the source was
read, so that both are true or neither. Where nobody knows whether a transaction
was committed, the number of the batch beside the mark tells. When too much waits
the source is not asked: files, databases and Prometheus lose nothing by that, and
for the others it is counted and said.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from daemon import log
from daemon.clock import MICROS
from daemon.ports import Polled, SourceFault
from daemon.store import marks, samples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.clock import Clock
    from daemon.ports import Mark, Reading, Source
    from daemon.store.store import Tx

_log = log.get(__name__)

WAITING_MAX = 100_000
"""Values of a source that may wait; beyond it the source is not asked."""

AT_ONCE = 50_000
"""Values of a source that are written in one transaction."""

TURNS_MAX = 1_000
"""How often a source that always has more is asked in a row."""

BACK_OFF_MAX_S = 30.0
"""A source that cannot be read is left alone for so long at most."""

DEAD_S = 60.0
"""A source that could not be read for so long is dead."""

SILENT_S = 15.0
"""A source is stale after three of its periods without a value, and not before."""

SLICE_S = 0.25
"""How long a thread sleeps before it looks whether it is to end."""

STOP_S = 2.0
TOLD_EVERY_US = 60 * MICROS
"""How often the same complaint about a source is told."""

State = Literal["ok", "failing", "dead"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceHealth:
    """How a source is."""

    state: State
    last_read_us: int | None
    """Wall time at which it was last read without a fault."""
    last_value_us: int | None
    """Wall time at which it last gave a value."""
    error: str | None
    """Why it cannot be read; None if it can."""
    waiting: int
    """Values that are not written yet."""
    unreadable: int
    skipped: int
    """How often it was not asked because too much waited."""


@dataclass(slots=True)
class Drained:
    """What was written, and what was not."""

    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """How many samples were refused, by reason."""
    unreadable: Counter[str] = field(default_factory=Counter)
    """How much could not be read, by source."""
    taken: Counter[str] = field(default_factory=Counter)
    """How many samples came, by source; those that were refused are among them."""


class Intake:
    """Asks the sources and writes what they give. Only `drain` and `written` are the leader's."""

    def __init__(self, sources: Sequence[Source], clock: Clock, *, threads: bool = True) -> None:
        """Take the sources; without ``threads`` they are asked whenever something is drained."""
        self._clock = clock
        self._threads = threads
        self._stopping = threading.Event()
        self._lanes = [_Lane(source, clock) for source in sources]
        self._declared = False
        self._done = Drained()

    # ── the life ─────────────────────────────────────────────────────────────
    def start(self, view: Tx) -> None:
        """Go on where each source was read up to, each in a thread of its own."""
        for lane in self._lanes:
            lane.resume(marks.get(view, lane.source.name))
        if not self._threads:
            return
        for lane in self._lanes:
            lane.thread = threading.Thread(
                target=self._follow, args=(lane,), name=f"source-{lane.source.name}", daemon=True
            )
            lane.thread.start()

    def stop(self) -> None:
        """End every thread; what waits is read again by whoever comes next, where that can be."""
        self._stopping.set()
        for lane in self._lanes:
            if lane.thread is not None:
                lane.thread.join(STOP_S / len(self._lanes))
            if lane.thread is None or not lane.thread.is_alive():
                lane.source.close()
            else:
                _log.warning("source_still_busy", source=lane.source.name)

    def _follow(self, lane: _Lane) -> None:
        """Ask a source until the end, on a beat that does not drift."""
        while not self._stopping.is_set():
            wait_s = lane.wait_s()
            if wait_s > 0:
                self._clock.sleep(min(wait_s, SLICE_S))
            else:
                lane.turn()

    def poll_now(self) -> None:
        """Ask every source whose time has come, in this thread."""
        for lane in self._lanes:
            for _ in range(TURNS_MAX):
                if lane.wait_s() > 0:
                    break
                lane.turn()

    # ── the leader's part ────────────────────────────────────────────────────
    def drain(self, tx: Tx, now_us: int, sealed_us: int = 0) -> Drained:
        """Write what was brought in, and how far it was read, in the leader's transaction."""
        if not self._threads:
            self.poll_now()
        if not self._declared:
            self._declare(tx, now_us)
        done = Drained()
        batch: list[Reading] = []
        faults: dict[str, Counter[str]] = {}
        for lane in self._lanes:
            taken = lane.take(tx, now_us)
            batch += taken.readings
            done.taken[lane.source.name] += len(taken.readings)
            if taken.unreadable:
                done.unreadable[lane.source.name] += taken.unreadable
                for signal in lane.declared:
                    faults[signal] = Counter(unreadable=taken.unreadable)
        written = samples.ingest(tx, batch, now_us, sealed_us)
        samples.count_faults(tx, faults, now_us)
        done.accepted = written.accepted
        for counter in written.faults.values():
            done.refused.update(counter)
        self._done = done
        return done

    def written(self) -> Drained:
        """Hear that what was drained last is committed; says what that was, once."""
        done, self._done = self._done, Drained()
        self._declared = True
        for lane in self._lanes:
            lane.settle()
        return done

    def _declare(self, tx: Tx, now_us: int) -> None:
        """Say what the sources say of their signals."""
        for lane in self._lanes:
            for signal, said in lane.declared.items():
                about = samples.About(
                    unit=said.unit,
                    description=said.description,
                    source=lane.source.name,
                    period_s=said.period_s,
                )
                samples.declare(tx, [signal], now_us, about)

    # ── how they are ─────────────────────────────────────────────────────────
    def health(self) -> dict[str, SourceHealth]:
        """Say how each source is; any thread may ask."""
        return {lane.source.name: lane.health() for lane in self._lanes}

    def dead(self) -> set[str]:
        """Name the sources that cannot be read for long."""
        return {name for name, one in self.health().items() if one.state == "dead"}

    def behind(self) -> bool:
        """Tell whether a source that can be read has more, or something waits to be written."""
        return any(lane.is_behind() for lane in self._lanes)

    def stale(self) -> list[str]:
        """Name the sources that bring nothing new."""
        return [lane.source.name for lane in self._lanes if lane.is_stale()]


class _Lane:
    """A source, and what it gave that is not written yet.

    `turn` is called from one thread, the source's own; the rest is the leader's.
    """

    def __init__(self, source: Source, clock: Clock) -> None:
        self.source = source
        self.declared = dict(source.signals())
        self.thread: threading.Thread | None = None
        self._clock = clock
        self._lock = threading.Lock()
        self._queue: deque[Polled] = deque()
        self._waiting = 0
        self._due_us = self._began_us = clock.elapsed_us()
        self._failures = 0
        self._error: str | None = None
        self._read_us: int | None = None
        self._value_us: int | None = None
        self._last_read: int | None = None
        self._last_value: int | None = None
        self._told_us = -TOLD_EVERY_US
        self._unreadable = 0
        self._skipped = 0
        self._more = True
        """Whether the source had more when it was last asked, or was never asked."""
        self._mark: Mark | None = None
        self._batch = 0
        self._in_flight = 0
        """How many of the first in the queue are in a transaction that may be committed."""

    def resume(self, stored: dict[str, Any] | None) -> None:
        """Go on from what is on record."""
        stored = stored or {}
        self._batch, self._mark = stored.get("batch", 0), stored.get("mark")
        self.source.resume(self._mark)

    # ── asking ───────────────────────────────────────────────────────────────
    def wait_s(self) -> float:
        """Say how long it is until the source is to be asked."""
        return (self._due_us - self._clock.elapsed_us()) / MICROS

    def turn(self) -> None:
        """Ask the source once, and say when it is to be asked again."""
        if self._is_full():
            self._next(more=False)
            return
        try:
            polled = self.source.poll()
        except SourceFault as fault:
            self._failed(fault.message)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end the others' samples
            _log.exception("source_broke", source=self.source.name)
            self._failed(f"{type(error).__name__}: {error}")
        else:
            self._took(polled)

    def _is_full(self) -> bool:
        with self._lock:
            full = self._waiting >= WAITING_MAX
            self._skipped += full
        if full:
            self._tell("source_waits", waiting=self._waiting, hint="is the database slow?")
        return full

    def _took(self, polled: Polled) -> None:
        known = [one for one in polled.readings if one.signal in self.declared]
        strays = len(polled.readings) - len(known)
        unreadable = polled.unreadable + strays
        now_us, elapsed_us = self._clock.now_us(), self._clock.elapsed_us()
        with self._lock:
            if self._error is not None:
                _log.info("source_recovered", source=self.source.name)
            self._failures, self._error = 0, None
            self._read_us, self._last_read = elapsed_us, now_us
            self._more = polled.more
            if known:
                self._value_us, self._last_value = elapsed_us, now_us
            if known or unreadable or polled.mark != self._mark:
                self._enqueue(Polled(readings=known, mark=polled.mark, unreadable=unreadable))
            self._unreadable += unreadable
        if unreadable or polled.example is not None:
            self._tell("source_unreadable", count=unreadable, example=polled.example)
        self._next(more=polled.more)

    def _enqueue(self, polled: Polled) -> None:
        """Put something into the queue; a mark alone replaces the one before."""
        if not polled.readings and len(self._queue) > self._in_flight:
            last = self._queue.pop()
            unreadable = last.unreadable + polled.unreadable
            polled = replace(polled, readings=last.readings, unreadable=unreadable)
        else:
            self._waiting += len(polled.readings)
        self._queue.append(polled)
        self._mark = polled.mark

    def _failed(self, why: str) -> None:
        with self._lock:
            first, self._error = self._error is None, why
            self._failures += 1
            period_s = self.source.period_s
            back_off_s = min(period_s * 2.0 ** min(self._failures, 20), BACK_OFF_MAX_S)
            self._due_us = self._clock.elapsed_us() + round(max(back_off_s, period_s) * MICROS)
        if first:
            _log.warning("source_failed", source=self.source.name, why=why)

    def _next(self, *, more: bool) -> None:
        """Stay on the beat; what was missed is left out."""
        if more:
            return
        period_us = max(round(self.source.period_s * MICROS), 1)
        late_us = self._clock.elapsed_us() - self._due_us
        self._due_us += (1 + max(late_us, 0) // period_us) * period_us

    def _tell(self, event: str, **words: object) -> None:
        """Say something about the source, now and then."""
        elapsed_us = self._clock.elapsed_us()
        if elapsed_us - self._told_us >= TOLD_EVERY_US:
            self._told_us = elapsed_us
            _log.warning(event, source=self.source.name, **words)

    # ── giving ───────────────────────────────────────────────────────────────
    def take(self, tx: Tx, now_us: int) -> Polled:
        """Give what waits, and write down how far that goes; it waits until it is settled."""
        if self._in_flight:
            stored = marks.get(tx, self.source.name)
            if stored is not None and stored["batch"] == self._batch:
                self.settle()  # committed after all
        readings: list[Reading] = []
        mark: Mark | None = None
        unreadable = count = 0
        with self._lock:
            for polled in self._queue:
                if count and len(readings) + len(polled.readings) > AT_ONCE:
                    break
                readings += polled.readings
                unreadable += polled.unreadable
                mark = polled.mark
                count += 1
            self._in_flight = count
        if count:
            self._batch += 1
            marks.put(tx, self.source.name, {"batch": self._batch, "mark": mark}, now_us)
        return Polled(readings=readings, unreadable=unreadable)

    def settle(self) -> None:
        """Forget what is committed."""
        with self._lock:
            for _ in range(self._in_flight):
                self._waiting -= len(self._queue.popleft().readings)
            self._in_flight = 0

    # ── how it is ────────────────────────────────────────────────────────────
    def health(self) -> SourceHealth:
        with self._lock:
            return SourceHealth(
                state=self._state(),
                last_read_us=self._last_read,
                last_value_us=self._last_value,
                error=self._error,
                waiting=self._waiting,
                unreadable=self._unreadable,
                skipped=self._skipped,
            )

    def _state(self) -> State:
        """Judge by the time since it was last read, however it came to that."""
        since = self._began_us if self._read_us is None else self._read_us
        silent_s = (self._clock.elapsed_us() - since) / MICROS
        if silent_s > max(DEAD_S, 3 * self.source.period_s):
            return "dead"
        return "ok" if self._error is None else "failing"

    def is_behind(self) -> bool:
        """Tell whether there is more to come at once."""
        with self._lock:
            return self._waiting > 0 or (self._more and self._error is None)

    def is_stale(self) -> bool:
        """Tell whether nothing new came for longer than it should."""
        periods = [said.period_s or 0.0 for said in self.declared.values()]
        patience_s = max(SILENT_S, 3 * max(periods, default=0.0))
        with self._lock:
            since = self._began_us if self._value_us is None else self._value_us
        return (self._clock.elapsed_us() - since) / MICROS > patience_s
