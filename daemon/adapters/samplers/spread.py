"""Points spread more evenly than chance would spread them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daemon.adapters.samplers import evenly

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from daemon.ports import Told
    from daemon.search.studies.domain import Domain, Point


class SpreadSampler:
    """Goes on with the sequence where as many points as it was told of end."""

    def __init__(
        self, domain: Domain, directions: Sequence[str], seed: int, options: Mapping[str, Any]
    ) -> None:
        del directions, options
        self._domain = domain
        self._seed = seed
        self._done = 0

    def ask(self, count: int, batch: int) -> Sequence[Point]:
        """Give the next points of the sequence."""
        del batch
        return evenly(self._domain, self._seed, self._done, count)

    def tell(self, told: Sequence[Told]) -> None:
        """Count them."""
        self._done += len(told)
