"""How far a session is, on stderr: a bar for who watches, now and then a line for who does not."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

from daemon.cli.moments import lasting
from daemon.cli.output import printable, say
from daemon.clock import MICROS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daemon.app.sweeping import Progress
    from daemon.clock import Clock

    Tell = Callable[[Progress], None]

Told = TypeVar("Told")

FIRST_S = 5.0
"""A session that is done by then says nothing on its way."""

SPREAD = 1.5
"""How much longer each silence is than the one before: a long session fills no log."""

LONGEST_S = 60.0


@contextmanager
def progress(name: str, clock: Clock) -> Iterator[Tell]:
    """Show how far a session is; called as often as anybody likes."""
    if sys.stderr.isatty():
        with _bar(name) as tell:
            yield tell
    else:
        yield Lines(name, clock, sentence).tell


def sentence(found: Progress) -> str:
    """Say in a line how far it is."""
    finished = found.done + found.failed
    share = finished / found.total if found.total else 1.0
    parts = [f"{finished:,} of {found.total:,} jobs ({share:.0%})"]
    if found.failed:
        parts.append(f"{found.failed:,} failed")
    if found.jobs_per_s:
        parts.append(f"{found.jobs_per_s:,.0f} a second")
    if not found.left:
        parts.append("ranking")
    elif found.eta_s is not None:
        parts.append(f"{lasting(found.eta_s)} left")
    return ", ".join(parts)


class Lines(Generic[Told]):
    """Tells lines, the later the rarer."""

    def __init__(self, name: str, clock: Clock, sentence: Callable[[Told], str]) -> None:
        self._name, self._clock, self._sentence = name, clock, sentence
        self._pause_s = FIRST_S
        self._due_us = clock.elapsed_us() + round(FIRST_S * MICROS)

    def tell(self, found: Told) -> None:
        """Say how far it is, if that was not said lately."""
        now_us = self._clock.elapsed_us()
        if now_us < self._due_us:
            return
        say(f"{printable(self._name)}: {self._sentence(found)}")
        self._pause_s = min(self._pause_s * SPREAD, LONGEST_S)
        self._due_us = now_us + round(self._pause_s * MICROS)


@contextmanager
def _bar(name: str) -> Iterator[Tell]:
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.progress import BarColumn, TextColumn  # noqa: PLC0415 - same
    from rich.progress import Progress as Bars  # noqa: PLC0415 - same

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"))
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(printable(name), total=None, said="reading")

        def tell(found: Progress) -> None:
            bars.update(
                task, total=found.total, completed=found.done + found.failed, said=sentence(found)
            )

        yield tell
