"""Calibrations: recorded once, never altered; and the past that they are made from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import insert, select, text

from daemon.store.samples import lookup
from daemon.store.tables import calibrations, change_events, rule_history
from daemon.tuning.vocabulary import ChangeState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import RowMapping

    from daemon.store.store import Tx

LOOKED_AT = 50
"""So many of the newest calibrations may have heard of a signal."""

UNMOVED = (ChangeState.PROPOSED, ChangeState.REJECTED, ChangeState.DRY_RUN, ChangeState.KEPT)
"""A change that enters one of these has not just moved anything."""

_FIRST = text("SELECT min(at_us) FROM samples WHERE signal_id = :id AND at_us >= :since")
_LAST = text("SELECT max(at_us) FROM samples WHERE signal_id = :id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What was measured, and who went on although it was not good enough."""

    at_us: int
    policy: str
    """The digest of the policy."""
    outcome: str
    from_us: int
    to_us: int
    quiet_s: float
    placebos: int
    false_keep: float | None
    false_worse: float | None
    reasons: Sequence[Mapping[str, Any]]
    warnings: Sequence[Mapping[str, Any]]
    signals: Sequence[Mapping[str, Any]]
    override_reason: str | None = None
    override_by: str | None = None


class Movement(NamedTuple):
    """A moment at which something may have been moved; the rule is known if it surely was."""

    at_us: int
    rule: str | None = None
    old: float | None = None
    new: float | None = None


def record(tx: Tx, calibration: Calibration) -> int:
    """Write a calibration down; returns its id."""
    inserted = tx.execute(insert(calibrations).values(asdict(calibration))).inserted_primary_key
    return int(inserted[0]) if inserted else 0


def latest(tx: Tx, policy: str | None = None) -> Calibration | None:
    """Read the newest calibration of a policy, by its digest, or of any."""
    query = select(calibrations).order_by(calibrations.c.id.desc()).limit(1)
    if policy is not None:
        query = query.where(calibrations.c.policy == policy)
    row = tx.execute(query).mappings().one_or_none()
    return None if row is None else _read(row)


def last_heard(tx: Tx, names: Iterable[str]) -> dict[str, Mapping[str, Any]]:
    """Find what was last learned of the noise of signals, whichever policy it was for."""
    query = select(calibrations.c.signals).order_by(calibrations.c.id.desc()).limit(LOOKED_AT)
    wanted = set(names)
    found: dict[str, Mapping[str, Any]] = {}
    for figures in tx.execute(query).scalars():
        for one in figures:
            if one["signal"] in wanted and one.get("heard"):
                found.setdefault(one["signal"], one["heard"])
    return found


def recorded(tx: Tx, names: Iterable[str], since_us: int) -> tuple[int, int] | None:
    """Find from when to when all of some signals were recorded; those never seen left out."""
    ids = [signal.id for signal in lookup(tx, names).values()]
    last = [at for id_ in ids if (at := tx.execute(_LAST, {"id": id_}).scalar()) is not None]
    if not last:
        return None
    since = {"since": since_us}
    first = [tx.execute(_FIRST, {"id": id_, **since}).scalar() for id_ in ids]
    return max((at for at in first if at is not None), default=max(last)), max(last)


def movements(tx: Tx, from_us: int, to_us: int) -> list[Movement]:
    """List the moments in a span at which a rule got a value, or may have got one."""
    told, done = rule_history.c, change_events.c
    values = select(told.at_us, told.rule, told.old, told.new).where(
        told.at_us >= from_us, told.at_us < to_us
    )
    steps = select(done.at_us).where(
        done.at_us >= from_us, done.at_us < to_us, done.to_state.not_in(UNMOVED)
    )
    found = [Movement(*row) for row in tx.execute(values)]
    found += [Movement(at_us) for at_us in tx.execute(steps).scalars()]
    return sorted(found, key=lambda movement: movement.at_us)


def _read(row: RowMapping) -> Calibration:
    return Calibration(**{name: value for name, value in row.items() if name != "id"})
