"""What bars changes, in words that a person understands, and whose word weighs most."""

import pytest

from daemon.clock import MICROS
from daemon.errors import InputError
from daemon.services.duties import calendar
from tests.contract.rows import HOUR, MINUTE, T0
from tests.property.test_calendar_properties import freeze


def barred(*rows, now_us=T0):
    return calendar.bars(calendar.in_force(rows, now_us))


def test_without_freezes_nothing_is_barred():
    assert barred() == calendar.Bars()


def test_a_freeze_of_one_rule_says_who_and_until_when_and_why():
    row = freeze(rule="risk_max", ends_at_us=T0 + HOUR, reason="a release")
    found = barred(row)
    assert found.held is None
    assert found.barred == {"risk_max": "frozen by ana until 2027-01-15T09:00:00Z: a release"}


def test_a_freeze_of_everything_holds_everything():
    found = barred(freeze(reason="quiet days"), freeze(id=2, rule="risk_max", reason="more so"))
    assert found.held == "frozen by ana: quiet days"
    assert found.barred == {"risk_max": "frozen by ana: more so"}


def test_the_strongest_word_is_the_one_that_is_heard():
    rows = [
        freeze(id=1),
        freeze(id=2, kind="pause", owner="ben", reason="a look"),
        freeze(id=3, kind="kill", owner="cleo", reason="smoke"),
        freeze(id=4, rule="a"),
        freeze(id=5, rule="a", kind="pause", owner="ben", reason="a look"),
    ]
    found = barred(*rows)
    assert found.killed
    assert found.held == "killed by cleo: smoke"
    assert found.barred == {"a": "paused by ben: a look"}
    assert [one.kind for one in calendar.in_force(rows, T0)] == [
        "kill",
        "pause",
        "pause",
        "freeze",
        "freeze",
    ]


@pytest.mark.parametrize(
    ("row", "undo"),
    [
        (freeze(id=7), "daemon ctl freeze remove 7"),
        (freeze(kind="pause"), "daemon ctl resume"),
        (freeze(kind="pause", rule="a"), "daemon ctl resume a"),
        (freeze(kind="kill"), "daemon ctl unkill"),
    ],
)
def test_each_says_how_it_is_ended(row, undo):
    assert [one.undo for one in calendar.in_force([row], T0)] == [undo]


def test_what_was_removed_is_not_in_force():
    assert not calendar.in_force([freeze(removed_at_us=T0 - 1)], T0)
    assert not calendar.in_force([freeze("* * * * *", 60.0, removed_at_us=T0 - 1)], T0)


@pytest.mark.parametrize(
    ("at_us", "holds"),
    [(T0 - 1, False), (T0, True), (T0 + HOUR - 1, True), (T0 + HOUR, False)],
)
def test_a_freeze_holds_from_its_first_to_before_its_last_moment(at_us, holds):
    row = freeze(starts_at_us=T0, ends_at_us=T0 + HOUR)
    assert bool(calendar.in_force([row], at_us)) == holds


def test_the_row_of_a_recurring_freeze_is_not_believed():
    """The daemon may have been off since it was written."""
    stale = {"starts_at_us": T0 - 365 * 24 * HOUR, "ends_at_us": T0 - 364 * 24 * HOUR}
    (found,) = calendar.in_force([freeze("30 7 * * *", 3_600.0, **stale)], T0)
    assert found.span == calendar.Span(starts_at_us=T0 - 30 * MINUTE, ends_at_us=T0 + 30 * MINUTE)
    assert not calendar.in_force([freeze("30 9 * * *", 3_600.0, starts_at_us=T0)], T0)


def test_what_cannot_be_read_bars_and_says_so():
    (found,) = calendar.in_force([freeze("every night", 3_600.0, reason="nights")], T0)
    assert found.words.startswith("frozen by ana: nights ('every night' is not a recurring moment")


def test_an_occurrence_is_that_of_now_or_the_next():
    span = calendar.recurring("0 22 * * *", 3_600.0, T0)
    assert span == calendar.Span(starts_at_us=T0 + 14 * HOUR, ends_at_us=T0 + 15 * HOUR)
    span = calendar.recurring("0 7 * * *", 7_200.0, T0)
    assert span == calendar.Span(starts_at_us=T0 - HOUR, ends_at_us=T0 + HOUR)


@pytest.mark.parametrize("duration_s", [0, -1, 1e9, float("nan"), float("inf")])
def test_an_occurrence_lasts_some_time_and_not_for_ever(duration_s):
    with pytest.raises(InputError, match="cannot last"):
        calendar.recurring("0 22 * * *", duration_s, T0)


def test_a_calendar_ends_with_the_years():
    last_us = 253_402_300_799 * MICROS
    with pytest.raises(InputError, match="before the year 10000"):
        calendar.recurring("0 22 * * *", 60.0, last_us)
