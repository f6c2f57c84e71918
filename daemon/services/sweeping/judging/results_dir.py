"""A directory full of results, one JSON file a job: read strictly, and never tripped over.

Whatever lies there, it is counted. What is no result is an error with a reason; a
summary that was written into the directory is recognised and left alone. Links to
directories are not followed, so that nothing is counted twice.
"""

from __future__ import annotations

import json
import math
import os
import stat
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.errors import InputError
from daemon.search.ranking import (
    ANY,
    CHECKED,
    ERROR,
    EXAMPLES,
    NEEDED,
    Filters,
    missing,
    natural,
    not_finite,
    rank,
)
from daemon.services.sweeping.judging.summary import Entry, LeftOut, Summary

if TYPE_CHECKING:
    from collections.abc import Sequence

SIZE_MAX = 16 << 20
"""Bytes of a file; a result has some hundred."""

DEPTH_MAX = 100
"""How deep a document may be nested."""

SUMMARY = frozenset({"total_jobs", "success_jobs", "error_jobs", "top_by_pnl"})
"""Keys of a document that is no result but a summary of them."""

ALWAYS = ("min_spread_bps", "slippage_bps")
"""What is shown of jobs that do not differ."""


@dataclass(slots=True)
class AggregatedJobResult:
    """What a file says of a job."""

    job_id: str
    tag: str | None
    config: dict[str, Any]
    metrics: dict[str, Any]
    status: str
    """``success``, or ``error``: the job failed, or its file is none."""
    error: str | None = None
    """Why it is an error."""
    path: str = ""
    """Where it was found, from the directory on."""


class _Unreadable(Exception):  # noqa: N818 - a state, and never seen outside
    """What is wrong with a file."""


class NoResults(InputError, FileNotFoundError):  # noqa: N818 - what is wrong, in a word
    """There is no such directory of results."""


# ── reading ──────────────────────────────────────────────────────────────────
def load(directory: Path) -> list[AggregatedJobResult]:
    """Read every ``*.json`` below a directory, in the natural order of the job ids.

    Raises:
        NoResults: there is no such directory.
    """
    if not directory.is_dir():
        what = "is no directory" if directory.exists() else "there is no such directory"
        raise NoResults(
            f"{directory}: {what}",
            hint="name the directory that holds the results, such as outputs/tuning/sess001",
        )
    unlisted: list[OSError] = []
    found: list[AggregatedJobResult] = []
    for folder, _, names in os.walk(directory, onerror=unlisted.append):
        for name in names:
            if name.endswith(".json"):
                result = _result(Path(folder, name), directory)
                found += [result] if result is not None else []
    found += [_closed(error, directory) for error in unlisted]
    return sorted(found, key=lambda result: (natural(result.job_id), result.path))


def _result(path: Path, directory: Path) -> AggregatedJobResult | None:
    """Read one file; None if it is a summary."""
    place = str(path.relative_to(directory))
    try:
        document = _document(path)
        if "status" not in document and document.keys() >= SUMMARY:
            return None
        return _told(document, path.stem, place)
    except _Unreadable as error:
        return _failed(path.stem, place, str(error))


def _closed(error: OSError, directory: Path) -> AggregatedJobResult:
    folder = Path(error.filename or directory)
    place = os.path.relpath(folder, directory)
    return _failed(folder.name, place, f"the folder cannot be listed: {error.strerror}")


def _failed(job_id: str, place: str, reason: str) -> AggregatedJobResult:
    return AggregatedJobResult(job_id, None, {}, {}, ERROR, reason, place)


def _document(path: Path) -> dict[str, Any]:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise _Unreadable("it is no file")
        if status.st_size > SIZE_MAX:
            raise _Unreadable(f"it has more than {SIZE_MAX >> 20} MB")
        text = path.read_bytes().decode("utf-8-sig")
        found = json.loads(text, object_pairs_hook=_once)
    except OSError as error:
        raise _Unreadable(f"it cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise _Unreadable("it is not written in UTF-8") from None
    except json.JSONDecodeError as error:
        raise _Unreadable(f"it is no JSON: {error.msg}, line {error.lineno}") from None
    except RecursionError:
        raise _Unreadable(f"it is nested deeper than {DEPTH_MAX} levels") from None
    except ValueError:  # the interpreter's own limit
        raise _Unreadable("a number in it has too many digits") from None
    if not isinstance(found, dict):
        raise _Unreadable("it is no JSON object")
    if _deeper(found):
        raise _Unreadable(f"it is nested deeper than {DEPTH_MAX} levels")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = Counter(name for name, _ in pairs)
        raise _Unreadable(f"{names.most_common(1)[0][0]!r} stands in one object twice")
    return found


def _deeper(found: Any) -> bool:
    """Tell whether a document is nested deeper than anybody needs."""
    level = [found]
    for _ in range(DEPTH_MAX):
        level = [
            item
            for value in level
            if isinstance(value, dict | list)
            for item in (value.values() if isinstance(value, dict) else value)
        ]
    return bool(level)


def _told(document: dict[str, Any], stem: str, place: str) -> AggregatedJobResult:
    """Take what a document says; parts that are not there are empty."""
    config, metrics = _part(document, "config"), _part(document, "metrics")
    job_id = _part(document, "config_summary").get("job_id")
    tag = config.get("tag")
    result = AggregatedJobResult(
        job_id if isinstance(job_id, str) and job_id else stem,
        tag if isinstance(tag, str) else None,
        config,
        metrics,
        "success",
        path=place,
    )
    status = document.get("status")
    if status != "success":
        result.status = ERROR
        told = document.get("error") if status == ERROR else None
        result.error = told if isinstance(told, str) else _no_result(status)
    return result


def _no_result(status: object) -> str:
    return "it has no status" if status is None else f"its status is {status!r:.100}"


def _part(document: dict[str, Any], name: str) -> dict[str, Any]:
    found = document.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise _Unreadable(f"its {name} is no JSON object")
    return found


# ── ranking ──────────────────────────────────────────────────────────────────
def summarize(
    results: Sequence[AggregatedJobResult], filters: Filters = ANY, max_results: int | None = None
) -> Summary:
    """Rank results that are in the natural order of their ids.

    Raises:
        ValueError: fewer than none are wanted.
    """
    done = [result for result in results if result.status == "success"]
    reasons = [_unfit(result.metrics) for result in done]
    fit = [result for result, reason in zip(done, reasons, strict=True) if reason is None]
    columns = {
        name: np.array([_number(result.metrics[name]) for result in fit], np.float64)
        for name in NEEDED
    }
    ranked = rank(columns, np.arange(len(fit)), filters, limit=max_results)
    unfit = Counter(reason for reason in reasons if reason is not None)
    left_out = [
        LeftOut(reason=reason, jobs=jobs, examples=_first(done, reasons, reason))
        for reason, jobs in sorted(unfit.items())
    ]
    left_out += [
        LeftOut(
            reason=reason,
            jobs=jobs,
            examples=tuple(fit[number].job_id for number in ranked.examples[reason]),
        )
        for reason, jobs in ranked.excluded.items()
    ]
    both = zip(ranked.places.tolist(), ranked.ranks.tolist(), ranked.tied.tolist(), strict=True)
    return Summary(
        total_jobs=len(results),
        success_jobs=len(done),
        error_jobs=len(results) - len(done),
        filters=filters,
        top=tuple(_entry(fit[place], number, tied=tied) for place, number, tied in both),
        shown=varied(results),
        left_out=(*_errors(results), *left_out),
    )


def _entry(result: AggregatedJobResult, number: int, *, tied: bool) -> Entry:
    return Entry(
        job_id=result.job_id,
        tag=result.tag,
        config=result.config,
        metrics=result.metrics,
        rank=number,
        tied=tied,
    )


def _errors(results: Sequence[AggregatedJobResult]) -> list[LeftOut]:
    failed = [result for result in results if result.status != "success"]
    names = tuple(f"{result.path}: {result.error}" for result in failed[:EXAMPLES])
    return [LeftOut(reason=ERROR, jobs=len(failed), examples=names)] if failed else []


def _first(
    done: Sequence[AggregatedJobResult], reasons: Sequence[str | None], reason: str
) -> tuple[str, ...]:
    both = zip(done, reasons, strict=True)
    return tuple([result.job_id for result, mine in both if mine == reason][:EXAMPLES])


def _unfit(metrics: dict[str, Any]) -> str | None:
    """Say which metric keeps a job from being ranked."""
    for name in CHECKED:
        value = metrics.get(name)
        if value is None:
            if name in NEEDED:
                return missing(name)
        elif isinstance(value, bool) or not isinstance(value, int | float):
            return f"{name} no number"
        elif not math.isfinite(_number(value)):
            return not_finite(name)
    return None


def _number(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def varied(results: Sequence[AggregatedJobResult]) -> tuple[str, ...]:
    """Name the parameters in which jobs differ, in the order in which they were written."""
    seen: dict[str, set[Any]] = {}
    for result in results:
        for name, value in result.config.items():
            seen.setdefault(name, set()).add(_key(value))
    differ = [name for name, values in seen.items() if len(values) > 1 and name != "tag"]
    return tuple(differ or (name for name in ALWAYS if name in seen))


def _key(value: Any) -> Any:
    """Give a value that equal values share: 20 and 20.0 are one."""
    if isinstance(value, bool | list | dict):
        return json.dumps(value, sort_keys=True)
    return value
