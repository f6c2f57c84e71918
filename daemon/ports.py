"""The protocols between services and adapters, and the values that cross them.

A source brings samples in; controls hold the values of rules; alerts reach a
person; a bank of quotes feeds backtests, an executor runs them, and a sampler says
which of them are worth running. Whoever implements one of them knows nothing of the
others, and raises nothing but the faults named here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from daemon.errors import DaemonError, Exit
from daemon.tuning.stamp import Stamp

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.market.metrics import Columns
    from daemon.market.params import Combinations
    from daemon.market.quotes import Quotes
    from daemon.search.studies.domain import Point

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


# ── quotes ───────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class LoadedQuotes:
    """The quotes of a file, and how they were read."""

    quotes: Quotes
    skipped: int = 0
    """Rows that did not parse."""
    examples: tuple[str, ...] = ()
    """The first of them, each with its line and the reason."""
    cached: bool = False
    """They were parsed before."""


class QuoteBank(Protocol):
    """Where quotes come from: each file is parsed once, and named by what it holds."""

    def load(self, path: Path, *, skip_bad_rows: bool = False) -> LoadedQuotes:
        """Give the quotes of a file.

        Raises:
            InputError: it is not there, is no table of quotes, or a row of it does not
                parse and none may be skipped.
            MissingExtra: nothing here reads this kind of file.
        """
        ...

    def by_digest(self, digest: str) -> Quotes | None:
        """Give quotes that were read before; None if nobody kept them."""
        ...


# ── backtests by the thousand ────────────────────────────────────────────────
class ExecutorFault(DaemonError):  # noqa: N818 - a state, not a bug
    """Nothing runs any more, and nothing can be made to: the session is resumed later."""

    exit_code = Exit.TRY_AGAIN


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Batch:
    """Combinations that are backtested together, over the same quotes."""

    number: int
    """Whoever submits it has no two of one number in hand."""
    quotes: Quotes
    """With their digest, by which they reach workers that have them already."""
    combinations: Combinations


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Finished:
    """What became of a batch."""

    number: int
    columns: Columns | None = None
    """A column a metric and an element a combination; None if it was lost."""
    lost: str | None = None
    """Why: its worker died, its time was over, or it raised this."""
    timed_out: bool = False
    seconds: float = 0.0
    """How long it ran."""


class JobExecutor(Protocol):
    """Runs batches, here or elsewhere, any number of times: whoever asked counts one of them.

    A batch that was lost is not tried again by the executor: who submitted it
    divides it, and finds the job that cannot be run.
    """

    @property
    def slots(self) -> int:
        """How many batches it can run at once; a few more in hand keep it from waiting."""
        ...

    def submit(self, batch: Batch, timeout_s: float) -> None:
        """Take a batch in hand; it is lost when it has run for so long.

        Raises:
            ExecutorFault: nothing runs any more.
        """
        ...

    def collect(self, timeout_s: float) -> Sequence[Finished]:
        """Give what has finished since; wait for the first of them, but not longer than this.

        Raises:
            ExecutorFault: nothing runs any more, and batches are in hand.
        """
        ...

    def cancel(self) -> None:
        """Let go of everything in hand, within a second; it may be used again."""
        ...

    def close(self) -> None:
        """End the workers that it started, and nothing else."""
        ...


# ── where to look next ───────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What became of a point."""

    point: Point
    values: tuple[float, ...] | None
    """One an objective; None if it failed or was pruned: that counts as bad."""
    violation: float = 0.0
    """How far it is from holding all constraints; 0 if it holds them."""
    batch: int
    """The batch that it belongs to."""


class Sampler(Protocol):
    """Proposes points of a search space, and learns from what became of them.

    What it proposes follows from its seed, the number of the batch and what it was
    told, and from nothing else: not from what it proposed before. So one that was
    only told goes on like one that was asked as well, and the order in which the
    points of a batch are told does not matter.
    """

    def ask(self, count: int, batch: int) -> Sequence[Point]:
        """Propose points for a batch, all legal; fewer if it knows no more."""
        ...

    def tell(self, told: Sequence[Told]) -> None:
        """Learn what became of the points of a batch."""
        ...
