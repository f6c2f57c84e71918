"""Judge files as the daemon would, and tell everything at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeVar

from daemon.config.environment import read_environment
from daemon.config.policy_file import LoadedPolicy, policy_from, policy_in_force
from daemon.config.session_sections import READ_LIMITS
from daemon.config.settings import DEFAULT_PATH, Loaded, Settings, load_settings, settings_from
from daemon.config.yaml_safe import scan_yaml_file
from daemon.errors import ConfigError, Problem
from daemon.search.names import ORDER

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from daemon.config.yaml_safe import Document

Thing = TypeVar("Thing")
Kind = Literal["daemon", "policy", "session", "study"]

COLUMNS = ("file", "line", "key", "severity", "reason", "hint")
_OF_A_POLICY = frozenset({"targets", "rules", "safety", "strategy", "observe_window_s"})
_OF_A_STUDY = frozenset(
    ("space", "sampler", "objective", "objectives", "constraints", "walk_forward", "data_files")
)
_OF_A_SESSION = frozenset({"data_file", "grids", "fixed", "max_jobs", "tag_prefix", *ORDER})


@dataclass
class Report:
    """What was found: the files that hold, and the problems of the others."""

    accepted: list[tuple[str, str]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    policies: list[LoadedPolicy] = field(default_factory=list)
    """The policies that hold: what else is known of them can still be asked."""

    def rows(self) -> list[tuple[str | None, int | None, str | None, str, str, str | None]]:
        """Give problems and warnings as rows for a machine."""
        return [
            (found.file, found.line, found.key, severity, found.reason, found.hint)
            for severity, list_ in (("error", self.problems), ("warning", self.warnings))
            for found in list_
        ]

    def lines(self) -> list[str]:
        """Name the files that hold, with what they say in short."""
        width = max((len(name) for name, _ in self.accepted), default=0)
        return [f"ok  {name:<{width}}  {summary}" for name, summary in self.accepted]

    def raise_problems(self) -> None:
        """Stop here if anything does not hold.

        Raises:
            ConfigError: with every problem of every file.
        """
        if self.problems:
            raise ConfigError(self.problems)


def lint_in_force(config: Path | None, environ: Mapping[str, str]) -> Report:
    """Judge the settings in force, environment included, and the policy that they name."""
    report = Report()
    loaded = _try(report, lambda: load_settings(config, environ))
    if loaded is None:
        report.warnings += read_environment(Settings, environ).warnings
        return report
    _accept_settings(report, loaded)
    policy = _try(report, lambda: policy_in_force(loaded))
    if policy is not None:
        _accept_policy(report, policy)
    return report


def lint_files(
    files: Sequence[Path], kind: Kind | None, config: Path | None, environ: Mapping[str, str]
) -> Report:
    """Judge files by themselves; the settings in force say which signals there are, and limits."""
    report = Report()
    settings = _in_force(config, environ)
    for path in files:
        _lint_file(report, path, kind, settings)
    return report


def _lint_file(report: Report, path: Path, kind: Kind | None, settings: Settings | None) -> None:
    document = _try(report, lambda: _read(path, kind))
    if document is None:
        return
    kind = kind or _kind_of(document)
    if kind == "session":
        _lint_session(report, document, path, settings)
    elif kind == "study":
        _lint_study(report, document, path)
    elif kind == "policy":
        signals = settings.provided() if settings is not None else set()
        policy = _try(report, lambda: policy_from(document, path, signals=signals))
        if policy is not None:
            _accept_policy(report, policy)
    else:
        loaded = _try(report, lambda: settings_from(document, path, {}))
        if loaded is not None:
            _accept_settings(report, loaded)


def _read(path: Path, kind: Kind | None) -> Document:
    """Read a file within the limits that hold where it is used."""
    document = scan_yaml_file(path, limits=READ_LIMITS)
    large = (kind or _kind_of(document)) in {"session", "study"}
    return document if large else scan_yaml_file(path)


def _kind_of(document: Document) -> Kind:
    """Tell from its keys what a file is."""
    keys = set(document.value) if isinstance(document.value, dict) else set()
    if keys & _OF_A_STUDY:
        return "study"
    if keys & _OF_A_SESSION:
        return "session"
    return "policy" if keys & _OF_A_POLICY else "daemon"


def _lint_session(
    report: Report, document: Document, path: Path, settings: Settings | None
) -> None:
    from daemon.config.session_file import session_from  # noqa: PLC0415 - loads NumPy: only here

    limits = {} if settings is None else {"max_cells": settings.sweeps.max_cells}
    loaded = _try(report, lambda: session_from(document, path, **limits))
    if loaded is None:
        return
    plan = loaded.plan()
    parts = [f"{plan.jobs:,} jobs" if plan.jobs != 1 else "1 job", _count(plan.grids, "grid")]
    parts += [plan.data_file, f"digest {plan.digest()[:12]}"]
    report.accepted.append((str(path), f"session: {', '.join(parts)}"))
    report.warnings += (*loaded.warnings, *loaded.doubts())


def _lint_study(report: Report, document: Document, path: Path) -> None:
    from daemon.config.study_file import study_from  # noqa: PLC0415 - loads NumPy: only here

    loaded = _try(report, lambda: study_from(document, path))
    if loaded is None:
        return
    cells, (sampler, _) = loaded.domain.cells, loaded.sampler
    parts = [sampler, _count(loaded.domain.axes, "axis", "axes")]
    parts += ["endless points" if cells is None else f"{cells:,} points"]
    parts += [] if loaded.trials is None else [f"{loaded.trials:,} trials a fold"]
    parts += [", ".join(file for _, file, _ in loaded.data)]
    report.accepted.append((str(path), f"study: {', '.join(parts)}"))
    report.warnings += (*loaded.warnings, *loaded.doubts())


def _try(report: Report, load: Callable[[], Thing]) -> Thing | None:
    try:
        return load()
    except ConfigError as error:
        report.problems += error.problems
        return None


def _in_force(config: Path | None, environ: Mapping[str, str]) -> Settings | None:
    """Give the settings in force; None if they do not hold."""
    try:
        return load_settings(config, environ).settings
    except ConfigError:
        return None


def _accept_settings(report: Report, loaded: Loaded) -> None:
    settings = loaded.settings
    name = str(loaded.path) if loaded.path else f"(no {DEFAULT_PATH}: built-in defaults)"
    summary = f"settings: {settings.database.masked_url()}, {_count(settings.provided(), 'signal')}"
    report.accepted.append((name, summary))
    report.warnings += loaded.warnings


def _accept_policy(report: Report, loaded: LoadedPolicy) -> None:
    policy = loaded.policy
    parts = [
        _count(policy.targets, "target"),
        _count(policy.rules, "rule"),
        _count(policy.safety.warn, "guard"),
        "dry run" if policy.strategy.dry_run else "LIVE",
        f"sha256 {loaded.digest[:12]}",
    ]
    report.accepted.append((str(loaded.path), f"policy: {', '.join(parts)}"))
    report.policies.append(loaded)
    report.warnings += loaded.warnings


def _count(things: Collection[object], noun: str, nouns: str | None = None) -> str:
    return f"{len(things)} {noun if len(things) == 1 else nouns or noun + 's'}"
