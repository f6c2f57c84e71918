"""One connection to the governed server, made again when it breaks, and the questions to ask."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from daemon.adapters.controls.postgres.settings import Row
from daemon.errors import MissingExtra
from daemon.log import mask, mask_urls, printable
from daemon.ports import ControlsFault, ControlsRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from psycopg import Connection

    from daemon.clock import Clock

ADVISORY_KEY = 0x53544443
"""Number of the lock that whoever sets a value holds: the letters STDC."""

_ATTEMPT_S = 0.01
_SETTINGS = """
SELECT s.name, s.reset_val, s.unit, s.vartype, s.min_val, s.max_val, s.context, s.source,
       s.pending_restart,
       (CASE WHEN current_setting('is_superuser') = 'on' THEN true
             WHEN current_setting('server_version_num')::int < 150000 THEN false
             ELSE has_parameter_privilege(s.name, 'ALTER SYSTEM') END)
       AND has_function_privilege('pg_catalog.pg_reload_conf()', 'EXECUTE')
FROM pg_catalog.pg_settings AS s
WHERE lower(s.name) = ANY(%s)
"""
"""What a reload would give a new session (``reset_val``): what ours has set for itself is ours."""

_SETTINGS_BEFORE_15 = _SETTINGS.replace(
    "ELSE has_parameter_privilege(s.name, 'ALTER SYSTEM')", "ELSE false"
)
_PARAMETER_PRIVILEGES = 150_000
_IDLE_SESSION_TIMEOUT = 140_000


class Session:
    """A connection in autocommit, within its times."""

    def __init__(self, url: str, clock: Clock, timeout_s: float) -> None:
        try:
            import psycopg  # noqa: PLC0415 - an extra: say so when it is missing
        except ImportError:
            raise MissingExtra(
                "Postgres needs the extra 'postgres', which is not installed",
                hint="pip install 'self-tuning-daemon[postgres]'",
            ) from None
        self._psycopg = psycopg
        self._url = url.replace("postgresql+psycopg://", "postgresql://", 1)
        self.clock = clock
        self.timeout_s = timeout_s
        self._connection: Connection[Any] | None = None

    @contextmanager
    def connected(self) -> Iterator[Connection[Any]]:
        """Lend the connection, a new one if the last one broke.

        Raises:
            ControlsFault: the server cannot be reached, or said something unexpected.
        """
        try:
            yield self._alive()
        except self._psycopg.OperationalError as error:
            self.close()
            raise self._fault("cannot be asked", error) from error
        except self._psycopg.Error as error:
            raise self._fault("said no", error) from error

    @contextmanager
    def locked(self) -> Iterator[Connection[Any]]:
        """Lend the connection while nobody else sets a value.

        A session that sleeps with the lock in its hand is ended by the server.

        Raises:
            ControlsRefused: somebody else held the lock for too long.
        """
        with self.connected() as connection:
            self._lock(connection)
            try:
                self._end_when_idle(connection, self.timeout_s)
                yield connection
            finally:
                with suppress(self._psycopg.Error):
                    connection.execute("SELECT pg_advisory_unlock(%s)", (ADVISORY_KEY,))
                    self._end_when_idle(connection, 0)

    def close(self) -> None:
        """Let go of the connection; the server lets go of its locks."""
        if self._connection is not None:
            with suppress(self._psycopg.Error):
                self._connection.close()
        self._connection = None

    def rows(self, connection: Connection[Any], names: Iterable[str]) -> dict[str, Row]:
        """Ask for settings; those that the server does not know are left out."""
        version = connection.info.server_version
        query = _SETTINGS if version >= _PARAMETER_PRIVILEGES else _SETTINGS_BEFORE_15
        wanted = sorted({name.lower() for name in names})
        return {row[0].lower(): Row(*row) for row in connection.execute(query, (wanted,))}

    def alter(self, connection: Connection[Any], name: str, text: str) -> None:
        """Write a setting into the server's own file; it holds once that is read again."""
        sql = self._psycopg.sql
        setting = sql.Identifier(*name.split("."))
        connection.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(setting, sql.Literal(text)))

    def _alive(self) -> Connection[Any]:
        if self._connection is not None:
            try:
                self._connection.execute("SELECT 1")
            except self._psycopg.OperationalError:
                self.close()
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    def _connect(self) -> Connection[Any]:
        connection = self._psycopg.connect(
            self._url,
            autocommit=True,
            connect_timeout=max(2, round(self.timeout_s)),
            application_name="self-tuning-daemon",
        )
        patience_ms = round(self.timeout_s * 1000)
        connection.execute(
            f"SET statement_timeout = {patience_ms:d}; SET lock_timeout = {patience_ms:d}"
        )
        return connection

    def _lock(self, connection: Connection[Any]) -> None:
        deadline_us = self.clock.elapsed_us() + round(self.timeout_s * 1e6)
        while True:
            query = "SELECT pg_try_advisory_lock(%s)"
            row = connection.execute(query, (ADVISORY_KEY,)).fetchone()
            if row and row[0]:
                return
            if self.clock.elapsed_us() >= deadline_us:
                raise ControlsRefused(
                    f"{self.where} is being set by another process",
                    hint="which one: SELECT * FROM pg_locks WHERE locktype = 'advisory'",
                )
            self.clock.sleep(_ATTEMPT_S)

    @staticmethod
    def _end_when_idle(connection: Connection[Any], seconds: float) -> None:
        if connection.info.server_version >= _IDLE_SESSION_TIMEOUT:
            patience_ms = round(2 * seconds * 1000)
            connection.execute(f"SET idle_session_timeout = {patience_ms:d}")

    @property
    def where(self) -> str:
        """The server, as a person may see it."""
        return mask(mask_urls(self._url.partition("?")[0]))

    def _fault(self, what: str, error: Exception) -> ControlsFault:
        lines = str(error).strip().splitlines()
        why = mask(printable(lines[0])) if lines else type(error).__name__
        return ControlsFault(
            f"{self.where} {what}: {why}", hint="does the server run, and may this user log in?"
        )
