"""What the models of all files share."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of a file: nothing unknown, nothing infinite, nothing guessed, nothing changed."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        defer_build=True,
    )


def nothing_is_defaults(value: Any) -> Any:
    """Read a section whose lines are all commented out as a section of defaults."""
    return {} if value is None else value
