"""Whether each signal is fit as evidence, as the running service judged it last."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from daemon.store.samples import FAULT_BUCKET_US, declare
from daemon.store.tables import sample_faults, signal_states, signals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from daemon.store.store import Tx

OK = "ok"


class Judged(NamedTuple):
    """What was judged of a signal, since when, and with which numbers."""

    state: str
    since_us: int
    detail: str | None = None


class Turn(NamedTuple):
    """A signal that is judged otherwise than before; one that was never judged was fit."""

    signal: str
    before: str
    now: str


def put_states(tx: Tx, judged: Mapping[str, tuple[str, str | None]], at_us: int) -> list[Turn]:
    """Write down states and details of signals; returns whose state turned.

    Only what differs is written. A signal that is not known yet becomes known:
    that it never gave anything is what is said of it.
    """
    before = states(tx)
    changed = {
        name: (state, detail)
        for name, (state, detail) in judged.items()
        if (known := before.get(name)) is None or (known.state, known.detail) != (state, detail)
    }
    if not changed:
        return []
    ids, rows, turns = declare(tx, changed, at_us), [], []
    for name, (state, detail) in changed.items():
        known = before.get(name)
        same = known is not None and known.state == state
        rows.append(
            {
                "signal_id": ids[name].id,
                "state": state,
                "detail": detail,
                "since_us": known.since_us if known and same else at_us,
            }
        )
        if state != (known.state if known else OK):
            turns.append(Turn(name, known.state if known else OK, state))
    _write(tx, rows)
    return turns


def states(tx: Tx) -> dict[str, Judged]:
    """Read what was judged of every signal."""
    columns = signal_states.c
    query = select(signals.c.name, columns.state, columns.since_us, columns.detail).join(
        signal_states, columns.signal_id == signals.c.id
    )
    return {name: Judged(*judged) for name, *judged in tx.execute(query.order_by(signals.c.name))}


def refused(tx: Tx, names: Iterable[str], since_us: int) -> dict[str, dict[str, int]]:
    """Count what was refused of signals since a moment, by reason; whole minutes only."""
    columns = sample_faults.c
    query = (
        select(signals.c.name, columns.fault, func.sum(columns.n))
        .join(sample_faults, columns.signal_id == signals.c.id)
        .where(
            signals.c.name.in_(list(names)),
            columns.bucket_us >= since_us - since_us % FAULT_BUCKET_US,
        )
        .group_by(signals.c.name, columns.fault)
    )
    found: dict[str, dict[str, int]] = {}
    for name, fault, count in tx.execute(query):
        found.setdefault(name, {})[fault] = int(count)
    return found


def _write(tx: Tx, rows: list[dict[str, object]]) -> None:
    onto = postgres_insert if tx.dialect.name == "postgresql" else sqlite_insert
    statement = onto(signal_states)
    new = {name: statement.excluded[name] for name in ("state", "since_us", "detail")}
    tx.execute(statement.on_conflict_do_update(index_elements=["signal_id"], set_=new), rows)
