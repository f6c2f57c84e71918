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

KIND, TYPE = "kind", "type"
"""The keys by which a section says which of several kinds it is."""


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
        return bool(sections_of(self.annotation))


def bare(annotation: Any) -> Any:
    """Strip ``Annotated`` and ``| None`` from an annotation."""
    while True:
        if get_origin(annotation) is Annotated:
            annotation = get_args(annotation)[0]
        elif len(parts := _parts(annotation)) == 1:
            annotation = parts[0]
        else:
            return annotation


def _parts(annotation: Any) -> list[Any]:
    """Give what a union chooses from, besides nothing at all."""
    if get_origin(annotation) not in {Union, types.UnionType}:
        return []
    return [part for part in get_args(annotation) if part is not type(None)]


def model_of(annotation: Any) -> type[BaseModel] | None:
    """Give the model that an annotation names, if it names one."""
    annotation = bare(annotation)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return None


def kinds_of(annotation: Any) -> dict[str, type[BaseModel]]:
    """Give the models that a section may be, by the word that stands under ``kind``."""
    models = [model_of(part) for part in _parts(bare(annotation))]
    return {
        get_args(bare(model.model_fields[_tag(model)].annotation))[0]: model
        for model in models
        if model is not None
    }


def tag_of(annotation: Any) -> str:
    """Name the key by which a section says of which kind it is."""
    return next((_tag(model) for model in kinds_of(annotation).values()), KIND)


def _tag(model: type[BaseModel]) -> str:
    return KIND if KIND in model.model_fields else TYPE


def sections_of(annotation: Any) -> tuple[type[BaseModel], ...]:
    """Give the one model that stands here, or all of which one may stand here."""
    model = model_of(annotation)
    return tuple(kinds_of(annotation).values()) if model is None else (model,)


def values_of(annotation: Any) -> Any:
    """Give what the values of a mapping with free names are; None if it is no such mapping."""
    annotation = bare(annotation)
    return get_args(annotation)[1] if get_origin(annotation) is dict else None


def items_of(annotation: Any) -> Any:
    """Give what the items of a list are; None if it is no list."""
    annotation = bare(annotation)
    return get_args(annotation)[0] if get_origin(annotation) in {list, tuple} else None


def keys(annotation: Any, path: tuple[str, ...] = ()) -> Iterator[Key]:
    """List every key below a model or a mapping once, parents first.

    What several kinds of section call by the same name is the same key: it has
    one meaning, and one place in the reference.
    """
    seen: set[tuple[str, ...]] = set()
    for section in sections_of(annotation):
        for name, field in section.model_fields.items():
            key = Key((*path, name), field.annotation, field)
            for found in (key, *keys(key.annotation, key.path)):
                if found.path not in seen:
                    yield found
                    seen.add(found.path)
    if (values := values_of(annotation)) is not None:
        key = Key((*path, ANY_NAME), values, None)
        yield key
        yield from keys(values, key.path)


def find(annotation: Any, path: KeyPath) -> Key | None:
    """Tell which key of the model a path in a file is."""
    key: Key | None = Key((), annotation, None)
    for part in path:
        key = _below(key, part) if key is not None else None
    return key


def trace(annotation: Any, place: KeyPath) -> tuple[KeyPath, Key | None]:
    """Turn the place of a complaint into a path in the file and its key.

    Where a section may be of several kinds, pydantic puts the kind into the
    place; the file has no such level.
    """
    key: Key | None = Key((), annotation, None)
    path: KeyPath = ()
    for part in place:
        kind = kinds_of(key.annotation).get(str(part)) if key is not None else None
        if key is not None and kind is not None:
            key = key._replace(annotation=kind)
        else:
            path = (*path, part)
            key = _below(key, part) if key is not None else None
    return path, key


def _below(key: Key, part: str | int) -> Key | None:
    for section in sections_of(key.annotation):
        if (field := section.model_fields.get(str(part))) is not None:
            return Key((*key.path, str(part)), field.annotation, field)
    if (values := values_of(key.annotation)) is not None:
        return Key((*key.path, ANY_NAME), values, key.field)
    if (items := items_of(key.annotation)) is not None and isinstance(part, int):
        return key._replace(annotation=items)
    return None


def is_secret(annotation: Any) -> bool:
    """Tell whether what stands here, or anything below it, may not be shown."""
    if bare(annotation) is SecretStr:
        return True
    return any(bare(key.annotation) is SecretStr for key in keys(annotation))
