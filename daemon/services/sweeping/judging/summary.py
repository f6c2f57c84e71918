"""The summary of a session, as text and as a document: one form, wherever its jobs were found."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any

from daemon.search.ranking import ANY, Filters

if TYPE_CHECKING:
    from collections.abc import Iterator

RULE = "=" * 70

WHOLE_MAX = 1e15
"""Below this a whole number is written without a fraction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A job among the best."""

    job_id: str
    tag: str | None
    config: Mapping[str, Any]
    metrics: Mapping[str, Any]
    rank: int
    """Who is tied shares the better one."""
    tied: bool = False
    status: str = "success"

    def document(self) -> dict[str, Any]:
        """Give it as JSON can hold it."""
        return {
            "job_id": self.job_id,
            "tag": self.tag,
            "config": plain(self.config),
            "metrics": plain(self.metrics),
            "status": self.status,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Jobs that could not be ranked, for one reason."""

    reason: str
    jobs: int
    examples: tuple[str, ...] = ()
    """The first of them, by id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a session brought."""

    total_jobs: int
    success_jobs: int
    error_jobs: int
    filters: Filters = ANY
    top: tuple[Entry, ...] = ()
    shown: tuple[str, ...] = ()
    """Parameters that the text shows of each job: those that its session varied."""
    left_out: tuple[LeftOut, ...] = field(default=())

    def document(self) -> dict[str, Any]:
        """Give it as JSON can hold it; ``ranks`` belong to ``top_by_pnl``, one each."""
        return {
            "total_jobs": self.total_jobs,
            "success_jobs": self.success_jobs,
            "error_jobs": self.error_jobs,
            "filters": self.filters.document(),
            "top_by_pnl": [entry.document() for entry in self.top],
            "ranks": [entry.rank for entry in self.top],
            "not_ranked": [
                {"reason": one.reason, "jobs": one.jobs, "examples": [*one.examples]}
                for one in self.left_out
            ],
        }

    def text(self) -> str:
        """Write it for the eye; the last line ends without a line break."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield from (RULE, "TUNING SESSION SUMMARY", RULE, "")
        yield f"Total Jobs:           {self.total_jobs}"
        yield f"Success Jobs:         {self.success_jobs}"
        yield f"Error Jobs:           {self.error_jobs}"
        yield ""
        yield f"Top {len(self.top)} by Realized PnL (USD):"
        for place, entry in enumerate(self.top, 1):
            yield f"  {place}) {self._line(entry)}"
        if not self.top:
            yield "  (no job could be ranked)"
        yield from self._notes()

    def _line(self, entry: Entry) -> str:
        told = entry.metrics
        parts = [
            f"job_id={printable(entry.job_id)}",
            f"PnL={told['realized_pnl_usd']:+z,.2f}",
            f"DD={told['max_drawdown_pct']:z.2f}%",
            f"trades={written(told['total_trades'])}",
        ]
        parts += [f"{printable(name)}={written(entry.config.get(name))}" for name in self.shown]
        return "  ".join(parts)

    def _notes(self) -> Iterator[str]:
        """Say what the list alone does not: ties, bounds, and who was left out."""
        notes = [*self._ties()]
        if bounds := self.filters.document():
            notes.append("Filters: " + ", ".join(_bound(*one) for one in bounds.items()))
        if self.left_out:
            notes.append(f"Not ranked: {sum(one.jobs for one in self.left_out)}")
            notes += [_named(one) for one in self.left_out]
        if notes:
            yield ""
            yield from notes

    def _ties(self) -> Iterator[str]:
        numbered = enumerate(self.top, 1)
        tied = (item for item in numbered if item[1].tied)
        for _, group in groupby(tied, key=lambda item: item[1].rank):
            places = [place for place, _ in group]
            named = f"{places[0]} to {places[-1]} are" if len(places) > 1 else f"{places[0]} is"
            others = "" if len(places) > 1 else " with jobs that are not shown"
            yield f"Tied: {named} equal in PnL and drawdown{others}; lower ids come first"


def _bound(name: str, value: float) -> str:
    return f"{name} at {'most' if name.startswith('max') else 'least'} {written(value)}"


def _named(one: LeftOut) -> str:
    names = ", ".join(printable(name) for name in one.examples)
    more = ", …" if one.jobs > len(one.examples) else ""
    return f"  {printable(one.reason)}: {one.jobs}" + (f" ({names}{more})" if names else "")


# ── values ───────────────────────────────────────────────────────────────────
def written(value: Any) -> str:
    """Write a value as a person would: whole numbers without a fraction."""
    if isinstance(value, float) and value.is_integer() and abs(value) < WHOLE_MAX:
        return str(int(value))
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    return printable(value if isinstance(value, str) else json.dumps(plain(value)))


def printable(text: str) -> str:
    """Write a text on one line, whatever somebody put into it."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def plain(value: Any) -> Any:
    """Turn a value into one that JSON can hold: what is no finite number is null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
