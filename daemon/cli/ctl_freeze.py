"""``daemon ctl freeze``: times in which nothing, or one rule, may be changed."""

from __future__ import annotations

from typing import Any

import click

from daemon import app
from daemon.cli import moments
from daemon.cli.ctl_answer import Number, ask, have_done, reason_of, timeout_option
from daemon.cli.output import Rows, config_option, show, type_option


@click.group("freeze")
def freeze() -> None:
    """Say when nothing, or a rule, may be changed: once, or again and again.

    What is open when a freeze begins is watched to its end; a rollback is never
    stopped by one.

    \b
    Examples:
      daemon ctl freeze add --all --for 4h --reason "the big sale"
      daemon ctl freeze list
    """


@freeze.command("add")
@click.argument("rule", required=False)
@click.option("--all", "everything", is_flag=True, help="Every rule.")
@click.option(
    "--from",
    "start",
    type=moments.Moment(),
    metavar="T",
    help="When it begins: a moment in ISO 8601, or from now in how long  [default: now]",
)
@click.option("--until", type=moments.Moment(), metavar="T", help="When it ends, likewise.")
@click.option(
    "--for", "span", type=moments.Span(), metavar="DURATION", help="How long it holds, as in 90m."
)
@click.option(
    "--cron",
    metavar="EXPRESSION",
    help="Again and again: when it begins, as five fields of cron in UTC. Needs --for.",
)
@click.option("--reason", required=True, metavar="TEXT", callback=reason_of, help="Why.")
@timeout_option
@config_option
@type_option
def add(
    *,
    rule: str | None,
    everything: bool,
    start: str | None,
    until: str | None,
    span: float | None,
    cron: str | None,
    reason: str,
    timeout: float | None,
    config: str | None,
    output: str,
) -> int:
    """Freeze a rule, or with --all every rule; without an end, until it is removed.

    \b
    Examples:
      daemon ctl freeze add workers --for 2h --reason "load test"
      daemon ctl freeze add --all --until 2026-12-27T06:00 --reason "holidays"
      daemon ctl freeze add --all --cron "0 18 * * 5" --for 60h --reason "weekends"
    """
    if (rule is None) != everything:
        raise click.UsageError("name a RULE, or say --all, and not both")
    if until is not None and span is not None:
        raise click.UsageError("say --until or --for, not both")
    if cron is not None and (span is None or start is not None):
        raise click.UsageError("--cron says when it begins, and --for how long it holds")
    built = app.build(config)
    args: dict[str, Any] = {"reason": reason}
    if rule is not None:
        with built.inquiry() as inquiry:
            inquiry.values([rule])
        args["rule"] = rule
    if cron is not None and span is not None:
        starts_us, ends_us = built.occurrence(cron, span)
        args |= {"cron": cron, "duration_s": span}
        args |= {"starts_at_us": starts_us, "ends_at_us": ends_us}
    else:
        args |= _span(built, start, until, span)
    return ask(built, output, "freeze_add", args, reason=reason, timeout=timeout).exit_code


def _span(
    built: app.App, start: str | None, until: str | None, span: float | None
) -> dict[str, int]:
    """Say from when to when a freeze holds that does not recur."""
    found: dict[str, int] = {}
    starts_us = moments.ahead(start, built.clock)
    ends_us = moments.ahead(until, built.clock)
    begin_us = built.clock.now_us() if starts_us is None else starts_us
    if span is not None:
        ends_us = begin_us + round(span * 1e6)
    if ends_us is not None and ends_us <= max(begin_us, built.clock.now_us()):
        raise click.UsageError("it would end before it begins, or has ended already")
    if starts_us is not None:
        found["starts_at_us"] = starts_us
    if ends_us is not None:
        found["ends_at_us"] = ends_us
    return found


@freeze.command("list")
@click.option("--all", "everything", is_flag=True, help="Also those that are over or removed.")
@config_option
@type_option
def listing(everything: bool, config: str | None, output: str) -> None:
    """Show freezes, pauses and the kill switch: those in force and those to come.

    \b
    Example:
      daemon ctl freeze list --all
    """
    built = app.build(config)
    with built.inquiry() as inquiry:
        found = inquiry.rows("freezes")
    if output == "table":
        found = found.shown()
    place = list(found.columns).index("state")
    rows = [row for row in found.rows if everything or row[place] in {"in_force", "coming"}]
    note = None if rows else "nothing is frozen"
    shown = Rows("daemon.ctl.freezes/1", found.columns, rows, note, now_us=built.clock.now_us())
    show(shown, output)


@freeze.command("remove")
@click.argument("freeze_id", metavar="ID", type=Number("f"))
@timeout_option
@config_option
@type_option
def remove(freeze_id: int, timeout: float | None, config: str | None, output: str) -> int:
    """End a freeze, before or while it holds.

    \b
    Example:
      daemon ctl freeze remove 3
    """
    return have_done(config, output, "freeze_remove", {"id": freeze_id}, timeout=timeout)


COMMANDS = (freeze,)
