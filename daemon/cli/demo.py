"""``daemon demo``: a guided walk, made of the same commands that an operator types."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import click

from daemon import app
from daemon.cli.main import run
from daemon.cli.output import say
from daemon.errors import ConfigError, DaemonError, Problem

SETTINGS = """\
# Written by `daemon demo`: everything of the demo stays in this folder.
database:
  url: {url}
policy_file: {policy}
signals:
  phase_diff: {{}}
  creative_band: {{}}
  risk_band: {{}}
  entropy_rate: {{}}
"""


@click.command(name="demo")
@click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("var/demo"),
    show_default=True,
    help="Where the demo keeps its settings and its database.",
)
def command(folder: Path) -> None:
    """See the whole thing at work on data that it brings along.

    Walks through the commands an operator types, each printed before it runs:
    checks a policy, creates a database, takes over two hours of an earlier
    tuner's files (synthetic, and small), verifies the history, and asks what
    happened and why. Run it twice: the second time nothing is imported again.

    \b
    Example:
      daemon demo --folder /tmp/demo
    """
    shipped = app.shipped()
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "daemon.yaml"
    policy = shipped / "configs" / "self_tuning.yaml"
    url, named = (json.dumps(text) for text in (f"sqlite:///{folder}/demo.db", str(policy)))
    settings.write_text(SETTINGS.format(url=url, policy=named), encoding="utf-8")
    _refuse_another_database(settings)
    for title, arguments in _walk(shipped / "data" / "legacy"):
        _step(title, [*arguments, "--config", str(settings)])
    say("\nThe rules, signals and history above are synthetic. Now ask for yourself:")
    for question in ("--list", "why_not", "changes_by_outcome"):
        say(f"  daemon db query {question} --config {settings}")
    say(f"  sqlite3 {folder}/demo.db '.tables'")


def _refuse_another_database(settings: Path) -> None:
    """Stop where the environment would have the demo write to a database of the operator's."""
    origin = app.build(str(settings)).loaded.origins["database.url"]
    if origin.startswith("env "):
        variable = origin.removeprefix("env ")
        raise ConfigError(
            [
                Problem(
                    "is set: the demo would write synthetic rows into that database",
                    variable,
                    hint=f"unset {variable} first, for the commands that the demo prints as well",
                )
            ]
        )


def _walk(legacy: Path) -> list[tuple[str, list[str]]]:
    return [
        ("Is what the operator wrote sound?", ["config", "lint"]),
        ("Create the database, or bring it up to date", ["db", "upgrade"]),
        ("Take over the files of an earlier tuner", ["db", "import-legacy", str(legacy)]),
        ("Is the database sound?", ["db", "check"]),
        ("Was the history touched by anyone?", ["db", "verify"]),
        ("What may be moved, and where does it stand?", ["db", "query", "current_rules"]),
        ("What was done to the rules?", ["db", "query", "rule_timeline", "--limit", "6"]),
        ("What did it do to the signals?", ["db", "query", "effects_by_rule"]),
        ("What was decided last, and why?", ["db", "query", "last_decisions", "--limit", "5"]),
        ("Are the signals fit as evidence?", ["db", "query", "signal_health"]),
    ]


def _step(title: str, arguments: list[str]) -> None:
    sys.stdout.flush()  # where both streams end in one place, in the order they were written
    say("")
    click.secho(f"— {title}", bold=True, err=True)
    click.secho(f"$ daemon {shlex.join(arguments)}", fg="cyan", err=True)
    code = run(arguments)
    if code:
        raise DaemonError(
            f"this step of the demo ended with {code}",
            hint="remove the folder and try again, or ask: daemon doctor",
        )
