"""Having something done: what all telling commands share, from the request to the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from daemon import app
from daemon.cli import moments
from daemon.cli.output import (
    BAD,
    DOUBTFUL,
    GOOD,
    Rows,
    paint,
    printable,
    say,
    show,
    show_document,
)
from daemon.errors import Exit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.app import Answer, App

LONGEST = 1000
"""Letters of a reason that is kept."""

COLOURS = {"done": GOOD, "refused": DOUBTFUL}


def reason_of(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Refuse a reason that says nothing, or a book."""
    del ctx, parameter
    if value is not None and not 0 < len(value.strip()) <= LONGEST:
        raise click.BadParameter(f"say why, in at most {LONGEST} letters")
    return None if value is None else value.strip()


reason_option = click.option(
    "--reason", metavar="TEXT", callback=reason_of, help="Why; kept on record beside your name."
)
timeout_option = click.option(
    "--timeout",
    type=moments.Span(),
    metavar="DURATION",
    help="How long the daemon's answer is waited for  [default: 30s]",
)


class Number(click.ParamType[int]):
    """The number of a row, with or without the letter that explanations write before it."""

    name = "number"

    def __init__(self, letter: str) -> None:
        self.letter = letter

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Read it."""
        text = str(value).strip().lower().removeprefix(self.letter)
        if not text.isdecimal() or len(text) > 18:  # noqa: PLR2004 - digits of 64 bits
            self.fail(f"{value!r} is no number: for example 45 or {self.letter}45", param, ctx)
        return int(text)


def have_done(
    config: str | None,
    output: str,
    kind: str,
    args: Mapping[str, Any],
    *,
    reason: str | None = None,
    timeout: float | None = None,
) -> int:
    """Ask for something, wait for the answer and show it; returns the exit code."""
    built = app.build(config)
    return ask(built, output, kind, args, reason=reason, timeout=timeout).exit_code


def ask(
    built: App,
    output: str,
    kind: str,
    args: Mapping[str, Any],
    *,
    reason: str | None = None,
    timeout: float | None = None,
) -> Answer:
    """Ask for something, wait for the answer and show it."""
    patience_s = app.PATIENCE_S if timeout is None else timeout
    with built.requests(tell=say) as requests:
        answer = requests.ask(kind, args, reason=reason, patience_s=patience_s)
        changed = requests.changed(answer)
    show_answer(answer, changed, output)
    return answer


def show_answer(answer: Answer, changed: list[dict[str, Any]], output: str) -> None:
    """Say what became of a request: to stdout what was done, to stderr what was not."""
    if output == "csv":
        columns = ("id", "rule", "old", "new", "state", "undo")
        rows = [tuple(change[column] for column in columns) for change in changed]
        show(Rows("daemon.ctl.answer/1", columns, rows), output)
        return
    if output != "table":
        told = {name: value for name, value in answer.result.items() if name != "changes"}
        body = {
            "command": answer.id,
            "kind": answer.kind,
            "state": answer.state,
            "exit_code": answer.exit_code,
            **told,
            "changes": changed,
        }
        show_document("daemon.ctl.answer/1", body, output)
        return
    done = answer.exit_code == Exit.DONE
    word = paint(f"{answer.state}:", COLOURS.get(answer.state, BAD))
    click.echo(f"{word} {printable(answer.text)}", err=not done)
    for change in changed:
        undo = f"; undo: {change['undo']}" if change["undo"] else ""
        click.echo(
            f"change {change['id']}: {change['rule']} {change['old']:.6g} → {change['new']:.6g},"
            f" {change['state'].replace('_', ' ')}{undo}"
        )
    said = {change["undo"] for change in changed}
    if done and answer.undo is not None and answer.undo not in said:
        click.echo(f"undo: {answer.undo}")
