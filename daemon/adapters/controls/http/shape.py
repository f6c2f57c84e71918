"""Where in a JSON answer the value of a rule stands, and its stamp."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daemon.log import printable
from daemon.tuning.stamp import Stamp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from daemon.ports import Order

RULE = "{rule}"
"""Stands for the name of a rule in addresses and fields."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Where in the JSON the value of a rule stands, and its stamp; no stamp is sent if None."""

    field: str
    stamp_field: str | None = None
    is_shared: bool = False
    """Whether one object holds many rules, so that a missing name is a rule never set."""

    @classmethod
    def of(cls, url: str, field: str | None = None, stamp_field: str | None = None) -> Shape:
        """Fill in what the settings leave out; empty text for the stamp means none at all."""
        shared = RULE not in url
        if stamp_field is None:
            stamp_field = f"stamps.{RULE}" if shared else "stamp"
        return cls(field or (RULE if shared else "value"), stamp_field or None, shared)

    def value(self, rule: str, document: Any) -> float | str | None:
        """Find the number; None if the rule was never set, words if the JSON makes no sense."""
        *above, last = self.field.split(".")
        for field in above:
            part = field.replace(RULE, rule)
            if not isinstance(document, dict) or part not in document:
                is_new = self.is_shared and part != field and isinstance(document, dict)
                return None if is_new else f"has no `{printable(part)}` in its answer"
            document = document[part]
        last = last.replace(RULE, rule)
        if not isinstance(document, dict):
            return "answers with something that is no JSON object"
        if last not in document and not self.is_shared:
            return f"has no `{printable(last)}` in its answer"
        found = document.get(last)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int | float):
            return f"holds something that is no number under `{printable(last)}`"
        value = _finite(found)
        return f"holds a number too large under `{printable(last)}`" if value is None else value

    def stamp(self, rule: str, document: Any) -> Stamp | None:
        """Find the stamp; None if there is none."""
        if self.stamp_field is None:
            return None
        for part in _path(self.stamp_field, rule):
            document = document.get(part) if isinstance(document, dict) else None
        return Stamp.read(document)

    def put(self, order: Order, document: dict[str, Any]) -> None:
        """Write a value and its stamp where they belong."""
        _place(document, _path(self.field, order.rule), order.value)
        if self.stamp_field is not None:
            _place(document, _path(self.stamp_field, order.rule), order.stamp().body())


def _path(field: str, rule: str) -> list[str]:
    return [part.replace(RULE, rule) for part in field.split(".")]


def _place(document: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for part in path[:-1]:
        below = document.get(part)
        document[part] = below if isinstance(below, dict) else {}
        document = document[part]
    document[path[-1]] = value


def _finite(number: float) -> float | None:
    with suppress(OverflowError):
        if math.isfinite(value := float(number)):
            return value
    return None
