"""How moments, numbers and rows are read, for every source alike."""

import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from daemon.adapters.signals import Layout, Misread, moment, number, shown
from daemon.clock import MICROS
from daemon.ports import Reading
from tests.contract.signals.kits import T0

S0 = T0 // MICROS


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (1, 1.0),
        (-1.5, -1.5),
        (Decimal("1e3"), 1000.0),
        (" 1.5 ", 1.5),
        ("1e-3", 0.001),
        ("-Infinity", -math.inf),
        (10**400, math.inf),
        (None, None),
        ("", None),
        ("  ", None),
    ],
)
def test_a_number_is_read(raw, value):
    assert number(raw) == value


@pytest.mark.parametrize("raw", ["NaN", "nan", float("nan"), Decimal("NaN")])
def test_what_is_no_number_by_its_own_word_is_one(raw):
    assert math.isnan(number(raw))


@pytest.mark.parametrize("raw", [True, "1,5", "1_000", "0x1F", "n/a", [], {}, b"1"])
def test_nothing_is_guessed_of_what_is_no_number(raw):
    with pytest.raises(Misread, match="is not a number"):
        number(raw)


@pytest.mark.parametrize(
    ("raw", "unit"),
    [
        (S0, "auto"),
        (S0, "s"),
        (float(S0), "auto"),
        (f"{S0}", "auto"),
        (S0 * 1_000, "auto"),
        (S0 * 1_000, "ms"),
        (T0, "auto"),
        (T0, "us"),
        (T0 * 1_000 + 999, "auto"),
        (T0 * 1_000, "ns"),
        (Decimal(S0), "s"),
        ("2027-01-15T08:00:00Z", "auto"),
        ("2027-01-15t08:00:00z", "iso"),
        (" 2027-01-15 08:00:00", "iso"),
        ("2027-01-15T09:00:00.0000004+01:00", "iso"),
        (datetime(2027, 1, 15, 8, tzinfo=UTC), "iso"),
        (datetime(2027, 1, 15, 8), "us"),  # noqa: DTZ001 - UTC unless it says otherwise
        (datetime(2027, 1, 15, 10, tzinfo=timezone(timedelta(hours=2))), "auto"),
    ],
)
def test_a_moment_is_read(raw, unit):
    assert moment(raw, unit) == T0


def test_a_moment_is_exact_to_the_microsecond():
    assert moment("1800000000.123456") == T0 + 123_456
    assert moment(1_800_000_000.123) == T0 + 123_000


@pytest.mark.parametrize(
    ("raw", "unit"),
    [
        ("soon", "auto"),
        ("2027-13-01", "iso"),
        (f"{S0}", "iso"),
        ("2027-01-15T08:00:00Z", "s"),
        (-1, "s"),
        ("1e300", "s"),
        (float("nan"), "auto"),
        (True, "auto"),
        (None, "auto"),
        ([], "auto"),
        ("1960-01-01T00:00:00Z", "auto"),
        (datetime(1960, 1, 1, tzinfo=UTC), "auto"),
    ],
)
def test_nothing_is_guessed_of_what_is_no_moment(raw, unit):
    with pytest.raises(Misread, match="is not a moment"):
        moment(raw, unit)


def test_what_is_quoted_is_short_visible_and_without_passwords():
    assert shown("a\x1b[1m\nb") == "'a\\x1b[1m\\nb'"
    assert shown("password=hunter2") == "'password=***'"
    assert shown("x" * 99) == f"'{'x' * 60}…'"


# ── rows ─────────────────────────────────────────────────────────────────────
WIDE = Layout(places={"a": "alpha", "b": "in.b"})
LONG = Layout(places={"a": "alpha", "b": "beta"}, long=True)


def test_a_wide_row_has_a_value_for_each_signal_that_is_there():
    row = {"ts": S0, "alpha": 1, "in": {"b": "2", "c": 3}, "more": "x"}
    assert WIDE.read(row, 0).readings == [Reading("a", T0, 1.0), Reading("b", T0, 2.0)]
    assert WIDE.read({"ts": S0, "in.b": 4}, 0).readings == [Reading("b", T0, 4.0)]
    assert WIDE.read({"ts": S0, "in": 4, "alpha": None}, 0).readings == []
    assert WIDE.read({"event": "started"}, 0).readings == []


def test_a_row_without_a_moment_is_of_now_only_if_it_is_said_so():
    with pytest.raises(Misread, match="has no moment in 'ts'"):
        WIDE.read({"alpha": 1}, 7)
    with pytest.raises(Misread, match="has no moment in 'ts'"):
        WIDE.read({"alpha": 1, "ts": None}, 7)
    now = Layout(places={"a": "a"}, time_field=None)
    assert now.read({"a": 1, "ts": S0}, 7).readings == [Reading("a", 7, 1.0)]


def test_a_long_row_has_one_value():
    assert LONG.read({"ts": S0, "signal": "beta", "value": 2}, 0).readings == [
        Reading("b", T0, 2.0)
    ]
    assert LONG.read({"ts": "soon", "signal": "other", "value": "x"}, 0).readings == []
    assert LONG.read({"ts": S0, "signal": 5, "value": 2}, 0).readings == []
    for lacking in ("signal", "value"):
        row = {"ts": S0, "signal": "beta", "value": 2}
        del row[lacking]
        with pytest.raises(Misread, match=f"has no field '{lacking}'"):
            LONG.read(row, 0)


def test_the_fields_that_every_row_must_have():
    assert WIDE.fields() == ("ts", "alpha", "in.b")
    assert LONG.fields() == ("ts", "signal", "value")
    assert Layout(places={"a": "x"}, time_field=None).fields() == ("x",)
    assert WIDE.lacking({"in": {"b": 1}}) == ["alpha"]
