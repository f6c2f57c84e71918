"""Files of jobs, a line a job: what `daemon session plan` writes, or somebody else in its form.

The reader is strict, since a job that is read differently from how it was meant
is a result under a wrong name: every problem is told with its line.
"""

from __future__ import annotations

import json
import math
from array import array
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from daemon.config.problems import PROBLEMS_MAX, finish, validate
from daemon.config.section import Section
from daemon.config.session_file import SessionRefused
from daemon.config.session_sections import Parameters, QuotesPath
from daemon.config.text import unreadable
from daemon.config.yaml_safe import dotted
from daemon.errors import Problem
from daemon.search.joblist import JobList, Said
from daemon.search.names import JOBS_MAX, ORDER, REQUIRED
from daemon.search.plan import TooManyJobs

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from daemon.config.problems import Finding

LINE_BYTES_MAX = 64 * 1024
NAME_LENGTH_MAX = 300

_NUMBERS = frozenset(ORDER) - {"exit_model", "max_open_trades"}
_SCALARS = frozenset({int, float, str, bool, type(None)})
_SAID = ("data_file", *ORDER, "tag")


class JobConfig(Parameters):
    """What a job says: the parameters, the data and the tag of its session."""

    data_file: QuotesPath = Field(description="The quotes.")
    tag: str | None = Field(default=None, max_length=NAME_LENGTH_MAX, description="A word.")


class Line(Section):
    """A line of the file."""

    job_id: str = Field(min_length=1, max_length=NAME_LENGTH_MAX, description="Its name.")
    config: dict[str, Any] = Field(description="What it is backtested with.")
    output_json: str = Field(min_length=1, max_length=4_000, description="Where its result goes.")


def load_jobs(path: Path, *, max_jobs: int | None = None, max_cells: int = JOBS_MAX) -> JobList:
    """Read a file of jobs; with ``max_jobs`` the first of them, and nothing after them.

    Raises:
        SessionRefused: with every problem of the file, and its line.
        TooManyJobs: there are more jobs than may be run.
    """
    reader = _Reader(str(path), max_cells + 1 if max_jobs is None else min(max_jobs, max_cells + 1))
    try:
        with path.open("rb") as file:
            reader.read(iter(lambda: file.readline(LINE_BYTES_MAX + 1), b""))
    except OSError as error:
        raise SessionRefused([unreadable(path, error)]) from None
    if len(reader.ids) > max_cells:
        raise TooManyJobs(
            f"{path}: there are more than {max_cells:,} jobs, the most that is run",
            hint="`--max-jobs` runs the first of them; `sweeps.max_cells` is the limit",
        )
    return reader.finished(path.stem)


class _Table:
    """Distinct values, each with its number."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.codes = array("i")
        self._number: dict[tuple[type, Any], int] = {}

    def knows(self, value: Any) -> bool:
        """Tell whether a value was seen before."""
        return _written(value) in self._number

    def add(self, value: Any) -> None:
        """Say what the next job says."""
        number = self._number.setdefault(_written(value), len(self.values))
        if number == len(self.values):
            self.values.append(value)
        self.codes.append(number)

    def said(self) -> Said:
        """Give what all jobs say."""
        return Said(tuple(self.values), np.array(self.codes, np.int32))


class _Reader:
    """Reads line by line; what is wrong is noted, and the next line is read."""

    def __init__(self, name: str, most: int) -> None:
        self.name, self.most = name, most
        self.ids: list[str] = []
        self.problems: list[Problem] = []
        self._seen: dict[str, int] = {}
        self._files: dict[str, int] = {}
        self._shapes, self._outputs = _Table(), _Table()
        self._said = {name: _Table() for name in _SAID}
        self._line = 0

    def read(self, lines: Iterable[bytes]) -> None:
        """Read lines until there are enough jobs, or enough problems."""
        for line in lines:
            self._line += 1
            if len(line) > LINE_BYTES_MAX:
                self._note(f"is longer than {LINE_BYTES_MAX:,} bytes", hint="is this the file?")
                return
            if line.strip():
                self._take(line)
            if len(self.ids) >= self.most or len(self.problems) >= PROBLEMS_MAX:
                return

    def finished(self, name: str) -> JobList:
        """Give the jobs.

        Raises:
            SessionRefused: with everything that was noted.
        """
        self._check_files()
        if not self.ids and not self.problems:
            self._line = 0
            self._note("has no jobs", hint="`daemon session plan --output-jobs-file` writes them")
        if self.problems:
            raise SessionRefused(finish(self.problems))
        named = {key for shape in self._shapes.values for key in shape}
        said = {key: table.said() for key, table in self._said.items() if key in named}
        outputs = self._outputs.said()
        return JobList(name, self.ids, self._shapes.said(), said, outputs, len(self.ids))

    def _note(self, reason: str, key: str | None = None, hint: str | None = None) -> None:
        self.problems.append(Problem(reason, self.name, self._line or None, key, hint))

    def _found(self, findings: Iterable[Finding], prefix: tuple[str, ...] = ()) -> None:
        for finding in findings:
            self._note(finding.reason, dotted((*prefix, *finding.path)) or None, finding.hint)

    # ── a line ───────────────────────────────────────────────────────────────
    def _take(self, line: bytes) -> None:
        try:
            value = _DECODER.decode(line.decode("utf-8-sig" if self._line == 1 else "utf-8"))
        except UnicodeDecodeError:
            self._note("is not UTF-8 text", hint="save the file as UTF-8")
        except (ValueError, RecursionError) as error:
            self._note(f"is not JSON: {_reason(error)}", hint="a line holds one job")
        else:
            parsed, findings = validate(Line, value)
            self._found(findings)
            if parsed is not None:
                self._job(parsed.job_id, parsed.config, parsed.output_json)

    def _job(self, job_id: str, config: dict[str, Any], output: str) -> None:
        before = len(self.problems)
        self._check_id(job_id)
        self._check_config(config)
        place = _placed(job_id, output)
        if not self._outputs.knows(place):
            self._check_output(output)
        elif place[1] is not None:
            self._taken(self._files[place[1]])
        if len(self.problems) > before:
            return
        if place[1] is not None:
            self._files[place[1]] = self._line
        self.ids.append(job_id)
        self._outputs.add(place)
        self._shapes.add(tuple(config))
        for key, table in self._said.items():
            table.add(config.get(key))

    def _check_id(self, job_id: str) -> None:
        if not job_id.isprintable() or job_id != job_id.strip() or "/" in job_id:
            hint = "a file is named after it: characters that can be seen, and no `/`"
            self._note("is no name for a job", "job_id", hint)
        first = self._seen.setdefault(job_id, self._line)
        if first != self._line:
            hint = "a name means one job"
            self._note(f"stands in line {first} already", "job_id", hint)

    def _check_config(self, config: dict[str, Any]) -> None:
        if not self._shapes.knows(tuple(config)) or not all(
            map(self._sound, config, config.values())
        ):
            _, findings = validate(JobConfig, config)
            self._found(findings, ("config",))
            for name in REQUIRED:
                if config.get(name) is None:
                    self._note("is missing", f"config.{name}", "without it nothing can be run")

    def _sound(self, key: str, value: Any) -> bool:
        """Tell whether a value is a plain number, or was judged before."""
        kind = type(value)
        if key in _NUMBERS and (kind is int or (kind is float and math.isfinite(value))):
            return True
        return kind in _SCALARS and self._said[key].knows(value)

    # ── files ────────────────────────────────────────────────────────────────
    def _check_output(self, output: str) -> None:
        path = PurePosixPath(output)
        if not output.isprintable() or output.endswith("/") or not path.name:
            self._note("is no path of a file", "output_json", "outputs/tuning/job_0001.json")
        elif ".." in path.parts:
            hint = "a path below the current directory, or an absolute one"
            self._note("leads out of its folder by `..`", "output_json", hint)

    def _check_files(self) -> None:
        """Find jobs whose result would go to the file of another one, called like that one."""
        named = dict(zip(self.ids, self._outputs.codes, strict=True)) if self._files else {}
        for whole, line in self._files.items():
            folder, _, file = whole.rpartition("/")
            job_id = file.removesuffix(".json")
            if job_id in named and self._outputs.values[named[job_id]] == (folder, None):
                self._line = line
                self._taken(self._seen[job_id])

    def _taken(self, line: int) -> None:
        hint = "a file of its own for each job"
        self._note(f"is the file of the job in line {line}", "output_json", hint)


def _written(value: Any) -> tuple[type, Any]:
    """Tell values apart that are equal and written in two ways: 20 and 20.0, 0.0 and -0.0."""
    return (type(value), value or repr(value))


def _placed(job_id: str, output: str) -> tuple[str | None, str | None]:
    """Say where a result goes: a folder, in a file called like the job; or a whole path."""
    end = f"/{job_id}.json"
    return (output.removesuffix(end), None) if output.endswith(end) else (None, output)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def _reason(error: ValueError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "too many levels"
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg}, column {error.colno}"
    return str(error)


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_number)
