"""``daemon ctl status``, ``get``, ``history`` and ``verify``: reading, whether it runs or not."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import click

from daemon import app
from daemon.cli import moments
from daemon.cli.ctl_answer import have_done, reason_of
from daemon.cli.ctl_status import document, lines
from daemon.cli.output import (
    Rows,
    config_option,
    printable,
    say,
    show,
    show_document,
    type_option,
)
from daemon.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from daemon.app import App, Table

WATCH_S = 2.0

limit_option = click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="At most so many rows, the newest.",
)
since_option = click.option(
    "--since",
    type=moments.Moment(),
    metavar="T",
    help="Only from then on: a moment in ISO 8601, or how long ago, as in 2h.",
)


# ── status ───────────────────────────────────────────────────────────────────
@click.command("status")
@click.option("--watch", is_flag=True, help="Show it again every two seconds, until interrupted.")
@config_option
@type_option
def status(watch: bool, config: str | None, output: str) -> int:
    """Say what the daemon is doing, whether it is safe, and what comes next.

    Ends with 0 if it runs, with 3 if it does not, with 4 if nobody can tell or
    it runs and its cycles stay away.

    \b
    Examples:
      daemon ctl status
      daemon ctl status --watch
      daemon ctl status -o json | jq .mode
    """
    built = app.build(config)
    return watching(built, output, count() if watch else range(1))


def watching(built: App, output: str, rounds: Iterable[int]) -> int:
    """Show the status so many times; returns what the last one comes to."""
    code = Exit.DONE
    for number in rounds:
        if number:
            built.clock.sleep(WATCH_S)
            if output == "table":
                click.clear()  # where that means anything
        found = built.status()
        if output == "table":
            for line in lines(found):
                click.echo(line)
        else:
            show_document("daemon.ctl.status/1", document(found), output)
        code = found.exit_code
    return code


# ── get ──────────────────────────────────────────────────────────────────────
@click.command("get")
@click.argument("what", type=click.Choice(app.ASKED))
@click.argument("name", required=False)
@limit_option
@since_option
@config_option
@type_option
def get(
    what: str, name: str | None, limit: int, since: str | None, config: str | None, output: str
) -> None:
    """Show rules, signals, proposals, changes, decisions, freezes, alerts or commands.

    NAME is a rule or a signal, or else a number, a state or a kind. The newest
    come first; json, yaml and csv have more columns than the table.

    \b
    Examples:
      daemon ctl get rules
      daemon ctl get changes workers --since 24h
      daemon ctl get decisions keep --limit 5
      daemon ctl get proposals pending -o json
    """
    built = app.build(config)
    known = what in {"rules", "signals"}
    with built.inquiry() as inquiry:
        found = inquiry.rows(
            what,
            name,
            since_us=moments.ago(since, built.clock),
            limit=None if known else limit,
        )
    _show(found, output, built.clock.now_us(), limit)


def _show(found: Table, output: str, now_us: int, limit: int) -> None:
    shown = found.shown() if output == "table" else found
    note = f"the newest {limit} rows; --limit shows more" if found.more else None
    if not found.rows and output == "table":
        note = f"no {found.what} yet" if found.what != "history" else "no rule was ever set"
    schema = f"daemon.ctl.{found.what}/1"
    show(Rows(schema, shown.columns, shown.rows, note, now_us=now_us), output)


# ── history ──────────────────────────────────────────────────────────────────
@click.command("history")
@click.argument("rule", required=False)
@limit_option
@since_option
@config_option
@type_option
def history(
    rule: str | None, limit: int, since: str | None, config: str | None, output: str
) -> None:
    """Show the values that rules were given, by whom, and what became of each.

    The revision in the first column is what `rollback --to` takes.

    \b
    Examples:
      daemon ctl history
      daemon ctl history workers --since 7d
      daemon ctl rollback --rule workers --to r12
    """
    built = app.build(config)
    with built.inquiry() as inquiry:
        found = inquiry.rows("history", rule, since_us=moments.ago(since, built.clock), limit=limit)
    _show(found, output, built.clock.now_us(), limit)


# ── verify ───────────────────────────────────────────────────────────────────
@click.command("verify")
@click.option("--quick", is_flag=True, help="Look at the newest rows only.")
@click.option(
    "--accept",
    metavar="REASON",
    callback=reason_of,
    help="Say that what is found now is understood: it no longer keeps the daemon frozen.",
)
@config_option
@type_option
def verify(quick: bool, accept: str | None, config: str | None, output: str) -> int:
    """Check what must always be true of the record: the daemon's own promises.

    One end per change, legal steps only, values within bounds, nothing kept
    without evidence, epochs that never fall, an unbroken chain of hashes. Ends
    with 1 if a promise is broken: the daemon then changes nothing any more. Once
    you know what happened, --accept lets it go on; what was found, who accepted
    it and why stay on record.

    \b
    Examples:
      daemon ctl verify
      daemon ctl verify --quick -o json
      daemon ctl verify --accept "restored from the backup of Monday, see 4711"
    """
    built = app.build(config)
    with built.inquiry() as inquiry:
        promises = inquiry.promises()
        broken = {one.name: one for one in inquiry.broken(full=not quick)}
    if accept is not None and broken:
        findings = {"findings": app.fingerprints(broken.values())}
        return have_done(config, output, "accept", findings, reason=accept, timeout=None)
    rows = [(name, _state(name in broken), said) for name, said in promises.items()]
    shown: list[dict[str, Any]] = [
        {"name": one.name, "rows": [dict(row) for row in one.rows]} for one in broken.values()
    ]
    columns = ("promise", "state", "says")
    show(Rows("daemon.ctl.verify/1", columns, rows, about={"broken": shown}), output)
    if output not in {"json", "yaml"}:
        for one in broken.values():
            say(printable(f"broken: {one}"))
    return Exit.FAILED if broken else Exit.DONE


def _state(broken: bool) -> str:
    return "broken" if broken else "ok"


COMMANDS = (status, get, history, verify)
