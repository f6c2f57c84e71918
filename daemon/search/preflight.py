"""A session before it runs: how large it is, what it costs, and what is probably not meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daemon.search.costs import costs_of
from daemon.search.doubts import cut_off, doubts, repeated
from daemon.search.notes import Note, plural
from daemon.search.plan import Plan
from daemon.search.suspicions import suspicions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from daemon.market.quotes import Quotes
    from daemon.search.plan import Planned

ROWS_MAX = 50_000
"""Jobs up to which each one is a row, if nobody says otherwise."""


@dataclass(frozen=True, slots=True)
class Preflight:
    """What is known of a session before it runs."""

    cells: int
    """Combinations of the grids."""
    jobs: int
    """Those that are run."""
    duplicates: int
    """What was written more than once: values of grids, or jobs of a file."""
    lists: int
    """Distinct lists of trades, at most: what the time grows with."""
    seconds: float | None
    """On one core, without reading the file; None where there were no quotes to look at."""
    disk_bytes: int
    notes: tuple[Note, ...]

    @property
    def sound(self) -> bool:
        """Whether it can be run at all."""
        return all(note.severity != "error" for note in self.notes)

    def document(self) -> dict[str, Any]:
        """Say it as JSON can hold it."""
        return {
            "cells": self.cells,
            "jobs": self.jobs,
            "duplicates": self.duplicates,
            "distinct_lists": self.lists,
            "seconds": self.seconds,
            "disk_bytes": self.disk_bytes,
            "notes": [note.document() for note in self.notes],
        }


def look(planned: Planned, quotes: Quotes | None = None, *, rows_max: int = ROWS_MAX) -> Preflight:
    """Look at a session before it runs, and at its quotes where they are at hand.

    No job is written out for it: a plan of 10^12 is looked at as fast as one of 10.
    """
    rows = None if quotes is None else len(quotes)
    costs = costs_of(planned, rows, rows_max)
    return Preflight(
        cells=planned.cells,
        jobs=planned.jobs,
        duplicates=planned.duplicates,
        lists=costs.lists,
        seconds=costs.seconds,
        disk_bytes=costs.disk_bytes,
        notes=tuple(_notes(planned, quotes)),
    )


def _notes(planned: Planned, quotes: Quotes | None) -> Iterator[Note]:
    yield from doubts(planned)
    if isinstance(planned, Plan):
        yield from repeated(planned)
        yield from cut_off(planned)
    elif planned.duplicates:
        repeat = "repeats" if planned.duplicates == 1 else "repeat"
        text = f"{plural(planned.duplicates, 'job')} of the file {repeat} the parameters of another"
        text += " one"
        yield Note("duplicate-job", text, "each is computed once, and ranked under every name")
    if quotes is not None:
        yield from suspicions(planned, quotes)
