"""``daemon ctl``: what an operator asks of the tuner, and tells it."""

from __future__ import annotations

import click

from daemon.cli import ctl_act, ctl_ask, ctl_calibrate, ctl_explain, ctl_freeze, ctl_plan


@click.group("ctl")
def group() -> None:
    """Ask the tuner, and tell it what to do.

    Asking reads what is on record. Telling files a command that the running
    daemon carries out between two cycles; where none runs, this process takes
    its place for a moment. `rollback` and `kill` always work.

    \b
    Examples:
      daemon ctl status                 what is it doing, and is it safe?
      daemon ctl explain c45            why, and how to undo it
      daemon ctl dry-run                what would it do now?
      daemon ctl rollback --last        take back the newest change
    """


for command in (
    *ctl_ask.COMMANDS,
    *ctl_explain.COMMANDS,
    *ctl_plan.COMMANDS,
    *ctl_act.COMMANDS,
    *ctl_freeze.COMMANDS,
    ctl_calibrate.calibrate,
):
    group.add_command(command)
