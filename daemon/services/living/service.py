"""What a running service is made of, as those see it who drive it and those who ask it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from daemon.clock import Clock
    from daemon.services.living.metrics import Meters
    from daemon.services.living.pulse import Pulse
    from daemon.services.submitting.desk import Desk
    from daemon.services.watching.inbox import Inbox
    from daemon.store.lease import Holder


class Engine(Protocol):
    """What is done: the leader's work. Called from one thread but for `status`."""

    def start(self) -> None:
        """Set right what an earlier leader left open, and check that all is sound.

        The lease is held. Where this takes longer than the lease lives, the engine
        itself shows that it does.

        Raises:
            ConfigError: what the operator wrote does not hold.
        """
        ...

    def due_us(self) -> int:
        """Say when the next cycle is due, on the scale of `Clock.elapsed_us`."""
        ...

    def cycle(self) -> None:
        """Do one cycle, its rows written when this returns.

        Raises:
            StoreUnavailable: the database was away; nothing is lost, and it is tried again.
            StoreBroken: a commit failed on the disk; nothing may go on in this process.
            NotLeader: somebody else leads now.
        """
        ...

    def between(self) -> None:
        """Do what cannot wait for a cycle, in a fraction of a second. Raises as `cycle` does."""
        ...

    def reload(self) -> str:
        """Read the configuration again; return what changed, in words.

        Raises:
            ConfigError: it does not hold; the one in force stays.
        """
        ...

    def stop(self) -> None:
        """Begin nothing new, finish the step in hand, write down what is known."""
        ...

    def status(self) -> Mapping[str, Any]:
        """Say how it stands, from memory and at once: any thread may ask.

        Keys that are understood here: ``mode``, ``epoch``, ``open_changes``,
        ``frozen`` and ``inconsistent`` (names of rules), ``stale_sources`` (names),
        ``disk_free_bytes``, ``disk_floor_bytes``, ``violations`` (a number).
        """
        ...


class Lease(Protocol):
    """The right to lead, and whoever has it."""

    @property
    def rival(self) -> Holder | None:
        """Who leads, as seen last."""
        ...

    @property
    def rival_lives(self) -> bool:
        """Whether that is certain."""
        ...

    def acquire(self) -> int | None:
        """Try to lead; returns the epoch, or None."""
        ...

    def release(self) -> None:
        """Let the next one lead; nothing happens if this one does not."""
        ...


@dataclass(frozen=True)
class Service:
    """The parts of a service that is put together and not yet running."""

    engine: Engine
    lease: Lease
    clock: Clock
    pulse: Pulse
    meters: Meters
    inbox: Inbox | None = None
    """None where the settings name no source that is pushed to."""
    desk: Desk | None = None
    """Takes in studies that programs hand in; None where nobody runs them."""

    def status(self) -> Mapping[str, Any]:
        """Say how it stands; any thread may ask."""
        return self.engine.status()
