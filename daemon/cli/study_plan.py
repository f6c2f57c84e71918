"""What `daemon optimize --dry-run` shows: what a study comes to, before anything is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon.cli.moments import lasting
from daemon.cli.output import Rows, printable, say
from daemon.cli.output import show as show_rows
from daemon.cli.session_plan import tell_note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.app.studied import StudyPlanning

SCHEMA = "daemon.optimize.plan/1"
BRIEF = (
    "fold",
    "symbol",
    "train_rows",
    "train_from",
    "train_to",
    "test_rows",
    "test_from",
    "test_to",
)
SOON_S = 5.0
MOMENT = 16
"""Letters of a moment up to its minutes."""


def show(planning: StudyPlanning, output: str) -> None:
    """Show it: sentences on stderr, the folds on stdout."""
    if output in {"table", "csv"}:
        for line in _sentences(planning):
            say(line)
        for note in planning.notes:
            tell_note(note)
    if output == "table":
        show_rows(Rows(SCHEMA, BRIEF, [*_brief(planning)]), output)
    else:
        show_rows(
            Rows(SCHEMA, planning.COLUMNS, planning.rows(), about=planning.document()), output
        )
    if output == "table":
        say("nothing was run; without --dry-run it is")


def _sentences(planning: StudyPlanning) -> Iterator[str]:
    wanted = planning.asked.wanted
    axes = ", ".join(axis.name for axis in wanted.domain.axes)
    points = "endless points" if planning.cells is None else f"{planning.cells:,} points"
    yield f"{printable(planning.asked.name)}: {points} of {printable(axes)}"
    aims = ", ".join(f"{one.direction} {one.metric}" for one in wanted.aim.objectives)
    held = ", ".join(one.said() for one in wanted.aim.constraints)
    yield f"  {aims}" + (f"; {held}" if held else "")
    yield f"  {wanted.sampler.kind}, seed {wanted.seed}: {_trials(planning)}"
    if planning.seconds is not None:
        time = "a few seconds" if planning.seconds < SOON_S else lasting(planning.seconds)
        yield f"  expected: {time} on one core, and some for the statistics"
    if wanted.scheme is None:
        yield "  no rows are held back: none vouches for the winner"


def _trials(planning: StudyPlanning) -> str:
    budget = planning.asked.wanted.budget
    limit = "" if budget.minutes is None else f"{budget.minutes:g} minutes in all"
    if planning.trials is None:
        return limit
    folds = "" if planning.fold_count == 1 else f" in each of {planning.fold_count} folds"
    said = f"{planning.trials:,} trials{folds}"
    asked = budget.trials
    if asked is not None and planning.trials < asked:
        said += f" ({asked:,} are asked for, and there are no more points)"
    return said + (f", at most {limit}" if limit else "")


def _brief(planning: StudyPlanning) -> Iterator[tuple[object, ...]]:
    for one in planning.folds:
        moments = [*(one.train_at or ("", "")), *(one.test_at or ("", ""))]
        train_from, train_to, test_from, test_to = (text[:MOMENT] for text in moments)
        yield (
            *(one.fold, one.symbol, len(one.train), train_from, train_to),
            *(len(one.test), test_from, test_to),
        )
