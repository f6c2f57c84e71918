"""What was seen each time somebody asked whether a study should run again."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from daemon.store.tables import study_triggers

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from daemon.store.store import Tx

SAID, RESTING = "said", "resting_days"
_WORDS = frozenset({SAID, RESTING})
"""Evidence that differs from look to look although nothing else does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTrigger:
    """What one kind of reason came to."""

    name: str
    at_us: int
    kind: str
    fired: int
    evidence: Mapping[str, Any]
    study_id: int | None = None
    """The study that was looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerRow(NewTrigger):
    """The same on record."""

    id: int
    started_study_id: int | None = None
    """The study that was begun for it."""


_READ = select(*(study_triggers.c[item.name] for item in fields(TriggerRow)))


def record(tx: Tx, seen: Sequence[NewTrigger]) -> list[int]:
    """Write down what was seen, each kind once; returns the rows that say it.

    Who looks again and sees the same writes nothing: the row that says so is given again.
    """
    found = []
    for one in seen:
        last = newest(tx, one.name, 1, [one.kind])
        if last and _same(last[0], one):
            found.append(last[0].id)
            continue
        row = asdict(one) | {"evidence": dict(one.evidence)}
        inserted = tx.execute(insert(study_triggers).values(row)).inserted_primary_key
        found.append(int(inserted[0]) if inserted else 0)
    return found


def _same(last: TriggerRow, now: NewTrigger) -> bool:
    if last.started_study_id is not None or last.fired != now.fired:
        return False
    return last.study_id == now.study_id and _figures(last) == _figures(now)


def _figures(row: NewTrigger) -> dict[str, Any]:
    return {key: value for key, value in row.evidence.items() if key not in _WORDS}


def newest(tx: Tx, name: str | None, limit: int, kinds: Collection[str] = ()) -> list[TriggerRow]:
    """Read the newest rows, of a study's name or of all, of some kinds or of all."""
    query = _READ.order_by(study_triggers.c.id.desc()).limit(limit)
    if name is not None:
        query = query.where(study_triggers.c.name == name)
    if kinds:
        query = query.where(study_triggers.c.kind.in_(kinds))
    return [TriggerRow(**row) for row in tx.execute(query).mappings()]


def started(tx: Tx, ids: Collection[int], study_id: int) -> int:
    """Say which study was begun for some rows; those that began another one keep it."""
    mine = update(study_triggers).where(
        study_triggers.c.id.in_(ids), study_triggers.c.started_study_id.is_(None)
    )
    return tx.execute(mine.values(started_study_id=study_id)).rowcount
