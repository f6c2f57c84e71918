"""From what pydantic found to what a person needs: file, line, key, reason, hint."""

from __future__ import annotations

import difflib
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

from daemon.config import shape
from daemon.config.wording import described, either, reason_and_hint
from daemon.config.yaml_safe import Document, KeyPath, dotted
from daemon.errors import Problem
from daemon.log import mask_urls

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pydantic_core import ErrorDetails

PROBLEMS_MAX = 100
"""Problems of one file that are told; whoever has more repairs these first."""

_CANDIDATES_MAX = 200
_WORD_MAX = 80
_LISTED_MAX = 12

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not make sense, before it is known which file says it."""

    path: KeyPath
    reason: str
    hint: str | None = None
    warning: bool = False


@dataclass(frozen=True)
class Source:
    """Where values came from: a file, and variables that overrule parts of it."""

    document: Document | None = None
    variables: Mapping[KeyPath, str] = field(default_factory=dict)

    def variable(self, path: KeyPath) -> str | None:
        """Name the variable that set a value, or a parent of it."""
        return next(
            (
                self.variables[path[:length]]
                for length in range(len(path), 0, -1)
                if path[:length] in self.variables
            ),
            None,
        )

    def problem(self, finding: Finding) -> Problem:
        """Say where a finding is."""
        variable = self.variable(finding.path)
        document = None if variable else self.document
        return Problem(
            finding.reason,
            variable or (document.name if document else None),
            document.line(finding.path) if document else None,
            dotted(finding.path) or None,
            finding.hint,
            finding.warning,
        )

    def knows(self, path: KeyPath) -> bool:
        """Tell whether a value is already refused: what is said of it now would be said twice."""
        if self.document is None or self.variable(path) is not None:
            return False
        return any(path[: len(bad)] == bad for bad in self.document.unreadable)


def refuse(reason: str, hint: str) -> PydanticCustomError:
    """Build the error that a validator raises; it reaches the operator word for word."""
    return PydanticCustomError("refused", "{reason}", {"reason": reason, "hint": hint})


def validate(model: type[Model], value: object) -> tuple[Model | None, list[Finding]]:
    """Judge a value by its model; the findings stand in the order of the model."""
    errors: list[ErrorDetails] = []
    try:
        return model.model_validate(value), []
    except ValidationError as error:
        errors = error.errors(include_url=False)
    # The error itself ends here: it carries the values, and one of them is a password.
    return None, [_finding(model, detail) for detail in errors[: 10 * PROBLEMS_MAX]]


def finish(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Sort the problems of one file by line, mask them, and keep as many as anybody reads."""
    ordered = sorted(problems, key=lambda problem: (problem.line or 0, problem.key or ""))
    kept = [_masked(problem) for problem in ordered[:PROBLEMS_MAX]]
    if more := len(ordered) - len(kept):
        kept.append(Problem(f"and {more} more", kept[-1].file, hint="repair these first"))
    return tuple(kept)


def locate(findings: Iterable[Finding], source: Source) -> list[Problem]:
    """Say where each finding is, and leave out what the reader has already refused."""
    return [source.problem(finding) for finding in findings if not source.knows(finding.path)]


def at_most(findings: Iterable[Finding]) -> list[Finding]:
    """Stop looking when there is more than anybody reads."""
    return list(itertools.islice(findings, PROBLEMS_MAX + 1))


def did_you_mean(word: str, known: Collection[str]) -> str | None:
    """Suggest the nearest of the known names, or list them if they are few."""
    names = sorted(known)
    if not names:
        return None
    listed = ", ".join(f"`{name}`" for name in names[:_LISTED_MAX])
    listed += ", …" if len(names) > _LISTED_MAX else ""
    near = nearest(word, names)
    return f"known: {listed}" if near is None else f"did you mean `{near}`?"


def nearest(word: str, names: Collection[str]) -> str | None:
    """Find the name that was probably meant."""
    if len(word) > _WORD_MAX or len(names) > _CANDIDATES_MAX:
        return None
    folded = {name.casefold(): name for name in names}
    near = difflib.get_close_matches(word.casefold(), folded, n=1)
    return folded[near[0]] if near else None


def _masked(problem: Problem) -> Problem:
    return Problem(
        mask_urls(problem.reason),
        problem.file and mask_urls(problem.file),
        problem.line,
        problem.key and mask_urls(problem.key),
        problem.hint and mask_urls(problem.hint),
        problem.warning,
    )


def _finding(model: type[BaseModel], error: ErrorDetails) -> Finding:
    place = tuple(error["loc"])
    if place and place[-1] == "[key]":
        place = place[:-1]
    if error["type"] == "extra_forbidden":
        return _unknown(model, place)
    path, key = shape.trace(model, place)
    if key is not None and error["type"].startswith("union_tag"):
        tag = shape.tag_of(key.annotation)
        return _of_no_kind((*path, tag), key, error["input"].get(tag))
    reason, hint = reason_and_hint(error, key)
    return Finding(path, reason, hint)


def _of_no_kind(path: KeyPath, section: shape.Key, given: object) -> Finding:
    """Say of a section which kinds there are."""
    key = shape.find(section.annotation, path[-1:])
    kinds = either([*shape.kinds_of(section.annotation)])
    reason = "is missing" if given is None else f"must be {kinds}, not {described(given, key)}"
    return Finding(path, reason, f"write `{path[-1]}:` and {kinds}")


def _unknown(model: type[BaseModel], place: KeyPath) -> Finding:
    word = str(place[-1])
    path, parent = shape.trace(model, place[:-1])
    section = shape.model_of(parent.annotation) if parent else None
    known = list(section.model_fields) if section else []
    hint = _hint_of_others(model, path, word) or _hint_for_unknown(model, word, known)
    return Finding((*path, word), "is not a key that exists here", hint)


def _hint_of_others(model: type[BaseModel], path: KeyPath, word: str) -> str | None:
    """Name the other kinds of a section that have a key."""
    section = shape.find(model, path)
    kinds = shape.kinds_of(section.annotation) if section else {}
    having = [kind for kind, other in kinds.items() if word in other.model_fields]
    return f"only the kind {either(having)} has it" if having else None


def _hint_for_unknown(model: type[BaseModel], word: str, known: list[str]) -> str | None:
    before, colon, _ = word.partition(":")
    if colon and before in known:
        return f"a space is missing after the colon: write `{before}: …`"
    if nearest(word, known) is not None:
        return did_you_mean(word, known)
    elsewhere = [key for key in shape.keys(model) if key.path[-1] == word]
    if elsewhere:
        place = ".".join(elsewhere[0].path[:-1])
        return f"`{word}` belongs under `{place}`" if place else f"`{word}` belongs at the top"
    return did_you_mean(word, known)
