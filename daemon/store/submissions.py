"""What programs asked for by HTTP: kept until it is done, whoever leads meanwhile."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, or_, select, update

from daemon.store.tables import submissions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.store.store import Tx

QUEUED, RUNNING, STOPPED = "queued", "running", "stopped"
DONE, FAILED, CANCELLED = "done", "failed", "cancelled"
WAITING = (QUEUED, STOPPED)
"""States of what is taken up by itself."""

ENDED = (DONE, FAILED, CANCELLED)
KEPT = 1_000
"""Of those that have ended so many stay on record; the studies that they ran all do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSubmission:
    """What is asked."""

    name: str
    body: Mapping[str, Any]
    priority: int
    """0 to 9; the higher goes first."""
    asked_at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission(NewSubmission):
    """The same on record, and what became of it."""

    id: int
    state: str
    again_at_us: int | None
    """Not before then, where it was tried already."""
    started_at_us: int | None
    """When it was begun first."""
    ended_at_us: int | None
    cancel_requested_at_us: int | None
    tries: int
    study_id: int | None
    child: Mapping[str, Any] | None
    """Which process runs it: `pid`, `born`, `boot_id`."""
    exit_code: int | None
    note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a try came out."""

    state: str
    note: str | None = None
    exit_code: int | None = None
    again_at_us: int | None = None
    counted: bool = True
    """False where the try was ended for a reason that was not its own."""


_READ = select(*(submissions.c[item.name] for item in fields(Submission)))


# ── asking ───────────────────────────────────────────────────────────────────
def file(tx: Tx, new: NewSubmission, kept: int = KEPT) -> int:
    """Write down what is asked, and forget the oldest of what has ended long ago."""
    values = asdict(new) | {"body": dict(new.body), "state": QUEUED}
    key = tx.execute(insert(submissions).values(values)).inserted_primary_key
    assert key is not None  # noqa: S101 - one row was inserted
    ended = submissions.c.state.in_(ENDED)
    newest = select(submissions.c.id).where(ended).order_by(submissions.c.id.desc())
    edge = tx.execute(newest.offset(kept).limit(1)).scalar()
    if edge is not None:
        tx.execute(delete(submissions).where(ended, submissions.c.id <= edge))
    return int(key[0])


def waiting(tx: Tx) -> int:
    """Count what waits to be run."""
    counted = select(func.count()).where(submissions.c.state.in_(WAITING))
    return int(tx.execute(counted).scalar_one())


def get(tx: Tx, submission_id: int) -> Submission | None:
    """Read a submission."""
    row = tx.execute(_READ.where(submissions.c.id == submission_id)).mappings().one_or_none()
    return None if row is None else Submission(**row)


def listed(tx: Tx, limit: int) -> list[Submission]:
    """Read the newest submissions."""
    query = _READ.order_by(submissions.c.id.desc()).limit(limit)
    return [Submission(**row) for row in tx.execute(query).mappings()]


def ahead(tx: Tx, one: Submission) -> int:
    """Count what is taken before a submission that waits."""
    before = or_(
        submissions.c.priority > one.priority,
        (submissions.c.priority == one.priority) & (submissions.c.id < one.id),
    )
    counted = select(func.count()).where(submissions.c.state.in_(WAITING), before)
    return int(tx.execute(counted).scalar_one())


def request_cancel(tx: Tx, submission_id: int, at_us: int) -> None:
    """Have a submission end: at once if it waits, by whoever runs it otherwise."""
    mine = update(submissions).where(submissions.c.id == submission_id)
    waits = mine.where(submissions.c.state.in_(WAITING))
    ended = {"state": CANCELLED, "ended_at_us": at_us, "note": "it was cancelled"}
    tx.execute(waits.values(ended | {"cancel_requested_at_us": at_us}))
    runs = mine.where(
        submissions.c.state == RUNNING, submissions.c.cancel_requested_at_us.is_(None)
    )
    tx.execute(runs.values(cancel_requested_at_us=at_us))


# ── running ──────────────────────────────────────────────────────────────────
def due(tx: Tx, now_us: int) -> Submission | None:
    """Read what is to be run next: the most important, and of those the oldest."""
    query = _READ.where(
        submissions.c.state.in_(WAITING),
        or_(submissions.c.again_at_us.is_(None), submissions.c.again_at_us <= now_us),
    )
    ordered = query.order_by(submissions.c.priority.desc(), submissions.c.id).limit(1)
    row = tx.execute(ordered).mappings().one_or_none()
    return None if row is None else Submission(**row)


def running(tx: Tx) -> list[Submission]:
    """Read what is said to run."""
    query = _READ.where(submissions.c.state == RUNNING).order_by(submissions.c.id)
    return [Submission(**row) for row in tx.execute(query).mappings()]


def take(tx: Tx, submission_id: int, at_us: int) -> bool:
    """Begin a try; False if it waits no more."""
    mine = update(submissions).where(
        submissions.c.id == submission_id, submissions.c.state.in_(WAITING)
    )
    taken = mine.values(
        state=RUNNING,
        started_at_us=func.coalesce(submissions.c.started_at_us, at_us),
        tries=submissions.c.tries + 1,
        child=None,
        exit_code=None,
        note=None,
    )
    return tx.execute(taken).rowcount == 1


def run_by(tx: Tx, submission_id: int, child: Mapping[str, Any]) -> None:
    """Say which process runs it."""
    mine = update(submissions).where(submissions.c.id == submission_id)
    tx.execute(mine.values(child=dict(child)))


def named(tx: Tx, submission_id: int, study_id: int) -> None:
    """Say which study it came to."""
    mine = update(submissions).where(submissions.c.id == submission_id)
    tx.execute(mine.values(study_id=study_id))


def settle(tx: Tx, submission_id: int, ending: Ending, at_us: int) -> bool:
    """Say how a try came out; False if nobody ran it."""
    mine = update(submissions).where(
        submissions.c.id == submission_id, submissions.c.state == RUNNING
    )
    values: dict[str, Any] = {
        "state": ending.state,
        "note": ending.note,
        "exit_code": ending.exit_code,
        "again_at_us": ending.again_at_us,
        "ended_at_us": at_us if ending.state in ENDED else None,
        "child": None,
    }
    if not ending.counted:
        values["tries"] = submissions.c.tries - 1
    return tx.execute(mine.values(values)).rowcount == 1
