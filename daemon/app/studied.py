"""What a study comes to before anything is run: points, folds, trials, and how long it takes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from daemon.app.asked_study import sampler
from daemon.clock import MICROS, iso
from daemon.errors import DaemonError, InputError
from daemon.market.params import Combinations, Params
from daemon.market.staircase import sweep
from daemon.search.studies.folds import folds
from daemon.search.suspicions import suspicions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from daemon.app.asked_study import AskedStudy
    from daemon.clock import Clock
    from daemon.market.quotes import Quotes
    from daemon.ports import QuoteBank
    from daemon.search.notes import Note
    from daemon.search.studies.folds import Fold

KEPT_S = 1.5e-3
"""What it costs to keep a trial."""

THOUGHT_S: Mapping[str, float] = {"tpe": 12e-3, "gp": 30e-3, "cmaes": 1e-3, "nsga2": 3e-3}
"""What a sampler takes for a proposal once it has something to learn from; others next to nothing.
"""

START_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFold:
    """The rows of a fold, of one symbol."""

    fold: int
    symbol: str
    train: range
    test: range
    train_at: tuple[str, str] | None
    """The first and the last moment; None where the timestamps are no moments."""
    test_at: tuple[str, str] | None

    def row(self) -> tuple[Any, ...]:
        """Give it as a row: rows count from 1."""
        return (
            self.fold,
            self.symbol,
            len(self.train),
            *_ends(self.train, self.train_at),
            len(self.test),
            *_ends(self.test, self.test_at),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPlanning:
    """What a study comes to."""

    COLUMNS: ClassVar[tuple[str, ...]] = (
        *("fold", "symbol", "train_rows", "train_first", "train_last"),
        *("train_from_at", "train_to_at"),
        *("test_rows", "test_first", "test_last", "test_from_at", "test_to_at"),
    )
    """What the columns of its rows are called."""

    asked: AskedStudy
    cells: int | None
    """Points that can be proposed; None where an axis has no steps."""
    folds: tuple[PlannedFold, ...]
    fold_count: int
    trials: int | None
    """Of each fold, at most; None where only time limits them."""
    seconds: float | None
    """How long it takes on this machine, about; None where only time limits it."""
    notes: tuple[Note, ...]

    def document(self) -> dict[str, Any]:
        """Say it as JSON can hold it."""
        wanted = self.asked.wanted
        total = None if self.trials is None else self.trials * self.fold_count
        return {
            "name": wanted.name,
            "sampler": wanted.sampler.kind,
            "objectives": [
                {"metric": one.metric, "direction": one.direction} for one in wanted.aim.objectives
            ],
            "axes": [axis.name for axis in wanted.domain.axes],
            "cells": self.cells,
            "folds": self.fold_count,
            "trials_per_fold": self.trials,
            "trials": total,
            "batch": wanted.batch,
            "minutes": wanted.budget.minutes,
            "seed": wanted.seed,
            "seconds": self.seconds,
            "notes": [note.document() for note in self.notes],
        }

    def rows(self) -> list[tuple[Any, ...]]:
        """Give the folds as rows."""
        return [one.row() for one in self.folds]


def planning(bank: QuoteBank, clock: Clock, asked: AskedStudy) -> StudyPlanning:
    """Look at a study, and at its quotes.

    Raises:
        InputError: the quotes do not hold, or are too few for its folds.
        MissingExtra: its sampler needs a library that is not installed.
    """
    wanted = asked.wanted
    held: dict[str, tuple[Quotes, tuple[Fold, ...]]] = {}
    notes: list[Note] = []
    for one in wanted.data:
        quotes = bank.load(one.path, skip_bad_rows=wanted.skip_bad_rows).quotes
        try:
            held[one.symbol] = (quotes, folds(len(quotes), wanted.scheme))
        except ValueError as error:
            hint = "fewer or smaller folds in `walk_forward`, or more data"
            raise InputError(f"{one.path}: {error}", hint=hint) from None
        notes += _doubts(asked, one.symbol, quotes)
    cells = wanted.domain.cells
    trials = wanted.budget.trials
    if trials is not None and cells is not None:
        trials = min(trials, cells)
    parts = [parts for _, parts in held.values()]
    found = [
        PlannedFold(
            fold=part.number,
            symbol=symbol,
            train=part.train,
            test=part.test,
            train_at=_moments(quotes, part.train),
            test_at=_moments(quotes, part.test),
        )
        for symbol, (quotes, own) in held.items()
        for part in own
    ]
    return StudyPlanning(
        asked=asked,
        cells=cells,
        folds=tuple(sorted(found, key=lambda one: (one.fold, one.symbol))),
        fold_count=len(parts[0]),
        trials=trials,
        seconds=_seconds(clock, asked, held, trials),
        notes=tuple(notes),
    )


def _doubts(asked: AskedStudy, symbol: str, quotes: Quotes) -> Iterator[Note]:
    """Say what the quotes make one doubt; of the ends of axes nobody expects that they trade."""
    several = len(asked.wanted.data) > 1
    for note in suspicions(asked.loaded.corners(), quotes):
        if note.code != "values-never-trade":
            yield replace(note, text=f"{symbol}: {note.text}") if several else note


def _moments(quotes: Quotes, rows: range) -> tuple[str, str] | None:
    if quotes.at_us is None or not rows:
        return None
    return iso(int(quotes.at_us[rows[0]])), iso(int(quotes.at_us[rows[-1]]))


def _ends(rows: range, moments: tuple[str, str] | None) -> tuple[Any, ...]:
    first, last = (rows[0] + 1, rows[-1] + 1) if rows else (None, None)
    return (first, last, *(moments or (None, None)))


def _seconds(
    clock: Clock,
    asked: AskedStudy,
    held: Mapping[str, tuple[Quotes, Sequence[Fold]]],
    trials: int | None,
) -> float | None:
    """Say how long it takes: what one batch took just now, as often as there are batches."""
    wanted = asked.wanted
    proposer = sampler(wanted.sampler, wanted.domain, wanted.aim, wanted.seed)
    points = proposer.ask(wanted.batch, 0)
    if trials is None or not points:
        return None
    params = [wanted.domain.params(point, wanted.fixed) for point in points]
    try:
        combinations = Combinations.of([Params(**values) for values in params])  # type: ignore[arg-type]
    except ValueError as error:
        raise DaemonError(f"study {wanted.name}: {error}") from error
    total = START_S
    count = max(len(own) for _, own in held.values())
    for quotes, own in held.values():
        part = quotes.part(slice(own[-1].train.start, own[-1].train.stop))
        began_us = clock.elapsed_us()
        sweep(part, combinations)
        a_row_s = (clock.elapsed_us() - began_us) / MICROS / max(len(part), 1)
        rows = sum(len(one.train) + len(one.test) for one in own)
        total += a_row_s * rows * math.ceil(trials / len(points))
    return total + trials * count * (KEPT_S + THOUGHT_S.get(wanted.sampler.kind, 0.0))
