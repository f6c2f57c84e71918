"""Trials of studies: asked for in batches, answered in batches, read back in order."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from daemon.store import bulk
from daemon.store.bulk import Into
from daemon.store.types import written

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from daemon.store.store import Tx

ASKED, DONE, PRUNED, FAILED = "asked", "done", "pruned", "failed"

PAGE = 4_096
"""Rows that are read at once."""


# ── asking ───────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True, kw_only=True)
class NewTrial:
    """What is to be tried."""

    n: int
    params: Mapping[str, Any]
    """The point of the domain."""
    cell: str
    """What names the point."""


_TRIAL = Into(
    "trials",
    ("study_id", "n", "fold", "batch", "state", "params", "cell"),
    ("bigint", "bigint", "bigint", "bigint", "text", "jsonb", "text"),
)


def ask(tx: Tx, study_id: int, fold: int, batch: int, new: Sequence[NewTrial]) -> int:
    """Write down what is to be tried; returns how much of it was not there yet."""
    rows = [
        (study_id, one.n, fold, batch, ASKED, str(written(dict(one.params))), one.cell)
        for one in new
    ]
    return bulk.insert(tx, _TRIAL, rows)


# ── answering ────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a trial."""

    n: int
    state: str
    known: bool = False
    """Nobody had to evaluate it: its results were there."""
    values: Sequence[float] | None = None
    """What it brought, an element an objective; None if it brought nothing that counts."""
    violation: float | None = None
    error: str | None = None


class Link(NamedTuple):
    """Which result a trial has, for a symbol and a part of its rows."""

    n: int
    symbol: str
    part: str
    result_key: str


_LINK = Into(
    "trial_results",
    ("study_id", "n", "symbol", "part", "result_key"),
    ("bigint", "bigint", "text", "text", "text"),
)


def unanswered(tx: Tx, study_id: int, numbers: Sequence[int]) -> set[int]:
    """Say which of some trials have no answer yet: what is written twice is counted once."""
    query = (
        "SELECT n FROM trials WHERE study_id = {0} AND n BETWEEN {0} AND {0} AND state = 'asked'"
    )
    span = (min(numbers), max(numbers))
    return {n for (n,) in bulk.read(tx, query, (study_id, *span))} & set(numbers)


def answer(tx: Tx, study_id: int, answers: Sequence[Answer]) -> None:
    """Write down what became of trials that were asked for; what has an answer keeps it."""
    cast = "{0}" if tx.dialect.name == "sqlite" else "{0}::jsonb"
    rows = [
        (
            one.state,
            int(one.known),
            None if one.values is None else one.values[0],
            _objectives(one.values),
            one.violation,
            one.error,
            study_id,
            one.n,
        )
        for one in answers
    ]
    bulk.each(
        tx,
        f"UPDATE trials SET state = {{0}}, known = {{0}}, value = {{0}}, objectives = {cast},"  # noqa: S608 - words of ours
        " violation = {0}, error = {0} WHERE study_id = {0} AND n = {0} AND state = 'asked'",
        rows,
    )


def _objectives(values: Sequence[float] | None) -> str | None:
    """Write several values as JSON; one alone has its column."""
    several = values is not None and len(values) > 1
    return json.dumps(list(values or ())) if several else None


def link(tx: Tx, study_id: int, links: Sequence[Link]) -> None:
    """Write down which results trials have."""
    bulk.insert(tx, _LINK, [(study_id, *one) for one in sorted(links)])


def put_oos(tx: Tx, study_id: int, found: Sequence[tuple[int, float | None]]) -> None:
    """Write down what trials brought on rows that nothing was chosen on."""
    bulk.each(
        tx,
        "UPDATE trials SET oos_value = {0} WHERE study_id = {0} AND n = {0}",
        [(value, study_id, n) for n, value in found],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPlace:
    """Where a trial stands among those of its fold."""

    n: int
    rank: int | None = None
    oos_rank: int | None = None
    robust_rank: int | None = None
    robust_score: float | None = None


def put_places(tx: Tx, study_id: int, places: Sequence[TrialPlace]) -> None:
    """Write down where trials stand, over what was there."""
    bulk.each(
        tx,
        "UPDATE trials SET rank = NULL, oos_rank = NULL, robust_rank = NULL, robust_score = NULL"
        " WHERE study_id = {0}",
        [(study_id,)],
    )
    bulk.each(
        tx,
        "UPDATE trials SET rank = {0}, oos_rank = {0}, robust_rank = {0}, robust_score = {0}"
        " WHERE study_id = {0} AND n = {0}",
        [
            (one.rank, one.oos_rank, one.robust_rank, one.robust_score, study_id, one.n)
            for one in places
        ],
    )


# ── reading ──────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class TrialRow:
    """A trial as it stands."""

    n: int
    fold: int
    batch: int
    state: str
    params: Mapping[str, Any]
    """The point of the domain."""
    cell: str
    known: bool
    value: float | None
    objectives: Sequence[float] | None
    """What it brought where several things are wanted; None where it is one."""
    violation: float | None
    oos_value: float | None
    rank: int | None
    oos_rank: int | None
    robust_rank: int | None
    robust_score: float | None
    error: str | None

    @property
    def values(self) -> Sequence[float] | None:
        """What it brought, an element an objective; None if it brought nothing that counts."""
        if self.objectives is not None:
            return [float(value) for value in self.objectives]
        return None if self.value is None else [self.value]


_COLUMNS = (
    "n, fold, batch, state, params, cell, known, value, objectives, violation, oos_value,"
    " rank, oos_rank, robust_rank, robust_score, error"
)


def of_fold(tx: Tx, study_id: int, fold: int) -> list[TrialRow]:
    """Read the trials of a fold, in the order in which they were asked for."""
    query = f"SELECT {_COLUMNS} FROM trials WHERE study_id = {{0}} AND fold = {{0}} ORDER BY n"  # noqa: S608 - words of ours
    return [_row(row) for row in bulk.read(tx, query, (study_id, fold))]


def page(tx: Tx, study_id: int, after: int, limit: int = PAGE) -> list[TrialRow]:
    """Read trials in order, from behind a number."""
    query = (
        f"SELECT {_COLUMNS} FROM trials WHERE study_id = {{0}} AND n > {{0}}"  # noqa: S608 - same
        " ORDER BY n LIMIT {0}"
    )
    return [_row(row) for row in bulk.read(tx, query, (study_id, after, limit))]


def get(tx: Tx, study_id: int, n: int) -> TrialRow | None:
    """Read a trial."""
    query = f"SELECT {_COLUMNS} FROM trials WHERE study_id = {{0}} AND n = {{0}}"  # noqa: S608 - same
    found = bulk.read(tx, query, (study_id, n))
    return _row(found[0]) if found else None


def best(tx: Tx, study_id: int, fold: int, limit: int) -> list[TrialRow]:
    """Read the trials of a fold that have a place, the best first."""
    query = (
        f"SELECT {_COLUMNS} FROM trials WHERE study_id = {{0}} AND fold = {{0}}"  # noqa: S608 - same
        " AND rank IS NOT NULL ORDER BY rank, n LIMIT {0}"
    )
    return [_row(row) for row in bulk.read(tx, query, (study_id, fold, limit))]


def failures(tx: Tx, study_id: int, limit: int) -> list[TrialRow]:
    """Read the first trials that failed."""
    query = (
        f"SELECT {_COLUMNS} FROM trials WHERE study_id = {{0}} AND state = 'failed'"  # noqa: S608 - same
        " ORDER BY n LIMIT {0}"
    )
    return [_row(row) for row in bulk.read(tx, query, (study_id, limit))]


def links(tx: Tx, study_id: int, part: str) -> dict[tuple[int, str], str]:
    """Read which results trials have of a part: by number and symbol, the key."""
    query = "SELECT n, symbol, result_key FROM trial_results WHERE study_id = {0} AND part = {0}"
    return {(n, symbol): key for n, symbol, key in bulk.read(tx, query, (study_id, part))}


def links_between(tx: Tx, study_id: int, first_n: int, last_n: int) -> list[Link]:
    """Read which results trials from first to last have."""
    query = (
        "SELECT n, symbol, part, result_key FROM trial_results"
        " WHERE study_id = {0} AND n BETWEEN {0} AND {0} ORDER BY n, symbol, part"
    )
    return [Link(*row) for row in bulk.read(tx, query, (study_id, first_n, last_n))]


def _row(row: tuple[Any, ...]) -> TrialRow:
    n, fold, batch, state, params, cell, known, value, objectives, *others = row
    told = (bulk.json_of(params), cell, bool(known), value, bulk.json_of(objectives))
    return TrialRow(n, fold, batch, state, *told, *others)
