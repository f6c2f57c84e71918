"""From settings to what they name: sources, controls, receivers of alerts, and the service.

The only room that knows adapters by their names, and it loads those that the
settings name. What an adapter needs, it opens when it is first asked; an engine is
given its database.
"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from daemon import __version__
from daemon.adapters.signals import Layout, Profile
from daemon.adapters.signals.push import PushSource
from daemon.app.submitted import desk
from daemon.clock import SystemClock, boot_id, draw, unique
from daemon.config import controls as holding
from daemon.config import sources as giving
from daemon.ports import Declared
from daemon.services.duties.children import Children, Launch, jobs
from daemon.services.duties.chores import Chores
from daemon.services.duties.housework import Housework
from daemon.services.living.ballast import Ballast
from daemon.services.living.engine import Engine, Parts
from daemon.services.living.metrics import Meters
from daemon.services.living.pulse import TICK_S, Pulse
from daemon.services.living.service import Service
from daemon.services.loop.switchboard import Route, Switchboard
from daemon.services.submitting.queue import Queue
from daemon.services.watching.alerting import Alerting, Pace
from daemon.services.watching.courier import Channel
from daemon.services.watching.fitness import traits
from daemon.services.watching.inbox import Inbox
from daemon.services.watching.intake import Intake
from daemon.store.lease import Lease, lock_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from daemon.adapters.signals.scrape.fetch import Place
    from daemon.clock import Clock
    from daemon.config.policy_file import LoadedPolicy
    from daemon.config.settings import Settings
    from daemon.ports import Controls, Source
    from daemon.store.store import Store


HOLD_BESIDE = Path("controls/rules.yaml")
"""Where a file named HOLD is looked for when no controls are a file."""

OURSELVES = (sys.executable, "-m", "daemon")
"""How our own program is started for the commands of the schedule."""


# ── sources ──────────────────────────────────────────────────────────────────
def sources(settings: Settings, clock: Clock) -> list[Source]:
    """Make the sources that the settings name."""
    return [
        _source(section, _profile(name, section, settings), clock)
        for name, section in settings.sources.items()
    ]


def _profile(name: str, section: giving.AnySource, settings: Settings) -> Profile:
    declared = {}
    for signal in section.names():
        said = settings.signals.get(signal)
        declared[signal] = Declared(
            unit=said.unit if said else None,
            description=said.description if said else None,
            period_s=section.expected_s(),
        )
    return Profile(name=name, declared=declared, period_s=section.period_s)


def _source(section: giving.AnySource, profile: Profile, clock: Clock) -> Source:
    match section:
        case giving.CsvSource() | giving.JsonlSource():
            return _tail(section, profile, clock)
        case giving.PushSource():
            return PushSource(profile, clock, buffer=section.buffer)
        case giving.PrometheusSource():
            from daemon.adapters.signals.scrape.prometheus import PrometheusSource

            place, queries = _place(section), section.places()
            return PrometheusSource(profile, place, queries, clock, catch_up_s=section.catch_up_s)
        case giving.OpenMetricsSource():
            from daemon.adapters.signals.scrape.openmetrics import OpenMetricsSource, Series

            series = {
                name: Series(metric=one.metric or name, labels=one.labels, rate=one.rate)
                for name, one in section.signals.items()
            }
            return OpenMetricsSource(profile, _place(section), series, clock)
        case giving.SqlSource():
            from daemon.adapters.signals.sql import Question, SqlSource

            question = Question(
                database=section.database.get_secret_value(),
                query=section.query,
                timeout_s=section.timeout_s,
            )
            from_end = section.start == "end"
            return SqlSource(profile, question, _layout(section), clock, from_end=from_end)
        case giving.CommandSource():
            from daemon.adapters.signals.command import CommandSource

            return CommandSource(
                profile,
                section.argv,
                section.places(),
                clock,
                timeout_s=section.timeout_s,
                output=section.output,
            )


def _tail(section: giving.CsvSource | giving.JsonlSource, profile: Profile, clock: Clock) -> Source:
    layout, from_end = _layout(section), section.start == "end"
    if isinstance(section, giving.JsonlSource):
        from daemon.adapters.signals.tail.jsonl_tail import JsonlTail

        return JsonlTail(profile, section.path, layout, clock, from_end=from_end)
    from daemon.adapters.signals.tail.csv_tail import CsvTail

    return CsvTail(
        profile, section.path, layout, clock, from_end=from_end, delimiter=section.delimiter
    )


def _layout(section: giving.CsvSource | giving.JsonlSource | giving.SqlSource) -> Layout:
    return Layout(
        places=section.places(),
        long=section.layout == "long",
        time_field=section.time_field,
        time_unit=section.time_unit,
        signal_field=section.signal_field,
        value_field=section.value_field,
    )


def _place(section: giving.PrometheusSource | giving.OpenMetricsSource) -> Place:
    from daemon.adapters.signals.scrape.fetch import Place

    variable = section.token_variable
    token = os.environ.get(variable) if variable is not None else None
    return Place(
        url=section.url, timeout_s=section.timeout_s, token_file=section.token_file, token=token
    )


# ── controls ─────────────────────────────────────────────────────────────────
def switchboard(settings: Settings) -> Switchboard:
    """Make the controls that the settings name; a HOLD file counts whatever they are."""
    clock = SystemClock()  # whose time-outs are those of the world, also in a time lapse
    routes = [
        Route(
            _controls(name, section, clock),
            None if section.rules is None else frozenset(section.rules),
        )
        for name, section in settings.controls.items()
    ]
    if not any(isinstance(one, holding.YamlFile) for one in settings.controls.values()):
        from daemon.adapters.controls.yaml_file.controls import YamlControls

        routes.append(Route(YamlControls(HOLD_BESIDE, clock, name="hold"), frozenset()))
    return Switchboard(routes)


def _controls(name: str, section: holding.AnyControl, clock: Clock) -> Controls:
    match section:
        case holding.YamlFile():
            from daemon.adapters.controls.yaml_file.controls import YamlControls

            return YamlControls(section.path, clock, name=name, timeout_s=section.timeout_s)
        case holding.Http():
            from daemon.adapters.controls.http.client import Client
            from daemon.adapters.controls.http.controls import HttpControls
            from daemon.adapters.controls.http.shape import Shape

            return HttpControls(
                section.url,
                name=name,
                shape=Shape.of(section.url, section.field, section.stamp_field),
                fence_url=section.fence_url,
                client=Client(
                    timeout_s=section.timeout_s,
                    headers={k: v.get_secret_value() for k, v in section.headers.items()},
                    token=_token(section),
                ),
            )
        case holding.Command():
            from daemon.adapters.controls.command import CommandControls, Commands

            commands = Commands(section.read, section.write, section.take_over)
            return CommandControls(commands, clock, name=name, timeout_s=section.timeout_s)
        case holding.Postgres():
            from daemon.adapters.controls.postgres.controls import PostgresControls
            from daemon.adapters.controls.postgres.settings import Named

            settings = {
                rule: Named(one.name or rule, one.unit) for rule, one in section.settings.items()
            }
            return PostgresControls(
                section.server.get_secret_value(),
                clock,
                name=name,
                settings=settings,
                stamp_schema=section.stamp_schema,
                timeout_s=section.timeout_s,
            )


def _token(section: holding.Http) -> Callable[[], str] | None:
    """Say how the bearer token is fetched: anew for every request."""
    from daemon.adapters.controls.http.client import token_from_file, token_from_variable

    if section.token_file is not None:
        return token_from_file(section.token_file)
    if section.token_variable is not None:
        return token_from_variable(section.token_variable, os.environ)
    return None


# ── alerts ───────────────────────────────────────────────────────────────────
def channels(settings: Settings, clock: Clock, environ: Mapping[str, str]) -> list[Channel]:
    """Make the ways to reach a person that the settings name.

    Raises:
        ConfigError: a secret is not where it should be.
    """
    if not settings.alerts.webhooks:
        return []
    from daemon.adapters.alerts.webhook import Caution, WebhookAlerts

    return [
        Channel(
            name=name,
            alerts=WebhookAlerts(
                hook.url.get_secret_value(),
                hook.secret(name, environ),
                clock,
                timeout_s=hook.timeout_s,
                caution=Caution(
                    allow_insecure=hook.allow_insecure,
                    allow_private=hook.allow_private,
                    ca_file=hook.ca_file,
                ),
            ),
            min_severity=hook.min_severity,
        )
        for name, hook in settings.alerts.webhooks.items()
    ]


# ── the service ──────────────────────────────────────────────────────────────
@dataclass(frozen=True, kw_only=True)
class Ground:
    """What a service stands on."""

    settings: Settings
    config: str | None
    """The settings file, for the commands that the schedule runs."""
    clock: Clock
    store: Store
    policy: Callable[[], LoadedPolicy]


def service(ground: Ground) -> Service:
    """Put the whole service together."""
    settings, clock = ground.settings, ground.clock
    meters, given = Meters(clock), sources(settings, clock)
    pushed = [one for one in given if isinstance(one, PushSource)]
    engine = _engine(ground, meters, Intake(given, clock), channels(settings, clock, os.environ))
    lapse = settings.time_lapse.speed
    return Service(
        engine=engine,
        lease=engine.parts.lease,
        clock=clock,
        pulse=Pulse(clock.elapsed_us(), tick_s=TICK_S * lapse),
        meters=meters,
        inbox=Inbox(pushed) if pushed else None,
        desk=desk(settings, ground.store, clock),
    )


def hands(ground: Ground) -> Engine:
    """Put together what carries out one command where no service runs."""
    clock = ground.clock
    return _engine(ground, Meters(clock), Intake([], clock, threads=False), [])


def _engine(ground: Ground, meters: Meters, intake: Intake, channels: list[Channel]) -> Engine:
    settings, clock, store = ground.settings, ground.clock, ground.store
    here = boot_id()
    about = {"pid": os.getpid(), "host": platform.node(), "boot_id": here}
    lease = Lease(
        store,
        _unlike_any_other(),
        clock,  # the moments in its row are read beside those in the others
        settings.database.lease_ttl_s * settings.time_lapse.speed,  # as long for the world
        about={**about, "version": __version__},
        lapse=settings.time_lapse.speed,
    )
    pace = Pace(per_minute=settings.alerts.per_minute)
    alerting = Alerting(store, clock, channels, draw, pace=pace, count=meters.alerted)
    beside = lock_path(store)
    ballast = Ballast(None if beside is None else beside.with_suffix(".ballast"))
    housework = Housework(lease, clock, alerting, settings, ballast.free_bytes)
    launch = Launch(argv=OURSELVES, environ=_environ(ground.config), boot_id=here)
    children = Children(jobs(settings.schedule), launch, lease, clock, alerting)
    return Engine(
        Parts(
            store=store,
            lease=lease,
            clock=clock,
            board=switchboard(settings),
            intake=intake,
            traits=traits(settings),
            alerting=alerting,
            housework=housework,
            chores=Chores(housework.chores(), lease, clock, alerting, count=meters.chore),
            children=children,
            queue=Queue(launch, lease, clock, lambda: not children.running),
            meters=meters,
            policy=ground.policy,
            signals=settings.signals,
            ballast=ballast,
            grace_s=settings.grace_s,
            boot_id=here,
        )
    )


def _environ(config: str | None) -> dict[str, str]:
    """Let the commands of the schedule have the settings that this process has."""
    return dict(os.environ) if config is None else {**os.environ, "DAEMON_CONFIG": config}


def _unlike_any_other() -> str:
    """Name this process so that no other one ever had the name."""
    return f"{platform.node()}:{os.getpid()}:{unique()}"
