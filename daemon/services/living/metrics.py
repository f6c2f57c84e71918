"""What Prometheus is shown of the service: how often, how long, how far behind.

Filled by whoever does the work, read by any thread. The registry is our own, so
that two services in one process, as in tests, do not count together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from daemon.clock import MICROS
from daemon.tuning.vocabulary import TERMINAL_STATES, DecisionKind, Mode, Verdict

if TYPE_CHECKING:
    from daemon.clock import Clock
    from daemon.tuning.model import Decision

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

CYCLE_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

NAMES_MAX = 500
"""Signals, or pairs of a rule and a signal, that are shown one by one; the others share a name."""

OTHERS = "(others)"
FIT = "ok"
SKIPPED = ("store", "asleep")
"""Why cycles do not happen: the database is away; the process or the machine slept."""

disable_created_metrics()  # type: ignore[no-untyped-call]


class Meters:
    """Every number that the service shows."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._newest_us: dict[str, int] = {}
        self._states: dict[str, str] = {}
        self._pairs: set[tuple[str, str]] = set()
        self._make_of_the_loop()
        self._make_of_the_signals()
        self._make_of_the_rest()
        self._begin_at_zero()

    def _make_of_the_loop(self) -> None:
        to = self._registry
        self._cycles = Counter(
            "daemon_cycles", "Cycles that ended well, by what was decided.", ["kind"], registry=to
        )
        self._cycle_seconds = Histogram(
            "daemon_cycle_seconds",
            "How long a cycle took.",
            buckets=CYCLE_BUCKETS_S,
            registry=to,
        )
        self._skipped = Counter(
            "daemon_cycles_skipped", "Cycles that did not happen, by why.", ["why"], registry=to
        )
        self._verdicts = Counter(
            "daemon_verdicts", "Verdicts on changes.", ["verdict"], registry=to
        )
        self._changes = Counter(
            "daemon_changes", "Changes that have ended, by outcome.", ["outcome"], registry=to
        )
        self._open = Gauge("daemon_open_changes", "Changes under way.", registry=to)
        self._leader = Gauge("daemon_leader", "1 where this process leads.", registry=to)
        self._epoch = Gauge("daemon_epoch", "Number of the leadership.", registry=to)
        self._mode = Gauge(
            "daemon_mode", "1 at the mode in which decisions are made.", ["mode"], registry=to
        )
        self._killed = Gauge("daemon_killed", "1 while the kill switch is on.", registry=to)
        self._delta = Gauge(
            "daemon_last_delta",
            "Change of a signal, after less before, by the last judged move of a rule.",
            ["rule", "signal"],
            registry=to,
        )

    def _make_of_the_signals(self) -> None:
        to = self._registry
        self._fit = Gauge(
            "daemon_signal_fit", "1 where a signal counts as evidence.", ["signal"], registry=to
        )
        self._state = Gauge(
            "daemon_signal_state", "1 at the state of a signal.", ["signal", "state"], registry=to
        )
        self._lag = Gauge(
            "daemon_signal_lag_seconds", "Age of the newest sample.", ["signal"], registry=to
        )
        self._ingested = Counter(
            "daemon_samples_ingested", "Samples that were taken in.", ["source"], registry=to
        )
        self._refused = Counter(
            "daemon_samples_refused", "Samples that are no evidence, by why.", ["why"], registry=to
        )

    def _make_of_the_rest(self) -> None:
        to = self._registry
        self._errors = Counter("daemon_errors", "What went wrong, by kind.", ["kind"], registry=to)
        self._chores = Counter(
            "daemon_chores", "Chores that were done.", ["chore", "outcome"], registry=to
        )
        self._chore_seconds = Gauge(
            "daemon_chore_seconds", "How long a chore took last.", ["chore"], registry=to
        )
        self._alerts = Counter(
            "daemon_alerts", "Deliveries of alerts, by outcome.", ["outcome"], registry=to
        )

    def _begin_at_zero(self) -> None:
        """Show what is known to come from the beginning: what appears late has no rate."""
        for kind in DecisionKind:
            self._cycles.labels(kind.value)
        for verdict in Verdict:
            self._verdicts.labels(verdict.value)
        for outcome in sorted(TERMINAL_STATES):
            self._changes.labels(outcome.value)
        for why in SKIPPED:
            self._skipped.labels(why)
        self.leads(None)
        self.mode(None)

    # ── the loop ─────────────────────────────────────────────────────────────
    def cycled(self, decision: Decision, seconds: float) -> None:
        """Count a cycle that ended well."""
        self._cycles.labels(decision.kind.value).inc()
        self._cycle_seconds.observe(seconds)

    def skipped(self, why: str, count: int = 1) -> None:
        """Count cycles that did not happen, by one of the words of `SKIPPED`."""
        self._skipped.labels(why).inc(count)

    def verdict(self, verdict: str) -> None:
        """Count a verdict."""
        self._verdicts.labels(verdict).inc()

    def ended(self, outcome: str) -> None:
        """Count a change that has reached a state it never leaves."""
        self._changes.labels(outcome).inc()

    def delta(self, rule: str, signal: str, value: float) -> None:
        """Show what the last judged move of a rule did to a signal."""
        pair = (rule, signal)
        if pair not in self._pairs and len(self._pairs) >= NAMES_MAX:
            pair = (OTHERS, OTHERS)
        self._pairs.add(pair)
        self._delta.labels(*pair).set(value)

    def open_changes(self, count: int) -> None:
        """Show how many changes are under way."""
        self._open.set(count)

    def leads(self, epoch: int | None) -> None:
        """Show that this process leads, and under which number; None: it does not."""
        self._leader.set(0 if epoch is None else 1)
        self._epoch.set(epoch or 0)

    def mode(self, mode: Mode | None) -> None:
        """Show how decisions are made."""
        for one in Mode:
            self._mode.labels(one.value).set(1 if one is mode else 0)

    def killed(self, *, on: bool) -> None:
        """Show the kill switch."""
        self._killed.set(1 if on else 0)

    # ── signals ──────────────────────────────────────────────────────────────
    def signal(self, signal: str, state: str, newest_us: int | None = None) -> None:
        """Show how a signal stands (``ok`` or why it is no evidence) and its newest sample."""
        if signal not in self._states and len(self._states) >= NAMES_MAX:
            signal = OTHERS
        before = self._states.get(signal)
        if before is not None and before != state:
            self._state.remove(signal, before)
        self._states[signal] = state
        self._state.labels(signal, state).set(1)
        self._fit.labels(signal).set(1 if state == FIT else 0)
        if newest_us is not None:
            self._newest_us[signal] = newest_us

    def ingested(self, source: str, count: int) -> None:
        """Count samples that came, those that are refused among them."""
        self._ingested.labels(source).inc(count)

    def refused(self, why: str, count: int = 1) -> None:
        """Count samples that are no evidence: the faults of a sample, or ``unreadable``."""
        self._refused.labels(why).inc(count)

    # ── the rest ─────────────────────────────────────────────────────────────
    def erred(self, kind: str) -> None:
        """Count something that went wrong and did not end the service."""
        self._errors.labels(kind).inc()

    def chore(self, chore: str, seconds: float, *, failed: bool = False) -> None:
        """Count a chore."""
        self._chores.labels(chore, "failed" if failed else "done").inc()
        self._chore_seconds.labels(chore).set(seconds)

    def alerted(self, outcome: str) -> None:
        """Count an attempt to reach a person: ``sent`` or ``failed``."""
        self._alerts.labels(outcome).inc()

    def render(self) -> bytes:
        """Write everything as Prometheus reads it."""
        now_us = self._clock.now_us()
        for signal, newest_us in list(self._newest_us.items()):
            self._lag.labels(signal).set((now_us - newest_us) / MICROS)
        return generate_latest(self._registry)
