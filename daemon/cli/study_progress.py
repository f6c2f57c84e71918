"""How far a study is, on stderr: a bar for who watches, now and then a line for who does not."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from daemon.cli.moments import lasting
from daemon.cli.output import cell, printable
from daemon.cli.session_progress import Lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from daemon.app.studying import StudyProgress
    from daemon.clock import Clock

    Tell = Callable[[StudyProgress], None]

PARAMETERS_SHOWN = 4


@contextmanager
def progress(name: str, clock: Clock) -> Iterator[Tell]:
    """Show how far a study is; called as often as anybody likes."""
    if sys.stderr.isatty():
        with _bar(name) as tell:
            yield tell
    else:
        yield Lines(name, clock, sentence).tell


def sentence(found: StudyProgress) -> str:
    """Say in a line how far it is."""
    return ", ".join([*_counts(found), *_pace(found), *_best(found)])


def _counts(found: StudyProgress) -> Iterator[str]:
    if found.folds > 1:
        yield f"fold {found.fold} of {found.folds}"
    of = "" if found.of is None else f" of {found.of:,}"
    yield f"{found.trials:,}{of} trials"
    for count, word in (
        (found.known, "known before"),
        (found.pruned, "given up early"),
        (found.failed, "failed"),
    ):
        if count:
            yield f"{count:,} {word}"


def _pace(found: StudyProgress) -> Iterator[str]:
    if found.phase != "searching":
        yield found.phase
    elif found.trials_per_s:
        yield f"{found.trials_per_s:,.0f} a second"
        if found.eta_s is not None:
            yield f"{lasting(found.eta_s)} left"


def _best(found: StudyProgress) -> Iterator[str]:
    if found.best is not None:
        yield f"best {found.best:,.6g}{params_said(found.best_params)}"


def params_said(params: Mapping[str, Any] | None, most: int | None = PARAMETERS_SHOWN) -> str:
    """Write the parameters of a trial behind what it brought."""
    if not params:
        return ""
    told = [f"{printable(name)} {printable(cell(value))}" for name, value in params.items()]
    more = ["…"] if most is not None and len(told) > most else []
    return f" with {', '.join([*told[:most], *more])}"


@contextmanager
def _bar(name: str) -> Iterator[Tell]:
    from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
    from rich.markup import escape  # noqa: PLC0415 - same
    from rich.progress import BarColumn, TextColumn  # noqa: PLC0415 - same
    from rich.progress import Progress as Bars  # noqa: PLC0415 - same

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[said]}"),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task(escape(printable(name)), total=None, said="reading")

        def tell(found: StudyProgress) -> None:
            bars.update(task, total=found.of, completed=found.trials, said=escape(sentence(found)))

        yield tell
