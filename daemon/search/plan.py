"""The jobs of a session, in order: names, parameters and places, known without writing them out."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice, product
from typing import TYPE_CHECKING, Any, Protocol

from daemon.errors import InputError
from daemon.search.names import LEADING, ORDER, REQUIRED
from daemon.search.space import Axis, Space

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Self

    import numpy as np
    from numpy.typing import NDArray

    from daemon.market.params import Params
    from daemon.search.drawing import Drawn, Value

    Ints = NDArray[np.int64]

OUTPUTS = "outputs/tuning"
_TEXT = json.JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True)
class Job:
    """One backtest of a session."""

    n: int
    """Its number, from 1."""
    job_id: str
    config: dict[str, Any]
    output_json: str
    """The file that its result goes to, if files are asked for."""

    def line(self) -> str:
        """Write it as a line of a jobs file."""
        return _TEXT(
            {"job_id": self.job_id, "config": self.config, "output_json": self.output_json}
        )


class TooManyJobs(InputError, ValueError):  # noqa: N818 - what is wrong, in a word
    """A session has more jobs than may be run; nothing was written out to find that."""


class Planned(Protocol):
    """Jobs that can be run: planned from a grid, or read from a file of jobs."""

    @property
    def jobs(self) -> int:
        """How many there are."""
        ...

    @property
    def cells(self) -> int:
        """How many there would be without a limit."""
        ...

    @property
    def duplicates(self) -> int:
        """What was written more than once: values of grids, or jobs of a file."""
        ...

    @property
    def data_file(self) -> str:
        """What they are backtested on."""
        ...

    @property
    def tag_prefix(self) -> str | None:
        """What their names begin with; None if they have no such thing in common."""
        ...

    @property
    def grids(self) -> tuple[str, ...]:
        """The parameters that differ among them."""
        ...

    @property
    def missing(self) -> tuple[str, ...]:
        """Parameters that must be given and are not: nothing can be run."""
        ...

    def job(self, n: int) -> Job:
        """Give a job by its number, from 1."""
        ...

    def job_id(self, n: int) -> str:
        """Give the name of a job by its number, from 1."""
        ...

    def number(self, job_id: str) -> int | None:
        """Give the number of a job by its name; None if there is none."""
        ...

    def params(self, n: int) -> Params:
        """Give the parameters of a job by its number, from 1."""
        ...

    def draw(self, indices: Ints) -> Drawn:
        """Give jobs as columns for the engine; the first has index 0."""
        ...

    def values_of(self, name: str) -> tuple[Value, ...]:
        """Name the distinct values that a parameter takes; none if nothing is said of it."""
        ...

    def limited(self, limit: int | None) -> Self:
        """Give the first of these jobs."""
        ...

    def digest(self) -> str:
        """Name these jobs: others have another name."""
        ...

    def space_digest(self) -> str:
        """Name their parameters, in order: neither limits nor names nor files are part of it."""
        ...

    def document(self) -> dict[str, Any]:
        """Say what they are, as JSON can hold it."""
        ...


@dataclass(frozen=True)
class Plan:
    """The jobs of a grid.

    There is no ``len()``: it cannot say 10^20, and `jobs` can.
    """

    space: Space
    data_file: str
    tag_prefix: str | None = None

    # ── how many, and what of ────────────────────────────────────────────────
    @property
    def jobs(self) -> int:
        """How many there are."""
        return self.space.jobs

    @property
    def cells(self) -> int:
        """How many there would be without a limit."""
        return self.space.cells

    @property
    def grids(self) -> tuple[str, ...]:
        """The parameters that a grid names, in its order."""
        return tuple(axis.name for axis in self.space.axes)

    @property
    def missing(self) -> tuple[str, ...]:
        """Parameters that must be given and are not."""
        return tuple(n for n in REQUIRED if n not in self.space.fixed and n not in self.grids)

    @property
    def duplicates(self) -> int:
        """How many values were written more than once; each is planned once."""
        return sum(len(axis.repeated) for axis in self.space.axes)

    def values_of(self, name: str) -> tuple[Value, ...]:
        """Name the values that a parameter takes; none if nothing is said of it."""
        for axis in self.space.axes:
            if axis.name == name:
                return axis.values
        return (self.space.fixed[name],) if name in self.space.fixed else ()

    def limited(self, limit: int | None) -> Self:
        """Give the same plan with the stricter of two limits."""
        return replace(self, space=self.space.limited(limit))

    # ── one job ──────────────────────────────────────────────────────────────
    def job(self, n: int) -> Job:
        """Give a job by its number, from 1.

        Raises:
            IndexError: there is none of this number.
        """
        job_id = self.job_id(n)
        config = {**self._alike, **self.space.values(n - 1)}
        if self.tag_prefix is not None:
            config["tag"] = self.tag_prefix
        return Job(n, job_id, config, f"{self._outputs}/{job_id}.json")

    def job_id(self, n: int) -> str:
        """Give the name of a job by its number, from 1.

        Raises:
            IndexError: there is none of this number.
        """
        if not 1 <= n <= self.jobs:
            raise IndexError(f"there is no job {n} of {self.jobs}")
        return f"{self._stem}_{n:04d}"

    def number(self, job_id: str) -> int | None:
        """Give the number of a job by its name; None if there is none."""
        stem, _, digits = job_id.rpartition("_")
        if stem != self._stem or not (digits.isascii() and digits.isdigit()):
            return None
        if len(digits) > max(4, len(str(self.jobs))):
            return None
        n = int(digits)
        return n if 1 <= n <= self.jobs and self.job_id(n) == job_id else None

    def params(self, n: int) -> Params:
        """Give the parameters of a job by its number, from 1.

        Raises:
            IndexError: there is none of this number.
            ValueError: a value is not what its parameter can be, or one is missing.
        """
        self.job_id(n)
        return self.space.params(n - 1)

    # ── all of them ──────────────────────────────────────────────────────────
    def __iter__(self) -> Iterator[Job]:
        """Give one job after the other; none is kept."""
        return (self.job(n) for n in range(1, self.jobs + 1))

    def lines(self) -> Iterator[str]:
        """Write one job after the other as lines of a jobs file: what `Job.line` writes, faster.

        What is the same in every line is written once.
        """
        turning = {axis.name: number for number, axis in enumerate(self.space.axes)}
        config = [
            f'"{name}": {{{turning[name]}}}'
            if name in turning
            else f'"{name}": {_plain(_TEXT(self._alike[name]))}'
            for name in dict.fromkeys([*self._alike, *turning])
        ]
        if self.tag_prefix is not None:
            config.append(f'"tag": {_plain(_TEXT(self.tag_prefix))}')
        line = f'{{{{"job_id": "{{job}}", "config": {{{{{", ".join(config)}}}}}, '
        line += '"output_json": "{folder}/{job}.json"}}'
        stem, folder = _TEXT(self._stem)[1:-1], _TEXT(self._outputs)[1:-1]
        texts = [[_TEXT(value) for value in axis.values] for axis in self.space.axes]
        for n, chosen in enumerate(islice(product(*texts), self.jobs), start=1):
            yield line.format(*chosen, job=f"{stem}_{n:04d}", folder=folder)

    def draw(self, indices: Ints) -> Drawn:
        """Give jobs as columns for the engine; the first has index 0.

        Raises:
            IndexError: one of the numbers is none.
            ValueError: a parameter without a default is missing from all of them.
        """
        return self.space.draw(indices)

    # ── what it is ───────────────────────────────────────────────────────────
    def digest(self) -> str:
        """Name the jobs as they would be written: others have another name."""
        body = self.document() | {"limit": None, "jobs": self.jobs}
        canonical = json.dumps(body, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def space_digest(self) -> str:
        """Name the combinations: neither limits nor names nor files are part of it."""
        return self.space.digest()

    def document(self) -> dict[str, Any]:
        """Say what it is, as JSON can hold it; `of` understands that."""
        ordered = {name: self.space.fixed[name] for name in ORDER if name in self.space.fixed}
        return {
            "kind": "grid",
            "data_file": self.data_file,
            "tag_prefix": self.tag_prefix,
            "fixed": ordered,
            "grids": [{"name": a.name, "values": list(a.values)} for a in self.space.axes],
            "limit": self.space.limit,
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Rebuild a plan from what `document` said of it.

        Raises:
            ValueError: nothing of the kind is said there.
        """
        try:
            axes = tuple(Axis(grid["name"], tuple(grid["values"])) for grid in document["grids"])
            space = Space(dict(document["fixed"]), axes, document["limit"])
            return cls(space, document["data_file"], document["tag_prefix"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"this describes no grid: {error}") from None

    @cached_property
    def _alike(self) -> dict[str, Any]:
        """What every job says before its own values take their places."""
        fixed = self.space.fixed
        said = {name: fixed.get(name, LEADING.get(name)) for name in ORDER}
        return {"data_file": self.data_file} | {k: v for k, v in said.items() if v is not None}

    @property
    def _stem(self) -> str:
        return "job" if self.tag_prefix is None else self.tag_prefix

    @property
    def _outputs(self) -> str:
        return OUTPUTS if self.tag_prefix is None else f"{OUTPUTS}/{self.tag_prefix}"


def within(planned: Planned, jobs_max: int) -> None:
    """Refuse more jobs than may be run; nothing is written out to count them.

    Raises:
        TooManyJobs: there are more; with their number and the limit.
    """
    if planned.jobs > jobs_max:
        raise TooManyJobs(
            f"{planned.jobs:,} jobs are planned, and {jobs_max:,} are the most that is run",
            hint="fewer values in the grids, or `max_jobs`; `sweeps.max_cells` is the limit",
        )


def _plain(text: str) -> str:
    """Keep a text from being taken for a place to be filled."""
    return text.replace("{", "{{").replace("}", "}}")
