"""What commands that ask of sessions and of studies have in common: lists, and exports."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from daemon.app.sweeping import documents
from daemon.cli.output import Rows, show

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.app import Table

KINDS = ("csv", "jsonl", "parquet")

LISTED_MAX = 1_000_000
"""Nobody reads more lines than this."""

limit_option = click.option(
    "--limit",
    type=click.IntRange(min=1, max=LISTED_MAX),
    default=20,
    show_default=True,
    help="At most so many, the newest.",
)
kind_option = click.option(
    "-o",
    "--format",
    "kind",
    type=click.Choice(KINDS),
    default="csv",
    show_default=True,
    help="What is written; parquet needs the extra [parquet].",
)
target_option = click.option(
    "--output",
    "target",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file  [default: stdout]",
)


def show_listed(found: Table, schema: str, output: str, nothing: str, now_us: int) -> None:
    """Show a list, the newest first; a person is told where it goes on, or why it is empty."""
    shown = found.shown() if output == "table" else found
    note = f"the newest {len(found.rows)}; --limit shows more" if found.more else None
    if not found.rows and output == "table":
        note = nothing
    show(Rows(schema, shown.columns, shown.rows, note, now_us=now_us), output)


def exported(write: Callable[[BinaryIO], int], kind: str, target: Path | None) -> int | None:
    """Write into a file, and count what was written; or to stdout, and say nothing."""
    if target is None or str(target) == "-":
        if kind == "parquet" and sys.stdout.isatty():
            raise click.UsageError("Parquet is nothing for a terminal: name a file with --output")
        write(sys.stdout.buffer)
        return None
    with documents.written_bytes(target) as stream:
        return write(stream)
