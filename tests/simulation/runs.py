"""Runs by their seeds, and what to type to see one again."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from random import Random

from daemon.ports import Held
from tests.simulation import faults, ground
from tests.simulation.clock import SimClock
from tests.simulation.ground import Ground
from tests.simulation.mutants import MUTANTS
from tests.simulation.oracle import Violation
from tests.simulation.process import Parts
from tests.simulation.surface import Surface
from tests.simulation.world import World

CYCLES = 40
SETTLE = 24
"""Cycles without faults, after which nothing of before may be open."""

WHOLE_EVERY = 10
"""Every so many seeds nothing of the engine is left out."""

COMMAND = "python -m tests.simulation.run"


@dataclass
class Tally:
    """What some runs came to."""

    runs: int = 0
    cycles: int = 0
    effects: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    decisions: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Count what other runs came to as well."""
        self.runs += other.runs
        self.cycles += other.cycles
        self.effects += other.effects
        self.faults += other.faults
        self.decisions += other.decisions
        self.outcomes += other.outcomes
        self.failures += other.failures


@cache
def begun(variant: str) -> Ground:
    """Let a loop with this policy run until it is ready to move."""
    loaded, random = ground.policy_of(variant), Random(7)
    surface = Surface()
    for name, rule in loaded.policy.rules.items():
        surface.values[name] = Held(value=rule.init)
    clock, plant = SimClock(ground.BEGIN_US), ground.a_plant(random)
    world = World(
        Ground(variant, loaded, ground.bare(), clock, plant, surface), faults.Never(), random
    )
    world.run(ground.WARM)
    world.stop()
    return Ground(variant, loaded, ground.lift(), world.clock, world.plant, world.surface)


@dataclass(frozen=True)
class Plan:
    """How a seed is run: for how long, with what planted, and what it is to see more of."""

    cycles: int = CYCLES
    mutant: str = ""
    fond: frozenset[str] = frozenset()

    def parts(self) -> Parts:
        return MUTANTS[self.mutant].parts if self.mutant else Parts()

    def words(self) -> str:
        """Write what the command line needs to do the same."""
        said = [f"--cycles {self.cycles}"]
        said += [f"--mutant {self.mutant}"] if self.mutant else []
        said += [f"--fond {','.join(sorted(self.fond))}"] if self.fond else []
        return " ".join(said)


def one_seed(seed: int, plan: Plan = Plan()) -> World:
    """Run a seed: faults of a kind of its own, then none until everything has settled.

    Raises:
        Violation: something happened that must never happen.
    """
    random = Random(seed)
    variant = random.choice(list(ground.VARIANTS))
    schedule = faults.Swarm(random, plan.fond)
    name = f"{COMMAND} --seed {seed} {plan.words()}"
    whole = seed % WHOLE_EVERY == 0
    world = World(begun(variant), schedule, random, plan.parts(), name, whole=whole)
    _through(world, plan.cycles)
    return world


def one_fault(variant: str, number: int, kind: str, plan: Plan) -> World:
    """Run with a single fault at one effect.

    Raises:
        Violation: something happened that must never happen.
    """
    name = f"{COMMAND} --variant {variant} --fault {kind} --at {number} {plan.words()}"
    schedule = faults.Once(number, kind)
    world = World(begun(variant), schedule, Random(number), plan.parts(), name)
    _through(world, plan.cycles)
    return world


def _through(world: World, cycles: int) -> None:
    try:
        world.run(cycles)
        world.settle(SETTLE)
    except Violation:
        raise
    except Exception as error:  # whatever escapes the daemon is a fault of its own
        raise Violation(f"{type(error).__name__}: {error}\n  {world.story()}") from error


def points(variant: str, cycles: int) -> list[str]:
    """Give the effects of a run in which nothing goes wrong."""
    world = World(begun(variant), faults.Never(), Random(0))
    world.trace = True
    world.run(cycles)
    return world.points


def tally(world: World) -> Tally:
    """Count what a run came to."""
    query = world.connection.execute
    return Tally(
        runs=1,
        cycles=world.cycles,
        effects=world.effects,
        faults=Counter(world.injected),
        decisions=Counter(dict(query("select kind, count(*) from decisions group by kind"))),
        outcomes=Counter(dict(query("select state, count(*) from changes group by state"))),
    )
