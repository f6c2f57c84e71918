"""How far a session is: a bar on a terminal, elsewhere a line now and then."""

import io
import sys
from itertools import pairwise

import pytest

from daemon.cli.session_progress import FIRST_S, LONGEST_S, Lines, progress, sentence
from daemon.clock import MICROS
from daemon.services.sweeping.wanted import Progress


class Hand:
    """A clock that somebody sets."""

    def __init__(self):
        self.at_us = 0

    def now_us(self):
        return self.at_us

    def elapsed_us(self):
        return self.at_us

    def sleep(self, seconds):
        self.at_us += round(seconds * MICROS)


def at(done, total=20_000, **more):
    told = {"failed": 0, "known": 0, "jobs_per_s": None, "eta_s": None}
    return Progress(session_id=1, total=total, done=done, **(told | more))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (at(0), "0 of 20,000 jobs (0%)"),
        (at(5_000, failed=120), "5,120 of 20,000 jobs (26%), 120 failed"),
        (
            at(10_000, jobs_per_s=1_234.4, eta_s=8.1),
            "10,000 of 20,000 jobs (50%), 1,234 a second, 8 s left",
        ),
        (at(19_999, failed=1, eta_s=0.0), "20,000 of 20,000 jobs (100%), 1 failed, ranking"),
        (at(0, total=0), "0 of 0 jobs (100%), ranking"),
    ],
)
def test_it_is_said_in_a_line(found, said):
    assert sentence(found) == said


def test_lines_come_the_rarer_the_longer_it_takes(capsys):
    clock = Hand()
    lines = Lines("a\x1bb", clock, sentence)
    moments = []
    for second in range(600):
        clock.at_us = second * MICROS
        lines.tell(at(second))
        if said := capsys.readouterr().err:
            assert said.startswith("a\\x1bb: ")
            moments.append(second)
    pauses = [after - before for before, after in pairwise(moments)]
    assert moments[0] == FIRST_S
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_S
    assert len(moments) < 20


def test_a_session_that_is_over_soon_says_nothing_on_its_way(capsys):
    clock = Hand()
    with progress("s", clock) as tell:
        for tenth in range(int(FIRST_S * 10)):
            clock.at_us = tenth * MICROS // 10
            tell(at(tenth))
    assert capsys.readouterr().err == ""


def test_a_terminal_sees_a_bar(monkeypatch):
    class Screen(io.StringIO):
        def isatty(self):
            return True

    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with progress("night", Hand()) as tell:
        tell(at(10_000, jobs_per_s=5_000.0, eta_s=2.0))
    assert "night" in screen.getvalue()
