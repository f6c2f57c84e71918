"""One simulated process of the daemon: the real engine and lease over ports that may fail."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from daemon.errors import StoreUnavailable
from daemon.services.living import engine
from daemon.services.living.ballast import Ballast
from daemon.services.living.engine import Engine
from daemon.services.loop.switchboard import Route, Switchboard
from daemon.services.watching.intake import Drained
from daemon.store import samples
from daemon.store.lease import Lease
from daemon.store.store import Store
from daemon.tuning.windows import Need, block_fitness
from tests.simulation import faults
from tests.simulation.surface import SimControls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from daemon.ports import Order
    from daemon.services.loop.tuner import Cycle
    from daemon.store.store import Tx
    from daemon.tuning.windows import Blocks
    from tests.simulation.world import World


FITNESS = 12
"""Blocks over which a signal must be fit to be evidence, where its doctor is left out."""


class Crash(BaseException):
    """The process is gone, at this very instruction."""


class SimStore(Store):
    """The real store, whose commits may be refused, lost, or done without anybody hearing of it."""

    def __init__(self, base: Store, effect: Callable[[str], str | None]) -> None:
        super().__init__(base.url, base.engines)
        self.effect = effect

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Tx]:
        if self.effect("store.begin") == faults.REFUSE:
            raise StoreUnavailable("simulated: the database is away")
        with super().write(durable=durable) as tx:
            yield tx
            if self.effect("store.commit") == faults.REFUSE:
                raise StoreUnavailable("simulated: the database went away")
        if self.effect("store.committed") == faults.AMBIGUOUS:
            raise StoreUnavailable("simulated: nobody heard whether it was committed")

    @contextmanager
    def read(self, *, patient: bool = False) -> Iterator[Tx]:
        if self.effect("store.read") == faults.REFUSE:
            raise StoreUnavailable("simulated: the database is away")
        with super().read(patient=patient) as view:
            yield view


class SimIntake:
    """Brings in what the sources have written; what is not known to be committed comes again."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.done = self._taken = world.forgotten

    def start(self, view: Tx) -> None:
        """Begin with everything that the sources still have."""

    def drain(self, tx: Tx, now_us: int, sealed_us: int) -> Drained:
        self.done = max(self.done, self.world.forgotten)
        batch = self.world.log[self.done - self.world.forgotten :]
        self._taken = self.done + len(batch)
        return Drained(accepted=samples.ingest(tx, batch, now_us, sealed_us).accepted)

    def written(self) -> Drained:
        self.done = self._taken
        return Drained()

    def dead(self) -> set[str]:
        return set()

    def behind(self) -> bool:
        return False

    def stale(self) -> list[str]:
        return []

    def stop(self) -> None:
        """There is nothing to end."""


class Idle:
    """Stands where something is driven or told that a simulated run does not look at."""

    disk_is_low = False
    free = floor = None

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


class SimEngine(Engine):
    """The real engine, live from the first cycle on; what it only shows to people is left out.

    In most runs it also does without what reads much and changes nothing: a look
    between cycles where nobody asked for anything, and the doctor of signals,
    whose place a short test of their newest blocks takes.
    """

    def __init__(self, parts: engine.Parts, world: World) -> None:
        super().__init__(parts)
        self.world = world
        self.heard = 0
        self.lookout.may_go_live = lambda *_: None
        if not world.whole:
            self.lookout.unfit = _unfit

    def between(self) -> None:
        if self.world.whole or self.heard < self.world.people.filed or self.heard < 0:
            self.heard = -1  # should this go wrong, it is done again
            super().between()
            self.heard = self.world.people.filed

    def _seen(self, done: Cycle, seconds: float) -> None:
        if self.world.whole:
            super()._seen(done, seconds)

    def _verify(self, *, controls: bool = True) -> None:
        """The oracle looks at more, and more often."""


def _unfit(tx: Tx, blocks: Blocks, now_us: int) -> dict[str, str]:
    found = block_fitness(blocks.last(FITNESS), now_us, Need(samples=FITNESS // 2))
    pairs = zip(blocks.signals, found, strict=True)
    return {signal: str(why) for signal, why in pairs if why is not None}


@dataclass(frozen=True)
class Parts:
    """What a process is made of; a planted bug replaces one of them."""

    lease: Callable[..., Lease] = Lease
    store: Callable[..., SimStore] = SimStore
    controls: Callable[..., SimControls] = SimControls
    board: Callable[..., Switchboard] = Switchboard
    engine: Callable[..., SimEngine] = SimEngine


class Process:
    """A daemon from its start to its end."""

    def __init__(self, world: World, number: int, parts: Parts) -> None:
        self.world = world
        self.number = number
        self.alive = True
        self.begun = False
        self.held: str | None = None
        """Why nothing might be changed when the cycle under way began."""
        store = parts.store(world.base, self.effect)
        self.lease = parts.lease(store, f"process-{number}", world.clock)
        controls = parts.controls(world.surface, self.effect, world.human, self.written)
        self.engine = parts.engine(
            engine.Parts(
                store=store,
                lease=self.lease,
                clock=world.clock,
                board=parts.board([Route(controls)]),
                intake=SimIntake(world),
                traits={},
                alerting=Idle(),
                housework=Idle(),
                chores=Idle(),
                children=Idle(),
                meters=Idle(),
                policy=lambda: world.loaded,
                signals={},
                ballast=Ballast(None),
                boot_id=world.clock.boot_id,
            ),
            world,
        )

    def effect(self, point: str) -> str | None:
        return self.world.effect(self, point)

    def written(self, order: Order) -> None:
        self.world.oracle.written(self, order)

    def turn(self) -> None:
        """Do what is to be done now: lead if possible, carry out commands, then a cycle."""
        self.held = self.world.standing_still()
        if not self.begun:
            if self._lead():
                self.engine.start()
                self.begun = True
            return
        self.engine.between()
        self.held = self.world.standing_still()
        self.engine.cycle()

    def stop(self) -> None:
        """End in order."""
        self.engine.stop()
        self.lease.release()

    def govern(self) -> None:
        """Read the policy again."""
        self.engine.reload()

    def _lead(self) -> bool:
        """Take the lead: with the lock file at once, without it by watching who led before."""
        if self.lease.leads:
            return True
        if self.world.flock_free():
            self.world.lock = self
            return self.lease._granted(self.lease._take_row(certain=True)) is not None
        return not self.world.locks and self.lease.acquire() is not None
