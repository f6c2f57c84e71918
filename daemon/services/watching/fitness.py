"""Whether each signal is evidence now: what a look at a source cannot tell, its past can.

What counts is the whole stretch that a verdict would rest on: since the oldest
open change was made, else the length of a window. A signal that was sick
anywhere in it is no evidence until the stretch is over, though it may look well
again. What is found is kept beside the tuner's memory, in `signal_states`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon.clock import MICROS, iso
from daemon.store import changes
from daemon.store import fitness as states
from daemon.tuning import sickness
from daemon.tuning.block import BLOCK_US
from daemon.tuning.model import blocks_of
from daemon.tuning.windows import Unfit

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from daemon.config.settings import Settings
    from daemon.store.store import Tx
    from daemon.tuning.model import Policy
    from daemon.tuning.windows import Blocks, Floats, Ints

OK = states.OK
DEAD_SOURCE = "dead_source"
UNIT_JUMP = "unit_jump"

SILENT_S = 15.0
"""A signal is silent after three of its periods, and not before."""

SHORTEST = 12
"""Blocks that are looked at in any case."""

BUCKET = 12
"""Blocks of a minute, by which refused samples are counted."""

Found = tuple[str, str | None]
"""A state and its details; these stay the same for as long as nothing turns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trait:
    """What the settings say of a signal."""

    source: str | None = None
    period_s: float | None = None
    constant_ok: bool = False

    @property
    def patience_us(self) -> int:
        """How long it may be silent."""
        return round(max(SILENT_S, 3 * (self.period_s or 0.0)) * MICROS)


def traits(settings: Settings) -> dict[str, Trait]:
    """Gather what the settings say of every signal."""
    found = {
        name: Trait(constant_ok=signal.constant_ok) for name, signal in settings.signals.items()
    }
    for source, section in settings.sources.items():
        for name in section.names():
            calm = name in settings.signals and settings.signals[name].constant_ok
            found[name] = Trait(source=source, period_s=section.expected_s(), constant_ok=calm)
    return found


class Fitness:
    """Examines signals, cycle by cycle; remembers only what would otherwise be forgotten too soon.

    A signal that is frozen stays so until it moves, and one whose unit changed
    until it is back, also when nothing is left of the past that showed it. To
    accept the new unit, a person changes the policy: it names the old one's targets.
    """

    def __init__(
        self,
        known: Mapping[str, Trait],
        policy: Callable[[], Policy],
        dead: Callable[[], Collection[str]] = frozenset,
    ) -> None:
        """Take the traits of signals; ask for the policy in force and for sources that are dead."""
        self._known = known
        self._policy = policy
        self._dead = dead
        self._digest: str | None = None
        self._still: dict[str, float] = {}
        self._levels: dict[str, tuple[sickness.Level, str]] = {}
        self._frozen_before: set[str] | None = None

    def look(self, tx: Tx, blocks: Blocks, now_us: int) -> dict[str, Found]:
        """Say of each signal how it is: ``ok``, or why it is no evidence; with the details."""
        policy = self._policy()
        if policy.digest != self._digest:
            self._digest = policy.digest
            self._levels.clear()
        if self._frozen_before is None:
            stored = states.states(tx)
            self._frozen_before = {
                name for name, one in stored.items() if one.state == Unfit.FROZEN
            }
        since = self._since(tx, blocks, policy)
        refused = states.refused(tx, blocks.signals, since * BLOCK_US)
        dead = self._dead()
        found: dict[str, Found] = {}
        for index, name in enumerate(blocks.signals):
            column = _Column(blocks, index, since, now_us)
            trait = self._known.get(name, Trait())
            found[name] = (
                self._of_source(trait, dead)
                or _of_arrival(column, trait)
                or _of_refused(column, refused.get(name, {}))
                or self._of_unit(name, column)
                or self._of_stillness(name, column, trait)
                or _of_number(column, policy)
                or (OK, None)
            )
        self._with_their_source(found, blocks, since)
        return found

    @staticmethod
    def _since(tx: Tx, blocks: Blocks, policy: Policy) -> int:
        """Find the first block that a verdict would rest on."""
        opened = [int(row["opened_at_us"]) // BLOCK_US for row in changes.open_changes(tx)]
        usual = blocks_of(policy.settle_s + policy.observe_window_s)
        return min([blocks.end - max(usual, SHORTEST), *opened])

    @staticmethod
    def _of_source(trait: Trait, dead: Collection[str]) -> Found | None:
        if trait.source is None or trait.source not in dead:
            return None
        return DEAD_SOURCE, f"its source {trait.source} cannot be read"

    # ── another unit ─────────────────────────────────────────────────────────
    def _of_unit(self, name: str, column: _Column) -> Found | None:
        kept = self._levels.get(name)
        before = sickness.level(column.mean[: column.row]) if kept is None else kept[0]
        jump = None if before is None else sickness.unit_jump(column.mean, column.row, before)
        if jump is None or before is None:
            self._levels.pop(name, None)
            return None
        if kept is None:
            times = f"{jump.factor:g}" if jump.factor >= 1 else f"1/{1 / jump.factor:g}"
            detail = (
                f"since {column.at(jump.row)} about {times} times what it was, {before.median:g},"
                " as if its unit had changed; if it has, change the policy"
            )
            kept = self._levels[name] = before, detail
        return UNIT_JUMP, kept[1]

    # ── standing still ───────────────────────────────────────────────────────
    def _of_stillness(self, name: str, column: _Column, trait: Trait) -> Found | None:
        if trait.constant_ok:
            return None
        run = sickness.stillness(column.mean, column.row)
        value = None if run is None else run.value
        if value is None and self._stands_as_before(name, column):
            value = self._still[name]
        if value is None:
            self._still.pop(name, None)
            return None
        self._still[name] = value
        return str(Unfit.FROZEN), (
            f"stood still at {value:g} longer than it ever did; if it may,"
            f" set signals.{name}.constant_ok"
        )

    def _stands_as_before(self, name: str, column: _Column) -> bool:
        """Tell whether a signal that froze has not moved since, by what is still known."""
        found = sickness.runs(column.mean)  # there is one: nothing else comes this far
        frozen_before = self._frozen_before or set()
        if name in frozen_before:
            frozen_before.discard(name)
            if len(found) == 1:
                self._still[name] = found[0].value
        return self._still.get(name) == found[-1].value

    def _with_their_source(self, found: dict[str, Found], blocks: Blocks, since: int) -> None:
        """Call signals frozen that may stand still, where all others of their source froze."""
        frozen = {name for name, (state, _) in found.items() if state == Unfit.FROZEN}
        for index, name in enumerate(blocks.signals):
            trait = self._known.get(name, Trait())
            if not trait.constant_ok or trait.source is None or found[name][0] != OK:
                continue
            others = {
                other
                for other in blocks.signals
                if (one := self._known.get(other)) is not None
                and one.source == trait.source
                and not one.constant_ok
            }
            last = sickness.runs(blocks.mean[:, index])[-1]
            stands = last.length >= sickness.STILL and last.last >= since - blocks.first
            if others and others <= frozen and stands:
                detail = f"stands still, as does all else that {trait.source} brings"
                found[name] = str(Unfit.FROZEN), detail


class _Column:
    """What is known of one signal, and from which row on it matters."""

    def __init__(self, blocks: Blocks, index: int, since: int, now_us: int) -> None:
        self.mean: Floats = blocks.mean[:, index]
        self.count: Ints = blocks.count[:, index]
        self.first = blocks.first
        self.row = max(since - blocks.first, 0)
        self.now_us = now_us

    def at(self, row: int) -> str:
        """Write when a row began."""
        return iso((self.first + row) * BLOCK_US)


def _of_arrival(column: _Column, trait: Trait) -> Found | None:
    seen = np.flatnonzero(column.count)
    if not len(seen):
        return str(Unfit.NO_DATA), "no sample of it is known"
    end_us = (column.first + int(seen[-1]) + 1) * BLOCK_US
    if column.now_us - end_us <= trait.patience_us:
        return None
    return str(Unfit.STALE), f"silent since {iso(end_us)}"


def _of_refused(column: _Column, refused: Mapping[str, int]) -> Found | None:
    minute = max(column.row - (column.first + column.row) % BUCKET, 0)
    worst = sickness.worst(refused, int(column.count[minute:].sum()))
    if worst is None:
        return None
    return worst, f"more than {sickness.BAD_SHARE:.0%} of its samples are refused"


def _of_number(column: _Column, policy: Policy) -> Found | None:
    """Count what the newest window has."""
    window = blocks_of(policy.observe_window_s)
    if int(column.count[-window:].sum()) >= policy.min_samples:
        return None
    return str(Unfit.LOW_N), (
        f"fewer than {policy.min_samples} samples in {policy.observe_window_s:g} s"
    )
