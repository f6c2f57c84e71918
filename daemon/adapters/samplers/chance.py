"""Points drawn evenly, by chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.adapters.samplers import draw_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from daemon.ports import Told
    from daemon.search.studies.domain import Domain, Point


class RandomSampler:
    """Draws every point evenly from the whole space, and learns nothing."""

    def __init__(
        self, domain: Domain, directions: Sequence[str], seed: int, options: Mapping[str, Any]
    ) -> None:
        del directions, options
        self._domain = domain
        self._seed = seed

    def ask(self, count: int, batch: int) -> Sequence[Point]:
        """Draw some points."""
        draw = draw_of(self._seed, batch, "random")
        return self._domain.back(draw.random((count, len(self._domain.axes))))

    def tell(self, told: Sequence[Told]) -> None:
        """Take note of nothing."""
