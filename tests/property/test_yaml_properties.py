"""The reader of files, given whatever can be written."""

import copy
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from daemon.config.policy_file import policy_from
from daemon.config.settings import settings_from
from daemon.config.yaml_safe import (
    DEFAULT_LIMITS,
    LOADERS,
    Limits,
    dotted,
    read_yaml,
    scan_yaml,
)
from daemon.errors import ConfigError

ROOMY = Limits(size_bytes=10**6)

# What a file may hold: no control characters (they are refused), no lone surrogates.
texts = st.text(
    st.characters(
        exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\ufffe\uffff\u2028\u2029"
    )
    | st.sampled_from("\t\n:#-?{}[]&*!|>'\"%@`~ ")
)
numbers = st.integers(-(10**63), 10**63) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=25,
)


class Quoting(yaml.SafeDumper):
    """Writes every text in quotes, and everything where it stands."""

    def ignore_aliases(self, data):
        return True


Quoting.add_representer(
    str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


def same(left, right):
    """Compare as JSON does: 1 and True, or 1 and 1.0, are not the same."""
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


@given(values, st.sampled_from(LOADERS), st.booleans())
def test_what_yaml_writes_is_read_back(value, loader, flow):
    text = yaml.dump(value, Dumper=Quoting, default_flow_style=flow, allow_unicode=True)
    document = scan_yaml(text, name="f", limits=ROOMY, loader=loader)
    assert document.problems == ()
    assert same(document.value, value)


@given(values.filter(lambda value: isinstance(value, dict | list)), st.booleans())
def test_what_json_writes_is_read_back(value, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only, indent=1)
    assert same(read_yaml(text, name="f", limits=ROOMY).value, value)


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.integers(), min_size=1))
def test_every_key_has_the_line_it_was_written_in(value):
    text = "".join(f"{key}:\n  x: {number}\n" for key, number in value.items())
    document = read_yaml(text, name="f")
    for position, key in enumerate(value):
        assert document.line((key,)) == 2 * position + 1
        assert document.line((key, "x")) == 2 * position + 2


# Pieces from which a parser's mistakes are made.
WORDS = r"""
a [ ] { } , ' " | > : &x *x !!t << \ \ud800 0x 1e999 .nan database url targets rules \xe9 \U0001f600
"""
BREAKS = ["\n", "\r", "\t", "  ", ": ", "- ", "? ", "# ", "---\n", "...\n", "%TAG ! x\n"]
HIDDEN = ["\x00", "\x85", "\ufeff", "\u2028", chr(0xD800)]
pieces = st.sampled_from([*WORDS.split(), *BREAKS, *HIDDEN])


def told(read):
    """What a reader says of its input: nothing, or the problems."""
    try:
        read()
    except ConfigError as error:
        return error.problems
    return ()


@given(st.text(max_size=200) | st.lists(pieces, max_size=60).map("".join), st.sampled_from(LOADERS))
def test_any_text_is_read_or_refused(text, loader):
    def read():
        document = scan_yaml(text, name="f", loader=loader)
        problems = (
            *told(lambda: settings_from(document, None, {})),
            *told(lambda: policy_from(document, Path("f"), signals={"a"})),
        )
        if problems:
            raise ConfigError(problems)

    for problem in told(read):
        assert problem.file == "f"
        assert problem.reason
        assert problem.line is None or 1 <= problem.line <= text.count("\n") + 1
        assert str(problem).isprintable()


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    assert len(told(lambda: read_yaml(data, name="f"))) <= DEFAULT_LIMITS.problems


@pytest.mark.parametrize(
    "name", ["DAEMON_DATABASE_URL", "DAEMON_SIGNALS", "DAEMON_LOG_LEVEL", "DAEMON_POLICY_FILE"]
)
@given(text=st.text(max_size=100))
def test_any_variable_is_read_or_refused(name, text):
    problems = told(lambda: settings_from(None, None, {name: text}))
    assert {problem.file for problem in problems} <= {name}


# ── policies ─────────────────────────────────────────────────────────────────
names = st.from_regex(r"[a-z][a-z0-9_]{0,11}", fullmatch=True)
sizes = st.floats(0.001, 1000)


@st.composite
def targets(draw):
    low = draw(st.floats(-1000, 1000))
    kind = draw(st.sampled_from(["min", "max", "both"]))
    bounds = {"min": low, "max": low + draw(sizes)} if kind == "both" else {kind: low}
    return bounds | draw(st.fixed_dictionaries({}, optional={"scale": sizes}))


@st.composite
def rules(draw):
    low, size = draw(st.floats(-1000, 1000)), draw(sizes)
    high = low + size
    return {
        "init": min(high, low + size * draw(st.floats(0, 1))),
        "min": low,
        "max": high,
        "lr": size * draw(st.floats(0.01, 0.99)),
        "weight": draw(sizes),
    }


def deltas(target, *, good):
    """Bounds that point the right way for a target."""
    if {"min", "max"} <= target.keys():
        both = sizes if good else sizes.map(lambda size: 1000 + size)  # room for what is good
        return st.fixed_dictionaries({"min": both, "max": both.map(float.__neg__)})
    rising = ("min" in target) == good
    side = "min" if rising else "max"
    return sizes.map(lambda size: {side: size if rising else -size})


@st.composite
def policies(draw):
    wanted = draw(st.dictionaries(names, targets(), min_size=1, max_size=5))
    movable = draw(st.dictionaries(names, rules(), min_size=1, max_size=4))
    some = st.lists(st.sampled_from(sorted(wanted)), unique=True)
    window, settle = draw(st.floats(1, 3600)), draw(st.floats(5, 600))
    return {
        "targets": wanted,
        "rules": movable,
        "observe_window_s": window,
        "min_samples": draw(st.integers(1, 10_000)),
        "cooldown_s": window + settle + draw(sizes),
        "settle_s": settle,
        "warmup_s": draw(st.floats(120, 7200)),
        "safety": {
            "good": {name: draw(deltas(wanted[name], good=True)) for name in draw(some)},
            "warn": {name: draw(deltas(wanted[name], good=False)) for name in draw(some)},
            "harm_budget": draw(st.floats(0.001, 3)),
            "no_go_s": draw(st.floats(1, 604_800)),
        },
        "strategy": {
            "objective_weights": {name: draw(sizes) for name in draw(some)},
            "direction": {name: draw(st.sampled_from([1, -1])) for name in movable},
            "dry_run": draw(st.booleans()),
            "approval": draw(st.sampled_from(["none", "required"])),
            "max_concurrent_changes": draw(st.integers(1, 2)),
            "confidence": draw(st.floats(0.8, 0.9999)),
            "max_extensions": draw(st.integers(0, 100)),
            "paired_toggling": True,
            "max_step_mult": draw(st.floats(1, 4)),
            "min_gain": draw(st.floats(0.0001, 1)),
            "exploration": draw(st.floats(0, 5)),
            "changes_per_hour": draw(st.integers(1, 3600)),
            "idle_trial_s": draw(st.floats(1, 604_800)),
            "forget_h": draw(st.floats(0.01, 8784)),
            "target_margin": draw(st.floats(0, 0.5)),
        },
    }


def judged(policy):
    text = yaml.dump(policy, Dumper=Quoting, sort_keys=False)
    document = read_yaml(text, name="f", limits=ROOMY)
    return document, lambda: policy_from(document, Path("f"), signals=set(policy["targets"]))


@given(policies())
def test_a_sound_policy_loads_and_says_what_was_written(policy):
    _, load = judged(policy)
    loaded = load()
    assert loaded.warnings == ()
    assert loaded.body["rules"] == policy["rules"]
    assert loaded.body["strategy"] == policy["strategy"]
    assert loaded.body["warmup_s"] == policy["warmup_s"]
    for name, target in policy["targets"].items():
        assert loaded.body["targets"][name] == {"min": None, "max": None, "scale": None, **target}


def first(section):
    return next(iter(section))


def mutations(policy):
    """Name each way to spoil a policy, with the key that must then be named."""
    rule, target = first(policy["rules"]), first(policy["targets"])
    bounds = policy["rules"][rule]
    range_ = bounds["max"] - bounds["min"]
    values = {
        ("rules", rule, "init"): bounds["max"] + range_,
        ("rules", rule, "lr"): range_ * 2,
        ("rules", rule, "min"): bounds["max"] + 1,
        ("rules", rule, "max"): "high",
        ("rules", rule, "weight"): 0.0,
        ("rules", rule, "surprise"): 1,
        ("targets", target): {},
        ("targets", target, "maximum"): 1.0,
        ("targets", "nobody-has-this"): {"max": 1.0},
        ("safety", "good", "nobody-has-this"): {"max": -1.0},
        ("safety", "warn", target): {"min": -1.0, "max": -1.0},
        ("strategy", "direction", rule): 0,
        ("strategy", "direction", "nobody-has-this"): 1,
        ("strategy", "objective_weights", "nobody-has-this"): 1.0,
        ("strategy", "dry_run"): "no",
        ("strategy", "max_concurrent_changes"): 0,
        ("strategy", "confidence"): 1.0,
        ("strategy", "paired_toggling"): 1,
        ("safety", "harm_budget"): 0.0,
        ("targets", target, "scale"): 0.0,
        ("warmup_s",): 60.0,
        ("observe_window_s",): 0.0,
        ("min_samples",): 1.5,
        ("cooldown_s",): "1:30",
        ("surprise",): None,
    }
    named = {("safety", "warn", target): ("safety", "warn", target, "min")}
    return {path: (value, named.get(path, path)) for path, value in values.items()}


@given(policies(), st.data())
def test_a_spoilt_policy_is_refused_with_its_key_and_its_line(policy, data):
    known = set(policy["targets"])
    spoilt = copy.deepcopy(policy)
    ways = mutations(policy)
    path = data.draw(st.sampled_from(list(ways)))
    value, named = ways[path]
    section = spoilt
    for part in path[:-1]:
        section = section[part]
    section[path[-1]] = value
    document = read_yaml(yaml.dump(spoilt, Dumper=Quoting, sort_keys=False), name="f", limits=ROOMY)
    with pytest.raises(ConfigError) as caught:
        policy_from(document, Path("f"), signals=known)
    (problem,) = caught.value.problems
    assert problem.key == dotted(named)
    assert problem.line == document.line(named)
    assert problem.reason
