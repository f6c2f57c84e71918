"""The composition root: reads the configuration and chooses what everything is made of.

The only place that names implementations; doors (`cli/`, `web/`) call it and
nothing below. What a command needs is imported when it is asked for: most of
them are over before the rest would have been loaded.
"""

from __future__ import annotations

import getpass
import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from daemon import log
from daemon.clock import Clock, LapseClock, SystemClock, parse_iso, unique
from daemon.config.settings import load_settings
from daemon.config.time_lapse import REAL
from daemon.errors import ConfigError, DaemonError, NotLeader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from daemon.app.assembly import Ground
    from daemon.config.policy_file import LoadedPolicy
    from daemon.config.settings import Loaded, Settings
    from daemon.config.time_lapse import TimeLapse
    from daemon.errors import Problem
    from daemon.ports import Held
    from daemon.services.asking.inquiry import Account, Inquiry, Return, Status, Table
    from daemon.services.asking.inquiry_rows import ASKED
    from daemon.services.asking.planning import Plan, Planner
    from daemon.services.asking.requests import PATIENCE_S, Answer, Requests, Verdict
    from daemon.services.calibration import Calibrator, Ready
    from daemon.services.invariants import fingerprints
    from daemon.services.living.engine import Engine
    from daemon.services.living.interrupts import Interrupts
    from daemon.services.living.lifecycle import live
    from daemon.services.living.service import Service
    from daemon.services.replay import Judged, Replay, Report
    from daemon.services.upkeep import Upkeep, as_heads, catalogue
    from daemon.store.store import Store


__all__ = [
    "ASKED",
    "PATIENCE_S",
    "Account",
    "Answer",
    "App",
    "Calibrator",
    "Inquiry",
    "Interrupts",
    "Judged",
    "Plan",
    "Planner",
    "Ready",
    "Replay",
    "Report",
    "Requests",
    "Return",
    "Status",
    "Table",
    "Upkeep",
    "Verdict",
    "actor",
    "as_heads",
    "build",
    "catalogue",
    "doubts",
    "fingerprints",
    "live",
    "shipped",
]

_SERVICES = {
    "asking.inquiry": ("Account", "Inquiry", "Return", "Status", "Table"),
    "asking.inquiry_rows": ("ASKED",),
    "asking.planning": ("Plan", "Planner"),
    "asking.requests": ("PATIENCE_S", "Answer", "Requests", "Verdict"),
    "calibration": ("Calibrator", "Ready"),
    "invariants": ("fingerprints",),
    "living.interrupts": ("Interrupts",),
    "living.lifecycle": ("live",),
    "replay": ("Judged", "Replay", "Report"),
    "upkeep": ("Upkeep", "as_heads", "catalogue"),
}
"""What doors may ask for here and get from the services."""


def __getattr__(name: str) -> Any:
    """Fetch what a door asks for from the service that has it."""
    for module, names in _SERVICES.items():
        if name in names:
            return getattr(import_module(f"daemon.services.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_log = log.get(__name__)

LEAD_POLL_S = 0.5
"""How often somebody who may be dead is looked at, until it is certain."""

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
        from daemon.config.policy_file import load_policy, policy_in_force

        if path is not None:
            return load_policy(path, signals=self.settings.provided())
        return policy_in_force(self.loaded)

    @contextmanager
    def upkeep(self, *, any_schema: bool = False) -> Iterator[Upkeep]:
        """Open the database; refuse a schema that does not fit, unless any will do."""
        from daemon.services.upkeep import Upkeep

        with self.open_store() if any_schema else self.fitting_store() as store:
            yield Upkeep(store, self.clock, self.settings)

    @contextmanager
    def replay(self, policy: Path | None, since_us: int | None) -> Iterator[Replay]:
        """Open the database to run again what is on record in it."""
        from daemon.config.policy_file import load_policy
        from daemon.services.replay import replaying

        other = load_policy(policy) if policy else None  # its signals are those on record
        with self.fitting_store() as store, replaying(store, other, self.policy, since_us) as run:
            yield run

    @contextmanager
    def calibrator(self) -> Iterator[Calibrator]:
        """Open the database to measure a policy on what was recorded."""
        from daemon.services.calibration import Calibrator

        with self.fitting_store() as store:
            yield Calibrator(store, self.clock)

    @contextmanager
    def inquiry(self) -> Iterator[Inquiry]:
        """Open the database to ask how things stand."""
        from daemon.services.asking.inquiry import Inquiry

        with self.fitting_store() as store:
            yield Inquiry(store, self.clock, self._held, self._planned)

    def _planned(self) -> list[str]:
        """Name the rules of the policy file; none if it does not hold."""
        try:
            return list(self.policy().policy.rules)
        except DaemonError:
            return []

    def _held(self, rules: Sequence[str]) -> Mapping[str, Held]:
        """Read what the controls hold now."""
        from daemon.app import assembly

        board = assembly.switchboard(self.settings)
        try:
            return board.read(rules).held
        finally:
            board.close()

    def status(self) -> Status:
        """Say how things stand, also where the database cannot be asked."""
        from daemon.services.asking import inquiry_status

        late_s = inquiry_status.LATE_S * self.settings.time_lapse.speed
        with self.open_store() as store:
            return inquiry_status.look(store, self.clock, late_s)

    def occurrence(self, cron: str, duration_s: float) -> tuple[int, int | None]:
        """Say from when to when a recurring freeze holds now or next.

        Raises:
            InputError: it cannot be read.
        """
        from daemon.services.duties import calendar

        span = calendar.recurring(cron, duration_s, self.clock.now_us())
        return span.starts_at_us, span.ends_at_us

    @contextmanager
    def planner(self) -> Iterator[Planner]:
        """Open the database to plan what would be done."""
        from daemon.services.asking.planning import Planner

        with self.fitting_store() as store:
            yield Planner(store, self.clock, self.policy())

    @contextmanager
    def requests(self, tell: Callable[[str], None]) -> Iterator[Requests]:
        """Open the database to have something done, by the leader or in this process."""
        from daemon.services.asking.requests import Requests

        with self.fitting_store() as store:
            yield Requests(
                store,
                self.clock,
                actor=actor(),
                key=lambda: f"ctl:{unique()}",
                acting=self.acting,
                tell=tell,
                speed=self.settings.time_lapse.speed,
            )

    @contextmanager
    def service(self) -> Iterator[Service]:
        """Put the service together; it is driven by `live`."""
        from daemon.app import assembly

        with self.fitting_store() as store:
            yield assembly.service(self._ground(store))

    @contextmanager
    def acting(self) -> Iterator[Engine]:
        """Lead in this process, for the sake of one command.

        Raises:
            NotLeader: somebody else leads.
        """
        from daemon.app import assembly

        self._only_trouble()
        with self.fitting_store() as store:
            ground = replace(self._ground(store), policy=self._policy_or_last(store))
            engine = assembly.hands(ground)
            lease = engine.parts.lease
            while lease.acquire() is None:
                if lease.rival_lives:
                    raise NotLeader("somebody else leads", hint="daemon ctl status says who")
                self.clock.sleep(LEAD_POLL_S)
            try:
                engine.take_over()
                yield engine
                engine.stop()
            finally:
                lease.release()

    def _only_trouble(self) -> None:
        """Leave out of the log what a leader tells of its daily work: one command is answered."""
        said = self.settings.log
        if said.level == "info":
            log.configure("warning", said.format, clock=self.clock)

    def _policy_or_last(self, store: Store) -> Callable[[], LoadedPolicy]:
        """Go by the policy adopted last where its file does not hold: rolling back must work."""
        from daemon.services.asking import recorded

        def read() -> LoadedPolicy:
            try:
                return self.policy()
            except ConfigError as error:
                with store.read() as view:
                    last = recorded.in_force(view)
                if last is None:
                    raise
                _log.warning("policy_does_not_hold", error=error.message, using=last.digest[:12])
                return last

        return read

    def _ground(self, store: Store) -> Ground:
        from daemon.app.assembly import Ground

        config = None if self.loaded.path is None else str(self.loaded.path)
        return Ground(
            settings=self.settings,
            config=config,
            clock=self.clock,
            store=store,
            policy=self.policy,
        )

    @contextmanager
    def fitting_store(self) -> Iterator[Store]:
        """Open the database of the settings; refuse a schema that does not fit, or upgrade it."""
        from daemon.services import schema

        with self.open_store() as store:
            schema.require(store, self.clock, auto_upgrade=self.settings.database.auto_upgrade)
            yield store

    def open_store(self) -> Store:
        """Open the database of the settings."""
        from daemon.store.engine import Options
        from daemon.store.store import Store

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
    clock = _clock(loaded.settings.time_lapse)
    log.configure(loaded.settings.log.level, loaded.settings.log.format, clock=clock)
    return App(loaded, clock)


def _clock(lapse: TimeLapse) -> Clock:
    """Take the clock of this machine, or for a demonstration one that runs faster."""
    if lapse.since is None or lapse.speed == REAL:
        return SystemClock()
    return LapseClock(lapse.speed, parse_iso(lapse.since))


def shipped() -> Path:
    """Find the folder that holds what the daemon ships: configs, migrations, sample data."""
    from daemon.store.schema import home

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
    from daemon.services import calibration
    from daemon.store.engine import Options
    from daemon.store.store import Store

    try:
        database = load_settings(Path(config) if config else None, os.environ).settings.database
        hasty = Options(busy_timeout_s=LINT_PATIENCE_S, statement_timeout_s=LINT_PATIENCE_S)
        with Store.open(database.url.get_secret_value(), hasty) as store:
            return calibration.doubts(store, policies)
    except DaemonError:
        return []
