"""From a study file to what is searched: read, judged, and put into the words of the search.

The models in ``study_sections`` hold the shape of the file; whether it makes sense
as a whole is judged in ``study_checks``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from daemon.config.problems import Finding, Source, at_most, finish, locate, validate
from daemon.config.retrain_section import rules
from daemon.config.study_checks import check_study
from daemon.config.study_sampler_checks import domain_of
from daemon.config.study_sections import StudyFile
from daemon.config.study_words import TRIALS
from daemon.config.yaml_safe import Limits, scan_yaml_file
from daemon.errors import ConfigError, Exit, InputError
from daemon.log import printable
from daemon.search.names import ORDER
from daemon.search.plan import Plan
from daemon.search.preflight import look
from daemon.search.space import Axis, Space
from daemon.search.studies.folds import Scheme
from daemon.search.studies.objective import Aim, Constraint, Objective
from daemon.search.studies.scales import Profiles

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from daemon.config.study_sections import Bounds, ObjectiveOf
    from daemon.config.yaml_safe import Document, KeyPath
    from daemon.errors import Problem
    from daemon.search.drawing import Value
    from daemon.search.studies.domain import Domain
    from daemon.search.studies.triggers import Rules

READ_LIMITS = Limits(size_bytes=1024 * 1024, nodes=50_000)
"""Profiles may be written by a program."""

SAID: dict[str, tuple[str, ...]] = {
    "name": ("name",),
    "sampler": ("sampler",),
    "seed": ("seed",),
    "trials": ("budget", "trials"),
    "minutes": ("budget", "minutes"),
}
"""What may be said beside a file, and which key it overrules."""

ONE = "data"
"""What the quotes of a study of one file are called beside those of several."""

UNITS = frozenset(
    ("unit-small", "unit-large", "stop-fraction", "stop-never", "position-small", "money")
)
"""Doubts about the numbers of a session that are doubts about those of a study."""


class StudyRefused(ConfigError, InputError, ValueError):  # noqa: N818 - what became of it
    """A study cannot be run as it was written. All problems at once."""

    exit_code = Exit.INPUT
    where = "the study"


@dataclass(frozen=True)
class LoadedStudy:
    """A study that can be run."""

    study: StudyFile
    path: Path | None
    body: dict[str, Any]
    """What it says with all defaults, as JSON can hold it."""
    source: Source
    warnings: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        """What it is called."""
        stem = "study" if self.path is None else printable(self.path.stem)
        if stem.isdecimal() or stem == "last":  # by those a study is named by number or age
            stem = f"study-{stem}"
        return self.study.name or stem

    @cached_property
    def fixed(self) -> dict[str, Value]:
        """The parameters that are the same in all trials."""
        held = {name: getattr(self.study.fixed, name) for name in ORDER}
        return {name: value for name, value in held.items() if value is not None}

    @cached_property
    def domain(self) -> Domain:
        """What is searched."""
        axes = {name: axis.model_dump() for name, axis in self.study.space.items()}
        return domain_of(axes, self.fixed)

    @property
    def data(self) -> tuple[tuple[str, str, float], ...]:
        """The quotes: symbol, file and weight of each."""
        if self.study.data_file is not None:
            return ((ONE, self.study.data_file, 1.0),)
        return tuple((one.symbol, one.file, one.weight) for one in self.study.data_files)

    @property
    def sampler(self) -> tuple[str, dict[str, Any]]:
        """Who proposes, and what was set of it."""
        held = self.study.sampler.model_dump(exclude_none=True)
        return held.pop("kind"), held

    @cached_property
    def aim(self) -> Aim:
        """What is searched for."""
        one = () if self.study.objective is None else (self.study.objective,)
        objectives = tuple(_objective(held) for held in self.study.objectives or one)
        constraints = tuple(_constraint(*held) for held in self.study.constraints.items())
        return Aim(objectives or (Objective("realized_pnl_usd"),), constraints)

    @property
    def trials(self) -> int | None:
        """How many trials a fold has; None where only time limits them."""
        budget = self.study.budget
        return TRIALS if budget.trials is None and self.minutes is None else budget.trials

    @property
    def minutes(self) -> float | None:
        """How long it may take in all."""
        given = (self.study.budget.minutes, self.study.limits.minutes)
        return min((one for one in given if one is not None), default=None)

    @property
    def scheme(self) -> Scheme | None:
        """Which rows are searched, and which vouch for what was found."""
        walk = self.study.walk_forward
        return None if walk is None else Scheme(**walk.model_dump())

    @property
    def retrain(self) -> Rules | None:
        """When it is run again by itself; None for never."""
        return rules(self.study.retrain)

    def doubts(self) -> tuple[Problem, ...]:
        """Say what its numbers make one doubt, and in which line; without a look at the data."""
        return finish(locate(at_most(self._noted()), self.source))

    def corners(self) -> Plan:
        """Give the ends of all axes as a grid: what is doubted of it is doubtful here, too."""
        return self._grid(self._ends())

    def _grid(self, values: Mapping[str, list[Value]]) -> Plan:
        axes = tuple(Axis.of(name, held) for name, held in values.items())
        return Plan(Space(self.fixed, axes), self.data[0][1])

    def _ends(self, *, lower: bool = True) -> dict[str, list[Value]]:
        """Give the ends of all ranges, or the upper ones; and every value of profiles."""
        found: dict[str, list[Value]] = {}
        for axis in self.domain.axes:
            if isinstance(axis, Profiles):
                for held in axis.profiles.values():
                    for name, value in held.items():
                        found.setdefault(name, []).append(value)
            else:
                found[axis.name] = [*([axis.at(0.0)] if lower else []), axis.at(1.0)]
        return found

    def _noted(self) -> Iterator[Finding]:
        for note in look(self._grid(self._ends(lower=False))).notes:
            if note.code in UNITS and note.severity != "info":
                path = self._place_of(note.parameter)
                text = note.text.removeprefix(f"{note.parameter} of ")
                yield Finding(path, text, note.hint, warning=True)

    def _place_of(self, name: str | None) -> KeyPath:
        if name is None:
            return ()
        if name in self.fixed:
            return ("fixed", name)
        if name in self.study.space:
            return ("space", name)
        sets = [axis.name for axis in self.domain.axes if isinstance(axis, Profiles)]
        return ("space", *sets[:1], "profiles")


def _objective(held: ObjectiveOf) -> Objective:
    return Objective(held.metric, held.direction == "maximize")


def _constraint(metric: str, held: Bounds) -> Constraint:
    return Constraint(metric, held.min, held.max)


def load_study(path: Path, said: Mapping[str, Any] | None = None) -> LoadedStudy:
    """Read a study; what was said beside the file overrules it, by the names of `SAID`.

    Raises:
        StudyRefused: with every problem of the file.
    """
    try:
        document = scan_yaml_file(path, limits=READ_LIMITS)
    except ConfigError as error:
        raise StudyRefused(error.problems) from None
    return study_from(document, path, said)


def study_from(
    document: Document, path: Path, said: Mapping[str, Any] | None = None
) -> LoadedStudy:
    """Judge a study that has been read.

    Raises:
        StudyRefused: with every problem of the file.
    """
    value, variables = _overlaid(document.value, said or {})
    return _loaded(value, Source(document, variables), path, document.problems)


def study_of(values: Mapping[str, Any], said: Mapping[str, Any] | None = None) -> LoadedStudy:
    """Judge a study that is given as values, by the names of the file's keys.

    Raises:
        StudyRefused: with everything that is wrong.
    """
    value, variables = _overlaid(dict(values), said or {})
    return _loaded(value, Source(None, variables), None, ())


def _overlaid(value: Any, said: Mapping[str, Any]) -> tuple[Any, dict[KeyPath, str]]:
    """Lay what was said over what was written; a file that is no mapping stays to be refused."""
    variables: dict[KeyPath, str] = {}
    if not isinstance(value, dict):
        return value, variables
    found = dict(value)
    for name, told in said.items():
        path = SAID[name]
        variables[path] = f"--{name}"
        section = found
        for part in path[:-1]:
            held = section.get(part)
            section[part] = dict(held) if isinstance(held, dict) else {}
            section = section[part]
        section[path[-1]] = told
    return found, variables


def _loaded(
    value: Any, source: Source, path: Path | None, problems: tuple[Problem, ...]
) -> LoadedStudy:
    if isinstance(value, dict) and "grids" in value and "space" not in value:
        hint = "run it: daemon session run FILE; a study has a `space`"
        session = Finding(("grids",), "makes this a session file, and no study", hint)
        raise StudyRefused(finish(locate([session], source)))
    study, misshapen = validate(StudyFile, value)
    told = {finding.path for finding in misshapen}
    senseless = [f for f in at_most(check_study(value)) if f.path not in told]
    errors = [*misshapen, *(finding for finding in senseless if not finding.warning)]
    warnings = finish(locate([f for f in senseless if f.warning], source))
    found = [*problems, *locate(errors, source)]
    if study is None or found:
        raise StudyRefused(finish(found))
    loaded = LoadedStudy(study, path, study.model_dump(mode="json"), source, warnings)
    left = list(_left(loaded))
    if left:
        raise StudyRefused(finish(locate(left, source)))
    return loaded


def _left(loaded: LoadedStudy) -> Iterator[Finding]:
    """Say what only the search itself refuses."""
    for place, build in (("space", "domain"), ("objective", "aim"), ("walk_forward", "scheme")):
        try:
            getattr(loaded, build)
        except (ValueError, ArithmeticError) as error:
            yield Finding((place,), str(error) or "cannot be computed with")
