"""What became of an import and of an export, file by file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from daemon.errors import Problem

if TYPE_CHECKING:
    from pathlib import Path

OnProgress = Callable[[str, int], None]
"""Called with the name of a file and the number of its lines or rows done so far."""

MAX_PROBLEMS = 1_000
"""How many bad lines of a file are listed; all of them are counted."""


@dataclass(slots=True)
class FileReport:
    """What became of one file.

    A line of `metrics.csv` of which only some cells are bad counts twice: its
    good cells went in. One without any value counts as read and no more.
    """

    kind: str
    path: Path
    lines: int = 0
    imported: int = 0
    known: int = 0
    bad: int = 0
    problems: list[Problem] = field(default_factory=list)
    refused: str | None = None

    def reject(self, line: int, reason: str, *, key: str | None = None) -> None:
        """Count a bad line, and list it while the list is not full."""
        self.bad += 1
        self.list(line, reason, key=key)

    def list(self, line: int, reason: str, *, key: str | None = None) -> None:
        """List one thing wrong with a line."""
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(reason, str(self.path), line, key))

    def refuse(self, reason: str, *, line: int | None = None) -> None:
        """Say that the file, or the rest of it, cannot be read at all."""
        self.refused = reason
        self.problems.append(Problem(reason, str(self.path), line))


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of a directory: one report for each file that was there."""

    files: tuple[FileReport, ...]

    @property
    def imported(self) -> int:
        """Lines that went in."""
        return sum(file.imported for file in self.files)

    @property
    def known(self) -> int:
        """Lines that were in before."""
        return sum(file.known for file in self.files)

    @property
    def bad(self) -> int:
        """Lines that could not be taken, or not whole."""
        return sum(file.bad for file in self.files)

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything listed, file by file."""
        return tuple(problem for file in self.files for problem in file.problems)

    @property
    def refused(self) -> tuple[FileReport, ...]:
        """Files that could not be read, or not to their end."""
        return tuple(file for file in self.files if file.refused)


@dataclass(frozen=True, slots=True)
class ExportedFile:
    """One file that was written."""

    kind: str
    path: Path
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ExportReport:
    """The files that were written; a kind without rows has none."""

    directory: Path
    files: tuple[ExportedFile, ...]

    @property
    def rows(self) -> int:
        """Rows in all files."""
        return sum(file.rows for file in self.files)
