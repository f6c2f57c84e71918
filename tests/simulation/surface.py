"""A control surface that can refuse, tear, time out, lie, and be edited by a person.

One surface, and of each process that writes to it a handle: what a paused leader
sends when it wakes comes through a handle of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from daemon.ports import Author, ControlsFault, ControlsFenced, ControlsRefused, Held
from tests.simulation import faults

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from daemon.ports import Order


@dataclass
class Surface:
    """What the governed system reads, and the newest epoch that it has seen."""

    values: dict[str, Held] = field(default_factory=dict)
    epoch: int = 0
    hold: str | None = None
    late: list[Order] = field(default_factory=list)
    """Orders that were given up as timed out and will be carried out all the same."""

    def copied(self) -> Surface:
        return replace(self, values=dict(self.values), late=list(self.late))

    def plain(self) -> dict[str, float]:
        return {rule: held.value for rule, held in self.values.items()}

    def edit(self, rule: str, value: float) -> None:
        """Let a person set a value: our stamp is gone."""
        self.values[rule] = Held(value=value, author=Author.PERSON)

    def put(self, order: Order) -> None:
        self.values[order.rule] = Held(
            value=order.value,
            author=Author.DAEMON,
            change_id=order.change_id,
            epoch=order.epoch,
        )

    def land(self) -> None:
        """Carry out what came too late."""
        orders, self.late = self.late, []
        for order in orders:
            if order.epoch >= self.epoch:
                self.put(order)


@dataclass
class SimControls:
    """One process's way to the surface. ``effect`` says what goes wrong, or crashes itself."""

    surface: Surface
    effect: Callable[[str], str | None]
    human: Callable[[], None]
    written: Callable[[Order], None]
    """Told of every value that is really set, before it is."""
    name: str = "simulated"

    def take_over(self, epoch: int) -> None:
        fault = self.effect("controls.take_over")
        if fault == faults.BEFORE:
            raise ControlsFault("no answer")
        if epoch < self.surface.epoch:
            raise ControlsFenced(f"epoch {self.surface.epoch} was here")
        self.surface.epoch = epoch
        if fault == faults.AFTER:
            raise ControlsFault("no answer")

    def read(self, rules: Sequence[str]) -> Mapping[str, Held]:
        fault = self.effect("controls.read")
        if fault == faults.UNREADABLE:
            raise ControlsFault("cannot be read")
        if fault == faults.HUMAN:
            self.human()
        return {rule: self.surface.values[rule] for rule in rules if rule in self.surface.values}

    def write(self, orders: Sequence[Order]) -> None:
        fault = self.effect("controls.write")
        if fault == faults.HUMAN:
            self.human()
        if fault == faults.REFUSE:
            raise ControlsRefused("not now")
        if fault == faults.BEFORE:
            raise ControlsFault("no answer")
        if fault == faults.LIAR:
            return
        if fault == faults.LATE:
            self.surface.late += orders
            raise ControlsFault("no answer")
        for order in orders[:1] if fault == faults.TORN else orders:
            self._set(order)
        if fault in {faults.TORN, faults.AFTER}:
            raise ControlsFault("the connection broke")
        if self.effect("controls.written") == faults.HUMAN:
            self.human()

    def held(self) -> str | None:
        self.effect("controls.held")
        return self.surface.hold

    def close(self) -> None:
        """Nothing is open."""

    def _set(self, order: Order) -> None:
        if order.epoch < self.surface.epoch:
            raise ControlsFenced(f"epoch {self.surface.epoch} was here")
        self.written(order)
        self.surface.put(order)
