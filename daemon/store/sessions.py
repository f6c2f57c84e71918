"""Sessions: what was asked, how far it is, who works on it, and what came of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, func, insert, or_, select, text, update

from daemon.store import upsert
from daemon.store.tables import rankings, session_runners, sessions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy import ColumnElement

    from daemon.store.store import Tx

PLANNED, RUNNING, STOPPED = "planned", "running", "stopped"
DONE, FAILED, CANCELLED = "done", "failed", "cancelled"

UNFINISHED = frozenset({PLANNED, RUNNING, STOPPED, FAILED, CANCELLED})
"""What can be gone on with."""

ROWS, BLOCKS = "rows", "blocks"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """What a session is asked, on which data, by which engine."""

    identity: str
    name: str
    spec: Mapping[str, Any]
    plan_digest: str
    space_digest: str
    data_file: str
    data_digest: str
    data_rows: int
    engine_version: str
    jobs_total: int
    cells: int
    layout: str
    created_at_us: int
    state: str = PLANNED


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A session as it stands."""

    id: int
    name: str
    state: str
    spec: Mapping[str, Any]
    identity: str | None
    plan_digest: str | None
    space_digest: str | None
    data_file: str
    data_digest: str | None
    data_rows: int | None
    engine_version: str | None
    layout: str
    cells: int | None
    jobs_total: int
    jobs_done: int
    jobs_failed: int
    jobs_evaluated: int
    jobs_per_s: float | None
    eta_at_us: int | None
    heartbeat_at_us: int | None
    runner: str | None
    cancel_requested_at_us: int | None
    created_at_us: int
    started_at_us: int | None
    finished_at_us: int | None
    ranked_at_us: int | None
    note: str | None

    @property
    def jobs_left(self) -> int:
        """How many jobs are not finished."""
        return self.jobs_total - self.jobs_done - self.jobs_failed


_READ = select(*(sessions.c[item.name] for item in fields(Session)))


# ── finding ──────────────────────────────────────────────────────────────────
def found_or_made(tx: Tx, new: NewSession) -> tuple[Session, bool]:
    """Find the session of this identity, or make it; says whether it is new."""
    row = asdict(new)
    made = (
        upsert.insert(tx, sessions).values(row).on_conflict_do_nothing(index_elements=["identity"])
    )
    is_new = tx.execute(made.returning(sessions.c.id)).first() is not None
    found = _one(tx, sessions.c.identity == new.identity)
    assert found is not None  # noqa: S101 - it was there or was made
    return found, is_new


def get(tx: Tx, session_id: int) -> Session | None:
    """Read a session."""
    return _one(tx, sessions.c.id == session_id)


def of_identity(tx: Tx, identity: str) -> Session | None:
    """Read the session of an identity."""
    return _one(tx, sessions.c.identity == identity)


def newest(tx: Tx, name: str | None = None) -> Session | None:
    """Read the newest session, of a name or of all."""
    query = _READ.order_by(sessions.c.id.desc()).limit(1)
    if name is not None:
        query = query.where(sessions.c.name == name)
    row = tx.execute(query).mappings().one_or_none()
    return None if row is None else Session(**row)


def listed(tx: Tx, limit: int) -> list[Session]:
    """Read the newest sessions."""
    query = _READ.order_by(sessions.c.id.desc()).limit(limit)
    return [Session(**row) for row in tx.execute(query).mappings()]


def names(tx: Tx) -> list[str]:
    """Name the sessions there are."""
    return list(tx.execute(select(sessions.c.name).distinct().order_by(sessions.c.name)).scalars())


def report(tx: Tx, session_id: int) -> dict[str, Any] | None:
    """Read what was found of a session when it was ranked."""
    found: dict[str, Any] | None = tx.execute(
        select(sessions.c.report).where(sessions.c.id == session_id)
    ).scalar_one_or_none()
    return found


def _one(tx: Tx, condition: ColumnElement[bool]) -> Session | None:
    row = tx.execute(_READ.where(condition)).mappings().one_or_none()
    return None if row is None else Session(**row)


# ── who works on it ──────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """Who works on a share of a session."""

    shard: int
    shards: int
    runner: str
    heartbeat_at_us: int
    ended_at_us: int | None


def runners(tx: Tx, session_id: int) -> list[Runner]:
    """Name who works, or worked last, on each share of a session."""
    columns = (session_runners.c[item.name] for item in fields(Runner))
    query = select(*columns).where(session_runners.c.session_id == session_id)
    found = tx.execute(query.order_by(session_runners.c.shards, session_runners.c.shard))
    return [Runner(**row) for row in found.mappings()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A share of a session, and who takes it on."""

    session_id: int
    runner: str
    shard: int = 0
    shards: int = 1


def take(tx: Tx, share: Share, at_us: int, instead_of: str | None = None) -> bool:
    """Take a share on: one that nobody works on, or one whose runner is gone; False if not."""
    row = asdict(share) | {"started_at_us": at_us, "heartbeat_at_us": at_us}
    free = or_(session_runners.c.ended_at_us.is_not(None), session_runners.c.runner == instead_of)
    anew = {key: row[key] for key in ("runner", "started_at_us", "heartbeat_at_us")}
    statement = upsert.insert(tx, session_runners).values(row)
    taken = statement.on_conflict_do_update(
        index_elements=["session_id", "shard", "shards"],
        set_=anew | {"ended_at_us": None, "jobs_per_s": None},
        where=free,
    )
    if tx.execute(taken.returning(session_runners.c.shard)).first() is None:
        return False
    mine = update(sessions).where(sessions.c.id == share.session_id)
    tx.execute(
        mine.values(
            state=RUNNING,
            runner=share.runner,
            heartbeat_at_us=at_us,
            started_at_us=func.coalesce(sessions.c.started_at_us, at_us),
            finished_at_us=None,
            cancel_requested_at_us=None,
            note=None,
        )
    )
    return True


@dataclass(frozen=True, slots=True)
class Standing:
    """What a runner hears when it says that it lives."""

    mine: bool
    """Nobody has taken its share from it."""
    cancelled: bool


def beat(tx: Tx, share: Share, at_us: int, jobs_per_s: float | None) -> Standing:
    """Say that a runner lives, and how fast it goes."""
    statement = update(session_runners).where(*_held(share))
    alive = tx.execute(statement.values(heartbeat_at_us=at_us, jobs_per_s=jobs_per_s)).rowcount
    if alive != 1:
        return Standing(mine=False, cancelled=False)
    of_session = session_runners.c.session_id == share.session_id
    working = select(func.sum(session_runners.c.jobs_per_s)).where(
        of_session, session_runners.c.ended_at_us.is_(None)
    )
    rate = tx.execute(working).scalar_one_or_none()
    tx.execute(_BEAT, {"id": share.session_id, "at_us": at_us, "rate": rate})
    asked = select(sessions.c.cancel_requested_at_us).where(sessions.c.id == share.session_id)
    return Standing(mine=True, cancelled=tx.execute(asked).scalar_one_or_none() is not None)


_BEAT = text(
    "UPDATE sessions SET heartbeat_at_us = :at_us, jobs_per_s = CAST(:rate AS double precision),"
    " eta_at_us = CASE WHEN :rate > 0 THEN :at_us + CAST("
    "1e6 * (jobs_total - jobs_done - jobs_failed) / :rate AS bigint) END WHERE id = :id"
)


def let_go(tx: Tx, share: Share, at_us: int) -> bool:
    """End work on a share; says whether nobody works on the session any more."""
    tx.execute(update(session_runners).where(*_held(share)).values(ended_at_us=at_us))
    others = select(session_runners.c.shard).where(
        session_runners.c.session_id == share.session_id, session_runners.c.ended_at_us.is_(None)
    )
    return tx.execute(others.limit(1)).first() is None


def _held(share: Share) -> tuple[ColumnElement[bool], ...]:
    columns = session_runners.c
    return (
        columns.session_id == share.session_id,
        columns.shard == share.shard,
        columns.shards == share.shards,
        columns.runner == share.runner,
        columns.ended_at_us.is_(None),
    )


# ── how far it is ────────────────────────────────────────────────────────────
_ADVANCE = text(
    "UPDATE sessions SET jobs_done = jobs_done + :done, jobs_failed = jobs_failed + :failed,"
    " jobs_evaluated = jobs_evaluated + :evaluated WHERE id = :id"
    " RETURNING jobs_total - jobs_done - jobs_failed"
)


def advance(tx: Tx, session_id: int, *, done: int, failed: int, evaluated: int) -> int:
    """Count jobs that are finished; returns how many are left.

    It is the last thing that a transaction does: on Postgres others wait for it.
    """
    given = {"id": session_id, "done": done, "failed": failed, "evaluated": evaluated}
    return int(tx.execute(_ADVANCE, given).scalar_one())


def finish(tx: Tx, session_id: int, at_us: int) -> bool:
    """Say that all jobs are finished; True for one of those who find that they are."""
    mine = update(sessions).where(
        sessions.c.id == session_id,
        sessions.c.state != DONE,
        sessions.c.jobs_done + sessions.c.jobs_failed == sessions.c.jobs_total,
    )
    done = {"state": DONE, "finished_at_us": at_us, "note": None, "eta_at_us": None}
    return tx.execute(mine.values(done | {"runner": None})).rowcount == 1


def settle(tx: Tx, session_id: int, state: str, at_us: int, note: str | None = None) -> None:
    """Say what became of a session that is not finished; it can be gone on with."""
    ended = at_us if state == CANCELLED else None
    mine = update(sessions).where(sessions.c.id == session_id, sessions.c.state != DONE)
    tx.execute(
        mine.values(state=state, finished_at_us=ended, note=note, eta_at_us=None, runner=None)
    )


def request_cancel(tx: Tx, session_id: int, at_us: int) -> None:
    """Ask whoever works on a session to end."""
    mine = update(sessions).where(sessions.c.id == session_id)
    tx.execute(mine.values(cancel_requested_at_us=at_us))


# ── what came of it ──────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in a ranking."""

    rank: int
    n: int
    tied_with: int | None = None
    """The place of the first of those that are equal; None where it has no equal."""
    robust_rank: int | None = None
    robust_score: float | None = None


_PLACE = tuple(item.name for item in fields(Place))


def put_ranking(
    tx: Tx, session_id: int, places: Sequence[Place], said: Mapping[str, Any], at_us: int
) -> None:
    """Write a ranking over the one that was there.

    The session comes first: two who rank it at once do so one after the other.
    """
    mine = update(sessions).where(sessions.c.id == session_id)
    tx.execute(mine.values(ranked_at_us=at_us, report=dict(said)))
    tx.execute(delete(rankings).where(rankings.c.session_id == session_id))
    if places:
        shared = {"session_id": session_id, "at_us": at_us}
        tx.execute(insert(rankings), [_row(place) | shared for place in places])


def _row(place: Place) -> dict[str, Any]:
    """Name what stands in a place; ``asdict`` looks for more in it, and takes ten times as long."""
    return {name: getattr(place, name) for name in _PLACE}


def places(tx: Tx, session_id: int, limit: int) -> list[Place]:
    """Read the best places of a session."""
    columns = (rankings.c[item.name] for item in fields(Place))
    query = select(*columns).where(rankings.c.session_id == session_id)
    found = tx.execute(query.order_by(rankings.c.rank).limit(limit)).mappings()
    return [Place(**row) for row in found]


def place_of(tx: Tx, session_id: int, n: int) -> Place | None:
    """Read where a job stands."""
    columns = (rankings.c[item.name] for item in fields(Place))
    query = select(*columns).where(rankings.c.session_id == session_id, rankings.c.n == n)
    row = tx.execute(query).mappings().one_or_none()
    return None if row is None else Place(**row)


def elsewhere(tx: Tx, session_id: int, data_digest: str) -> int:
    """Count what was ever tried on some data besides the jobs of a session, each trial once.

    Trials are told apart by their parameters, whatever the engine's version. Those of
    studies count as well, on whichever rows of the data they were tried. Blocks are
    counted whole, and rows that repeat jobs of a block are not counted again.
    """
    given = {"id": session_id, "digest": data_digest}
    rows = tx.execute(_TRIED, given).scalar_one()
    blocks = tx.execute(_TRIED_IN_BLOCKS, given).scalar_one()
    return int(rows or 0) + int(blocks or 0)


_TRIED = text(
    "SELECT count(*) FROM ("
    "SELECT r.params FROM results r"
    " WHERE r.data_digest = :digest AND r.status = 'success'"
    " AND NOT EXISTS (SELECT 1 FROM jobs j JOIN sessions s ON s.id = j.session_id"
    " WHERE j.result_key = r.key AND (s.id = :id OR s.layout = 'blocks'))"
    " UNION SELECT r.params FROM study_parts p JOIN results r ON r.data_digest = p.digest"
    " WHERE p.data_digest = :digest AND p.digest <> :digest AND r.status = 'success'"
    " AND r.params NOT IN (SELECT o.params FROM jobs j JOIN results o ON o.key = j.result_key"
    " WHERE j.session_id = :id)) AS tried"
)
_TRIED_IN_BLOCKS = text(
    "SELECT max(n) FROM (SELECT sum(b.jobs - b.failed) AS n FROM result_blocks b"
    " WHERE b.data_digest = :digest AND NOT EXISTS (SELECT 1 FROM job_blocks j"
    " WHERE j.block_key = b.key AND j.session_id = :id) GROUP BY b.engine_version) AS engines"
)
