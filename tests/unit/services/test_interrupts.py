"""Signals as the operating system sends them to the process that runs the tests."""

import os
import signal
import threading

import pytest
from structlog.testing import capture_logs

from daemon.errors import Exit
from daemon.services.living.interrupts import Interrupts


class Leaver:
    """Takes the place of ending the process."""

    def __init__(self):
        self.codes = []
        self.left = threading.Event()

    def __call__(self, code):
        self.codes.append(code)
        self.left.set()


@pytest.fixture
def leaver():
    return Leaver()


def send(number):
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_the_first_wish_to_end_is_noted(leaver, number):
    with Interrupts(leaver) as wishes:
        assert wishes.stop is None
        send(number)
        assert wishes.stop == number.name
    assert leaver.codes == []


@pytest.mark.parametrize(
    ("first", "second", "code"),
    [(signal.SIGTERM, signal.SIGTERM, 143), (signal.SIGTERM, signal.SIGINT, 130)],
)
def test_the_second_one_ends_at_once(leaver, first, second, code):
    with Interrupts(leaver) as wishes:
        send(first)
        send(second)
        assert leaver.left.wait(5)
        assert wishes.stop == first.name
    assert leaver.codes == [code]


def test_an_end_that_takes_too_long_is_cut_short(leaver):
    with capture_logs() as logs, Interrupts(leaver, stop_within_s=0.01):
        send(signal.SIGTERM)
        assert leaver.left.wait(5)
    assert leaver.codes == [Exit.FAILED]
    assert [log["event"] for log in logs] == ["stop_took_too_long"]


def test_an_end_in_time_is_not_cut_short(leaver):
    threads = set(threading.enumerate())
    with Interrupts(leaver, stop_within_s=60):
        send(signal.SIGTERM)
    for thread in set(threading.enumerate()) - threads:
        thread.join(5)
    assert set(threading.enumerate()) <= threads, "nobody is left who would cut it short"
    assert leaver.codes == []


def test_a_hangup_is_a_wish_to_read_again_and_no_more(leaver):
    with Interrupts(leaver) as wishes:
        for _ in range(3):
            send(signal.SIGHUP)
        assert wishes.reload()
        assert not wishes.reload()
        assert wishes.stop is None
    assert leaver.codes == []


def test_afterwards_signals_mean_what_they_meant_before():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    threads = set(threading.enumerate())
    with Interrupts():
        assert signal.getsignal(signal.SIGTERM) != before[0]
    after = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)]
    assert after == before
    assert set(threading.enumerate()) <= threads
