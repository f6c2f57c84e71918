"""Alerts: raised by the leader, delivered beside it, written down by the leader again.

    alerting.call(tx, Kind.STUCK_ROLLBACK, "creative_min", "crit", "…", {...})
    alerting.calm(tx, Kind.STUCK_ROLLBACK, "creative_min")
    alerting.collect(tx)          # now and then: what became of deliveries

An alert of a kind and a key is one alert until it is resolved; one that becomes
worse is told again. What flaps is held back. What comes in a storm is muted and
counted, and one alert tells of it for as long as any that was muted still stands.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from daemon import log
from daemon.clock import MICROS
from daemon.services.watching.courier import Courier, Patience, Told, rank
from daemon.store import alerts
from daemon.tuning.vocabulary import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from daemon.clock import Clock
    from daemon.services.watching.courier import Channel, Result
    from daemon.store.store import Store, Tx

_log = log.get(__name__)

MINUTE_US = 60 * MICROS
STORM_KEY = "alerts"


class Kind(StrEnum):
    """What happened."""

    STUCK_ROLLBACK = "stuck_rollback"
    INCONSISTENT = "inconsistent"
    FROZEN_RULE = "frozen_rule"
    FOREIGN_RULE = "foreign_rule"
    DEAD_SOURCE = "dead_source"
    INVARIANT_BROKEN = "invariant_broken"
    DISK_LOW = "disk_low"
    NOT_GREEN = "not_green"
    CONTROLS_UNREADABLE = "controls_unreadable"
    CHORE_FAILED = "chore_failed"
    SCHEDULED_FAILED = "scheduled_failed"
    ALERT_STORM = "alert_storm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How many alerts get through."""

    per_minute: int = 20
    """New alerts that are told in a minute; critical ones have as many of their own."""
    flaps_max: int = 3
    """How often an alert may come anew before it is held back."""
    flaps_s: float = 600.0


class Alerting:
    """Everything between a fault and the person who is told of it."""

    def __init__(  # noqa: PLR0913 - a daemon is composed of so many parts
        self,
        store: Store,
        clock: Clock,
        channels: Sequence[Channel],
        draw: Callable[[], float],
        *,
        pace: Pace | None = None,
        patience: Patience | None = None,
        count: Callable[[str], None] | None = None,
    ) -> None:
        self._count = count
        self._clock = clock
        self._channels = tuple(channels)
        self._gate = _Gate(pace or Pace())
        self._courier = Courier(store, clock, self._channels, draw, patience or Patience())

    # ── for the leader, in its transactions ──────────────────────────────────
    def call(
        self,
        tx: Tx,
        kind: str,
        key: str,
        severity: str,
        text: str,
        body: Mapping[str, Any] | None = None,
    ) -> None:
        """Raise an alert, or count it where it stands already.

        Where there is nobody to tell yet, it waits for whoever the settings name one day.
        """
        standing = alerts.standing(tx, kind, key)
        if standing is not None and rank(severity) <= rank(standing.severity):
            self._write(tx, _Cry(kind, key, severity, text, body), silent=False)
            return
        elapsed_us, wanted = self._clock.elapsed_us(), self._is_wanted(severity)
        muted = wanted and not self._gate.opens(severity, elapsed_us)
        silent = muted or (not wanted and bool(self._channels))
        found = self._write(tx, _Cry(kind, key, severity, text, body), silent=silent)
        if standing is not None:
            alerts.worsen(tx, found, severity, self._clock.now_us(), muted=silent)
        _told(severity)("alert", id=found, kind=str(kind), key=key, severity=severity, text=text)
        if muted:
            self._gate.drown(kind, severity, elapsed_us)
            self._tell_of_storm(tx)
        elif wanted:
            self._gate.let_through(severity, elapsed_us)
            if wait_us := self._gate.flapping_us(kind, key, severity, elapsed_us):
                self._courier.hold_back(found, elapsed_us + wait_us)

    def calm(self, tx: Tx, kind: str, key: str) -> None:
        """Say that an alert is over; whoever was told of it is told that, too."""
        found = alerts.resolve(tx, kind, key, self._clock.now_us())
        if found is not None:
            _log.info("alert_resolved", id=found, kind=str(kind), key=key)

    def has_news(self) -> bool:
        """Tell whether there is anything to write down; not to be asked in a transaction."""
        return self._courier.has_results() or self._gate.may_ask(self._clock.elapsed_us())

    def collect(self, tx: Tx) -> int:
        """Write down what became of deliveries; returns how many there were."""
        results = self._courier.results()
        for result in results:
            self._collect(tx, result)
        if self._gate.asks(self._clock.elapsed_us()) and not self._muted(tx):
            self.calm(tx, Kind.ALERT_STORM, STORM_KEY)
            self._gate.reset()
        return len(results)

    # ── delivery ─────────────────────────────────────────────────────────────
    def start(self) -> None:
        """Begin to deliver in a thread of its own."""
        self._courier.start()

    def deliver(self) -> int:
        """Deliver what is due now in the thread that asks; returns how many alerts were tried."""
        return self._courier.round()

    def close(self, patience_s: float = 2.0) -> None:
        """Stop delivering; what is on its way may take so much longer."""
        self._courier.close(patience_s)

    # ── inside ───────────────────────────────────────────────────────────────
    def _is_wanted(self, severity: str) -> bool:
        return any(channel.wants(severity) for channel in self._channels)

    def _muted(self, tx: Tx) -> int:
        """Count the alerts that still stand and that people would have wanted to hear of."""
        return sum(n for severity, n in alerts.muted(tx).items() if self._is_wanted(severity))

    def _write(self, tx: Tx, cry: _Cry, *, silent: bool) -> int:
        alert = alerts.NewAlert(
            at_us=self._clock.now_us(),
            kind=str(cry.kind),
            key=cry.key,
            severity=str(cry.severity),
            text=cry.text,
            body=cry.body,
            muted=silent,
        )
        return alerts.raise_alert(tx, alert)

    def _tell_of_storm(self, tx: Tx) -> None:
        severity, text, counts = self._gate.summary()
        standing = alerts.standing(tx, Kind.ALERT_STORM, STORM_KEY)
        cry = _Cry(Kind.ALERT_STORM, STORM_KEY, severity, text, counts)
        found = self._write(tx, cry, silent=False)
        if standing is None:
            _log.error("alert_storm", id=found, text=text)
        elif rank(severity) > rank(standing.severity):
            alerts.worsen(tx, found, severity, self._clock.now_us(), muted=False)

    def _collect(self, tx: Tx, result: Result) -> None:
        row, now_us = alerts.get(tx, result.told.id), self._clock.now_us()
        if self._count is not None:
            self._count("sent" if result.error is None else "failed")
        if row is None:
            return
        if Told.of(row) != result.told:  # it became worse, or was resolved, meanwhile
            if result.someone and row.resolved_at_us is not None and row.sent_at_us is None:
                alerts.delivered(tx, row.id, now_us)
        elif result.error is None or (result.wait_s is None and result.someone):
            alerts.delivered(tx, row.id, now_us, over=result.told.resolved)
        else:
            wait_s = result.wait_s
            next_us = None if wait_s is None else now_us + round(wait_s * MICROS)
            alerts.failed(tx, row.id, result.error, next_us)


@dataclass(frozen=True, slots=True)
class _Cry:
    """What is to be told."""

    kind: str
    key: str
    severity: str
    text: str
    body: Mapping[str, Any] | None


class _Gate:
    """Counts what gets through, on the elapsed clock."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._passed: dict[bool, deque[int]] = {True: deque(), False: deque()}
        self._came: dict[tuple[str, str, str], deque[int]] = {}
        self._drowned: Counter[str] = Counter()
        self._worst = str(Severity.WARN)
        self._asked_us: int | None = 0
        """When it was asked last whether a storm is over; None where there is none."""

    # ── storms ───────────────────────────────────────────────────────────────
    def opens(self, severity: str, elapsed_us: int) -> bool:
        """Tell whether one more may be told in this minute."""
        passed = self._passed[severity == Severity.CRIT]
        while passed and passed[0] <= elapsed_us - MINUTE_US:
            passed.popleft()
        return len(passed) < self._pace.per_minute

    def let_through(self, severity: str, elapsed_us: int) -> None:
        """Count one that is told."""
        self._passed[severity == Severity.CRIT].append(elapsed_us)

    def drown(self, kind: str, severity: str, elapsed_us: int) -> None:
        """Count one that is muted."""
        self._drowned[str(kind)] += 1
        self._worst = max(self._worst, str(severity), key=rank)
        self._asked_us = elapsed_us

    def summary(self) -> tuple[str, str, dict[str, int]]:
        """Say in one alert what is not told one by one."""
        count = sum(self._drowned.values())
        kinds = ", ".join(f"{number} {kind}" for kind, number in self._drowned.most_common())
        text = (
            f"{count} alerts came so fast that they are not told one by one: {kinds}."
            " `daemon ctl status` lists what still stands."
        )
        return self._worst, text, dict(self._drowned)

    def asks(self, elapsed_us: int) -> bool:
        """Tell, once a minute, whether to look if a storm is over."""
        if not self.may_ask(elapsed_us):
            return False
        self._asked_us = elapsed_us
        return True

    def may_ask(self, elapsed_us: int) -> bool:
        """Tell whether it is time to look if a storm is over."""
        return self._asked_us is not None and elapsed_us >= self._asked_us + MINUTE_US

    def reset(self) -> None:
        """Begin to count anew: nothing that was muted stands any longer."""
        self._drowned.clear()
        self._worst, self._asked_us = str(Severity.WARN), None

    # ── flapping ─────────────────────────────────────────────────────────────
    def flapping_us(self, kind: str, key: str, severity: str, elapsed_us: int) -> int:
        """Say how long to hold back an alert that comes anew again and again."""
        window_us = round(self._pace.flaps_s * MICROS)
        came = self._came.setdefault((str(kind), key, str(severity)), deque())
        came.append(elapsed_us)
        self._forget(elapsed_us - window_us)
        if len(came) <= self._pace.flaps_max:
            return 0
        return max(0, came[-1 - self._pace.flaps_max] + window_us - elapsed_us)

    def _forget(self, before_us: int) -> None:
        for about, came in list(self._came.items()):
            while came and came[0] <= before_us:
                came.popleft()
            if not came:
                del self._came[about]


def _told(severity: str) -> Callable[..., Any]:
    """Choose how loudly the log says it."""
    levels: dict[str, Callable[..., Any]] = {"info": _log.info, "warn": _log.warning}
    loud: Callable[..., Any] = levels.get(str(severity), _log.error)
    return loud
