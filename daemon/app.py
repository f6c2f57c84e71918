"""The composition root: reads the configuration and chooses what everything is made of.

The only place that names implementations; doors (`cli/`, `web/`) call it and
nothing below.
"""

from __future__ import annotations

import getpass
import os
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from daemon import log
from daemon.clock import Clock, SystemClock
from daemon.config.policy_file import load_policy, policy_in_force
from daemon.config.settings import load_settings
from daemon.errors import DaemonError
from daemon.services import calibration, doctor
from daemon.services.calibration import Calibrator, Ready
from daemon.services.replay import Judged, Replay, Report, replaying
from daemon.services.upkeep import Upkeep, as_heads, catalogue
from daemon.store.engine import Options
from daemon.store.health import Finding
from daemon.store.migrate import home
from daemon.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from daemon.config.policy_file import LoadedPolicy
    from daemon.config.settings import Loaded, Settings
    from daemon.errors import Problem


__all__ = [
    "App",
    "Calibrator",
    "Judged",
    "Ready",
    "Replay",
    "Report",
    "Upkeep",
    "actor",
    "as_heads",
    "build",
    "catalogue",
    "diagnose",
    "doubts",
    "shipped",
]


LINT_PATIENCE_S = 2.0
"""How long a check of a file waits for a database."""


@dataclass(frozen=True)
class App:
    """The daemon as configured; nothing is opened yet."""

    loaded: Loaded
    clock: Clock

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.loaded.settings

    def policy(self, path: Path | None = None) -> LoadedPolicy:
        """Read the policy in force or another file, checked against the signals declared."""
        if path is not None:
            return load_policy(path, signals=set(self.settings.signals))
        return policy_in_force(self.loaded)

    @contextmanager
    def upkeep(self, *, any_schema: bool = False) -> Iterator[Upkeep]:
        """Open the database; refuse a schema that does not fit, unless any will do."""
        with self.open_store() as store:
            upkeep = Upkeep(store, self.clock, self.settings)
            if not any_schema:
                upkeep.require_schema(auto_upgrade=self.settings.database.auto_upgrade)
            yield upkeep

    @contextmanager
    def replay(self, policy: Path | None, since_us: int | None) -> Iterator[Replay]:
        """Open the database to run again what is on record in it."""
        other = load_policy(policy) if policy else None  # its signals are those on record
        with self.upkeep() as upkeep, replaying(upkeep.store, other, self.policy, since_us) as run:
            yield run

    @contextmanager
    def calibrator(self) -> Iterator[Calibrator]:
        """Open the database to measure a policy on what was recorded."""
        with self.upkeep() as upkeep:
            yield Calibrator(upkeep.store, self.clock)

    def open_store(self) -> Store:
        """Open the database of the settings."""
        database = self.settings.database
        options = Options(
            busy_timeout_s=database.busy_timeout_s,
            statement_timeout_s=database.statement_timeout_s,
            pool_size=database.pool_size,
        )
        return Store.open(database.url.get_secret_value(), options)


def build(config: str | None, environ: Mapping[str, str] | None = None) -> App:
    """Read the configuration and put the daemon together.

    Raises:
        ConfigError: what the operator wrote does not hold.
    """
    path = Path(config) if config else None
    loaded = load_settings(path, os.environ if environ is None else environ)
    log.configure(loaded.settings.log.level, loaded.settings.log.format)
    return App(loaded, SystemClock())


def shipped() -> Path:
    """Find the folder that holds what the daemon ships: configs, migrations, sample data."""
    return home()


def actor() -> str:
    """Name who is typing, for the record."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def doubts(config: str | None, policies: Sequence[LoadedPolicy]) -> list[Problem]:
    """Warn of what noise on record hides from policies; without a database there is nothing to say.

    Nothing is created and nobody is waited for: a file may be checked anywhere.
    """
    try:
        database = load_settings(Path(config) if config else None, os.environ).settings.database
        hasty = Options(busy_timeout_s=LINT_PATIENCE_S, statement_timeout_s=LINT_PATIENCE_S)
        with Store.open(database.url.get_secret_value(), hasty) as store:
            return calibration.doubts(store, policies)
    except DaemonError:
        return []


def diagnose(config: str | None) -> Iterator[Finding]:
    """Ask everything that could be wrong: the installation, the configuration, the database."""
    yield from doctor.installation()
    built: list[App] = []

    def settings() -> Iterator[Finding]:
        built.append(build(config))
        loaded = built[0].loaded
        yield Finding("settings", "ok", str(loaded.path or "built-in defaults"))
        for problem in loaded.warnings:
            yield Finding("settings", "warn", str(problem), problem.hint)

    def policy() -> Iterator[Finding]:
        loaded = built[0].policy()
        names = ", ".join(loaded.policy.rules)
        yield Finding("policy", "ok", f"{loaded.path}: may move {names}")
        for problem in loaded.warnings:
            yield Finding("policy", "warn", str(problem), problem.hint)

    def database() -> Iterator[Finding]:
        with built[0].upkeep(any_schema=True) as upkeep:
            yield from upkeep.examine()

    yield from doctor.attempt("settings", settings)
    if built:
        yield from doctor.attempt("policy", policy)
        yield from doctor.attempt("database", database)
