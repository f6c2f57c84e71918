"""A leader for tests of those who ask: it holds the lease and answers commands as it is told to."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from daemon.clock import SystemClock
from daemon.errors import Exit, NotLeader
from daemon.store import commands
from daemon.store.lease import Lease
from daemon.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daemon.store.commands import Command
    from daemon.store.store import Tx

    Answer = tuple[str, Exit, dict[str, Any]]
    Does = Callable[[Tx, Command], Answer | None]


def done(tx: Tx, command: Command) -> Answer:
    """Say that it was done."""
    del tx
    return commands.DONE, Exit.DONE, {"text": f"{command.kind} is done"}


class Leader:
    """Somebody who leads; ``does`` says what becomes of each command, None leaves it begun."""

    def __init__(self, store: Store, does: Does = done, holder: str = "tests:1:a") -> None:
        self.store = store
        self.does = does
        self.lease = Lease(store, holder, SystemClock())
        self.seen: list[Command] = []

    def carry_out(self, command_id: int) -> None:
        """Carry out one command and answer it."""
        with self.lease.write() as tx:
            found = commands.get(tx, command_id)
            assert found is not None
            if not commands.take(tx, command_id, self.lease.epoch):
                return
            self.seen.append(found)
        with self.lease.write() as tx:
            answer = self.does(tx, found)
            if answer is not None:
                state, code, result = answer
                at_us = SystemClock().now_us()
                commands.finish(tx, command_id, state, code.value, result, at_us)

    def turn(self) -> None:
        """Carry out all that waits."""
        with self.store.read() as view:
            waiting = commands.pending(view)
        for command in waiting:
            self.carry_out(command.id)


@contextmanager
def acting(store: Store, does: Does = done) -> Iterator[Leader]:
    """Take the lease in this process, as `daemon ctl` does where no service runs."""
    leader = Leader(store, does, "tests:1:ctl")
    if leader.lease.acquire() is None:
        raise NotLeader("somebody else leads")
    try:
        yield leader
    finally:
        leader.lease.release()


@contextmanager
def running(url: str, does: Does = done, *, answers: bool = True) -> Iterator[Leader]:
    """Let a leader run in a thread of its own; one that does not answer only holds the lease."""
    over = threading.Event()
    with Store.open(url) as store:
        leader = Leader(store, does)
        assert leader.lease.acquire() is not None

        def work() -> None:
            while not over.wait(0.01):
                leader.turn()

        thread = threading.Thread(target=work)
        if answers:
            thread.start()
        try:
            yield leader
        finally:
            over.set()
            if answers:
                thread.join()
            leader.lease.release()
