"""Recurring freezes against a calendar that is walked minute by minute."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from daemon.clock import MAX_MICROS, MICROS
from daemon.config.cron import Cron, Window
from daemon.errors import InputError
from daemon.services.duties import calendar
from daemon.store.freezes import Freeze

MINUTE_US = 60 * MICROS
DAY_US = 1_440 * MINUTE_US
EPOCH = datetime.fromtimestamp(0, UTC)
START = int((datetime(2026, 2, 20, tzinfo=UTC) - EPOCH) / timedelta(microseconds=1))
NAMES = {"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}


# ── a crontab read in the plainest way ───────────────────────────────────────
def members(text, low, high, names=None):
    """Every value that a field allows."""
    found = set()
    for item in text.split(","):
        span, _, step = item.partition("/")
        if span == "*":
            first, last = low, high
        else:
            ends = [(names or {}).get(end, end) for end in span.split("-")]
            first, last = int(ends[0]), int(ends[-1])
            if step and len(ends) == 1:
                last = high
        found |= set(range(first, last + 1, int(step or 1)))
    return found


def day_matches(text, day_us):
    """Whether `crontab(5)` would run anything on a day."""
    _, _, day, month, week = text.split()
    at = EPOCH + timedelta(microseconds=day_us)
    if at.month not in members(month, 1, 12):
        return False
    of_month = at.day in members(day, 1, 31)
    of_week = at.isoweekday() % 7 in {n % 7 for n in members(week, 0, 7, NAMES)}
    if day.startswith("*") or week.startswith("*"):
        return of_month and of_week
    return of_month or of_week


def walked(text, since_us, until_us):
    """Every minute from one moment to another that matches."""
    minute, hour, *_ = text.split()
    of_day = [
        60 * h + m for h in sorted(members(hour, 0, 23)) for m in sorted(members(minute, 0, 59))
    ]
    days = range(since_us - since_us % DAY_US, until_us + 1, DAY_US)
    found = (day + at * MINUTE_US for day in days if day_matches(text, day) for at in of_day)
    return [at for at in found if since_us <= at <= until_us]


@st.composite
def fields(draw, low, high):
    if draw(st.integers(0, 2)) == 0:
        return draw(st.sampled_from(["*", "*/2", "*/7", "*/13"])) if high > 13 else "*"
    first = draw(st.integers(low, high))
    last = draw(st.integers(first, high))
    kind = draw(st.integers(0, 3))
    if kind == 0 or first == last:
        return f"{first},{last}"
    if kind == 1:
        return f"{first}-{last}"
    return f"{first}" if kind == 2 else f"{first}-{last}/{draw(st.integers(1, last - first))}"


@st.composite
def crons(draw):
    return " ".join(
        [
            draw(fields(0, 59)),
            draw(fields(0, 23)),
            draw(st.sampled_from(["*", "*", "*/3", "1", "22-28", "21,23"])),
            draw(st.sampled_from(["*", "*", "2", "2,3"])),
            draw(
                st.sampled_from(
                    ["*", "*", "0", "7", "1-5", "sun", "mon-fri", "5-7", "*/2", "tue,sat", "0/3"]
                )
            ),
        ]
    )


minutes = st.integers(0, 2_880).map(lambda n: START + n * MINUTE_US)
moments = st.builds(lambda at, more: at + more, minutes, st.integers(-2, MINUTE_US))


@given(crons(), moments)
@example("0 2 * * 0", START)
@example("30 12 22 * mon", START)
def test_the_next_moment_is_that_of_a_crontab(text, at_us):
    until_us = at_us + 2 * DAY_US
    expected = next(iter(walked(text, at_us, until_us)), None)
    found = Cron.parse(text).next_us(at_us)
    assert found == expected if expected is not None else found is None or found > until_us


@given(crons(), moments, st.integers(0, 2_000))
def test_the_latest_moment_is_found_however_many_there_are(text, at_us, length_min):
    until_us = at_us + length_min * MINUTE_US
    expected = walked(text, at_us, until_us)
    assert Cron.parse(text).latest_us(at_us, until_us) == (expected[-1] if expected else None)


def freeze(cron=None, duration_s=None, starts_at_us=0, ends_at_us=None, **columns):
    return Freeze(
        id=columns.get("id", 1),
        rule=columns.get("rule"),
        kind=columns.get("kind", "freeze"),
        reason=columns.get("reason", "because"),
        owner=columns.get("owner", "ana"),
        starts_at_us=starts_at_us,
        ends_at_us=ends_at_us,
        cron=cron,
        duration_s=duration_s,
        created_at_us=0,
        removed_at_us=columns.get("removed_at_us"),
        removed_by=None,
    )


durations = st.one_of(st.integers(1, 180 * 60), st.floats(0.001, 7_200, allow_nan=False))


@given(crons(), durations, moments)
@example("* * * * *", 60.0, START)
@example("0 0 * * *", 86_400.0, START + DAY_US - 1)
def test_a_freeze_is_in_force_exactly_inside_an_occurrence(text, duration_s, now_us):
    length_us = max(1, round(duration_s * MICROS))
    begun = walked(text, now_us - length_us, now_us)
    expected = any(start <= now_us < start + length_us for start in begun)
    standing = calendar.in_force([freeze(text, duration_s)], now_us)
    assert bool(standing) == expected
    if standing:
        last = max(start for start in begun if start <= now_us)
        assert standing[0].span == calendar.Span(starts_at_us=last, ends_at_us=last + length_us)


@given(crons(), durations, moments)
def test_what_the_row_holds_is_now_or_the_next_time(text, duration_s, now_us):
    row = freeze(text, duration_s)
    span = calendar.span_at(row, now_us)
    if span is None:
        assert Cron.parse(text).next_us(now_us + 1) is None
        return
    assert span.holds(now_us) == bool(calendar.in_force([row], now_us))
    if not span.holds(now_us):
        assert span.starts_at_us == Cron.parse(text).next_us(now_us + 1) > now_us


@given(crons(), durations, st.lists(moments, min_size=2, max_size=6))
def test_nothing_of_earlier_moments_is_remembered(text, duration_s, stepping):
    """The clock may step as it likes, and the daemon may be off in between."""
    row = freeze(text, duration_s)
    stepped = [bool(calendar.in_force([row], at)) for at in stepping]
    assert stepped == [bool(calendar.in_force([row], at)) for at in stepping]
    year_us = 365 * DAY_US
    for at_us in stepping:
        calendar.in_force([row], at_us + year_us)
        calendar.in_force([row], at_us - year_us)
    assert [bool(calendar.in_force([row], at)) for at in stepping] == stepped


def parsed(text):
    try:
        return Cron.parse(text)
    except InputError as error:
        return None if "minute, hour" in error.hint else text


@given(st.text(max_size=60) | crons().map(lambda text: text.replace("*", "x", 1)))
def test_any_other_text_is_refused_with_an_example(text):
    if (cron := parsed(text)) is not None:
        assert cron.next_us(0) is not None


@pytest.mark.parametrize("from_us", [0, MAX_MICROS - MINUTE_US, MAX_MICROS, MAX_MICROS + 1])
def test_the_ends_of_time_are_no_error(from_us):
    for text in ("* * * * *", "0 0 29 2 *", "59 23 31 12 *"):
        found = Cron.parse(text).next_us(from_us)
        assert found is None or from_us <= found <= MAX_MICROS


@given(st.integers(0, 1_439), st.integers(0, 1_439), moments)
def test_a_window_is_open_now_or_opens_within_a_day(opens, closes, at_us):
    if opens == closes:
        return
    text = f"{opens // 60:02d}:{opens % 60:02d}-{closes // 60:02d}:{closes % 60:02d}"
    opens_us, closes_us = Window.parse(text).around(at_us)
    minute = at_us % DAY_US // MINUTE_US
    inside = (minute - opens) % 1_440 < (closes - opens) % 1_440
    assert (opens_us <= at_us < closes_us) == inside
    assert at_us < closes_us
    assert opens_us - at_us < DAY_US
    assert (closes_us - opens_us) // MINUTE_US == (closes - opens) % 1_440
    assert opens_us % DAY_US == opens * MINUTE_US


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("0 0 * * fri-mon", "0 0 * * 0,1,5,6"),
        ("0 0 * * 6-2", "0 0 * * sat,sun,mon,tue"),
        ("0 0 * * 7-2/2", "0 0 * * sun,tue"),
        ("0  0 * * SUN", "0 0 * * 7"),
        ("0 0 1 JAN *", "0 0 1 1 *"),
    ],
)
def test_days_go_on_over_the_weekend_and_words_may_be_large(text, same):
    for days in range(9):
        at_us = START + days * DAY_US
        assert Cron.parse(text).next_us(at_us) == Cron.parse(same).next_us(at_us)
