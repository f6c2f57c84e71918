"""Writing everything the legacy formats can hold into a directory.

A file appears whole or not at all. All of them show one moment of the database,
and the same database gives the same bytes.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from daemon.errors import InputError
from daemon.store.legacy import sampled, stored
from daemon.store.legacy.columns import csv_line, effect_cells, effect_columns
from daemon.store.legacy.formats import Kind, render
from daemon.store.legacy.report import ExportedFile, ExportReport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from daemon.store.legacy.report import OnProgress
    from daemon.store.store import Store, Tx

STEP = 1_000
"""How many rows pass between two words of progress."""


def export_directory(
    store: Store,
    directory: Path,
    *,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> ExportReport:
    """Write a file for each kind that has rows.

    With ``overwrite`` files of these names are replaced, and removed where the
    database has no rows for them; other files stay.

    Raises:
        InputError: the directory is not empty, or cannot be written.
    """
    try:
        _prepare(directory, overwrite=overwrite)
        with store.read() as tx:
            written = [_write(tx, kind, directory, on_progress or _silent) for kind in Kind]
    except OSError as error:
        raise InputError(
            f"{directory} cannot be written: {error.strerror or error}",
            hint="name a directory that this user may write, on a disk with room",
        ) from error
    return ExportReport(directory, tuple(file for file in written if file))


def _silent(_file: str, _rows: int) -> None:
    """Tell nobody."""


def _prepare(directory: Path, *, overwrite: bool) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    ours = {_draft(directory, kind).name for kind in Kind}
    if not overwrite and any(entry.name not in ours for entry in directory.iterdir()):
        raise InputError(
            f"{directory} is not empty",
            hint="name an empty directory, or replace its files with --overwrite",
        )


def _draft(directory: Path, kind: Kind) -> Path:
    return directory / f".{kind.file}.part"


def _write(tx: Tx, kind: Kind, directory: Path, on_progress: OnProgress) -> ExportedFile | None:
    """Write one file under another name, then give it its own."""
    path, draft = directory / kind.file, _draft(directory, kind)
    try:
        with draft.open("wb") as file:
            rows, size, digest = _pour(file, _lines(tx, kind), kind, on_progress)
            file.flush()
            os.fsync(file.fileno())
        if not rows:
            path.unlink(missing_ok=True)
            return None
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
        _sync(directory)
    return ExportedFile(str(kind), path, rows, size, digest)


def _pour(
    file: BinaryIO, lines: Iterator[str], kind: Kind, on_progress: OnProgress
) -> tuple[int, int, str]:
    """Write lines; returns the number of rows and of bytes, and the digest of all."""
    digest = hashlib.sha256()
    rows = -1 if kind.file.endswith(".csv") else 0
    size = 0
    for line in lines:
        raw = line.encode()
        digest.update(raw)
        size += file.write(raw)
        rows += 1
        if rows > 0 and rows % STEP == 0:
            on_progress(kind.file, rows)
    on_progress(kind.file, max(rows, 0))
    return max(rows, 0), size, digest.hexdigest()


def _sync(directory: Path) -> None:
    """Have the names in a directory on disk."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _lines(tx: Tx, kind: Kind) -> Iterator[str]:
    if kind is Kind.METRICS:
        return sampled.walk(tx)
    if kind is Kind.EFFECTS:
        return _effects(tx)
    return (render(row.line) for row in stored.walk(tx, kind))


def _effects(tx: Tx) -> Iterator[str]:
    """Write effects in two passes: the first finds out which columns there are."""
    used = {name for row in stored.walk(tx, Kind.EFFECTS) for name in row.line}
    if not used:
        return
    columns = effect_columns(used)
    yield csv_line(columns)
    for row in stored.walk(tx, Kind.EFFECTS):
        yield csv_line(effect_cells(columns, row.line))
