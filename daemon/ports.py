"""The protocols between services and adapters, and the values that cross them.

A source brings samples in; controls hold the values of rules; alerts reach a
person. Whoever implements one of them knows nothing of the others, and raises
nothing but the faults named here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from daemon.errors import DaemonError
from daemon.tuning.stamp import Stamp

Mark = Mapping[str, Any]
"""How far a source was read, as plain JSON: what it needs to go on after a restart."""


# ── signals ──────────────────────────────────────────────────────────────────
class SourceFault(DaemonError):  # noqa: N818 - a state, not a bug
    """A source could not be read this time; it is asked again."""


class Reading(NamedTuple):
    """One value of one signal at one moment, as the source gave it."""

    signal: str
    at_us: int
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a source says of a signal that it provides."""

    unit: str | None = None
    description: str | None = None
    period_s: float | None = None
    """How often a value is expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Polled:
    """What a source had to give since it was last asked."""

    readings: Sequence[Reading] = ()
    mark: Mark | None = None
    """How far it was read with these; None where there is nothing to remember."""
    unreadable: int = 0
    """Lines, answers or values that could not be read; they are counted, never guessed."""
    example: str | None = None
    """The first of them, with the reason, for a person."""
    more: bool = False
    """There is more at once: ask again without waiting."""


class Source(Protocol):
    """Where samples come from. One thread asks it; it never waits longer than its time-out."""

    @property
    def name(self) -> str:
        """Its name in the settings."""
        ...

    @property
    def period_s(self) -> float:
        """How often it wants to be asked."""
        ...

    def signals(self) -> Mapping[str, Declared]:
        """Say which signals it provides."""
        ...

    def resume(self, mark: Mark | None) -> None:
        """Go on from where it was read up to; from where it begins by itself if None."""
        ...

    def poll(self) -> Polled:
        """Give what is new.

        Raises:
            SourceFault: it could not be read this time.
        """
        ...

    def close(self) -> None:
        """Let go of files, connections and children."""
        ...


# ── controls ─────────────────────────────────────────────────────────────────
class Author(StrEnum):
    """Who set a value that the controls hold, as far as its stamp tells."""

    DAEMON = "daemon"
    """Our stamp is on it and fits: the value is the one that was written with it."""
    PERSON = "person"
    """There is no stamp, or it does not fit: somebody else wrote it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the controls hold for a rule."""

    value: float
    author: Author = Author.PERSON
    change_id: int | None = None
    epoch: int = 0

    @classmethod
    def stamped(cls, rule: str, value: float, stamp: Stamp | None) -> Held:
        """Tell from the stamp beside a value whose it is."""
        if stamp is None or not stamp.fits(rule, value):
            return cls(value=value)
        return cls(value=value, author=Author.DAEMON, change_id=stamp.change_id, epoch=stamp.epoch)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Set a rule to a value: absolute, so that it may be repeated."""

    rule: str
    value: float
    epoch: int
    change_id: int | None = None

    def stamp(self) -> Stamp:
        """Make the stamp to be written beside the value."""
        return Stamp.of(self.rule, self.value, self.change_id, self.epoch)


class ControlsFault(DaemonError):  # noqa: N818 - a state, not a bug
    """The controls could not be read or written; what they hold now is unknown until read."""


class ControlsRefused(ControlsFault):
    """The controls answered and did not do it: what they hold is unchanged."""


class ControlsFenced(ControlsFault):
    """The controls have seen a newer leader: this one may write no more."""


class Controls(Protocol):
    """Where the governed system reads the values of its rules."""

    @property
    def name(self) -> str:
        """Its name in the settings."""
        ...

    def take_over(self, epoch: int) -> None:
        """Refuse every older epoch from now on; before anything is read.

        Raises:
            ControlsFenced: they have seen a newer epoch.
            ControlsFault: it could not be done.
        """
        ...

    def read(self, rules: Sequence[str]) -> Mapping[str, Held]:
        """Read what is held now, from where the governed system reads it.

        A rule that was never set is left out.

        Raises:
            ControlsFault: it cannot be read, or makes no sense.
        """
        ...

    def write(self, orders: Sequence[Order]) -> None:
        """Set values, all of them or, where the surface can do no better, one after the other.

        Raises:
            ControlsFenced: a newer leader has taken over.
            ControlsRefused: nothing was changed.
            ControlsFault: nobody knows what was changed; read again.
        """
        ...

    def held(self) -> str | None:
        """Say why a person wants no change at all; None if nobody does."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


# ── alerts ───────────────────────────────────────────────────────────────────
class AlertFault(DaemonError):  # noqa: N818 - a state, not a bug
    """An alert could not be delivered this time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something a person should know about now."""

    id: int
    at_us: int
    kind: str
    """What happened: ``stuck_rollback``, ``inconsistent``, ``dead_source``, ..."""
    key: str
    """What it is about: alerts of one kind and key are one alert until it is resolved."""
    severity: str
    text: str
    """A sentence, with what to do."""
    body: Mapping[str, Any] = field(default_factory=dict)
    resolved: bool = False


class Alerts(Protocol):
    """A way to reach a person."""

    def send(self, alert: Alert) -> None:
        """Deliver an alert.

        Raises:
            AlertFault: it could not be delivered; it is tried again later.
        """
        ...
