"""A session in lines for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.cli.moments import lasting
from daemon.cli.output import BAD, STYLES, cell, paint, printable, with_age

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WIDTH = 10
"""Of the words at the beginning of lines."""

DIGEST = 12
"""Letters of a digest that tell it from others."""


def lines(found: Mapping[str, Any], now_us: int) -> Iterator[str]:
    """Say how it stands, a line a thing."""
    for word, text in _said(found, now_us):
        yield f"{paint(f'{word:<{WIDTH}}', 'bold')} {text}"


def _said(found: Mapping[str, Any], now_us: int) -> Iterator[tuple[str, str]]:
    yield "session", f"{found['session']} ({printable(found['name'])})"
    yield "state", paint(found["state"], STYLES.get(found["state"], "")) + _note(found)
    yield "jobs", _jobs(found)
    if found["runner"]:
        yield "runner", printable(found["runner"])
    yield "data", _data(found)
    for word in ("started", "finished", "ranked"):
        if found[f"{word}_at"]:
            yield word, with_age(found[f"{word}_at"], now_us)
    yield from _best(found)
    yield from _failures(found)
    yield from _next(found)


def _note(found: Mapping[str, Any]) -> str:
    return f": {printable(found['note'])}" if found["note"] else ""


def _jobs(found: Mapping[str, Any]) -> str:
    finished = found["done"] + found["failed"]
    parts = [f"{finished:,} of {found['jobs']:,} ({found['progress']:.0%})"]
    if found["failed"]:
        parts.append(paint(f"{found['failed']:,} failed", BAD))
    if found["jobs_per_s"]:
        parts.append(f"{found['jobs_per_s']:,.0f} a second")
        parts.append(f"{lasting(found['left'] / found['jobs_per_s'])} left")
    return ", ".join(parts)


def _data(found: Mapping[str, Any]) -> str:
    digest = (found["data_digest"] or "")[:DIGEST]
    rows = "" if found["data_rows"] is None else f", {found['data_rows']:,} rows"
    return f"{printable(found['data_file'])}{rows}, {digest}"


def _best(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for number, one in enumerate(found["ranking"]):
        params = ", ".join(f"{name} {cell(one['params'][name])}" for name in found["grids"])
        yield (
            "" if number else "best",
            f"{one['rank']:>4}  {printable(one['job_id'])}  {one['realized_pnl_usd']:+,.2f} USD,"
            f" drawdown {one['max_drawdown_pct']:.2f}%, {one['total_trades']} trades"
            + (f"  ({params})" if params else ""),
        )


def _failures(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for number, one in enumerate(found["failures"]):
        text = f"{printable(one['job_id'])}: {printable(one['error'])}"
        yield "" if number else "failed", text


def _next(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    number = found["session"]
    if found["state"] == "running":
        yield "stop it", f"daemon session cancel {number}"
    elif found["left"]:
        yield "go on", "run its file again: what is finished is not run again"
    else:
        yield "more", f"daemon session rank {number}; daemon session export {number} -o csv"
