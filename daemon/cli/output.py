"""Rows for a person or a program: data to stdout, everything else to stderr."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import click

from daemon.clock import MICROS, SystemClock, iso, parse_iso

FORMATS = ("table", "json", "yaml", "csv")

type_option = click.option(
    "-o",
    "--output",
    "output",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="How rows are shown; json and yaml carry a schema version.",
)
config_option = click.option(
    "--config",
    "config",
    type=click.Path(dir_okay=False),
    envvar="DAEMON_CONFIG",
    show_envvar=True,
    help="The daemon's settings  [default: configs/daemon.yaml if it is there]",
)


@dataclass(frozen=True)
class Rows:
    """What a command shows: named columns, and a schema name with a version for machines."""

    schema: str
    columns: Sequence[str]
    rows: Iterable[Sequence[Any]]
    note: str | None = None
    about: Mapping[str, Any] = field(default_factory=dict)
    """What is to be said of all rows together, for json and yaml."""
    now_us: int | None = None
    """The moment that ages are counted from; without it, that of this machine's clock."""


def show(result: Rows, output: str) -> None:
    """Print rows in the format asked for; a note goes to stderr."""
    writers = {"table": _table, "json": _json, "yaml": _yaml, "csv": _csv}
    writers[output](result)
    if result.note:
        click.echo(result.note, err=True)


def show_document(schema: str, body: Mapping[str, Any], output: str) -> None:
    """Print what is no rows: one object for json and yaml, a key and a value a line for csv."""
    told = {"schema": schema, **_finite(plain(body))}
    if output == "csv":
        _csv(Rows(schema, ("key", "value"), list(told.items())))
    else:
        (_print_json if output == "json" else _print_yaml)(told)


def say(text: str) -> None:
    """Tell a person something that is not data."""
    click.echo(text, err=True)


def paint(text: str, style: str) -> str:
    """Colour a text for a terminal; whatever is no terminal gets it plain."""
    if os.environ.get("NO_COLOR"):
        return text
    colour = style.removeprefix("bold").strip()
    return click.style(text, fg=colour or None, bold=style.startswith("bold") or None)


GOOD, DOUBTFUL, BAD, GRAVE, UNDER_WAY = "green", "yellow", "red", "bold red", "cyan"
STYLES = {
    **dict.fromkeys(("ok", "fit", "kept", "passed", "steady", "done", "approved", "applied"), GOOD),
    **dict.fromkeys(("rolled_back", "warned", "warn", "refused", "in_force", "frozen"), DOUBTFUL),
    **dict.fromkeys(("foreign", "superseded", "coming"), DOUBTFUL),
    **dict.fromkeys(("stopped", "failed", "sick", "silent", "rejected", "rolling_back"), BAD),
    **dict.fromkeys(("stuck", "inconsistent", "crit", "broken"), GRAVE),
    **dict.fromkeys(("observing", "applying", "pending", "running", "cooling"), UNDER_WAY),
}
"""Words for how something stands, and their colours."""

_STANDING = frozenset({"state", "outcome", "severity", "status"})
"""Columns that hold such words."""


def plain(value: Any) -> Any:
    """Turn a database value into something every format can write."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def cell(value: Any) -> str:
    """Write one value for the eye or for a spreadsheet."""
    value = plain(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def with_age(text: str, now_us: int) -> str:
    """Set the age beside a moment: ``2026-11-21T10:00:00Z (3 min ago)``."""
    at_us = parse_iso(text)
    seconds = (now_us - at_us) / MICROS
    shown = iso(at_us)[:19] + "Z"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if abs(seconds) >= size:
            return f"{shown} ({_ago(seconds / size, unit)})"
    return f"{shown} ({_ago(seconds, 's')})"


def _ago(count: float, unit: str) -> str:
    return f"{count:.0f} {unit} ago" if count >= 0 else f"in {-count:.0f} {unit}"


def _is_moment(column: str) -> bool:
    return column == "at" or column.endswith("_at")


def _table(result: Rows) -> None:
    from rich.console import Console  # noqa: PLC0415 - only tables need it
    from rich.table import Table  # noqa: PLC0415 - same
    from rich.text import Text  # noqa: PLC0415 - same

    table = Table(box=None, header_style="bold", pad_edge=False)
    now_us = SystemClock().now_us() if result.now_us is None else result.now_us
    for column in result.columns:
        table.add_column(Text(printable(column)), overflow="fold")
    for row in result.rows:
        cells = (
            _aged(value, now_us) if _is_moment(column) else cell(value)
            for column, value in zip(result.columns, row, strict=True)
        )
        styled = zip(result.columns, cells, strict=True)
        table.add_row(*(Text(printable(text), _style(column, text)) for column, text in styled))
    console = Console(soft_wrap=False)
    if not console.is_terminal:
        console = Console(width=10_000)
    with console.capture() as capture:
        console.print(table)
    click.echo(capture.get().rstrip("\n"))  # rich ends a table without rows without one


def _style(column: str, text: str) -> str:
    return STYLES.get(text, "") if column in _STANDING else ""


def _aged(value: Any, now_us: int) -> str:
    """Set the age beside a moment; anything else in such a column is shown as it is."""
    if isinstance(value, str):
        with suppress(ValueError):
            return with_age(value, now_us)
    return cell(value)


def printable(text: str) -> str:
    """Show control characters instead of sending them to the terminal."""
    return "".join(
        c if c.isprintable() or c == " " else c.encode("unicode_escape").decode() for c in text
    )


def as_records(result: Rows) -> dict[str, Any]:
    """Rows as the object that json and yaml print."""
    return {
        "schema": result.schema,
        **_finite(plain(result.about)),
        "rows": [
            {
                column: _finite(plain(value))
                for column, value in zip(result.columns, row, strict=True)
            }
            for row in result.rows
        ],
    }


def _finite(value: Any) -> Any:
    """Write what is not a number as null: JSON has no word for it."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _json(result: Rows) -> None:
    _print_json(as_records(result))


def _print_json(told: Mapping[str, Any]) -> None:
    text = json.dumps(told, ensure_ascii=False, indent=2, allow_nan=False)
    click.echo("".join(c if c == "\n" or c.isprintable() else json.dumps(c)[1:-1] for c in text))


def _yaml(result: Rows) -> None:
    _print_yaml(as_records(result))


def _print_yaml(told: Mapping[str, Any]) -> None:
    import yaml  # noqa: PLC0415 - only this format needs it

    click.echo(yaml.safe_dump(told, sort_keys=False, allow_unicode=True), nl=False)


def _csv(result: Rows) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(result.columns)
    for row in result.rows:
        writer.writerow(["" if value is None else _exact(value) for value in row])
        click.echo(buffer.getvalue(), nl=False)
        buffer.seek(0)
        buffer.truncate()
    click.echo(buffer.getvalue(), nl=False)


def _exact(value: Any) -> str:
    value = plain(value)
    return repr(value) if isinstance(value, float) else cell(value)
