"""Moments and durations as people type them."""

import click
import pytest

from daemon.cli.moments import Moment, Span, ago, ahead, lasting, seconds_of
from daemon.clock import parse_iso
from tests.inquiry_kit import StandingClock

NOW = parse_iso("2026-11-21T10:00:00Z")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("30s", 30),
        ("15m", 900),
        ("15 min", 900),
        ("2h", 7200),
        ("1.5h", 5400),
        ("1d", 86_400),
        ("2w", 1_209_600),
        ("-5", None),
        ("", None),
        ("5y", None),
        ("2026-11-21", None),
    ],
)
def test_durations_are_numbers_of_a_unit(text, seconds):
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["never", "0", "400d", "1e3"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(click.BadParameter):
        Span().convert(text, None, None)


def test_a_duration_may_come_as_a_number():
    assert Span().convert(5.0, None, None) == 5.0
    assert Span().convert("5m", None, None) == 300.0


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "1969-01-01"])
def test_what_is_no_moment_is_refused_with_examples(text):
    with pytest.raises(click.BadParameter, match="2026-11-21T10:00:00Z"):
        Moment().convert(text, None, None)


def test_a_moment_is_one_or_a_time_from_now():
    clock = StandingClock(NOW)
    assert ago(None, clock) is None
    assert ago("2h", clock) == NOW - 7_200_000_000
    assert ahead("2h", clock) == NOW + 7_200_000_000
    assert ago("2026-11-20", clock) == ahead("2026-11-20", clock) == parse_iso("2026-11-20")
    assert ago("60000d", clock) == 0


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5400, "2 h"), (200_000, "2 d"), (-30, "-30 s")],
)
def test_durations_for_the_eye(seconds, said):
    assert lasting(seconds) == said
