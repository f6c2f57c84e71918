"""Proposals: values that somebody or something wants, until a person or the loop decides."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, select, update

from daemon.store.ready import Ready
from daemon.store.tables import proposals
from daemon.store.types import Count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Select

    from daemon.store.store import Tx

PENDING, APPROVED, REJECTED, APPLIED = "pending", "approved", "rejected", "applied"
EXPIRED, SUPERSEDED, DRY_RUN = "expired", "superseded", "dry_run"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProposal:
    """Where rules should go, from which values this was thought of, and by whom."""

    at_us: int
    origin: str
    base: Mapping[str, float]
    """The values in force when it was made: once they differ, it is stale."""
    target: Mapping[str, float]
    expected: Mapping[str, Any] | None = None
    reason: str | None = None
    session_id: int | None = None
    study_id: int | None = None
    decision_seq: int | None = None
    expires_at_us: int | None = None
    state: str = PENDING


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal(NewProposal):
    """A proposal on record."""

    id: int
    decided_at_us: int | None
    decided_by: str | None


def propose(tx: Tx, proposal: NewProposal) -> int:
    """Record a proposal; returns its id."""
    inserted = tx.execute(insert(proposals).values(asdict(proposal))).inserted_primary_key
    return int(inserted[0]) if inserted else 0


def get(tx: Tx, proposal_id: int) -> Proposal | None:
    """Read a proposal."""
    found = _read(tx, select(proposals).where(proposals.c.id == proposal_id))
    return found[0] if found else None


def listed(tx: Tx, state: str | None = None, limit: int = 50) -> list[Proposal]:
    """Read the newest proposals, of one state or of all."""
    if state is None:
        found = _NEWEST.records(tx, most=limit)
    else:
        found = _NEWEST_OF.records(tx, state=state, most=limit)
    return [Proposal(**row) for row in found]


def of(
    tx: Tx, *, session_id: int | None = None, study_id: int | None = None, limit: int = 200
) -> list[Proposal]:
    """Read what was proposed from a session or a study, the newest first."""
    column, wanted = (
        (proposals.c.session_id, session_id)
        if study_id is None
        else (proposals.c.study_id, study_id)
    )
    query = select(proposals).where(column == wanted)
    return _read(tx, query.order_by(proposals.c.id.desc()).limit(limit))


def decide(tx: Tx, proposal_id: int, state: str, by: str, at_us: int) -> bool:
    """Decide a proposal that is pending; False if it is not."""
    pending = update(proposals).where(proposals.c.id == proposal_id, proposals.c.state == PENDING)
    decided = pending.values(state=state, decided_by=by, decided_at_us=at_us)
    return tx.execute(decided).rowcount == 1


def carried_out(tx: Tx, proposal_id: int) -> bool:
    """Say that what was approved has been done; False if it was not approved."""
    approved = update(proposals).where(proposals.c.id == proposal_id, proposals.c.state == APPROVED)
    return tx.execute(approved.values(state=APPLIED)).rowcount == 1


def expire(tx: Tx, now_us: int) -> list[int]:
    """End pending proposals whose time is over; returns which."""
    late = update(proposals).where(
        proposals.c.state == PENDING, proposals.c.expires_at_us <= now_us
    )
    ended = late.values(state=EXPIRED, decided_at_us=now_us)
    return sorted(tx.execute(ended.returning(proposals.c.id)).scalars())


def _read(tx: Tx, query: Select[Any]) -> list[Proposal]:
    return [Proposal(**row) for row in tx.execute(query).mappings()]


_IN_ORDER = select(proposals).order_by(proposals.c.id.desc()).limit(bindparam("most", type_=Count))
_NEWEST = Ready(_IN_ORDER)
_NEWEST_OF = Ready(_IN_ORDER.where(proposals.c.state == bindparam("state")))
