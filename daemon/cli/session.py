"""``daemon session``: the parameter space, swept by plan."""

from __future__ import annotations

import click

from daemon.cli import session_ask, session_plan, session_rank, session_run


@click.group("session")
def group() -> None:
    """Sweep the parameter space: plan, run, rank and export sessions.

    A session is a file of quotes and grids of parameters; every combination is a
    job. What was run once is on record and never run again: a session that was
    interrupted goes on where it was, and one that is done has nothing to do.

    \b
    Examples:
      daemon session plan configs/sessions/session001.yaml    what does it come to?
      daemon session run configs/sessions/session001.yaml     run and rank it
      daemon session rank last                                what was best, and is it luck?
      daemon session export last -o parquet --output all.parquet
    """


for command in (
    session_plan.command,
    session_run.command,
    session_rank.command,
    *session_ask.COMMANDS,
):
    group.add_command(command)
