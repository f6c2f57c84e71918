"""Measuring side by side: cases take turns, medians are compared, goals stand beside figures.

A machine that is busy with something else slows both sides of a comparison, as
long as they take turns: a ratio within one run says something, a rate from
another day does not.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Case:
    """Something to be timed: ``run`` gets what ``prepare``, which is not timed, returns."""

    name: str
    run: Callable[[Any], object]
    prepare: Callable[[], Any] = lambda: None


@dataclass(slots=True)
class Timing:
    """What one case took, turn by turn, in milliseconds: by the clock, and of this thread's CPU."""

    wall_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)

    @property
    def wall(self) -> float:
        """The median by the clock."""
        return statistics.median(self.wall_ms)

    @property
    def cpu(self) -> float:
        """The median of CPU time."""
        return statistics.median(self.cpu_ms)

    def wall_at(self, share: float) -> float:
        """Say what this share of the turns stayed below, by the clock."""
        return sorted(self.wall_ms)[min(len(self.wall_ms) - 1, int(share * len(self.wall_ms)))]


def interleave(cases: Sequence[Case], repeats: int, *, warm_up: int = 1) -> dict[str, Timing]:
    """Run every case once per round, each round starting with another one."""
    timings = {case.name: Timing() for case in cases}
    gc.collect()
    gc.freeze()
    for turn in range(warm_up + repeats):
        first = turn % len(cases)
        for case in (*cases[first:], *cases[:first]):
            wall_ms, cpu_ms = _time(case)
            if turn >= warm_up:
                timings[case.name].wall_ms.append(wall_ms)
                timings[case.name].cpu_ms.append(cpu_ms)
    gc.unfreeze()
    return timings


def _time(case: Case) -> tuple[float, float]:
    given = case.prepare()
    wall, cpu = time.perf_counter_ns(), time.thread_time_ns()
    case.run(given)
    cpu, wall = time.thread_time_ns() - cpu, time.perf_counter_ns() - wall
    return wall / 1e6, cpu / 1e6


def disk_note(folder: Path, turns: int = 50) -> str:
    """Say how long this disk takes to make a page durable: every durable commit waits for it."""
    file = os.open(folder / "disk", os.O_WRONLY | os.O_CREAT)
    page = bytes(4096)
    taken = []
    for _ in range(turns):
        os.write(file, page)
        start = time.perf_counter_ns()
        os.fdatasync(file)
        taken.append((time.perf_counter_ns() - start) / 1e6)
    os.close(file)
    (folder / "disk").unlink()
    return f"One fdatasync takes {statistics.median(taken):.2f} ms here (median of {turns})."


def ratio(times: Sequence[float], base: Sequence[float]) -> float:
    """Compare two cases round by round; the median of the rounds is what counts."""
    return statistics.median(a / b for a, b in zip(times, base, strict=True))


# ── goals and tables ─────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Goal:
    """A bound that a figure should keep."""

    limit: float
    at_least: bool = False

    def met(self, figure: float) -> bool:
        """Compare a figure with the bound."""
        return figure >= self.limit if self.at_least else figure <= self.limit

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.limit:g}"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table; the figure, and the goal for it, stand at its end."""

    cells: tuple[str | float, ...]
    figure: float
    goal: Goal | None = None

    @property
    def mark(self) -> str:
        """Say whether the goal is met, where there is one."""
        if self.goal is None:
            return ""
        return "pass" if self.goal.met(self.figure) else "MISSED"


@dataclass(slots=True)
class Table:
    """What one measurement found."""

    title: str
    columns: tuple[str, ...]
    rows: list[Row] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    def add(self, *cells: str | float, figure: float, goal: Goal | None = None) -> None:
        """Add a line."""
        self.rows.append(Row(cells, figure, goal))

    def __str__(self) -> str:
        lines = [
            (*self.columns, "goal", ""),
            *(
                (*map(_text, (*row.cells, row.figure)), str(row.goal or ""), row.mark)
                for row in self.rows
            ),
        ]
        widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
        body = [_line(line, widths) for line in lines]
        rule = "  ".join("-" * width for width in widths).rstrip()
        notes = ["", *self.notes] if self.notes else []
        return "\n".join([self.title, "", body[0], rule, *body[1:], *notes, ""])

    def document(self) -> dict[str, Any]:
        """Give the table as values, for a file."""
        return {
            "title": self.title,
            "rows": [
                {
                    **dict(zip(self.columns, (*row.cells, row.figure), strict=True)),
                    "goal": str(row.goal) if row.goal else None,
                    "met": row.goal.met(row.figure) if row.goal else None,
                }
                for row in self.rows
            ],
            "notes": list(self.notes),
        }


def _text(cell: str | float) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int) or abs(cell) >= 1000:
        return f"{cell:,.0f}"
    return f"{cell:.3g}" if abs(cell) < 0.1 else f"{cell:.2f}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Set the first column, which names the row, to the left and the others to the right."""
    aligned = [
        cell.rjust(width) if place else cell.ljust(width)
        for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(aligned).rstrip()


def report(tables: Iterable[Table], file: Path | None) -> bool:
    """Print every table as it is ready, write them to a file; says whether every goal is met."""
    done = []
    for table in tables:
        print(table, flush=True)
        done.append(table)
    if file is not None:
        text = json.dumps([table.document() for table in done], indent=2, ensure_ascii=False)
        file.write_text(text + "\n", encoding="utf-8")
    marked = [row for table in done for row in table.rows if row.goal]
    missed = sum(row.mark == "MISSED" for row in marked)
    print(f"{len(marked) - missed} of {len(marked)} goals met")
    return not missed


def say(message: str) -> None:
    """Tell whoever waits what is happening."""
    print(f"  … {message}", file=sys.stderr, flush=True)
