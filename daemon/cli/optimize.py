"""``daemon optimize``: a study from its file to a winner, or to the reasons why there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from daemon.app import searched, studying
from daemon.cli import study_plan, study_report
from daemon.cli.output import (
    FORMATS,
    config_option,
    printable,
    say,
    show_document,
)
from daemon.cli.session_run import DASK, LOCAL
from daemon.cli.study_progress import progress
from daemon.cli.study_report import SCHEMA, due_document
from daemon.errors import Exit

SAMPLERS = ("grid", "random", "qmc", "tpe", "gp", "cmaes", "nsga2")
SAID = ("name", "sampler", "seed", "trials", "minutes")
"""Options that overrule the file, by the names that they have there."""


class Place(click.ParamType[str]):
    """Who runs the trials."""

    name = "place"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check it."""
        kind, colon, address = value.partition(":")
        if value != LOCAL and not (kind == DASK and colon and address):
            self.fail(f"{value!r} is none of local, dask:tcp://HOST:PORT", param, ctx)
        return value


@click.command("optimize")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--trials", type=click.IntRange(min=1), help="Trials of each fold  [default: the file]"
)
@click.option(
    "--minutes",
    type=click.FloatRange(min=0, min_open=True),
    help="Minutes in all, then it is judged  [default: the file]",
)
@click.option("--seed", type=click.IntRange(min=0), help="Another seed  [default: the file, or 0]")
@click.option("--sampler", type=click.Choice(SAMPLERS), help="Another sampler  [default: the file]")
@click.option("--name", help="What it is called  [default: as the file is]")
@click.option(
    "--on",
    type=Place(),
    metavar="local|dask:ADDRESS",
    default=LOCAL,
    show_default=True,
    help="Who runs the trials: this machine, or a Dask cluster.",
)
@click.option(
    "--workers", type=click.IntRange(min=1), help="Processes  [default: the file, or one a core]"
)
@click.option("--resume", is_flag=True, help="Go on with one; refuse to begin a new one.")
@click.option(
    "--if-due",
    is_flag=True,
    help="Run it only if a trigger of its `retrain` fires: for schedules.",
)
@click.option("--dry-run", is_flag=True, help="Say what it would do, and do nothing.")
@config_option
@click.option(
    "-o",
    "--output",
    "output",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="How it is shown; json and yaml carry a schema version.",
)
def command(
    *,
    file: Path,
    on: str,
    workers: int | None,
    resume: bool,
    if_due: bool,
    dry_run: bool,
    config: str | None,
    output: str,
    **given: Any,
) -> int:
    """Search the parameters of a study file, and say whether what was found is luck.

    Every fold is searched on the rows before it and tested on rows that nobody saw.
    What was tried is on record and never tried again: a study that was stopped or
    killed goes on where it was, by the same command; one that is done has nothing to
    do, and with more trials goes on. Ctrl-C stops it in order.

    \b
    Ends with
      0   done, or there was nothing to do; whether a winner was declared is said
      1   nothing could be judged, since every trial failed, or somebody cancelled it
      2   the study file or the quotes do not hold
      8   stopped before its end, or somebody else runs it: the same command goes on

    \b
    Examples:
      daemon optimize configs/studies/tpe.yaml --dry-run
      daemon optimize configs/studies/tpe.yaml
      daemon optimize configs/studies/tpe.yaml --trials 400
      daemon optimize configs/studies/random.yaml --sampler random --seed 7 --name dice
      daemon optimize configs/studies/tpe.yaml --if-due -o json
    """
    built = studying.build(config)
    said = {name: given[name] for name in SAID if given[name] is not None}
    asked = built.asked(file, said)
    for doubt in asked.warnings:
        say(f"warning: {doubt}" + (f"\n    hint: {doubt.hint}" if doubt.hint else ""))
    if dry_run:
        study_plan.show(built.planning(asked), output)
        return Exit.DONE
    with built.tools(asked, on, workers) as tools:
        due = built.due(tools, asked) if if_due else None
        if due is not None:
            say(f"{'due' if due.fired else 'not due'}: {printable(due.said)}")
        if due is not None and not due.fired:
            if output != "table":
                show_document(SCHEMA, {"name": asked.name, **due_document(due)}, output)
            return Exit.DONE
        with progress(asked.name, built.clock) as tell:
            if due is None:
                options = studying.StudyOptions(resume=resume)
                found = built.run(tools, asked, options, tell)
            else:
                found = built.run_due(tools, asked, due, tell)
        shown = searched.of(tools.store, built.clock, str(found.study_id), asked.max_results)
    study_report.show(found, shown, output, built.clock.now_us())
    return int(found.exit_code)
