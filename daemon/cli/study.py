"""``daemon study``: what studies found."""

from __future__ import annotations

import click

from daemon.cli import study_ask, study_export, study_rank, study_submitted


@click.group("study")
def group() -> None:
    """See what studies found: list, show, rank, cancel and export them.

    A study searches parameters, fold by fold, and says whether what it found is luck.
    It is run by `daemon optimize FILE`, from here, by a schedule or by a program.

    \b
    Examples:
      daemon study list
      daemon study show last         what was found, whether it holds, and what to do next
      daemon study rank last         in sample and out of sample, side by side
      daemon study export last -o parquet --output all.parquet
    """


OTHERS = (study_rank.command, study_export.command, study_submitted.command)

for command in (*study_ask.COMMANDS, *OTHERS):
    group.add_command(command)
