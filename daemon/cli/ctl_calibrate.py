"""``daemon ctl calibrate``: what a policy can tell from the noise of its signals."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon import app
from daemon.cli.output import Rows, config_option, printable, say, show, type_option
from daemon.cli.progress import counting
from daemon.clock import iso
from daemon.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.tuning.calibration import Calibration
    from daemon.tuning.figures import Figures
    from daemon.tuning.placebo import Rate

LONGEST = 1000
"""Letters of a reason that is kept."""

COLUMNS = (
    "signal",
    "state",
    "correlation_time_s",
    "effective_n",
    "null_spread",
    "null_model",
    "detectable",
    "toggled",
    "good",
    "judged",
    "window_s",
)


def _number(ctx: click.Context, parameter: click.Parameter, value: float) -> float:
    """Refuse what is no number: it is neither below nor above any bound."""
    del ctx, parameter
    if math.isnan(value):
        raise click.BadParameter("nan is no number of hours")
    return value


def _reason(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse a reason that says nothing."""
    del ctx, parameter
    if value is not None and not 0 < len(value.strip()) <= LONGEST:
        raise click.BadParameter(f"say why, in at most {LONGEST} letters")
    return None if value is None else value.strip()


@click.command("calibrate")
@click.option(
    "--hours",
    type=click.FloatRange(min=0, max=8_784, min_open=True),
    default=24.0,
    show_default=True,
    callback=_number,
    help="How much of what was recorded last is looked at.",
)
@click.option(
    "--policy",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Another policy than the one in force.",
)
@click.option(
    "--accept-anyway",
    metavar="REASON",
    callback=_reason,
    help="Let the policy go live although it is not green; who and why is kept.",
)
@config_option
@type_option
def calibrate(
    hours: float, policy: Path | None, accept_anyway: str | None, config: str | None, output: str
) -> int:
    """Measure what a policy can tell from the noise of its signals, and how often it errs.

    Takes the time in which nothing was changed, pretends that something was, and
    has the tuner judge it. Live mode asks for a green answer; it is kept in the
    database. Ends with 0 if it is green or accepted anyway, with 5 if not.

    \b
    Examples:
      daemon ctl calibrate
      daemon ctl calibrate --hours 72 --policy candidate.yaml -o json
      daemon ctl calibrate --accept-anyway "watched by two of us until noon"
    """
    built = app.build(config)
    loaded = built.policy(policy)
    with built.calibrator() as calibrator:
        total = calibrator.hours(loaded, hours)
        with counting("reading", "hours", total) as tell:
            found = calibrator.measure(loaded, hours, tell)
        ready = calibrator.record(found, accept_anyway, app.actor())
    _present(found, ready, output)
    return Exit.DONE if ready else Exit.REFUSED


def _present(found: Calibration, ready: app.Ready, output: str) -> None:
    rows = [_row(one) for one in found.signals]
    show(Rows("daemon.ctl.calibrate/1", COLUMNS, rows, about=_about(found, ready)), output)
    tell = click.echo if output == "table" else say
    for line in () if output in {"json", "yaml"} else _summary(found, ready):
        tell(printable(line))


def _row(one: Figures) -> tuple[Any, ...]:
    return (
        one.signal,
        one.unfit or "fit",
        one.correlation_time_s,
        one.effective_n,
        one.null_spread,
        one.null_model,
        one.detectable,
        one.toggled,
        one.good,
        one.judged,
        one.window_s,
    )


def _about(found: Calibration, ready: app.Ready) -> dict[str, Any]:
    return {
        "policy": found.policy,
        "outcome": ready.state,
        "from": iso(found.from_us),
        "to": iso(found.to_us),
        "quiet_s": found.quiet_s,
        "placebos": found.placebos,
        "false_keep": asdict(found.false_keep) if found.false_keep else None,
        "false_worse": asdict(found.false_worse) if found.false_worse else None,
        "reasons": [asdict(reason) for reason in found.reasons],
        "warnings": [asdict(warning) for warning in found.warnings],
    }


def _summary(found: Calibration, ready: app.Ready) -> Iterator[str]:
    """Say below the table what all signals together came to."""
    yield ""
    yield (
        f"{found.quiet_s / 3600:.1f} h without changes between {iso(found.from_us)[:16]}Z"
        f" and {iso(found.to_us)[:16]}Z, {found.placebos} independent placebos"
    )
    if found.false_keep is not None and found.false_worse is not None:
        yield f"kept though nothing was changed        {_rate(found.false_keep)}, 5% may be"
        yield f"taken back though nothing was changed  {_rate(found.false_worse)}"
    for warning in found.warnings:
        yield f"warning: {warning.what}"
        yield f"    hint: {warning.hint}"
    for reason in found.reasons:
        yield f"not green: {reason.what}"
        yield f"    hint: {reason.hint}"
    yield "green" if found.green else f"{ready.state}: {ready.why}"


def _rate(rate: Rate) -> str:
    return f"{rate.share:.1%} (95%: {rate.low:.1%} to {rate.high:.1%})"
