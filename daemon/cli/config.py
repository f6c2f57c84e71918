"""``daemon config``: is what I wrote sound, what is in force, what may be written?"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.cli.output import Rows, config_option, say, show, type_option
from daemon.config import effective, lint, starter
from daemon.config.policy_file import policy_in_force
from daemon.config.schema import MODELS, json_schema
from daemon.config.settings import load_settings
from daemon.config.urls import is_absent
from daemon.errors import ConfigError, Exit

if TYPE_CHECKING:
    from daemon.errors import Problem


@click.group("config")
def group() -> None:
    """Check, show and describe the configuration.

    \b
    Example:
      daemon config lint
    """


@group.command("lint")
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--kind",
    type=click.Choice(list(MODELS)),
    help="What the files are  [default: told from their keys]",
)
@type_option
@config_option
@click.pass_context
def lint_command(
    ctx: click.Context,
    files: tuple[Path, ...],
    kind: lint.Kind | None,
    output: str,
    config: str | None,
) -> None:
    """Find everything that is wrong with FILES, or with what is in force.

    Without FILES: the settings in force, environment included, and the policy
    that they name. With FILES: each by itself. Ends with 78 if anything is
    refused; warnings alone end with 0. Where a calibration is on record, effects
    that a policy asks for and its window cannot tell from noise are warned of.

    \b
    Examples:
      daemon config lint
      daemon config lint configs/self_tuning.yaml
      daemon config lint --kind policy -o json candidate.yaml
    """
    report = (
        lint.lint_files(files, kind, _path(config), os.environ)
        if files
        else lint.lint_in_force(_path(config), os.environ)
    )
    report.warnings += _hidden(config, report)
    if output != "table":
        show(Rows("daemon.config.lint/1", lint.COLUMNS, report.rows()), output)
        ctx.exit(Exit.CONFIG if report.problems else Exit.DONE)
    for line in report.lines():
        click.echo(line)
    _warn(report.warnings)
    report.raise_problems()


@group.command("show")
@click.option("--policy", is_flag=True, help="Show the policy in force, not the settings.")
@type_option
@config_option
def show_command(config: str | None, output: str, *, policy: bool) -> None:
    """Show what is in force, and who said so; passwords are masked.

    \b
    Examples:
      daemon config show
      daemon config show --policy -o yaml
    """
    loaded = load_settings(_path(config), os.environ)
    _warn(loaded.warnings)
    rows = effective.rows(loaded.settings, loaded.origins)
    if policy:
        judged = policy_in_force(loaded)
        _warn(judged.warnings)
        rows = effective.rows(judged.policy, judged.origins)
    schema = f"daemon.config.{'policy' if policy else 'show'}/1"
    show(Rows(schema, ("key", "value", "origin"), rows), output)


@group.command("schema")
@click.argument("kind", type=click.Choice(list(MODELS)), default="daemon")
@config_option
def schema_command(kind: str, config: str | None) -> None:
    """Print the JSON Schema of a kind of file, for an editor to check with.

    \b
    Example:
      daemon config schema policy > policy.schema.json
    """
    del config  # every command takes it; a schema is the same for all settings
    click.echo(json.dumps(json_schema(kind), indent=2, ensure_ascii=False))


@group.command("init")
@click.argument("directory", type=click.Path(path_type=Path), default=Path("configs"))
@config_option
def init_command(directory: Path, config: str | None) -> None:
    """Write settings, a policy, sessions and studies to begin with into DIRECTORY.

    What is there stays. Sessions and studies run on sample quotes, which are written
    into `data` beside it.

    \b
    Example:
      daemon config init && daemon config lint
    """
    from daemon import app  # noqa: PLC0415 - loads the database, which no other command here needs

    del config  # every command takes it; these files are there to become one
    for path, is_new in starter.lay_out(app.shipped(), directory):
        click.echo(f"wrote    {path}" if is_new else f"is there {path}")
    say("edit them, then: daemon config lint")


def _hidden(config: str | None, report: lint.Report) -> list[Problem]:
    """Ask what was recorded of the noise, if anything is asked of the signals."""
    asking = [loaded for loaded in report.policies if loaded.policy.safety.good]
    if not asking or _nothing_recorded(config):
        return []
    from daemon import app  # noqa: PLC0415 - loads the database: only where it has something to say

    return app.doubts(config, asking)


def _nothing_recorded(config: str | None) -> bool:
    try:
        database = load_settings(_path(config), os.environ).settings.database
    except ConfigError:
        return True
    return is_absent(database.url.get_secret_value())


def _path(config: str | None) -> Path | None:
    return None if config is None else Path(config)


def _warn(warnings: tuple[Problem, ...] | list[Problem]) -> None:
    for problem in warnings:
        say(f"warning: {problem}" + (f"\n    hint: {problem.hint}" if problem.hint else ""))
