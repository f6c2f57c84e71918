"""Samples on their way out: a window is half open, in order, and an array."""

import numpy as np
import pytest

from daemon.store import windows
from tests.contract.rows import T0, put_samples


@pytest.fixture
def filled(store):
    put_samples(store, "s", T0, [0.0, 1.0, 2.0, 3.0, 4.0])
    put_samples(store, "t", T0, [9.0])
    return store


S = 1_000_000


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 5 * S, [0, 1, 2, 3, 4]),
        (S, 3 * S, [1, 2]),
        (S + 1, 3 * S + 1, [2, 3]),
        (S - 1, S, []),
        (S, S + 1, [1]),
        (S, S, []),
        (3 * S, S, []),
        (9 * S, 10 * S, []),
        (-9 * S, S, [0]),
    ],
)
def test_a_window_holds_its_first_moment_and_not_its_last(filled, start, end, expected):
    with filled.read() as view:
        window = windows.read_window(view, "s", T0 + start, T0 + end)
    assert window.values.tolist() == expected
    assert ((window.at_us - T0) // S).tolist() == expected
    assert len(window) == len(expected)
    assert (window.signal, window.start_us, window.end_us) == ("s", T0 + start, T0 + end)
    assert (window.at_us.dtype, window.values.dtype) == (np.dtype("i8"), np.dtype("f8"))


def test_samples_come_in_the_order_of_time_whatever_the_order_they_came_in(store):
    for at_s in (3, 1, 2, 0):
        put_samples(store, "s", T0 + at_s * S, [float(at_s)])
    with store.read() as view:
        assert windows.read_window(view, "s", T0, T0 + 9 * S).values.tolist() == [0, 1, 2, 3]


def test_several_signals_are_read_at_once_and_an_unknown_one_is_empty(filled):
    with filled.read() as view:
        got = windows.read_windows(view, ["t", "zz", "s"], T0, T0 + 2 * S)
        assert windows.read_windows(view, [], T0, T0 + 2 * S) == {}
    assert {name: window.values.tolist() for name, window in got.items()} == {
        "t": [9.0],
        "zz": [],
        "s": [0.0, 1.0],
    }
    assert got["zz"].values.dtype == np.float64
    assert got["zz"].at_us.dtype == np.int64


def test_rollups_of_an_unknown_signal_are_none(store):
    with store.read() as view:
        assert windows.read_rollups(view, "zz", 10, 0, T0) == []


# -0.0 is not among them: SQLite stores it as 0.0, to which it is equal.
@pytest.mark.parametrize("value", [0.1, -0.1, 5e-324, 9.999999e299, 1 / 3, 1e16 + 2])
def test_a_value_comes_back_to_the_last_bit(store, value):
    put_samples(store, "s", T0, [value])
    with store.read() as view:
        (got,) = windows.read_window(view, "s", T0, T0 + 1).values
    assert got.hex() == value.hex()
