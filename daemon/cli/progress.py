"""Progress of long work, on stderr, only where a person is watching."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import Progress, TaskID


@contextmanager
def counting(verb: str, unit: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show how far something is; called with what was done since the last call."""
    with _bars(unit) as bars:
        if bars is None:
            yield lambda _: None
            return
        task = bars.add_task(verb, total=total)
        yield lambda done: bars.advance(task, done)


@contextmanager
def by_file(unit: str) -> Iterator[Callable[[str, int], None]]:
    """Show a line per file; called with its name and how much of it is done."""
    with _bars(unit) as bars:
        if bars is None:
            yield lambda _name, _done: None
            return
        tasks: dict[str, TaskID] = {}

        def tell(name: str, done: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=None)
            bars.update(tasks[name], completed=done)

        yield tell


@contextmanager
def _bars(unit: str) -> Iterator[Progress | None]:
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.progress import (  # noqa: PLC0415 - same
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield bars
