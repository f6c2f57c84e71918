"""``daemon study rank``: what was best where it was searched, and where nobody had looked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from daemon.app import searched, studying
from daemon.cli.asked import LISTED_MAX
from daemon.cli.output import Rows, config_option, printable, say, show, type_option

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SHOWN = 10
SCHEMA = "daemon.study.rank/1"


@click.command("rank")
@click.argument("study")
@click.option("--fold", type=click.IntRange(min=1), help="Of this fold  [default: the last]")
@click.option(
    "--max-results",
    type=click.IntRange(min=1, max=LISTED_MAX),
    default=SHOWN,
    show_default=True,
    help="How many of the best are shown.",
)
@config_option
@type_option
def command(
    *, study: str, fold: int | None, max_results: int, config: str | None, output: str
) -> None:
    """Rank the trials of a study: in sample, out of sample, and with their neighbours.

    STUDY is its number, its name (the newest that is called so) or `last`. `rank` is
    the place on the rows that were searched, `oos_rank` that on the rows that were held
    back, `robust_rank` that of the neighbourhood. What is best in one and far down in
    the other is luck. `3=` shares its place; of several symbols each has its columns.

    \b
    Examples:
      daemon study rank last
      daemon study rank tpe --fold 1 --max-results 30
      daemon study rank symbols -o csv
    """
    built = studying.build(config)
    found = searched.ranked(built, study, max_results, fold)
    rows, about = found.rows(), found.about()
    note = None if rows or output != "table" else _nothing(about)
    show(Rows(SCHEMA, found.columns, rows, note, about=about), output)
    if output == "table":
        for line in _standing(about):
            say(line)


def _nothing(about: Mapping[str, Any]) -> str:
    if about["state"] == "done":
        return f"no trial of fold {about['fold']} holds what it must"
    return f"fold {about['fold']} has no places yet: they are given when the study is judged"


def _standing(about: Mapping[str, Any]) -> Iterator[str]:
    declared = {None: "not judged", False: "no winner declared", True: "a winner is declared"}
    which = f"study {about['study']} ({printable(about['name'])})"
    where = f"fold {about['fold']} of {about['folds']}"
    yield f"{which}, {where}: {', '.join(about['objectives'])}; {declared[about['declared']]}"
    yield f"what it is worth: daemon study show {about['study']}"
