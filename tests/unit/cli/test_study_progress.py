"""How far a study is, in a line and in a bar."""

import io
import re
import sys

import pytest

from daemon.cli.session_progress import FIRST_S, Lines
from daemon.cli.study_progress import params_said, progress, sentence
from daemon.clock import MICROS
from daemon.services.studying.wanted import StudyProgress


def at(**changed):
    given = {"study_id": 1, "fold": 2, "folds": 3, "trials": 216, "of": 600}
    return StudyProgress(**(given | changed))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, "fold 2 of 3, 216 of 600 trials"),
        ({"folds": 1, "of": None}, "216 trials"),
        (
            {"known": 3, "pruned": 4, "failed": 5},
            "fold 2 of 3, 216 of 600 trials, 3 known before, 4 given up early, 5 failed",
        ),
        (
            {"trials_per_s": 37.2, "eta_s": 600.0},
            "fold 2 of 3, 216 of 600 trials, 37 a second, 10 min left",
        ),
        ({"trials_per_s": 37.2}, "fold 2 of 3, 216 of 600 trials, 37 a second"),
        ({"phase": "judging", "trials_per_s": 3.0}, "fold 2 of 3, 216 of 600 trials, judging"),
        (
            {"best": 530.97543, "best_params": {"min_spread_bps": 27.0, "zone": "calm\x1b"}},
            "fold 2 of 3, 216 of 600 trials, best 530.975 with min_spread_bps 27, zone calm\\x1b",
        ),
    ],
)
def test_a_line_says_how_far_it_is(changed, said):
    assert sentence(at(**changed)) == said


def test_only_the_first_parameters_are_told_while_it_runs():
    params = {f"p{n}": n for n in range(6)}
    assert params_said(params) == " with p0 0, p1 1, p2 2, p3 3, …"
    assert params_said(params, None).endswith("p5 5")
    assert params_said({}) == params_said(None) == ""


class Hand:
    """A clock that is moved by hand."""

    def __init__(self):
        self.at_us = 0

    def elapsed_us(self):
        return self.at_us


def test_where_nobody_watches_a_line_comes_now_and_then(capsys, monkeypatch):
    clock = Hand()
    with progress("tpe", clock) as tell:
        tell(at())
        clock.at_us = round(FIRST_S * MICROS)
        tell(at())
        tell(at())
    assert capsys.readouterr().err == "tpe: fold 2 of 3, 216 of 600 trials\n"
    assert isinstance(Lines("x", clock, sentence), Lines)


class Terminal(io.StringIO):
    """A stream that somebody watches."""

    def isatty(self):
        return True


def test_a_terminal_has_a_bar(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    with progress("[bold]tpe", Hand()) as tell:
        tell(at(best=3.0, best_params={"zone": "[red]"}))
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue())
    assert "[bold]tpe" in plain
    assert "216 of 600 trials, best 3 with zone [red]" in plain
