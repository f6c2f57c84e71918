"""What an operator asks of sessions: which there are, how far one is, and to end one."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from daemon.clock import MICROS, iso
from daemon.services.asking.inquiry_rows import Table, UnknownName, known_name
from daemon.services.sweeping import reading, runners
from daemon.store import result_blocks, results, sessions
from daemon.store.sessions import BLOCKS, CANCELLED, DONE, RUNNING

if TYPE_CHECKING:
    from daemon.clock import Clock
    from daemon.store.sessions import Place, Session
    from daemon.store.store import Store, Tx
    from daemon.store.studies import Study

LAST = "last"
STALLED = "stalled"
STALLED_S = 30.0
"""A session whose runner has said nothing for so long is shown as stalled."""

FAILURES = 10
PLACES = 10

COLUMNS = (
    *("session", "name", "state", "jobs", "done", "failed", "left", "jobs_per_s", "eta_at"),
    *("data_file", "layout", "started_at", "finished_at", "ranked_at", "runner", "note", "age_s"),
)
BRIEF = ("session", "name", "state", "jobs", "done", "failed", "jobs_per_s", "eta_at", "started_at")


class UnknownSession(UnknownName):
    """A session that nobody has run."""


# ── which ────────────────────────────────────────────────────────────────────
def find(store: Store, ref: str) -> Session:
    """Find a session by its number, by its name (the newest of it), or the last one.

    Raises:
        UnknownSession: there is none; with the nearest name there is.
    """
    with store.read() as view:
        found = _find(view, ref)
        if found is not None:
            return found
        known = sessions.names(view)
    if ref.isdecimal() or ref == LAST or not known:
        what = "there is no session yet" if not known else f"there is no session {ref}"
        hint = "run one: daemon session run FILE" if not known else "see them: daemon session list"
        raise UnknownSession(what, hint=hint)
    try:
        known_name(ref, known, "session")
    except UnknownName as error:
        raise UnknownSession(error.message, hint=error.hint) from None
    raise UnknownSession(f"session {ref} is gone", hint="see them: daemon session list")


def _find(view: Tx, ref: str) -> Session | None:
    named = sessions.newest(view, ref)
    if named is not None:
        return named
    if ref == LAST:
        return sessions.newest(view)
    number = int(ref) if ref.isdecimal() else 0
    return sessions.get(view, number) if 0 < number < 2**63 else None


# ── showing ──────────────────────────────────────────────────────────────────
def listed(store: Store, clock: Clock, limit: int = 50) -> Table:
    """List sessions, the newest first."""
    now_us = clock.now_us()
    with store.read() as view:
        found = sessions.listed(view, limit + 1)
    rows = [_row(session, now_us) for session in found[:limit]]
    shaped = [tuple(row[column] for column in COLUMNS) for row in rows]
    return Table("sessions", COLUMNS, shaped, BRIEF, len(found) > limit)


def state_of(session: Session | Study, now_us: int) -> str:
    """Say how a session, or a study, stands; one whose runner is gone or silent is stalled."""
    if session.state != RUNNING:
        return session.state
    if session.runner is not None and runners.gone(session.runner):
        return STALLED
    silent_us = now_us - (session.heartbeat_at_us or 0)
    return STALLED if silent_us > STALLED_S * MICROS else RUNNING


def _row(session: Session, now_us: int) -> dict[str, Any]:
    state = state_of(session, now_us)
    running = state == RUNNING
    since_us = session.finished_at_us or session.heartbeat_at_us or session.created_at_us
    return {
        "session": session.id,
        "name": session.name,
        "state": state,
        "jobs": session.jobs_total,
        "done": session.jobs_done,
        "failed": session.jobs_failed,
        "left": session.jobs_left,
        "jobs_per_s": session.jobs_per_s if running else None,
        "eta_at": _moment(session.eta_at_us) if running else None,
        "data_file": session.data_file,
        "layout": session.layout,
        "started_at": _moment(session.started_at_us),
        "finished_at": _moment(session.finished_at_us),
        "ranked_at": _moment(session.ranked_at_us),
        "runner": runners.shown(session.runner) if running and session.runner else None,
        "note": session.note,
        "age_s": max(0, now_us - since_us) / MICROS,
    }


def _moment(at_us: int | None) -> str | None:
    return None if at_us is None else iso(at_us)


def shown(store: Store, clock: Clock, ref: str) -> dict[str, Any]:
    """Tell all that is known of a session.

    Raises:
        UnknownSession: there is none.
    """
    session = find(store, ref)
    with store.read() as view:
        report = sessions.report(view, session.id)
        places = sessions.places(view, session.id, PLACES)
        found = results.chosen(view, session.id, [place.n for place in places])
        failed = results.failures(view, session.id, 1, session.jobs_total, FAILURES)
        blocks = len(result_blocks.links(view, session.id)) if session.layout == BLOCKS else None
    row = _row(session, clock.now_us())
    return {
        **row,
        "progress": (session.jobs_done + session.jobs_failed) / max(1, session.jobs_total),
        "evaluated": session.jobs_evaluated,
        "cells": session.cells,
        "data_digest": session.data_digest,
        "data_rows": session.data_rows,
        "engine_version": session.engine_version,
        "blocks": blocks,
        "grids": list(reading.grids_of(session)),
        "spec": dict(session.spec),
        "ranking": [_placed(place, found) for place in places if place.n in found],
        "report": report,
        "failures": [{"job_id": row.job_id, "error": row.error} for row in failed],
    }


def _placed(place: Place, found: dict[int, results.JobRow]) -> dict[str, Any]:
    row = found[place.n]
    figures = {} if row.figures is None else row.figures.document()
    names = ("realized_pnl_usd", "max_drawdown_pct", "total_trades", "win_rate")
    return {
        "job_id": row.job_id,
        **asdict(place),
        "params": dict(row.own),
        **{name: figures.get(name) for name in names},
    }


# ── ending ───────────────────────────────────────────────────────────────────
def cancel(store: Store, clock: Clock, ref: str) -> str:
    """Have a session end; says what will become of it.

    Raises:
        UnknownSession: there is none.
    """
    session = find(store, ref)
    now_us = clock.now_us()
    if session.state in {DONE, CANCELLED}:
        return f"session {session.id} is {session.state} already"
    running = state_of(session, now_us) == RUNNING
    with store.write() as tx:
        sessions.request_cancel(tx, session.id, now_us)
        if not running:
            sessions.settle(tx, session.id, CANCELLED, now_us, "it was cancelled")
    if running:
        who = "whoever runs it" if session.runner is None else runners.shown(session.runner)
        return f"session {session.id} ends within a second: {who} was asked to stop"
    return f"session {session.id} is cancelled; running it again goes on with it"
