"""A source that does as it is told, a clock that stands, and an intake without threads."""

from collections import Counter

from daemon.clock import MICROS
from daemon.ports import Declared, Polled, Reading
from daemon.services.watching.intake import Intake
from daemon.store.tables import sample_faults, samples
from tests.contract.rows import MINUTE, T0, rows_of


class HandClock:
    def __init__(self):
        self.us = 0

    def now_us(self):
        return T0 + self.us

    def elapsed_us(self):
        return self.us

    def sleep(self, seconds):
        self.us += round(seconds * MICROS)


class Scripted:
    """A source that numbers its values, and can be told to fail, to stop and to flood."""

    def __init__(self, clock, name="app", period_s=1.0, signals=("a",)):
        self.clock = clock
        self.name = name
        self.period_s = period_s
        self.names = signals
        self.count = 0
        self.asked = []
        self.resumed = None
        self.closed = 0
        self.trouble = None
        self.size = 1
        self.unreadable = 0
        self.idle = False
        self.more = False

    def signals(self):
        return {name: Declared(unit="ms", period_s=self.period_s) for name in self.names}

    def resume(self, mark):
        self.resumed = mark
        self.count = mark["count"] if mark else 0

    def poll(self):
        self.asked.append(self.clock.elapsed_us() / MICROS)
        if self.trouble is not None:
            raise self.trouble
        if self.idle:
            return Polled(mark={"count": self.count} if self.count else None)
        first, self.count = self.count, self.count + self.size
        readings = [
            Reading(name, T0 + number, float(number))
            for number in range(first, self.count)
            for name in self.names
        ]
        unreadable, self.unreadable = self.unreadable, 0
        return Polled(
            readings=readings,
            mark={"count": self.count},
            unreadable=unreadable,
            example="a line that is none" if unreadable else None,
            more=self.more,
        )

    def close(self):
        self.closed += 1


def begun(store, clock, *sources):
    taking = Intake(sources, clock, threads=False)
    with store.read() as view:
        taking.start(view)
    return taking


def drained(store, taking, sealed_us=0):
    """Let a second pass, and write what came."""
    taking._clock.sleep(1)
    with store.write() as tx:
        done = taking.drain(tx, taking._clock.now_us() + MINUTE, sealed_us)
    taking.written()
    return done


def values(store):
    return [row["value"] for row in rows_of(store, samples)]


def faults(store):
    found = Counter()
    for row in rows_of(store, sample_faults):
        found[row["fault"]] += row["n"]
    return dict(found)
