"""What one should know of a session before it runs: a code, a sentence, and what to do about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

Severity = Literal["error", "warning", "info"]
"""Whether it cannot run, is probably not what was meant, or is only good to know."""


@dataclass(frozen=True, slots=True)
class Note:
    """Something to know of a session; scripts may rely on its code."""

    code: str
    text: str
    hint: str | None = None
    severity: Severity = "warning"
    parameter: str | None = None
    """What it is about; None if it is about the whole session."""

    def document(self) -> dict[str, Any]:
        """Say it as JSON can hold it."""
        return asdict(self)


def listed(values: Iterable[object], most: int = 5) -> str:
    """List values for a person: the first of them, and how many more there are."""
    texts = [str(value) for value in values]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def plural(count: int, noun: str) -> str:
    """Count things."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
