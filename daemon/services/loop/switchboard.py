"""Which controls hold which rule: read all of them, set some, and see what became of it.

A write that raised is *unknown*, never failed: what counts is what is read back,
and only that is reported.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from daemon.errors import NotLeader
from daemon.ports import ControlsFault, ControlsFenced

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from daemon.ports import Controls, Held, Order

NOBODY = "no controls hold it"
SAME = 1e-9
"""Two values of a rule are the same if they differ by no more than this share."""


def same(one: float, other: float) -> bool:
    """Tell whether two values of a rule are the same, as far as controls can hold them apart."""
    return abs(one - other) <= SAME * max(abs(one), abs(other))


@dataclass(frozen=True, slots=True)
class Route:
    """Controls, and the rules that they hold; None for all that no other route names."""

    controls: Controls
    rules: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What all controls hold, and of which rules nobody could tell."""

    held: Mapping[str, Held]
    unreadable: Mapping[str, str] = field(default_factory=dict)
    """Rules whose controls could not be read, and why."""

    def value(self, rule: str) -> float | None:
        """Give the value of a rule; None if it was never set or cannot be read."""
        found = self.held.get(rule)
        return None if found is None else found.value

    def holds(self, rule: str, value: float) -> bool:
        """Tell whether a rule is known to have this value."""
        found = self.held.get(rule)
        return found is not None and same(found.value, value)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an order, as read back."""

    order: Order
    found: Held | None
    cause: str | None = None
    """What the controls said against it."""
    readable: bool = True
    """Whether anybody could tell what is held; it may be no value at all."""

    @property
    def done(self) -> bool:
        """Whether the controls hold what was asked for."""
        return self.found is not None and same(self.found.value, self.order.value)

    def why(self) -> str:
        """Say what stands in the way."""
        if self.cause is not None:
            return self.cause
        if not self.readable:
            return f"{self.order.rule} could not be read back"
        if self.found is None:
            return f"{self.order.rule} has no value after {self.order.value:g} was set"
        return f"{self.order.rule} reads {self.found.value:g} after {self.order.value:g} was set"


class Switchboard:
    """All controls as one."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = tuple(routes)
        self._epoch = 0
        self.troubles: dict[str, str] = {}
        """Controls that could not be reached or read the last time, and why."""
        self._unreached: set[str] = set()
        """Controls that do not know yet who leads: nothing is read there, and nothing set."""

    def take_over(self, epoch: int) -> dict[str, str]:
        """Have all controls refuse older leaders; returns those that could not, and why.

        Those are asked again before anything else is done with them.

        Raises:
            NotLeader: some controls have seen a newer leader.
        """
        self._epoch = epoch
        self._unreached = {route.controls.name for route in self._routes}
        missing = {}
        for route in self._routes:
            try:
                self._reach(route)
            except ControlsFault as error:
                missing[route.controls.name] = error.message
        self.troubles = dict(missing)
        return missing

    def _reach(self, route: Route) -> None:
        """Make sure that older leaders are kept from some controls."""
        if route.controls.name not in self._unreached:
            return
        try:
            route.controls.take_over(self._epoch)
        except ControlsFenced as error:
            raise _fenced(error) from error
        self._unreached.discard(route.controls.name)

    def read(self, rules: Iterable[str]) -> Reading:
        """Read what is held now."""
        held: dict[str, Held] = {}
        unreadable = dict.fromkeys(rules, NOBODY)
        for route, names in self._by_route(unreadable):
            try:
                self._reach(route)
                held.update(route.controls.read(names))
            except ControlsFault as error:
                unreadable.update(dict.fromkeys(names, error.message))
                self.troubles[route.controls.name] = error.message
            else:
                self.troubles.pop(route.controls.name, None)
                for name in names:
                    del unreadable[name]
        return Reading(held, unreadable)

    def carry_out(self, orders: Sequence[Order]) -> dict[str, Outcome]:
        """Set values and read them back.

        Raises:
            NotLeader: a newer leader has taken over.
        """
        by_rule = {order.rule: order for order in orders}
        outcomes = {one.rule: Outcome(one, None, NOBODY, readable=False) for one in orders}
        for route, names in self._by_route(by_rule):
            mine = [by_rule[name] for name in names]
            cause = None
            try:
                self._reach(route)
                route.controls.write(mine)
            except ControlsFenced as error:
                raise _fenced(error) from error
            except ControlsFault as error:
                cause = error.message
            outcomes |= _outcomes(mine, self.read(names), cause)
        return outcomes

    def held(self) -> str | None:
        """Say why a person wants no change at all."""
        for route in self._routes:
            try:
                reason = route.controls.held()
            except ControlsFault as error:
                return f"nobody can tell whether changes are wanted: {error.message}"
            if reason is not None:
                return reason
        return None

    def close(self) -> None:
        """Let go of all of them."""
        for route in self._routes:
            route.controls.close()

    def _by_route(self, rules: Iterable[str]) -> list[tuple[Route, list[str]]]:
        """Sort rules by who holds them, in the order given."""
        names = list(rules)
        claimed = {rule for route in self._routes for rule in route.rules or ()}
        sorted_out = [
            (
                route,
                [
                    name
                    for name in names
                    if (name in route.rules if route.rules is not None else name not in claimed)
                ],
            )
            for route in self._routes
        ]
        return [(route, mine) for route, mine in sorted_out if mine]


def _outcomes(orders: Sequence[Order], now: Reading, cause: str | None) -> dict[str, Outcome]:
    """Say what became of orders by what is held now, whatever the write had to say."""
    return {
        order.rule: Outcome(
            order,
            now.held.get(order.rule),
            cause,
            readable=order.rule not in now.unreadable,
        )
        for order in orders
    }


def _fenced(error: ControlsFenced) -> NotLeader:
    return NotLeader(f"the controls have seen a newer leader: {error.message}", hint=error.hint)
