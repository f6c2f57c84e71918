"""A loop whose source goes sick while a change is open, and makes the change look good by it.

The rule does nothing to the signal, so whatever is kept is kept on sick evidence.
Everything between the source and the decision is the real thing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from daemon.clock import MICROS
from daemon.ports import Declared, Polled, Reading, SourceFault
from daemon.services.watching.fitness import Fitness, Trait
from daemon.services.watching.intake import Intake
from daemon.store import fitness as states
from tests.loop_kit import Lookout, Loop
from tests.recording import POLICY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from daemon.store.store import Store, Tx
    from daemon.tuning.windows import Blocks

PER_SECOND = 2
HOUR = 3_600 * MICROS
SD = 2.0
BETTER = 18.0
"""How much better a sick stream looks: nine standard deviations of a sample."""

LEVEL = 100.0


ASKED = """\
targets:
  s: {{ {bound}: {goal:g}, scale: 20 }}
rules:
  workers: {{ init: 8, min: 2, max: 20, lr: 1 }}
observe_window_s: 40
min_samples: 55
cooldown_s: 20
settle_s: 5
warmup_s: 120
strategy: {{ dry_run: false, direction: {{ workers: 1 }} }}
"""


def a_policy(way: int) -> str:
    """Ask for the signal to fall (-1) or to rise (+1)."""
    return ASKED.format(bound="max" if way < 0 else "min", goal=LEVEL + way * 30)


@dataclass
class Sick:
    """What a stream does once it is sick: each moment and value becomes what really arrives."""

    way: int
    random: np.random.Generator
    began_us: int = 0
    kept: list[Reading] = field(default_factory=list)

    def better(self, value: float) -> float:
        return value + self.way * BETTER

    def lucky(self, share: float) -> bool:
        return bool(self.random.random() < share)


# ── the kinds ────────────────────────────────────────────────────────────────
def frozen(sick: Sick, one: Reading) -> list[Reading]:
    if not sick.kept:
        sick.kept.append(one._replace(value=sick.better(one.value)))
    return [one._replace(value=sick.kept[0].value)]


def frozen_in_blocks(sick: Sick, one: Reading) -> list[Reading]:
    """Five seconds, over and over: within a block all looks well."""
    period_us = 5 * MICROS
    if one.at_us - sick.began_us <= period_us:
        sick.kept.append(one._replace(value=sick.better(one.value)))
    number = (one.at_us - sick.began_us) % period_us * PER_SECOND // MICROS - 1
    return [one._replace(value=sick.kept[number].value)]


def frozen_for_a_while(sick: Sick, one: Reading) -> list[Reading]:
    """Well again before the verdict is due."""
    return frozen(sick, one) if one.at_us - sick.began_us < 35 * MICROS else [one]


def nan_where_it_is_bad(sick: Sick, one: Reading) -> list[Reading]:
    value = sick.better(one.value) if sick.lucky(0.65) else math.nan
    return [one._replace(value=value)]


def infinite_where_it_is_bad(sick: Sick, one: Reading) -> list[Reading]:
    value = sick.better(one.value) if sick.lucky(0.65) else sick.way * math.inf
    return [one._replace(value=value)]


def all_nan(sick: Sick, one: Reading) -> list[Reading]:
    return [one._replace(value=math.nan)]


def duplicates(sick: Sick, one: Reading) -> list[Reading]:
    """Every moment twice, and the first of the two is wrong."""
    return [one._replace(value=sick.better(one.value)), one]


def out_of_order(sick: Sick, one: Reading) -> list[Reading]:
    """What is bad comes half a minute late, mixed into what is new."""
    sick.kept.append(one)
    due = [late for late in sick.kept if one.at_us - late.at_us > 30 * MICROS]
    sick.kept = [late for late in sick.kept if one.at_us - late.at_us <= 30 * MICROS]
    soon = [one._replace(value=sick.better(one.value))] if sick.lucky(0.6) else []
    return [*due, *soon]


def from_the_future(sick: Sick, one: Reading) -> list[Reading]:
    if sick.lucky(0.6):
        return [one._replace(value=sick.better(one.value))]
    return [one._replace(at_us=one.at_us + HOUR)]


def a_clock_an_hour_behind(sick: Sick, one: Reading) -> list[Reading]:
    return [one._replace(at_us=one.at_us - HOUR, value=sick.better(one.value))]


def thousandfold(sick: Sick, one: Reading) -> list[Reading]:
    return [one._replace(value=one.value * 1000)]


def a_thousandth(sick: Sick, one: Reading) -> list[Reading]:
    return [one._replace(value=one.value / 1000)]


def thousandfold_for_a_while(sick: Sick, one: Reading) -> list[Reading]:
    """Good or bad, whichever is better, and well again before the verdict is due."""
    sound = one.at_us - sick.began_us >= 35 * MICROS
    factor = 1 if sound else 1000 if sick.way > 0 else 1 / 1000
    return [one._replace(value=one.value * factor)]


def silence(sick: Sick, one: Reading) -> list[Reading]:
    if one.at_us - sick.began_us > 20 * MICROS:
        return []
    return [one._replace(value=sick.better(one.value))]


def stuck_then_catching_up(sick: Sick, one: Reading) -> list[Reading]:
    """Nothing for 35 s, then all of it at once, old stamps and all."""
    sick.kept.append(one._replace(value=sick.better(one.value)))
    if one.at_us - sick.began_us < 35 * MICROS:
        return []
    given, sick.kept = sick.kept, []
    return given


def half_as_many(sick: Sick, one: Reading) -> list[Reading]:
    """Whatever is bad gets lost, and nothing says so but that there is less."""
    return [one._replace(value=sick.better(one.value))] if sick.lucky(0.5) else []


def gone(sick: Sick, one: Reading) -> list[Reading]:
    if one.at_us - sick.began_us < 20 * MICROS:
        return [one._replace(value=sick.better(one.value))]
    raise SourceFault("it is gone")


def stuck_at_zero(sick: Sick, one: Reading) -> list[Reading]:
    """What a probe reports that has lost what it looks at."""
    return [one._replace(value=0.0)]


def flickering(sick: Sick, one: Reading) -> list[Reading]:
    """Stuck, and by turns at one of two values."""
    if not sick.kept:
        sick.kept = [one._replace(value=sick.better(one.value) + step) for step in (0.0, 0.5)]
    return [one._replace(value=sick.kept[one.at_us * PER_SECOND // MICROS % 2].value)]


def a_hundredth(sick: Sick, one: Reading) -> list[Reading]:
    """A share where percents were told."""
    return [one._replace(value=one.value / 100)]


def absurd(sick: Sick, one: Reading) -> list[Reading]:
    """Finite, and nothing else can be said for it."""
    return [one._replace(value=sick.way * 1e250)]


def in_milliseconds(sick: Sick, one: Reading) -> list[Reading]:
    """Moments in another unit: they lie far ahead."""
    return [one._replace(at_us=one.at_us * 1000, value=sick.better(one.value))]


def since_the_epoch(sick: Sick, one: Reading) -> list[Reading]:
    """A clock that was never set."""
    return [one._replace(at_us=one.at_us - sick.began_us, value=sick.better(one.value))]


def too_fast(sick: Sick, one: Reading) -> list[Reading]:
    """A clock that runs at double speed."""
    ahead_us = one.at_us - sick.began_us
    return [one._replace(at_us=one.at_us + ahead_us, value=sick.better(one.value))]


def the_past_again(sick: Sick, one: Reading) -> list[Reading]:
    """The same minute over and over, with the moments that it had."""
    sick.kept.append(one._replace(value=sick.better(one.value)))
    return [sick.kept[len(sick.kept) % 20]] if len(sick.kept) > 20 else [sick.kept[-1]]


def on_and_off(sick: Sick, one: Reading) -> list[Reading]:
    """Three seconds of every ten, the good ones."""
    on = (one.at_us - sick.began_us) % (10 * MICROS) < 3 * MICROS
    return [one._replace(value=sick.better(one.value))] if on else []


KINDS = {
    "stuck at zero": (stuck_at_zero, {"frozen", "unit_jump"}),
    "flickering": (flickering, {"frozen"}),
    "a hundredth": (a_hundredth, {"unit_jump"}),
    "absurd": (absurd, {"frozen", "unit_jump", "not_finite"}),
    "moments in milliseconds": (in_milliseconds, {"future", "stale"}),
    "moments since 1970": (since_the_epoch, {"late", "stale"}),
    "a clock at double speed": (too_fast, {"future", "stale"}),
    "the past again": (the_past_again, {"stale", "late", "duplicate"}),
    "on and off": (on_and_off, {"low_n"}),
    "frozen": (frozen, {"frozen"}),
    "frozen in blocks": (frozen_in_blocks, {"frozen"}),
    "frozen for a while": (frozen_for_a_while, {"frozen"}),
    "NaN where it is bad": (nan_where_it_is_bad, {"not_finite"}),
    "infinite where it is bad": (infinite_where_it_is_bad, {"not_finite"}),
    "all NaN": (all_nan, {"not_finite", "stale"}),
    "duplicates": (duplicates, {"duplicate"}),
    "out of order": (out_of_order, {"late"}),
    "from the future": (from_the_future, {"future"}),
    "a clock an hour behind": (a_clock_an_hour_behind, {"late", "stale"}),
    "a thousandfold": (thousandfold, {"unit_jump"}),
    "a thousandth": (a_thousandth, {"unit_jump"}),
    "a thousandfold for a while": (thousandfold_for_a_while, {"unit_jump"}),
    "silence": (silence, {"stale"}),
    "stuck then catching up": (stuck_then_catching_up, {"stale", "late"}),
    "half as many": (half_as_many, {"low_n"}),
    "gone": (gone, {"dead_source", "stale"}),
}
"""Each with the states that it must be told by."""


# ── the source and the loop ──────────────────────────────────────────────────
class Stream:
    """A source: sound until it is told to be sick."""

    name = "stream"
    period_s = 0.5

    def __init__(self, loop: SickLoop) -> None:
        self.loop = loop
        self.random = np.random.default_rng(loop.seed)
        self.noise = 0.0
        self.next_us = loop.clock.now_us()
        self.kind: Callable[[Sick, Reading], list[Reading]] | None = None
        self.sick: Sick | None = None

    def fall_sick(self, kind: Callable[[Sick, Reading], list[Reading]]) -> None:
        self.kind = kind
        self.sick = Sick(self.loop.way, self.random, began_us=self.loop.clock.now_us())

    def recover(self) -> None:
        self.kind = self.sick = None

    def signals(self) -> Mapping[str, Declared]:
        return {"s": Declared(period_s=self.period_s)}

    def resume(self, mark: object) -> None:
        """It only sees the moment."""

    def poll(self) -> Polled:
        given: list[Reading] = []
        while self.next_us <= self.loop.clock.now_us():
            self.noise = 0.7 * self.noise + self.random.normal() * math.sqrt(1 - 0.49)
            value = self.loop.level() + SD * self.noise
            one = Reading("s", self.next_us, value)
            self.next_us += MICROS // PER_SECOND
            given += [one] if self.kind is None or self.sick is None else self.kind(self.sick, one)
        return Polled(readings=given)

    def close(self) -> None:
        """Nothing is open."""


class Examined(Lookout):
    """Knows of signals what the examination says."""

    fitness: Fitness | None = None
    seen: set[str]

    def unfit(self, tx: Tx, blocks: Blocks, now_us: int) -> Mapping[str, str]:
        if self.fitness is None:
            return {}
        found = self.fitness.look(tx, blocks, now_us)
        states.put_states(tx, found, now_us)
        self.seen |= {state for state, _ in found.values()}
        return {name: state for name, (state, _) in found.items() if state != states.OK}


class SickLoop(Loop):
    """The loop, fed by an intake from the stream."""

    def __init__(self, store: Store, folder: Path, way: int, seed: int, *, slope: float = 0.0):
        self.way, self.seed, self.slope = way, seed, slope
        super().__init__(store, folder, (POLICY, a_policy(way)))
        self.stream = Stream(self)
        self.intake = Intake([self.stream], self.clock, threads=False)
        self.tuner.feed = self.intake

    def start(self, controls: object = None) -> None:
        self.watch = Examined(self.clock)
        self.watch.seen = set()
        super().start()

    def examine(self) -> None:
        """Have the signals examined, which alone keeps sick evidence out."""
        known = {"s": Trait(source="stream", period_s=self.stream.period_s)}
        self.watch.fitness = Fitness(known, lambda: self.tuner.policy, self.intake.dead)

    def level(self) -> float:
        """Tell where the signal is: the rule moves it, or it does not."""
        return LEVEL + self.way * self.slope * (self.surface.values.get("workers", 8.0) - 8.0)
