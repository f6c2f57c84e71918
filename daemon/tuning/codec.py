"""Values of this room as JSON, and back: a state outlives its process to the last bit.

A dataclass becomes an object that names its class under ``_``; an array an
object with its numbers; a tuple a list. Floats survive because JSON writes the
shortest form that reads back the same; infinity, which JSON has not, is named.
"""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.tuning import effects, model, null, objective, state
from daemon.tuning.reasons import Reason
from daemon.tuning.vocabulary import Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

_KINDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        effects.Response,
        effects.Tracker,
        model.Asked,
        model.Effect,
        model.Judgement,
        model.Move,
        null.Noise,
        null.Process,
        objective.Frame,
        state.Memory,
        state.NoGo,
        state.Quiet,
        state.State,
        state.Trial,
    )
}
_WORDS: dict[str, Any] = {kind.__name__: kind for kind in (Reason, Verdict, state.Phase)}
_LATER = {("Trial", "extra")}
"""Fields that came later: at their default they are left out, as if they had not come.

So what an older version wrote can be read, and is what this one writes.
"""
_ALWAYS = object()
_FIELDS: dict[type, tuple[tuple[str, Any], ...]] = {
    kind: tuple(
        (item.name, item.default if (name, item.name) in _LATER else _ALWAYS)
        for item in fields(kind)
    )
    for name, kind in _KINDS.items()
}
"""Of every kind the fields, and with which value each is left out."""

_PLAIN = frozenset({int, str, bool, type(None)})
_ENDLESS = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


_UNREADABLE = (
    AttributeError,
    KeyError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)


class Unreadable(ValueError):  # noqa: N818 - says what the text is, not what went wrong
    """What was stored is no state of this version."""


def dump(value: Any) -> Any:
    """Turn a value into what JSON can hold."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if issubclass(kind, float):
        return value if math.isfinite(value) else {"_": "float", "is": str(value)}
    if issubclass(kind, tuple | list):
        return [dump(item) for item in value]
    if kind is np.ndarray:
        return {"_": "array", "shape": list(value.shape), "rows": _rows(value)}
    return _named(value, kind) if kind in _FIELDS else _other(value, kind.__name__)


def _other(value: Any, kind: str) -> Any:
    if isinstance(value, dict):
        return {"_": "map", "of": {key: dump(item) for key, item in value.items()}}
    return {"_": kind, "is": str(value)} if kind in _WORDS else value


def _rows(array: NDArray[Any]) -> list[Any]:
    rows = array.ravel().tolist()
    return rows if all(map(math.isfinite, rows)) else [dump(item) for item in rows]


def _named(value: Any, kind: type) -> dict[str, Any]:
    told: dict[str, Any] = {"_": kind.__name__}
    for name, unsaid in _FIELDS[kind]:
        item = getattr(value, name)
        if unsaid is _ALWAYS or item != unsaid:
            told[name] = dump(item)
    return told


def load(plain: Any) -> Any:
    """Turn what `dump` gave into the value again.

    Raises:
        Unreadable: it was not `dump` that wrote it, or another version's.
    """
    try:
        return _load(plain)
    except _UNREADABLE as error:
        raise Unreadable(f"not a state of this version: {error}") from error


def _load(plain: Any) -> Any:
    if isinstance(plain, list):
        return tuple(_load(item) for item in plain)
    return _made(plain["_"], plain) if isinstance(plain, dict) else plain


def _made(kind: str, plain: dict[str, Any]) -> Any:
    if kind == "array":
        return np.array(_load(plain["rows"]), dtype=np.float64).reshape(plain["shape"])
    if kind == "float":
        return _ENDLESS[plain["is"]]
    if kind == "map":
        return {key: _load(item) for key, item in plain["of"].items()}
    if kind in _WORDS:
        return _WORDS[kind](plain["is"])
    return _KINDS[kind](**{key: _load(item) for key, item in plain.items() if key != "_"})
