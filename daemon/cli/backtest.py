"""``daemon backtest``: one set of parameters on one file of quotes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon.app import sweeping
from daemon.cli.output import FORMATS, Rows, config_option, printable, say, show
from daemon.errors import DaemonError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from daemon.app.sweeping import Backtested, Sweeping

    Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

MODELS = ("convergence", "quoted")
SKIPPED_SHOWN = 3
"""Lines that were skipped which are told; the others are counted."""


def _number(name: str, text: str, **how: Any) -> Any:
    return click.option(name, type=float, metavar="NUMBER", help=text, **how)


PARAMETERS = (
    _number("--min-spread-bps", "The smallest spread, after costs, that opens.", required=True),
    _number("--taker-fee-a-bps", "Fee of venue A.", required=True),
    _number("--taker-fee-b-bps", "Fee of venue B.", required=True),
    _number("--slippage-bps", "What is lost between quote and trade.", required=True),
    _number("--max-position-usd", "How large a trade is.", required=True),
    click.option(
        "--max-open-trades",
        type=int,
        default=1,
        show_default=True,
        metavar="COUNT",
        help="How many may be open at once.",
    ),
    _number(
        "--initial-balance-usd",
        "What is there at the start.",
        default=10_000.0,
        show_default=True,
    ),
    _number("--stop-on-drawdown-pct", "Ends the run when the balance has fallen so far."),
    _number(
        "--exchange-a-to-b-rate",
        "What B's prices are multiplied by.",
        default=1.0,
        show_default=True,
    ),
    click.option(
        "--exit-model",
        type=click.Choice(MODELS),
        default="convergence",
        show_default=True,
        help="At what prices a trade closes: as if the venues agreed, which cannot lose, or as"
        " quoted, costs paid again.",
    ),
)


def _parameters(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the parameters of a backtest, named as in a session file."""
    for option in reversed(PARAMETERS):
        command = option(command)
    return command


@click.command("backtest")
@click.option(
    "--data-file",
    required=True,
    type=click.Path(),
    help="Quotes of two venues: CSV, which may be gzipped, or Parquet.",
)
@_parameters
@click.option("--skip-bad-rows", is_flag=True, help="Leave out rows that do not parse; count them.")
@click.option("--tag", help="A word of yours, carried into the result.")
@click.option("--job-id", help="The name of this run, carried into the result.")
@click.option(
    "--output-json",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the result there instead of to stdout.",
)
@click.option("--trades", is_flag=True, help="List every closed trade.")
@click.option("--no-record", is_flag=True, help="Do not keep the result in the database.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(FORMATS),
    help="How the result is shown  [default: json, of --trades table]",
)
@config_option
def command(
    *,
    data_file: str,
    skip_bad_rows: bool,
    tag: str | None,
    job_id: str | None,
    output_json: Path | None,
    trades: bool,
    no_record: bool,
    output: str | None,
    config: str | None,
    **values: Any,
) -> None:
    """Backtest one set of parameters, and give the result as JSON.

    A backtest that fails leaves a result as well, with `"status": "error"` and the
    reason, and ends with 2. Where the database exists the result is kept there too:
    whoever judges a session later should know of every trial on the same data.

    \b
    Examples:
      daemon backtest --data-file data/sample_arbitrage_prices.csv --min-spread-bps 30 \\
        --taker-fee-a-bps 5 --taker-fee-b-bps 5 --slippage-bps 5 --max-position-usd 1000 \\
        --exit-model quoted
      daemon backtest … --trades -o csv > trades.csv
      daemon backtest … --job-id night_0001 --output-json outputs/tuning/night_0001.json
    """
    built = sweeping.build(config)
    target = None if output_json is None or str(output_json) == "-" else output_json
    question = sweeping.Question(
        data_file=data_file,
        values={name: value for name, value in values.items() if value is not None},
        skip_bad_rows=skip_bad_rows,
        tag=tag,
        job_id=job_id,
    )
    try:
        outcome = built.backtest(question)
    except Exception as error:  # whatever it was, scripts are told of a job that failed
        with suppress(OSError):  # why it failed is the better news
            _deliver(question.failed(error), target, output or "json")
        raise
    _present(outcome, target, output, trades=trades)
    if not no_record:
        _keep(built, outcome)


def _keep(built: Sweeping, outcome: Backtested) -> None:
    """Keep a result, which is there in any case: that it cannot be kept is only told."""
    try:
        built.keep(outcome)
    except DaemonError as error:
        say(f"the result is not kept in the database: {printable(error.message)}")


def _present(outcome: Backtested, target: Path | None, output: str | None, *, trades: bool) -> None:
    document = outcome.document()
    if target is not None:
        sweeping.documents.write(target, sweeping.documents.text_of(document))
    if trades:
        about = {name: document[name] for name in ("config", "metrics", "config_summary")}
        rows = Rows("daemon.backtest.trades/1", sweeping.TRADE, outcome.trades(), about=about)
        show(rows, output or "table")
    elif output or target is None:
        _show(document, output or "json")
    _remark(outcome, document, target)


def _deliver(document: Mapping[str, Any], target: Path | None, output: str) -> None:
    """Hand over a result: into its file, or to stdout."""
    if target is not None:
        sweeping.documents.write(target, sweeping.documents.text_of(document))
    else:
        _show(document, output)


def _show(document: Mapping[str, Any], output: str) -> None:
    if output == "json":
        click.echo(sweeping.documents.text_of(document), nl=False)
    elif output == "yaml":
        import yaml  # noqa: PLC0415 - only this format needs it

        plain = sweeping.documents.finite(document)
        click.echo(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True), nl=False)
    else:
        told = [("status", document["status"]), *document.get("metrics", {}).items()]
        told += [("error", document["error"])] if "error" in document else []
        told += [*document["config"].items(), *document["config_summary"].items()]
        show(Rows("daemon.backtest/1", ("what", "value"), told), output)


def _remark(outcome: Backtested, document: Mapping[str, Any], target: Path | None) -> None:
    """Say on stderr what the result alone does not."""
    loaded, metrics = outcome.loaded, outcome.metrics
    if loaded.skipped:
        noun = "row was" if loaded.skipped == 1 else "rows were"
        say(f"{loaded.skipped} {noun} left out, which did not parse:")
        for example in loaded.examples[:SKIPPED_SHOWN]:
            say(f"  {printable(example)}")
    if target is not None:
        say(
            f"{printable(str(target))}: PnL {metrics.realized_pnl_usd:+,.2f} USD,"
            f" drawdown {metrics.max_drawdown_pct:.2f}%, {metrics.total_trades} trades"
            f" on {document['config_summary']['rows']:,} rows"
        )
