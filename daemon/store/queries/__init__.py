"""Queries for operators, one file each, written for the views and good on every database.

The first line of a file says what the query answers.
"""

from __future__ import annotations

from importlib import resources


def names() -> list[str]:
    """Name every query."""
    return sorted(
        entry.name.removesuffix(".sql")
        for entry in resources.files(__package__).iterdir()
        if entry.name.endswith(".sql")
    )


def load(name: str) -> str:
    """Read a query."""
    return (resources.files(__package__) / f"{name}.sql").read_text(encoding="utf-8")


def summary(name: str) -> str:
    """Say what a query answers."""
    return load(name).splitlines()[0].removeprefix("--").strip()
