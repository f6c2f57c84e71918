"""The sections of the policy file: targets, rules, what is safe, how changes are chosen."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from daemon.config.names import RuleName, SignalName
from daemon.config.section import Section, nothing_is_defaults

SECONDS_MAX = 7 * 86_400
"""The longest window or pause: a week."""

REMEMBERED_S = 7_200
"""Seconds of signal that the core remembers: a longer warm-up would never end."""

HOURS_MAX = 366 * 24
"""The longest memory of what was learned: a year."""

TOGETHER_MAX = 2
"""Rules that move in one step at most."""

OBSERVE_WINDOW_S = 90.0
SETTLE_S = 30.0
OTHER_WEIGHT = 0.5
"""Weight of a target that ``objective_weights`` does not name."""

_ONE_BOUND = ConfigDict(json_schema_extra={"anyOf": [{"required": ["min"]}, {"required": ["max"]}]})


class Target(Section):
    """Where a signal should be."""

    model_config = _ONE_BOUND

    min: float | None = Field(
        default=None,
        description="The signal should be at least this. Stricter asks for more changes, and"
        " one that cannot be reached keeps the daemon trying.",
    )
    max: float | None = Field(
        default=None,
        description="The signal should be at most this. Stricter asks for more changes, and"
        " one that cannot be reached keeps the daemon trying.",
    )
    scale: float | None = Field(
        default=None,
        gt=0,
        description="How far outside its bound the signal counts as wholly missed; without it, a"
        " quarter of the bound's size or the distance at the start, whichever is larger. Smaller"
        " takes every miss of this signal more seriously, its noise included; larger leaves small"
        " ones alone.",
    )


class Rule(Section):
    """A parameter that may be moved, and how far."""

    init: float = Field(
        description="The value to start from when no other is recorded. Choose one that is"
        " known to work: it is also what a person goes back to."
    )
    min: float = Field(
        description="The lowest value that is ever set. Wider bounds leave more to find and"
        " more to break."
    )
    max: float = Field(
        description="The highest value that is ever set. Wider bounds leave more to find and"
        " more to break."
    )
    lr: float = Field(
        gt=0,
        description="The step of one change. A larger step shows its effect sooner and risks"
        " more at once; a smaller one may drown in noise.",
    )
    weight: float = Field(
        default=1.0,
        gt=0,
        description="How much this rule is preferred to others when several could be moved."
        " A higher weight moves it more often and leaves less known of the rest.",
    )


class Delta(Section):
    """A bound on how far a signal moved: its mean after a change less its mean before."""

    model_config = _ONE_BOUND

    min: float | None = Field(
        default=None,
        description="A rise of at least this counts. Larger ignores more noise and overlooks"
        " small effects.",
    )
    max: float | None = Field(
        default=None,
        description="A fall of at least this size counts; it is written as a negative number."
        " Larger ignores more noise and overlooks small effects.",
    )


class Safety(Section):
    """What counts as better, and what may not happen on the way."""

    good: Annotated[dict[SignalName, Delta], BeforeValidator(nothing_is_defaults)] = Field(
        default_factory=dict,
        description="The smallest movement of a signal that counts as an improvement. Larger"
        " keeps only changes that matter, and keeps fewer.",
    )
    warn: Annotated[dict[SignalName, Delta], BeforeValidator(nothing_is_defaults)] = Field(
        default_factory=dict,
        description="A movement of a signal that forbids keeping a change and ends its"
        " observation early. Tighter takes back sooner, and takes back more that only noise"
        " moved.",
    )
    harm_budget: float = Field(
        default=0.12,
        gt=0,
        le=3,
        description="The score that one step may lose with a probability of at most 30 %. Larger"
        " allows bolder steps and worse mistakes, smaller stays with what is known. The score is"
        " 1 where every target is met and never below -2.",
    )
    no_go_s: float = Field(
        default=10_800.0,
        gt=0,
        le=SECONDS_MAX,
        description="Seconds for which a value that broke a guard is not tried again; each"
        " further break adds as many. Longer harms a system less often whose limits stay where"
        " they are, shorter finds out sooner that they have moved.",
    )


class Strategy(Section):
    """How changes are chosen."""

    objective_weights: Annotated[
        dict[SignalName, Annotated[float, Field(ge=0)]], BeforeValidator(nothing_is_defaults)
    ] = Field(
        default_factory=dict,
        description="How much each target counts when they pull in different directions; a"
        " target that is not named counts 0.5, and 0 makes it a mere guard. A heavier target"
        " is served first, at the cost of the others.",
    )
    direction: Annotated[dict[RuleName, Literal[1, -1]], BeforeValidator(nothing_is_defaults)] = (
        Field(
            default_factory=dict,
            description="Which way to try first: +1 up, -1 down. A hint: it saves trials when it"
            " is right, costs some when it is wrong, and evidence overrules it.",
        )
    )
    dry_run: bool = Field(
        default=True,
        description="Whether changes are only proposed. While true nothing is touched, and"
        " nothing is learned about what changes would do.",
    )
    approval: Literal["none", "required"] = Field(
        default="none",
        description="Whether a person must approve each change that the daemon proposes, with"
        " `daemon ctl approve`. `required` lets nothing move unseen, and nothing move at night;"
        " taking back never asks.",
    )
    max_concurrent_changes: int = Field(
        default=1,
        ge=1,
        le=100,
        description="Changes under observation at the same time. With 2, two rules may move in"
        " one step and are judged together, which finds better values in fewer changes and blurs"
        " which of them had which effect; 1 moves one rule at a time.",
    )
    confidence: float = Field(
        default=0.97,
        ge=0.8,
        le=0.9999,
        description="How sure a change must be to have helped to be kept, as a probability."
        " Higher keeps fewer that only noise favoured, and takes longer to keep those that help.",
    )
    max_extensions: int = Field(
        default=6,
        ge=0,
        le=100,
        description="How often an undecided change is tried again, taken back in between. More"
        " find smaller effects, and spend longer on changes that have none.",
    )
    paired_toggling: bool = Field(
        default=True,
        description="Whether undecided changes are toggled, A-B-A-B; if not, they are taken back"
        " for good. Toggling tells small effects from drift, and moves the system more often.",
    )
    max_step_mult: float = Field(
        default=2.0,
        ge=1,
        le=4,
        description="How many `lr` one step may be, once a single one showed nothing or its"
        " effect is known. Larger finds effects that a single step hides and arrives sooner; 1"
        " never risks more than one `lr`.",
    )
    min_gain: float = Field(
        default=0.004,
        gt=0,
        le=1,
        description="The smallest expected gain of score that is worth a trial. Larger is quiet"
        " sooner, smaller goes on for the last bit.",
    )
    exploration: float = Field(
        default=0.6,
        ge=0,
        le=5,
        description="How much not knowing what a step does draws to it. Larger tries more of what"
        " is unknown; 0 follows only what is expected to help, and may miss what is better.",
    )
    changes_per_hour: int = Field(
        default=30,
        ge=1,
        le=3600,
        description="Changes that are made in an hour at most. More find good values sooner,"
        " fewer leave the system in peace; taking back never waits for it.",
    )
    idle_trial_s: float = Field(
        default=3600.0,
        gt=0,
        le=SECONDS_MAX,
        description="Seconds that are waited at most between trials once nothing helps. Shorter"
        " notices sooner that the system has changed, longer disturbs it less.",
    )
    forget_h: float = Field(
        default=72.0,
        gt=0,
        le=HOURS_MAX,
        description="Hours after which what was learned counts as doubtful as nothing. Longer"
        " saves trials where the system stays as it is, shorter follows one that changes.",
    )
    target_margin: float = Field(
        default=0.03,
        ge=0,
        le=0.5,
        description="How far inside a target to aim, in units of its scale. Larger keeps noise"
        " from carrying the signal out again, and asks for more changes.",
    )
