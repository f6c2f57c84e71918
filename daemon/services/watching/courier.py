"""The delivery of alerts: a thread that reads what is due, sends it, and says what came of it.

It never writes: results wait in a queue until the leader takes them. How long to
wait for the next attempt is kept here, on the elapsed clock, because the wall
clock may step back by a year; after a restart everything undelivered is tried at once.
"""

from __future__ import annotations

import queue
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon import log
from daemon.clock import MAX_MICROS, MICROS
from daemon.errors import DaemonError
from daemon.log import printable
from daemon.ports import Alert, AlertFault
from daemon.store import alerts
from daemon.tuning.vocabulary import Severity

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.clock import Clock
    from daemon.ports import Alerts
    from daemon.store.alerts import Raised
    from daemon.store.store import Store

_log = log.get(__name__)

PENDING_MAX = 1_000
"""Undelivered alerts that are looked at together."""

ERROR_MAX = 500
"""Characters of an error that are kept."""

_SEVERITIES = tuple(Severity)


def rank(severity: str) -> int:
    """Say how bad a severity is; a word that nobody knows is the worst."""
    known = severity in _SEVERITIES
    return _SEVERITIES.index(Severity(severity)) if known else len(_SEVERITIES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A way to reach a person, and what they want to hear of."""

    name: str
    alerts: Alerts
    min_severity: str = Severity.WARN

    def wants(self, severity: str) -> bool:
        """Tell whether an alert is bad enough for these people."""
        return rank(severity) >= rank(self.min_severity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often, and how long, delivery is tried."""

    retry_s: float = 5.0
    """Before the second attempt; then twice as long each time."""
    retry_max_s: float = 900.0
    attempts_max: int = 10
    """Attempts after which a critical alert is tried hourly, and any other is given up."""
    hourly_s: float = 3_600.0
    look_s: float = 1.0
    """How often the thread looks for what is due."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is told of an alert: how bad it is, or that it is over."""

    id: int
    severity: str
    resolved: bool

    @classmethod
    def of(cls, row: Raised) -> Told:
        """Say what there is to tell of an alert now."""
        return cls(row.id, row.severity, row.resolved_at_us is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What became of an attempt."""

    told: Told
    someone: bool
    """At least one receiver has it."""
    error: str | None = None
    """Why not all of them have."""
    wait_s: float | None = None
    """Until the next attempt; None where there is none."""


class Courier:
    """Delivers what is due."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        channels: tuple[Channel, ...],
        draw: Callable[[], float],
        patience: Patience,
    ) -> None:
        self._store = store
        self._clock = clock
        self._channels = channels
        self._draw = draw
        self._patience = patience
        self._results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._uncollected: set[Told] = set()
        self._taken: set[Told] = set()
        self._held_us: dict[int, int] = {}
        self._not_before_us: dict[Told, int] = {}
        self._had: dict[Told, set[str]] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    # ── for the leader's thread ──────────────────────────────────────────────
    def hold_back(self, alert_id: int, until_us: int) -> None:
        """Tell nothing of an alert before a moment of the elapsed clock."""
        self._held_us[alert_id] = until_us

    def has_results(self) -> bool:
        """Tell whether anything came of attempts; what was taken before is written by now."""
        self._release()
        return not self._results.empty()

    def results(self) -> list[Result]:
        """Take what came of the attempts so far."""
        self._release()
        taken = []
        with suppress(queue.Empty):
            while True:
                taken.append(self._results.get_nowait())
        self._taken = {result.told for result in taken}
        return taken

    def _release(self) -> None:
        """Look again at what was taken: its transaction is over, well or not."""
        self._uncollected -= self._taken
        self._taken = set()

    def start(self) -> None:
        """Begin to deliver, if there is anybody to deliver to."""
        if self._channels and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)
            self._thread.start()

    def close(self, patience_s: float) -> None:
        """Stop; what is on its way may take so much longer."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(patience_s)

    # ── for the thread of its own ────────────────────────────────────────────
    def _run(self) -> None:
        while not self._stop.wait(self._patience.look_s):
            try:
                self.round()
            except DaemonError as error:
                _log.warning("alerts_not_read", reason=error.message, hint=error.hint)
            except Exception:  # noqa: BLE001 - whatever it was, the next alert must be told
                _log.exception("alerts_not_read")

    def round(self) -> int:
        """Try everything that is due, the worst first; returns how many alerts were tried.

        A receiver that fails is left alone for the rest of the round.
        """
        with self._store.read() as view:
            rows = alerts.due(view, MAX_MICROS, PENDING_MAX)
        self._forget({Told.of(row) for row in rows})
        down: set[str] = set()
        return sum(
            self._attempt(row, down)
            for row in sorted(rows, key=lambda one: (-rank(one.severity), one.id))
            if self._is_due(row) and not self._stop.is_set()
        )

    def _is_due(self, row: Raised) -> bool:
        told, now_us = Told.of(row), self._clock.elapsed_us()
        if not any(channel.wants(row.severity) for channel in self._channels):
            return False  # until the settings name somebody who wants it
        wait_us = max(self._held_us.get(told.id, 0), self._not_before_us.get(told, 0))
        return told not in self._uncollected and now_us >= wait_us

    def _attempt(self, row: Raised, down: set[str]) -> bool:
        told = Told.of(row)
        had = self._had.setdefault(told, set())
        left = [one for one in self._channels if one.wants(row.severity) and one.name not in had]
        up = [channel for channel in left if channel.name not in down]
        if left and not up:
            return False
        faults = {channel.name: _send(channel, row) for channel in up}
        failed = {name: fault for name, fault in faults.items() if fault is not None}
        had.update(faults.keys() - failed.keys())
        down.update(failed)
        if failed:
            self._failed(row, [f"{name}: {fault}" for name, fault in failed.items()])
        elif len(up) == len(left):
            self._hand_over(Result(told=told, someone=bool(had)))
        return True

    def _failed(self, row: Raised, errors: list[str]) -> None:
        told, wait_s = Told.of(row), self._wait_s(row)
        if wait_s is None:
            _log.error("alert_given_up", id=row.id, kind=row.kind, key=row.key, text=row.text)
        else:
            self._not_before_us[told] = self._clock.elapsed_us() + round(wait_s * MICROS)
        self._hand_over(
            Result(
                told=told,
                someone=bool(self._had[told]),
                error="; ".join(errors)[:ERROR_MAX],
                wait_s=wait_s,
            )
        )

    def _hand_over(self, result: Result) -> None:
        self._uncollected.add(result.told)
        self._results.put(result)

    def _wait_s(self, row: Raised) -> float | None:
        """Say how long to wait after one more failure; None to give up."""
        if row.attempts + 1 >= self._patience.attempts_max:
            return self._patience.hourly_s if row.severity == Severity.CRIT else None
        wait_s = min(self._patience.retry_s * 2.0**row.attempts, self._patience.retry_max_s)
        return wait_s * (0.5 + self._draw())

    def _forget(self, due: set[Told]) -> None:
        """Keep nothing of what is no longer due."""
        kept = due | self._uncollected.copy()
        self._had = {told: had for told, had in self._had.items() if told in kept}
        self._not_before_us = {t: us for t, us in self._not_before_us.items() if t in kept}
        now_us = self._clock.elapsed_us()
        for alert_id, until_us in list(self._held_us.items()):
            if until_us <= now_us:
                self._held_us.pop(alert_id, None)


def _send(channel: Channel, row: Raised) -> str | None:
    """Send an alert; returns what went wrong."""
    alert = Alert(
        id=row.id,
        at_us=row.at_us,
        kind=row.kind,
        key=row.key,
        severity=row.severity,
        text=printable(row.text),
        body=row.body or {},
        resolved=row.resolved_at_us is not None,
    )
    fault = None
    try:
        channel.alerts.send(alert)
    except AlertFault as error:
        fault = error.message
        _log.warning("alert_not_delivered", channel=channel.name, id=row.id, reason=fault)
    except Exception as error:  # noqa: BLE001 - a fault of one way must not close the others
        fault = type(error).__name__
        _log.exception("alert_not_delivered", channel=channel.name, id=row.id)
    else:
        _log.info("alert_delivered", channel=channel.name, id=row.id, resolved=alert.resolved)
    return fault
