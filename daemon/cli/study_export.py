"""``daemon study export``: every trial, for a spreadsheet, a program, or Optuna's tools."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from daemon.app import searched, studying
from daemon.app.sweeping import documents
from daemon.cli.output import config_option, printable, say
from daemon.cli.session_ask import KINDS


@click.command("export")
@click.argument("study")
@click.option(
    "-o",
    "--format",
    "kind",
    type=click.Choice(KINDS),
    default="csv",
    show_default=True,
    help="What is written; parquet needs the extra [parquet].",
)
@click.option(
    "--output",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file  [default: stdout]",
)
@click.option(
    "--optuna",
    metavar="URL",
    help="Instead: write them into a database of Optuna's, for optuna-dashboard.",
)
@config_option
def command(
    *, study: str, kind: str, target: Path | None, optuna: str | None, config: str | None
) -> None:
    """Write every trial of a study with its parameters and metrics, in order.

    STUDY is its number, its name (the newest that is called so) or `last`. Metrics of
    the rows that were searched begin with `train_`, those of the rows that were held
    back with `test_`; of several symbols, with the symbol.

    \b
    Examples:
      daemon study export last > all.csv
      daemon study export tpe -o jsonl | jq .metrics
      daemon study export 3 -o parquet --output all.parquet
      daemon study export last --optuna sqlite:///optuna.db
    """
    built = studying.build(config)
    if optuna is not None:
        if target is not None:
            raise click.UsageError("--optuna writes into a database: leave --output out")
        for one in searched.hand_over(built, study, optuna):
            known = f", {one.known:,} were there" if one.known else ""
            say(f"{counted(one.added)} into Optuna's study {printable(one.study)!r}{known}")
        return
    if target is None or str(target) == "-":
        if kind == "parquet" and sys.stdout.isatty():
            raise click.UsageError("Parquet is nothing for a terminal: name a file with --output")
        searched.export(built, study, kind, sys.stdout.buffer)
        return
    with documents.written_bytes(target) as stream:
        rows = searched.export(built, study, kind, stream)
    say(f"{counted(rows)} in {printable(str(target))}")


def counted(trials: int) -> str:
    """Count trials."""
    return "1 trial" if trials == 1 else f"{trials:,} trials"
