"""What the models look like from outside: their keys, and what stands at a path.

Environment variables, suggestions, the reference and the origins of values are
all derived from here, so that a field is described once, in its model.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

    from daemon.config.yaml_safe import KeyPath

ANY_NAME = "*"
"""Stands in a key for a name that the operator chooses."""


class Key(NamedTuple):
    """A key of a model, at any depth."""

    path: tuple[str, ...]
    annotation: Any
    field: FieldInfo | None

    @property
    def dotted(self) -> str:
        """The key as documents write it."""
        return ".".join(self.path)

    @property
    def is_section(self) -> bool:
        """Whether it holds further keys whose names the model knows."""
        return model_of(self.annotation) is not None


def bare(annotation: Any) -> Any:
    """Strip ``Annotated`` and ``| None`` from an annotation."""
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation = get_args(annotation)[0]
        elif origin in {Union, types.UnionType}:
            annotation = next(part for part in get_args(annotation) if part is not type(None))
        else:
            return annotation


def model_of(annotation: Any) -> type[BaseModel] | None:
    """Give the model that an annotation names, if it names one."""
    annotation = bare(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return None


def values_of(annotation: Any) -> Any:
    """Give what the values of a mapping with free names are; None if it is no such mapping."""
    annotation = bare(annotation)
    return get_args(annotation)[1] if get_origin(annotation) is dict else None


def keys(annotation: Any, path: tuple[str, ...] = ()) -> Iterator[Key]:
    """List every key below a model or a mapping, parents first."""
    if (model := model_of(annotation)) is not None:
        for name, field in model.model_fields.items():
            key = Key((*path, name), field.annotation, field)
            yield key
            yield from keys(key.annotation, key.path)
    elif (values := values_of(annotation)) is not None:
        key = Key((*path, ANY_NAME), values, None)
        yield key
        yield from keys(values, key.path)


def find(annotation: Any, path: KeyPath) -> Key | None:
    """Tell which key of the model a path in a file is."""
    key = Key((), annotation, None)
    for part in path:
        if (model := model_of(key.annotation)) is not None:
            field = model.model_fields.get(str(part))
            if field is None:
                return None
            key = Key((*key.path, str(part)), field.annotation, field)
        elif (values := values_of(key.annotation)) is not None:
            key = Key((*key.path, ANY_NAME), values, key.field)
        else:
            return None
    return key


def is_secret(annotation: Any) -> bool:
    """Tell whether what stands here, or anything below it, may not be shown."""
    if bare(annotation) is SecretStr:
        return True
    return any(bare(key.annotation) is SecretStr for key in keys(annotation))
