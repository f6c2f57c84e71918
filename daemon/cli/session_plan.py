"""``daemon session plan``: what a session file comes to, before anything is run."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from daemon.app import sweeping
from daemon.cli.moments import lasting
from daemon.cli.output import (
    BAD,
    DOUBTFUL,
    Rows,
    config_option,
    paint,
    printable,
    say,
    show,
    type_option,
)
from daemon.cli.progress import counting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from daemon.app.sweeping import Planning
    from daemon.search.notes import Note
    from daemon.search.preflight import Preflight

SHOWN = 10
"""Jobs that are shown if nobody says how many."""

LINES = 2_000
"""Lines that are written at once."""

THOUSAND = 1_000
UNITS = {"bytes": 1, "kB": THOUSAND, "MB": THOUSAND**2, "GB": THOUSAND**3}
COLOURS = {"error": BAD, "warning": DOUBTFUL}


@click.command("plan")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--output-jobs-file",
    metavar="FILE",
    help="Write all jobs there, a line of JSON each; - is stdout.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    default=SHOWN,
    show_default=True,
    help="How many of the first jobs are shown.",
)
@click.option("--max-jobs", type=click.IntRange(min=1), help="Plan only the first N jobs.")
@click.option("--no-data", is_flag=True, help="Do not look at the quotes.")
@config_option
@type_option
def command(
    *,
    file: Path,
    output_jobs_file: str | None,
    limit: int,
    max_jobs: int | None,
    no_data: bool,
    config: str | None,
    output: str,
) -> None:
    """Say what a session file comes to: jobs, doubts, expected time and room on disk.

    Nothing is run. A file that cannot be planned ends with 2; what is doubtful is
    only told, as is what keeps a plan from being run. The same file gives the same
    jobs, byte for byte.

    \b
    Examples:
      daemon session plan configs/sessions/session001.yaml
      daemon session plan configs/sessions/session001.yaml --output-jobs-file outputs/jobs.jsonl
      daemon session plan configs/sessions/session001.yaml --output-jobs-file - | head -3
    """
    planning = sweeping.build(config).planning(file, max_jobs=max_jobs, look_at_data=not no_data)
    if output_jobs_file is not None or output in {"table", "csv"}:
        _tell(planning)
    if output_jobs_file is not None:
        _write(planning, output_jobs_file)
    else:
        show(_rows(planning, min(limit, planning.plan.jobs)), output)


# ── what it comes to ─────────────────────────────────────────────────────────
def _tell(planning: Planning) -> None:
    """Say on stderr what a person should know before it is run."""
    found = planning.preflight
    jobs = f"{found.jobs:,} job" + ("" if found.jobs == 1 else "s")
    if found.jobs < found.cells:
        jobs += f", the first of {found.cells:,} combinations"
    say(f"{printable(planning.name)}: {jobs}")
    if found.duplicates:
        noun = "value stands" if found.duplicates == 1 else "values stand"
        say(f"  {found.duplicates:,} {noun} in a grid more than once")
    say(f"  expected: {expected(found)}")
    for note in found.notes:
        tell_note(note)


def expected(found: Preflight) -> str:
    """Say how long a session will take and what it will leave on the disk."""
    said = f"{room(found.disk_bytes)} in the database"
    if found.seconds is None:
        return said
    time = "less than a second" if found.seconds < 1 else lasting(found.seconds)
    return f"{time} on one core, {said}"


def room(size: float) -> str:
    """Write a number of bytes for the eye."""
    unit = next((unit for unit in UNITS if size < UNITS[unit] * THOUSAND), "GB")
    return f"{size / UNITS[unit]:.3g} {unit}"


def tell_note(note: Note) -> None:
    """Say what is doubtful, with its code and what to do."""
    head = paint(f"{note.severity} [{note.code}]", COLOURS.get(note.severity, ""))
    say(f"{head}: {printable(note.text)}")
    if note.hint:
        say(f"    hint: {printable(note.hint)}")


# ── its jobs ─────────────────────────────────────────────────────────────────
def _rows(planning: Planning, shown: int) -> Rows:
    plan, found = planning.plan, planning.preflight
    jobs = [plan.job(n) for n in range(1, shown + 1)]
    more = plan.jobs - shown
    return Rows(
        "daemon.session.plan/1",
        ("job_id", *plan.grids, "output_json"),
        [
            (job.job_id, *(job.config.get(name) for name in plan.grids), job.output_json)
            for job in jobs
        ],
        note=f"… and {more:,} more; --output-jobs-file writes them all" if more else None,
        about={"name": planning.name, "data_file": plan.data_file, **found.document()},
    )


def _write(planning: Planning, where: str) -> None:
    """Write every job as a line; none of them is kept."""
    plan = planning.plan
    with _opened(where) as stream, counting("planning", "jobs", plan.jobs) as advance:
        for count, text in _chunks(plan.lines()):
            stream(text)
            advance(count)
    if where != "-":
        say(f"{plan.jobs:,} jobs in {printable(where)}")


def _chunks(lines: Iterator[str]) -> Iterator[tuple[int, str]]:
    held: list[str] = []
    for line in lines:
        held.append(line)
        if len(held) >= LINES:
            yield len(held), "\n".join(held) + "\n"
            held.clear()
    if held:
        yield len(held), "\n".join(held) + "\n"


@contextmanager
def _opened(where: str) -> Iterator[Callable[[str], object]]:
    if where == "-":
        yield lambda text: click.echo(text, nl=False)
        return
    stream: TextIO
    with sweeping.documents.written(Path(where)) as stream:
        yield stream.write
