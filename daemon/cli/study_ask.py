"""``daemon study list``, ``show``, ``cancel`` and ``triggers``: what became of studies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from daemon.app import searched, studying
from daemon.cli.asked import LISTED_MAX, limit_option, show_listed
from daemon.cli.output import config_option, printable, show_document, type_option
from daemon.cli.study_show import lines

if TYPE_CHECKING:
    from collections.abc import Sequence

SHOWN = 10


# ── list ─────────────────────────────────────────────────────────────────────
@click.command("list")
@limit_option
@config_option
@type_option
def listing(*, limit: int, config: str | None, output: str) -> None:
    """List studies, the newest first.

    \b
    Examples:
      daemon study list
      daemon study list --limit 5 -o json
    """
    built = studying.build(config)
    found = searched.listed(built, limit)
    nothing = "no study yet; run one: daemon optimize FILE"
    show_listed(found, "daemon.study.list/1", output, nothing, built.clock.now_us())


# ── show ─────────────────────────────────────────────────────────────────────
@click.command("show")
@click.argument("study")
@click.option(
    "--max-results",
    type=click.IntRange(min=0, max=LISTED_MAX),
    default=SHOWN,
    show_default=True,
    help="How many of the best are shown.",
)
@config_option
@type_option
def showing(*, study: str, max_results: int, config: str | None, output: str) -> None:
    """Show a study: its folds, its winner, whether that is luck, and what to do next.

    STUDY is its number, its name (the newest that is called so) or `last`.

    \b
    Examples:
      daemon study show last
      daemon study show tpe -o json
    """
    built = studying.build(config)
    found = searched.shown(built, study, max_results)
    if output == "table":
        for line in lines(found, built.clock.now_us()):
            click.echo(line)
    else:
        show_document("daemon.study.show/1", found, output)


# ── cancel ───────────────────────────────────────────────────────────────────
@click.command("cancel")
@click.argument("study")
@config_option
def cancelling(*, study: str, config: str | None) -> None:
    """Stop a study, wherever it runs; what is finished is kept.

    STUDY is its number, its name (the newest that is called so) or `last`.

    \b
    Example:
      daemon study cancel 3
    """
    click.echo(printable(searched.cancel(studying.build(config), study)))


# ── triggers ─────────────────────────────────────────────────────────────────
@click.command("triggers")
@click.argument("name", required=False)
@limit_option
@config_option
@type_option
def triggers(*, name: str | None, limit: int, config: str | None, output: str) -> None:
    """List what asked for a study to be run again, and what did not, with its evidence.

    NAME is that of a study; without it those of all are listed. A line is written each
    time that `daemon optimize FILE --if-due` asks.

    \b
    Examples:
      daemon study triggers
      daemon study triggers tpe -o json
    """
    built = studying.build(config)
    found = searched.triggers(built, name, limit)
    nothing = "nobody has asked yet; a schedule does: run: optimize FILE --if-due"
    show_listed(found, "daemon.study.triggers/1", output, nothing, built.clock.now_us())


COMMANDS: Sequence[click.Command] = (listing, showing, cancelling, triggers)
