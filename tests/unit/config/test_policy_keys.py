"""What may be written beyond the first policy: bounds, hints, and what must fit together."""

from pathlib import Path

import pytest

from daemon.config.policy_file import PolicyFile, policy_from
from daemon.config.policy_sections import REMEMBERED_S
from daemon.config.yaml_safe import read_yaml
from daemon.errors import ConfigError
from daemon.tuning.windows import BLOCK_US, KEEP

SMALL = """\
targets:
  down: { max: 1.0 }
  both: { min: 3.0, max: 4.0 }
rules:
  knob: { init: 0.5, min: 0.0, max: 1.0, lr: 0.1 }
"""
BOTH = "give one of them, or both"


def judged(text):
    return policy_from(read_yaml(text, name="p.yaml"), Path("p.yaml"))


def refused(text):
    with pytest.raises(ConfigError) as caught:
        judged(text)
    (problem,) = caught.value.problems
    return str(problem), problem.hint


def warned(text):
    return [(str(problem), problem.hint) for problem in judged(text).warnings]


def written(key, value):
    """Write one key at the end of the small policy; the value is YAML."""
    section, _, name = key.rpartition(".")
    return SMALL + (f"{section}: {{ {name}: {value} }}" if section else f"{key}: {value}")


BOUNDS = {
    # key: (lowest that holds, below it, and why not, highest that holds, above it, and why not)
    "settle_s": (5, 4.9, "at least 5", 604800, 604801, "at most 604,800"),
    "warmup_s": (120, 119, "at least 120", 7200, 7201, "at most 7,200"),
    "safety.harm_budget": (1e-6, 0, "above 0", 3, 3.1, "at most 3"),
    "safety.no_go_s": (1, 0, "above 0", 604800, 604801, "at most 604,800"),
    "strategy.confidence": (0.8, 0.79, "at least 0.8", 0.9999, 1, "at most 0.9999"),
    "strategy.max_extensions": (0, -1, "at least 0", 100, 101, "at most 100"),
    "strategy.max_step_mult": (1, 0.5, "at least 1", 4, 4.5, "at most 4"),
    "strategy.min_gain": (1e-6, 0, "above 0", 1, 1.1, "at most 1"),
    "strategy.exploration": (0, -0.1, "at least 0", 5, 5.1, "at most 5"),
    "strategy.changes_per_hour": (1, 0, "at least 1", 3600, 3601, "at most 3,600"),
    "strategy.idle_trial_s": (1, 0, "above 0", 604800, 604801, "at most 604,800"),
    "strategy.forget_h": (0.1, 0, "above 0", 8784, 8785, "at most 8,784"),
    "strategy.target_margin": (0, -0.1, "at least 0", 0.5, 0.6, "at most 0.5"),
}


def meaning(key):
    """Give the first sentence that the reference has of a key: what a refusal hints at."""
    model, *parts = PolicyFile, *key.split(".")
    for part in parts[:-1]:
        model = type(getattr(judged(SMALL).policy, part))
    return model.model_fields[parts[-1]].description.partition(". ")[0]


@pytest.mark.parametrize("key", BOUNDS)
def test_a_key_holds_within_its_bounds(key):
    lowest, _, _, highest, _, _ = BOUNDS[key]
    for value in (lowest, highest):
        found = judged(written(key, value)).body
        for part in key.split("."):
            found = found[part]
        assert found == value


@pytest.mark.parametrize("key", BOUNDS)
def test_a_key_is_refused_outside_of_them_with_a_hint(key):
    _, below, too_low, _, above, too_high = BOUNDS[key]
    for value, why in ((below, too_low), (above, too_high)):
        assert refused(written(key, value)) == (
            f"p.yaml:6: {key}: must be {why}, not {value}",
            meaning(key),
        )


def test_toggling_is_true_or_false():
    strategy = judged(written("strategy.paired_toggling", "false")).policy.strategy
    assert strategy.paired_toggling is False
    assert refused(written("strategy.paired_toggling", "off")) == (
        "p.yaml:6: strategy.paired_toggling: must be true or false, not text 'off'",
        "write false: `off` is text here",
    )


def test_a_warm_up_fits_into_what_is_remembered():
    assert REMEMBERED_S * 1_000_000 == KEEP * BLOCK_US


@pytest.mark.parametrize(
    ("key", "place"),
    [("confidence", "strategy"), ("harm_budget", "safety"), ("scale", "targets.*")],
)
def test_a_key_in_the_wrong_place_is_told_where_it_belongs(key, place):
    assert refused(written(key, 1)) == (
        f"p.yaml:6: {key}: is not a key that exists here",
        f"`{key}` belongs under `{place}`",
    )


# ── the scale of a target ────────────────────────────────────────────────────
def scaled(scale):
    return SMALL.replace("{ max: 1.0 }", f"{{ max: 1.0, scale: {scale} }}")


def test_a_target_may_say_how_far_off_is_wholly_missed():
    assert judged(scaled(0.05)).policy.targets["down"].scale == 0.05
    assert judged(scaled("null")).body == judged(SMALL).body


@pytest.mark.parametrize("scale", [0, -1])
def test_a_scale_is_a_size(scale):
    assert (
        refused(scaled(scale))[0] == f"p.yaml:2: targets.down.scale: must be above 0, not {scale}"
    )


def test_a_scale_alone_is_no_target():
    text = SMALL.replace("{ max: 1.0 }", "{ scale: 1.0 }")
    assert refused(text) == (
        "p.yaml:2: targets.down: has neither min nor max: where should the signal be?",
        BOTH,
    )


def test_a_misspelt_bound_beside_a_scale_is_told_once():
    text = SMALL.replace("{ max: 1.0 }", "{ mx: 1.0, scale: 1.0 }")
    assert refused(text)[0] == "p.yaml:2: targets.down.mx: is not a key that exists here"


# ── what must fit together ───────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("times", "rest", "needed"),
    [
        ("cooldown_s: 119.5", "119.5", 120),
        ("cooldown_s: 120\nsettle_s: 60", "120", 150),
        ("cooldown_s: 100\nobserve_window_s: 80.5\nsettle_s: 20", "100", 100.5),
    ],
)
def test_a_pause_that_is_over_before_the_verdict_is_doubtful(times, rest, needed):
    assert warned(SMALL + times) == [
        (
            (
                f"p.yaml:6: cooldown_s: {rest} is shorter than settle_s and observe_window_s, which"
                f" are {needed:g} together: a rule rests until its change is judged"
            ),
            f"at least {needed:g}",
        )
    ]


@pytest.mark.parametrize(
    "times",
    [
        "cooldown_s: 120",
        "cooldown_s: 95\nsettle_s: 5",
        "observe_window_s: 900",  # whoever wrote no pause has none that is too short
        "settle_s: 900",
    ],
)
def test_a_pause_that_outlasts_the_verdict_is_fine(times):
    assert warned(SMALL + times) == []


@pytest.mark.parametrize("times", ["settle_s: long", "observe_window_s: ", "cooldown_s: -1"])
def test_times_that_are_none_are_told_once(times):
    refused(SMALL + times)


def test_a_longest_step_beyond_the_range_is_fine():
    text = SMALL.replace("lr: 0.1", "lr: 0.9") + "strategy: { max_step_mult: 4 }"
    assert warned(text) == []


def test_more_rules_at_once_than_ever_move_together_are_doubtful():
    assert warned(written("strategy.max_concurrent_changes", 3)) == [
        (
            (
                "p.yaml:6: strategy.max_concurrent_changes: 3 counts as 2: no more rules ever move"
                " in one step"
            ),
            "write 2, or 1",
        )
    ]
    assert warned(written("strategy.max_concurrent_changes", 2)) == []


def test_trying_again_without_toggling_is_doubtful():
    toggling = "strategy: {{ max_extensions: {}, paired_toggling: {} }}"
    assert warned(SMALL + toggling.format(3, "false")) == [
        (
            (
                "p.yaml:6: strategy.max_extensions: has no effect while `paired_toggling` is false:"
                " nothing is tried again"
            ),
            "remove it, or set `paired_toggling: true`",
        )
    ]
    assert warned(SMALL + toggling.format(0, "false")) == []
    assert warned(SMALL + toggling.format(3, "true")) == []
    assert warned(written("strategy.paired_toggling", "false")) == []


# ── guards and improvements ──────────────────────────────────────────────────
def safety(good, warn):
    return SMALL + f"safety:\n  good: {{ {good} }}\n  warn: {{ {warn} }}\n"


@pytest.mark.parametrize(
    ("warn", "side", "moves", "wanted"),
    [
        ("both: { min: 0.1 }", "min", "rise", "+0.1"),
        ("both: { max: -0.1 }", "max", "fall", "-0.2"),
    ],
)
def test_a_guard_that_no_improvement_gets_past_is_doubtful(warn, side, moves, wanted):
    assert warned(safety("both: { min: +0.1, max: -0.2 }", warn)) == [
        (
            (
                f"p.yaml:8: safety.warn.both.{side}: warns of every {moves} of both that counts as"
                " an improvement"
            ),
            f"leave room beyond `safety.good.both.{side}`, which is {wanted}",
        )
    ]


@pytest.mark.parametrize(
    ("good", "warn"),
    [
        ("both: { min: +0.1 }", "both: { min: +0.11 }"),  # room for some
        ("both: { min: +0.1 }", "both: { max: -0.01 }"),  # the other way
        ("down: { max: -0.1 }", "down: { min: +0.01 }"),  # a small loss may be feared more
        ("down: { max: -0.1 }", "both: { min: +0.01 }"),
        ("down: { max: -0.1 }", "elsewhere: { min: +0.01 }"),
    ],
)
def test_a_guard_that_leaves_room_is_fine(good, warn):
    assert warned(safety(good, warn)) == []


def test_a_guard_against_what_a_target_wants_is_told_once():
    (warning,) = warned(safety("down: { max: -0.1 }", "down: { max: -0.1 }"))
    assert "which is what its target wants" in warning[0]
