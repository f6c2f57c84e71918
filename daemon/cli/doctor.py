"""``daemon doctor``: what is wrong with this installation, and what to do about it."""

from __future__ import annotations

import click

from daemon.app.diagnosis import diagnose
from daemon.cli.output import Rows, config_option, show, type_option
from daemon.errors import Exit


@click.command(name="doctor")
@config_option
@type_option
def command(config: str | None, output: str) -> int:
    """Find out what is wrong with this installation, its configuration and its database.

    Every line is one question and its answer; where the answer is bad, the hint
    says what to do. Ends with 1 when something is wrong.

    \b
    Example:
      daemon doctor
    """
    findings = list(diagnose(config))
    rows = [(one.status, one.check, one.detail, one.hint) for one in findings]
    show(Rows("daemon.doctor/1", ("status", "check", "detail", "hint"), rows), output)
    return Exit.FAILED if any(one.status == "fail" for one in findings) else Exit.DONE
