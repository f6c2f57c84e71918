from pathlib import Path

import pytest

from daemon.config.policy_file import digest, load_policy, policy_from, policy_in_force
from daemon.config.settings import load_settings
from daemon.config.yaml_safe import read_yaml
from daemon.errors import ConfigError

SHIPPED = Path(__file__).parents[3] / "configs" / "self_tuning.yaml"

SMALL = """\
targets:
  down: { max: 1.0 }
  up:   { min: 2.0 }
  both: { min: 3.0, max: 4.0 }
rules:
  knob: { init: 0.5, min: 0.0, max: 1.0, lr: 0.1 }
"""


def judged(text, signals=None):
    return policy_from(read_yaml(text, name="p.yaml"), Path("p.yaml"), signals=signals)


def refused(text, signals=None):
    with pytest.raises(ConfigError) as caught:
        judged(text, signals)
    return caught.value.problems


def one(text, signals=None):
    (problem,) = refused(text, signals)
    return str(problem), problem.hint


# ── what holds ───────────────────────────────────────────────────────────────
def test_what_is_left_out_has_the_values_of_the_shipped_file():
    policy, shipped = judged(SMALL).policy, load_policy(SHIPPED).policy
    for name in ("observe_window_s", "min_samples", "cooldown_s"):
        assert getattr(policy, name) == getattr(shipped, name)
    assert policy.rules["knob"].weight == 1.0
    assert policy.strategy.dry_run is True
    assert policy.strategy.max_concurrent_changes == 1
    assert (policy.safety.good, policy.safety.warn) == ({}, {})


def test_sections_without_a_line_are_empty():
    text = SMALL + "safety:\n  good:\nstrategy:\n  direction:\n  objective_weights:\n"
    assert judged(text).body == judged(SMALL).body


def test_the_digest_is_that_of_the_meaning():
    same = SMALL.replace("max: 1.0 }", "max: 1 }  # one").replace("0.1", "+1e-1")
    same += "min_samples: 300\nstrategy: {dry_run: true}\n"
    assert judged(same).digest == judged(SMALL).digest == digest(judged(SMALL).body)
    assert len(judged(SMALL).digest) == 64
    assert judged(SMALL.replace("0.1", "0.2")).digest != judged(SMALL).digest


def test_the_order_of_the_file_is_kept_and_does_not_change_the_digest():
    lines = SMALL.splitlines()
    turned = "\n".join([lines[0], lines[2], lines[1], *lines[3:]])
    assert list(judged(turned).body["targets"]) == ["up", "down", "both"]
    assert judged(turned).digest == judged(SMALL).digest


def test_every_value_knows_its_origin():
    origins = judged(SMALL).origins
    assert origins["rules.knob.lr"] == "p.yaml:6"
    assert origins["rules.knob.weight"] == origins["strategy.dry_run"] == "default"
    assert origins["safety.good"] == "default"


def test_a_step_may_fill_the_whole_range():
    judged(SMALL.replace("min: 0.0, max: 1.0, lr: 0.1", "min: 0.1, max: 0.7, lr: 0.6"))


@pytest.mark.parametrize(
    "safety",
    [
        "good: {down: {max: -0.1}, up: {min: +0.1}, both: {min: 0.1, max: -0.1}}",
        "good: {both: {min: 0.1}}",
        "good: {both: {max: -0.1}}",
        "warn: {down: {min: 0.1}, up: {max: -0.1}, both: {min: 0.1, max: -0.1}}",
        "warn: {elsewhere: {min: 0.1}}",
        "warn: {down: {min: 0.1, max: -0.1}}",
    ],
)
def test_deltas_that_make_sense(safety):
    assert judged(SMALL + f"safety: {{{safety}}}").warnings == ()


# ── what does not ────────────────────────────────────────────────────────────
def changed(old, new):
    assert old in SMALL
    return SMALL.replace(old, new)


RULE = "{ init: 0.5, min: 0.0, max: 1.0, lr: 0.1 }"
SWAP = "swap the two"
BOTH = "give one of them, or both"
DELTA = ": delta is after less before"
STEP = "The step of one change"
SHAPES = {
    changed(RULE, "{ init: 0.5, min: 1.0, max: 0.0, lr: 0.1 }"): (
        "6: rules.knob.min: 1.0 is above max, which is 0.0",
        SWAP,
    ),
    changed(RULE, "{ init: 0.5, min: 0.5, max: 0.5, lr: 0.1 }"): (
        "6: rules.knob.min: equals max (0.5): the rule could never move",
        "widen the bounds, or remove the rule",
    ),
    changed(RULE, "{ init: 1.5, min: 0.0, max: 1.0, lr: 0.1 }"): (
        "6: rules.knob.init: 1.5 is outside its bounds, 0.0 to 1.0",
        "start from a value within them, or widen them",
    ),
    changed(RULE, "{ init: 0.5, min: 0.0, max: 1.0, lr: 2 }"): (
        "6: rules.knob.lr: a step of 2 is longer than the whole range from 0.0 to 1.0",
        "at most 1, better a tenth of that",
    ),
    changed("lr: 0.1", "lr: 0"): ("6: rules.knob.lr: must be above 0, not 0", STEP),
    changed("lr: 0.1", "lr: -0.1"): ("6: rules.knob.lr: must be above 0, not -0.1", STEP),
    changed(", lr: 0.1", ""): ("6: rules.knob.lr: is missing", STEP),
    changed("lr: 0.1", "lr: true"): ("6: rules.knob.lr: must be a number, not true", STEP),
    changed("lr: 0.1", "lr: 0.1, weight: 0"): (
        "6: rules.knob.weight: must be above 0, not 0",
        "How much this rule is preferred to others when several could be moved",
    ),
    changed("lr: 0.1", "lr: 0.1, weihgt: 1"): (
        "6: rules.knob.weihgt: is not a key that exists here",
        "did you mean `weight`?",
    ),
    changed("knob", "Knob"): (
        "6: rules.Knob: is not a name for a rule",
        "1 to 64 of the characters a-z 0-9 _ . -",
    ),
    changed("knob", "k" * 65): (
        f"6: rules.{'k' * 65}: is not a name for a rule",
        "1 to 64 of the characters a-z 0-9 _ . -",
    ),
    changed("{ max: 1.0 }", "{}"): (
        "2: targets.down: has neither min nor max: where should the signal be?",
        BOTH,
    ),
    changed("{ max: 1.0 }", "{ max: }"): (
        "2: targets.down: has neither min nor max: where should the signal be?",
        BOTH,
    ),
    changed("{ max: 1.0 }", "1.0"): (
        "2: targets.down: must be a mapping of keys to values, not 1.0",
        "Where each signal should be",
    ),
    changed("{ max: 1.0 }", "{ mx: 1.0 }"): (
        "2: targets.down.mx: is not a key that exists here",
        "did you mean `max`?",
    ),
    changed("{ min: 3.0, max: 4.0 }", "{ min: 4.0, max: 3.0 }"): (
        "4: targets.both.min: 4.0 is above max, which is 3.0",
        SWAP,
    ),
    changed("  knob: " + RULE, "  {}"): (
        "5: rules: must name at least one",
        "What may be moved, and how far",
    ),
    SMALL.partition("rules:")[0]: ("1: rules: is missing", "What may be moved, and how far"),
    SMALL + "observe_window_s: 0": (
        "7: observe_window_s: must be above 0, not 0",
        "Seconds over which a signal is watched before and after a change",
    ),
    SMALL + "cooldown_s: 1:30": (
        "7: cooldown_s: must be a number, not text '1:30'",
        "Seconds for which a rule rests after a change",
    ),
    SMALL + "cooldown_s: 1000000": (
        "7: cooldown_s: must be at most 604,800, not 1000000",
        "Seconds for which a rule rests after a change",
    ),
    SMALL + "min_samples: 0.5": (
        "7: min_samples: must be a whole number, not 0.5",
        "Usable samples that a window needs to count as evidence",
    ),
    SMALL + "dry_run: true": (
        "7: dry_run: is not a key that exists here",
        "`dry_run` belongs under `strategy`",
    ),
    SMALL + "strategy: { dry_run: no }": (
        "7: strategy.dry_run: must be true or false, not text 'no'",
        "write false: `no` is text here",
    ),
    SMALL + "strategy: { max_concurrent_changes: 0 }": (
        "7: strategy.max_concurrent_changes: must be at least 1, not 0",
        "Changes under observation at the same time",
    ),
    SMALL + "strategy: { direction: { knob: 2 } }": (
        "7: strategy.direction.knob: must be +1 or -1, not 2",
        "Which way to try first: +1 up, -1 down",
    ),
    SMALL + "strategy: { direction: { knob: up } }": (
        "7: strategy.direction.knob: must be +1 or -1, not text 'up'",
        "Which way to try first: +1 up, -1 down",
    ),
    SMALL + "strategy: { direction: { knop: 1 } }": (
        "7: strategy.direction.knop: is not a rule of this file",
        "did you mean `knob`?",
    ),
    SMALL + "strategy: { objective_weights: { dwon: 1 } }": (
        "7: strategy.objective_weights.dwon: is not a signal that has a target",
        "did you mean `down`?",
    ),
    SMALL + "strategy: { objective_weights: { down: -1 } }": (
        "7: strategy.objective_weights.down: must be at least 0, not -1",
        (
            "How much each target counts when they pull in different directions; a target that is"
            " not named counts 0.5, and 0 makes it a mere guard"
        ),
    ),
    SMALL + "strategy: { objective_weights: { down: 0, up: 0, both: 0 } }": (
        (
            "7: strategy.objective_weights: every target weighs 0:"
            " nothing would ever be worth a change"
        ),
        "give one of them a weight",
    ),
    SMALL + "safety: { good: { sideways: { max: -1 } } }": (
        "7: safety.good.sideways: is not a signal that has a target",
        "known: `both`, `down`, `up`",
    ),
    SMALL + "safety: { good: { down: {} } }": (
        "7: safety.good.down: has neither min nor max: how far must the signal move?",
        BOTH,
    ),
    SMALL + "safety: { good: { down: { max: +0.005 } } }": (
        "7: safety.good.down.max: +0.005 would call a rise of down an improvement: it should fall",
        "write `max: -0.005`" + DELTA,
    ),
    SMALL + "safety: { good: { up: { min: -0.005 } } }": (
        "7: safety.good.up.min: -0.005 would call a fall of up an improvement: it should rise",
        "write `min: +0.005`" + DELTA,
    ),
    SMALL + "safety: { good: { down: { max: 0 } } }": (
        "7: safety.good.down.max: +0 would call it an improvement when down has not moved at all",
        "write `max: -…`" + DELTA,
    ),
    SMALL + "safety: { good: { both: { min: -0.1 } } }": (
        "7: safety.good.both.min: -0.1 would call it an improvement when both has not moved at all",
        "write `min: +0.1`" + DELTA,
    ),
    SMALL + "safety: { good: { down: { min: -0.1 } } }": (
        "7: safety.good.down.min: -0.1 would call it an improvement when down has not moved at all",
        "write `max: -0.1`" + DELTA,
    ),
    SMALL + "safety: { good: { down: { min: 0.1 } } }": (
        (
            "7: safety.good.down.min:"
            " calls a rise of down an improvement, but its target wants it to fall"
        ),
        "write `max: -0.1`" + DELTA,
    ),
    SMALL + "safety: { good: { up: { max: -0.1 } } }": (
        "7: safety.good.up.max: calls a fall of up an improvement, but its target wants it to rise",
        "write `min: +0.1`" + DELTA,
    ),
    SMALL + "safety: { warn: { down: { min: -0.03 } } }": (
        "7: safety.warn.down.min: -0.03 would warn when down has not moved at all",
        "write `min: +0.03`" + DELTA,
    ),
    SMALL + "safety: { warn: { up: { min: 0 } } }": (
        "7: safety.warn.up.min: +0 would warn when up has not moved at all",
        "write `max: -…`" + DELTA,
    ),
    SMALL + "safety: { warn: { elsewhere: { max: 0.03 } } }": (
        "7: safety.warn.elsewhere.max: +0.03 would warn when elsewhere has not moved at all",
        "write `max: -0.03`" + DELTA,
    ),
    "[]": ("1: must be a mapping of keys to values, not a list", None),
}


@pytest.mark.parametrize(("text", "words"), SHAPES.items(), ids=[v[0] for v in SHAPES.values()])
def test_a_mistake_is_told_with_its_place_and_a_hint(text, words):
    assert one(text) == (f"p.yaml:{words[0]}", words[1])


def test_a_guard_against_what_the_target_wants_is_doubtful():
    loaded = judged(SMALL + "safety: { warn: { down: { max: -0.1 } } }")
    (warning,) = loaded.warnings
    assert warning.warning
    assert str(warning) == (
        "p.yaml:7: safety.warn.down.max: warns of a fall of down, which is what its target wants"
    )
    assert warning.hint == "write `min: +0.1`: delta is after less before"


# ── signals that nobody provides ─────────────────────────────────────────────
def test_a_target_or_guard_needs_a_source():
    text = SMALL + "safety: { warn: { upp: { max: -0.1 } } }"
    problems = refused(text, signals={"down", "up"})
    assert [(str(problem), problem.hint) for problem in problems] == [
        ("p.yaml:4: targets.both: no source provides this signal", "known: `down`, `up`"),
        ("p.yaml:7: safety.warn.upp: no source provides this signal", "did you mean `up`?"),
    ]


def test_without_a_list_of_signals_the_names_cannot_be_checked():
    (warning,) = judged(SMALL, signals=()).warnings
    assert str(warning) == (
        "p.yaml:1: targets: the names of the signals were not checked: the settings list none"
    )
    assert warning.hint == "list what the sources provide under `signals` in configs/daemon.yaml"
    assert judged(SMALL, signals=None).warnings == ()


# ── all at once ──────────────────────────────────────────────────────────────
def test_every_problem_comes_in_the_order_of_the_lines(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text(
        "targets:\n"
        "  a: { max: .nan }\n"
        "  b: { mni: 1 }\n"
        "  a: { max: 1 }\n"
        "rules:\n"
        "  r: { init: 9, min: 0, max: 1, lr: 0 }\n"
        "  s: *r\n"
        "safety: { good: { c: { min: 0 } }, warn: 3 }\n"
        "strategy: { direction: { t: 1 } }\n"
        "surprise: 1\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_policy(path, signals={"a", "b"})
    assert [(problem.line, problem.key) for problem in caught.value.problems] == [
        (2, "targets.a.max"),
        (3, "targets.b.mni"),
        (4, "targets.a"),
        (6, "rules.r.init"),
        (6, "rules.r.lr"),
        (7, "rules.s"),
        (8, "safety.good.c"),
        (8, "safety.good.c.min"),
        (8, "safety.warn"),
        (9, "strategy.direction.t"),
        (10, "surprise"),
    ]


# ── in force ─────────────────────────────────────────────────────────────────
def test_a_missing_policy_is_told_with_who_named_it(tmp_path):
    path = tmp_path / "daemon.yaml"
    path.write_text("\npolicy_file: none.yaml\n")
    with pytest.raises(ConfigError) as caught:
        policy_in_force(load_settings(path, {}))
    (problem,) = caught.value.problems
    assert str(problem) == "none.yaml: there is no such file"
    assert problem.hint == (
        f"`policy_file` names it ({path}:2); a relative path counts from the current directory;"
        " `daemon config init` writes one to begin with"
    )


def test_the_policy_in_force_knows_the_signals_of_the_settings(tmp_path):
    policy = tmp_path / "p.yaml"
    policy.write_text(SMALL)
    path = tmp_path / "daemon.yaml"
    path.write_text(f"policy_file: {policy}\nsignals: {{down: , up: }}\n")
    with pytest.raises(ConfigError, match=r"targets\.both: no source provides"):
        policy_in_force(load_settings(path, {}))
    path.write_text(f"policy_file: {policy}\nsignals: {{down: , up: , both: }}\n")
    assert policy_in_force(load_settings(path, {})).body == judged(SMALL).body
