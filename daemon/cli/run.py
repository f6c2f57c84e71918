"""``daemon run``: the service, from the wish to lead to the end."""

from __future__ import annotations

import os

import click

from daemon import app
from daemon.cli.output import config_option, say


@click.command("run")
@click.option(
    "--once",
    is_flag=True,
    help="Lead for one cycle and end: for a look, or where something else keeps the time.",
)
@click.option(
    "--standby",
    is_flag=True,
    help="Where somebody else leads, wait and take over instead of ending with 75.",
)
@config_option
def command(once: bool, standby: bool, config: str | None) -> None:
    """Run the service: watch the signals, decide, act, record.

    One process leads: it brings samples in, decides every five seconds, sets the
    controls and reads them back. Every step is written down before it is taken,
    so the service may be ended or killed at any moment: the next start settles
    what was open. With `dry_run: true` in the policy it only proposes.

    \b
    SIGTERM, Ctrl-C   finish the step in hand, leave what is under observation to
                      the next start, end within 10 s; a second one ends at once
    SIGHUP            read the configuration again; one that does not hold changes nothing

    \b
    Ends with
      0   asked to end
      74  the database cannot be used, or the disk refused what was to be kept
      75  somebody else leads, or has taken over
      78  the configuration does not hold, or the schema does not fit

    While it runs, http://127.0.0.1:8471 answers /livez, /readyz and /metrics and
    takes signals that are pushed; `http` in the settings moves or closes it.

    \b
    Examples:
      daemon run
      daemon run --once
      daemon run --standby --config /etc/self-tuning-daemon/daemon.yaml
    """
    built = app.build(config)
    with app.Interrupts() as wishes, built.service() as service:
        if once:
            app.live(service, wishes, say, environ=os.environ, once=True, standby=standby)
            return
        from daemon.web.listener import open_to_programs  # noqa: PLC0415 - only the service needs it

        with open_to_programs(service, built.settings):
            app.live(service, wishes, say, environ=os.environ, standby=standby)
