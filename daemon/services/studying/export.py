"""All trials of a study as CSV, JSON lines or Parquet: in order, and never all in memory."""

from __future__ import annotations

import csv
import io
import json
from importlib import import_module
from typing import TYPE_CHECKING, Any

from daemon.errors import InputError, MissingExtra
from daemon.market.metrics import NAMES
from daemon.services.studying import asking, reading
from daemon.services.sweeping import documents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import IO

    from daemon.services.studying.reading import TrialRecord
    from daemon.store.store import Store
    from daemon.store.studies import Study

FORMATS = ("csv", "jsonl", "parquet")
PARTS = ("train", "test")
PLACES = ("rank", "oos_rank", "robust_rank", "robust_score")
HEAD = ("n", "fold", "batch", "state", "known", "error", "violation", "oos_value", *PLACES)

GROUP = 4_096
"""Rows that are written at once."""

_WHOLE = frozenset(("n", "fold", "batch", "rank", "oos_rank", "robust_rank"))
_TEXTS = frozenset(("state", "error"))


class Layout:
    """Which columns the table of a study has."""

    def __init__(self, study: Study) -> None:
        spec = study.spec
        self.axes = [axis["name"] for axis in spec["domain"]]
        self.words = {axis["name"] for axis in spec["domain"] if _is_word(axis)}
        self.objectives = [one["metric"] for one in spec["aim"]["objectives"]]
        symbols = [symbol for symbol, _ in spec["symbols"]]
        self.metrics = [
            (
                symbol,
                part,
                name,
                f"{part}_{name}" if len(symbols) == 1 else f"{symbol}_{part}_{name}",
            )
            for symbol in symbols
            for part in PARTS
            for name in NAMES
        ]

    @property
    def columns(self) -> list[str]:
        """Their names."""
        values = [f"value_{name}" for name in self.objectives]
        return [*HEAD, *values, *self.axes, *(name for *_, name in self.metrics)]

    def row(self, trial: TrialRecord) -> list[Any]:
        """Give a trial as a row; None stands for what there is not."""
        values: Sequence[float | None] = trial.row.values or [None] * len(self.objectives)
        return [
            *(getattr(trial.row, name) for name in HEAD),
            *values,
            *(trial.row.params.get(name) for name in self.axes),
            *(
                trial.metrics.get(symbol, {}).get(part, {}).get(name)
                for symbol, part, name, _ in self.metrics
            ),
        ]


def export(store: Store, ref: str, form: str, out: IO[bytes]) -> int:
    """Write every trial of a study, in order; returns how many there were.

    Raises:
        UnknownStudy: there is none of this number or name.
        InputError: nobody knows this format.
        MissingExtra: Parquet needs a library that is not installed.
    """
    if form not in FORMATS:
        raise InputError(f"{form} is no format of ours", hint=f"there are: {', '.join(FORMATS)}")
    study = asking.find(store, ref)
    return _WRITERS[form](study, reading.trials_of(store, study), out)


def _csv(study: Study, trials: Iterator[TrialRecord], out: IO[bytes]) -> int:
    """Write a table; what means nothing is left empty."""
    layout, count = Layout(study), 0
    text = io.TextIOWrapper(out, encoding="utf-8", newline="", write_through=True)
    try:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(layout.columns)
        for trial in trials:
            writer.writerow(layout.row(trial))
            count += 1
        text.flush()
    finally:
        text.detach()  # whoever gave it closes it
    return count


def _jsonl(study: Study, trials: Iterator[TrialRecord], out: IO[bytes]) -> int:
    """Write a document a line."""
    layout, count = Layout(study), 0
    for trial in trials:
        document = {
            **{name: getattr(trial.row, name) for name in HEAD},
            "values": dict(zip(layout.objectives, trial.row.values or (), strict=False)),
            "params": dict(trial.row.params),
            "metrics": {symbol: dict(held) for symbol, held in trial.metrics.items()},
        }
        line = json.dumps(documents.finite(document), ensure_ascii=False, allow_nan=False)
        out.write(f"{line}\n".encode())
        count += 1
    return count


def _parquet(study: Study, trials: Iterator[TrialRecord], out: IO[bytes]) -> int:
    """Write a table of columns, compressed."""
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise MissingExtra(
            "Parquet needs the extra 'parquet', which is not installed",
            hint="pip install 'self-tuning-daemon[parquet]'; csv and jsonl need nothing",
        ) from None
    layout, count = Layout(study), 0
    kinds = {"text": arrow.string(), "whole": arrow.int64(), "number": arrow.float64()}
    kinds["mark"] = arrow.bool_()
    types = {name: kinds[_kind(layout, name)] for name in layout.columns}
    schema = arrow.schema(list(types.items()))
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        for group in _groups(trials):
            columns = zip(*(layout.row(trial) for trial in group), strict=True)
            arrays = [
                arrow.array(_fitting(layout, name, list(values)), types[name])
                for name, values in zip(layout.columns, columns, strict=True)
            ]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))
            count += len(group)
    return count


_WRITERS: dict[str, Callable[[Study, Iterator[TrialRecord], IO[bytes]], int]] = {
    "csv": _csv,
    "jsonl": _jsonl,
    "parquet": _parquet,
}


def _is_word(axis: dict[str, Any]) -> bool:
    listed = axis.get("values") or axis.get("profiles") or ()
    return any(isinstance(value, str) for value in listed)


def _kind(layout: Layout, name: str) -> str:
    if name in _TEXTS or name in layout.words:
        return "text"
    if name == "known":
        return "mark"
    return "whole" if name in _WHOLE else "number"


def _fitting(layout: Layout, name: str, column: list[Any]) -> list[Any]:
    if _kind(layout, name) == "number":
        return [None if value is None else float(value) for value in column]
    if _kind(layout, name) == "text":
        return [None if value is None else str(value) for value in column]
    return column


def _groups(trials: Iterator[TrialRecord]) -> Iterator[list[TrialRecord]]:
    held: list[TrialRecord] = []
    for trial in trials:
        held.append(trial)
        if len(held) >= GROUP:
            yield held
            held = []
    if held:
        yield held
