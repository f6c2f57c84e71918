"""The files described for editors (JSON Schema) and for the reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema

from daemon.config import shape
from daemon.config.effective import flatten
from daemon.config.policy_file import PolicyFile
from daemon.config.session_sections import SessionFile
from daemon.config.settings import Settings
from daemon.config.study_sections import StudyFile
from daemon.config.yaml_safe import dotted

if TYPE_CHECKING:
    from daemon.config.section import Section

DIALECT = GenerateJsonSchema.schema_dialect

MODELS: dict[str, type[Section]] = {
    "daemon": Settings,
    "policy": PolicyFile,
    "session": SessionFile,
    "study": StudyFile,
}
"""The kinds of file, by name."""

_TITLES = {
    "daemon": "Settings of the self-tuning daemon (configs/daemon.yaml)",
    "policy": "Policy of the self-tuning daemon (configs/self_tuning.yaml)",
    "session": "Session of the self-tuning daemon (configs/sessions/*.yaml)",
    "study": "Study of the self-tuning daemon (configs/studies/*.yaml)",
}


def json_schema(kind: str) -> dict[str, Any]:
    """Describe a kind of file as JSON Schema, draft 2020-12."""
    schema = MODELS[kind].model_json_schema(mode="validation")
    if kind == "daemon":  # pydantic would show stars where the default is no secret
        defaults = {dotted(path): value for path, value in flatten(Settings())}
        schema["$defs"]["Database"]["properties"]["url"]["default"] = defaults["database.url"]
    return {"$schema": DIALECT, **_closed(schema), "title": _TITLES[kind]}


def _closed(schema: Any) -> Any:
    """Forbid the names that do not fit a pattern; pydantic only describes those that do."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(item) for name, item in schema.items()}
    return {**closed, "additionalProperties": False} if "patternProperties" in closed else closed


def documented_keys(*kinds: str) -> list[str]:
    """List every dotted key of kinds of file; names that the operator chooses are ``*``."""
    return sorted({key.dotted for kind in kinds for key in shape.keys(MODELS[kind])})
