"""``daemon replay``: what is on record, run again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from daemon import app
from daemon.cli.output import Rows, as_records, config_option, say, show, type_option
from daemon.cli.progress import counting
from daemon.clock import iso, parse_iso
from daemon.errors import Exit, InputError

if TYPE_CHECKING:
    from daemon.app import Judged, Report
    from daemon.tuning.replay import Difference
    from daemon.tuning.whatif import Line, Said

SCHEMA = "daemon.replay/1"
BLOCK_US = 5_000_000
SCORES = ("at", "policy", "blocks", "score", "share_met")
LINES = (
    "at",
    "same",
    "recorded",
    "recorded_reason",
    "other",
    "other_reason",
    "explanation",
    "times",
    "until_at",
    "followed",
)
DIFFERENCE = ("at", "decision", "what", "recorded", "replayed", "explanation")


@click.command(name="replay")
@click.option(
    "--policy",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Another policy: what would it have decided otherwise?",
)
@click.option(
    "--since",
    metavar="T",
    help="Start at the newest memory on record that is not younger: ISO 8601, or a date.",
)
@click.option("--diff", is_flag=True, help="Only what differs, without scores.")
@config_option
@type_option
def command(
    policy: Path | None, since: str | None, diff: bool, config: str | None, output: str
) -> int:
    """Run recorded samples and decisions again through the code that decides.

    With the policies on record, the same decisions must come out, bit for bit:
    the first difference is named, and the command ends with 1. With another
    policy it shows what that one would have decided otherwise, and why; steps
    that were not taken have no effects, and none are claimed. Either way it
    shows what the recorded timeline scores, per policy.

    \b
    Examples:
      daemon replay
      daemon replay --policy configs/bolder.yaml --since 2026-11-01 --diff
      daemon replay --policy configs/bolder.yaml -o json > backtest.json
    """
    built = app.build(config)
    with (
        built.replay(policy, _moment(since) if since else None) as replay,
        counting("replaying", "blocks", replay.blocks) as advance,
    ):
        report = replay.report(advance)
    if output in {"json", "yaml"}:
        _document(report, diff, output)
    else:
        _tables(report, diff, output)
    _conclude(report)
    return Exit.FAILED if report.difference else Exit.DONE


def _moment(text: str) -> int:
    try:
        return parse_iso(text)
    except ValueError as error:
        raise InputError(
            f"--since: {error}", hint="for example 2026-11-01 or 2026-11-01T12:00:00Z"
        ) from error


# ── rows ─────────────────────────────────────────────────────────────────────
def _scores(report: Report) -> Rows:
    rows = [
        (iso(number * one.timeline.stretch * BLOCK_US), one.role, *_span(span))
        for number in sorted({n for one in report.policies for n in one.timeline.spans})
        for one in report.policies
        if (span := one.timeline.spans.get(number)) is not None
    ]
    return Rows("daemon.replay.scores/1", SCORES, rows)


def _span(span: Any) -> tuple[int, float | None, float | None]:
    return span.blocks, span.mean, span.share_met


def _differences(report: Report, *, all_lines: bool) -> Rows:
    if report.whatif is None:
        rows = [_difference(report.difference)] if report.difference else []
        return Rows("daemon.replay.difference/1", DIFFERENCE, rows)
    shown = [line for line in report.whatif.lines if all_lines or not line.agrees]
    return Rows("daemon.replay.diff/1", LINES, [_line(line) for line in shown])


def _difference(found: Difference) -> tuple[Any, ...]:
    return (
        iso(found.block * BLOCK_US),
        found.seq,
        found.what,
        found.recorded,
        found.replayed,
        found.explanation,
    )


def _line(line: Line) -> tuple[Any, ...]:
    told = line.other or line.recorded
    return (
        iso(line.block * BLOCK_US),
        line.agrees,
        *_side(line.recorded),
        *_side(line.other),
        told.explanation if told else None,
        line.repeats + 1,
        iso(line.until * BLOCK_US) if line.until else None,
        line.followed,
    )


def _side(said: Said | None) -> tuple[str | None, str | None]:
    return (None, None) if said is None else (str(said.kind), str(said.reason))


# ── showing ──────────────────────────────────────────────────────────────────
def _tables(report: Report, diff: bool, output: str) -> None:
    """Show tables one below the other; csv, which holds one, has scores or differences."""
    if not diff:
        show(_scores(report), output)
    found = _differences(report, all_lines=not diff)
    if diff or (output == "table" and found.rows):
        if not diff:
            click.echo()
        show(found, output)


def _document(report: Report, diff: bool, output: str) -> None:
    said: dict[str, Any] = {
        "schema": SCHEMA,
        "from": iso(report.start_us),
        "to": iso(report.end_us),
        "recorded_by": report.version or None,
        "cycles": report.cycles,
        "same": report.difference is None if report.rerun else None,
        "decisions": {str(kind): n for kind, n in sorted(report.kinds.items())},
        "policies": [_policy(one) for one in report.policies],
        "differences": as_records(_differences(report, all_lines=not diff))["rows"],
    }
    if not diff:
        said["scores"] = as_records(_scores(report))["rows"]
    if output == "json":
        click.echo(json.dumps(said, ensure_ascii=False, indent=2, allow_nan=False))
        return
    import yaml  # noqa: PLC0415 - only this format needs it

    click.echo(yaml.safe_dump(said, sort_keys=False, allow_unicode=True), nl=False)


def _policy(one: Judged) -> dict[str, Any]:
    whole = one.timeline.whole()
    return {
        "policy": one.role,
        "digest": one.digest,
        "blocks": whole.blocks,
        "score": whole.mean,
        "share_met": whole.share_met,
    }


def _conclude(report: Report) -> None:
    """Say in words what came of it."""
    span = f"{iso(report.start_us)[:19]}Z to {iso(report.end_us)[:19]}Z"
    for one in report.policies:
        whole = one.timeline.whole()
        if whole.mean is not None and whole.share_met is not None:
            say(
                f"{one.role} policy {one.digest[:12]}: mean score {whole.mean:.4f},"
                f" all targets met in {whole.share_met:.1%} of the time"
            )
    if report.difference:
        found = report.difference
        say(
            f"the first difference is at {iso(found.block * BLOCK_US)[:19]}Z, {found.what}:"
            f" {found.recorded!r} is on record, {found.replayed!r} came out"
        )
        say("  `daemon db verify` tells whether the record was altered")
    elif report.rerun:
        say(f"the same: {report.cycles} cycles from {span} came to the same decisions, bit for bit")
    elif report.whatif:
        lines = report.whatif.lines
        differing = sum(not line.agrees for line in lines) + report.whatif.unkept
        say(
            f"{report.cycles} cycles from {span}: {differing} moments at which this policy differs;"
            " no effect of a step that was not taken is claimed"
        )
