"""What the core knows now: one row, rewritten by every cycle, read once at a start."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, text

from daemon.errors import StoreError
from daemon.store.ready import Ready
from daemon.store.tables import memory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.store.store import Tx

_READ = Ready(select(*(column for column in memory.c if column.name != "id")))

# Encoded past the careful form that hashes need: it is run in every cycle.
_REMEMBER = (
    "INSERT INTO memory (id, at_us, block, policy, mode, epoch, state)"
    " VALUES (1, :at_us, :block, :policy, :mode, :epoch, {})"
    " ON CONFLICT (id) DO UPDATE SET at_us = excluded.at_us, block = excluded.block,"
    " policy = excluded.policy, mode = excluded.mode, epoch = excluded.epoch,"
    " state = excluded.state"
)
_WAYS = {
    "sqlite": Ready(text(_REMEMBER.format(":state"))),
    "postgresql": Ready(text(_REMEMBER.format("CAST(:state AS jsonb)"))),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The state of the core after a block, under which policy, mode and leader."""

    at_us: int
    block: int
    """The newest block that was judged."""
    mode: str
    epoch: int
    state: Mapping[str, Any]
    policy: str | None = None
    """The digest of the policy."""


def remember(tx: Tx, known: Memory) -> None:
    """Write down what the core knows, over what it knew before."""
    try:
        state = json.dumps(known.state, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StoreError(f"what the core knows cannot be written down: {error}") from error
    _WAYS[tx.dialect.name].run(
        tx,
        at_us=known.at_us,
        block=known.block,
        policy=known.policy,
        mode=str(known.mode),
        epoch=known.epoch,
        state=state,
    )


def recall(tx: Tx) -> Memory | None:
    """Read what the core knew last; None before its first cycle."""
    found = _READ.records(tx)
    return Memory(**found[0]) if found else None
