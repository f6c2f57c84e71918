"""What a person tells the daemon: filed as a row, carried out by whoever leads, and answered.

With the service up its leader carries it out between two cycles. With it down
this process takes the lease itself and does the same by the same code. A request
that nobody began in time is withdrawn: nothing happens behind a person's back.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from daemon.clock import MICROS
from daemon.errors import DaemonError, Exit, NotLeader, StoreUnavailable
from daemon.services.asking.undoing import way_back
from daemon.store import changes, commands, lease, listing
from daemon.store.commands import FINISHED, NewCommand
from daemon.tuning.vocabulary import OPEN_STATES, TERMINAL_STATES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from daemon.clock import Clock
    from daemon.store.commands import Command
    from daemon.store.lease import Holder
    from daemon.store.store import Store

PATIENCE_S = 30.0
"""How long an answer is waited for: six cycles."""

SPARE_S = 60.0
"""Who waits withdraws a request in time; one whose asker died is void so much later."""

POLL_S = 0.05
SLOW_POLL_S = 0.5
TELL_S = 1.0
"""After this long a person is told that, and for whom, they wait."""

STATUS = "daemon ctl status"


class Unanswered(DaemonError):  # noqa: N818 - a state, not a fault
    """Nobody carried a request out; nothing was done."""

    exit_code = Exit.TRY_AGAIN


class StillRunning(DaemonError):  # noqa: N818 - same
    """A request was begun, and how it ends is not known yet."""

    exit_code = Exit.INCONCLUSIVE


class Hands(Protocol):
    """Whoever holds the lease in this process and can carry a command out."""

    def carry_out(self, command_id: int) -> None:
        """Carry out a command that is pending, and answer it in its row."""
        ...


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request."""

    id: int
    kind: str
    state: str
    exit_code: int
    result: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """What became of it, in a sentence."""
        return str(self.result.get("text") or f"{self.kind}: {self.state}")

    @property
    def undo(self) -> str | None:
        """The command that undoes it."""
        found: str | None = self.result.get("undo")
        return found

    @property
    def changes(self) -> list[int]:
        """The changes that it is about."""
        found = self.result.get("changes") or ()
        ids = [
            one.get("change_id", one.get("id")) if isinstance(one, dict) else one for one in found
        ]
        return [int(one) for one in ids if one is not None]


class Requests:
    """Files requests and waits for their answers."""

    def __init__(  # noqa: PLR0913 - what it is composed of
        self,
        store: Store,
        clock: Clock,
        *,
        actor: str,
        key: Callable[[], str],
        acting: Callable[[], AbstractContextManager[Hands]],
        tell: Callable[[str], None] = lambda _: None,
        speed: float = 1.0,
    ) -> None:
        """Say how to reach the daemon.

        Args:
            store: where requests are filed.
            clock: what is waited by.
            actor: who asks.
            key: gives a name to each request that no other has.
            acting: takes the lease in this process.
            tell: is told what is waited for, once it takes long.
            speed: how many seconds of the clock pass in one that a person waits.
        """
        self.store = store
        self.clock = clock
        self.actor = actor
        self._key = key
        self._acting = acting
        self._tell = tell
        self._speed = speed

    def ask(
        self,
        kind: str,
        args: Mapping[str, Any],
        *,
        reason: str | None = None,
        patience_s: float = PATIENCE_S,
    ) -> Answer:
        """Have something done, and say what became of it.

        Raises:
            Unanswered: nobody did it; nothing was done, and nothing will be.
            StillRunning: it was begun and is not done yet.
        """
        at_us, patience_s = self.clock.now_us(), patience_s * self._speed
        command_id = self._file(
            NewCommand(
                key=self._key(),
                kind=kind,
                args=dict(args),
                actor=self.actor,
                reason=reason,
                at_us=at_us,
                expires_at_us=at_us + round((patience_s + SPARE_S * self._speed) * MICROS),
            )
        )
        try:
            holder = lease.held_by(self.store)
            if _leads(holder):
                found = self._wait(command_id, patience_s, holder)
                if found is not None:
                    return found
            return self._act(command_id, holder)
        except BaseException:  # whatever it is: nothing may be done that nobody waits for
            with suppress(DaemonError):
                self._withdraw(command_id)
            raise

    def _file(self, new: NewCommand) -> int:
        """Write the request down; its key makes it one even where the first answer was lost."""
        try:
            return self._filed(new)
        except StoreUnavailable:
            return self._filed(new)

    def _filed(self, new: NewCommand) -> int:
        with self.store.write() as tx:
            return commands.file(tx, new)

    # ── the leader's answer ──────────────────────────────────────────────────
    def _wait(self, command_id: int, patience_s: float, holder: Holder | None) -> Answer | None:
        """Wait until the leader has answered; None if it is gone and left the request alone."""
        begun_us, told = self.clock.elapsed_us(), False
        beat = _Beat(self.clock, holder)
        while True:
            command = self._read(command_id)
            if command.state in FINISHED:
                return _answer(command)
            waited_s = (self.clock.elapsed_us() - begun_us) / MICROS
            if waited_s >= patience_s:
                return self._given_up(command_id, holder)
            if not told and waited_s >= TELL_S * self._speed:
                self._tell(f"waiting for {_named(holder)} to carry out command {command_id}")
                told = True
            if told and beat.stopped(lease.held_by(self.store)):
                return None
            self.clock.sleep((SLOW_POLL_S if told else POLL_S) * self._speed)

    def _given_up(self, command_id: int, holder: Holder | None) -> Answer | None:
        """Withdraw a request that nobody began; on Postgres its leader may be dead."""
        command = self._read(command_id)
        if command.state in FINISHED:
            return _answer(command)
        if command.state == commands.RUNNING:
            raise StillRunning(
                f"{_named(holder)} is still carrying out command {command_id} ({command.kind})",
                hint=f"see what becomes of it: daemon ctl get commands {command_id}",
            )
        self._withdraw(command_id)
        command = self._read(command_id)
        if command.state != commands.EXPIRED:
            return _answer(command)
        raise Unanswered(
            f"{_named(holder)} holds the lease and does not answer: {command.kind} was not done",
            hint=f"{STATUS} says how it is; `daemon ctl` acts by itself once it is stopped",
        )

    # ── by ourselves ─────────────────────────────────────────────────────────
    def _act(self, command_id: int, holder: Holder | None) -> Answer:
        """Take the lease and carry the request out in this process."""
        try:
            with self._acting() as hands:
                hands.carry_out(command_id)
        except NotLeader as error:
            found = self._given_up_to(command_id, error)
            if found is not None:
                return found
            raise Unanswered(
                f"{_named(lease.held_by(self.store) or holder)} holds the lease and does not"
                f" answer: {error.message}",
                hint=f"{STATUS} says how it is; then try again",
            ) from error
        command = self._read(command_id)
        if command.state not in FINISHED:
            raise StillRunning(
                f"command {command_id} ({command.kind}) was begun and has no answer",
                hint=f"{STATUS} says how it stands",
            )
        return _answer(command)

    def _given_up_to(self, command_id: int, error: NotLeader) -> Answer | None:
        """See whether the one who leads after all has answered meanwhile; withdraw it if not."""
        self._withdraw(command_id)
        command = self._read(command_id)
        if command.state == commands.RUNNING:
            raise StillRunning(
                f"command {command_id} ({command.kind}) is being carried out: {error.message}",
                hint=f"see what becomes of it: daemon ctl get commands {command_id}",
            ) from error
        return None if command.state == commands.EXPIRED else _answer(command)

    def _withdraw(self, command_id: int) -> None:
        """Answer the request ourselves, unless somebody has begun it."""
        result = {"text": "nobody carried it out in time; nothing was done"}
        with self.store.write() as tx:
            at_us = self.clock.now_us()
            known = commands.get(tx, command_id)
            if known is not None and known.state == commands.PENDING:
                commands.finish(
                    tx, command_id, commands.EXPIRED, Exit.TRY_AGAIN.value, result, at_us
                )

    def _read(self, command_id: int) -> Command:
        with self.store.read() as view:
            found = commands.get(view, command_id)
        if found is None:
            raise Unanswered(
                f"command {command_id} is gone from the database", hint=f"{STATUS} says how it is"
            )
        return found

    def changed(self, answer: Answer) -> list[dict[str, Any]]:
        """Tell the changes that an answer is about, each with the command that undoes it."""
        with self.store.read() as view:
            rows = [changes.get(view, id_) for id_ in answer.changes]
            return [
                {
                    **{name: row[name] for name in ("id", "rule", "old", "new", "state")},
                    "undo": way_back(view, row),
                }
                for row in rows
                if row is not None
            ]

    # ── what becomes of a change ─────────────────────────────────────────────
    def follow(
        self, change_ids: Sequence[int], patience_s: float, on_wait: Callable[[float], None]
    ) -> Verdict:
        """Wait until changes are settled, and say how; ``on_wait`` is told how long it took."""
        begun_us = self.clock.elapsed_us()
        while True:
            found = self._verdict(change_ids)
            waited_s = (self.clock.elapsed_us() - begun_us) / MICROS
            if found.settled or waited_s >= patience_s:
                return found
            on_wait(waited_s)
            self.clock.sleep(min(SLOW_POLL_S * self._speed, patience_s - waited_s))

    def _verdict(self, change_ids: Sequence[int]) -> Verdict:
        with self.store.read() as view:
            rows = [row for id_ in change_ids if (row := changes.get(view, id_)) is not None]
            last = listing.last_about(view, change_ids, ("keep", "rollback", "revert", "command"))
        states = {row["state"] for row in rows}
        settled = bool(rows) and states <= TERMINAL_STATES
        said = last["explanation"] if last else None
        kind = last["kind"] if last else None
        return Verdict(
            settled=settled, states=tuple(sorted(states)), said=said, exit_code=_code(states, kind)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How changes stand."""

    settled: bool
    states: tuple[str, ...]
    said: str | None
    exit_code: Exit


def _code(states: set[str], ended_by: str | None) -> Exit:
    """Say what a script is told of how changes stand."""
    if states & {"stuck", "inconsistent"}:
        return Exit.UNVERIFIED
    if not states or states & OPEN_STATES:
        return Exit.INCONCLUSIVE
    if states == {"kept"}:
        return Exit.DONE
    if "failed" in states:
        return Exit.FAILED
    return Exit.ROLLED_BACK if ended_by == "rollback" else Exit.INCONCLUSIVE


class _Beat:
    """Whether a leader lives, by what is seen of it from one look to the next."""

    def __init__(self, clock: Clock, holder: Holder | None) -> None:
        self._clock = clock
        self._last = holder
        self._since_us = clock.elapsed_us()

    def stopped(self, now: Holder | None) -> bool:
        """Tell whether nobody leads any more; where only its beat can tell, after a while."""
        if now is None or not _leads(now):
            return True
        last = self._last
        if now.running or last is None or (now.epoch, now.beat) != (last.epoch, last.beat):
            self._last, self._since_us = now, self._clock.elapsed_us()
            return False
        return self._clock.elapsed_us() - self._since_us >= now.ttl_s * MICROS


def _leads(holder: Holder | None) -> bool:
    """Tell whether somebody may lead; a lease that nobody let go may be a dead one's."""
    return holder is not None and not holder.released and holder.running is not False


def _named(holder: Holder | None) -> str:
    return "the daemon" if holder is None else f"the daemon {holder.holder}"


def _answer(command: Command) -> Answer:
    code = Exit.FAILED.value if command.exit_code is None else command.exit_code
    return Answer(command.id, command.kind, command.state, code, command.result or {})
