"""Does it live, and is it ready? Told from the beat of the loop and from what the engine shows."""

import pytest

from daemon.clock import MICROS
from daemon.services.living.pulse import START_WITHIN_S, Phase, Pulse, lifeless, unready

S = MICROS
WELL = {"stale_sources": [], "frozen": [], "inconsistent": [], "violations": 0}


def leading(**how):
    pulse = Pulse(0, **how)
    pulse.enter(Phase.LEADING, 100 * S)
    pulse.wrote_us = 100 * S
    return pulse


def reasons(pulse, status=WELL, now_us=101 * S):
    return list(unready(pulse, status, now_us))


def test_a_loop_that_comes_round_lives():
    assert lifeless(leading(), 115 * S) is None


def test_a_loop_that_has_not_come_round_for_three_periods_is_hung():
    assert lifeless(leading(), 116 * S) == "the loop has not come round for 16 s; at most 15 s"


def test_where_time_passes_fast_a_machine_is_given_the_time_it_needs():
    fast = leading(tick_s=12.0)
    assert lifeless(fast, 280 * S) is None
    assert lifeless(fast, 281 * S) is not None


def test_a_start_may_take_long_but_not_for_ever():
    pulse = Pulse(0)
    assert lifeless(pulse, round(START_WITHIN_S * S)) is None
    assert "has been starting" in lifeless(pulse, round(START_WITHIN_S * S) + S)


def test_a_new_phase_begins_with_a_turn():
    pulse = Pulse(0)
    pulse.enter(Phase.STANDBY, 50 * S)
    assert (pulse.since_us, pulse.turned_us) == (50 * S, 50 * S)
    assert lifeless(pulse, 60 * S) is None


def test_a_leader_that_does_all_its_work_is_ready():
    assert reasons(leading()) == []


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.STANDBY, Phase.STOPPING])
def test_nobody_else_is(phase):
    pulse = Pulse(0)
    pulse.enter(phase, 100 * S)
    assert reasons(pulse) == [f"does not lead: {phase.value}"]


def test_an_outage_is_told_in_the_words_of_the_database():
    pulse = leading()
    pulse.outage = "postgresql://db/tuning: connection refused"
    assert reasons(pulse) == ["database: postgresql://db/tuning: connection refused"]


def test_cycles_that_never_end_are_told():
    pulse = leading()
    pulse.turned_us = 130 * S
    assert reasons(pulse, now_us=131 * S) == ["the last whole cycle ended 31 s ago"]


def test_a_hung_loop_is_not_ready_either():
    pulse = leading()
    pulse.wrote_us = 200 * S
    assert reasons(pulse, now_us=201 * S) == ["the loop has not come round for 101 s; at most 15 s"]


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ({"stale_sources": ["metrics"]}, "source metrics: brings nothing new"),
        (
            {"disk_free_bytes": 5_000_000, "disk_floor_bytes": 64_000_000},
            "disk: 5,000,000 bytes free, the floor is 64,000,000",
        ),
        ({"frozen": ["risk_max"]}, "rule risk_max: frozen"),
        ({"violations": 2}, "2 broken invariants: daemon ctl verify"),
    ],
)
def test_what_the_engine_shows_stands_against_it(status, reason):
    assert reasons(leading(), WELL | status) == [reason]


def test_an_inconsistent_rule_is_named():
    (reason,) = reasons(leading(), {"inconsistent": ["risk_max"]})
    assert reason.startswith("rule risk_max: inconsistent")


def test_enough_disk_and_an_engine_that_shows_nothing_are_fine():
    assert reasons(leading(), {"disk_free_bytes": 9, "disk_floor_bytes": 9}) == []
    assert reasons(leading(), {}) == []


def test_every_reason_is_told_at_once():
    status = {"stale_sources": ["a", "b"], "frozen": ["x"], "violations": 1}
    assert len(reasons(leading(), status)) == 4
