"""What must hold of the record, one query each: it returns the rows that break it.

The first lines of a file say what must hold and why. The queries are good on
every database but for one word: ``@each(x)`` lists the keys and values of a JSON
object. Names with a colon are the places to look from, and the moment it is now.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, text

from daemon.store import chain
from daemon.store.chain import STREAMS
from daemon.store.ready import Ready
from daemon.store.tables import events

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.store.store import Tx

ROWS_TOLD = 20
"""At most so many of the rows that break something are told."""

_EACH = {"sqlite": "json_each", "postgresql": "jsonb_each"}
_FROM = {
    "event": "change_events",
    "decision": "decisions",
    "entry": "rule_history",
    "note": "events",
}
"""Behind which row of each stream a check begins."""

_FIRST_CHANGE = text(
    """
    select min(id) from (
      select min(change_id) as id from change_events where seq > :event
      union all
      select min(id) from changes
      where state in ('applying', 'observing', 'rolling_back', 'stuck')
      union all
      select coalesce(max(id), 0) + 1 from changes
    ) as first
    """
)

_STANDING = text(
    """
    select name, value from rules r
    where retired_at_us is null and foreign_at_us is null and not exists (
      select 1 from changes c
      where c.rule = r.name and c.state in ('applying', 'rolling_back', 'stuck')
    )
    """
)


@cache
def names() -> tuple[str, ...]:
    """Name every invariant that is a query."""
    return tuple(
        sorted(
            entry.name.removesuffix(".sql")
            for entry in resources.files(__package__).iterdir()
            if entry.name.endswith(".sql")
        )
    )


@cache
def load(name: str) -> str:
    """Read the query of an invariant."""
    return (resources.files(__package__) / f"{name}.sql").read_text(encoding="utf-8")


def promise(name: str) -> str:
    """Say what must hold."""
    return load(name).splitlines()[0].removeprefix("--").strip()


def needs_now(name: str) -> bool:
    """Tell whether an invariant is about time that passes, and not only about what is on record."""
    return ":now_us" in load(name)


def places(tx: Tx, tail: int | None) -> dict[str, int]:
    """Find where to look from: the last rows of each stream, and every change that they are about.

    A change that is open is looked at however old it is. Without ``tail``: everything.
    """
    if tail is None:
        return {"change": 0, **dict.fromkeys(_FROM, 0)}
    behind = {
        name: max(0, chain.stored_head(tx, STREAMS[stream]).seq - tail)
        for name, stream in _FROM.items()
    }
    first = tx.execute(_FIRST_CHANGE, {"event": behind["event"]}).scalar_one()
    return {"change": int(first), **behind}


def broken(tx: Tx, name: str, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Ask for rows that break an invariant; at most `ROWS_TOLD` of them."""
    return _statement(name, tx.dialect.name).records(tx, ROWS_TOLD, **given)


def standing(tx: Tx) -> dict[str, float]:
    """Give the value that each rule should have now; one that is just being set is left out."""
    return {row.name: row.value for row in tx.execute(_STANDING)}


@cache
def _statement(name: str, dialect: str) -> Ready:
    return Ready(text(load(name).replace("@each", _EACH[dialect])))


ACCEPTED = "invariants_accepted"
"""The event by which a person says that they understood what broke an invariant."""


def accepted(tx: Tx) -> set[str]:
    """Read which findings a person has accepted, by their fingerprints."""
    found = tx.execute(select(events.c.body).where(events.c.kind == ACCEPTED)).scalars()
    return {one for body in found for one in body["findings"]}
