"""Where samples go that somebody pushes: to the sources that declare their signals."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from daemon.ports import Declared, Reading


class Pushed(Protocol):
    """A source that is pushed to."""

    buffer: int
    """How many samples it holds at most."""

    def signals(self) -> Mapping[str, Declared]:
        """Say which signals it provides."""
        ...

    def room(self) -> int:
        """Say how many samples it would take now."""
        ...

    def offer(self, readings: Sequence[Reading]) -> int:
        """Take samples, all or none; returns how many."""
        ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a batch."""

    accepted: int = 0
    strangers: tuple[str, ...] = ()
    """Signals that no source declares: their samples were left out."""
    left_out: int = 0
    full: bool = False
    """There is no room now; nothing was taken."""
    too_large: int = 0
    """The batch is larger than a buffer, which holds this many; nothing was taken."""


class Inbox:
    """Shares batches out among the sources. Called from one thread, that of the door."""

    def __init__(self, sources: Sequence[Pushed]) -> None:
        self._sources = tuple(sources)
        self._homes = {
            signal: number
            for number, source in reversed([*enumerate(self._sources)])
            for signal in source.signals()
        }

    def deliver(self, readings: Sequence[Reading]) -> Delivery:
        """Take a batch: all samples of signals that are known, or none."""
        shares: dict[int, list[Reading]] = {}
        strangers: dict[str, int] = {}
        for reading in readings:
            home = self._homes.get(reading.signal)
            if home is None:
                strangers[reading.signal] = strangers.get(reading.signal, 0) + 1
            else:
                shares.setdefault(home, []).append(reading)
        so_far = Delivery(strangers=tuple(sorted(strangers)), left_out=sum(strangers.values()))
        for home, share in shares.items():
            source = self._sources[home]
            if len(share) > source.buffer:
                return replace(so_far, too_large=source.buffer)
            if len(share) > source.room():  # only this thread makes it smaller
                return replace(so_far, full=True)
        taken = sum(self._sources[home].offer(share) for home, share in shares.items())
        return replace(so_far, accepted=taken)
