"""What people ask of the service: a row each, carried out once by whoever leads, and answered."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, literal, or_, select, text, update

from daemon.errors import Exit
from daemon.store.ready import Ready
from daemon.store.tables import commands
from daemon.store.types import Count, Json

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


_FILE = Ready(
    text(
        "INSERT INTO commands (key, kind, actor, at_us, args, reason, expires_at_us, state)"
        " VALUES (:key, :kind, :actor, :at_us, :args, :reason, :expires_at_us, :state)"
        " ON CONFLICT (key) DO NOTHING"
    ).bindparams(bindparam("args", type_=Json()))
)
_FILED = Ready(select(commands.c.id).where(commands.c.key == bindparam("of_key")))
_PENDING = Ready(
    select(commands)
    .where(commands.c.state == PENDING)
    .order_by(commands.c.id)
    .limit(bindparam("most", type_=Count))
)
_ABANDONED_BY = Ready(
    select(commands.c.id)
    .where(commands.c.state == RUNNING, commands.c.epoch < bindparam("before"))
    .order_by(commands.c.id)
)
_TAKE = Ready(
    update(commands)
    .where(commands.c.id == bindparam("command_id"), commands.c.state == PENDING)
    .values(state=literal(RUNNING), epoch=bindparam("epoch"))
)
_FINISH = Ready(
    update(commands)
    .where(
        commands.c.id == bindparam("command_id"),
        or_(commands.c.state == PENDING, commands.c.state == RUNNING),
    )
    .values({name: bindparam(name) for name in ("state", "exit_code", "result", "done_at_us")})
)


def file(tx: Tx, command: NewCommand) -> int:
    """Ask for something; returns the id. The same key is the same command."""
    _FILE.run(tx, **{**asdict(command), "state": PENDING})
    return int(_FILED.value(tx, of_key=command.key))


def pending(tx: Tx, limit: int = 1000) -> list[Command]:
    """Read what nobody has begun yet, oldest first.

    So many that a kill is seen behind a script's steps, which wait for a cycle each.
    """
    return [Command(**row) for row in _PENDING.records(tx, most=limit)]


def take(tx: Tx, command_id: int, epoch: int) -> bool:
    """Begin a command; False if it has been begun or has expired."""
    return _TAKE.run(tx, command_id=command_id, epoch=epoch) == 1


def finish(
    tx: Tx, command_id: int, state: str, exit_code: int, result: Mapping[str, Any], at_us: int
) -> bool:
    """Answer a command, begun or not; False if it has its answer already."""
    if state not in FINISHED:
        raise ValueError(f"{state} is no end of a command")
    answer = {"state": state, "exit_code": int(exit_code), "result": dict(result)}
    return _FINISH.run(tx, command_id=command_id, **answer, done_at_us=at_us) == 1


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
    left = [command_id for (command_id,) in _ABANDONED_BY.rows(tx, before=epoch)]
    _answer(tx, left, {"state": FAILED, "exit_code": Exit.FAILED.value}, _ABANDONED, at_us)
    return left


def _answer(tx: Tx, ids: list[int], values: Mapping[str, Any], text: str, at_us: int) -> None:
    if ids:
        ended = update(commands).where(commands.c.id.in_(ids))
        tx.execute(ended.values(**values, result={"text": text}, done_at_us=at_us))


def _read(tx: Tx, query: Select[Any]) -> list[Command]:
    return [Command(**row) for row in tx.execute(query).mappings()]
