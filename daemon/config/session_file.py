"""From a session file to its jobs: read, judged, planned.

The models in ``session_sections`` hold the shape of the file; whether it makes
sense as a whole is judged in ``session_checks``, and what its numbers come to in
``daemon.search``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daemon.config.problems import Finding, Source, at_most, finish, locate, validate
from daemon.config.session_checks import check_session, too_many
from daemon.config.session_sections import READ_LIMITS, SessionFile
from daemon.config.yaml_safe import scan_yaml_file
from daemon.errors import ConfigError, Exit, InputError
from daemon.log import printable
from daemon.search.names import JOBS_MAX, ORDER
from daemon.search.plan import Plan
from daemon.search.preflight import look
from daemon.search.ranking import Filters
from daemon.search.space import Axis, Space

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from daemon.config.yaml_safe import Document, KeyPath
    from daemon.errors import Problem
    from daemon.search.drawing import Value


class SessionRefused(ConfigError, InputError, ValueError):  # noqa: N818 - what became of it
    """A session cannot be planned as it was written. All problems at once."""

    exit_code = Exit.INPUT
    where = "the session"


def given(session: SessionFile) -> dict[str, Value]:
    """Give the parameters that are the same in all jobs; a value under ``fixed`` wins."""
    found = {name: getattr(session.fixed, name) for name in ORDER}
    found = {
        name: getattr(session, name) if value is None else value for name, value in found.items()
    }
    return {name: value for name, value in found.items() if value is not None}


def planned(session: SessionFile, max_jobs: int | None = None) -> Plan:
    """Give the jobs of a session; of two limits the stricter one holds."""
    axes = tuple(Axis.of(grid.name, grid.values) for grid in session.grids)
    space = Space(given(session), axes, session.max_jobs)
    return Plan(space.limited(max_jobs), session.data_file, session.tag_prefix)


@dataclass(frozen=True)
class LoadedSession:
    """A session that can be planned."""

    session: SessionFile
    path: Path | None
    body: dict[str, Any]
    """What it says with all defaults, as JSON can hold it."""
    source: Source
    max_jobs: int | None = None
    warnings: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        """What it is called."""
        stem = "session" if self.path is None else printable(self.path.stem)
        if stem.isdecimal():  # digits alone would be taken for the number of a session
            stem = f"session-{stem}"
        return self.session.name or stem

    @property
    def data_file(self) -> str:
        """Where its quotes are."""
        return self.session.data_file

    @property
    def promote(self) -> tuple[str, ...]:
        """The parameters whose best values are proposed for rules."""
        return tuple(self.session.promote)

    @property
    def filters(self) -> Filters:
        """Which results its ranking leaves out."""
        rank = self.session.rank
        return Filters(max_drawdown_pct=rank.max_drawdown_pct, min_trades=rank.min_trades)

    @property
    def max_results(self) -> int:
        """How many of the best are shown."""
        return self.session.rank.max_results

    @property
    def skip_bad_rows(self) -> bool:
        """Whether rows that do not parse are left out."""
        return self.session.skip_bad_rows

    @property
    def job_timeout_s(self) -> float:
        """When a job counts as failed."""
        return self.session.job_timeout_s

    def plan(self) -> Plan:
        """Give its jobs."""
        return planned(self.session, self.max_jobs)

    def doubts(self) -> tuple[Problem, ...]:
        """Say what its numbers make one doubt, and in which line; without a look at the data."""
        return finish(locate(at_most(self._noted()), self.source))

    def _noted(self) -> Iterator[Finding]:
        for note in look(self.plan()).notes:
            if note.severity != "info":
                place = self._place_of(note.parameter)
                text = note.text
                for part in place[-1:]:  # what stands before it is not said twice
                    text = text.removeprefix(f"{part} ").removeprefix(f"{part}: ")
                yield Finding(place, text, note.hint, warning=True)

    def _place_of(self, name: str | None) -> KeyPath:
        if name is None:
            return ()
        for place, grid in enumerate(self.session.grids):
            if grid.name == name:
                return ("grids", place, "values")
        return (name,) if getattr(self.session.fixed, name) is None else ("fixed", name)


def load_session(
    path: Path, *, max_jobs: int | None = None, max_cells: int = JOBS_MAX
) -> LoadedSession:
    """Read a session; of ``max_jobs`` and that of the file the stricter one holds.

    Raises:
        SessionRefused: with every problem of the file.
    """
    try:
        document = scan_yaml_file(path, limits=READ_LIMITS)
    except ConfigError as error:
        raise SessionRefused(error.problems) from None
    return session_from(document, path, max_jobs=max_jobs, max_cells=max_cells)


def session_from(
    document: Document, path: Path, *, max_jobs: int | None = None, max_cells: int = JOBS_MAX
) -> LoadedSession:
    """Judge a session that has been read.

    Raises:
        SessionRefused: with every problem of the file.
    """
    source = Source(document)
    session, problems, warnings = _judged(document.value, source, (max_jobs, max_cells))
    problems = [*document.problems, *problems]
    if session is None or problems:
        raise SessionRefused(finish(problems))
    body = session.model_dump(mode="json")
    return LoadedSession(session, path, body, source, max_jobs, warnings)


def session_of(values: Mapping[str, Any], *, max_cells: int = JOBS_MAX) -> LoadedSession:
    """Judge a session that is given as values, by the names of the file's keys.

    Raises:
        SessionRefused: with everything that is wrong.
    """
    source = Source()
    session, problems, warnings = _judged(dict(values), source, (None, max_cells))
    if session is None or problems:
        raise SessionRefused(finish(problems))
    return LoadedSession(session, None, session.model_dump(mode="json"), source, warnings=warnings)


def _judged(
    value: Any, source: Source, limits: tuple[int | None, int]
) -> tuple[SessionFile | None, list[Problem], tuple[Problem, ...]]:
    """Give the session if it has the right shape, what is wrong, and what is doubtful."""
    session, misshapen = validate(SessionFile, value)
    told = {finding.path for finding in misshapen}
    senseless = [f for f in at_most(check_session(value)) if f.path not in told]
    errors = [*misshapen, *(finding for finding in senseless if not finding.warning)]
    if session is not None and not errors:
        max_jobs, max_cells = limits
        errors += too_many(planned(session, max_jobs), max_cells)
    doubts = finish(locate([f for f in senseless if f.warning], source))
    return session, locate(errors, source), doubts
