"""Chores between cycles: in slices, remembered over restarts, and never in the loop's way."""

import pytest

from daemon.clock import MICROS
from daemon.config.cron import Cron, Window
from daemon.errors import NotLeader, StoreError, StoreUnavailable
from daemon.services.duties.chores import Chore, Chores
from daemon.services.duties.timetable import Every, Recurring
from daemon.store import chores as records
from tests.contract.lease_kit import HandClock, lease
from tests.contract.rows import T0
from tests.watch_kit import Calls

HOUR = 3_600
DAY = 24 * HOUR


@pytest.fixture
def store(memory_backend):
    """What is decided here is the same on every database."""
    with memory_backend.opened() as opened:
        yield opened


class Office:
    """A leader with chores, whose slices take as long as a test says."""

    def __init__(self, store):
        self.clock = HandClock()
        self.leader = lease(store, clock=self.clock)
        self.leader.acquire()
        self.calls = Calls()
        self.done = []
        self.slice_s = 0.0
        self.fault = None
        self.given = []
        self.chores = None

    def open(self, *chores):
        self.given = list(chores) or self.given
        self.chores = Chores([make() for make in self.given], self.leader, self.clock, self.calls)
        self.chores.begin()
        return self

    def chore(self, name, when, slices=1, **how):
        def run():
            for number in range(slices):
                if self.fault is not None:
                    raise self.fault
                self.clock.turn(self.slice_s)
                self.done.append((name, number))
                yield

        def timer():
            return Every(when) if isinstance(when, int) else Recurring(Cron.parse(when))

        return lambda: Chore(name=name, timer=timer(), run=run, **how)

    def go(self, seconds, look_s=5):
        """Let time pass as the leader does; returns how often each chore was done."""
        self.done.clear()
        until_us = self.clock.elapsed_us() + round(seconds * MICROS)
        while self.clock.elapsed_us() < until_us:
            self.clock.turn(look_s)
            self.chores.tick()
        return [name for name, number in self.done if number == 0]

    @property
    def rows(self):
        with self.leader.read() as view:
            return {row["name"]: row for row in records.listed(view)}


@pytest.fixture
def office(store):
    return Office(store)


def test_a_run_is_written_down(office):
    office.open(office.chore("prune", HOUR, slices=3))
    office.go(5)
    row = office.rows["prune"]
    assert row["last_status"] == "done"
    assert row["last_started_us"] == T0 + 5 * MICROS
    assert row["next_due_us"] == T0 + (HOUR + 5) * MICROS
    assert row["detail"] == {"when": "every 3600 s", "slices": 3, "error": None}
    assert office.chores.next_us() == {"prune": row["next_due_us"]}


def test_what_comes_often_is_not_written_down(office):
    office.open(office.chore("freezes", 15, remembered=False))
    assert len(office.go(60)) == 4
    assert office.rows == {}


def test_a_tick_stops_when_its_time_is_up_and_the_next_goes_on(office):
    office.open(office.chore("prune", HOUR, slices=10))
    office.slice_s = 0.1
    office.clock.turn(5)
    assert office.chores.tick(0.25)
    assert office.done == [("prune", 0), ("prune", 1), ("prune", 2)]
    assert office.chores.tick(0.25)
    assert office.done[-1] == ("prune", 5)
    while office.chores.tick(0.25):
        pass
    assert len(office.done) == 10


def test_the_most_important_is_done_first(office):
    office.open(office.chore("prune", HOUR, priority=1), office.chore("expiry", HOUR, priority=9))
    assert office.go(5) == ["expiry", "prune"]


def test_after_a_restart_it_goes_on_as_if_nothing_had_been(office):
    office.open(office.chore("prune", HOUR), office.chore("report", "0 9 * * *"))
    assert office.go(2 * HOUR) == ["prune", "report", "prune"]
    office.open()
    assert office.go(HOUR) == ["prune"]
    assert office.go(60) == ["prune"]


@pytest.mark.parametrize("off_s", [DAY, 7 * DAY, 365 * DAY])
def test_after_a_long_rest_each_is_done_once(office, off_s):
    office.open(office.chore("prune", HOUR), office.chore("report", "0 9 * * *"))
    office.go(2 * HOUR)
    office.clock.turn(off_s)
    office.open()
    assert sorted(office.go(60)) == ["prune", "report"]


@pytest.mark.parametrize("step_s", [HOUR, -HOUR, 365 * DAY, -365 * DAY])
def test_a_clock_that_is_set_brings_no_storm_and_no_silence(office, step_s):
    office.open(office.chore("prune", HOUR), office.chore("report", "0 * * * *"))
    office.go(DAY, 60)
    office.clock.step_wall(step_s)
    assert len(office.go(60)) <= 2
    done = office.go(DAY, 60)
    assert done.count("prune") == 24
    assert 23 <= done.count("report") <= 25


def test_what_missed_its_window_is_said(office):
    office.open(office.chore("report", "0 9 * * *", window=Window.parse("08:30-09:30")))
    office.go(2 * HOUR)
    office.clock.turn(DAY - HOUR)  # 09:00 of the next day, and nobody looks until 10:00
    office.clock.turn(HOUR)
    assert office.go(5) == []
    assert office.rows["report"]["last_status"] == "missed"
    assert len(office.go(DAY, 60)) == 1


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (StoreError("a view is broken", hint="daemon db check"), "a view is broken: daemon db"),
        (ZeroDivisionError("a bug"), "ZeroDivisionError: a bug"),
    ],
)
def test_a_chore_that_fails_is_told_of_and_the_others_go_on(office, fault, words):
    office.open(
        office.chore("prune", HOUR, priority=9), office.chore("freezes", 15, remembered=False)
    )
    office.fault = fault
    office.go(5)
    assert office.rows["prune"]["last_status"] == "failed"
    severity, text, _ = office.calls.standing["chore_failed", "prune"]
    assert severity == "warn"
    assert words in text
    office.open()  # over a restart it is still known that people were told
    office.fault = None
    assert "freezes" in office.go(60)
    assert ("chore_failed", "prune") in office.calls.standing
    office.go(HOUR)
    assert office.calls.standing == {}
    assert office.rows["prune"]["last_status"] == "done"


def test_a_database_that_is_away_costs_nothing_but_time(office):
    office.open(office.chore("report", "30 8 * * *"))
    office.fault = StoreUnavailable("it is being restarted")
    office.clock.turn(HOUR)
    with pytest.raises(StoreUnavailable):
        office.chores.tick()
    office.fault = None
    assert office.go(25) == []
    assert office.go(10) == ["report"]
    assert office.calls.calls == 0


def test_whoever_no_longer_leads_does_no_more_chores(office, store):
    office.open(office.chore("prune", HOUR))
    office.leader.release()
    lease(store, "two", office.clock).acquire()
    office.clock.turn(5)
    with pytest.raises(NotLeader):
        office.chores.tick()
    assert "prune" not in office.rows
