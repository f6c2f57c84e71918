"""``retrain`` in a study file: when ``daemon optimize FILE --if-due`` runs the study again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from daemon.config.section import Section

if TYPE_CHECKING:
    from daemon.search.studies.triggers import Rules

NONE = "none"
"""The word for: not at all."""


def none_is_off(value: Any) -> Any:
    """Read the word `none` as nothing, and a section without keys as one of defaults."""
    if value is None:
        return {}
    return None if value == NONE else value


def _none_is_never(value: Any) -> Any:
    return None if value == NONE else value


_OR_NONE = BeforeValidator(_none_is_never, json_schema_input_type=float | Literal["none"] | None)


class Retrain(Section):
    """When the study runs again."""

    max_age_days: Annotated[Annotated[float, Field(gt=0, le=3650)] | None, _OR_NONE] = Field(
        default=60.0,
        description="Days after which it runs again, whatever has changed or not; `none` for"
        " never. Fewer notice sooner what no test finds, and each run on unchanged data is one"
        " more chance to take luck for an edge.",
    )
    min_rest_days: float = Field(
        default=1.0,
        ge=0,
        le=365,
        description="Days of rest after a study, whatever has changed. More keep a market in"
        " turmoil from starting a study every night, and leave the old winner in force for so"
        " long; a change that a study did not settle rests twice as long each time.",
    )
    false_per_month: float = Field(
        default=0.5,
        gt=0,
        le=30,
        description="How often a month chance alone may start a study, over decay, drift and"
        " regime together. Lower saves studies for nothing, and finds true changes later.",
    )
    decay: bool = Field(
        default=True,
        description="Whether the winner is run on rows newer than the study, and the study again"
        " if it earns less than the folds promised. Without it a winner may lose unnoticed until"
        " it is too old; switched off, the others share its part of `false_per_month`.",
    )
    drift: bool = Field(
        default=True,
        description="Whether spread and volatility of newer rows are compared with those that the"
        " study saw. It finds changes before they cost anything, and some that never would.",
    )
    regime: bool = Field(
        default=True,
        description="Whether the signals that the running daemon recorded are compared with those"
        " before the study, and only turns for the worse count. It hears of changes that the"
        " quotes do not show; where no daemon records, it says nothing.",
    )


def rules(section: Retrain | None) -> Rules | None:
    """Say what the service goes by; None where a study is never run again by itself."""
    from daemon.search.studies.triggers import Rules  # noqa: PLC0415 - loads NumPy: only here

    return None if section is None else Rules(**section.model_dump())
