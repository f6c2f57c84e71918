"""What a session found, read back in order: alike whether it stands in rows or in blocks.

It is read part by part, so that a million jobs take no more memory than some
thousand; of one metric alone all jobs are read at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.market.metrics import NAMES
from daemon.search.plan import Plan
from daemon.search.spans import highest
from daemon.services.sweeping import rows
from daemon.services.sweeping.blocks import BLOCK, FAILED, JOB_ID, PARAMETERS, RUNTIME
from daemon.services.sweeping.record import Part, Record
from daemon.services.sweeping.single import NAMES as PARAMS
from daemon.store import result_blocks, results
from daemon.store.result_blocks import Block
from daemon.store.sessions import BLOCKS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from daemon.search.spans import Spans
    from daemon.store.result_blocks import Link
    from daemon.store.results import JobRow
    from daemon.store.sessions import Session
    from daemon.store.store import Store, Tx

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


def plan_of(session: Session) -> Plan | None:
    """Rebuild the grid of a session; None if its jobs were given one by one."""
    told = session.spec.get("plan") or {}
    return Plan.of(told) if told.get("kind") == "grid" else None


def tag_of(session: Session) -> str | None:
    """Say what the jobs of a session are tagged with."""
    tag: str | None = session.spec.get("tag_prefix")
    return tag


def grids_of(session: Session) -> tuple[str, ...]:
    """Name the parameters that differ between the jobs of a session."""
    return tuple(session.spec.get("grids") or ())


# ── part by part ─────────────────────────────────────────────────────────────
def parts(store: Store, session: Session) -> Iterator[Part]:
    """Read all finished jobs, in order."""
    return _blocks(store, session) if session.layout == BLOCKS else _pages(store, session)


def _pages(store: Store, session: Session) -> Iterator[Part]:
    after = 0
    while True:
        with store.read(patient=True) as view:
            page = results.page(view, session.id, after)
        if not page:
            return
        yield of_rows(page)
        after = page[-1].n


def of_rows(page: Sequence[JobRow]) -> Part:
    """Lay rows side by side."""
    documents = [{} if row.figures is None else row.figures.document() for row in page]
    return Part(
        numbers=[row.n for row in page],
        job_ids=[row.job_id for row in page],
        params={name: [row.params.get(name) for row in page] for name in PARAMS},
        metrics={name: [one.get(name) for one in documents] for name in NAMES},
        runtime_s=[None if row.figures is None else row.figures.runtime_s for row in page],
        errors=[row.error for row in page],
    )


def _blocks(store: Store, session: Session) -> Iterator[Part]:
    with store.read() as view:
        links = result_blocks.links(view, session.id)
    named = _naming(session)
    for link in links:
        yield _block(store, session, link, named)


def _block(
    store: Store,
    session: Session,
    link: Link,
    named: Callable[[int], str],
    only: Ints | None = None,
) -> Part:
    """Read a block, or only some of its jobs, by their numbers."""
    with store.read(patient=True) as view:
        data = result_blocks.data(view, link.key) or b""
        failed: list[JobRow] = []
        if link.failed:
            failed = results.failures(view, session.id, link.first_n, link.last_n)
    numbers = np.arange(link.first_n, link.last_n + 1) if only is None else only
    block = Block(data, link.jobs)
    columns = block if only is None else block.jobs(only - link.first_n)
    return _of_block(numbers.tolist(), columns, {row.n: row for row in failed}, named)


def _naming(session: Session) -> Callable[[int], str]:
    plan = plan_of(session)
    return str if plan is None else plan.job_id


def _of_block(
    numbers: list[int],
    columns: Mapping[str, NDArray[Any]],
    failed: Mapping[int, JobRow],
    named: Callable[[int], str],
) -> Part:
    ids = columns[JOB_ID].tolist() if JOB_ID in columns else [named(n) for n in numbers]
    params = {name: rows.values(columns[name]) for name in PARAMETERS if name != "quoted"}
    models = ("convergence", "quoted")
    params["exit_model"] = [models[is_so] for is_so in columns["quoted"].tolist()]
    for place, n in enumerate(numbers if failed else ()):
        if n in failed:
            for name in PARAMS:
                params[name][place] = failed[n].params.get(name)
    return Part(
        numbers=numbers,
        job_ids=ids,
        params={name: params[name] for name in PARAMS},
        metrics={name: rows.values(columns[name]) for name in NAMES},
        runtime_s=rows.values(columns[RUNTIME]),
        errors=[
            (failed[n].error or "failed" if n in failed else "failed") if is_so else None
            for n, is_so in zip(numbers, columns[FAILED].tolist(), strict=True)
        ],
    )


AT_ONCE = 200_000
"""Up to so many jobs in rows all of their metrics are read together."""


# ── metric by metric ─────────────────────────────────────────────────────────
class Metrics(Mapping[str, "NDArray[Any]"]):
    """Metrics of all jobs, an element a job; each is read when it is asked for.

    NaN or zero stands where a job has none, because it failed or is not finished.
    """

    def __init__(self, store: Store, session: Session) -> None:
        self._store, self._session = store, session
        self._last: tuple[str, NDArray[Any]] | None = None
        self._all: dict[str, NDArray[Any]] | None = None

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in NAMES:
            raise KeyError(name)
        if self._all is None and self._session.layout != BLOCKS:
            self._all = self._rows() if self._session.jobs_total <= AT_ONCE else {}
        if self._all:
            return self._all[name]
        if self._last is None or self._last[0] != name:
            self._last = (name, self._read(name))
        return self._last[1]

    def __contains__(self, name: object) -> bool:
        return name in NAMES

    def __iter__(self) -> Iterator[str]:
        return iter(NAMES)

    def __len__(self) -> int:
        return len(NAMES)

    def _rows(self) -> dict[str, NDArray[Any]]:
        """Read all metrics of a session that stands in rows: one look at each of them."""
        with self._store.read(patient=True) as view:
            numbers, found = results.everything(view, self._session.id)
        whole = {name: _empty(name, self._session.jobs_total) for name in NAMES}
        for name, column in rows.columns_of(found).items():
            whole[name][np.array(numbers, np.int64) - 1] = column
        return whole

    def _read(self, name: str) -> NDArray[Any]:
        found = _empty(name, self._session.jobs_total)
        with self._store.read(patient=True) as view:
            if self._session.layout != BLOCKS:
                numbers, values = results.column(view, self._session.id, name)
                found[numbers - 1] = values[:, 0].astype(found.dtype)
                return found
            for link in result_blocks.links(view, self._session.id):
                columns = _columns(view, link, [name])
                part = found[link.first_n - 1 : link.last_n]
                np.copyto(part, columns[name], where=~columns[FAILED])
        return found


def _empty(name: str, count: int) -> NDArray[Any]:
    kind = rows.kind_of(name)
    found: NDArray[Any] = np.full(count, np.nan if kind is np.float64 else 0, kind)
    return found


def _columns(view: Tx, link: Link, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Read columns of a block, and which of its jobs failed."""
    wanted = [*names, FAILED] if link.failed else names
    columns = result_blocks.decode(result_blocks.data(view, link.key) or b"", link.jobs, wanted)
    return {FAILED: np.zeros(link.jobs, np.bool_), **columns}


@dataclass(frozen=True, eq=False, slots=True)
class Checked:
    """What jobs are ranked by, in order."""

    numbers: Ints
    columns: Mapping[str, NDArray[Any]]
    done: Bools
    """Which of them succeeded."""
    spans: Spans = field(default_factory=dict)
    """Between which figures columns lie, as far as that is known."""


def checked(store: Store, session: Session) -> Iterator[Checked]:
    """Read what jobs are ranked by, some thousand at a time.

    Of blocks those come first that may hold the best; a column is read when it is asked for.
    """
    if session.layout == BLOCKS:
        with store.read(patient=True) as view:
            fronts = result_blocks.fronts(view, session.id)
        fronts.sort(key=lambda front: -highest(front[1], "realized_pnl_usd"))
        for link, spans in fronts:
            late = _Late(store, link)
            done = ~late[FAILED] if link.failed else np.ones(link.jobs, np.bool_)
            yield Checked(np.arange(link.first_n, link.last_n + 1), late, done, spans)
        return
    after = 0
    with store.read() as view:
        failed = results.numbers(view, session.id, "failed")
    while True:
        with store.read(patient=True) as view:
            numbers, values = results.checked(view, session.id, after, BLOCK)
        if not len(numbers):
            return
        after = int(numbers[-1])
        columns = {name: values[:, at] for at, name in enumerate(results.COLUMNS)}
        yield Checked(numbers, columns, ~np.isin(numbers, failed))


class _Late(Mapping[str, "NDArray[Any]"]):
    """The columns of a block that is not read before one of them is asked for."""

    def __init__(self, store: Store, link: Link) -> None:
        self._store, self._link = store, link

    @cached_property
    def _block(self) -> Block:
        with self._store.read(patient=True) as view:
            data = result_blocks.data(view, self._link.key) or b""
        return Block(data, self._link.jobs)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._block[name]

    def __contains__(self, name: object) -> bool:
        return name in self._block

    def __iter__(self) -> Iterator[str]:
        return iter(self._block)

    def __len__(self) -> int:
        return len(self._block)


# ── some jobs ────────────────────────────────────────────────────────────────
def chosen(store: Store, session: Session, wanted: Sequence[int]) -> dict[int, Record]:
    """Read some jobs, by number."""
    if session.layout != BLOCKS:
        with store.read() as view:
            found = results.chosen(view, session.id, wanted)
        return {one.n: one for one in of_rows(list(found.values())).records()}
    some: dict[int, Record] = {}
    for part in holding(store, session, wanted):
        here = {n: place for place, n in enumerate(part.numbers)}
        for n in wanted:
            if n in here:
                some[n] = part.record(here[n])
    return some


def holding(store: Store, session: Session, wanted: Sequence[int]) -> Iterator[Part]:
    """Read some jobs, block by block."""
    named, numbers = _naming(session), np.array(wanted, np.int64)
    with store.read() as view:
        links = result_blocks.links(view, session.id)
    for link in links:
        here = numbers[(numbers >= link.first_n) & (numbers <= link.last_n)]
        if len(here):
            yield _block(store, session, link, named, np.unique(here))
