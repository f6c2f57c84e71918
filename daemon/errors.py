"""Every error a user can meet, and the exit code it ends with.

    DaemonError                    1   something failed
    ├── ConfigError               78   what the operator wrote does not hold; carries every problem
    ├── InputError                 2   a file or value handed to a command is missing or malformed
    ├── StoreError                 1   the database could not do what was asked
    │   ├── StoreUnavailable      74   it cannot be reached, opened or written
    │   │   └── StoreBroken       74   the disk refused what was to be kept: this process must end
    │   ├── SchemaMismatch        78   its schema is older or newer than this program
    │   └── TamperedHistory        1   a row of the history was altered, removed or reordered
    ├── NotLeader                 75   another process leads, or has taken over
    └── MissingExtra              78   the command needs an extra that is not installed

An error says what was wrong and where, and its hint says what to do about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class Exit(IntEnum):
    """What the exit code of a command means; scripts rely on these numbers."""

    DONE = 0
    FAILED = 1
    INPUT = 2
    NOT_RUNNING = 3
    UNKNOWN = 4
    REFUSED = 5
    ROLLED_BACK = 6
    INCONCLUSIVE = 7
    TRY_AGAIN = 8
    UNVERIFIED = 9
    USAGE = 64
    IO = 74
    NOT_LEADER = 75
    CONFIG = 78


class DaemonError(Exception):
    """The root: a sentence for a person, what to do about it, and an exit code."""

    exit_code = Exit.FAILED

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong (or doubtful) in one place of one input."""

    reason: str
    file: str | None = None
    line: int | None = None
    key: str | None = None
    hint: str | None = None
    warning: bool = False

    def __str__(self) -> str:
        """Render as ``file:line: key: reason``."""
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        return ": ".join(part for part in (place, self.key, self.reason) if part)


class ConfigError(DaemonError):
    """What the operator wrote does not hold. All problems at once, not only the first."""

    exit_code = Exit.CONFIG
    where = "the configuration"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        shown = "\n".join(
            f"  {problem}" + (f"\n      hint: {problem.hint}" if problem.hint else "")
            for problem in self.problems
        )
        count = len(self.problems)
        noun = "problem" if count == 1 else "problems"
        super().__init__(f"{count} {noun} in {self.where}:\n{shown}")


class InputError(DaemonError):
    """A file or a value handed to a command is missing or malformed."""

    exit_code = Exit.INPUT


class StoreError(DaemonError):
    """The database could not do what was asked."""


class StoreUnavailable(StoreError):  # noqa: N818 - a state, and the word that operators search for
    """The database cannot be reached, opened or written."""

    exit_code = Exit.IO


class StoreBroken(StoreUnavailable):
    """The disk refused what was to be kept: nothing that this process knows can be relied on.

    A second attempt may succeed on pages that the first one lost, so there is none.
    """


class SchemaMismatch(StoreError):  # noqa: N818 - same
    """The schema in the database is older or newer than this program."""

    exit_code = Exit.CONFIG


class TamperedHistory(StoreError):  # noqa: N818 - same
    """A row of the append-only history was altered, removed or reordered."""


class NotLeader(DaemonError):  # noqa: N818 - same
    """Another process leads, or has taken over: this one may write no more."""

    exit_code = Exit.NOT_LEADER


class MissingExtra(DaemonError):  # noqa: N818 - same
    """The command needs an optional part that is not installed."""

    exit_code = Exit.CONFIG
