"""Jobs that are given one by one: what `Plan` is for a grid, for a list.

A value is held once, however many jobs have it, and of a job only which values
it has: so a million jobs take little more than their names, and are drawn for the
engine as fast as those of a grid.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.market.params import Params
from daemon.search.drawing import Drawn, Judged, Value, drawn, judge
from daemon.search.names import ORDER, REQUIRED
from daemon.search.plan import Job
from daemon.search.space import DEFAULTS, meant

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Self

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Codes = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Said:
    """What jobs say under one name: the distinct values, and which of them each job has."""

    values: tuple[Any, ...]
    """None where nothing is said."""
    codes: Codes

    def of(self, index: int) -> Any:
        """Give what one job says."""
        return self.values[self.codes[index]]

    def take(self, places: Any) -> Said:
        """Keep some of the jobs."""
        return Said(self.values, self.codes[places])

    @cached_property
    def used(self) -> tuple[Any, ...]:
        """Give the values that some job has, in the order in which they appear first."""
        codes, first = np.unique(self.codes, return_index=True)
        return tuple(self.values[code] for code in codes[np.argsort(first)])


@dataclass(frozen=True, eq=False)
class JobList:
    """Jobs in the order of their file; they implement `Planned`."""

    name: str
    """What the file is called."""
    ids: Sequence[str]
    shapes: Said
    """The keys of a job's config, in order."""
    said: Mapping[str, Said]
    """The config: parameters, data_file and tag."""
    outputs: Said
    """Pairs: a folder in which the file is called like the job, or None, and else the whole path.
    """
    cells: int = 0
    """How many there were before a limit."""
    kept: dict[str, Judged] = field(default_factory=dict, repr=False)

    # ── how many, and what of ────────────────────────────────────────────────
    @property
    def jobs(self) -> int:
        """How many there are."""
        return len(self.ids)

    @cached_property
    def data_files(self) -> tuple[str, ...]:
        """What they are backtested on."""
        return self.said["data_file"].used

    @property
    def data_file(self) -> str:
        """What they are backtested on.

        Raises:
            ValueError: there are several; `split` parts them.
        """
        if len(self.data_files) > 1:
            raise ValueError(f"{self.name} has jobs for {len(self.data_files)} data files")
        return self.data_files[0]

    @cached_property
    def tag_prefix(self) -> str | None:
        """The tag of all jobs; None if they differ in it."""
        tags = self.said["tag"].used if "tag" in self.said else ()
        return tags[0] if len(tags) == 1 else None

    @cached_property
    def grids(self) -> tuple[str, ...]:
        """The parameters that differ among the jobs, in the order in which the first names them."""
        named = dict.fromkeys(key for shape in self.shapes.used for key in shape)
        differ = {n for n in ORDER if n in self.said and len(set(self._meanings(n)[0])) > 1}
        return tuple(name for name in named if name in differ)

    @property
    def missing(self) -> tuple[str, ...]:
        """Parameters that must be given and are not, in some job at least."""
        return tuple(n for n in REQUIRED if n not in self.said or None in self.said[n].used)

    @cached_property
    def duplicates(self) -> int:
        """How many jobs have the parameters and the data of another one before them."""
        columns = [self.said["data_file"].codes.astype(np.int64)]
        columns += [self._meanings(name)[1] for name in ORDER if name in self.said]
        table = np.ascontiguousarray(np.stack(columns, axis=1))
        rows = table.view(np.dtype((np.void, table.dtype.itemsize * table.shape[1])))
        return self.jobs - len(np.unique(rows))

    def values_of(self, name: str) -> tuple[Value, ...]:
        """Name the distinct values that a parameter takes; none if nothing is said of it."""
        used = self.said[name].used if name in self.said else ()
        effective = (DEFAULTS.get(name) if value is None else value for value in used)
        return tuple(dict.fromkeys(value for value in effective if value is not None))

    # ── some of them ─────────────────────────────────────────────────────────
    def limited(self, limit: int | None) -> Self:
        """Give the first of these jobs."""
        return self if limit is None or limit >= self.jobs else self._take(slice(limit))

    def split(self) -> tuple[Self, ...]:
        """Part the jobs by their data file; names stay, numbers count from 1 in each part."""
        if len(self.data_files) == 1:
            return (self,)
        codes = self.said["data_file"].codes
        _, first = np.unique(codes, return_index=True)
        return tuple(self._take(np.flatnonzero(codes == codes[at])) for at in np.sort(first))

    def _take(self, places: Any) -> Self:
        whole = isinstance(places, slice)
        ids = self.ids[places] if whole else [self.ids[place] for place in places.tolist()]
        return replace(
            self,
            ids=ids,
            shapes=self.shapes.take(places),
            said={name: said.take(places) for name, said in self.said.items()},
            outputs=self.outputs.take(places),
            cells=self.cells if whole else len(ids),
            kept={},
        )

    # ── one job ──────────────────────────────────────────────────────────────
    def job(self, n: int) -> Job:
        """Give a job by its number, from 1, as it was written.

        Raises:
            IndexError: there is none of this number.
        """
        job_id, index = self.job_id(n), n - 1
        config = {key: self.said[key].of(index) for key in self.shapes.of(index)}
        folder, whole = self.outputs.of(index)
        return Job(n, job_id, config, f"{folder}/{job_id}.json" if whole is None else whole)

    def __iter__(self) -> Iterator[Job]:
        """Give one job after the other."""
        return (self.job(n) for n in range(1, self.jobs + 1))

    def lines(self) -> Iterator[str]:
        """Write one job after the other as lines of a jobs file."""
        return (job.line() for job in self)

    def job_id(self, n: int) -> str:
        """Give the name of a job by its number, from 1.

        Raises:
            IndexError: there is none of this number.
        """
        if not 1 <= n <= self.jobs:
            raise IndexError(f"there is no job {n} of {self.jobs}")
        return self.ids[n - 1]

    def number(self, job_id: str) -> int | None:
        """Give the number of a job by its name; None if there is none."""
        return self._numbers.get(job_id)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {job_id: n for n, job_id in enumerate(self.ids, start=1)}

    def params(self, n: int) -> Params:
        """Give the parameters of a job by its number, from 1.

        Raises:
            IndexError: there is none of this number.
            ValueError: a value is not what its parameter can be, or one is missing.
        """
        self.job_id(n)
        said = {name: self.said[name].of(n - 1) for name in ORDER if name in self.said}
        given = {name: value for name, value in said.items() if value is not None}
        if missing := [name for name in REQUIRED if name not in given]:
            raise ValueError(f"{', '.join(missing)} must be given")
        return Params(**given)

    # ── many ─────────────────────────────────────────────────────────────────
    def draw(self, indices: Ints) -> Drawn:
        """Give jobs as columns for the engine; the first has index 0.

        Raises:
            IndexError: one of the numbers is none.
            ValueError: a parameter without a default is missing from all of them.
        """
        wanted = np.asarray(indices, np.int64)
        if len(wanted) and not 0 <= int(wanted.min()) <= int(wanted.max()) < self.jobs:
            raise IndexError(f"indices of jobs are from 0 to {self.jobs - 1}")
        chosen: dict[str, tuple[Judged, Ints | None]] = {
            name: (self._judged(name), self.said[name].codes[wanted].astype(np.int64))
            for name in ORDER
            if name in self.said
        }
        return drawn(chosen, len(wanted))

    def _judged(self, name: str) -> Judged:
        if name not in self.kept:
            self.kept[name] = judge(name, self.said[name].values)
        return self.kept[name]

    # ── what it is ───────────────────────────────────────────────────────────
    def digest(self) -> str:
        """Name the jobs as they were written: others have another name."""
        found = hashlib.sha256("\n".join(self.ids).encode())
        columns = {"": self.shapes, "output_json": self.outputs, **self.said}
        for name in sorted(columns):
            said = columns[name]
            found.update(json.dumps([name, said.values]).encode())
            found.update(said.codes.astype("<i4").tobytes())
        return found.hexdigest()

    def space_digest(self) -> str:
        """Name their parameters, in order: neither names nor files are part of it."""
        found = hashlib.sha256(f"{self.jobs}".encode())
        for name in ORDER:
            if name in self.said:
                meanings, codes = self._meanings(name)
                found.update(json.dumps([name, meanings]).encode())
                found.update(codes.astype("<i8").tobytes())
        return found.hexdigest()

    def _meanings(self, name: str) -> tuple[list[float | str | None], Ints]:
        """Give what the jobs mean under a name, however it was written; and which each means."""
        said = self.said[name]
        codes, first, place = np.unique(said.codes, return_index=True, return_inverse=True)
        order = np.argsort(first)
        numbers: dict[float | str | None, int] = {}
        number_of = np.empty(len(codes), np.int64)
        for at in order.tolist():
            value = said.values[codes[at]]
            value = DEFAULTS.get(name) if value is None else value
            meaning = None if value is None else meant(value)
            number_of[at] = numbers.setdefault(meaning, len(numbers))
        return list(numbers), number_of[place]

    def document(self) -> dict[str, Any]:
        """Say what they are, as JSON can hold it; the jobs themselves are not among it."""
        return {
            "kind": "jobs",
            "name": self.name,
            "data_files": list(self.data_files),
            "jobs": self.jobs,
            "grids": list(self.grids),
            "digest": self.digest(),
        }
