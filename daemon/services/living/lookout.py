"""What the loop is told of the world around it: what bars changes, what is no evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from daemon.services.calibration import ready_for_live
from daemon.services.duties import calendar
from daemon.services.watching.bell import Bell
from daemon.store import fitness as states
from daemon.tuning.block import BLOCK_US

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from daemon.services.duties.calendar import Standing
    from daemon.services.living.metrics import Meters
    from daemon.services.watching.alerting import Alerting
    from daemon.store.store import Tx
    from daemon.tuning.windows import Blocks

FIT = "ok"
MUTE_US = 3 * BLOCK_US
"""Controls that cannot be read for so long are somebody's business."""

OURSELVES = "daemon"
"""Who owns a freeze that no person set."""


class Doctor(Protocol):
    """Who examines signals."""

    def look(self, tx: Tx, blocks: Blocks, now_us: int) -> Mapping[str, tuple[str, str | None]]:
        """Say of each signal how it is (``ok`` or why it is no evidence), with the details."""
        ...


class Lookout:
    """Asks the calendar, the doctor of signals and the calibration; calls a person."""

    def __init__(self, doctor: Doctor, alerting: Alerting, meters: Meters) -> None:
        self._doctor = doctor
        self._alerting = alerting
        self._meters = meters
        self.frozen: str | None = None
        """Why nothing is tried whatever the calendar says: a broken invariant, a full disk."""
        self.frozen_rules: set[str] = set()
        """Rules that the daemon froze by itself."""
        self._frozen = Bell(self, "frozen_rule", "warn")
        self._dead = Bell(self, "dead_source", "warn")
        self._mute = Bell(self, "controls_unreadable", "crit")
        self._silent_us: dict[str, int] = {}
        """Since when controls cannot be read."""
        self.killed = False

    def standing(self, tx: Tx, now_us: int) -> tuple[str | None, Mapping[str, str]]:
        """Say why nothing may be changed, and which rules may not."""
        standing = calendar.standing(tx, now_us)
        bars = calendar.bars(standing)
        ours = {one.rule: one for one in standing if one.rule and one.owner == OURSELVES}
        self._tell_of_frozen(tx, ours)
        self.killed = bars.killed
        self._meters.killed(on=bars.killed)
        return bars.held or self.frozen, bars.barred

    def _tell_of_frozen(self, tx: Tx, frozen: Mapping[str, Standing]) -> None:
        """Call somebody for a rule that the daemon froze by itself, until that is lifted."""
        words = {
            rule: f"{rule} is frozen: {one.reason}; to lift it: {one.undo}"
            for rule, one in frozen.items()
        }
        self._frozen.ring(tx, words)
        self.frozen_rules = set(frozen)

    def tell_of_unreached(self, tx: Tx, unreached: Mapping[str, str]) -> None:
        """Call somebody for controls that do not know who leads: older leaders may write there."""
        self._silent_us = dict.fromkeys(unreached, -MUTE_US)
        said = {name: f"{name} could not be taken over: {why}" for name, why in unreached.items()}
        self._mute.ring(tx, {name: f"the controls {words}" for name, words in said.items()})

    def tell_of_silence(
        self, tx: Tx, dead: Iterable[str], troubles: Mapping[str, str], elapsed_us: int
    ) -> None:
        """Call somebody for sources and controls that nobody can read for a while."""
        words = "cannot be read: its signals are no evidence until it can"
        self._dead.ring(tx, {source: f"the source {source} {words}" for source in dead})
        self._silent_us = {name: self._silent_us.get(name, elapsed_us) for name in troubles}
        mute = [name for name, us in self._silent_us.items() if elapsed_us - us >= MUTE_US]
        self._mute.ring(
            tx, {name: f"the controls {name} cannot be read: {troubles[name]}" for name in mute}
        )

    def forget(self) -> None:
        """Take for told only what is on record: a transaction did not end well."""
        for bell in (self._frozen, self._dead, self._mute):
            bell.forget()

    def unfit(self, tx: Tx, blocks: Blocks, now_us: int) -> Mapping[str, str]:
        """Say which signals are no evidence at the moment, and why; write down what turned."""
        found = self._doctor.look(tx, blocks, now_us)
        states.put_states(tx, found, now_us)
        for signal, (state, _) in found.items():
            self._meters.signal(signal, state, _newest_us(blocks, signal))
        return {signal: state for signal, (state, _) in found.items() if state != FIT}

    def may_go_live(self, tx: Tx, digest: str, now_us: int) -> str | None:
        """Say what keeps a policy from going live."""
        ready = ready_for_live(tx, digest, now_us)
        if ready:
            return None
        return f"{ready.why}; {ready.hint}" if ready.hint else ready.why

    def call(self, tx: Tx, kind: str, key: str, severity: str, text: str) -> None:
        """Raise an alert."""
        self._alerting.call(tx, kind, key, severity, text)

    def calm(self, tx: Tx, kind: str, key: str) -> None:
        """Say that what an alert was about is over."""
        self._alerting.calm(tx, kind, key)


def _newest_us(blocks: Blocks, signal: str) -> int | None:
    """Give the end of the newest block in which a signal was heard."""
    heard = np.flatnonzero(blocks.count[:, blocks.signals.index(signal)])
    return (blocks.first + int(heard[-1]) + 1) * BLOCK_US if len(heard) else None
