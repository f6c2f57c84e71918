"""The calendar of what may not be changed when: freezes, pauses and the kill switch.

What is in force is computed from the rows and the moment, and from nothing that
happened before: a daemon that was off for a week, and a clock that was set a year
forth or back, find the same as one that never noticed. The moments in the row
of a recurring freeze only tell SQL and people what was computed last.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from daemon.clock import MAX_MICROS, MICROS, iso
from daemon.config.cron import Cron
from daemon.errors import InputError
from daemon.store import freezes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from daemon.store.freezes import Freeze
    from daemon.store.store import Tx

DURATION_MAX_S = 366 * 86_400
"""The longest occurrence of a recurring freeze; whoever means longer freezes for good."""

_STRENGTH = ("kill", "pause", "freeze")
_SAID = {"kill": "killed", "pause": "paused", "freeze": "frozen"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From a moment up to, not including, another; without end where that is None."""

    starts_at_us: int
    ends_at_us: int | None = None

    def holds(self, at_us: int) -> bool:
        """Tell whether a moment lies inside."""
        return self.starts_at_us <= at_us and (self.ends_at_us is None or at_us < self.ends_at_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A freeze, a pause or a kill that is in force."""

    id: int
    kind: str
    rule: str | None
    """The rule that it is about; None for everything."""
    owner: str
    reason: str
    span: Span
    doubt: str | None = None
    """Why it is in force though nobody can tell when it should be."""

    @property
    def words(self) -> str:
        """Say who bars changes, until when and why."""
        until = "" if self.span.ends_at_us is None else f" until {iso(self.span.ends_at_us)[:19]}Z"
        doubt = f" ({self.doubt})" if self.doubt else ""
        return f"{_SAID.get(self.kind, self.kind)} by {self.owner}{until}: {self.reason}{doubt}"

    @property
    def undo(self) -> str:
        """Name the command that ends it."""
        if self.kind == "kill":
            return "daemon ctl unkill"
        if self.kind == "pause":
            return f"daemon ctl resume {self.rule}" if self.rule else "daemon ctl resume"
        return f"daemon ctl freeze remove {self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """What stands against changes, as the core is told."""

    held: str | None = None
    """Why nothing at all may be changed."""
    barred: Mapping[str, str] = field(default_factory=dict)
    """Why a rule may not be changed."""
    killed: bool = False
    """Somebody has pulled the kill switch."""


# ── what is in force ─────────────────────────────────────────────────────────
def in_force(rows: Iterable[Freeze], now_us: int) -> list[Standing]:
    """Give what bars changes at a moment, the strongest first.

    A row that cannot be read bars: somebody meant it to.
    """
    found = [one for row in rows if (one := _in_force(row, now_us)) is not None]
    return sorted(found, key=lambda one: (_rank(one.kind), one.id))


def bars(standing: Iterable[Standing]) -> Bars:
    """Say what is barred, each thing by the strongest of its reasons."""
    held: str | None = None
    barred: dict[str, str] = {}
    killed = False
    for one in sorted(standing, key=lambda one: (_rank(one.kind), one.id)):
        killed = killed or one.kind == "kill"
        if one.rule is not None:
            barred.setdefault(one.rule, one.words)
        elif held is None:
            held = one.words
    return Bars(held=held, barred=barred, killed=killed)


def _in_force(row: Freeze, now_us: int) -> Standing | None:
    if row.removed_at_us is not None:
        return None
    doubt = None
    try:
        span = span_at(row, now_us)
    except InputError as error:
        span, doubt = Span(starts_at_us=0), error.message
    if span is not None and row.cron is None and row.starts_at_us <= row.created_at_us:
        # Meant from now on: a clock that is set back must not put it off.
        span = Span(starts_at_us=0, ends_at_us=span.ends_at_us)
    if span is None or not span.holds(now_us):
        return None
    return Standing(
        id=row.id,
        kind=row.kind,
        rule=row.rule,
        owner=row.owner,
        reason=row.reason,
        span=span,
        doubt=doubt,
    )


def span_at(row: Freeze, now_us: int) -> Span | None:
    """Give when a freeze holds: for one that recurs, the occurrence of now or the next one.

    Where occurrences overlap it is the one that began last.

    Raises:
        InputError: its cron text cannot be read.
    """
    if row.cron is None or row.duration_s is None:
        return Span(starts_at_us=row.starts_at_us, ends_at_us=row.ends_at_us)
    return occurrence(Cron.parse(row.cron), row.duration_s, now_us)


def occurrence(cron: Cron, duration_s: float, now_us: int) -> Span | None:
    """Give the occurrence that a moment lies in, else the next one; None if no more comes."""
    duration_us = max(1, round(duration_s * MICROS))
    starts_us = cron.latest_us(max(0, now_us - duration_us + 1), now_us)
    if starts_us is None:
        starts_us = cron.next_us(now_us + 1)
    if starts_us is None:
        return None
    return Span(starts_at_us=starts_us, ends_at_us=min(starts_us + duration_us, MAX_MICROS))


def _rank(kind: str) -> int:
    return _STRENGTH.index(kind) if kind in _STRENGTH else len(_STRENGTH)


# ── rows ─────────────────────────────────────────────────────────────────────
def recurring(cron: str, duration_s: float, now_us: int) -> Span:
    """Read what a person says of a recurring freeze; returns its current or next occurrence.

    Raises:
        InputError: it cannot be read, or lasts no time or too long.
    """
    if not 0 < duration_s <= DURATION_MAX_S:
        raise InputError(
            f"an occurrence of a freeze cannot last {duration_s:g} s",
            hint=f"above 0 and at most {DURATION_MAX_S} s; what never ends need not recur",
        )
    span = occurrence(Cron.parse(cron), duration_s, now_us)
    if span is None:
        raise InputError(f"'{cron}' does not come again before the year 10000")
    return span


def standing(tx: Tx, now_us: int) -> list[Standing]:
    """Read what bars changes at a moment, the strongest first."""
    return in_force(freezes.listed(tx, now_us), now_us)


def advance(tx: Tx, now_us: int) -> int:
    """Write into recurring rows when they hold now or next; returns how many were moved."""
    moved = 0
    for row in freezes.recurring(tx):
        try:
            span = span_at(row, now_us)
        except InputError:
            continue  # it is in force until somebody removes it, and says so
        if span is None or span.ends_at_us is None:
            continue
        if (span.starts_at_us, span.ends_at_us) != (row.starts_at_us, row.ends_at_us):
            moved += freezes.recur(tx, row.id, span.starts_at_us, span.ends_at_us)
    return moved
