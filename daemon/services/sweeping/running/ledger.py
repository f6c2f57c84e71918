"""How far a session is, and how what it finds is written: in short transactions, again if need be.

A live daemon may share the database file: no transaction holds it for longer than
a moment, whatever there is to write. All that is written may be written twice.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from daemon.clock import MICROS
from daemon.services.sweeping.fresh import Fresh
from daemon.services.sweeping.patience import patiently
from daemon.services.sweeping.wanted import Progress, quiet
from daemon.store import sessions

if TYPE_CHECKING:
    from collections.abc import Callable

    from daemon.search.plan import Planned
    from daemon.services.sweeping.wanted import Tools
    from daemon.store.sessions import Session
    from daemon.store.store import Tx

T = TypeVar("T")

HELD_S = 0.08
"""How long a transaction should take."""

SLICE_MIN, SLICE_MAX = 1_024, 4_096
"""Jobs that are written at once."""

SPAN_S = 30.0
"""The speed of a session is that of so many last seconds."""

SHOWN_S = 0.2
"""How often progress is told, at most."""

GRACE_S = 0.4
"""For so long results are still written when it is asked to end."""

FAILURES = 10
"""Failed jobs that are remembered for whoever asked for the run."""


@dataclass(slots=True)
class Counts:
    """What became of jobs in this run."""

    known: int = 0
    """Jobs whose results were there already."""
    evaluated: int = 0
    kept: int = 0
    """Jobs that count as left in the end, and whose results are there all the same."""
    failed: int = 0
    failures: list[tuple[str, str]] = field(default_factory=list)
    """The first of them: the job, and why it failed."""


class Ledger:
    """Writes down what a session finds."""

    def __init__(
        self,
        tools: Tools,
        session: Session,
        plan: Planned,
        on_progress: Callable[[Progress], None] = quiet,
    ) -> None:
        self.tools, self.session, self.plan = tools, session, plan
        self.counts = Counts()
        self.fresh = Fresh.of(session)
        """What this run has found out; None where that is too much to be held."""
        self.done, self.failed = session.jobs_done, session.jobs_failed
        self.slice = SLICE_MIN * 2
        self.pulse: Callable[[], None] = _nothing
        """Called between two transactions: whoever runs it says that it lives."""
        self.over: Callable[[], bool] = _no
        """Whether it is asked to end."""
        self._over_us: int | None = None
        self._on_progress = on_progress
        self._shown_us = 0
        self._begun_us = tools.clock.elapsed_us()
        self._pace: deque[tuple[int, int]] = deque([(self._begun_us, 0)])

    @property
    def data_digest(self) -> str:
        """What the data are named by."""
        return self.session.data_digest or ""

    # ── writing ──────────────────────────────────────────────────────────────
    def write(self, what: Callable[[Tx], T]) -> T:
        """Do something in one transaction; once more where the database could not take it.

        Raises:
            StoreUnavailable: it could not take it several times.
        """
        return patiently(self.tools, what)

    def timed(self, jobs: int, what: Callable[[Tx], T]) -> T:
        """Write so many jobs in one transaction, and see whether it may be more the next time."""
        began_us = self.tools.clock.elapsed_us()
        found = self.write(what)
        took_s = (self.tools.clock.elapsed_us() - began_us) / MICROS
        if took_s > HELD_S:
            self.slice = max(SLICE_MIN, self.slice // 2)
        elif took_s * 2 < HELD_S and jobs >= self.slice:
            self.slice = min(SLICE_MAX, self.slice * 2)
        self.pulse()
        return found

    def late(self) -> bool:
        """Tell whether it was asked to end a moment ago: what is not written by now is let go."""
        if self._over_us is None and self.over():
            self._over_us = self.tools.clock.elapsed_us()
        if self._over_us is None:
            return False
        return self.tools.clock.elapsed_us() - self._over_us > GRACE_S * MICROS

    def advance(self, tx: Tx, *, done: int, failed: int = 0, evaluated: int = 0) -> None:
        """Count finished jobs, as the last thing of a transaction."""
        if done or failed:
            sessions.advance(tx, self.session.id, done=done, failed=failed, evaluated=evaluated)

    # ── counting ─────────────────────────────────────────────────────────────
    def count(self, *, done: int = 0, failed: int = 0, known: int = 0, evaluated: int = 0) -> None:
        """Take note of what was written."""
        self.done += done
        self.failed += failed
        self.counts.known += known
        self.counts.evaluated += evaluated

    def note_failure(self, job_id: str, error: str) -> None:
        """Remember a job that failed."""
        self.counts.failed += 1
        if len(self.counts.failures) < FAILURES:
            self.counts.failures.append((job_id, error))

    def jobs_per_s(self) -> float | None:
        """Say how fast jobs are finished; None while nothing can be said."""
        now_us = self.tools.clock.elapsed_us()
        finished = self.counts.known + self.counts.evaluated + self.counts.failed
        if now_us > self._pace[-1][0]:
            self._pace.append((now_us, finished))
        while len(self._pace) > 2 and self._pace[1][0] < now_us - SPAN_S * MICROS:  # noqa: PLR2004 - both ends of the span
            self._pace.popleft()
        since_us, before = self._pace[0]
        if now_us <= since_us or finished == before:
            return None
        return (finished - before) * MICROS / (now_us - since_us)

    def progress(self) -> Progress:
        """Say how far it is."""
        rate = self.jobs_per_s()
        left = self.session.jobs_total - self.done - self.failed
        return Progress(
            session_id=self.session.id,
            total=self.session.jobs_total,
            done=self.done,
            failed=self.failed,
            known=self.counts.known,
            jobs_per_s=rate,
            eta_s=None if rate is None else left / rate,
            last_error=self.counts.failures[-1][1] if self.counts.failures else None,
        )

    def show(self, *, at_once: bool = False) -> None:
        """Tell how far it is, to whoever looks on; not too often."""
        now_us = self.tools.clock.elapsed_us()
        if at_once or now_us - self._shown_us >= SHOWN_S * MICROS:
            self._shown_us = now_us
            self._on_progress(self.progress())


def _no() -> bool:
    return False


def _nothing() -> None:
    """Nobody waits for a sign of life."""
