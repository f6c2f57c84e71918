"""``configs/self_tuning.yaml``: what should be reached, what may be moved, and how carefully.

The models hold the shape of the file; whether it makes sense as a whole is
judged in ``policy_checks``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from daemon.config.effective import origins
from daemon.config.names import RuleName, SignalName
from daemon.config.policy_checks import check_policy
from daemon.config.problems import Finding, Source, at_most, finish, locate, validate
from daemon.config.section import Section, nothing_is_defaults
from daemon.config.text import MissingFile
from daemon.config.yaml_safe import Document, scan_yaml_file
from daemon.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from daemon.config.settings import Loaded

SECONDS_MAX = 7 * 86_400
"""The longest window or pause: a week."""

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
    max_concurrent_changes: int = Field(
        default=1,
        ge=1,
        le=100,
        description="Changes under observation at the same time. More learn faster, and blur"
        " which of them had which effect.",
    )


class PolicyFile(Section):
    """What should be reached, what may be moved, and how carefully."""

    targets: dict[SignalName, Target] = Field(
        min_length=1,
        description="Where each signal should be. Every target is one more thing that a"
        " change must not spoil.",
    )
    rules: dict[RuleName, Rule] = Field(
        min_length=1,
        description="What may be moved, and how far. Every rule is one more thing to try:"
        " few rules are learned quickly.",
    )
    observe_window_s: float = Field(
        default=90.0,
        gt=0,
        le=SECONDS_MAX,
        description="Seconds over which a signal is watched before and after a change. Longer"
        " detects smaller effects, and makes each change take longer.",
    )
    min_samples: int = Field(
        default=300,
        ge=1,
        le=10_000_000,
        description="Usable samples that a window needs to count as evidence. More makes a"
        " verdict firmer; with too few arriving, no change is ever kept.",
    )
    cooldown_s: float = Field(
        default=120.0,
        gt=0,
        le=SECONDS_MAX,
        description="Seconds for which a rule rests after a change. Longer lets the system"
        " settle, shorter tries more in a day.",
    )
    safety: Annotated[Safety, BeforeValidator(nothing_is_defaults)] = Field(
        default_factory=Safety,
        description="What counts as better, and what may not happen on the way.",
    )
    strategy: Annotated[Strategy, BeforeValidator(nothing_is_defaults)] = Field(
        default_factory=Strategy, description="How changes are chosen."
    )

    def objective_weight(self, signal: str) -> float:
        """Tell how much a target counts."""
        return self.strategy.objective_weights.get(signal, OTHER_WEIGHT)


@dataclass(frozen=True)
class LoadedPolicy:
    """A policy that holds."""

    policy: PolicyFile
    path: Path
    digest: str
    """SHA-256 of the body: the same for every way of writing the same policy."""
    body: dict[str, Any]
    """The policy with all its defaults, as JSON can hold it."""
    origins: Mapping[str, str]
    """Of every key: ``default`` or ``<file>:<line>``."""
    warnings: tuple[Problem, ...] = ()


def load_policy(path: Path, *, signals: Collection[str] | None = None) -> LoadedPolicy:
    """Read a policy; ``signals`` are those that the sources provide, None if nobody asks.

    Raises:
        ConfigError: with every problem of the file.
    """
    return policy_from(scan_yaml_file(path), path, signals=signals)


def policy_in_force(loaded: Loaded) -> LoadedPolicy:
    """Read the policy that the settings name.

    Raises:
        ConfigError: with every problem of the file, or with who named a file that is not there.
    """
    settings = loaded.settings
    try:
        return load_policy(settings.policy_file, signals=set(settings.signals))
    except MissingFile as error:
        hint = (
            f"`policy_file` names it ({loaded.origins['policy_file']});"
            " a relative path counts from the current directory;"
            " `daemon config init` writes one to begin with"
        )
        problems = [replace(problem, hint=hint) for problem in error.problems]
    raise ConfigError(problems)


def policy_from(
    document: Document, path: Path, *, signals: Collection[str] | None = None
) -> LoadedPolicy:
    """Judge a policy that has been read.

    Raises:
        ConfigError: with every problem of the file.
    """
    source = Source(document)
    policy, misshapen = validate(PolicyFile, document.value)
    told = {finding.path for finding in misshapen}
    senseless = [
        finding
        for finding in at_most(check_policy(document.value, signals))
        if finding.path not in told
    ]
    doubts = [finding for finding in senseless if finding.warning]
    errors = [*misshapen, *(finding for finding in senseless if not finding.warning)]
    problems = [*document.problems, *locate(errors, source)]
    if policy is None or problems:
        raise ConfigError(finish(problems))
    if signals is not None and not signals:
        doubts.append(_UNCHECKED)
    body = policy.model_dump(mode="json")
    return LoadedPolicy(
        policy,
        path,
        digest(body),
        body,
        origins(policy, source),
        finish(locate(doubts, source)),
    )


def digest(body: Mapping[str, Any]) -> str:
    """Give the SHA-256 of a body in its canonical form: keys sorted, no spaces, plain ASCII."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


_UNCHECKED = Finding(
    ("targets",),
    "the names of the signals were not checked: the settings list none",
    "list what the sources provide under `signals` in configs/daemon.yaml",
    warning=True,
)
