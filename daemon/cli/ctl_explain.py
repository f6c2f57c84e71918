"""``daemon ctl explain``: why, in a few sentences with the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from daemon import app
from daemon.cli.output import (
    Rows,
    config_option,
    paint,
    printable,
    show,
    show_document,
    type_option,
    with_age,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.app import Account, Table

STEPS_SHOWN = ("step", "gain", "spread", "risk", "why")


@click.command("explain")
@click.argument("reference", metavar="DECISION|CHANGE")
@click.option("--change", is_flag=True, help="A number alone is a change, not a decision.")
@config_option
@type_option
def explain(reference: str, change: bool, config: str | None, output: str) -> None:
    """Say why a decision came out as it did, or what became of a change and why.

    With what was measured, what it was held against, what would have changed
    it, what else was considered, and the command that undoes it. d12 is
    decision 12, c45 change 45; a number alone is a decision.

    \b
    Examples:
      daemon ctl explain c45
      daemon ctl explain d412
      daemon ctl explain 45 --change -o json
    """
    built = app.build(config)
    with built.inquiry() as inquiry:
        found = inquiry.explain(reference, change=change)
    if output == "table":
        _tell(found, built.clock.now_us())
    elif output == "csv":
        signals = found.signals
        show(Rows("daemon.ctl.explain/1", signals.columns, signals.rows), output)
    else:
        show_document("daemon.ctl.explain/1", _document(found), output)


def _document(found: Account) -> dict[str, Any]:
    return {
        "about": dict(found.about),
        "told": list(found.told),
        "compared": list(found.compared),
        "otherwise": list(found.otherwise),
        **{table.what: _records(table) for table in (found.signals, found.steps, found.events)},
        "undo": found.undo,
    }


def _records(table: Table) -> list[dict[str, Any]]:
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


# ── for a person ─────────────────────────────────────────────────────────────
def _tell(found: Account, now_us: int) -> None:
    click.echo(paint(_head(found, now_us), "bold"))
    for line in found.told:
        click.echo(printable(line))
    _table("what it saw", found.signals, now_us, found.signals.columns)
    for line in found.compared:
        click.echo(printable(line))
    _sentences("what would have changed it", found.otherwise)
    _table("what was considered", found.steps, now_us, STEPS_SHOWN)
    _table("what happened when", found.events, now_us, found.events.columns)
    click.echo()
    click.echo(f"undo: {found.undo}" if found.undo else "there is nothing to undo")


def _head(found: Account, now_us: int) -> str:
    about = found.about
    if "seq" in about:
        at = with_age(about["at"], now_us)
        change = f", change {about['change_id']}" if about["change_id"] is not None else ""
        mode = about["mode"].replace("_", " ")
        return f"decision d{about['seq']}, {at}, {mode}: {about['kind']}, {about['reason']}{change}"
    at = with_age(about["opened_at"], now_us)
    return f"change c{about['id']}, {at}: {about['rule']}, {about['state']}, {about['cause']}"


def _sentences(title: str, said: Any) -> None:
    if said:
        click.echo(f"\n{paint(title, 'bold')}")
        for line in said:
            click.echo(printable(line))


def _table(title: str, table: Table, now_us: int, columns: Any) -> None:
    """Show a table under its title; what is empty is left out, columns as well."""
    if not table.rows:
        return
    shown = [column for column in columns if any(row[column] is not None for row in _each(table))]
    rows = [tuple(row[column] for column in shown) for row in _each(table)]
    click.echo(f"\n{paint(title, 'bold')}")
    show(Rows(f"daemon.ctl.explain.{table.what}/1", shown, rows, now_us=now_us), "table")


def _each(table: Table) -> Iterator[dict[str, Any]]:
    return iter(_records(table))


COMMANDS = (explain,)
