"""All results of a session as CSV, JSON lines or Parquet: in order, and never all in memory."""

from __future__ import annotations

import csv
import io
import json
from importlib import import_module
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.errors import InputError, MissingExtra
from daemon.market.metrics import NAMES
from daemon.services.sweeping import asking, documents, reading, rows
from daemon.services.sweeping.single import NAMES as PARAMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import IO

    from daemon.services.sweeping.record import Part
    from daemon.store.sessions import Session
    from daemon.store.store import Store

FORMATS = ("csv", "jsonl", "parquet")

COLUMNS = ("n", "job_id", "tag", "status", "error", *PARAMS, *NAMES, documents.RUNTIME)
"""What a row of a table holds."""

_TEXTS = frozenset({"job_id", "tag", "status", "error", "exit_model"})
_WHOLE = frozenset({"n", "max_open_trades"})


def export(store: Store, ref: str, form: str, out: IO[bytes]) -> int:
    """Write every finished job of a session, in order; returns how many there were.

    Raises:
        UnknownSession: there is none of this number or name.
        InputError: nobody knows this format.
        MissingExtra: Parquet needs a library that is not installed.
    """
    if form not in FORMATS:
        known = ", ".join(FORMATS)
        raise InputError(f"{form} is no format of ours", hint=f"there are: {known}")
    session = asking.find(store, ref)
    return _WRITERS[form](session, reading.parts(store, session), out)


def _csv(session: Session, parts: Iterator[Part], out: IO[bytes]) -> int:
    """Write a table; what means nothing is left empty."""
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    try:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        count = 0
        for part in parts:
            writer.writerows(zip(*_columns(session, part).values(), strict=True))
            count += len(part)
        text.flush()
    finally:
        text.detach()  # whoever gave it closes it
    return count


def _jsonl(session: Session, parts: Iterator[Part], out: IO[bytes]) -> int:
    """Write a document a line, as the file of each job would hold it."""
    tag, count = reading.tag_of(session), 0
    for part in parts:
        for record in part.records():
            config = {"data_file": session.data_file, **record.params, "tag": tag}
            summary = documents.summary_of(record.job_id, session.data_digest, session.data_rows)
            summary["engine_version"] = session.engine_version
            if record.metrics is None:
                document = documents.failure(config, record.error or "", summary)
            else:
                document = documents.success(config, record.metrics, record.runtime_s, summary)
            line = json.dumps(documents.finite(document), ensure_ascii=False, allow_nan=False)
            out.write(f"{line}\n".encode())
        count += len(part)
    return count


def _parquet(session: Session, parts: Iterator[Part], out: IO[bytes]) -> int:
    """Write a table of columns, compressed; a part is a group of rows."""
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise MissingExtra(
            "Parquet needs the extra 'parquet', which is not installed",
            hint="pip install 'self-tuning-daemon[parquet]'; csv and jsonl need nothing",
        ) from None
    words = {
        "text": arrow.string(),
        "whole": arrow.int64(),
        "mark": arrow.bool_(),
        "number": arrow.float64(),
    }
    schema = arrow.schema([(name, words[_kind(name)]) for name in COLUMNS])
    count = 0
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        for part in parts:
            columns = _columns(session, part)
            arrays = [
                arrow.array(_fitting(name, column), words[_kind(name)])
                for name, column in columns.items()
            ]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))
            count += len(part)
    return count


_WRITERS: dict[str, Callable[[Session, Iterator[Part], IO[bytes]], int]] = {
    "csv": _csv,
    "jsonl": _jsonl,
    "parquet": _parquet,
}


def _columns(session: Session, part: Part) -> dict[str, list[Any]]:
    """Give the columns of a table."""
    failed = [error is not None for error in part.errors]
    told: dict[str, list[Any]] = {
        "n": list(part.numbers),
        "job_id": list(part.job_ids),
        "tag": list(repeat(reading.tag_of(session), len(part))),
        "status": [documents.ERROR if is_so else documents.SUCCESS for is_so in failed],
        "error": list(part.errors),
        **{name: list(part.params[name]) for name in PARAMS},
        documents.RUNTIME: list(part.runtime_s),
    }
    for name in NAMES:
        values = part.metrics[name]
        told[name] = [None if is_so else value for value, is_so in zip(values, failed, strict=True)]
    return {name: told[name] for name in COLUMNS}


def _kind(name: str) -> str:
    if name in _TEXTS:
        return "text"
    if name in _WHOLE:
        return "whole"
    return _KINDS[rows.kind_of(name)] if name in NAMES else "number"


_KINDS: dict[type, str] = {np.float64: "number", np.int64: "whole", np.bool_: "mark"}


def _fitting(name: str, column: list[Any]) -> list[Any]:
    """Leave out what is not of a column's kind: jobs that were refused hold what was written."""
    kind = _kind(name)
    if kind == "text":
        return [None if value is None else str(value) for value in column]
    if kind == "number":
        return [float(value) if _number(value) else None for value in column]
    if kind == "whole":
        return [value if _number(value) and int(value) == value else None for value in column]
    return column


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
