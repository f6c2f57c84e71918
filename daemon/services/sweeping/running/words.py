"""What a run came to, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.errors import InputError
from daemon.store.sessions import DONE

if TYPE_CHECKING:
    from daemon.services.sweeping.running.ledger import Counts
    from daemon.store.sessions import NewSession, Session


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a run ended before its jobs did."""

    state: str
    note: str


def said(session: Session, counts: Counts, ending: Ending | None) -> str:
    """Say what a run came to."""
    number, left = f"session {session.id}", jobs(session.jobs_left)
    told = (
        f"{counts.evaluated:,} evaluated, {counts.known:,} known before, {counts.failed:,} failed"
    )
    before = session.jobs_failed - counts.failed
    if before > 0:
        told += f" ({jobs(before)} failed before: --retry-failed tries again)"
    if session.state == DONE:
        return f"{number} is done: {jobs(session.jobs_total)}, {told}"
    if ending is None:
        return f"this share of {number} is done: {told}; {left} left for others"
    if counts.kept:
        left += f" ({counts.kept:,} of them known by now)"
    return f"{number} is not done: {ending.note}; {told}, {left} left: run it again to go on"


def jobs(count: int) -> str:
    """Count jobs."""
    return "1 job" if count == 1 else f"{count:,} jobs"


def nothing_to_resume(new: NewSession, other: Session | None) -> InputError:
    """Say why there is no session to go on with."""
    if other is None:
        reason = "it was never run"
    elif other.data_digest != new.data_digest:
        reason = f"session {other.id} was run on other data"
    elif other.engine_version != new.engine_version:
        reason = f"session {other.id} was run by another version of the engine"
    else:
        reason = f"session {other.id} has other jobs"
    return InputError(
        f"there is no session {new.name} to go on with: {reason}",
        hint="leave --resume out to begin a new one; what is known is not run again",
    )
