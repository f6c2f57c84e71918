"""Settings of a PostgreSQL server: ``ALTER SYSTEM``, a reload, and a look at what holds then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daemon import log
from daemon.adapters.controls.postgres.session import Session
from daemon.adapters.controls.postgres.settings import Named, Setting, named
from daemon.adapters.controls.postgres.stamps import TABLE, Mark, Stamps
from daemon.ports import ControlsFault, ControlsFenced, ControlsRefused, Held

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from psycopg import Connection

    from daemon.clock import Clock
    from daemon.ports import Order

_log = log.get(__name__)
_ATTEMPT_S = 0.01


@dataclass(frozen=True)
class _Plan:
    """What is to be set, and what was there before."""

    settings: Sequence[Setting]
    texts: Mapping[str, str]
    marks: Mapping[str, Mark]
    before: Mapping[str, Mark]
    stamps: Stamps | None


class PostgresControls:
    """The values of rules as settings of one server, all of them taking hold by one reload.

    Stamps and the newest epoch stand in a table of the server. Where this user
    may not make one, it says so once and goes on without: then only this process
    can know its own writing, and no other leader is kept out.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        name: str = "postgres",
        settings: Mapping[str, Named] | None = None,
        stamp_schema: str = "public",
        timeout_s: float = 5.0,
    ) -> None:
        self._name = name
        self._session = Session(url, clock, timeout_s)
        self._settings = dict(settings or {})
        self._schema = stamp_schema
        self._epoch = 0
        self._mine: dict[str, Mark] = {}
        self._known: dict[str, set[str]] = {}
        self._has_complained = False

    @property
    def name(self) -> str:
        """Its name in the settings."""
        return self._name

    def take_over(self, epoch: int) -> None:
        """Write the epoch into the table of stamps."""
        self._fence(epoch, self._epoch)
        with self._session.locked() as connection:
            stamps = self._stamps(connection, make=True)
            if stamps is not None:
                self._fence(epoch, stamps.epoch())
                stamps.raise_epoch(epoch)
        self._epoch = epoch

    def read(self, rules: Sequence[str]) -> Mapping[str, Held]:
        """Ask the server; a setting that it does not know was never set."""
        with self._session.connected() as connection:
            stamps = self._stamps(connection, make=False)
            marks = self._mine if stamps is None else stamps.get(rules)
            found = {}
            for setting in self._look(connection, rules):
                rule, mark = setting.rule, marks.get(setting.rule)
                self._known[rule] = {setting.row.shown}
                if mark is not None and setting.shows(mark.shown):
                    found[rule] = Held.stamped(rule, mark.value, mark.stamp)
                else:
                    found[rule] = Held(value=setting.value)
            return found

    def write(self, orders: Sequence[Order]) -> None:
        """Set all values by one reload, or none."""
        if not orders:
            return
        with self._session.locked() as connection:
            stamps = self._stamps(connection, make=True)
            newest = max(self._epoch, 0 if stamps is None else stamps.epoch())
            for order in orders:
                self._fence(order.epoch, newest)
            settings = {s.rule: s for s in self._look(connection, [o.rule for o in orders])}
            texts = {order.rule: self._text(order, settings, stamps) for order in orders}
            marks = {
                order.rule: Mark.of(order, settings[order.rule].as_shown(texts[order.rule]))
                for order in orders
            }
            before = {} if stamps is None else stamps.get(texts)
            plan = _Plan([settings[rule] for rule in texts], texts, marks, before, stamps)
            self._set(connection, plan)
            self._mine.update(marks)
            self._await(connection, plan)

    def held(self) -> str | None:
        """Nobody can ask a setting for peace: that is what a file named HOLD is for."""
        return None

    def close(self) -> None:
        """End the connection."""
        self._session.close()

    # ── what is there ────────────────────────────────────────────────────────
    def _look(self, connection: Connection[Any], rules: Iterable[str]) -> list[Setting]:
        wanted = {rule: named(self._settings, rule) for rule in rules}
        rows = self._session.rows(connection, (one.name for one in wanted.values()))
        return [
            Setting(rule, rows[one.name.lower()], one.unit)
            for rule, one in wanted.items()
            if one.name.lower() in rows
        ]

    def _stamps(self, connection: Connection[Any], *, make: bool) -> Stamps | None:
        """Give the table of stamps; None if there is none for this user."""
        import psycopg  # noqa: PLC0415 - an extra

        stamps = Stamps(connection, self._schema)
        try:
            if make:
                stamps.create()
            elif not stamps.exists():
                return None
            stamps.epoch()
        except (
            psycopg.errors.InsufficientPrivilege,
            psycopg.errors.InvalidSchemaName,
            psycopg.errors.ReadOnlySqlTransaction,
        ) as error:
            if not self._has_complained:
                self._has_complained = True
                table = f"{self._schema}.{TABLE}"
                _log.warning(
                    "controls_without_stamps",
                    controls=self._name,
                    table=table,
                    reason=str(error).strip().partition("\n")[0],
                    hint="let this user create the table, or name another schema: stamp_schema",
                )
            return None
        return stamps

    # ── what is set ──────────────────────────────────────────────────────────
    def _text(self, order: Order, settings: Mapping[str, Setting], stamps: Stamps | None) -> str:
        """Write a value as the server is to get it, if it may be set at all."""
        setting = settings.get(order.rule)
        if setting is None:
            name = named(self._settings, order.rule).name
            raise ControlsRefused(
                f"{self._session.where} has no setting {name}",
                hint=f"name the one that {order.rule} stands for under `settings`",
            )
        text = setting.written(order.value)
        if stamps is None and not setting.keeps(text):
            raise ControlsRefused(
                f"{order.rule} cannot be {order.value!r}: PostgreSQL shows six digits of it",
                hint="without the table of stamps nobody could tell it from another value",
            )
        shown = setting.row.shown
        if not setting.shows(setting.as_shown(text)) and shown not in self._known.get(
            order.rule, {shown}
        ):
            raise ControlsRefused(
                f"{order.rule} was set to {setting.value:g} meanwhile, and not by this daemon",
                hint="the next look at the controls takes it into account",
            )
        return text

    def _set(self, connection: Connection[Any], plan: _Plan) -> None:
        """Write stamps, then settings; if one is refused, neither holds."""
        import psycopg  # noqa: PLC0415 - an extra

        if plan.stamps is not None:
            plan.stamps.raise_epoch(max(mark.stamp.epoch for mark in plan.marks.values()))
            plan.stamps.put(plan.marks)
        for rule, mark in plan.marks.items():
            self._known.get(rule, set()).add(mark.shown)
        done: list[Setting] = []
        try:
            for setting in plan.settings:
                self._session.alter(connection, setting.row.name, plan.texts[setting.rule])
                done.append(setting)
        except psycopg.OperationalError:
            raise
        except psycopg.Error as error:
            self._undo(connection, plan, done)
            reason = str(error).strip().partition("\n")[0]
            raise ControlsRefused(f"{self._session.where} said no: {reason}") from error
        connection.execute("SELECT pg_reload_conf()")

    def _await(self, connection: Connection[Any], plan: _Plan) -> None:
        """Wait until the reload shows; what does not show may not wait for a later one."""
        clock = self._session.clock
        deadline_us = clock.elapsed_us() + round(self._session.timeout_s * 1e6)
        while missing := [
            setting.row.name
            for setting in self._look(connection, plan.texts)
            if not setting.shows(plan.marks[setting.rule].shown)
        ]:
            if clock.elapsed_us() >= deadline_us:
                self._undo(connection, plan, plan.settings)
                connection.execute("SELECT pg_reload_conf()")
                raise ControlsFault(
                    f"{', '.join(missing)} was set, but the reload did not show it: it is set back",
                    hint="the log of the server says why: an error in its configuration file keeps"
                    " all of it from being read (SELECT * FROM pg_file_settings)",
                )
            clock.sleep(_ATTEMPT_S)

    def _undo(self, connection: Connection[Any], plan: _Plan, done: Iterable[Setting]) -> None:
        """Write settings and stamps as they were."""
        for setting in done:
            text = _as_it_was(setting, plan.before)
            self._session.alter(connection, setting.row.name, text)
        if plan.stamps is not None:
            plan.stamps.put(plan.before)
            plan.stamps.remove([rule for rule in plan.texts if rule not in plan.before])

    def _fence(self, epoch: int, newest: int) -> None:
        if epoch < newest:
            raise ControlsFenced(
                f"{self._session.where} was taken over by epoch {newest};"
                f" this leader has epoch {epoch}",
                hint="if the database was restored from a backup and nobody else leads:"
                f" DROP TABLE {self._schema}.{TABLE}",
            )


def _as_it_was(setting: Setting, before: Mapping[str, Mark]) -> str:
    """Say what a setting held, with all its digits if they are remembered."""
    mark = before.get(setting.rule)
    if mark is not None and setting.shows(mark.shown):
        return setting.written(mark.value)
    return setting.row.shown
