"""Column types that mean the same on SQLite (STRICT tables) and on Postgres.

SQLite's STRICT tables take INTEGER, REAL, TEXT and BLOB and nothing else; a
moment is an integer, because SQLite would keep a date as text without its zone.
"""

from __future__ import annotations

import json
import math
from functools import lru_cache
from json.encoder import encode_basestring as _quoted
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Double, Integer, Text
from sqlalchemy.dialects.sqlite import REAL
from sqlalchemy.types import TypeDecorator, TypeEngine

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Dialect

Count = BigInteger().with_variant(Integer(), "sqlite")
"""A 64-bit whole number."""

Micros = BigInteger().with_variant(Integer(), "sqlite")
"""A moment: microseconds since 1970 in UTC."""


LARGEST = 1e300
"""A double beyond this is treated as infinite; the constraints of the tables say the same."""


class Finite(TypeDecorator[float]):
    """A double that is a number.

    SQLite would store NaN as NULL without a word and infinity as it is, Postgres
    both: a constraint can refuse them on one database and never sees them on the other.
    """

    impl = Double
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type of this database."""
        return dialect.type_descriptor(REAL() if dialect.name == "sqlite" else Double())

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:
        """Refuse NaN, infinity, and what is treated as such."""
        del dialect
        if value is not None and not abs(value) < LARGEST:
            raise ValueError("NaN, infinity and numbers beyond 1e300 are not stored")
        return value


Real = Finite()
"""A double; what is no finite number is refused before the database sees it."""

MAX_EXACT_INT = 2**53
"""The largest whole number that every reader of JSON gets back unchanged."""


def read_json(text: str | bytes) -> Any:
    """Read JSON that a database wrote; ``jsonb`` writes 1e300 with all its digits.

    A whole number beyond 2**53 is refused on the way in, so it was a double.
    """
    return _DECODER.decode(text if isinstance(text, str) else text.decode())


def _double_if_large(digits: str) -> float:
    value = int(digits)
    return value if abs(value) <= MAX_EXACT_INT else float(value)


_DECODER = json.JSONDecoder(parse_int=_double_if_large)


class Json(TypeDecorator[Any]):
    """JSON: text with a validity check on SQLite, ``jsonb`` on Postgres.

    What one database would refuse or change is refused on both, so that a value
    (and the hash over it) survives the journey between them.
    """

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column type of this database."""
        if dialect.name == "postgresql":
            from sqlalchemy.dialects.postgresql import JSONB  # noqa: PLC0415 - slow, and others do without

            return dialect.type_descriptor(JSONB(none_as_null=True))
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Check the value; SQLite gets it as canonical text."""
        if value is None:
            return None
        text = written(value)
        return value if dialect.name == "postgresql" else str(text)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Read the value back."""
        if value is None or dialect.name == "postgresql":
            return value
        return read_json(value)


class Written(str):
    """JSON in its canonical form already: what is hashed and stored is written once."""

    __slots__ = ()


def canonical(value: Any) -> str:
    """Write JSON in the one form that hashes are computed over.

    Keys sorted, no spaces, and a number is written the same whether it came as
    ``1`` or ``1.0``, as ``1e300`` or with all its digits: ``jsonb`` gives some
    numbers back in another form than they had.

    Raises:
        ValueError: the value holds NaN, infinity, a NUL character, a lone
            surrogate, or something JSON has no form for.
    """
    return _write(value, _whole)


def written(value: Any) -> Written:
    """Write JSON in that form to be stored.

    Raises:
        ValueError: as `canonical` does; or it holds a whole number that a reader of
            JSON may get back changed.
    """
    return Written(_write(value, _exact))


def _write(value: Any, whole: Callable[[int], str]) -> str:
    """Write a value; ``whole`` writes what is an integer."""
    kind = type(value)
    if kind is float:
        return _double(value)
    if kind is str:
        return _text(value)
    if kind is int:
        return whole(value)
    if kind is dict:
        return _object(value, whole)
    if kind is list:
        return f"[{','.join([_write(item, whole) for item in value])}]"
    return _rare(value, whole)


def _rare(value: Any, whole: Callable[[int], str]) -> str:
    """Write what is met less often, kinds of numbers, texts and lists among it."""
    if value is None or isinstance(value, bool):
        return _WORDS[value]
    if isinstance(value, str):
        return str(value) if isinstance(value, Written) else _text(str(value))
    if isinstance(value, int | float):
        return _double(value) if isinstance(value, float) else whole(value)
    if isinstance(value, dict):
        return _object(value, whole)
    if isinstance(value, list | tuple):
        return _write(list(value), whole)
    raise ValueError(f"{type(value).__name__} has no JSON form")


_WORDS = {None: "null", True: "true", False: "false"}


def _object(value: dict[Any, Any], whole: Callable[[int], str]) -> str:
    try:
        keys = sorted(value)
    except TypeError:  # not all of them are text, then; which not is told below
        keys = list(value)
    return f"{{{','.join([f'{_key(key)}:{_write(value[key], whole)}' for key in keys])}}}"


def _double(value: float) -> str:
    if -MAX_EXACT_INT <= value <= MAX_EXACT_INT:
        near = int(value)
        return int.__repr__(near) if value == near else float.__repr__(value)
    return _far(value)


def _far(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError("NaN, infinity and numbers beyond a double have no JSON form")
    return float.__repr__(value)


def _whole(value: int) -> str:
    if -MAX_EXACT_INT <= value <= MAX_EXACT_INT:
        return int.__repr__(value)
    try:
        return _far(float(value))
    except OverflowError:
        return _far(math.inf)


def _exact(value: int) -> str:
    """Refuse a whole number that readers of JSON may get back changed."""
    if not -MAX_EXACT_INT <= value <= MAX_EXACT_INT:
        raise ValueError(f"{value} is beyond 2**53 and would not survive JSON")
    return int.__repr__(value)


def _text(value: str) -> str:
    if "\0" in value or not (value.isascii() or _encodes(value)):
        raise ValueError("text with a NUL character or a lone surrogate cannot be stored")
    return _quoted(value)


def _encodes(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


@lru_cache(maxsize=2048)
def _key(key: Any) -> str:
    """Write a key; the same few hundred come again and again."""
    if not isinstance(key, str):
        raise ValueError(f"a JSON key is text, not {type(key).__name__}")  # noqa: TRY004
    return _text(str(key))
