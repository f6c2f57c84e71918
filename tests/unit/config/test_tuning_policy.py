"""What the core decides by is what the file says: all of it, and nothing else."""

import copy
from dataclasses import MISSING, asdict, fields, replace
from pathlib import Path

import pytest
import yaml

from daemon.config import shape
from daemon.config.policy_file import PolicyFile, policy_from
from daemon.config.tuning_policy import as_policy
from daemon.config.yaml_safe import read_yaml
from daemon.tuning import model

FULL = {
    "targets": {
        "down": {"min": 0.1, "max": 1.0, "scale": 0.2},
        "up": {"min": 2.0},
    },
    "rules": {
        "knob": {"init": 0.5, "min": 0.0, "max": 1.0, "lr": 0.1, "weight": 2.0},
        "dial": {"init": 5, "min": 0, "max": 10, "lr": 1},
    },
    "observe_window_s": 60,
    "min_samples": 100,
    "cooldown_s": 200,
    "settle_s": 20,
    "warmup_s": 600,
    "safety": {
        "good": {"down": {"min": 0.01, "max": -0.02}, "up": {"min": 0.03}},
        "warn": {"down": {"min": 0.5, "max": -0.6}, "watched": {"max": -1}},
        "harm_budget": 0.2,
        "no_go_s": 600,
    },
    "strategy": {
        "objective_weights": {"down": 1.5},
        "direction": {"knob": -1},
        "dry_run": True,
        "approval": "none",
        "max_concurrent_changes": 2,
        "confidence": 0.9,
        "max_extensions": 3,
        "paired_toggling": True,
        "max_step_mult": 1.5,
        "min_gain": 0.01,
        "exploration": 0.3,
        "changes_per_hour": 10,
        "idle_trial_s": 900,
        "forget_h": 5,
        "target_margin": 0.1,
    },
}

SHORTEST = {
    "targets": {"down": {"max": 1.0}},
    "rules": {"knob": {"init": 0.5, "min": 0.0, "max": 1.0, "lr": 0.1}},
}

OTHER = {
    # every key that holds a value, and another value for it
    "targets.down.min": 0.2,
    "targets.down.max": 1.1,
    "targets.down.scale": 0.3,
    "rules.knob.init": 0.6,
    "rules.knob.min": -1.0,
    "rules.knob.max": 2.0,
    "rules.knob.lr": 0.2,
    "rules.knob.weight": 3.0,
    "observe_window_s": 70,
    "min_samples": 101,
    "cooldown_s": 201,
    "settle_s": 21,
    "warmup_s": 601,
    "safety.good.down.min": 0.011,
    "safety.good.down.max": -0.021,
    "safety.warn.down.min": 0.51,
    "safety.warn.down.max": -0.61,
    "safety.harm_budget": 0.21,
    "safety.no_go_s": 601,
    "strategy.objective_weights.down": 1.6,
    "strategy.direction.knob": 1,
    "strategy.dry_run": False,
    "strategy.approval": "required",
    "strategy.max_concurrent_changes": 1,
    "strategy.confidence": 0.91,
    "strategy.max_extensions": 4,
    "strategy.paired_toggling": False,
    "strategy.max_step_mult": 1.6,
    "strategy.min_gain": 0.011,
    "strategy.exploration": 0.31,
    "strategy.changes_per_hour": 11,
    "strategy.idle_trial_s": 901,
    "strategy.forget_h": 6,
    "strategy.target_margin": 0.11,
}

NO_PLACE = {"strategy.dry_run", "strategy.approval"}
"""What stands behind the controls, and who says yes; the core decides alike in all cases."""


def loaded(content):
    text = yaml.safe_dump(content, sort_keys=False)
    return policy_from(read_yaml(text, name="p.yaml"), Path("p.yaml"))


def changed(key):
    """Write another value for one key of the full policy."""
    content = copy.deepcopy(FULL)
    *parents, name = key.split(".")
    section = content
    for parent in parents:
        section = section[parent]
    assert section[name] != OTHER[key]
    section[name] = OTHER[key]
    return content


def starred(key):
    """Write a key as the models know it."""
    return shape.find(PolicyFile, tuple(key.split("."))).dotted


def given(noun):
    """List the fields that whoever makes one gives."""
    return [field for field in fields(noun) if field.init]


def different(key):
    """Name the fields of the core's policy that one key of the file changes."""
    before, after = as_policy(loaded(FULL)), as_policy(loaded(changed(key)))
    return {
        field.name
        for field in given(model.Policy)
        if getattr(before, field.name) != getattr(after, field.name)
    }


# ── nothing is forgotten ─────────────────────────────────────────────────────
def test_the_table_has_every_key_that_holds_a_value():
    leaves = {
        key.dotted
        for key in shape.keys(PolicyFile)
        if not key.is_section and shape.values_of(key.annotation) is None
    }
    assert {starred(key) for key in OTHER} == leaves


@pytest.mark.parametrize("key", OTHER)
def test_a_key_of_the_file_changes_what_the_core_is_told(key):
    found = different(key)
    assert "digest" in found
    assert len(found) == (1 if key in NO_PLACE else 2)


def test_every_field_of_the_core_comes_from_the_file():
    from_the_file = set().union(*(different(key) for key in OTHER))
    assert from_the_file | {"regions"} == {field.name for field in given(model.Policy)}


@pytest.mark.parametrize(
    ("noun", "of"),
    [
        (model.Target, lambda policy: policy.targets),
        (model.Rule, lambda policy: policy.rules),
        (model.Shift, lambda policy: [*policy.good.values(), *policy.warn.values()]),
    ],
)
def test_every_field_of_its_nouns_comes_from_the_file(noun, of):
    """A name is one too: it changes when the key is called something else."""
    before, seen = of(as_policy(loaded(FULL))), set()
    for key in OTHER:
        for old, new in zip(before, of(as_policy(loaded(changed(key)))), strict=True):
            seen |= {
                field.name
                for field in given(noun)
                if getattr(old, field.name) != getattr(new, field.name)
            }
    assert seen | ({"signal", "name"} & asdict(before[0]).keys()) == {
        field.name for field in given(noun)
    }


def test_file_and_core_agree_on_the_defaults():
    policy = as_policy(loaded(SHORTEST))
    own = {"digest"}
    for field in given(model.Policy):
        if field.name in own or (field.default is MISSING and field.default_factory is MISSING):
            continue
        default = field.default if field.default is not MISSING else field.default_factory()
        assert getattr(policy, field.name) == default, field.name
    assert policy.targets == (model.Target(signal="down", high=1.0),)
    assert policy.rules == (model.Rule(name="knob", low=0.0, high=1.0, step=0.1, init=0.5),)


# ── what it becomes ──────────────────────────────────────────────────────────
def test_targets_and_rules_in_the_words_of_the_core():
    policy = as_policy(loaded(FULL))
    assert policy.targets == (
        model.Target(signal="down", low=0.1, high=1.0, weight=1.5, scale=0.2),
        model.Target(signal="up", low=2.0, high=None, weight=0.5, scale=None),
    )
    assert policy.rules == (
        model.Rule(name="dial", low=0, high=10, step=1, init=5, weight=1, direction=0),
        model.Rule(name="knob", low=0, high=1, step=0.1, init=0.5, weight=2, direction=-1),
    )


def test_a_least_delta_is_a_rise_and_a_greatest_one_a_fall():
    policy = as_policy(loaded(FULL))
    assert policy.good == {
        "down": model.Shift(rise=0.01, fall=-0.02),
        "up": model.Shift(rise=0.03, fall=None),
    }
    assert policy.warn == {
        "down": model.Shift(rise=0.5, fall=-0.6),
        "watched": model.Shift(rise=None, fall=-1),
    }
    assert policy.signals() == ("down", "up", "watched")


def turned(content):
    if not isinstance(content, dict):
        return content
    return {name: turned(content[name]) for name in reversed(content)}


def test_the_order_of_the_file_changes_nothing_that_has_the_same_digest():
    plain, other = as_policy(loaded(FULL)), as_policy(loaded(turned(FULL)))
    assert plain == other
    assert list(plain.good) == list(other.good)
    assert list(plain.warn) == list(other.warn)


def test_regions_are_passed_on_for_the_rules_that_there_are():
    knob = model.Region(rule="knob", best=0.7, radius=0.1, trust=0.5)
    gone = replace(knob, rule="gone")
    assert as_policy(loaded(FULL), iter([gone, knob])).regions == (knob,)
    assert as_policy(loaded(FULL)).regions == ()
