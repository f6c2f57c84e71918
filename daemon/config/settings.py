"""``configs/daemon.yaml``: how the daemon runs. What it may tune stands in the policy file.

Precedence, from strong to weak: the environment, the file, the defaults here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from daemon.config.alerts import Alerts, check_alerts
from daemon.config.controls import Controls, check_controls, default_controls
from daemon.config.effective import origins
from daemon.config.environment import read_environment
from daemon.config.http import Http, check_http
from daemon.config.names import SignalName
from daemon.config.problems import Source, at_most, finish, locate, refuse, validate
from daemon.config.schedule import Schedule, check_schedule
from daemon.config.section import Section, nothing_is_defaults
from daemon.config.sources import Sources, check_sources
from daemon.config.sweeps import Sweeps
from daemon.config.text import MissingFile
from daemon.config.time_lapse import TimeLapse, check_time_lapse
from daemon.config.urls import check_database_url
from daemon.config.yaml_safe import Document, KeyPath, scan_yaml_file
from daemon.errors import ConfigError
from daemon.log import mask

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from daemon.config.problems import Finding
    from daemon.errors import Problem

DEFAULT_PATH = Path("configs/daemon.yaml")


def masked_url(url: SecretStr | str) -> str:
    """Write a database URL for a person: the password hidden, the rest as it is."""
    return mask(url.get_secret_value() if isinstance(url, SecretStr) else url)


def _checked_url(url: SecretStr) -> SecretStr:
    check_database_url(url.get_secret_value())
    return url


def _no_url(value: Any) -> Any:
    if isinstance(value, str) and "://" in value:
        raise refuse("is a URL, not the path of a file", "name a file: configs/self_tuning.yaml")
    return value


def _lowered(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


class Database(Section):
    """Where everything is recorded."""

    url: Annotated[SecretStr, AfterValidator(_checked_url)] = Field(
        default=SecretStr("sqlite:///var/daemon.db"),
        description="The database. A SQLite file needs no server and serves one machine;"
        " Postgres serves several and is backed up by those who run it. Relative SQLite paths"
        " count from the current directory. Keep a password out of the file: give the URL by"
        " DAEMON_DATABASE_URL or DAEMON_DATABASE_URL_FILE.",
    )
    auto_upgrade: bool = Field(
        default=False,
        description="Whether a start brings an older schema up to date. Convenient for one"
        " machine; where a person should take a backup first, leave it off and run"
        " `daemon db upgrade`.",
    )
    busy_timeout_s: float = Field(
        default=5.0,
        ge=0,
        le=3600,
        description="Seconds to wait for a SQLite file that another process is writing to."
        " Longer rides out a slow backup, shorter reports a stuck lock sooner.",
    )
    statement_timeout_s: float = Field(
        default=30.0,
        gt=0,
        le=86_400,
        description="Seconds after which a statement is given up. Longer lets big reports"
        " finish, shorter keeps one of them from holding up a cycle.",
    )
    pool_size: int = Field(
        default=5,
        ge=1,
        le=100,
        description="Connections kept for reading. More serve more dashboards at once; each"
        " costs memory here and a connection on a Postgres server.",
    )
    lease_ttl_s: float = Field(
        default=15.0,
        ge=2,
        le=600,
        description="Seconds without a sign of life after which a standby takes over, on Postgres;"
        " a SQLite file is free as soon as its leader has ended. Shorter takes over sooner, longer"
        " rides out a slow database; cycles are 5 s apart.",
    )
    disk_floor_mb: int = Field(
        default=256,
        ge=0,
        le=1_000_000,
        description="Megabytes that must be free where a SQLite file lies. With less, nothing new"
        " is tried and a person is told; higher leaves more time to make room, 0 never asks.",
    )

    def masked_url(self) -> str:
        """Write the URL for a person: the password hidden, the rest as it is."""
        return masked_url(self.url)


class Signal(Section):
    """What a source provides under a name."""

    unit: str | None = Field(
        default=None,
        max_length=40,
        description="The unit that values are shown with. It changes nothing that is computed.",
    )
    description: str | None = Field(
        default=None,
        max_length=500,
        description="What the signal says, for those who read a report. It costs nothing and"
        " saves a question.",
    )
    constant_ok: bool = Field(
        default=False,
        description="Whether the signal may stand still for long by itself, as an error rate does"
        " that is 0. If not, a signal that used to move and stands still is no evidence: its"
        " source may be frozen. If so, only a source whose other signals froze as well is noticed.",
    )


class Retention(Section):
    """How long what was measured is kept; decisions and changes are kept for ever."""

    raw_days: float = Field(
        default=7.0,
        gt=0,
        le=36_500,
        description="Days for which single samples are kept; their summaries stay. Longer"
        " lets old windows be judged again, and the database grows with it.",
    )
    slice_rows: int = Field(
        default=10_000,
        ge=100,
        le=1_000_000,
        description="Rows deleted in one transaction when samples are pruned. More is done"
        " sooner, fewer keep writers waiting for a shorter time.",
    )


class Log(Section):
    """What is told while it runs, on stderr."""

    level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lowered)] = (
        Field(
            default="info",
            description="The least important event that is told. `debug` explains every cycle and"
            " fills a disk, `warning` is quiet and leaves little to look back on.",
        )
    )
    format: Annotated[Literal["auto", "console", "json"], BeforeValidator(_lowered)] = Field(
        default="auto",
        description="How an event is written: `console` for eyes, `json` for machines, `auto`"
        " for console on a terminal and json elsewhere.",
    )


class Settings(Section):
    """How the daemon runs."""

    database: Annotated[Database, BeforeValidator(nothing_is_defaults)] = Field(
        default_factory=Database, description="Where everything is recorded."
    )
    policy_file: Annotated[Path, BeforeValidator(_no_url)] = Field(
        default=Path("configs/self_tuning.yaml"),
        strict=False,
        description="The file that says what should be reached and what may be moved. A"
        " relative path counts from the current directory; an absolute one is safer where the"
        " daemon is started from several places.",
    )
    signals: Annotated[
        dict[SignalName, Annotated[Signal, BeforeValidator(nothing_is_defaults)]],
        BeforeValidator(nothing_is_defaults),
    ] = Field(
        default_factory=dict,
        description="The signals that the sources provide. With the list a misspelt signal"
        " in the policy is refused; without it nobody notices that its target never counts.",
    )
    sources: Sources = Field(
        default_factory=dict,
        description="Where samples come from. Every source is one more thing that may fail, and"
        " its signals are no evidence while it does.",
    )
    controls: Controls = Field(
        default_factory=default_controls,
        description="Where the governed system reads the values of its rules. One place is easier"
        " to watch; several let one daemon govern parts that have nothing in common.",
    )
    retention: Annotated[Retention, BeforeValidator(nothing_is_defaults)] = Field(
        default_factory=Retention, description="How long what was measured is kept."
    )
    grace_s: float = Field(
        default=1.0,
        ge=0,
        le=60,
        description="Seconds that a cycle waits after its five seconds are over, for samples that"
        " are still under way. Longer loses fewer of a slow source; shorter decides sooner. What"
        " comes later than that is refused: what was judged does not change afterwards.",
    )
    http: Annotated[Http, BeforeValidator(nothing_is_defaults)] = Field(
        default_factory=Http,
        description="Where programs ask how the daemon is, and push signals.",
    )
    alerts: Annotated[Alerts, BeforeValidator(nothing_is_defaults)] = Field(
        default_factory=Alerts, description="Who is told of what a person should know."
    )
    schedule: Annotated[Schedule, BeforeValidator(nothing_is_defaults)] = Field(
        default_factory=dict,
        description="Commands that run by the calendar beside the loop, at low priority. Every one"
        " takes something from the machine that the governed system may be running on.",
    )
    sweeps: Annotated[Sweeps, BeforeValidator(nothing_is_defaults)] = Field(
        default_factory=Sweeps, description="With what means sessions are run."
    )
    log: Annotated[Log, BeforeValidator(nothing_is_defaults)] = Field(
        default_factory=Log, description="What is told while the daemon runs, on stderr."
    )
    time_lapse: Annotated[TimeLapse, BeforeValidator(nothing_is_defaults)] = Field(
        default_factory=TimeLapse,
        description="For demonstrations only: time that passes faster.",
    )

    def provided(self) -> set[str]:
        """Name the signals that a policy may be about; none if nobody said."""
        provided = {name for source in self.sources.values() for name in source.names()}
        return provided or set(self.signals)


@dataclass(frozen=True)
class Loaded:
    """The settings in force."""

    settings: Settings
    path: Path | None
    """The file they came from; None when there is none and the defaults hold."""
    origins: Mapping[str, str]
    """Of every key: ``default``, ``<file>:<line>`` or ``env <VARIABLE>``."""
    warnings: tuple[Problem, ...] = ()


def load_settings(path: Path | None, environ: Mapping[str, str]) -> Loaded:
    """Read the settings; without a path, the default file if it is there.

    Raises:
        ConfigError: with every problem of the file and of the environment.
    """
    if path is None:
        try:
            return settings_from(scan_yaml_file(DEFAULT_PATH), DEFAULT_PATH, environ)
        except MissingFile:
            return settings_from(None, None, environ)
    return settings_from(scan_yaml_file(path), path, environ)


def settings_from(
    document: Document | None, path: Path | None, environ: Mapping[str, str]
) -> Loaded:
    """Judge settings that have been read.

    Raises:
        ConfigError: with every problem of the file and of the environment.
    """
    overrides = read_environment(Settings, environ)
    source = Source(document, overrides.variables)
    merged = _overlay({} if document is None else document.value, overrides.values)
    settings, findings = validate(Settings, merged)
    findings += at_most(_senseless(settings)) if settings else []
    doubts = [finding for finding in findings if finding.warning]
    errors = [finding for finding in findings if not finding.warning]
    problems = [*(document.problems if document else ()), *locate(errors, source)]
    problems += overrides.problems
    if settings is None or problems:
        raise ConfigError(finish(problems))
    warnings = finish([*overrides.warnings, *locate(doubts, source)])
    return Loaded(settings, path, origins(settings, source), warnings)


def _senseless(settings: Settings) -> Iterator[Finding]:
    """Find what has the right shape and does not fit together."""
    yield from check_sources(settings.sources, settings.signals)
    yield from check_controls(settings.controls)
    yield from check_http(settings.http)
    yield from check_alerts(settings.alerts)
    yield from check_schedule(settings.schedule)
    yield from check_time_lapse(settings.time_lapse)


def _overlay(value: Any, overrides: Mapping[KeyPath, Any]) -> Any:
    """Lay the environment's values over the file's; what is no mapping stays to be refused."""
    if not isinstance(value, dict):
        return value
    merged = dict(value)
    for path, override in overrides.items():
        section = merged
        for part in path[:-1]:
            below = section.get(str(part))
            below = {} if below is None else below
            section[str(part)] = dict(below) if isinstance(below, dict) else below
            section = section[str(part)]
            if not isinstance(section, dict):
                break
        else:
            section[str(path[-1])] = override
    return merged
