"""The standard chores, done on a real database."""

import pytest

from daemon.config.settings import Settings
from daemon.services.duties.chores import Chores
from daemon.services.duties.housework import DAY_US, Housework, Steady
from daemon.store import alerts, commands, freezes, history, proposals, samples
from daemon.store.commands import NewCommand
from daemon.store.freezes import NewFreeze
from daemon.store.proposals import NewProposal
from tests.contract.lease_kit import HandClock, lease
from tests.contract.rows import HOUR, MINUTE, T0
from tests.watch_kit import Calls

MEGABYTE = 1_000_000


class House:
    """A leader that keeps house, and a disk as full as a test says."""

    def __init__(self, store):
        self.store = store
        self.clock = HandClock()
        self.leader = lease(store, clock=self.clock)
        self.leader.acquire()
        self.calls = Calls()
        self.free = 10_000 * MEGABYTE
        self.work = Housework(self.leader, self.clock, self.calls, Settings(), lambda: self.free)
        self.chores = Chores(self.work.chores(), self.leader, self.clock, self.calls)
        self.chores.begin()

    def go(self, seconds):
        self.clock.turn(seconds)
        while self.chores.tick(10):
            pass

    def measure(self, *at_us):
        """Write samples of one signal, as they came."""
        with self.leader.write() as tx:
            batch = [samples.Sample("risk", at, 1.0) for at in at_us]
            samples.ingest(tx, batch, max(at_us))

    def count(self, table):
        with self.leader.read() as view:
            return view.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one()


@pytest.fixture
def house(memory_backend):
    """What is decided here is the same on every database; the first test is held on all."""
    with memory_backend.opened() as opened:
        yield House(opened)


def test_everything_is_done_at_once_and_then_by_its_time(shared):
    house = House(shared)
    house.go(1)
    assert house.calls.standing == {}
    named = {"expiry", "freezes", "disk", "roll_up", "prune"}
    assert set(house.chores.next_us()) == named


def test_old_samples_are_rolled_up_and_pruned(house):
    house.measure(T0 - 8 * DAY_US, T0 - 8 * DAY_US + MINUTE, T0 - HOUR)
    house.go(1)
    assert house.count("samples") == 1
    assert house.count("sample_rollups") > 0
    with house.leader.read() as view:
        (event,) = [row for row in history.read(view, "events") if row["kind"] == "samples_pruned"]
    assert event["body"] == {"risk": 2}
    assert event["epoch"] == house.leader.epoch


def test_a_clock_that_was_just_set_prunes_nothing_for_a_day(house):
    house.measure(T0 - HOUR, T0)
    house.go(1)
    house.clock.step_wall(365 * 86_400)
    for _ in range(23):
        house.go(3_600)
    assert house.count("samples") == 2
    house.clock.step_wall(-365 * 86_400)
    for _ in range(26):
        house.go(3_600)
    assert house.count("samples") == 2
    house.go(7 * 86_400)
    assert house.count("samples") == 0


def test_steady_is_a_clock_that_goes_with_the_other():
    clock = HandClock()
    steady = Steady(clock)
    assert steady.holds()
    clock.step_wall(60)
    assert steady.holds()
    clock.step_wall(-7_200)
    assert not steady.holds()
    clock.turn(86_399)
    assert not steady.holds()
    clock.turn(1)
    assert steady.holds()


def test_alerts_that_are_long_over_are_forgotten(house):
    with house.leader.write() as tx:
        for key in ("over", "standing", "untold"):
            alert = alerts.NewAlert(
                at_us=T0, kind="dead_source", key=key, severity="warn", text="nothing comes"
            )
            number = alerts.raise_alert(tx, alert)
            if key != "untold":
                alerts.delivered(tx, number, T0)
            if key != "standing":
                alerts.failed(tx, number, "the line is dead", T0)
                alerts.resolve(tx, "dead_source", key, T0)
            if key == "over":
                alerts.delivered(tx, number, T0, over=True)
    for days, kept in ((89, 3), (2, 2)):
        house.go(days * 86_400)
        assert house.count("alerts") == kept
    with house.leader.read() as view:
        assert {one.key for one in alerts.listed(view)} == {"standing", "untold"}


def test_what_waits_too_long_expires(house):
    with house.leader.write() as tx:
        proposal = proposals.propose(
            tx,
            NewProposal(
                at_us=T0,
                origin="loop",
                base={"a": 1.0},
                target={"a": 2.0},
                expires_at_us=T0 + MINUTE,
            ),
        )
        order = commands.file(
            tx,
            NewCommand(
                key="k", kind="pause", actor="ana", at_us=T0, args={}, expires_at_us=T0 + MINUTE
            ),
        )
    house.go(61)
    with house.leader.read() as view:
        assert proposals.get(view, proposal).state == "expired"
        assert commands.get(view, order).state == "expired"


def test_recurring_freezes_are_moved_on(house):
    with house.leader.write() as tx:
        number = freezes.add(
            tx,
            NewFreeze(
                reason="nights",
                owner="ana",
                created_at_us=T0,
                cron="0 22 * * *",
                duration_s=3_600.0,
                starts_at_us=T0 - DAY_US,
                ends_at_us=T0 - DAY_US + HOUR,
            ),
        )
    house.go(1)
    with house.leader.read() as view:
        row = freezes.get(view, number)
    assert (row.starts_at_us, row.ends_at_us) == (T0 + 14 * HOUR, T0 + 15 * HOUR)


def test_a_disk_that_fills_is_told_of_until_there_is_room_again(house):
    house.go(1)
    assert not house.work.disk_is_low
    for free, standing in ((200, True), (260, True), (320, False)):
        house.free = free * MEGABYTE
        house.go(31)
        assert (("disk_low", "database") in house.calls.standing) == standing
        assert house.work.disk_is_low == (free < 256)
    house.free = 100 * MEGABYTE
    house.go(31)
    severity, text, _ = house.calls.standing["disk_low", "database"]
    assert severity == "crit"
    assert text.startswith("100 MB are free")


def test_a_disk_that_is_not_ours_is_not_judged(house):
    house.free = None
    house.go(31)
    assert not house.work.disk_is_low
    assert house.calls.standing == {}
