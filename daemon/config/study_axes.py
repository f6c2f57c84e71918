"""``space`` of a study file: which values each parameter may have."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from daemon.config.names import GivenName
from daemon.config.section import Section
from daemon.config.session_sections import GridValue, Number, ParameterName


def _nothing_is_none(value: Any) -> Any:
    return {} if value is None else value


_TYPE = (
    "`float` is a number, `int` a whole one, `categorical` one of some values, `profiles` named"
    " sets of parameters. Numbers teach a sampler most: what is good lies near what is good."
)
_LOW = "The smallest value that is tried. A wider range needs more trials to be known as well."
_HIGH = "The largest value that is tried. A wider range needs more trials to be known as well."
_WHEN = (
    "Only where other axes have these values, `{exit_model: quoted}`; elsewhere it is not set,"
    " and its default holds. Without it the trials spend themselves on values that do nothing."
)

When = Annotated[dict[GivenName, GridValue], BeforeValidator(_nothing_is_none)]


class FloatAxis(Section):
    """A parameter that is a number."""

    type: Literal["float"] = Field(description=_TYPE)
    low: Number = Field(description=_LOW)
    high: Number = Field(description=_HIGH)
    step: Number | None = Field(
        default=None,
        description="The distance between two values. With it no two trials differ by less than"
        " matters, and what was tried is known again; without it nearly every trial is new.",
    )
    log: bool = Field(
        default=False,
        description="Whether small values are looked at as closely as large ones: from 1 to 100"
        " as many trials below 10 as above. For parameters that are a matter of magnitude.",
    )
    when: When = Field(default_factory=dict, description=_WHEN)


class IntAxis(Section):
    """A parameter that is a whole number."""

    type: Literal["int"] = Field(description=_TYPE)
    low: int = Field(description=_LOW)
    high: int = Field(description=_HIGH)
    step: int = Field(
        default=1,
        description="The distance between two values. A larger one leaves fewer to try.",
    )
    log: bool = Field(
        default=False,
        description="Whether small values are looked at as closely as large ones.",
    )
    when: When = Field(default_factory=dict, description=_WHEN)


class ChoiceAxis(Section):
    """A parameter that has one of some values."""

    type: Literal["categorical"] = Field(description=_TYPE)
    values: list[GridValue] = Field(
        min_length=1,
        description="The values. Numbers have an order; of words none is nearer to another, and"
        " each has to be tried for itself.",
    )
    when: When = Field(default_factory=dict, description=_WHEN)


class ProfilesAxis(Section):
    """Several parameters that move together."""

    type: Literal["profiles"] = Field(description=_TYPE)
    profiles: dict[GivenName, dict[ParameterName, GridValue]] = Field(
        min_length=1,
        description="The sets, by name: `{calm: {min_spread_bps: 20, slippage_bps: 3}}`. Their"
        " parameters stand nowhere else; one such axis at most.",
    )


Axis = Annotated[
    FloatAxis | IntAxis | ChoiceAxis | ProfilesAxis,
    Field(discriminator="type"),
]


Space = Annotated[dict[GivenName, Axis], Field(min_length=1)]
