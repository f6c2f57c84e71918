import json
import re
from pathlib import Path

import pytest

from daemon.config import shape
from daemon.config.effective import flatten
from daemon.config.policy_file import PolicyFile, load_policy
from daemon.config.schema import MODELS, documented_keys, json_schema
from daemon.config.settings import Settings
from daemon.config.yaml_safe import read_yaml_file

ROOT = Path(__file__).parents[3]


def follow(schema, part):
    while "$ref" in part:
        part = schema["$defs"][part["$ref"].rpartition("/")[2]]
    return part


def assert_fits(schema, part, value, place="$"):
    """Check the few words of JSON Schema that ours use."""
    part = follow(schema, part)
    if "discriminator" in part:
        part = follow(schema, {"$ref": part["discriminator"]["mapping"][value["kind"]]})
    if "anyOf" in part and "properties" not in part:
        kinds = {option.get("type") for option in part["anyOf"]}
        assert ("null" in kinds) if value is None else (len(kinds) == 2), place
        return
    for name in part.get("required", ()):
        assert name in value, f"{place}.{name}"
    if isinstance(value, dict):
        known, others = part.get("properties", {}), part.get("additionalProperties")
        for pattern, rest in part.get("patternProperties", {}).items():
            others = rest
            assert all(re.search(pattern, name) for name in value), place
        for name, item in value.items():
            assert name in known or others, f"{place}.{name}"
            assert_fits(schema, known.get(name, others), item, f"{place}.{name}")
    if "enum" in part:
        assert value in part["enum"], place
    types = {"number": int | float, "integer": int, "boolean": bool, "string": str, "object": dict}
    if "type" in part:
        assert isinstance(value, types[part["type"]]), place


@pytest.mark.parametrize("kind", MODELS)
def test_a_schema_is_self_contained_and_describes_everything(kind):
    schema = json_schema(kind)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["title"].startswith(("Settings of", "Policy of", "Session of", "Study of"))
    assert "$id" not in json.dumps(schema)
    for part in (schema, *schema["$defs"].values()):
        assert part["additionalProperties"] is False
        for name, field in part["properties"].items():
            assert follow(schema, field).get("description"), f"{part['title']}.{name}"


def test_the_shipped_files_fit_their_schemas():
    for kind, name in (("daemon", "daemon.yaml"), ("policy", "self_tuning.yaml")):
        schema = json_schema(kind)
        value = read_yaml_file(ROOT / "configs" / name).value
        signals = value.get("signals", {})
        assert_fits(schema, schema, value)
        assert signals or kind == "policy"


def test_the_schema_knows_bounds_and_choices():
    daemon, policy = json_schema("daemon"), json_schema("policy")
    url = daemon["$defs"]["Database"]["properties"]["url"]
    assert url["default"] == "sqlite:///var/daemon.db"
    assert daemon["$defs"]["Log"]["properties"]["level"]["enum"] == [
        "debug",
        "info",
        "warning",
        "error",
    ]
    assert policy["$defs"]["Rule"]["properties"]["lr"]["exclusiveMinimum"] == 0
    assert policy["$defs"]["Rule"]["required"] == ["init", "min", "max", "lr"]
    assert policy["$defs"]["Target"]["anyOf"] == [{"required": ["min"]}, {"required": ["max"]}]
    rules = policy["properties"]["rules"]
    assert list(rules["patternProperties"]) == ["^[a-z0-9_.-]{1,64}$"]
    assert rules["additionalProperties"] is False


def test_every_key_is_listed_once_and_names_are_stars():
    keys = documented_keys("daemon", "policy")
    assert keys == sorted(set(keys))
    assert {
        "database.url",
        "policy_file",
        "signals",
        "signals.*",
        "signals.*.unit",
        "log.format",
        "targets.*.max",
        "rules.*.lr",
        "safety.good",
        "safety.good.*.min",
        "strategy.objective_weights.*",
        "strategy.direction",
        "strategy.max_concurrent_changes",
    } <= set(keys)


@pytest.mark.parametrize("model", MODELS.values())
def test_every_key_is_described(model):
    for key in shape.keys(model):
        if key.field is not None:
            assert key.field.description.endswith("."), key.dotted
            assert ". " in key.field.description or key.is_section or key.dotted.endswith("format")


def test_every_value_in_force_is_a_documented_key():
    policy = load_policy(ROOT / "configs" / "self_tuning.yaml").policy
    for model in (Settings(), policy):
        for path, _ in flatten(model):
            found = shape.find(type(model), path)
            assert found is not None
            assert found.dotted in documented_keys("daemon", "policy")


@pytest.mark.parametrize(
    "path", [("nothing",), ("database", "nothing"), ("policy_file", "x"), ("signals", "a", "x")]
)
def test_what_the_model_does_not_have_is_not_found(path):
    assert shape.find(Settings, path) is None


def test_secrets_are_known_by_their_type_and_so_is_what_holds_them():
    secret = {key.dotted for key in shape.keys(Settings) if shape.is_secret(key.annotation)}
    assert secret == {
        "database",
        "database.url",
        "controls",
        "controls.*",
        "controls.*.headers",
        "controls.*.headers.*",
        "controls.*.server",
        "alerts",
        "alerts.webhooks",
        "alerts.webhooks.*",
        "alerts.webhooks.*.url",
        "sources",
        "sources.*",
        "sources.*.database",
    }
    assert not any(shape.is_secret(key.annotation) for key in shape.keys(PolicyFile))
