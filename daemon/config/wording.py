"""The sentences: what is wrong with a value, said in the operator's words and not in pydantic's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, get_args

from daemon.config import shape
from daemon.config.yaml_scalars import ScalarError, resolve
from daemon.log import mask, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic_core import ErrorDetails

    from daemon.config.shape import Key

_SHOWN_MAX = 40
_NUMBER_WITH_UNIT = re.compile(r"([-+]?[0-9.]+)\s*([a-zA-Z%]+)")
_THOUSANDS = re.compile(r"[-+]?[1-9][0-9]{0,2}(?:,[0-9]{3})+")
_YES_NO = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}

Words = tuple[str, str | None]


def reason_and_hint(error: ErrorDetails, key: Key | None) -> Words:
    """Say what is wrong with a value, and what to do about it."""
    context: dict[str, Any] = error.get("ctx") or {}
    if error["type"] == "refused":
        return context["reason"], context["hint"]
    got = described(error["input"], key)
    if error["type"] in _WANTED:
        wanted = _WANTED[error["type"]]
        return f"must be {wanted}, not {got}", _type_hint(error, key) or meaning(key)
    if error["type"] in _SAID:
        return _SAID[error["type"]](context, got), meaning(key)
    if error["type"] == "literal_error":
        return f"must be {_choices(key)}, not {got}", meaning(key)
    return f"does not hold: {error['msg'].lower()}", meaning(key)


def either(words: Sequence[str]) -> str:
    """List words of which one is wanted."""
    return " or ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def meaning(key: Key | None) -> str | None:
    """Give the first sentence of what a key is for."""
    text = key.field.description if key is not None and key.field is not None else None
    return text.partition(". ")[0].rstrip(".") if text else None


def described(value: object, key: Key | None = None) -> str:
    """Name a value so that its kind is plain; never one that may be secret."""
    kind = _kind(value)
    hidden = key is None or shape.is_secret(key.annotation)
    if hidden or value is None or isinstance(value, dict | list):
        return kind
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        shown = printable(mask(value))
        return f"text '{shown[:_SHOWN_MAX]}{'…' if len(shown) > _SHOWN_MAX else ''}'"
    return f"{value}"


def _kind(value: object) -> str:
    kinds: tuple[tuple[Any, str], ...] = (
        (bool, "a true or false"),
        (str, "text"),
        (int | float, "a number"),
        (list, "a list"),
        (dict, "a mapping"),
    )
    return next((name for type_, name in kinds if isinstance(value, type_)), "nothing")


_WANTED = {
    "float_type": "a number",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "string_type": "text",
    "path_type": "a path, as text",
    "dict_type": "a mapping of names to values",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a mapping of keys to values",
    "list_type": "a list",
}
"""Types of value, by the name of pydantic's complaint about another type."""

_SAID: dict[str, Callable[[dict[str, Any], str], str]] = {
    "missing": lambda _context, _got: "is missing",
    "greater_than": lambda context, got: f"must be above {_number(context['gt'])}, not {got}",
    "greater_than_equal": lambda context, got: (
        f"must be at least {_number(context['ge'])}, not {got}"
    ),
    "less_than": lambda context, got: f"must be below {_number(context['lt'])}, not {got}",
    "less_than_equal": lambda context, got: f"must be at most {_number(context['le'])}, not {got}",
    "finite_number": lambda _context, _got: "must be a finite number",
    "string_too_short": lambda _context, _got: "must not be empty",
    "string_too_long": lambda context, _got: (
        f"must have at most {context['max_length']} characters"
    ),
    "too_short": lambda _context, _got: "must name at least one",
}


def _number(value: float) -> str:
    return f"{int(value):,}" if float(value).is_integer() else f"{value}"


def _choices(key: Key | None) -> str:
    values = get_args(shape.bare(key.annotation)) if key is not None else ()
    words = [f"{value:+d}" if isinstance(value, int) else str(value) for value in values]
    return either(words) if words else "one of the known words"


def _type_hint(error: ErrorDetails, key: Key | None) -> str | None:
    value, wanted = error["input"], error["type"]
    if key is not None and shape.is_secret(key.annotation):
        return None
    if wanted == "int_type" and isinstance(value, float) and value.is_integer():
        return f"write {int(value)}"
    if wanted == "string_type" and not isinstance(value, dict | list):
        return "put it in quotes"
    if not isinstance(value, str):
        return None
    if wanted == "bool_type":
        return _boolean_hint(value)
    return _number_hint(value) if wanted in {"int_type", "float_type"} else None


def _boolean_hint(word: str) -> str | None:
    if word.lower() in {"true", "false"}:
        return "remove the quotes"
    right = _YES_NO.get(word.lower())
    return f"write {right}: `{printable(word)}` is text here" if right else None


def _number_hint(word: str) -> str | None:
    """Guess which number was meant by a word that is not one."""
    if _is_number(word):
        return "remove the quotes"
    if (with_unit := _NUMBER_WITH_UNIT.fullmatch(word)) and _is_number(with_unit[1]):
        return f"write {with_unit[1]}: a value carries no unit, its key names it"
    plain = word.replace("_", "").replace(" ", "")
    decimal = plain.replace(",", "" if _THOUSANDS.fullmatch(plain) else ".")
    for guess in (plain, plain.lstrip("0"), decimal):
        if _is_number(guess):
            return f"write {guess}"
    return None


def _is_number(word: str) -> bool:
    try:
        value = resolve(word)
    except ScalarError:
        return False
    return isinstance(value, int | float) and not isinstance(value, bool)
