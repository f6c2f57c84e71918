"""Results as blocks: of thousands of jobs one value, once the last of them is known.

A block begins where every session of the same combinations begins one, so that
sessions which differ in their limits share it. One whose jobs did not all succeed,
or have names that no plan gives, belongs to its session alone. What took long to
find for a block that is not full is kept as rows meanwhile, by content; whoever
goes on finds it there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from daemon.market.metrics import ENGINE_VERSION, NAMES
from daemon.market.params import Combinations
from daemon.search.spans import best_of, spans_of
from daemon.services.sweeping import rows
from daemon.services.sweeping.blocks import BLOCK, FAILED, JOB_ID, PARAMETERS, RUNTIME
from daemon.services.sweeping.keys import (
    block_key,
    canonical,
    own_block_key,
    result_keys,
    some,
)
from daemon.services.sweeping.running.row_book import Failed, failures
from daemon.services.sweeping.running.tasks import Task
from daemon.store import result_blocks, results
from daemon.store.result_blocks import Link, NewBlock
from daemon.store.results import COLUMNS, NewResults

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

    from daemon.market.metrics import Columns
    from daemon.search.drawing import Drawn
    from daemon.services.sweeping.running.ledger import Ledger
    from daemon.services.sweeping.running.outputs import OutputFiles
    from daemon.store.store import Tx

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

TOGETHER = 32
"""So many of the best of a block are read without the others."""

SLOW_S = 2.0
"""What took so long to find is kept at once."""


@dataclass(eq=False, slots=True, kw_only=True)
class _Open:
    """A block that is being filled."""

    first: int
    count: int
    parameters: dict[str, NDArray[Any]]
    metrics: Columns
    runtime_s: NDArray[np.float64]
    known: Bools
    """Jobs of which it is known what became of them."""
    failed: Bools
    unkept: Bools
    """Jobs whose results stand nowhere but here."""
    reasons: dict[int, tuple[str, int]] = field(default_factory=dict)
    """Why jobs failed, and how often they were tried, by number."""
    evaluated: int = 0

    def places(self, numbers: Ints) -> Ints:
        """Say where jobs stand in it."""
        found: Ints = numbers - self.first
        return found

    def put(self, places: Ints, columns: Columns, runtime_s: Any) -> None:
        """Fill in what jobs brought."""
        for name in NAMES:
            self.metrics[name][places] = columns[name]
        self.runtime_s[places] = runtime_s
        self.known[places] = True

    def columns(self) -> dict[str, NDArray[Any]]:
        """Give all that is known of its jobs."""
        told = {FAILED: self.failed, RUNTIME: self.runtime_s}
        return {**self.parameters, **self.metrics, **told}


class BlockBook:
    """Writes a block when all of its jobs are known."""

    piece: int | None = BLOCK

    def __init__(
        self, ledger: Ledger, files: OutputFiles | None = None, *, retry: bool = False
    ) -> None:
        self.ledger, self.plan, self.files = ledger, ledger.plan, files
        self._retry = retry
        self._named = self.plan.document().get("kind") != "grid"
        self._open: dict[int, _Open] = {}
        with ledger.tools.store.read() as view:
            links = result_blocks.links(view, ledger.session.id)
            self._any_rows = results.any_of(view, ledger.data_digest)
        self._links = {link.first_n: link for link in links}

    # ── taking up ────────────────────────────────────────────────────────────
    def open(self, first: int, last: int) -> Task | None:
        """Take up a block: one that is there is taken as it is."""
        link = self._links.get(first)
        if link is not None and not (link.failed and self._retry):
            return None
        if link is None and self._found(first, last):
            return None
        numbers = np.arange(first, last + 1)
        drawn = self.plan.draw(numbers - 1)
        block = self._begun(numbers, drawn)
        if link is not None:
            self._seed(block, link)
        task = self._without_known(block, numbers, drawn)
        self._open[first] = block
        if task is None:
            self._close(block)
        return task

    def until(self, first: int, last: int) -> int:
        """Blocks are taken up whole, whatever has to be refused in them."""
        del first
        return last

    def _found(self, first: int, last: int) -> bool:
        """Take over a block that is there: of these jobs, or of more that begin with these."""
        if self._named:
            return False
        ledger, count = self.ledger, last - first + 1
        space = ledger.session.space_digest or ""
        exact = block_key(ledger.data_digest, space, first, count)
        whole = block_key(ledger.data_digest, space, first, BLOCK)
        with ledger.tools.store.read() as view:
            there = result_blocks.there(view, [exact, whole])
            data = result_blocks.data(view, whole) if exact not in there else None
        if exact in there:
            self._link(Link(first, count, 0, exact), known=count)
            return True
        if data is None:
            return False
        columns = result_blocks.decode(data, BLOCK)
        cut = {name: column[:count] for name, column in columns.items()}
        self._link(Link(first, count, 0, exact), cut, known=count)
        return True

    def _begun(self, numbers: Ints, drawn: Drawn) -> _Open:
        count = len(numbers)
        parameters = {}
        for name in PARAMETERS:
            given = getattr(drawn.combinations, name)
            column = np.full(count, np.nan if given.dtype.kind == "f" else 0, given.dtype)
            column[drawn.places] = given
            parameters[name] = column
        if self._named:
            parameters[JOB_ID] = np.array([self.plan.job_id(n) for n in numbers.tolist()])
        block = _Open(
            first=int(numbers[0]),
            count=count,
            parameters=parameters,
            metrics=rows.blank(count),
            runtime_s=np.full(count, np.nan),
            known=np.zeros(count, np.bool_),
            failed=np.zeros(count, np.bool_),
            unkept=np.zeros(count, np.bool_),
        )
        for place, reason in drawn.errors.items():
            self._fail(block, int(numbers[place]), reason, tries=0)
        return block

    def _seed(self, block: _Open, link: Link) -> None:
        """Take what succeeded from a block whose failures are tried again."""
        with self.ledger.tools.store.read() as view:
            data = result_blocks.data(view, link.key)
        if data is None:
            return
        old = result_blocks.decode(data, link.jobs)
        places = np.flatnonzero(~old[FAILED][: block.count])
        columns = {name: old[name][places] for name in NAMES}
        block.put(places, columns, old[RUNTIME][places])

    def _without_known(self, block: _Open, numbers: Ints, drawn: Drawn) -> Task | None:
        """Fill in what stands in rows, and give the rest."""
        left = np.flatnonzero(~block.known[drawn.places])
        combinations = some(drawn.combinations, left)
        places = drawn.places[left]
        if self._any_rows and len(left):
            keys = result_keys(self.ledger.data_digest, canonical(combinations))
            with self.ledger.tools.store.read() as view:
                found = results.read(view, keys)
            if found:
                there = np.fromiter((key in found for key in keys), np.bool_, len(keys))
                figures = [found[key] for key in keys if key in found]
                runtime = [np.nan if one.runtime_s is None else one.runtime_s for one in figures]
                block.put(places[there], rows.columns_of(figures), runtime)
                combinations = some(combinations, np.flatnonzero(~there))
                places = places[~there]
        if not len(places):
            return None
        return Task(numbers=numbers[places], combinations=combinations)

    # ── taking in ────────────────────────────────────────────────────────────
    def done(self, task: Task, columns: Columns, seconds: float) -> None:
        """Fill in what jobs brought; write the block if they were the last."""
        block = self._block(task)
        places = block.places(task.numbers)
        block.put(places, columns, seconds / len(task))
        block.evaluated += len(task)
        block.unkept[places] = True
        if self.files is not None:
            self.files.fresh(task, columns, seconds / len(task))
        if block.known.all():
            self._close(block)
        elif seconds >= SLOW_S:
            self._keep(block)

    def failed(self, task: Task, reason: str) -> None:
        """Note that a job cannot be run."""
        block = self._block(task)
        self._fail(block, int(task.numbers[0]), reason, task.tries + 1)
        if block.known.all():
            self._close(block)

    def leave(self) -> None:
        """Keep what blocks hold that are not full."""
        for block in self._open.values():
            self._keep(block)
            self.ledger.counts.kept += int((block.known & ~block.failed).sum())

    def _block(self, task: Task) -> _Open:
        first = int(task.numbers[0])
        return self._open[first - (first - 1) % BLOCK]

    def _fail(self, block: _Open, n: int, reason: str, tries: int) -> None:
        place = n - block.first
        block.failed[place] = block.known[place] = True
        block.reasons[n] = (reason, tries)
        self.ledger.note_failure(self.plan.job_id(n), reason)

    # ── writing ──────────────────────────────────────────────────────────────
    def _close(self, block: _Open) -> None:
        """Write a block that is full."""
        ledger, failed = self.ledger, int(block.failed.sum())
        if failed or self._named:
            key = own_block_key(ledger.session.id, block.first, block.count)
        else:
            space = ledger.session.space_digest or ""
            key = block_key(ledger.data_digest, space, block.first, block.count)
        link = Link(block.first, block.count, failed, key)
        old = self._links.get(block.first)
        made = self._failures(block)
        if old is None:
            for part in made:
                ledger.timed(len(part[1].n), partial(_write, part=part))
            made = []
        known = 0 if old is not None else block.count - failed - block.evaluated
        self._link(
            link, block.columns(), known=known, evaluated=block.evaluated, old=old, made=made
        )
        del self._open[block.first]

    def _link(
        self,
        link: Link,
        columns: dict[str, NDArray[Any]] | None = None,
        *,
        known: int = 0,
        evaluated: int = 0,
        old: Link | None = None,
        made: Sequence[Failed] = (),
    ) -> None:
        """Write a block, unless it is there, and count its jobs as finished.

        What stood in its place before its failures were tried again goes in the same moment.
        """
        ledger, session_id = self.ledger, self.ledger.session.id
        new = None if columns is None else self._new(link, columns)
        done, failed = link.jobs - link.failed, link.failed
        if old is not None:
            done, failed = done - (old.jobs - old.failed), failed - old.failed

        def write(tx: Tx) -> bool:
            if old is not None:
                results.forget_failures(tx, session_id, link.first_n, link.last_n)
                result_blocks.unlink(tx, session_id, old)
            for part in made:
                _write(tx, part)
            if new is not None:
                result_blocks.put(tx, new)
            if not result_blocks.link(tx, session_id, link):
                return False
            ledger.advance(tx, done=done, failed=failed, evaluated=evaluated)
            return True

        if ledger.write(write):
            ledger.count(done=done, failed=failed, known=known, evaluated=evaluated)
        self._links[link.first_n] = link
        ledger.show()

    def _new(self, link: Link, columns: dict[str, NDArray[Any]]) -> NewBlock:
        done = ~columns[FAILED]
        spans, best = spans_of(columns, COLUMNS, done), best_of(columns, done, TOGETHER)
        return NewBlock(
            key=link.key,
            at_us=self.ledger.tools.clock.now_us(),
            engine_version=ENGINE_VERSION,
            data_digest=self.ledger.data_digest,
            jobs=link.jobs,
            failed=link.failed,
            data=result_blocks.encode(columns, spans, best),
        )

    def _failures(self, block: _Open) -> list[Failed]:
        """Make the rows of the jobs of a block that failed, some thousand at a time."""
        told = sorted(block.reasons.items())
        step = self.ledger.slice
        return [
            failures(self.ledger, [(n, *why) for n, why in told[start : start + step]], self.files)
            for start in range(0, len(told), step)
        ]

    def _keep(self, block: _Open) -> None:
        """Keep results that stand nowhere but in a block that is not full."""
        places = np.flatnonzero(block.unkept & ~block.failed)
        step = self.ledger.slice
        for start in range(0, len(places), step):
            part = places[start : start + step]
            given = {name: block.parameters[name][part] for name in PARAMETERS}
            texts = canonical(Combinations(**given))
            columns = {name: column[part] for name, column in block.metrics.items()}
            new = NewResults(
                at_us=self.ledger.tools.clock.now_us(),
                engine_version=ENGINE_VERSION,
                data_digest=self.ledger.data_digest,
                keys=result_keys(self.ledger.data_digest, texts),
                params=texts,
                figures=rows.figures(columns),
                metrics=rows.metric_texts(columns),
                runtime_s=block.runtime_s[part].tolist(),
            )
            self.ledger.timed(len(part), partial(results.add, new=new))
        block.unkept[:] = False


def _write(tx: Tx, part: Failed) -> None:
    """Write why jobs failed."""
    results.add_errors(tx, part[0])
    results.add_jobs(tx, part[1])
