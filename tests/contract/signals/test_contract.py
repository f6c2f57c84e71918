"""What every source must do, whatever it reads: one suite for all of them."""

import json
import math
import time
from pathlib import Path

import pytest

from daemon.ports import Reading, SourceFault
from tests.contract.signals.kits import SIGNALS, T0, readings


def everything(source):
    """Poll until there is no more."""
    polled = [source.poll()]
    while polled[-1].more:
        polled.append(source.poll())
    return polled


def given(polled):
    return sorted(reading for one in polled for reading in one.readings)


def open_files():
    return len([*Path("/proc/self/fd").iterdir()])


def stored(mark):
    """What a database gives back of a mark."""
    return None if mark is None else json.loads(json.dumps(mark, allow_nan=False))


def test_it_says_what_it_provides(kit):
    source = kit.source()
    assert source.name == "app"
    assert source.period_s == 1.0
    assert source.signals() == SIGNALS


def test_what_is_new_is_given_once(kit):
    source = kit.source()
    source.resume(None)
    if kit.momentary:
        kit.give(1, {"a": 1.5, "b": 2})
        assert given([source.poll()]) == readings((1, {"a": 1.5, "b": 2}))
        kit.at(2)
        assert given([source.poll()]) == readings((2, {"a": 1.5, "b": 2}))
        return
    assert given(everything(source)) == []
    kit.give(1, {"a": 1.5, "b": 2})
    kit.give(2, {"a": -3e-7, "b": None})
    assert given(everything(source)) == readings((1, {"a": 1.5, "b": 2}), (2, {"a": -3e-7}))
    assert given(everything(source)) == []
    kit.give(3, {"a": 1.5, "b": 0})
    assert given(everything(source)) == readings((3, {"a": 1.5, "b": 0}))


def test_a_restart_neither_loses_nor_repeats(kit):
    source = kit.source()
    source.resume(None)
    everything(source)
    kit.give(1, {"a": 1, "b": 2})
    mark = stored(everything(source)[-1].mark)
    assert (mark is not None) is kit.remembers
    source.close()
    again = kit.source()
    again.resume(mark)
    if kit.remembers:
        kit.give(2, {"a": 3, "b": 4})
        kit.give(3, {"a": 5, "b": 6})
        expected = readings((2, {"a": 3, "b": 4}), (3, {"a": 5, "b": 6}))
        assert given(everything(again)) == expected
    kit.give(4, {"a": 7, "b": 8})
    assert given(everything(again)) == readings((4, {"a": 7, "b": 8}))


def test_a_mark_that_was_never_written_down_is_gone_back_to(kit):
    if not kit.remembers:
        return  # it has nothing to go back to
    source = kit.source()
    source.resume(None)
    everything(source)
    kit.give(1, {"a": 1, "b": 2})
    mark = stored(everything(source)[-1].mark)
    kit.give(2, {"a": 3, "b": 4})
    everything(source)
    again = kit.source()
    again.resume(mark)
    assert given(everything(again)) == readings((2, {"a": 3, "b": 4}))


def test_what_is_not_finite_is_passed_on_to_be_counted(kit):
    source = kit.source()
    source.resume(None)
    if not kit.momentary:
        everything(source)
    kit.give(1, {"a": math.nan, "b": math.inf})
    values = {reading.signal: reading.value for reading in given(everything(source))}
    assert math.isnan(values["a"])
    assert values["b"] == math.inf


def test_what_cannot_be_read_is_counted_with_an_example(kit):
    source = kit.source()
    source.resume(None)
    if not kit.momentary:
        everything(source)
    kit.spoil()
    try:
        polled = everything(source)
    except SourceFault as fault:
        pytest.fail(f"one bad value is no reason to give up: {fault}")
    assert sum(one.unreadable for one in polled) == 1
    (example,) = (one.example for one in polled if one.example is not None)
    assert example.isprintable()
    assert len(example) < 400
    kit.heal()
    kit.give(3, {"a": 1, "b": 2})
    assert set(readings((3, {"a": 1, "b": 2}))) <= set(given(everything(source)))


@pytest.mark.parametrize("trouble", ["garbage", "hang", "flood"])
def test_trouble_is_a_fault_or_a_count_and_is_got_over(kit, trouble):
    if trouble == "hang" and not kit.hangs:
        return  # nobody is waited for
    source = kit.source()
    source.resume(None)
    if not kit.momentary:
        everything(source)
    kit.clock.now += 1_000_000
    getattr(kit, trouble)()
    began = time.monotonic()
    try:
        polled = everything(source)
        troubled = sum(one.unreadable for one in polled)
        said = [one.example for one in polled if one.example is not None]
        assert given(polled) == []
    except SourceFault as fault:
        troubled, said = 1, [fault.message]
    assert time.monotonic() - began < 5
    assert troubled or trouble == "flood"
    assert all(text.isprintable() and len(text) < 600 for text in said)
    kit.heal()
    kit.give(5, {"a": 1, "b": 2})
    assert set(readings((5, {"a": 1, "b": 2}))) <= set(given(everything(source)))


def test_closing_lets_go_of_everything(kit):
    before = open_files()
    source = kit.source()
    source.resume(None)
    if not kit.momentary:
        everything(source)
    kit.give(1, {"a": 1, "b": 2})
    assert given(everything(source))
    source.close()
    source.close()
    for _ in range(100):
        if open_files() <= before:
            break
        time.sleep(0.01)  # the other end of a connection closes in its own thread
    assert open_files() <= before


def test_a_reading_is_of_a_signal_that_was_declared(kit):
    source = kit.source()
    source.resume(None)
    if not kit.momentary:
        everything(source)
    kit.give(1, {"a": 1, "b": 2})
    for reading in given(everything(source)):
        assert isinstance(reading, Reading)
        assert reading.signal in source.signals()
        assert isinstance(reading.value, float | int)
        assert reading.at_us == T0 + 1_000_000
