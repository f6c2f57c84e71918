"""Column types that mean the same on SQLite (STRICT tables) and on Postgres.

SQLite's STRICT tables take INTEGER, REAL, TEXT and BLOB and nothing else; a
moment is an integer, because SQLite would keep a date as text without its zone.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Double, Integer, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.sqlite import REAL
from sqlalchemy.types import TypeDecorator, TypeEngine

if TYPE_CHECKING:
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
    return json.loads(text, parse_int=_double_if_large)


def _double_if_large(digits: str) -> float:
    value = int(digits)
    return value if abs(value) <= MAX_EXACT_INT else float(value)


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
            return dialect.type_descriptor(JSONB(none_as_null=True))
        return dialect.type_descriptor(Text())

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Check the value; SQLite gets it as canonical text."""
        if value is None:
            return None
        _refuse_inexact(value)
        text = canonical(value)
        return value if dialect.name == "postgresql" else text

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Read the value back."""
        if value is None or dialect.name == "postgresql":
            return value
        return read_json(value)


def canonical(value: Any) -> str:
    """Write JSON in the one form that hashes are computed over.

    Keys sorted, no spaces, and a number is written the same whether it came as
    ``1`` or ``1.0``, as ``1e300`` or with all its digits: ``jsonb`` gives some
    numbers back in another form than they had.

    Raises:
        ValueError: the value holds NaN, infinity, a NUL character, a lone
            surrogate, or something JSON has no form for.
    """
    return json.dumps(
        _normal(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def _normal(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, dict):
        return {_key(key): _normal(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_normal(item) for item in value]
    raise ValueError(f"{type(value).__name__} has no JSON form")


def _number(value: float) -> float:
    if abs(value) <= MAX_EXACT_INT:
        return int(value) if value == int(value) else value
    try:
        value = float(value)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        raise ValueError("NaN, infinity and numbers beyond a double have no JSON form")
    return value


def _refuse_inexact(value: Any) -> None:
    """Refuse whole numbers that a reader of JSON may get back changed."""
    if isinstance(value, int) and abs(value) > MAX_EXACT_INT:
        raise ValueError(f"{value} is beyond 2**53 and would not survive JSON")
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            _refuse_inexact(item)


def _text(value: str) -> str:
    if "\0" in value or not _encodes(value):
        raise ValueError("text with a NUL character or a lone surrogate cannot be stored")
    return str(value)


def _encodes(value: str) -> bool:
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise ValueError(f"a JSON key is text, not {type(key).__name__}")  # noqa: TRY004
    return key if key.isidentifier() and key.isascii() else _text(key)
