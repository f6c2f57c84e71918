"""What rules, signals and parts of the settings may be called."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from daemon.config.problems import refuse

SIGNAL_LENGTH_MAX = 200
RULE_PATTERN = r"^[a-z0-9_.-]{1,64}$"
_RULE_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_.-")
_RULE_LENGTH_MAX = 64


def _signal(name: str) -> str:
    if not name or len(name) > SIGNAL_LENGTH_MAX or " " in name or not name.isprintable():
        raise refuse(
            "is not a name for a signal",
            f"1 to {SIGNAL_LENGTH_MAX} characters that can be seen, and no spaces",
        )
    return name


def _rule(name: str) -> str:
    if not name or len(name) > _RULE_LENGTH_MAX or not _RULE_LETTERS.issuperset(name):
        raise refuse(
            "is not a name for a rule",
            f"1 to {_RULE_LENGTH_MAX} of the characters a-z 0-9 _ . -",
        )
    return name


def _given(name: str) -> str:
    if not name or len(name) > _RULE_LENGTH_MAX or not _RULE_LETTERS.issuperset(name):
        raise refuse(
            "is not a name that can be given here",
            f"1 to {_RULE_LENGTH_MAX} of the characters a-z 0-9 _ . -",
        )
    return name


SignalName = Annotated[
    str,
    AfterValidator(_signal),
    Field(json_schema_extra={"minLength": 1, "maxLength": SIGNAL_LENGTH_MAX}),
]
RuleName = Annotated[str, AfterValidator(_rule), Field(json_schema_extra={"pattern": RULE_PATTERN})]
GivenName = Annotated[
    str, AfterValidator(_given), Field(json_schema_extra={"pattern": RULE_PATTERN})
]
"""What the operator calls one of several controls, sources and the like."""
