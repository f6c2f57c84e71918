import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.clock import MAX_MICROS, iso
from daemon.store.legacy.values import (
    MAX_DEPTH,
    BadLine,
    exact,
    moment,
    number,
    pack,
    plain,
    real,
    shown,
    sound,
    structure,
    unpack,
)
from tests.unit.store.legacy_kit import TS_US

SECONDS = TS_US // 1_000_000


@pytest.mark.parametrize(
    "given",
    [
        "2026-01-15T08:00:00Z",
        "2026-01-15T08:00:00z",
        "2026-01-15T08:00:00",
        " 2026-01-15 08:00:00 ",
        "2026-01-15T10:00:00+02:00",
        "2026-01-15T03:30:00.000000999-04:30",
        SECONDS,
        float(SECONDS),
        str(SECONDS),
        f"{SECONDS}.0000009",
        SECONDS * 1_000,
        SECONDS * 1_000_000,
        SECONDS * 1_000_000_000,
        SECONDS * 1_000_000_000 + 999,
        "1.768464e9",
    ],
)
def test_a_moment_is_read_in_every_form(given):
    assert moment(given) == TS_US


@pytest.mark.parametrize(
    ("given", "micros"),
    [(0.000001, 1), ("0.25", 250_000), (1768464000.123456, TS_US + 123_456), (100, 100_000_000)],
)
def test_a_fraction_of_a_second_is_exact(given, micros):
    assert moment(given) == micros


@pytest.mark.parametrize(
    "given",
    [
        *("", "noon", "1969-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "2026-13-01"),
        *(-1, True, None, [], {}, [5], math.nan, math.inf, 10**40, "1e999", "1" * 90),
        *("999999999999999999999", "١٢٣"),
    ],
)
def test_what_is_no_moment_is_refused(given):
    with pytest.raises(BadLine, match="is not a moment between"):
        moment(given)


@given(st.integers(0, MAX_MICROS))
def test_a_moment_that_was_written_is_read(at_us):
    assert moment(iso(at_us)) == at_us


@pytest.mark.parametrize(
    ("given", "value"),
    [(1, 1.0), (0.5, 0.5), (" 0.5 ", 0.5), ("-2e-3", -0.002), ("-0.0", 0.0)],
)
def test_a_number_is_read(given, value):
    assert (number(given), math.copysign(1, number(given))) == (value, math.copysign(1, value))


@pytest.mark.parametrize("given", ["", "much", "1_0", True, None, [], {}])
def test_what_is_no_number_does_not_fit(given):
    assert number(given) is None


@pytest.mark.parametrize("given", ["nan", "-Infinity", math.nan, 1e300, 10**400])
def test_a_number_that_no_column_takes_is_refused(given):
    with pytest.raises(BadLine, match="is not a finite number"):
        number(given)


def test_a_message_quotes_no_more_than_it_can_bear():
    assert len(shown("x" * 1_000)) < 80
    assert shown("x") == "'x'"


def nested(depth):
    return [] if depth == 0 else [nested(depth - 1)]


def test_json_may_be_nested_but_not_for_ever():
    assert exact(nested(MAX_DEPTH))
    with pytest.raises(BadLine, match="deeper than 64"):
        sound({"a": [2**60, nested(MAX_DEPTH)]})


@pytest.mark.parametrize("given", ["\0", "\ud800", math.inf, {"a\0": 1}, 10**400])
def test_what_no_database_keeps_is_refused(given):
    with pytest.raises(BadLine):
        sound({"a": given})


def test_a_structure_is_taken_only_if_it_survives():
    assert structure({"a": [1.0, -0.0, True]}) == {"a": [1, 0, True]}
    assert structure({"a": [2**53 + 1]}) is None


@pytest.mark.parametrize(
    "extra",
    [{}, {"b": 1.0, "a": {"d": 1, "c": None}}, {"a": 2**60, "b": [1.0]}, {"a": 1e300}],
)
def test_extra_fields_come_back(extra):
    assert unpack(pack(extra)) == extra
    assert list(unpack(pack(extra))) == sorted(extra)
    assert json.dumps(pack(unpack(pack(extra)))) == json.dumps(pack(extra))


def test_a_number_with_all_its_digits_is_the_double_it_was():
    assert plain({"b": [10**300], "a": 5}) == {"a": 5, "b": [1e300]}


@pytest.mark.parametrize("given", [None, math.nan, -math.inf])
def test_a_double_without_a_written_form_counts_as_absent(given):
    assert real(given) is None
