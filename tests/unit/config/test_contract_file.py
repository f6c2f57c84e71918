"""The policy that users have loads as it stands; the one that is shipped differs in one line."""

from pathlib import Path

from daemon.config.policy_file import load_policy, policy_from
from daemon.config.yaml_safe import read_yaml

ROOT = Path(__file__).parents[3]
SHIPPED = ROOT / "configs" / "self_tuning.yaml"
SIGNALS = ("phase_diff", "creative_band", "risk_band", "entropy_rate")

CONTRACT = """\
targets:                              # where each signal should be
  phase_diff:    { max: 0.05 }
  creative_band: { min: 0.24 }
  risk_band:     { max: 0.30 }
  entropy_rate:  { max: 0.28 }
rules:                                # what may be moved, and how far
  creative_min: { init: 0.22, min: 0.18, max: 0.35, lr: 0.02, weight: 1.0 }
  risk_max:     { init: 0.35, min: 0.20, max: 0.40, lr: 0.02, weight: 1.2 }
observe_window_s: 90
min_samples: 300
cooldown_s: 120
safety:
  good:                               # smallest delta (post - pre) that counts as an improvement
    phase_diff:    { max: -0.005 }
    risk_band:     { max: -0.008 }
    creative_band: { min: +0.008 }
  warn:                               # a delta that forbids keeping, and ends an observation early
    entropy_rate:  { min: +0.03 }
strategy:
  objective_weights: { phase_diff: 1.2, risk_band: 1.0, creative_band: 0.8 }
  direction: { creative_min: +1, risk_max: -1 }   # a hint: evidence overrules it
  dry_run: true
  max_concurrent_changes: 1
"""


def contract():
    return policy_from(read_yaml(CONTRACT, name="p.yaml"), Path("p.yaml"), signals=SIGNALS)


def test_the_file_that_users_have_loads_unchanged():
    loaded = contract()
    policy = loaded.policy
    assert {name: (target.min, target.max) for name, target in policy.targets.items()} == {
        "phase_diff": (None, 0.05),
        "creative_band": (0.24, None),
        "risk_band": (None, 0.30),
        "entropy_rate": (None, 0.28),
    }
    rule = policy.rules["risk_max"]
    assert (rule.init, rule.min, rule.max, rule.lr, rule.weight) == (0.35, 0.20, 0.40, 0.02, 1.2)
    assert (policy.observe_window_s, policy.min_samples, policy.cooldown_s) == (90, 300, 120)
    assert policy.safety.good["creative_band"].min == 0.008
    assert policy.safety.warn["entropy_rate"].min == 0.03
    assert policy.strategy.direction == {"creative_min": 1, "risk_max": -1}
    assert policy.strategy.dry_run is True
    assert policy.strategy.max_concurrent_changes == 1
    assert policy.objective_weight("phase_diff") == 1.2
    assert policy.objective_weight("entropy_rate") == 0.5
    assert loaded.path == Path("p.yaml")
    assert loaded.warnings == ()


def test_what_it_does_not_say_has_a_default():
    policy = contract().policy
    assert {target.scale for target in policy.targets.values()} == {None}
    assert (policy.settle_s, policy.warmup_s) == (30, 300)
    assert (policy.safety.harm_budget, policy.safety.no_go_s) == (0.12, 10_800)
    said = {"objective_weights", "direction", "dry_run", "max_concurrent_changes"}
    assert policy.strategy.model_dump(exclude=said) == {
        "approval": "none",
        "confidence": 0.97,
        "max_extensions": 6,
        "paired_toggling": True,
        "max_step_mult": 2,
        "min_gain": 0.004,
        "exploration": 0.6,
        "changes_per_hour": 30,
        "idle_trial_s": 3600,
        "forget_h": 72,
        "target_margin": 0.03,
    }


def test_the_shipped_file_is_the_same_but_moves_two_rules_at_once():
    *same, last = CONTRACT.splitlines()
    *shipped, moved = SHIPPED.read_text().splitlines()
    assert last == "  max_concurrent_changes: 1"
    assert moved == "  max_concurrent_changes: 2"
    assert [line for line in shipped if not line.startswith("  # ")] == same
    loaded, asked = load_policy(SHIPPED, signals=SIGNALS), contract().body
    assert loaded.warnings == ()
    asked["strategy"]["max_concurrent_changes"] = 2
    assert loaded.body == asked


def test_the_reference_shows_the_digest_of_the_shipped_file():
    text = (ROOT / "docs" / "reference" / "config.md").read_text()
    assert f"sha256 {load_policy(SHIPPED).digest[:12]}\n" in text
