"""A life of the service, driven by clocks, managers and wishes that are made by hand."""

from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from daemon.clock import MICROS
from daemon.errors import ConfigError, Exit, NotLeader, Problem, StoreBroken, StoreUnavailable
from daemon.services.living.lifecycle import Lifecycle, stretching
from daemon.services.living.pulse import Phase
from daemon.store.lease import Holder
from tests.life_kit import (
    T0,
    HandClock,
    HandEngine,
    HandLease,
    HandWishes,
    HeardNotifier,
    service,
)

HOUR_S = 3_600
YEAR_S = 365 * 86_400
AWAY = StoreUnavailable("the server is gone", hint="is it running?")


class Life:
    """Everything around one life, and the life itself."""

    def __init__(self):
        self.clock = HandClock()
        self.engine = HandEngine(self.clock)
        self.lease = HandLease()
        self.wishes = HandWishes()
        self.manager = HeardNotifier()
        self.said = []
        self.service = service(self.clock, self.engine, self.lease)
        self.pulse = self.service.pulse

    def live(self, for_s=None, **how):
        if for_s is not None:
            self.clock.plan(for_s, self.wishes.end)
        Lifecycle(self.service, self.manager, self.said.append).run(self.wishes, **how)

    def metric(self, line):
        return [
            float(text.rpartition(" ")[2])
            for text in self.service.meters.render().decode().splitlines()
            if text.startswith(line)
        ]

    @property
    def gaps_s(self):
        return [(b - a) / MICROS for a, b in pairwise(self.engine.cycles_at)]


@pytest.fixture
def life():
    return Life()


# ── from the beginning to the end ────────────────────────────────────────────
def test_a_life_starts_turns_and_ends_in_order(life):
    life.live(for_s=30)
    assert life.engine.calls[:3] == ["start", "between", "cycle"]
    assert life.engine.calls[-1] == "stop"
    assert life.engine.calls.count("start") == life.engine.calls.count("stop") == 1
    assert len(life.engine.cycles_at) == 5
    assert set(life.gaps_s) == {5.0}
    assert life.lease.released == 1
    assert life.pulse.phase is Phase.STOPPING


def test_the_manager_hears_ready_once_then_a_sign_of_life_a_cycle_then_the_end(life):
    life.live(for_s=30)
    assert life.manager.told("READY") == ["1"]
    assert len(life.manager.told("WATCHDOG")) == 5
    assert life.manager.lines.index("READY=1") < life.manager.lines.index("WATCHDOG=1")
    assert life.manager.lines[-2:] == ["STOPPING=1", "STATUS=stopping: SIGTERM"]
    assert "leading: mode dry_run, epoch 7, cycle 5" in life.manager.told("STATUS")


def test_once_is_one_cycle_at_its_moment(life):
    life.live(once=True)
    assert life.engine.calls == ["start", "between", "cycle", "stop"]
    assert life.engine.cycles_at == [6 * MICROS]
    assert life.lease.released == 1


def test_a_wish_to_end_is_heard_within_a_tick_and_nothing_new_is_begun(life):
    life.live(for_s=7.5)
    assert life.clock.elapsed_us() <= 7.71 * MICROS
    assert len(life.engine.cycles_at) == 1


def test_a_start_that_fails_frees_the_lead(life):
    life.engine.start_fault = ConfigError([Problem("does not hold")])
    with pytest.raises(ConfigError) as raised:
        life.live()
    assert raised.value.exit_code == Exit.CONFIG
    assert life.lease.released == 1
    assert "READY=1" not in life.manager.lines
    assert "stop" not in life.engine.calls


def test_a_database_that_is_away_at_the_start_ends_it_with_74(life):
    life.lease.fault = AWAY
    with pytest.raises(StoreUnavailable) as raised:
        life.live()
    assert raised.value.exit_code == Exit.IO


def test_a_bug_is_told_in_the_log_and_frees_the_lead(life):
    life.engine.faults = [ZeroDivisionError("a bug")]
    with capture_logs() as logs, pytest.raises(ZeroDivisionError):
        life.live()
    assert isinstance(logs[-1]["exc_info"], ZeroDivisionError)
    assert life.lease.released == 1


def test_an_end_without_the_database_is_an_end_all_the_same(life):
    life.engine.stop_fault = AWAY
    with capture_logs() as logs:
        life.live(for_s=8)
    assert [log["event"] for log in logs][-1] == "stopped_without_the_store"
    assert life.lease.released == 1


# ── time ─────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("step_s", [HOUR_S, -HOUR_S, YEAR_S, -YEAR_S, 3, -3])
def test_a_step_of_the_wall_clock_brings_neither_storm_nor_silence(life, step_s):
    life.clock.plan(20.1, lambda: life.clock.step_wall(step_s))
    life.live(for_s=60)
    assert min(life.gaps_s) >= 2.5
    assert max(life.gaps_s) <= 10.1
    assert 10 <= len(life.engine.cycles_at) <= 12
    assert len(life.manager.told("WATCHDOG")) == len(life.engine.cycles_at)


def test_after_a_night_asleep_there_is_one_cycle_and_the_rest_is_a_gap(life):
    life.clock.plan(20.1, lambda: life.clock.pass_(8 * HOUR_S * MICROS))
    with capture_logs() as logs:
        life.live(for_s=8 * HOUR_S + 40)
    gaps = sorted(life.gaps_s)
    assert gaps[-1] > 8 * HOUR_S - 5
    assert gaps[0] >= 2.5
    assert len(life.engine.cycles_at) <= 9
    assert life.pulse.missed == pytest.approx(8 * HOUR_S / 5, abs=2)
    assert life.metric('daemon_cycles_skipped_total{why="asleep"}') == [life.pulse.missed]
    assert [log["event"] for log in logs].count("cycles_missed") == 1


@pytest.mark.parametrize("due_us", [0, -(10**15)])
def test_an_engine_that_is_always_late_makes_no_storm(life, due_us):
    life.engine.due = lambda: due_us
    life.live(for_s=60)
    assert min(life.gaps_s) >= 2.5


def test_an_engine_that_is_never_due_is_asked_all_the_same(life):
    life.engine.due = lambda: 10**18
    life.live(for_s=60)
    assert max(life.gaps_s) <= 10.1
    assert len(life.engine.cycles_at) >= 5


def test_between_two_cycles_it_looks_five_times_a_second(life):
    turns = []
    life.engine.between = lambda: turns.append(life.clock.elapsed_us())
    life.live(for_s=20)
    assert max(b - a for a, b in pairwise(turns)) <= 0.2 * MICROS


def test_where_time_passes_fast_it_does_not_look_more_often_than_it_must(life):
    life.pulse.tick_us = 12 * MICROS  # sixty times as fast
    turns = []
    life.engine.between = lambda: turns.append(life.clock.elapsed_us())
    life.live(for_s=60)
    assert len(turns) <= 2 * len(life.engine.cycles_at) + 2


# ── the database goes away ───────────────────────────────────────────────────
def test_an_outage_is_sat_out_with_longer_and_longer_pauses(life):
    life.engine.faults = [None, *[AWAY] * 7]
    with capture_logs() as logs:
        life.live(for_s=200)
    waits = life.gaps_s[1:8]
    assert waits == sorted(waits)
    assert waits[0] >= 1
    assert waits[-1] <= 31
    assert life.pulse.skipped == 7
    assert life.pulse.outage is None
    assert life.metric('daemon_cycles_skipped_total{why="store"}') == [7]
    events = [log["event"] for log in logs]
    assert events.count("cycle_skipped") == 7
    assert events.count("store_is_back") == 1
    assert life.engine.calls[-1] == "stop"


def test_an_outage_may_last_for_days(life):
    life.engine.faults = [AWAY] * 2_000
    life.live(for_s=12 * HOUR_S)
    assert max(life.gaps_s) <= 31
    assert life.pulse.skipped > 1_400


def test_the_watchdog_hears_nothing_of_cycles_that_failed_but_waits_longer_for_them(life):
    life.engine.faults = [None, *[AWAY] * 4]
    life.live(for_s=40)
    assert len(life.manager.told("WATCHDOG")) == len(life.engine.cycles_at) - 4
    assert life.manager.told("WATCHDOG_USEC") == ["600000000", "60000000", "600000000", "60000000"]


def test_what_is_done_between_cycles_may_meet_the_outage_first(life):
    faults = [None] * 40 + [AWAY]

    def between():
        if faults and (fault := faults.pop(0)) is not None:
            raise fault

    life.engine.between = between
    life.live(for_s=30)
    assert life.pulse.skipped == 1
    assert len(life.engine.cycles_at) == 5


def test_with_once_an_outage_is_told_at_once(life):
    life.engine.faults = [AWAY]
    with pytest.raises(StoreUnavailable):
        life.live(once=True)
    assert life.lease.released == 1


@pytest.mark.parametrize(
    "fault", [StoreBroken("fsync failed"), NotLeader("epoch 7 has ended")], ids=lambda f: f.message
)
@pytest.mark.parametrize("where", ["cycle", "between", "stop", "reload"])
def test_after_a_broken_disk_or_a_lost_lead_nothing_more_is_written(life, fault, where):
    def fail():
        raise fault

    if where == "reload":
        life.wishes.hang_up()
    if where == "stop":
        life.clock.plan(8, life.wishes.end)
    setattr(life.engine, where, fail)
    with pytest.raises(type(fault)) as raised:
        life.live()
    assert raised.value.exit_code in {Exit.IO, Exit.NOT_LEADER}
    assert life.lease.released == 0
    assert "stop" not in life.engine.calls
    assert life.manager.lines[-2:] == ["STOPPING=1", f"STATUS={fault.message}"]


# ── read again ───────────────────────────────────────────────────────────────
def test_reading_again_is_told_with_the_moment_and_ready_follows(life):
    life.clock.plan(8, life.wishes.hang_up)
    with capture_logs() as logs:
        life.live(for_s=20)
    lines = life.manager.lines
    at = lines.index("RELOADING=1")
    assert lines[at + 1].startswith("MONOTONIC_USEC=")
    assert lines[at + 1].partition("=")[2].isdigit()
    assert lines[at + 2] == "READY=1"
    assert life.engine.calls.count("reload") == 1
    assert {"event": "reloaded", "changed": "observe_window_s", "log_level": "info"} in logs


def test_a_configuration_that_does_not_hold_changes_nothing(life):
    problem = Problem("must be above 0", "daemon.yaml", 3, "retention.raw_days", "Days")
    life.engine.reload_fault = ConfigError([problem])
    life.clock.plan(8, life.wishes.hang_up)
    with capture_logs() as logs:
        life.live(for_s=30)
    refused = [log for log in logs if log["event"] == "reload_refused"]
    assert [log["problem"] for log in refused] == [str(problem)]
    assert refused[0]["log_level"] == "error"
    assert len(life.manager.told("READY")) == 2
    assert len(life.engine.cycles_at) == 5
    assert life.metric('daemon_errors_total{kind="reload"}') == [1]


def test_without_the_database_nothing_is_read_again_either(life):
    life.engine.reload_fault = AWAY
    life.clock.plan(8, life.wishes.hang_up)
    life.live(for_s=30)
    assert len(life.engine.cycles_at) == 5


# ── who leads ────────────────────────────────────────────────────────────────
RIVAL = Holder(
    holder="db1/4711",
    epoch=3,
    beat=9,
    ttl_s=15.0,
    since_us=T0,
    beat_at_us=T0 + MICROS,
    released=False,
    about={},
    running=True,
)


def test_where_somebody_is_known_to_lead_it_ends_at_once_and_says_who(life):
    life.lease.refusals, life.lease.rival, life.lease.rival_lives = 9, RIVAL, True
    with pytest.raises(NotLeader, match=r"db1/4711 leads since .* \(epoch 3\)") as raised:
        life.live()
    assert raised.value.exit_code == Exit.NOT_LEADER == 75
    assert "--standby" in raised.value.hint
    assert (life.clock.elapsed_us(), life.lease.asked) == (0, 1)
    assert life.lease.released == 0


def test_who_loses_the_race_for_a_lead_that_nobody_had_ends_as_well(life):
    life.lease.refusals = 1
    with pytest.raises(NotLeader, match="somebody else leads"):
        life.live()


def test_where_it_is_not_known_it_watches_for_a_sign_of_life_and_takes_over(life):
    life.lease.refusals, life.lease.rival = 15, RIVAL
    life.live(for_s=40)
    assert life.lease.asked == 16
    assert "start" in life.engine.calls
    assert len(life.said) == 1
    assert len(life.manager.told("EXTEND_TIMEOUT_USEC")) == 15


def test_and_ends_when_there_is_one(life):
    life.lease.refusals, life.lease.rival = 99, RIVAL
    life.clock.plan(3.5, lambda: setattr(life.lease, "rival_lives", True))
    with pytest.raises(NotLeader):
        life.live()
    assert life.clock.elapsed_us() == 4 * MICROS


def test_standing_by_is_said_once_and_ends_in_leading(life):
    life.lease.refusals, life.lease.rival, life.lease.rival_lives = 60, RIVAL, True
    phases = []
    life.clock.plan(30, lambda: phases.append(life.pulse.phase))
    life.live(for_s=100, standby=True)
    assert phases == [Phase.STANDBY]
    assert len(life.said) == 1
    assert "db1/4711" in life.said[0]
    assert life.manager.told("READY") == ["1", "1"]
    assert len(life.manager.told("WATCHDOG")) == 60 + len(life.engine.cycles_at)
    assert len(life.engine.cycles_at) == 7
    assert life.metric("daemon_leader ") == [1]
    assert life.metric("daemon_epoch ") == [7]


def test_standing_by_outlives_the_database_and_can_be_ended(life):
    life.lease.fault = AWAY
    with capture_logs() as logs:
        life.live(for_s=600, standby=True)
    assert [log["event"] for log in logs].count("cycle_skipped") == life.lease.asked == 24
    assert life.engine.calls == []
    assert life.manager.told("WATCHDOG") == []
    assert life.manager.told("WATCHDOG_USEC") == ["600000000"]


def test_a_standby_goes_on_when_the_database_is_back(life):
    life.lease.fault = AWAY
    life.clock.plan(40, lambda: setattr(life.lease, "fault", None))
    life.live(for_s=100, standby=True)
    assert life.pulse.outage is None
    assert life.engine.calls[0] == "start"
    assert len(life.engine.cycles_at) > 5


def test_a_standby_whose_disk_is_broken_ends(life):
    life.lease.fault = StoreBroken("fsync failed")
    with pytest.raises(StoreBroken):
        life.live(standby=True)


def test_a_lead_that_cannot_be_given_back_is_no_reason_to_fail(life):
    def fail():
        raise AWAY

    life.lease.release = fail
    with capture_logs() as logs:
        life.live(for_s=8)
    assert [log["event"] for log in logs][-1] == "lead_not_released"


# ── a long start ─────────────────────────────────────────────────────────────
def test_a_long_start_asks_for_more_time_again_and_again():
    manager = HeardNotifier()
    asked = []
    with stretching(manager, every_s=0.01):
        while len(asked) < 3:
            asked = manager.told("EXTEND_TIMEOUT_USEC")
    assert set(asked) == {"20000000"}
