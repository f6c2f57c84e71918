"""``daemon session list``, ``show``, ``cancel`` and ``export``: what became of sessions."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from daemon.app import sweeping, swept
from daemon.cli.output import (
    Rows,
    config_option,
    printable,
    say,
    show,
    show_document,
    type_option,
)
from daemon.cli.session_show import lines

KINDS = ("csv", "jsonl", "parquet")

LISTED_MAX = 1_000_000
"""Nobody reads more lines than this."""


# ── list ─────────────────────────────────────────────────────────────────────
@click.command("list")
@click.option(
    "--limit",
    type=click.IntRange(min=1, max=LISTED_MAX),
    default=20,
    show_default=True,
    help="At most so many, the newest.",
)
@config_option
@type_option
def listing(*, limit: int, config: str | None, output: str) -> None:
    """List sessions, the newest first.

    \b
    Examples:
      daemon session list
      daemon session list --limit 5 -o json
    """
    built = sweeping.build(config)
    found = swept.listed(built, limit)
    shown = found.shown() if output == "table" else found
    note = f"the newest {limit}; --limit shows more" if found.more else None
    if not found.rows and output == "table":
        note = "no session yet; run one: daemon session run FILE"
    rows = Rows(
        "daemon.session.list/1", shown.columns, shown.rows, note, now_us=built.clock.now_us()
    )
    show(rows, output)


# ── show ─────────────────────────────────────────────────────────────────────
@click.command("show")
@click.argument("session")
@config_option
@type_option
def showing(*, session: str, config: str | None, output: str) -> None:
    """Show a session: how far it is, what was best, what failed and why.

    SESSION is its number, its name (the newest that is called so) or `last`.

    \b
    Examples:
      daemon session show last
      daemon session show session001 -o json
    """
    built = sweeping.build(config)
    found = swept.shown(built, session)
    if output == "table":
        for line in lines(found, built.clock.now_us()):
            click.echo(line)
    else:
        show_document("daemon.session.show/1", found, output)


# ── cancel ───────────────────────────────────────────────────────────────────
@click.command("cancel")
@click.argument("session")
@config_option
def cancelling(*, session: str, config: str | None) -> None:
    """Stop a session, wherever it runs; what is finished is kept.

    SESSION is its number, its name (the newest that is called so) or `last`.

    \b
    Example:
      daemon session cancel 12
    """
    click.echo(printable(swept.cancel(sweeping.build(config), session)))


# ── export ───────────────────────────────────────────────────────────────────
@click.command("export")
@click.argument("session")
@click.option(
    "-o",
    "--format",
    "kind",
    type=click.Choice(KINDS),
    default="csv",
    show_default=True,
    help="What is written; parquet needs the extra [parquet].",
)
@click.option(
    "--output",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file  [default: stdout]",
)
@config_option
def exporting(*, session: str, kind: str, target: Path | None, config: str | None) -> None:
    """Write every job of a session with its parameters and metrics, in order.

    SESSION is its number, its name (the newest that is called so) or `last`.

    \b
    Examples:
      daemon session export last > all.csv
      daemon session export session001 -o jsonl | jq .metrics.realized_pnl_usd
      daemon session export 12 -o parquet --output all.parquet
    """
    built = sweeping.build(config)
    if target is None or str(target) == "-":
        if kind == "parquet" and sys.stdout.isatty():
            raise click.UsageError("Parquet is nothing for a terminal: name a file with --output")
        swept.export(built, session, kind, sys.stdout.buffer)
        return
    with sweeping.documents.written_bytes(target) as stream:
        rows = swept.export(built, session, kind, stream)
    say(f"{rows:,} jobs in {printable(str(target))}")


COMMANDS = (listing, showing, cancelling, exporting)
