"""Results of backtests and the jobs they belong to: written by the thousand, read in order.

Rows are handed over as columns and go to the driver as they are, past the layer
that would make a dictionary of each. A key that is there already stays as it is:
however often a result is delivered, there is one of it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.market.metrics import NAMES
from daemon.store import bulk
from daemon.store.bulk import Into

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from daemon.store.store import Tx

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

COLUMNS = NAMES[:8]
"""Metrics that are columns of `results`; all others stand in its column `metrics`, as JSON."""

OTHERS = NAMES[8:]

COUNTED = frozenset(name for name in COLUMNS if name.endswith("_trades"))

DONE, FAILED = "done", "failed"
SUCCESS, ERROR = "success", "error"

PAGE = 4_096
"""Rows that are read at once."""


# ── writing ──────────────────────────────────────────────────────────────────
@dataclass(slots=True, kw_only=True)
class NewResults:
    """Results to be written: an element a result."""

    at_us: int
    engine_version: str
    data_digest: str
    keys: Sequence[str] = ()
    params: Sequence[str] = ()
    """As JSON."""
    figures: Sequence[Sequence[float | None]] = ()
    """A sequence for each of `COLUMNS`."""
    metrics: Sequence[str] = ()
    """All others, as JSON."""
    runtime_s: Sequence[float | None] = ()


@dataclass(slots=True, kw_only=True)
class NewErrors:
    """Why jobs failed: an element a job."""

    at_us: int
    engine_version: str
    data_digest: str
    keys: list[str] = field(default_factory=list)
    params: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class NewJobs:
    """Jobs of a session that are finished: an element a job."""

    session_id: int
    state: str
    n: Sequence[int] = ()
    job_ids: Sequence[str] = ()
    params: Sequence[str] = ()
    """What differs between them, as JSON."""
    outputs: Sequence[str | None] = ()
    attempts: Sequence[int] = ()
    keys: Sequence[str] = ()


_FIXED = ("key", "at_us", "engine_version", "data_digest", "params", "status")
_RESULTS = Into(
    "results",
    (*_FIXED, "error", *COLUMNS, "metrics", "runtime_seconds"),
    (
        *("text", "bigint", "text", "text", "jsonb", "text", "text"),
        *("bigint" if name in COUNTED else "float8" for name in COLUMNS),
        *("jsonb", "float8"),
    ),
)
_JOBS = Into(
    "jobs",
    ("session_id", "n", "job_id", "state", "params", "output_json", "attempts", "result_key"),
    ("bigint", "bigint", "text", "text", "jsonb", "text", "bigint", "text"),
)


def add(tx: Tx, new: NewResults) -> None:
    """Write results; those that are there stay as they are.

    They go in by key, so that two who write the same ones wait for each other in one order.
    """
    if not new.keys:
        return
    rows = zip(
        new.keys,
        repeat(new.at_us),
        repeat(new.engine_version),
        repeat(new.data_digest),
        new.params,
        repeat(SUCCESS),
        repeat(None),
        *new.figures,
        new.metrics,
        new.runtime_s,
    )
    bulk.insert(tx, _RESULTS, sorted(rows))


def add_errors(tx: Tx, new: NewErrors) -> None:
    """Write down why jobs failed."""
    count = len(COLUMNS) + 2
    rows = [
        (key, new.at_us, new.engine_version, new.data_digest, params, ERROR, why, *[None] * count)
        for key, params, why in zip(new.keys, new.params, new.errors, strict=True)
    ]
    if rows:
        bulk.insert(tx, _RESULTS, sorted(rows))


def add_jobs(tx: Tx, new: NewJobs) -> int:
    """Write jobs that are finished; returns how many of them were not before."""
    if not new.n:
        return 0
    rows = zip(
        repeat(new.session_id),
        new.n,
        new.job_ids,
        repeat(new.state),
        new.params,
        new.outputs or repeat(None),
        new.attempts or repeat(1),
        new.keys,
    )
    return bulk.insert(tx, _JOBS, list(rows))


# ── what is there already ────────────────────────────────────────────────────
_KNOWN = {
    "sqlite": "SELECT {0} FROM results WHERE status = 'success'"
    " AND key IN (SELECT value FROM json_each(?))",
    "postgresql": "SELECT {0} FROM results WHERE status = 'success' AND key = ANY(%s::text[])",
}
_READ = ", ".join(("key", *COLUMNS, "metrics", "runtime_seconds"))


def known(tx: Tx, keys: Sequence[str]) -> set[str]:
    """Say which of these results are there."""
    return {row[0] for row in _of(tx, "key", keys)}


def read(tx: Tx, keys: Sequence[str]) -> dict[str, Figures]:
    """Read those of these results that are there, by key."""
    return {
        row[0]: Figures(row[1:-2], bulk.json_of(row[-2]), row[-1]) for row in _of(tx, _READ, keys)
    }


def _of(tx: Tx, what: str, keys: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    for start in range(0, len(keys), PAGE):
        part = list(keys[start : start + PAGE])
        given = json.dumps(part) if tx.dialect.name == "sqlite" else part
        yield from bulk.read(tx, _KNOWN[tx.dialect.name].format(what), (given,))


def numbers(tx: Tx, session_id: int, state: str) -> list[int]:
    """Give the numbers of all jobs in a state, in order."""
    query = "SELECT n FROM jobs WHERE session_id = {0} AND state = {0} ORDER BY n"
    return [row[0] for row in bulk.read(tx, query, (session_id, state))]


def finished(tx: Tx, session_id: int, first: int, last: int) -> list[int]:
    """Give the numbers of the jobs from first to last that are finished, in order."""
    query = "SELECT n FROM jobs WHERE session_id = {0} AND n BETWEEN {0} AND {0} ORDER BY n"
    return [row[0] for row in bulk.read(tx, query, (session_id, first, last))]


# ── reading ──────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Figures:
    """What a backtest brought."""

    columns: Sequence[float | None]
    """A value for each of `COLUMNS`."""
    others: Mapping[str, Any]
    runtime_s: float | None

    def document(self) -> dict[str, Any]:
        """Give all metrics by name; what means nothing is None."""
        return {**dict(zip(COLUMNS, self.columns, strict=True)), **self.others}


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job that is finished, and what came of it."""

    n: int
    job_id: str
    state: str
    own: Mapping[str, Any]
    """What differs between the jobs of its session."""
    params: Mapping[str, Any]
    """All of its parameters; as they were written, where the engine refused them."""
    output_json: str | None
    attempts: int
    error: str | None
    figures: Figures | None
    """None if it failed."""


_FIGURES = ", ".join(f"r.{name}" for name in (*COLUMNS, "metrics", "runtime_seconds"))
_JOINED = (
    "SELECT j.n, j.job_id, j.state, j.params, j.output_json, j.attempts, r.params, r.error,"  # noqa: S608 - names of ours
    f" {_FIGURES} FROM jobs j JOIN results r ON r.key = j.result_key"
    " WHERE j.session_id = {0} AND j.n > {0}"
)


def page(tx: Tx, session_id: int, after: int, limit: int = PAGE) -> list[JobRow]:
    """Read jobs in order, from behind a number."""
    query = f"{_JOINED} ORDER BY j.n LIMIT {{0}}"
    return [_job(row) for row in bulk.read(tx, query, (session_id, after, limit))]


def failures(tx: Tx, session_id: int, first: int, last: int, limit: int = -1) -> list[JobRow]:
    """Read the jobs from first to last that failed, in order; the first of them, or all."""
    query = f"{_JOINED} AND j.n <= {{0}} AND j.state = 'failed' ORDER BY j.n"
    query += "" if limit < 0 else f" LIMIT {limit}"
    return [_job(row) for row in bulk.read(tx, query, (session_id, first - 1, last))]


def chosen(tx: Tx, session_id: int, wanted: Sequence[int]) -> dict[int, JobRow]:
    """Read some jobs, by number."""
    found: dict[int, JobRow] = {}
    for start in range(0, len(wanted), PAGE):
        part = [int(n) for n in wanted[start : start + PAGE]]
        sqlite = tx.dialect.name == "sqlite"
        among = "(SELECT value FROM json_each(?))" if sqlite else "(SELECT unnest(%s::bigint[]))"
        given = json.dumps(part) if sqlite else part
        rows = bulk.read(tx, f"{_JOINED} AND j.n IN {among}", (session_id, 0, given))
        found |= {row[0]: _job(row) for row in rows}
    return found


def everything(tx: Tx, session_id: int) -> tuple[list[int], list[Figures]]:
    """Read what all jobs of a session brought that succeeded: their numbers, and their figures."""
    query = (
        f"SELECT j.n, {_FIGURES} FROM jobs j JOIN results r ON r.key = j.result_key"  # noqa: S608 - names of ours
        " WHERE j.session_id = {0} AND j.state = 'done' ORDER BY j.n"
    )
    rows = bulk.read(tx, query, (session_id,))
    return [row[0] for row in rows], [
        Figures(row[1:-2], bulk.json_of(row[-2]), row[-1]) for row in rows
    ]


def column(tx: Tx, session_id: int, name: str) -> tuple[Ints, Floats]:
    """Read one metric of all jobs of a session that succeeded: their numbers, and the metric."""
    return _columns(tx, session_id, 0, (_metric(tx, name),), 2**62)


def checked(tx: Tx, session_id: int, after: int, limit: int) -> tuple[Ints, Floats]:
    """Read jobs in order, from behind a number: their numbers, and a row of `COLUMNS` for each.

    A job that failed has nothing but NaN.
    """
    what = tuple(f"r.{name}" for name in COLUMNS)
    return _columns(tx, session_id, after, what, limit, "")


def _columns(
    tx: Tx,
    session_id: int,
    after: int,
    what: tuple[str, ...],
    limit: int,
    which: str = "AND j.state = 'done'",
) -> tuple[Ints, Floats]:
    query = (
        f"SELECT j.n, {', '.join(what)} FROM jobs j JOIN results r ON r.key = j.result_key"  # noqa: S608 - names of ours
        f" WHERE j.session_id = {{0}} AND j.n > {{0}} {which} ORDER BY j.n LIMIT {{0}}"
    )
    rows = bulk.read(tx, query, (session_id, after, limit))
    found = np.array(rows, np.float64).reshape(-1, 1 + len(what))  # what is nothing becomes NaN
    return found[:, 0].astype(np.int64), np.ascontiguousarray(found[:, 1:])


def _metric(tx: Tx, name: str) -> str:
    """Write what reads a metric, as a number."""
    if name not in NAMES:
        raise ValueError(f"there is no metric {name}")
    if name in COLUMNS:
        return f"r.{name}"
    inside = f"(r.metrics ->> '{name}')"
    if tx.dialect.name == "sqlite":
        return inside
    return f"{inside}::boolean::int" if name == "stopped" else f"{inside}::float8"


def _job(row: tuple[Any, ...]) -> JobRow:
    n, job_id, state, own, output, attempts, params, error = row[:8]
    figures = None
    if error is None:
        figures = Figures(row[8:-2], bulk.json_of(row[-2]) or {}, row[-1])
    return JobRow(
        n, job_id, state, bulk.json_of(own), bulk.json_of(params), output, attempts, error, figures
    )


# ── taking back ──────────────────────────────────────────────────────────────
def forget_failures(tx: Tx, session_id: int, first: int, last: int) -> int:
    """Take back that jobs from first to last have failed; returns how many had."""
    mine = (session_id, first, last)
    of = "FROM jobs WHERE session_id = {0} AND n BETWEEN {0} AND {0} AND state = 'failed'"
    keys = [row[:1] for row in bulk.read(tx, f"SELECT result_key {of}", mine)]
    mark = "?" if tx.dialect.name == "sqlite" else "%s"
    tx.exec_driver_sql(f"DELETE {of}".format(mark), mine)
    if keys:
        own = f"DELETE FROM results WHERE status = 'error' AND key = {mark}"  # noqa: S608 - a mark
        tx.exec_driver_sql(own, keys)
    return len(keys)


def any_of(tx: Tx, data_digest: str) -> bool:
    """Tell whether there is any result of some data."""
    query = "SELECT 1 FROM results WHERE data_digest = {0} AND status = 'success' LIMIT 1"
    return bool(bulk.read(tx, query, (data_digest,)))
