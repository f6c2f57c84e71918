"""Progress is for eyes: a bar on a terminal, silence everywhere else."""

import io
import sys

from daemon.cli.progress import by_file, counting


class Screen(io.StringIO):
    """A terminal that remembers what was written to it."""

    def isatty(self):
        return True


def terminal(monkeypatch):
    """Put a terminal in place; in the test itself, since pytest resets stderr after fixtures."""
    monkeypatch.setenv("TERM", "xterm")
    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    return screen


def test_a_terminal_shows_how_far_it_is(monkeypatch):
    screen = terminal(monkeypatch)
    with counting("verifying", "rows", 10) as advance:
        advance(3)
        advance(4)
    assert "verifying" in screen.getvalue()
    assert "7/10" in screen.getvalue()


def test_a_terminal_shows_each_file(monkeypatch):
    screen = terminal(monkeypatch)
    with by_file("lines") as tell:
        tell("a.csv", 5)
        tell("b.csv", 1)
        tell("a.csv", 9)
    shown = screen.getvalue()
    assert "9/?" in shown
    assert "1/?" in shown
    assert shown.index("a.csv") < shown.index("b.csv")


def test_elsewhere_nothing_is_shown(capsys):
    with counting("verifying", "rows", 10) as advance, by_file("lines") as tell:
        advance(3)
        tell("a.csv", 5)
    assert capsys.readouterr() == ("", "")
