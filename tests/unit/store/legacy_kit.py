"""What the tests of legacy files share: empty databases, and rows and files as plain values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from daemon.store import chain
from daemon.store.legacy import export_directory, import_directory

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sqlalchemy import Table

    from daemon.store.legacy import ImportReport
    from daemon.store.store import Store

NOW_US = 1_768_500_000_000_000
TS = "2026-01-15T08:00:00.000000Z"
TS_US = 1_768_464_000_000_000


def rows(store: Store, table: Table) -> list[dict[str, Any]]:
    """Every row, in the order of its key."""
    with store.read() as tx:
        query = select(table).order_by(*table.primary_key)
        return [dict(row) for row in tx.execute(query).mappings()]


def jsonl(*objects: Mapping[str, Any]) -> str:
    return "".join(json.dumps(item) + "\n" for item in objects)


def write(directory: Path, **files: str | bytes) -> Path:
    """Write files, named like their kind."""
    directory.mkdir(parents=True, exist_ok=True)
    for kind, content in files.items():
        ending = "csv" if kind in {"rules_effects", "metrics"} else "jsonl"
        raw = content if isinstance(content, bytes) else content.encode()
        (directory / f"{kind}.{ending}").write_bytes(raw)
    return directory


def bring_in(store: Store, directory: Path, now_us: int = NOW_US) -> ImportReport:
    return import_directory(store, directory, now_us)


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


def exported(store: Store, directory: Path) -> dict[str, bytes]:
    export_directory(store, directory, overwrite=True)
    return files(directory)


def counts(report: ImportReport) -> dict[str, tuple[int, int, int, int]]:
    """Lines, imported, known and bad of each file."""
    return {file.kind: (file.lines, file.imported, file.known, file.bad) for file in report.files}


def reasons(report: ImportReport) -> list[tuple[int | None, str]]:
    return [(problem.line, problem.reason) for problem in report.problems]


def assert_chained(store: Store) -> None:
    """Every stream is linked from its first row to its last."""
    with store.read() as tx:
        for stream in chain.STREAMS.values():
            assert chain.verify(tx, stream).breaks == ()
