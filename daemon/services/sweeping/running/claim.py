"""One process works on a share of a session: who it is, that it lives, when it lets go.

A runner says every moment that it lives. Whoever finds a share taken looks whether
its runner has ended, and where that cannot be seen, whether it still says so; no
clocks of two machines are compared. Nothing is lost if two should work on one share
after all: all that they write may be written twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from daemon import log
from daemon.clock import MICROS
from daemon.errors import StoreUnavailable
from daemon.services.sweeping import runners
from daemon.services.sweeping.patience import patiently
from daemon.services.sweeping.wanted import SessionBusy
from daemon.store import sessions
from daemon.store.sessions import Share

if TYPE_CHECKING:
    from daemon.services.sweeping.wanted import Tools
    from daemon.store.sessions import Runner
    from daemon.store.store import Tx

_log = log.get(__name__)

BEAT_S = 0.7
"""How often a runner says that it lives."""

STALE_S = 15.0
"""A runner that has said nothing for so long is gone."""

LONG_GONE_S = 900.0
"""A runner that said so long ago that it lives is gone, however wrong a clock may be."""

LOOK_S = 0.5
SILENT_S = 60.0
"""For so long the database may be away before a runner gives up."""


class Claim:
    """A share of a session, held by this process."""

    def __init__(self, tools: Tools, session_id: int, shard: tuple[int, int]) -> None:
        self.tools = tools
        self.share = Share(
            session_id=session_id, runner=tools.runner, shard=shard[0], shards=shard[1]
        )
        self.cancelled = False
        self._beaten_us = 0
        self._heard_us = 0

    # ── taking it ────────────────────────────────────────────────────────────
    def take(self) -> None:
        """Take the share, from a runner that is gone if need be.

        Raises:
            SessionBusy: another process works on it.
        """
        with self.tools.store.read() as view:
            found = sessions.runners(view, self.share.session_id)
        rivals = [one for one in found if self._in_the_way(one)]
        for rival in rivals:
            self._wait_for(rival)
        self.taken(rivals)

    def taken(self, rivals: list[Runner]) -> None:
        """Put this process in the place of those who are gone.

        Raises:
            SessionBusy: another process was faster.
        """
        now_us = self.tools.clock.now_us()
        share = self.share

        def write(tx: Tx) -> bool:
            for one in rivals:
                theirs = Share(
                    session_id=share.session_id,
                    runner=one.runner,
                    shard=one.shard,
                    shards=one.shards,
                )
                sessions.let_go(tx, theirs, now_us)
            return sessions.take(tx, share, now_us, instead_of=share.runner)

        if not patiently(self.tools, write):
            raise self._busy("another process")
        self._beaten_us = self._heard_us = self.tools.clock.elapsed_us()

    def _in_the_way(self, other: Runner) -> bool:
        """Tell whether somebody works on the same jobs, or has divided them otherwise."""
        if other.ended_at_us is not None or other.runner == self.share.runner:
            return False
        return other.shards != self.share.shards or other.shard == self.share.shard

    def _wait_for(self, rival: Runner) -> None:
        """Wait until it is sure that a runner is gone.

        Raises:
            SessionBusy: it lives.
        """
        clock = self.tools.clock
        if runners.gone(rival.runner):
            return
        if clock.now_us() - rival.heartbeat_at_us > LONG_GONE_S * MICROS:
            return
        for _ in range(round(STALE_S / LOOK_S)):
            clock.sleep(LOOK_S)
            with self.tools.store.read() as view:
                found = sessions.runners(view, self.share.session_id)
            now = next((one for one in found if _same(one, rival)), None)
            if now is None or now.ended_at_us is not None:
                return
            if now.heartbeat_at_us != rival.heartbeat_at_us or now.runner != rival.runner:
                raise self._busy(runners.shown(now.runner))
            if self.tools.stop() is not None:
                raise self._busy(runners.shown(rival.runner))
        _log.warning("session_runner_gone", runner=rival.runner)

    def _busy(self, who: str) -> SessionBusy:
        number = self.share.session_id
        return SessionBusy(
            f"session {number} is being run by {who}",
            hint=f"follow it with: daemon session show {number}; end it with: daemon session"
            f" cancel {number}",
        )

    # ── holding it ───────────────────────────────────────────────────────────
    def beat(self, jobs_per_s: float | None, *, at_once: bool = False) -> None:
        """Say that this process lives, if it is time to.

        Raises:
            SessionBusy: another process has taken the share.
            StoreUnavailable: the database is away for too long.
        """
        clock = self.tools.clock
        elapsed_us = clock.elapsed_us()
        if not at_once and elapsed_us - self._beaten_us < BEAT_S * MICROS:
            return
        self._beaten_us = elapsed_us
        try:
            with self.tools.store.write(durable=False) as tx:
                found = sessions.beat(tx, self.share, clock.now_us(), jobs_per_s)
        except StoreUnavailable:
            if elapsed_us - self._heard_us > SILENT_S * MICROS:
                raise
            return
        self._heard_us = elapsed_us
        if not found.mine:
            raise self._busy("another process, which found this one silent for too long")
        self.cancelled = self.cancelled or found.cancelled


def _same(one: Runner, other: Runner) -> bool:
    return (one.shard, one.shards) == (other.shard, other.shards)
