"""What is in force, key by key, and who said so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, SecretStr

from daemon.config.yaml_safe import KeyPath, dotted
from daemon.log import MASK, mask, mask_urls

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from daemon.config.problems import Source

DEFAULT = "default"
_URL = re.compile(r"[a-z][a-z0-9+]*://")
"""A secret that is a URL is shown but for its password."""
_WEB = re.compile(r"https?://(?:[^/?#@]*@)?(?P<host>[^/?#@]*).*")
"""Of a secret place in the web only the host is shown: what follows may be the key to it."""


def flatten(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Walk the values of a model; secrets come out masked."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from flatten(getattr(value, name), (*path, name))
    elif isinstance(value, dict) and value:
        for name, item in value.items():
            yield from flatten(item, (*path, name))
    else:
        yield path, _shown(value)


def origins(model: BaseModel, source: Source) -> dict[str, str]:
    """Say of every value in force where it came from."""
    return {dotted(path): _origin(path, source) for path, _ in flatten(model)}


def rows(model: BaseModel, said_by: Mapping[str, str]) -> list[tuple[str, Any, str]]:
    """Give key, value and origin of everything in force."""
    return [(dotted(path), value, said_by[dotted(path)]) for path, value in flatten(model)]


def _origin(path: KeyPath, source: Source) -> str:
    if variable := source.variable(path):
        return f"env {variable}"
    if source.document is not None and path in source.document.lines:
        return f"{source.document.name}:{source.document.line(path)}"
    return DEFAULT


def _shown(value: Any) -> Any:
    if isinstance(value, SecretStr):
        text = value.get_secret_value()
        if found := _WEB.fullmatch(text):
            return f"{text.partition('://')[0]}://{found['host']}/{MASK}"
        return mask(text) if _URL.match(text) else MASK
    return mask_urls(str(value)) if isinstance(value, Path | str) else value
