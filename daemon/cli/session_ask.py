"""``daemon session list``, ``show``, ``cancel`` and ``export``: what became of sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from daemon.app import sweeping, swept
from daemon.cli.asked import exported, kind_option, limit_option, show_listed, target_option
from daemon.cli.output import config_option, printable, say, show_document, type_option
from daemon.cli.session_show import lines

if TYPE_CHECKING:
    from pathlib import Path


# ── list ─────────────────────────────────────────────────────────────────────
@click.command("list")
@limit_option
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
    nothing = "no session yet; run one: daemon session run FILE"
    show_listed(found, "daemon.session.list/1", output, nothing, built.clock.now_us())


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
@kind_option
@target_option
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
    rows = exported(lambda stream: swept.export(built, session, kind, stream), kind, target)
    if rows is not None:
        say(f"{rows:,} jobs in {printable(str(target))}")


COMMANDS = (listing, showing, cancelling, exporting)
