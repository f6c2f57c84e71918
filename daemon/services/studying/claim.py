"""One process works on a study: who it is, that it lives, whether it is to end.

As with sessions, a runner says every moment that it lives, and no clocks of two
machines are compared. Whoever finds a study taken looks whether its runner has
ended, and where that cannot be seen, whether it still says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon import log
from daemon.clock import MICROS
from daemon.errors import StoreUnavailable
from daemon.services.studying.wanted import StudyBusy
from daemon.services.sweeping import runners
from daemon.services.sweeping.patience import patiently
from daemon.services.sweeping.running.claim import (
    BEAT_S,
    LONG_GONE_S,
    LOOK_S,
    SILENT_S,
    STALE_S,
)
from daemon.store import studies
from daemon.store.studies import CANCELLED, STOPPED, Beat

if TYPE_CHECKING:
    from daemon.services.studying.wanted import StudyTools
    from daemon.store.studies import Study

_log = log.get(__name__)

HEAR_S = 0.25
"""How often a runner looks whether its study is to end."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a run ended before its study did."""

    state: str
    note: str


class StudyEnds(Exception):  # noqa: N818 - a wish, not an error
    """The run is to end now; it says why."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.note)
        self.ending = ending


class StudyClaim:
    """A study, held by this process."""

    def __init__(self, tools: StudyTools, study_id: int, max_minutes: float | None = None) -> None:
        self.tools, self.study_id = tools, study_id
        self.trials_per_s: float | None = None
        self.eta_s: float | None = None
        self._max_s = None if max_minutes is None else max_minutes * 60
        self._began_us = tools.clock.elapsed_us()
        self._spent_s = 0.0
        self._counted_us = self._beaten_us = self._heard_us = self._answered_us = self._began_us

    # ── taking it ────────────────────────────────────────────────────────────
    def take(self) -> Study:
        """Take the study, from a runner that is gone if need be; gives it as it is then.

        Raises:
            StudyBusy: another process works on it.
        """
        study = self._read()
        rival = study.runner
        if rival is not None and rival != self.tools.runner:
            self._wait_for(study, rival)
        now_us = self.tools.clock.now_us()
        mine = self.tools.runner
        if not patiently(
            self.tools, lambda tx: studies.take(tx, self.study_id, mine, now_us, instead_of=rival)
        ):
            raise self._busy("another process")
        elapsed_us = self.tools.clock.elapsed_us()
        self._counted_us = self._beaten_us = self._heard_us = self._answered_us = elapsed_us
        found = self._read()
        self._spent_s = found.spent_s
        return found

    def _read(self) -> Study:
        with self.tools.store.read() as view:
            study = studies.get(view, self.study_id)
        assert study is not None  # noqa: S101 - nobody removes it
        return study

    def _wait_for(self, study: Study, rival: str) -> None:
        """Wait until it is sure that a runner is gone.

        Raises:
            StudyBusy: it lives.
        """
        clock, beaten_us = self.tools.clock, study.heartbeat_at_us or 0
        if runners.gone(rival) or clock.now_us() - beaten_us > LONG_GONE_S * MICROS:
            return
        for _ in range(round(STALE_S / LOOK_S)):
            clock.sleep(LOOK_S)
            now = self._read()
            if now.runner is None:
                return
            if now.runner != rival or (now.heartbeat_at_us or 0) != beaten_us:
                raise self._busy(runners.shown(now.runner))
            if self.tools.stop() is not None:
                raise self._busy(runners.shown(rival))
        _log.warning("study_runner_gone", runner=rival)

    def _busy(self, who: str) -> StudyBusy:
        number = self.study_id
        return StudyBusy(
            f"study {number} is being run by {who}",
            hint=f"follow it with: daemon study show {number}; end it with: daemon study cancel"
            f" {number}",
        )

    # ── holding it ───────────────────────────────────────────────────────────
    def spent_s(self) -> float:
        """Say how long was worked on the study, by all its runs."""
        return self._spent_s + (self.tools.clock.elapsed_us() - self._counted_us) / MICROS

    def pulse(self) -> None:
        """Say that this process lives, and hear whether it is to end; often, it costs little.

        Raises:
            StudyEnds: it is to end.
            StudyBusy: another process has taken the study.
            StoreUnavailable: the database is away for too long.
        """
        why = self.tools.stop()
        if why is not None:
            raise StudyEnds(Ending(STOPPED, f"it was asked to end ({why})"))
        now_us = self.tools.clock.elapsed_us()
        if self._max_s is not None and now_us - self._began_us > self._max_s * MICROS:
            raise StudyEnds(Ending(STOPPED, "this run has used up its minutes"))
        try:
            if now_us - self._beaten_us >= BEAT_S * MICROS:
                self.beat()
            elif now_us - self._heard_us >= HEAR_S * MICROS:
                self._hear(now_us)
        except StoreUnavailable:
            if now_us - self._answered_us > SILENT_S * MICROS:
                raise

    def beat(self) -> None:
        """Say that this process lives, and how far it is.

        Raises:
            StudyEnds: it is to end.
            StudyBusy: another process has taken the study.
            StoreUnavailable: the database is away.
        """
        clock = self.tools.clock
        self._beaten_us = self._heard_us = elapsed_us = clock.elapsed_us()
        with self.tools.store.write(durable=False) as tx:
            found = studies.beat(tx, self.study_id, self.tools.runner, self.said(elapsed_us))
        self._counted(elapsed_us)
        self._answered_us = elapsed_us
        self._mind(found)

    def said(self, elapsed_us: int) -> Beat:
        """Put into words that this process lives."""
        now_us = self.tools.clock.now_us()
        eta_at_us = None if self.eta_s is None else now_us + round(self.eta_s * MICROS)
        return Beat(
            at_us=now_us,
            spent_s=max(0.0, (elapsed_us - self._counted_us) / MICROS),
            trials_per_s=self.trials_per_s,
            eta_at_us=eta_at_us,
        )

    def _counted(self, elapsed_us: int) -> None:
        self._spent_s += max(0.0, (elapsed_us - self._counted_us) / MICROS)
        self._counted_us = elapsed_us

    def _hear(self, elapsed_us: int) -> None:
        self._heard_us = elapsed_us
        with self.tools.store.read() as view:
            found = studies.standing(view, self.study_id, self.tools.runner)
        self._answered_us = elapsed_us
        self._mind(found)

    def _mind(self, found: studies.Standing) -> None:
        if not found.mine:
            raise self._busy("another process, which found this one silent for too long")
        if found.cancelled:
            raise StudyEnds(Ending(CANCELLED, "it was cancelled"))
