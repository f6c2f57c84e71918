"""Whether what is on record can be true: checked at start, every hour, and by hand.

What breaks is a fault of the daemon's own, or of somebody with the rights to its
database: no mishap of the system it tunes, of its signals or of its controls
breaks an invariant. A daemon that finds one broken observes, and changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from daemon.clock import MICROS
from daemon.ports import Author
from daemon.store import chain, invariants
from daemon.store.invariants import ROWS_TOLD

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from daemon.ports import Held
    from daemon.services.loop.journal import Stamp
    from daemon.store.store import Tx

TAIL = 2_000
"""So many rows of each stream are looked at unless all are asked for: a few milliseconds' worth."""

GRACE_S = 600.0
"""How much longer than four windows a change may stay open."""

SLACK_S = 5.0
"""By how much a rest may fall short: cycles begin when a block ends, give or take."""

SAME = 1e-9
"""Two values of a rule are the same if they differ by no more than this share."""


@dataclass(frozen=True, slots=True)
class Broken:
    """One invariant that does not hold."""

    name: str
    detail: str
    """What should hold, in a sentence."""
    rows: Sequence[Mapping[str, Any]]
    """The first rows that show that it does not."""

    def __str__(self) -> str:
        """Render as ``name: what should hold (the first row)``."""
        shown = ", ".join(f"{key}={value}" for key, value in self.rows[0].items())
        return f"{self.name}: {self.detail} ({shown})"


def check(
    view: Tx,
    *,
    full: bool = False,
    tail: int = TAIL,
    now: Stamp | None = None,
    readings: Mapping[str, Held] | None = None,
) -> list[Broken]:
    """Check every invariant; what comes back is broken.

    Args:
        view: where the record is read.
        full: look at everything, however long that takes, and not only at the newest rows.
        tail: how many rows of each stream are new.
        now: the present; without it nobody is told to be late, as at a start after a long rest.
        readings: what the controls hold; without it they are not compared.
    """
    last = None if full else tail
    found = [
        *of_record(view, last, now),
        *of_chains(view, last),
        *of_controls(view, readings or {}),
    ]
    return without(found, invariants.accepted(view)) if found else []


def without(found: Sequence[Broken], accepted: Container[str]) -> list[Broken]:
    """Leave out what a person has looked at and accepted, row by row."""
    left = (
        replace(one, rows=[row for row in one.rows if fingerprint(one.name, row) not in accepted])
        for one in found
    )
    return [one for one in left if one.rows]


def fingerprints(found: Iterable[Broken]) -> list[str]:
    """Name every row of some findings, so that they can be accepted and nothing else."""
    return sorted({fingerprint(one.name, row) for one in found for row in one.rows})


def fingerprint(name: str, row: Mapping[str, Any]) -> str:
    """Name a row that breaks an invariant by what it says."""
    said = json.dumps([name, dict(row)], sort_keys=True, default=str)
    return hashlib.sha256(said.encode()).hexdigest()


def promises() -> dict[str, str]:
    """Name every invariant, and say what must hold."""
    asked = {name: invariants.promise(name) for name in invariants.names()}
    return {**asked, "hash_chain": _CHAINED, "controls": _HELD}


_CHAINED = "No row of the history was altered, removed, added or moved."
_HELD = "The controls hold what was applied last, wherever our stamp is on them."


def of_record(view: Tx, tail: int | None, now: Stamp | None = None) -> Iterator[Broken]:
    """Check what queries can tell, of the last rows of each stream or of all."""
    given: dict[str, Any] = {
        **invariants.places(view, tail),
        "slack_us": round(SLACK_S * MICROS),
        "grace_us": round(GRACE_S * MICROS),
    }
    if now is not None:
        given |= {"now_us": now.at_us, "boot_id": now.boot_id, "elapsed_us": now.elapsed_us}
    for name in invariants.names():
        if now is None and invariants.needs_now(name):
            continue
        rows = invariants.broken(view, name, given)
        if rows:
            yield Broken(name, invariants.promise(name), rows)


def of_chains(view: Tx, last: int | None) -> Iterator[Broken]:
    """Check the hashes of the last rows of each stream, or of all."""
    breaks = [
        {"stream": one.stream, "seq": one.seq, "what": one.what, "detail": one.detail}
        for stream in chain.STREAMS.values()
        for one in chain.verify(view, stream, last=last).breaks
    ]
    if breaks:
        yield Broken("hash_chain", _CHAINED, breaks[:ROWS_TOLD])


def of_controls(view: Tx, readings: Mapping[str, Held]) -> Iterator[Broken]:
    """Compare what is held with what was applied; what a person set is theirs to set."""
    rows = [
        {"rule": rule, "value": value, "held": held.value, "change_id": held.change_id}
        for rule, value in (invariants.standing(view) if readings else {}).items()
        if (held := readings.get(rule)) is not None
        and held.author is Author.DAEMON
        and abs(held.value - value) > SAME * max(abs(held.value), abs(value))
    ]
    if rows:
        yield Broken("controls", _HELD, rows)
