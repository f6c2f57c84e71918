"""What an unquoted word in a file means: close to the core schema of YAML 1.2.

Stock YAML 1.1 reads ``no`` as false, ``1:30`` as 90 and ``1e3`` as text. Here a
word is a number only if it looks like one, and everything doubtful stays text,
which a field that wants a number then refuses with the word in the message.
"""

from __future__ import annotations

import math
import re

DIGITS_MAX = 64
"""Digits of the longest whole number that is read."""

NULLS = frozenset({"", "~", "null", "Null", "NULL"})
TRUTHS = {word: word[0] in "tT" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?(?:\.?(?:inf|nan)|infinity)", re.IGNORECASE)

Scalar = str | int | float | bool | None


class ScalarError(ValueError):
    """A word that looks like a number and may not be one; carries a hint."""

    def __init__(self, reason: str, hint: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


def resolve(text: str) -> Scalar:
    """Say what an unquoted word means.

    Raises:
        ScalarError: it is infinite, not a number, or absurdly long.
    """
    if text in NULLS:
        return None
    if text in TRUTHS:
        return TRUTHS[text]
    if _INTEGER.fullmatch(text):
        return int(_bounded(text))
    if _HEXADECIMAL.fullmatch(text):
        return int(_bounded(text), 16)
    if _FLOAT.fullmatch(text):
        return _finite(float(text))
    if _NOT_FINITE.fullmatch(text):
        raise ScalarError(
            "infinity and 'not a number' are no values here",
            "write a finite number, or quote the word if it is text",
        )
    return text


def _bounded(text: str) -> str:
    if len(text.lstrip("+-").removeprefix("0x")) > DIGITS_MAX:
        raise ScalarError(
            f"a whole number of more than {DIGITS_MAX} digits", "quote it if it is text"
        )
    return text


def _finite(number: float) -> float:
    if math.isinf(number):
        raise ScalarError(
            "a number too large to be held: it would become infinite",
            "write a finite number, or quote the word if it is text",
        )
    return number
