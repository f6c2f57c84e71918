"""Every setting can be given by the environment: ``database.url`` is ``DAEMON_DATABASE_URL``.

The names are derived from the model. ``<NAME>_FILE`` names a file that holds
the value, as container platforms hand over secrets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_origin

from pydantic import SecretStr

from daemon.config import shape
from daemon.config.problems import nearest
from daemon.config.text import decode, read_bounded
from daemon.config.yaml_safe import DEFAULT_LIMITS, KeyPath, scan_yaml
from daemon.config.yaml_scalars import ScalarError, resolve
from daemon.errors import ConfigError, Problem
from daemon.log import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

    from daemon.config.shape import Key

PREFIX = "DAEMON_"
FROM_FILE = "_FILE"
OTHERS = frozenset({"DAEMON_CONFIG", "DAEMON_DEBUG"})
"""Variables of ours that are no settings."""


@dataclass
class Overrides:
    """What the environment says: a value a path, and the variable that gave it."""

    values: dict[KeyPath, Any] = field(default_factory=dict)
    variables: dict[KeyPath, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


def variable_of(key: Key) -> str:
    """Name the variable of a setting."""
    return PREFIX + "_".join(key.path).upper()


@cache
def variables(model: type[BaseModel]) -> Mapping[str, Key]:
    """Name every variable that a model understands, with the setting it gives."""
    return {
        variable_of(key): key
        for key in shape.keys(model)
        if not key.is_section and shape.ANY_NAME not in key.path
    }


def read_environment(model: type[BaseModel], environ: Mapping[str, str]) -> Overrides:
    """Read the settings that the environment gives."""
    overrides = Overrides()
    known = variables(model)
    for name, key in known.items():
        _read(name, key, environ, overrides)
    mine = {*known, *(name + FROM_FILE for name in known), *OTHERS}
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in mine:
            overrides.warnings.append(_unknown(name, known))
    return overrides


def _read(name: str, key: Key, environ: Mapping[str, str], overrides: Overrides) -> None:
    from_file = name + FROM_FILE
    given = [variable for variable in (name, from_file) if variable in environ]
    if len(given) > 1:
        reason = f"is set, and so is {from_file}: one setting, two values"
        overrides.problems.append(Problem(reason, name, key=key.dotted, hint="unset one of them"))
    elif given:
        try:
            text = environ[name] if given == [name] else _content(from_file, environ[from_file])
            value = _value(given[0], text, key)
        except ConfigError as error:
            overrides.problems += error.problems
        else:
            overrides.values[key.path] = value
            overrides.variables[key.path] = given[0]


def _content(variable: str, path: str) -> str:
    """Read the file that a variable names; editors end it with a line break that is not meant."""
    try:
        data = read_bounded(Path(path), DEFAULT_LIMITS.size_bytes)
        return decode(data, path, DEFAULT_LIMITS.size_bytes).rstrip("\r\n")
    except ConfigError as error:
        reason = f"names the file {error.problems[0]}"
        hint = error.problems[0].hint
    raise ConfigError([Problem(reason, variable, hint=hint)])


def _value(variable: str, text: str, key: Key) -> Any:
    if not text.strip():
        hint = f"unset {variable} to get the file's value or the default"
        raise ConfigError([Problem("is set, but empty", variable, key=key.dotted, hint=hint)])
    if shape.values_of(key.annotation) is not None:
        return _mapping(variable, text)
    if _is_textual(key):
        return text
    try:
        return resolve(text.strip())
    except ScalarError as error:
        problem = Problem(error.reason, variable, key=key.dotted, hint=error.hint)
    raise ConfigError([problem])


def _mapping(variable: str, text: str) -> Any:
    document = scan_yaml(text, name=variable)
    if document.problems:
        raise ConfigError(document.problems)
    return document.value


def _is_textual(key: Key) -> bool:
    kind = shape.bare(key.annotation)
    return kind in {str, SecretStr, Path} or get_origin(kind) is Literal


def _unknown(name: str, known: Mapping[str, Key]) -> Problem:
    endings = {variable.removeprefix(PREFIX): variable for variable in known}
    near = nearest(name.removeprefix(PREFIX), endings)
    hint = "unset it; `daemon config schema` names every setting"
    if near is not None:
        hint = f"did you mean `{endings[near]}`?"
    reason = "is set, but no setting has this variable: it is ignored"
    return Problem(reason, printable(name), hint=hint, warning=True)
