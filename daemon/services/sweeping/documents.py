"""The result of a job as a document: what files, exports and scripts get to see of it.

One form, whether the job ran alone or in a session, by the thousand or by name.
"""

from __future__ import annotations

import json
import math
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon.market.metrics import ENGINE_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import BinaryIO, TextIO

    from daemon.market.params import Params

SUCCESS, ERROR = "success", "error"

RUNTIME = "runtime_seconds"
BEFORE_RUNTIME = 8
"""Metrics that stand before the run time; those that came later stand behind it."""


# ── what stands in it ────────────────────────────────────────────────────────
def config_of(data_file: str, params: Params, tag: str | None) -> dict[str, Any]:
    """Give every parameter with the value that was in effect."""
    return {"data_file": data_file, **params.document(), "tag": tag}


def summary_of(
    job_id: str | None, data_digest: str | None = None, rows: int | None = None
) -> dict[str, Any]:
    """Say which job it was, on which data, by which engine."""
    return {
        "job_id": job_id,
        "data_digest": data_digest,
        "rows": rows,
        "engine_version": ENGINE_VERSION,
    }


def success(
    config: Mapping[str, Any],
    metrics: Mapping[str, Any],
    runtime_s: float | None,
    summary: Mapping[str, Any],
) -> dict[str, Any]:
    """Put the result of a job together; the metrics are those of `Metrics.document`."""
    told = [(name, value) for name, value in metrics.items() if name != RUNTIME]
    told.insert(BEFORE_RUNTIME, (RUNTIME, runtime_s))
    return {
        "status": SUCCESS,
        "config": dict(config),
        "metrics": dict(told),
        "config_summary": dict(summary),
    }


def failure(config: Mapping[str, Any], reason: str, summary: Mapping[str, Any]) -> dict[str, Any]:
    """Put together what is said of a job that failed."""
    return {
        "status": ERROR,
        "config": dict(config),
        "error": reason,
        "config_summary": dict(summary),
    }


def text_of(document: Mapping[str, Any]) -> str:
    """Write a document as JSON; what is no number there is null."""
    text = json.dumps(finite(document), ensure_ascii=False, indent=2, allow_nan=False)
    if not text.replace("\n", "").isprintable():  # no name may speak to the terminal
        text = "".join(c if c == "\n" or c.isprintable() else json.dumps(c)[1:-1] for c in text)
    return f"{text}\n"


def finite(value: Any) -> Any:
    """Write what is not a number as nothing: JSON has no word for it."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


# ── files ────────────────────────────────────────────────────────────────────
@contextmanager
def written(path: Path) -> Iterator[TextIO]:
    """Write a text so that a reader sees the old file or the new one, never a half.

    Folders that are missing are made. What is no file (a pipe, a terminal) is
    written to as it is: it must not be replaced by one.

    Raises:
        OSError: it cannot be written; the error names the file that was asked for.
    """
    with _beside(path) as place, place.open("w", encoding="utf-8") as stream:
        yield stream


@contextmanager
def written_bytes(path: Path) -> Iterator[BinaryIO]:
    """Write bytes in the same way."""
    with _beside(path) as place, place.open("wb") as stream:
        yield stream


def write(path: Path, text: str) -> None:
    """Write a whole text at once, in the same way."""
    with written(path) as stream:
        stream.write(text)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Give the place to write to: beside the file, which is then replaced."""
    target = Path(os.path.realpath(path))
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        if target.exists() and not target.is_file():
            yield target
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield beside
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
    except BrokenPipeError:  # whoever read it has left, and that is no fault of the file
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
