"""What is due, with clocks that are set, stopped and lost: one run makes up for many."""

import os
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.clock import MICROS
from daemon.config.cron import Cron, Window
from daemon.errors import InputError
from daemon.services.duties.timetable import BACK_US, Entry, Every, Last, Now, Recurring, Timetable

MINUTE = 60
HOUR = 3_600
DAY = 24 * HOUR
YEAR = 365 * DAY


def us(seconds):
    return round(seconds * MICROS)


def at(text):
    return us(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


NOON = at("2026-03-10T12:00:00")


class World:
    """Two clocks, and somebody who looks every so often."""

    def __init__(self, timer, *, look_s=MINUTE, wall_us=NOON, last=None):
        self.timer = timer
        self.look_us = us(look_s)
        self.wall_us = wall_us
        self.elapsed_us = 0
        self.runs = []
        timer.begin(self.now, last)

    @property
    def now(self):
        return Now(self.wall_us, self.elapsed_us)

    def go(self, seconds):
        """Let time pass, looking."""
        until_us = self.elapsed_us + us(seconds)
        before = len(self.runs)
        while self.elapsed_us < until_us:
            self.sleep(self.look_us / MICROS)
            due_us = self.timer.look(self.now)
            if due_us is not None:
                self.runs.append((self.elapsed_us, due_us))
        return len(self.runs) - before

    def sleep(self, seconds):
        """Let time pass, and look at nothing: a suspended machine, or one that is busy."""
        self.wall_us += us(seconds)
        self.elapsed_us += us(seconds)

    def set_clock(self, seconds):
        self.wall_us += us(seconds)

    def restart(self, timer, off_s=0, *, when=None):
        """End, and begin again from what is on record."""
        started_us, due_us = (None, None)
        if self.runs:
            due_us = self.runs[-1][1]
            started_us = due_us
        self.sleep(off_s)
        self.timer = timer
        timer.begin(self.now, Last(started_us=started_us, due_us=due_us, when=when or timer.words))


def daily():
    return Recurring(Cron.parse("0 2 * * *"))


# ── by the calendar ──────────────────────────────────────────────────────────
def test_it_runs_once_a_day():
    world = World(daily())
    assert world.go(10 * DAY) == 10
    assert [due % us(DAY) for _, due in world.runs] == [us(2 * HOUR)] * 10


def test_a_new_timetable_owes_nothing():
    assert World(daily(), wall_us=at("2026-03-10T02:00:30")).go(23 * HOUR) == 0


@pytest.mark.parametrize("step_s", [HOUR, -HOUR, YEAR, -YEAR, 8 * HOUR, -8 * HOUR])
@pytest.mark.parametrize("cron", ["*/5 * * * *", "0 * * * *", "0 2 * * *", "15 3 * * sun"])
@pytest.mark.parametrize("hour", [0, 1.99, 2.01, 13])
def test_a_clock_that_is_set_brings_no_storm_and_no_silence(step_s, cron, hour):
    timer = Recurring(Cron.parse(cron))
    period_s = {"*/5": 5 * MINUTE, "0 *": HOUR, "0 2": DAY, "15 ": 7 * DAY}[cron[:3]]
    world = World(timer, look_s=max(MINUTE, period_s / 200))
    world.go(14 * DAY + hour * HOUR if period_s == 7 * DAY else DAY + hour * HOUR)
    world.set_clock(step_s)
    assert world.go(MINUTE) <= 1
    assert 1 <= world.go(2 * period_s + 2 * MINUTE) <= 3
    assert world.go(10 * period_s) in {9, 10, 11}


def test_a_clock_that_is_set_back_a_little_runs_nothing_twice():
    world = World(daily(), wall_us=at("2026-03-10T01:50:00"))
    assert world.go(HOUR) == 1
    world.set_clock(-HOUR)
    assert world.go(3 * HOUR) == 0
    assert world.go(DAY) == 1


def test_a_clock_that_goes_forth_and_back_runs_once_and_is_then_as_ever():
    world = World(daily())
    world.set_clock(YEAR)
    assert world.go(MINUTE) == 1
    world.set_clock(-YEAR)
    assert world.go(DAY) == 1
    assert world.runs[-1][1] == at("2026-03-11T02:00:00")


@pytest.mark.parametrize("off_s", [HOUR, DAY, 7 * DAY, YEAR])
def test_after_being_off_one_run_makes_up_for_all(off_s):
    world = World(daily())
    world.go(DAY)
    world.restart(daily(), off_s)
    assert world.go(MINUTE) == (1 if off_s >= DAY else 0)
    assert world.go(4 * DAY) == 4


def test_a_suspended_machine_makes_up_for_one():
    world = World(daily())
    world.go(DAY)
    world.sleep(30 * DAY)
    assert world.go(MINUTE) == 1
    assert world.runs[-1][1] == at("2026-04-10T02:00:00")
    assert world.go(3 * DAY) == 3


def test_a_timetable_that_was_changed_owes_no_runs_of_the_old_one():
    world = World(daily())
    world.go(DAY)
    world.restart(Recurring(Cron.parse("0 5 * * *")), 3 * DAY, when="0 2 * * *")
    assert world.go(MINUTE) == 0
    assert world.go(DAY) == 1


def test_a_record_from_the_future_silences_nothing():
    last = Last(started_us=NOON + us(YEAR), due_us=NOON + us(YEAR), when="0 2 * * *")
    assert World(daily(), last=last).go(3 * DAY) == 3


def test_summer_time_changes_nothing(monkeypatch):
    """Where the machine lives an hour is left out in March, and comes twice in October."""
    monkeypatch.setitem(os.environ, "TZ", "Europe/Berlin")
    time.tzset()
    try:
        for night in ("2026-03-28T12:00:00", "2026-10-24T12:00:00"):
            world = World(Recurring(Cron.parse("30 2 * * *")), wall_us=at(night))
            assert world.go(3 * DAY) == 3
            assert {due % us(DAY) for _, due in world.runs} == {us(2.5 * HOUR)}
    finally:
        monkeypatch.undo()
        time.tzset()


disturbances = st.lists(
    st.tuples(
        st.sampled_from(["go", "sleep", "set", "restart"]),
        st.integers(0, 3 * DAY),
        st.sampled_from([1, -1, 122, -122, 365, -365]),
    ),
    max_size=12,
)


@given(disturbances, st.sampled_from(["*/20 * * * *", "7 * * * *", "0 2 * * *", "0 9,21 * * *"]))
def test_whatever_happens_to_the_clocks(happens, cron):
    world = World(Recurring(Cron.parse(cron)), look_s=10 * MINUTE, wall_us=NOON + us(3 * YEAR))
    extra, most = 0, 0
    for what, seconds, factor in happens:
        if what == "go":
            natural = _natural(cron, world.wall_us, world.wall_us + us(seconds + 10 * MINUTE))
            most += natural
            world.go(seconds)
        elif what == "sleep":
            world.sleep(seconds)
            extra += 1
        elif what == "set":
            world.set_clock(seconds * factor)
            extra += 1
        else:
            world.restart(Recurring(Cron.parse(cron)), seconds)
            extra += 1
    assert len(world.runs) <= most + extra, "a storm"
    period_s = {"*/20": 20 * MINUTE, "7 * ": HOUR, "0 2 ": DAY, "0 9,": 12 * HOUR}[cron[:4]]
    assert world.go(2 * period_s + 20 * MINUTE) >= 1, "silence"


def _natural(cron, since_us, until_us):
    count, parsed = 0, Cron.parse(cron)
    at_us = parsed.next_us(since_us)
    while at_us is not None and at_us <= until_us:
        count += 1
        at_us = parsed.next_us(at_us + 1)
    return count


def test_it_can_be_asked_what_comes_next():
    world = World(daily())
    assert world.timer.next_us(world.now) == at("2026-03-11T02:00:00")
    world.set_clock(-YEAR)
    world.go(2 * DAY)
    assert world.timer.next_us(world.now) - world.wall_us <= us(DAY)


# ── by the elapsed clock ─────────────────────────────────────────────────────
def test_what_recurs_in_seconds_does_not_look_at_the_wall():
    world = World(Every(3_600), look_s=60)
    assert world.go(MINUTE) == 1
    for step_s in (YEAR, -2 * YEAR, HOUR, -HOUR):
        world.set_clock(step_s)
        assert world.go(HOUR) == 1


def test_after_a_pause_it_runs_once():
    world = World(Every(60), look_s=10)
    world.go(10 * MINUTE)
    world.sleep(30 * DAY)
    assert world.go(10) == 1
    assert world.go(MINUTE) == 1


@pytest.mark.parametrize(
    ("ago_s", "wait_s"), [(10, 50), (60, 0), (7 * DAY, 0), (-YEAR, 0), (None, 0)]
)
def test_after_a_start_it_waits_for_what_remains(ago_s, wait_s):
    last = None if ago_s is None else Last(started_us=NOON - us(ago_s))
    timer = Every(60)
    timer.begin(Now(NOON, 0), last)
    assert timer.next_us(Now(NOON, 0)) == NOON + us(wait_s)
    assert (timer.look(Now(NOON, 0)) is not None) == (wait_s == 0)


# ── what waits ───────────────────────────────────────────────────────────────
class Bell:
    """A timer that a test rings."""

    words = "when it is rung"

    def __init__(self):
        self.due_us = None

    def begin(self, now, last):
        self.last = last

    def look(self, now):
        due_us, self.due_us = self.due_us, None
        return due_us

    def next_us(self, now):
        return None


def timetable(**entries):
    """A timetable of bells, by name and window."""
    bells = {name: Bell() for name in entries}
    table = Timetable(
        Entry(
            name=name,
            timer=bells[name],
            window=Window.parse(window) if window else None,
            priority=priority,
        )
        for name, (priority, window) in entries.items()
    )
    table.begin(Now(NOON, 0), {})
    return table, bells


def taken(table, now, **how):
    names = []
    while (due := table.take(now, **how)) is not None:
        names.append(due.name)
    return names


def test_the_most_important_goes_first_then_what_waited_longest():
    table, bells = timetable(a=(1, None), b=(5, None), c=(1, None), d=(1, None))
    for name, due_us in (("a", NOON), ("b", NOON), ("c", NOON - us(HOUR)), ("d", NOON)):
        bells[name].due_us = due_us
    assert table.look(Now(NOON, 0)) == []
    assert taken(table, Now(NOON, 0)) == ["b", "c", "a", "d"]


def test_what_runs_already_waits_and_many_wait_as_one():
    table, bells = timetable(a=(1, None))
    for minutes in range(5):
        bells["a"].due_us = NOON + us(minutes * MINUTE)
        table.look(Now(NOON + us(minutes * MINUTE), 0))
        assert taken(table, Now(NOON, 0), busy={"a"}) == []
    assert taken(table, Now(NOON, 0)) == ["a"]


def test_a_window_is_waited_for():
    table, bells = timetable(a=(1, "22:00-02:00"))
    bells["a"].due_us = NOON
    table.look(Now(NOON, 0))
    assert taken(table, Now(NOON + us(9.9 * HOUR), 0)) == []
    due = table.take(Now(NOON + us(10 * HOUR), 0))
    assert due.closes_us == at("2026-03-11T02:00:00")


def test_what_could_not_begin_in_its_window_is_missed_and_said():
    table, bells = timetable(a=(1, "10:00-13:00"))
    bells["a"].due_us = NOON
    table.look(Now(NOON, 0))
    assert [due.name for due in table.look(Now(NOON + us(HOUR), 0))] == ["a"]
    assert taken(table, Now(NOON + us(HOUR), 0)) == []
    assert table.look(Now(NOON + us(2 * HOUR), 0)) == []


@pytest.mark.parametrize("step_s", [-YEAR, -DAY])
def test_a_clock_that_is_set_back_does_not_leave_it_waiting(step_s):
    table, bells = timetable(a=(1, None), b=(1, "10:00-13:00"))
    bells["a"].due_us = bells["b"].due_us = NOON
    table.look(Now(NOON, 0))
    assert table.look(Now(NOON + us(step_s), 0)) == []
    assert taken(table, Now(NOON + us(step_s), 0)) == ["a", "b"]


def test_a_clock_that_is_set_ahead_misses_the_window():
    table, bells = timetable(b=(1, "10:00-13:00"))
    bells["b"].due_us = NOON
    table.look(Now(NOON, 0))
    assert [due.name for due in table.look(Now(NOON + us(YEAR), 0))] == ["b"]


def test_what_could_not_be_done_comes_again_a_little_later():
    table, bells = timetable(a=(1, None))
    bells["a"].due_us = NOON
    table.look(Now(NOON, 0))
    due = table.take(Now(NOON, 0))
    table.again(due, Now(NOON, 0), 30)
    assert taken(table, Now(NOON, us(29))) == []
    assert taken(table, Now(NOON, us(30))) == ["a"]


@pytest.mark.parametrize(
    "text",
    ["", "1:00-5:00", "24:00-01:00", "02:00-02:00", "01:00", "01:60-02:00", "0\u0661:00-02:00"],
)
def test_what_is_no_window_is_refused(text):
    with pytest.raises(InputError, match="is no window of a day"):
        Window.parse(text)


def test_less_than_the_patience_is_waited_for():
    """The bound that the cases above rest on."""
    assert us(HOUR) < BACK_US < us(8 * HOUR)
