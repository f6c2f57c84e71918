"""Whether each signal is fit as evidence, as the running service judged it last."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, func, select

from daemon.store import upsert
from daemon.store.ready import Ready
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


_STATES = Ready(
    select(signals.c.name, signal_states.c.state, signal_states.c.since_us, signal_states.c.detail)
    .join(signal_states, signal_states.c.signal_id == signals.c.id)
    .order_by(signals.c.name)
)


def states(tx: Tx) -> dict[str, Judged]:
    """Read what was judged of every signal."""
    return {name: Judged(*judged) for name, *judged in _STATES.rows(tx)}


_REFUSED = Ready(
    select(signals.c.name, sample_faults.c.fault, func.sum(sample_faults.c.n))
    .join(sample_faults, sample_faults.c.signal_id == signals.c.id)
    .where(sample_faults.c.bucket_us >= bindparam("since_us"))
    .group_by(signals.c.name, sample_faults.c.fault)
)


def refused(tx: Tx, names: Iterable[str], since_us: int) -> dict[str, dict[str, int]]:
    """Count what was refused of signals since a moment, by reason; whole minutes only."""
    wanted, found = set(names), dict[str, dict[str, int]]()
    for name, fault, count in _REFUSED.rows(tx, since_us=since_us - since_us % FAULT_BUCKET_US):
        if name in wanted:
            found.setdefault(name, {})[fault] = int(count)
    return found


def _write(tx: Tx, rows: list[dict[str, object]]) -> None:
    statement = upsert.insert(tx, signal_states)
    new = {name: statement.excluded[name] for name in ("state", "since_us", "detail")}
    tx.execute(statement.on_conflict_do_update(index_elements=["signal_id"], set_=new), rows)
