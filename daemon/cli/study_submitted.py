"""``daemon study submitted``: what a program handed in by HTTP, run in this process."""

from __future__ import annotations

import click

from daemon.app import studying, submitted
from daemon.cli.output import config_option, printable, say
from daemon.cli.study_progress import progress


@click.command("submitted")
@click.argument("submission", type=click.IntRange(min=1))
@config_option
def command(*, submission: int, config: str | None) -> int:
    """Run a study that a program handed in by HTTP; the service runs it so by itself.

    SUBMISSION is its number. What is finished is kept, and the service that leads goes
    on with the rest. Ends as `daemon optimize` does.

    \b
    Example:
      daemon study submitted 3
    """
    built = studying.build(config)
    asked = submitted.asked(built, submission)
    for doubt in asked.warnings:
        say(f"warning: {printable(str(doubt))}")
    with progress(asked.name, built.clock) as tell:
        found = submitted.run(built, submission, asked, tell)
    click.echo(printable(found.said))
    return int(found.exit_code)
