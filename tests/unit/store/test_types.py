"""The one form of JSON that hashes are computed over, example by example."""

import math

import pytest
from sqlalchemy.dialects import postgresql, sqlite

from daemon.store.types import Finite, Json, canonical, read_json
from daemon.tuning.vocabulary import ChangeState


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (False, "false"),
        (1, "1"),
        (1.0, "1"),
        (-0.0, "0"),
        (0.1, "0.1"),
        (1e15, "1000000000000000"),
        (2.0**53, "9007199254740992"),
        (2.0**53 + 2, "9007199254740994.0"),
        (1e16, "1e+16"),
        (10**16, "1e+16"),
        (1e300, "1e+300"),
        (10**300, "1e+300"),
        (5e-324, "5e-324"),
        ('é\n"\\/', '"é\\n\\"\\\\/"'),
        ("", '""'),
        ([], "[]"),
        ((1, (2,)), "[1,[2]]"),
        ({}, "{}"),
        ({"b": 1, "a": {"d": 2, "c": 3}}, '{"a":{"c":3,"d":2},"b":1}'),
        ({"é": 1, "z": 2, "Z": 3}, '{"Z":3,"z":2,"é":1}'),
        (ChangeState.KEPT, '"kept"'),
    ],
)
def test_a_value_has_one_text(value, text):
    assert canonical(value) == text


def test_true_is_not_one():
    assert canonical(True) != canonical(1)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (math.nan, "NaN"),
        (math.inf, "infinity"),
        (10**400, "beyond a double"),
        ("\0", "NUL"),
        ("\udfff", "surrogate"),
        ({"\0": 1}, "NUL"),
        ({1: 1}, "text, not int"),
        ({None: 1}, "text, not NoneType"),
        (b"x", "bytes has no JSON form"),
        ({1, 2}, "set has no JSON form"),
        (1j, "complex has no JSON form"),
    ],
)
def test_what_has_no_form_is_refused_with_the_reason(value, reason):
    with pytest.raises(ValueError, match=reason):
        canonical(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", 1), ("9007199254740992", 2**53), ("1.0", 1.0), ("1" + "0" * 300, 1e300), (b"[1]", [1])],
)
def test_json_of_a_database_is_read_as_it_was_meant(text, value):
    got = read_json(text)
    assert got == value
    assert type(got) is type(value)


DIALECTS = {"sqlite": sqlite.dialect(), "postgresql": postgresql.dialect()}


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@pytest.mark.parametrize("value", [2**53 + 1, [-(2**53) - 1], {"a": [{"b": 2**60}]}])
def test_a_whole_number_that_readers_would_round_is_refused(dialect, value):
    with pytest.raises(ValueError, match="beyond 2"):
        Json().process_bind_param(value, dialect)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_a_json_column_takes_what_it_gives(dialect):
    column, value = Json(), {"a": [1, True, None, 2**53]}
    assert column.process_result_value(column.process_bind_param(value, dialect), dialect) == value
    assert column.process_bind_param(None, dialect) is None
    assert column.process_result_value(None, dialect) is None


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_a_number_column_takes_numbers(dialect):
    column = Finite()
    for value in (None, 0, 1.5, -9.9e299, 5e-324):
        assert column.process_bind_param(value, dialect) == value
    for value in (math.nan, math.inf, -math.inf, 1e300, -1e300):
        with pytest.raises(ValueError, match="NaN, infinity"):
            column.process_bind_param(value, dialect)
