"""Walk-forward: which rows a search may see, and which ones then judge what it chose.

The last rows are cut into as many test stretches as there are folds, one behind
the other, each of the same share of all rows. What lies before a test stretch is
what its fold is searched on: all of it (*anchored*), or always as many rows as the
first fold has (*rolling*). Nothing that comes after a fold's training is ever seen
by its search. At the seam rows may be left out on either side: *purged* ones at the
end of the training, so that no trade that is open there reaches into the test, and
*embargoed* ones at the beginning of the test, which still remember the training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

TRAIN_MIN, TEST_MIN = 50, 20
"""Fewer rows say nothing."""

FOLDS_MAX = 100


class Kind(StrEnum):
    """Where the training of a fold begins."""

    ANCHORED = "anchored"
    """With the first row, always."""
    ROLLING = "rolling"
    """So that every fold is trained on equally many rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """How rows are parted into training and tests.

    Raises:
        ValueError: a number makes no sense; the message says which and why.
    """

    kind: str = Kind.ANCHORED.value
    folds: int = 1
    test_share: float = 0.25
    """Of all rows, for each fold."""
    purge_rows: int = 0
    """Left out at the end of every training."""
    embargo_rows: int = 0
    """Left out at the beginning of every test."""

    def __post_init__(self) -> None:
        if self.kind not in {*Kind}:
            raise ValueError(f"kind is {self.kind!r}: it can be {' or '.join(Kind)}")
        if not 1 <= self.folds <= FOLDS_MAX:
            raise ValueError(f"folds is {self.folds}: it must be from 1 to {FOLDS_MAX}")
        if not (math.isfinite(self.test_share) and 0 < self.test_share < 1):
            raise ValueError(f"test_share is {self.test_share}: it must lie between 0 and 1")
        if self.folds * self.test_share >= 1:
            raise ValueError(
                f"{self.folds} folds that test {self.test_share:g} of the rows each"
                " leave none to train on: fewer folds, or a smaller test_share"
            )
        for name in ("purge_rows", "embargo_rows"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}: it must be zero or more")


@dataclass(frozen=True, slots=True)
class Fold:
    """What one search sees, and what it is judged on."""

    number: int
    """From 1 on, in order of time."""
    train: range
    test: range
    """Empty where all rows are training."""


def folds(rows: int, scheme: Scheme | None) -> tuple[Fold, ...]:
    """Part rows; without a scheme there is one fold, which sees all of them.

    Raises:
        ValueError: there are too few rows; the message says for what.
    """
    if scheme is None:
        _enough(rows, TRAIN_MIN, f"all {rows} rows are for training")
        return (Fold(1, range(rows), range(rows, rows)),)
    size = int(scheme.test_share * rows)
    first = rows - scheme.folds * size
    found = []
    for number in range(1, scheme.folds + 1):
        border = first + (number - 1) * size
        begin = border - first if scheme.kind == Kind.ROLLING else 0
        train = range(begin, max(begin, border - scheme.purge_rows))
        test = range(min(border + scheme.embargo_rows, border + size), border + size)
        found.append(Fold(number, train, test))
        _enough(len(train), TRAIN_MIN, _told(rows, scheme, number, f"{len(train)} to train on"))
        _enough(len(test), TEST_MIN, _told(rows, scheme, number, f"{len(test)} to be tested on"))
    return tuple(found)


def _told(rows: int, scheme: Scheme, number: int, left: str) -> str:
    """Say what is left of the rows for a fold, and what took the others."""
    parts = [f"{scheme.folds} x {scheme.test_share:g} for tests"]
    parts += [f"{scheme.purge_rows} purged"] if scheme.purge_rows else []
    parts += [f"{scheme.embargo_rows} embargoed"] if scheme.embargo_rows else []
    return f"of {rows} rows ({', '.join(parts)}) fold {number} has {left}"


def _enough(rows: int, least: int, said: str) -> None:
    if rows < least:
        raise ValueError(f"{said}: at least {least} are needed")
