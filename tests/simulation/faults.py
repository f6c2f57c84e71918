"""What can go wrong, where, and when: the schedules of a simulated run.

An *effect* is a moment at which the daemon touches something outside of itself.
Every effect has a point, and at each point only some things can go wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from random import Random

CRASH = "crash"
REBOOT = "reboot"
ZOMBIE = "zombie"
REFUSE = "refuse"
AMBIGUOUS = "ambiguous"
UNREADABLE = "unreadable"
BEFORE = "timeout_before"
AFTER = "timeout_after"
TORN = "torn"
LIAR = "liar"
LATE = "late"
HUMAN = "human"

POINTS: dict[str, tuple[str, ...]] = {
    "store.begin": (CRASH, ZOMBIE, REFUSE),
    "store.commit": (CRASH, REBOOT, REFUSE),
    "store.committed": (CRASH, ZOMBIE, AMBIGUOUS),
    "store.read": (CRASH, REFUSE),
    "controls.take_over": (CRASH, BEFORE, AFTER),
    "controls.read": (CRASH, ZOMBIE, UNREADABLE, HUMAN),
    "controls.held": (CRASH,),
    "controls.write": (CRASH, REBOOT, ZOMBIE, REFUSE, BEFORE, AFTER, TORN, LIAR, LATE, HUMAN),
    "controls.written": (CRASH, ZOMBIE, HUMAN),
}
"""What can go wrong where."""

OFTEN = {
    "store.begin": 0.5,
    "store.commit": 0.5,
    "store.committed": 0.5,
    "controls.write": 8.0,
    "controls.written": 8.0,
    "controls.take_over": 3.0,
}
"""Where things go wrong more often than elsewhere: moments that are rare, and that matter."""

WORLD: dict[str, float] = {
    "hold": 1.0,
    "kill": 0.5,
    "freeze": 0.7,
    "human": 1.0,
    "adopt": 2.0,
    "sick": 2.0,
    "clock_forth": 0.4,
    "clock_back": 0.4,
    "clock_year": 0.1,
    "suspend": 0.5,
    "restart": 1.0,
    "policy": 0.5,
    "dry_run": 0.5,
    "shift": 0.5,
    "ask": 2.0,
    "confirm": 1.0,
    "extend": 0.7,
    "rollback": 1.0,
}
"""What may happen between two cycles, and how often compared to the rest."""

KINDS = sorted({kind for kinds in POINTS.values() for kind in kinds})


class Schedule(Protocol):
    """Says when what goes wrong."""

    def at(self, number: int, point: str) -> str | None:
        """Say what goes wrong at this effect, counted from 0."""
        ...

    def between(self) -> str | None:
        """Say what happens in the world before the next cycle."""
        ...


@dataclass
class Never:
    """Nothing goes wrong."""

    def at(self, number: int, point: str) -> str | None:
        return None

    def between(self) -> str | None:
        return None


@dataclass
class Once(Never):
    """One fault at one effect, and everything else as it should be."""

    number: int
    kind: str

    def at(self, number: int, point: str) -> str | None:
        return self.kind if number == self.number else None


@dataclass
class Swarm:
    """Random faults of a random choice of kinds: bugs hide where everything is on at once."""

    random: Random
    fond: frozenset[str] = frozenset()
    """What happens in any case, and more often than the rest."""
    rate: float = 0.03
    restless: float = 0.08
    kinds: frozenset[str] = field(init=False)
    worldly: list[str] = field(init=False)

    def __post_init__(self) -> None:
        draw = self.random
        self.kinds = frozenset(kind for kind in KINDS if draw.random() < 0.5 or kind in self.fond)
        self.worldly = [name for name in WORLD if draw.random() < 0.4 or name in self.fond]
        self.weights = [WORLD[name] * (9 if name in self.fond else 1) for name in self.worldly]
        lowest = 1.0 if self.fond else 0.0
        self.rate *= max(draw.choice([0.0, 0.2, 0.5, 1.0, 2.0]), lowest)
        self.restless *= max(draw.choice([0.0, 1.0, 2.0]), lowest)

    def at(self, number: int, point: str) -> str | None:
        if self.random.random() >= self.rate * OFTEN.get(point, 1.0):
            return None
        kinds = [kind for kind in POINTS[point] if kind in self.kinds]
        kinds += [kind for kind in kinds if kind in self.fond] * len(kinds)
        return self.random.choice(kinds) if kinds else None

    def between(self) -> str | None:
        if not self.worldly or self.random.random() >= self.restless:
            return None
        return self.random.choices(self.worldly, self.weights)[0]
