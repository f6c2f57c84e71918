"""What people ask of the service: a row each, carried out once by whoever leads, and answered."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from daemon.errors import Exit
from daemon.store.tables import commands

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Select

    from daemon.store.store import Tx

PENDING, RUNNING, DONE = "pending", "running", "done"
REFUSED, FAILED, EXPIRED = "refused", "failed", "expired"
FINISHED = frozenset({DONE, REFUSED, FAILED, EXPIRED})
"""States of a command that has its answer."""

_ABANDONED = "the daemon stopped while carrying it out: look at `daemon ctl status`"
_EXPIRED = "nobody carried it out in time; nothing was done"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCommand:
    """What is asked, by whom, and until when it makes sense to do it."""

    key: str
    """Of this request and no other: asked twice, it is done once."""
    kind: str
    actor: str
    at_us: int
    args: Mapping[str, Any]
    reason: str | None = None
    expires_at_us: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command, and what became of it."""

    id: int
    key: str
    kind: str
    args: Mapping[str, Any]
    actor: str
    reason: str | None
    at_us: int
    expires_at_us: int | None
    state: str
    result: Mapping[str, Any] | None
    exit_code: int | None
    epoch: int | None
    done_at_us: int | None


def file(tx: Tx, command: NewCommand) -> int:
    """Ask for something; returns the id. The same key is the same command."""
    onto = postgres_insert if tx.dialect.name == "postgresql" else sqlite_insert
    row = {**asdict(command), "state": PENDING}
    tx.execute(onto(commands).values(row).on_conflict_do_nothing(index_elements=["key"]))
    known = select(commands.c.id).where(commands.c.key == command.key)
    return int(tx.execute(known).scalar_one())


def pending(tx: Tx, limit: int = 1000) -> list[Command]:
    """Read what nobody has begun yet, oldest first.

    So many that a kill is seen behind a script's steps, which wait for a cycle each.
    """
    query = select(commands).where(commands.c.state == PENDING)
    return _read(tx, query.order_by(commands.c.id).limit(limit))


def take(tx: Tx, command_id: int, epoch: int) -> bool:
    """Begin a command; False if it has been begun or has expired."""
    begun = update(commands).where(commands.c.id == command_id, commands.c.state == PENDING)
    return tx.execute(begun.values(state=RUNNING, epoch=epoch)).rowcount == 1


def finish(
    tx: Tx, command_id: int, state: str, exit_code: int, result: Mapping[str, Any], at_us: int
) -> bool:
    """Answer a command, begun or not; False if it has its answer already."""
    if state not in FINISHED:
        raise ValueError(f"{state} is no end of a command")
    unanswered = commands.c.state.in_((PENDING, RUNNING))
    answer = {"state": state, "exit_code": int(exit_code), "result": dict(result)}
    ended = update(commands).where(commands.c.id == command_id, unanswered)
    return tx.execute(ended.values(**answer, done_at_us=at_us)).rowcount == 1


def get(tx: Tx, command_id: int) -> Command | None:
    """Read a command."""
    found = _read(tx, select(commands).where(commands.c.id == command_id))
    return found[0] if found else None


def recent(tx: Tx, limit: int = 50) -> list[Command]:
    """Read the newest commands, newest first."""
    return _read(tx, select(commands).order_by(commands.c.id.desc()).limit(limit))


def expire(tx: Tx, now_us: int) -> list[int]:
    """Answer what nobody began in time; returns which."""
    late = (commands.c.state == PENDING, commands.c.expires_at_us <= now_us)
    gone = list(tx.execute(select(commands.c.id).where(*late).order_by(commands.c.id)).scalars())
    _answer(tx, gone, {"state": EXPIRED, "exit_code": Exit.TRY_AGAIN.value}, _EXPIRED, now_us)
    return gone


def abandoned(tx: Tx, epoch: int, at_us: int) -> list[int]:
    """Answer what an earlier leader began and never finished; returns which.

    Nobody knows how far it came, so it is not begun again.
    """
    begun = (commands.c.state == RUNNING, commands.c.epoch < epoch)
    left = list(tx.execute(select(commands.c.id).where(*begun).order_by(commands.c.id)).scalars())
    _answer(tx, left, {"state": FAILED, "exit_code": Exit.FAILED.value}, _ABANDONED, at_us)
    return left


def _answer(tx: Tx, ids: list[int], values: Mapping[str, Any], text: str, at_us: int) -> None:
    if ids:
        ended = update(commands).where(commands.c.id.in_(ids))
        tx.execute(ended.values(**values, result={"text": text}, done_at_us=at_us))


def _read(tx: Tx, query: Select[Any]) -> list[Command]:
    return [Command(**row) for row in tx.execute(query).mappings()]
