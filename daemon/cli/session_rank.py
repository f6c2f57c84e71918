"""``daemon session rank``: what was best, and how much of that is luck."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon.app import sweeping, swept
from daemon.cli import session_report
from daemon.cli.output import Rows, config_option, printable, say, show, show_document, type_option

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.app.sweeping import Filters, Summary

SHOWN = 10
SCHEMA = "daemon.session.rank/1"
METRICS = ("realized_pnl_usd", "max_drawdown_pct", "total_trades", "win_rate")


@click.command("rank")
@click.argument("session", required=False)
@click.option(
    "--results-dir",
    type=click.Path(path_type=Path),
    help="Rank the results in a folder, *.json at any depth.",
)
@click.option(
    "--max-results",
    type=click.IntRange(min=0),
    default=SHOWN,
    show_default=True,
    help="How many of the best are shown.",
)
@click.option(
    "--max-drawdown-pct",
    type=float,
    metavar="PERCENT",
    help="Leave out jobs with a deeper drawdown.",
)
@click.option(
    "--min-trades",
    type=click.IntRange(min=0),
    metavar="COUNT",
    help="Leave out jobs with fewer trades.",
)
@click.option("--fast", is_flag=True, help="Only the ranking, without what it is worth.")
@click.option(
    "--output-json",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the ranking there, too, as JSON; - is stdout, and nothing else goes there.",
)
@config_option
@type_option
def command(
    *,
    session: str | None,
    results_dir: Path | None,
    max_results: int,
    max_drawdown_pct: float | None,
    min_trades: int | None,
    fast: bool,
    output_json: Path | None,
    config: str | None,
    output: str,
) -> None:
    """Rank a session: what was best, whether its neighbours are, and how far it is luck.

    SESSION is its number, its name (the newest that is called so) or `last`. Without
    bounds of your own those of the session file hold, and what is found is kept: the
    view leaderboard shows it. With others it is only shown. A folder of results is
    ranked without a database.

    \b
    Examples:
      daemon session rank last
      daemon session rank session001 --max-drawdown-pct 5 --min-trades 20
      daemon session rank --results-dir outputs/tuning/sess001 --output-json best.json
    """
    if (session is None) == (results_dir is None):
        raise click.UsageError("name a session, or a folder with --results-dir; not both")
    built = sweeping.build(config)
    bounds = {"max_drawdown_pct": max_drawdown_pct, "min_trades": min_trades}
    filters = _filters({name: value for name, value in bounds.items() if value is not None})
    if results_dir is not None:
        summary = built.rank_directory(results_dir, filters or sweeping.Filters(), max_results)
        _deliver(summary, summary.document(), output_json, output)
        return
    assert session is not None  # noqa: S101 - one of the two was given
    ranking = swept.rank(built, session, filters, max_results, fast=fast)
    _deliver(ranking.summary, ranking.document(), output_json, output)
    if output == "table" and str(output_json) != "-":
        for line in session_report.lines(ranking):
            click.echo(line)
    say(session_report.standing(ranking))


def _filters(bounds: Mapping[str, Any]) -> Filters | None:
    """Give the bounds that were asked for; None if nobody asked for any."""
    try:
        return sweeping.Filters(**bounds) if bounds else None
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _deliver(
    summary: Summary, document: Mapping[str, Any], target: Path | None, output: str
) -> None:
    """Show a ranking, and write it into a file where one was named; - is stdout."""
    if str(target) == "-":
        click.echo(sweeping.documents.text_of(document), nl=False)
        return
    if target is not None:
        sweeping.documents.write(target, sweeping.documents.text_of(document))
        say(f"written to {printable(str(target))}")
    if output == "table":
        click.echo(summary.text())
    elif output == "csv":
        show(_rows(summary), output)
    else:
        show_document(SCHEMA, document, output)


def _rows(summary: Summary) -> Rows:
    """Give the best as rows: their places, what their session varied, and what they brought."""
    rows = [
        (
            entry.rank,
            entry.job_id,
            *(entry.config.get(name) for name in summary.shown),
            *(entry.metrics.get(name) for name in METRICS),
        )
        for entry in summary.top
    ]
    return Rows(SCHEMA, ("rank", "job_id", *summary.shown, *METRICS), rows)
