"""Finished jobs as they are read back: one by one, or many side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Record:
    """A finished job, and what came of it."""

    n: int
    job_id: str
    params: Mapping[str, Any]
    metrics: Mapping[str, Any] | None
    """None if it failed."""
    runtime_s: float | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Part:
    """Finished jobs in order, an element of every list a job."""

    numbers: Sequence[int]
    job_ids: Sequence[str]
    params: Mapping[str, Sequence[Any]]
    metrics: Mapping[str, Sequence[Any]]
    runtime_s: Sequence[float | None]
    errors: Sequence[str | None]

    def __len__(self) -> int:
        return len(self.numbers)

    def records(self) -> Iterator[Record]:
        """Give one job after the other."""
        return map(self.record, range(len(self)))

    def record(self, place: int) -> Record:
        """Give one job."""
        error, metrics = self.errors[place], None
        if error is None:
            metrics = {name: column[place] for name, column in self.metrics.items()}
        params = {name: column[place] for name, column in self.params.items()}
        n, job_id = self.numbers[place], self.job_ids[place]
        return Record(n, job_id, params, metrics, self.runtime_s[place], error)
