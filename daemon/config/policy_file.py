"""``configs/self_tuning.yaml``: what should be reached, what may be moved, and how carefully.

The models, here and in ``policy_sections``, hold the shape of the file; whether
it makes sense as a whole is judged in ``policy_checks``.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field

from daemon.config.controls import strays, unheld
from daemon.config.effective import origins
from daemon.config.names import RuleName, SignalName
from daemon.config.policy_checks import check_policy
from daemon.config.policy_sections import (
    OBSERVE_WINDOW_S,
    OTHER_WEIGHT,
    REMEMBERED_S,
    SECONDS_MAX,
    SETTLE_S,
    Rule,
    Safety,
    Strategy,
    Target,
)
from daemon.config.problems import Finding, Source, at_most, finish, locate, validate
from daemon.config.section import Section, nothing_is_defaults
from daemon.config.text import MissingFile
from daemon.config.yaml_safe import Document, scan_yaml_file
from daemon.errors import ConfigError, Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from daemon.config.controls import Control
    from daemon.config.settings import Loaded


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
        default=OBSERVE_WINDOW_S,
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
    settle_s: float = Field(
        default=SETTLE_S,
        ge=5,
        le=SECONDS_MAX,
        description="Seconds after a change that are not counted. Longer keeps what is still"
        " moving out of the evidence, and makes each change take longer; too short, a slow effect"
        " is taken for none.",
    )
    warmup_s: float = Field(
        default=300.0,
        ge=120,
        le=REMEMBERED_S,
        description="Seconds of undisturbed signal before the first change. Longer knows the"
        " noise better that changes are judged against, shorter starts sooner.",
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


_CARRIED_OUT_BY = frozenset({"dry_run", "approval"})


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

    @property
    def meaning(self) -> str:
        """SHA-256 of what verdicts rest on: who carries a proposal out has no part in them.

        A policy that was calibrated while it only proposed is the same one live.
        """
        strategy = {k: v for k, v in self.body["strategy"].items() if k not in _CARRIED_OUT_BY}
        return digest({**self.body, "strategy": strategy})


def load_policy(
    path: Path,
    *,
    signals: Collection[str] | None = None,
    controls: Mapping[str, Control] | None = None,
) -> LoadedPolicy:
    """Read a policy; ``signals`` are those that the sources provide, None if nobody asks.

    Raises:
        ConfigError: with every problem of the file.
    """
    return policy_from(scan_yaml_file(path), path, signals=signals, controls=controls)


def policy_in_force(loaded: Loaded) -> LoadedPolicy:
    """Read the policy that the settings name.

    Raises:
        ConfigError: with every problem of the file, or with who named a file that is not there.
    """
    settings = loaded.settings
    try:
        policy = load_policy(
            settings.policy_file, signals=settings.provided(), controls=settings.controls
        )
    except MissingFile as error:
        hint = (
            f"`policy_file` names it ({loaded.origins['policy_file']});"
            " a relative path counts from the current directory;"
            " `daemon config init` writes one to begin with"
        )
        problems = [replace(problem, hint=hint) for problem in error.problems]
    else:
        doubts = finish(strays(settings.controls, policy.policy.rules, loaded.origins))
        return replace(policy, warnings=(*policy.warnings, *doubts))
    raise ConfigError(problems)


def policy_from(
    document: Document,
    path: Path,
    *,
    signals: Collection[str] | None = None,
    controls: Mapping[str, Control] | None = None,
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
    if policy is not None and controls is not None:
        errors += at_most(unheld(controls, policy.rules))
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
