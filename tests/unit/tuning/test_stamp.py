"""The stamp that tells our values from a person's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.ports import Author, Held, Order
from daemon.tuning.stamp import Stamp

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
CHANGES = st.none() | st.integers(0, 10**12)


@given(st.text(max_size=8), NUMBERS, CHANGES, st.integers(0, 10**6))
def test_a_stamp_fits_the_value_it_was_made_for_and_survives_being_written(
    rule, value, change, epoch
):
    stamp = Stamp.read(Stamp.of(rule, value, change, epoch).body())
    assert stamp == Stamp.of(rule, value, change, epoch)
    assert stamp.fits(rule, value)


def test_it_is_read_as_it_was_written():
    made = Stamp.of("a", 0.5, 1, 2)
    assert made.body() == {"change_id": 1, "epoch": 2, "checksum": made.checksum}
    assert Stamp.read(made.body()) == made


@pytest.mark.parametrize(
    "other",
    [
        ("b", 0.5, 1, 2),
        ("a", 0.5000000001, 1, 2),
        ("a", 0.5, 2, 2),
        ("a", 0.5, None, 2),
        ("a", 0.5, 1, 3),
        ("a", 0.5, 0, 2),
    ],
)
def test_whatever_is_altered_it_fits_no_more(other):
    rule, value, change, epoch = other
    made = Stamp.of("a", 0.5, 1, 2)
    assert made.fits("a", 0.5)
    assert not Stamp(change, epoch, made.checksum).fits(rule, value)


def test_there_is_one_zero():
    assert Stamp.of("a", -0.0, 1, 2).fits("a", 0.0)


@pytest.mark.parametrize(
    "found",
    [
        None,
        "text",
        7,
        [],
        {},
        {"change_id": 1, "epoch": 2},
        {"change_id": 1, "checksum": "x"},
        {"change_id": -1, "epoch": 2, "checksum": "x"},
        {"change_id": True, "epoch": 2, "checksum": "x"},
        {"change_id": 1.0, "epoch": 2, "checksum": "x"},
        {"change_id": 1, "epoch": None, "checksum": "x"},
        {"change_id": 1, "epoch": 2, "checksum": 5},
    ],
)
def test_what_is_none_is_not_taken_for_one(found):
    assert Stamp.read(found) is None


def test_a_held_value_is_ours_only_under_a_stamp_that_fits():
    order = Order(rule="a", value=0.5, epoch=2, change_id=1)
    assert Held.stamped("a", 0.5, order.stamp()) == Held(
        value=0.5, author=Author.DAEMON, change_id=1, epoch=2
    )
    assert Held.stamped("a", 0.6, order.stamp()) == Held(value=0.6)
    assert Held.stamped("a", 0.5, None) == Held(value=0.5)
