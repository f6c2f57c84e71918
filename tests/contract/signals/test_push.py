"""The buffer that a door fills: bounded, and safe from several threads."""

import threading

import pytest

from daemon.adapters.signals.push import TAKEN, PushSource
from daemon.ports import Reading
from tests.contract.signals.kits import PROFILE, T0, WallByHand


@pytest.fixture
def push():
    return PushSource(PROFILE, WallByHand(), buffer=TAKEN + 100)


def batch(count, first=0, signal="a"):
    return [Reading(signal, T0 + n, float(n)) for n in range(first, first + count)]


def test_a_batch_is_taken_as_a_whole_or_not_at_all(push):
    assert push.offer(batch(TAKEN)) == TAKEN
    assert push.room() == 100
    assert push.offer(batch(101)) == 0
    assert push.room() == 100
    assert push.offer(batch(100, TAKEN)) == 100
    assert push.offer(batch(1)) == 0
    first, second = push.poll(), push.poll()
    assert (first.more, second.more) == (True, False)
    assert [*first.readings, *second.readings] == batch(TAKEN + 100)
    assert push.room() == TAKEN + 100


def test_strangers_are_counted_and_take_no_room(push):
    assert push.offer([*batch(2), *batch(3, signal="x"), *batch(1, signal="y")]) == 2
    polled = push.poll()
    assert (len(polled.readings), polled.unreadable) == (2, 4)
    assert polled.example == "'x' is not among the signals of app"
    assert push.poll().unreadable == 0


def test_nothing_is_lost_or_doubled_between_threads(push):
    def send(first):
        for start in range(first, first + 1_000, 10):
            while push.offer(batch(10, start)) == 0:
                pass

    threads = [threading.Thread(target=send, args=(n * 1_000,)) for n in range(8)]
    for thread in threads:
        thread.start()
    taken = []
    while any(thread.is_alive() for thread in threads) or push.room() < push.buffer:
        taken += push.poll().readings
    for thread in threads:
        thread.join()
    assert sorted(taken) == batch(8_000)
