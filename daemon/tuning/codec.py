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
    from dataclasses import Field

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
    kind = type(value).__name__
    if isinstance(value, float):
        return value if math.isfinite(value) else {"_": "float", "is": str(value)}
    if isinstance(value, tuple | list):
        return [dump(item) for item in value]
    if isinstance(value, dict):
        return {"_": "map", "of": {key: dump(item) for key, item in value.items()}}
    if isinstance(value, np.ndarray):
        return {"_": "array", "shape": list(value.shape), "rows": dump(value.ravel().tolist())}
    return _named(value, kind) if kind in _WORDS or kind in _KINDS else value


def _named(value: Any, kind: str) -> dict[str, Any]:
    if kind in _WORDS:
        return {"_": kind, "is": str(value)}
    told = {item.name: getattr(value, item.name) for item in fields(value) if _said(value, item)}
    return {"_": kind} | {name: dump(item) for name, item in told.items()}


def _said(value: Any, item: Field[Any]) -> bool:
    """Tell whether a field is written down."""
    late = (type(value).__name__, item.name) in _LATER
    return not late or getattr(value, item.name) != item.default


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
