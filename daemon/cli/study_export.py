"""``daemon study export``: every trial, for a spreadsheet, a program, or Optuna's tools."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from daemon.app import searched, studying
from daemon.cli.asked import exported, kind_option, target_option
from daemon.cli.output import config_option, printable, say

if TYPE_CHECKING:
    from pathlib import Path


@click.command("export")
@click.argument("study")
@kind_option
@target_option
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
    rows = exported(lambda stream: searched.export(built, study, kind, stream), kind, target)
    if rows is not None:
        say(f"{counted(rows)} in {printable(str(target))}")


def counted(trials: int) -> str:
    """Count trials."""
    return "1 trial" if trials == 1 else f"{trials:,} trials"
