"""Reading a directory of legacy files into the database.

A batch of lines and the note of which line became which row are one
transaction: an import that was killed is completed by running it again, and a
file that has grown brings in its new lines only.

Of the last line of a CSV file nobody can say whether it is complete when it has
no line feed: it is taken when it has all its cells.
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from daemon.errors import InputError
from daemon.store.legacy import landing, sampled
from daemon.store.legacy.columns import EffectColumns, MetricColumns
from daemon.store.legacy.formats import Kind, parse
from daemon.store.legacy.lines import UNENDED, Record, Unreadable, objects, records
from daemon.store.legacy.report import FileReport, ImportReport
from daemon.store.legacy.values import BadLine
from daemon.store.samples import FUTURE_TOLERANCE_US

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import Self

    from daemon.store.legacy.columns import Row
    from daemon.store.legacy.formats import Entry
    from daemon.store.legacy.landing import Arrival
    from daemon.store.legacy.report import OnProgress
    from daemon.store.store import Store, Tx

BATCH = 1_000
"""How many lines are one transaction."""

SAMPLE_BATCH = 2_000
"""How many rows of metrics are one transaction."""

MAX_WEIGHT = 4 << 20
"""How much a batch may hold, in letters, before it is closed early."""


def import_directory(
    store: Store, directory: Path, now_us: int, *, on_progress: OnProgress | None = None
) -> ImportReport:
    """Read each legacy file that a directory has; twice imported is once imported.

    Bad lines and unreadable files end up in the report and stop nothing else.

    Raises:
        InputError: there is no such directory, or it has none of the files.
    """
    names = ", ".join(kind.file for kind in Kind)
    hint = f"the directory should hold one or more of {names}"
    if not directory.is_dir():
        raise InputError(f"there is no directory {directory}", hint=hint)
    found = [kind for kind in Kind if (directory / kind.file).exists()]
    if not found:
        raise InputError(f"{directory} has none of the files to import", hint=hint)
    reports = []
    for kind in found:
        report = FileReport(str(kind), directory / kind.file)
        _Import(store, kind, report, now_us).run(on_progress or _silent)
        reports.append(report)
    return ImportReport(tuple(reports))


def _silent(_file: str, _lines: int) -> None:
    """Tell nobody."""


class _Import:
    """One file on its way in."""

    def __init__(self, store: Store, kind: Kind, report: FileReport, now_us: int) -> None:
        self.store, self.kind, self.report, self.now_us = store, kind, report, now_us

    def run(self, on_progress: OnProgress) -> None:
        """Read the file to its end, a batch at a time."""
        batches = self._sampled() if self.kind is Kind.METRICS else self._landed()
        try:
            for _ in batches:
                on_progress(self.kind.file, self.report.lines)
        except Unreadable as error:
            self.report.refuse(str(error))
        self.report.problems.sort(key=lambda problem: problem.line or 0)
        on_progress(self.kind.file, self.report.lines)

    @contextmanager
    def _alone(self) -> Iterator[Tx]:
        """Begin a transaction; of two imports at once, one waits for the other's."""
        with self.store.write() as tx:
            if tx.dialect.name == "postgresql":
                tx.execute(text("LOCK TABLE imported_lines IN SHARE ROW EXCLUSIVE MODE"))
            yield tx

    def _landed(self) -> Iterator[None]:
        """Write lines that become rows of their own."""
        with _Occurrences() as seen:
            for batch in _batches(self._arrivals(seen), BATCH, lambda line: len(line.content)):
                with self._alone() as tx:
                    new = landing.land(tx, self.kind, batch, self.now_us)
                self.report.imported += new
                self.report.known += len(batch) - new
                yield

    def _arrivals(self, seen: _Occurrences) -> Iterator[Arrival]:
        for _, entry in self._entries():
            content = entry.content(self.kind)
            yield landing.arrival(self.kind, entry, content, seen.count(content))

    def _entries(self) -> Iterator[tuple[int, Entry]]:
        if self.kind is not Kind.EFFECTS:
            return self._parsed(objects(self.report.path), lambda raw: parse(self.kind, raw))
        return self._table(EffectColumns.read)

    def _sampled(self) -> Iterator[None]:
        """Write rows that become samples."""
        rows = self._table(MetricColumns.read)
        for batch in _batches(rows, SAMPLE_BATCH, lambda row: 32 * len(row[1].values)):
            with self._alone() as tx:
                fates = sampled.land(tx, [row for _, row in batch], self.now_us)
            for (number, _), fate in zip(batch, fates, strict=True):
                self._settle(number, fate)
            yield

    def _settle(self, number: int, fate: sampled.Fate) -> None:
        self.report.imported += fate.new > 0
        self.report.known += fate.new == 0 and fate.known > 0
        self.report.bad += bool(fate.faults)
        for signal, fault in fate.faults.items():
            self.report.list(number, fault, key=signal)

    def _table(self, read: Callable[[list[str]], Any]) -> Iterator[tuple[int, Any]]:
        """Read a file of CSV below its header."""
        source = records(self.report.path)
        first = next(source, None)
        if first is None:
            return
        try:
            columns = read(_value(first))
        except BadLine as error:
            self.report.refuse(str(error), line=first.number)
            return
        yield from self._parsed(source, columns.parse)

    def _parsed(
        self, source: Iterable[Record], read: Callable[[Any], Any]
    ) -> Iterator[tuple[int, Any]]:
        """Bring lines into their normal form, and set the bad ones apart."""
        for record in source:
            self.report.lines += 1
            try:
                found = read(_value(record))
                self._refuse_future(found)
            except BadLine as error:
                doubt = "" if record.ended else f"; {UNENDED}"
                self.report.reject(record.number, f"{error}{doubt}")
            else:
                yield record.number, found

    def _refuse_future(self, found: Entry | Row) -> None:
        ahead = found.at_us > self.now_us + FUTURE_TOLERANCE_US
        if self.kind is Kind.METRICS and ahead:
            raise BadLine("this moment has not come yet")


def _value(record: Record) -> Any:
    if record.fault:
        raise BadLine(record.fault)
    return record.value


def _batches(source: Iterable[Any], most: int, weigh: Callable[[Any], int]) -> Iterator[list[Any]]:
    """Divide what comes into lists, none of them long or heavy."""
    batch: list[Any] = []
    weight = 0
    for item in source:
        batch.append(item)
        weight += weigh(item)
        if len(batch) == most or weight > MAX_WEIGHT:
            yield batch
            batch, weight = [], 0
    if batch:
        yield batch


class _Occurrences:
    """Counts how often a file has said the same, on disk: a file may be larger than memory."""

    def __enter__(self) -> Self:
        self.scratch = sqlite3.connect("", isolation_level=None)
        self.scratch.execute("PRAGMA journal_mode=OFF")
        self.scratch.execute("CREATE TABLE seen (digest BLOB PRIMARY KEY, n INT) WITHOUT ROWID")
        return self

    def count(self, content: str) -> int:
        """Count once more what a line says; returns how often it has been said."""
        digest = hashlib.sha256(content.encode()).digest()
        sql = "INSERT INTO seen VALUES (?, 1) ON CONFLICT DO UPDATE SET n = n + 1 RETURNING n"
        return int(self.scratch.execute(sql, (digest,)).fetchone()[0])

    def __exit__(self, *_: object) -> None:
        self.scratch.close()
