"""What people use today to move parameters, each in its usual form and with usual settings.

All of them see the same as our own policy does, outliers already drawn in, and
are told what counts: none had to guess the targets, their scales or weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from systems import GOOD, WARN, score
from trials import Judged

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray
    from plants import Plant
    from trials import Policy, Seen, Values

    Floats = NDArray[np.float64]

WINDOW_S = 90
SETTLE_S = 30
COOLDOWN_S = 120


class Baseline:
    """What they share: plain units, and the hints as directions."""

    def __init__(self, plant: Plant) -> None:
        self.units = plant.units
        self.hint: Floats = np.array(plant.spec.hints, dtype=float)
        self.setting = plant.units.start.copy()
        self.judged: list[Judged] = []
        self.next_s = float(COOLDOWN_S)

    def tick(self, now_s: float, seen: Seen) -> Values | None:
        """Act when it is time to."""
        if now_s < self.next_s:
            return None
        before = self.setting
        self.act(now_s, seen)
        return None if self.setting is before else self.units.values(self.setting)

    def act(self, now_s: float, seen: Seen) -> None:
        """Set ``setting``, and when to act again."""

    def misses(self, seen: Seen, to_s: float) -> Floats:
        """How far each signal was off over the window that ends then."""
        return self.units.misses(seen.window(to_s - WINDOW_S, to_s))

    def moved(self, rule: int, by: float) -> Floats:
        """Give the setting with one rule moved, as far as its bounds allow."""
        setting = self.setting.copy()
        setting[rule] = min(1.0, max(0.0, setting[rule] + by))
        return setting


class Nothing(Baseline):
    """Leaves everything as it is."""


class FixedThreshold(Baseline):
    """Changes a rule as hinted, compares 90 s before and after with a threshold, goes on.

    A rule that helped is moved again, one that did not is left for the next;
    nothing is ever taken back. It rests while all targets are met.
    """

    takes_back = False

    def __init__(self, plant: Plant) -> None:
        super().__init__(plant)
        self.rule = 0
        self.previous: Floats | None = None
        self.before = np.zeros(0)

    def act(self, now_s: float, seen: Seen) -> None:
        """Look at the last change, then make the next."""
        self.next_s = now_s + COOLDOWN_S
        now = self.misses(seen, now_s)
        if self.previous is not None and self._look_back(now_s, now):
            return
        if np.nanmax(now, initial=-1.0) <= 0.0:
            return
        for _ in self.hint:
            step = self.hint[self.rule] * self.units.step[self.rule]
            wanted = self.moved(self.rule, step)
            if not np.allclose(wanted, self.setting):
                self.previous, self.setting, self.before = self.setting, wanted, now
                return
            self._turn()

    def _turn(self) -> None:
        self.rule = (self.rule + 1) % len(self.hint)

    def _look_back(self, now_s: float, now: Floats) -> bool:
        """Compare with the time before the change; says whether it was taken back."""
        fell = self.before - now
        helped = bool((fell[:3] >= GOOD).any() and not fell[3] <= -WARN)
        previous, self.previous = self.previous, None
        if not helped:
            self._turn()
        if not self.takes_back:
            return False
        self.judged.append(Judged(now_s, helped))
        if helped or previous is None:
            return False
        self.setting = previous
        return True


class FixedThresholdBack(FixedThreshold):
    """The same, but a change that did not pass the threshold is taken back."""

    takes_back = True


class PatternSearch(Baseline):
    """Hooke and Jeeves by coordinates: keep what scores higher, else turn round, else shorten."""

    longest, shortest, grow = 2.0, 0.25, 1.5

    def __init__(self, plant: Plant) -> None:
        super().__init__(plant)
        self.length = np.ones(len(self.hint))
        self.side = self.hint.copy()
        self.rule = 0
        self.failed = 0
        self.base = 0.0
        self.previous: Floats | None = None

    def act(self, now_s: float, seen: Seen) -> None:
        """Judge the last step if there is one, and make another."""
        self.next_s = now_s + SETTLE_S + WINDOW_S
        reached = float(score(self.misses(seen, now_s)))
        if not np.isfinite(reached):
            return
        if self.previous is not None:
            better = reached > self.base
            self.judged.append(Judged(now_s, better))
            if not better:
                self.setting, self.previous = self.previous, None
                self._fail()
                return
            self.length[self.rule] = min(self.length[self.rule] * self.grow, self.longest)
            self.failed = 0
        self.base = reached
        step = self.side[self.rule] * self.length[self.rule] * self.units.step[self.rule]
        wanted = self.moved(self.rule, step)
        if np.allclose(wanted, self.setting):
            self.previous = None
            self._fail()
            self.next_s = now_s
            return
        self.previous, self.setting = self.setting, wanted

    def _fail(self) -> None:
        self.side[self.rule] *= -1
        self.failed += 1
        if self.failed == 2:
            self.length[self.rule] = max(self.length[self.rule] / 2, self.shortest)
            self.rule = (self.rule + 1) % len(self.hint)
            self.failed = 0


class Perturbation(Baseline):
    """SPSA: move all rules at random both ways, step along the difference; Spall's exponents."""

    size, gain, patience, longest = 0.5, 30.0, 10.0, 2.0

    def __init__(self, plant: Plant) -> None:
        super().__init__(plant)
        self.rng = np.random.default_rng([plant.seed, 3])
        self.centre = self.setting
        self.turn = 0
        self.above: float | None = None
        self._sides()

    def _sides(self) -> None:
        self.sides = self.rng.choice([-1.0, 1.0], len(self.hint))

    def act(self, now_s: float, seen: Seen) -> None:
        """Measure one side, then the other, then move the centre."""
        self.next_s = now_s + SETTLE_S + WINDOW_S
        size = self.size / (self.turn + 1) ** 0.101
        if self.turn:
            reached = float(score(self.misses(seen, now_s)))
            if self.above is None:
                self.above = reached
                self._show(-size)
                return
            self._step(self.above - reached, size)
            self.above = None
            self._sides()
        self.turn += 1
        self._show(size)

    def _step(self, difference: float, size: float) -> None:
        if np.isfinite(difference):
            gain = self.gain / (self.turn + self.patience) ** 0.602
            steps = np.clip(
                gain * difference / (2 * size) * self.sides, -self.longest, self.longest
            )
            self.centre = np.clip(self.centre + steps * self.units.step, 0.0, 1.0)

    def _show(self, size: float) -> None:
        self.setting = np.clip(self.centre + size * self.sides * self.units.step, 0.0, 1.0)


class Controllers(Baseline):
    """A PI controller for each rule, on the signal that an engineer would steer with it."""

    every_s, proportional, integral, aim = 30, 0.05, 0.015, -0.05

    def __init__(self, plant: Plant) -> None:
        super().__init__(plant)
        self.sum = self.setting.copy()

    def act(self, now_s: float, seen: Seen) -> None:
        """Correct by how far each signal is from just inside its target."""
        self.next_s = now_s + self.every_s
        off = self.units.misses(seen.window(now_s - self.every_s, now_s)) - self.aim
        error = off[: len(self.hint)]
        if np.isfinite(error).all():
            self.sum = np.clip(self.sum + self.hint * self.integral * error, 0.0, 1.0)
            self.setting = np.clip(self.sum + self.hint * self.proportional * error, 0.0, 1.0)


BASELINES: dict[str, Callable[[Plant], Policy]] = {
    "nothing": Nothing,
    "threshold": FixedThreshold,
    "threshold+back": FixedThresholdBack,
    "pattern": PatternSearch,
    "spsa": Perturbation,
    "pid": Controllers,
}
