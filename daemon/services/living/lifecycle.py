"""The life of the service: lead, start, turn, read again, end.

Everything is driven by time that never steps: neither a change of the wall
clock nor a night in which the machine slept makes cycles pile up or stay away.
What happens in a cycle is the engine's business.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from daemon import log
from daemon.clock import MICROS, iso
from daemon.errors import ConfigError, DaemonError, NotLeader, StoreBroken, StoreUnavailable
from daemon.services.living.notify import Notifier
from daemon.services.living.pulse import START_WITHIN_S, Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from daemon.services.living.interrupts import Wishes
    from daemon.services.living.service import Service
    from daemon.store.lease import Holder

_log = log.get(__name__)

LOOK_S = 1.0
"""How often somebody who waits for the lead asks for it."""

RETRY_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""How long the database is left alone after it failed once, twice, and so on."""

OUTAGE_S = 600.0
"""How long the database may be away before the service manager should start the service afresh."""

STRETCH_S = 10.0
"""How often a long start asks for more time."""

SHORTEST_S = 0.001


class Lifecycle:
    """One life, from the wish to lead to the end."""

    def __init__(self, service: Service, notifier: Notifier, tell: Callable[[str], None]) -> None:
        self._engine = service.engine
        self._lease = service.lease
        self._clock = service.clock
        self._pulse = service.pulse
        self._meters = service.meters
        self._notifier = notifier
        self._tell = tell
        self._began_us = 0
        self._failures = 0
        self._resume_us = 0

    def run(self, wishes: Wishes, *, once: bool = False, standby: bool = False) -> None:
        """Live until somebody wishes the end, or for one cycle.

        Raises:
            NotLeader: somebody else leads, or has taken over.
            StoreUnavailable: the database cannot be used at the start.
            StoreBroken: a commit failed on the disk.
            ConfigError: what the operator wrote does not hold.
        """
        try:
            if self._take_lead(wishes, standby=standby):
                self._start()
                self._loop(wishes, once=once)
            self._stop(wishes.stop or "one cycle is done")
        except (NotLeader, StoreBroken) as error:
            self._notifier.stopping(error.message)
            raise  # and write no more, not even that the lead is free
        except BaseException as error:
            if not isinstance(error, DaemonError):
                _log.error("failed", exc_info=error)
            self._notifier.stopping(getattr(error, "message", type(error).__name__))
            self._release()
            raise

    # ── the lead ─────────────────────────────────────────────────────────────
    def _take_lead(self, wishes: Wishes, *, standby: bool) -> bool:
        """Wait for the lead if need be; False if the end was wished for meanwhile."""
        waited = False
        while not wishes.stop:
            if self._asked_for_lead(standby=standby):
                return True
            rival = self._lease.rival
            if not standby and (rival is None or self._lease.rival_lives):
                raise _somebody_leads(rival)
            if not waited:
                self._say_who_leads(rival, standby=standby)
                waited = True
            left_us = self._resume_us - self._clock.elapsed_us()
            self._wait(wishes, max(LOOK_S, self._pulse.tick_us / MICROS, left_us / MICROS))
        return False

    def _asked_for_lead(self, *, standby: bool) -> bool:
        try:
            epoch = self._lease.acquire()
        except StoreBroken:
            raise
        except StoreUnavailable as error:
            if not standby:
                raise
            self._leave_store_alone(error)
            return False
        self._store_answers()
        self._meters.leads(epoch)
        if epoch is None:
            self._notifier.alive() if standby else self._notifier.extend(2 * STRETCH_S)
        return epoch is not None

    def _say_who_leads(self, rival: Holder | None, *, standby: bool) -> None:
        who = "nobody known leads" if rival is None else _described(rival)
        if standby:
            self._pulse.enter(Phase.STANDBY, self._clock.elapsed_us())
            self._notifier.ready(f"standing by: {who}")
            self._tell(f"standing by: {who}; this process takes over when it ends")
        else:
            self._notifier.status(f"waiting for a sign of life: {who}")
            self._tell(f"{who}; waiting for a sign of life, and taking over if there is none")

    # ── start and end ────────────────────────────────────────────────────────
    def _start(self) -> None:
        self._pulse.enter(Phase.STARTING, self._clock.elapsed_us())
        self._notifier.status("starting: setting right what was left open")
        self._notifier.patience(START_WITHIN_S)
        with stretching(self._notifier):
            self._engine.start()
        now_us = self._clock.elapsed_us()
        self._began_us = now_us - self._pulse.period_us // 2
        self._pulse.wrote_us = now_us
        self._pulse.enter(Phase.LEADING, now_us)
        self._notifier.patience(None)
        self._notifier.ready(self._line())
        _log.info("ready", **_counted(self._engine.status()))

    def _stop(self, why: str) -> None:
        self._notifier.stopping(f"stopping: {why}")
        _log.info("stopping", why=why)
        led = self._pulse.phase is Phase.LEADING
        self._pulse.enter(Phase.STOPPING, self._clock.elapsed_us())
        if led:
            try:
                self._engine.stop()
            except StoreBroken:
                raise
            except StoreUnavailable as error:  # the next start finds everything as after a crash
                _log.warning("stopped_without_the_store", error=error.message, hint=error.hint)
        self._release()

    def _release(self) -> None:
        try:
            self._lease.release()
        except DaemonError as error:
            _log.warning("lead_not_released", error=error.message, hint=error.hint)

    # ── the loop ─────────────────────────────────────────────────────────────
    def _loop(self, wishes: Wishes, *, once: bool) -> None:
        while not wishes.stop:
            if wishes.reload():
                self._reload()
            self._turn(once=once)
            if once and self._pulse.cycles:
                return
            until_us = max(self._due_us(), self._resume_us) - self._clock.elapsed_us()
            self._wait(wishes, max(SHORTEST_S, until_us / MICROS), turns=1)

    def _turn(self, *, once: bool) -> None:
        now_us = self._clock.elapsed_us()
        self._pulse.turned_us = now_us
        if now_us < self._resume_us:
            return
        try:
            self._engine.between()
            if self._clock.elapsed_us() >= self._due_us():
                self._cycle()
        except StoreBroken:
            raise
        except StoreUnavailable as error:
            if once:
                raise
            self._leave_store_alone(error)

    def _due_us(self) -> int:
        """Say when the next cycle is due: the engine's word, but no storm and no silence.

        Half a period after the last one began at the earliest, two at the latest.
        """
        period_us = self._pulse.period_us
        earliest_us, latest_us = self._began_us + period_us // 2, self._began_us + 2 * period_us
        return min(max(self._engine.due_us(), earliest_us), latest_us)

    def _cycle(self) -> None:
        now_us, pulse = self._clock.elapsed_us(), self._pulse
        asleep_us = now_us - max(self._due_us(), self._resume_us)
        if asleep_us > pulse.alive_within_us:
            missed = asleep_us // pulse.period_us
            pulse.missed += missed
            self._meters.skipped("asleep", missed)
            _log.warning("cycles_missed", seconds=round(asleep_us / MICROS, 1))
        self._began_us = now_us
        self._engine.cycle()
        pulse.cycles += 1
        pulse.wrote_us = self._clock.elapsed_us()
        self._store_answers()
        self._notifier.alive()
        self._notifier.status(self._line())

    def _store_answers(self) -> None:
        """Forget an outage that is over."""
        if self._failures:
            _log.info("store_is_back", attempts=self._failures)
            self._notifier.patience(None)
            self._failures, self._resume_us, self._pulse.outage = 0, 0, None

    def _leave_store_alone(self, error: StoreUnavailable) -> None:
        """Skip this cycle and try again later, each time after a longer pause."""
        pause_s = RETRY_S[min(self._failures, len(RETRY_S) - 1)]
        if not self._failures:
            self._notifier.patience(OUTAGE_S)
        self._failures += 1
        self._pulse.skipped += 1
        self._meters.skipped("store")
        self._pulse.outage = error.message
        self._resume_us = self._clock.elapsed_us() + round(pause_s * MICROS)
        _log.warning("cycle_skipped", error=error.message, hint=error.hint, again_in_s=pause_s)
        self._notifier.status(f"the database is away: {error.message}")

    def _reload(self) -> None:
        self._notifier.reloading()
        try:
            changed = self._engine.reload()
        except ConfigError as error:
            self._meters.erred("reload")
            for problem in error.problems:
                _log.error("reload_refused", problem=str(problem), hint=problem.hint)
        except StoreBroken:
            raise
        except StoreUnavailable as error:
            _log.error("reload_failed", error=error.message, hint=error.hint)
        else:
            _log.info("reloaded", changed=changed)
        self._notifier.ready(self._line())

    def _wait(self, wishes: Wishes, seconds: float, turns: int | None = None) -> None:
        """Wait, in steps that are short enough to hear a wish; at most so many steps."""
        until_us = self._clock.elapsed_us() + round(seconds * MICROS)
        while not wishes.stop and turns != 0:
            now_us = self._clock.elapsed_us()
            if now_us >= until_us:
                return
            self._pulse.turned_us = now_us
            self._clock.sleep(min(self._pulse.tick_us, until_us - now_us) / MICROS)
            turns = None if turns is None else turns - 1

    def _line(self) -> str:
        """Say in a line how it stands."""
        told = ", ".join(
            f"{name} {value}" for name, value in _counted(self._engine.status()).items()
        )
        return f"leading: {told}, cycle {self._pulse.cycles}"


def live(
    service: Service,
    wishes: Wishes,
    tell: Callable[[str], None],
    *,
    environ: Mapping[str, str],
    once: bool = False,
    standby: bool = False,
) -> None:
    """Run a service from beginning to end; the environment says whom to notify.

    Raises:
        DaemonError: as `Lifecycle.run` does.
    """
    notifier = Notifier.from_environ(environ)
    Lifecycle(service, notifier, tell).run(wishes, once=once, standby=standby)


@contextmanager
def stretching(notifier: Notifier, every_s: float = STRETCH_S) -> Iterator[None]:
    """Ask for more time while the block runs, as long as a start may take and no longer."""
    over = threading.Event()

    def stretch() -> None:
        for _ in range(round(START_WITHIN_S / STRETCH_S)):
            if over.wait(every_s):
                return
            notifier.extend(2 * STRETCH_S)

    thread = threading.Thread(target=stretch, name="stretch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        with suppress(RuntimeError):
            thread.join()


def _counted(status: Mapping[str, Any]) -> dict[str, Any]:
    return {name: status[name] for name in ("mode", "epoch", "open_changes") if name in status}


def _described(holder: Holder) -> str:
    return (
        f"{holder.holder} leads since {iso(holder.since_us)[:19]}Z (epoch {holder.epoch}),"
        f" last sign of life {iso(holder.beat_at_us)[:19]}Z"
    )


def _somebody_leads(rival: Holder | None) -> NotLeader:
    return NotLeader(
        "somebody else leads" if rival is None else _described(rival),
        hint="daemon run --standby waits until it ends; daemon ctl status says more",
    )
