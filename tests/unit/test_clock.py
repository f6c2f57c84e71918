import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.clock import (
    MAX_MICROS,
    Clock,
    LapseClock,
    SystemClock,
    iso,
    manager_us,
    parse_iso,
)
from tests.life_kit import HandClock

DAY_US = 86_400_000_000
moments = st.integers(0, MAX_MICROS)


@given(moments)
def test_a_moment_survives_being_written_and_read(at_us):
    assert parse_iso(iso(at_us)) == at_us


@given(moments, moments)
def test_text_sorts_like_time(one, other):
    assert (iso(one) < iso(other)) == (one < other)


@pytest.mark.parametrize(
    ("at_us", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1, "1970-01-01T00:00:00.000001Z"),
        (1_795_255_200_000_000, "2026-11-21T10:00:00.000000Z"),
        (MAX_MICROS, "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_a_moment_is_written_with_six_decimals(at_us, text):
    assert iso(at_us) == text


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-21T10:00:00Z",
        "2026-11-21T10:00:00",
        "2026-11-21 10:00",
        "  2026-11-21T10:00:00.000000Z\n",
        "2026-11-21T19:00:00+09:00",
        "2026-11-21T04:30:00-05:30",
    ],
)
def test_every_way_of_writing_a_moment_is_read_alike(text):
    assert parse_iso(text) == 1_795_255_200_000_000


def test_without_an_offset_a_moment_is_utc_wherever_the_machine_stands(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Seoul")
    time.tzset()
    try:
        assert parse_iso("1970-01-01T00:00:01") == 1_000_000
    finally:
        monkeypatch.undo()
        time.tzset()


@given(st.integers(DAY_US, MAX_MICROS - DAY_US), st.integers(-14 * 60, 14 * 60))
def test_an_offset_moves_the_text_and_not_the_moment(at_us, minutes):
    there = datetime.fromtimestamp(at_us // 1_000_000, UTC) + timedelta(minutes=minutes)
    sign = "-" if minutes < 0 else "+"
    offset = f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    text = f"{there:%Y-%m-%dT%H:%M:%S}.{at_us % 1_000_000:06d}{offset}"
    assert parse_iso(text) == at_us


@pytest.mark.parametrize(
    "text",
    ["", "soon", "2026-13-01", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00+01:00", "10000-01-01"],
)
def test_what_is_no_moment_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        parse_iso(text)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_moment_outside_the_years_is_refused_in_words(text):
    with pytest.raises(ValueError, match="not between the years 1970 and 9999"):
        parse_iso(text)


def test_the_system_clock_tells_wall_time_in_microseconds():
    before = time.time_ns() // 1_000
    assert before <= SystemClock().now_us() <= time.time_ns() // 1_000


def test_elapsed_time_never_steps_back_and_counts_a_sleep():
    clock: Clock = SystemClock()
    start = clock.elapsed_us()
    clock.sleep(0.01)
    assert clock.elapsed_us() - start >= 10_000
    readings = [clock.elapsed_us() for _ in range(100)]
    assert readings == sorted(readings)


# ── another clock, running faster ────────────────────────────────────────────
@given(st.floats(1, 1000), st.integers(0, DAY_US), st.floats(0.001, 3600))
def test_everything_passes_faster_alike(speed, ago_us, seconds):
    real = HandClock()
    lapse: Clock = LapseClock(speed, real.now_us() - ago_us, real)
    wall_us, elapsed_us = lapse.now_us(), lapse.elapsed_us()
    lapse.sleep(seconds)
    for passed_us in (lapse.now_us() - wall_us, lapse.elapsed_us() - elapsed_us):
        assert passed_us == pytest.approx(seconds * 1e6, abs=2 * speed + 2)
    assert real.elapsed_us() == pytest.approx(seconds * 1e6 / speed, abs=1)


def test_at_the_origin_both_clocks_agree_and_who_has_the_same_one_reads_the_same():
    real = HandClock()
    since_us = real.now_us()
    one, other = LapseClock(60, since_us, real), LapseClock(60, since_us, real)
    assert one.now_us() == since_us
    real.pass_(10_000_000)
    assert one.now_us() == other.now_us() == since_us + 600_000_000
    assert one.elapsed_us() == other.elapsed_us()


def test_time_that_passes_fast_ends_where_no_date_can_be_written():
    assert LapseClock(1000, 0, HandClock()).now_us() == MAX_MICROS
    assert iso(LapseClock(1000, 0, HandClock()).now_us()).startswith("9999-12-31")


def test_without_another_base_it_is_the_clock_of_this_machine():
    clock = LapseClock(1000, SystemClock().now_us())
    before = clock.elapsed_us()
    clock.sleep(1)
    assert clock.elapsed_us() - before >= 1_000_000


def test_a_service_manager_reads_a_clock_that_does_not_step():
    readings = [manager_us() for _ in range(100)]
    assert readings == sorted(readings)
    assert readings[0] > 0
