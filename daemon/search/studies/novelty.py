"""No point twice: what was proposed before is replaced by the nearest point that was not.

Samplers propose points again, on coarse grids more often than not: a trial that
brings nothing. Around a good point its neighbours are what is worth knowing, so
they take its place; where all around is known, an unknown point is drawn anywhere.
"""

from __future__ import annotations

import zlib
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from daemon.search.studies.domain import Domain, Point

AROUND_MAX = 400
"""Points that are looked at around one, before one is drawn anywhere."""

DRAWS_MAX = 64
"""Points that are drawn, before the unknown ones are looked for one by one."""

JITTER = 1 / 100
"""How far away a point is looked for on an axis without steps, as a share of it, at first."""


class Novelty:
    """Keeps the points that a study has had, and gives others.

    What it gives follows from its seed, the points seen, what is asked and the number
    of the batch.
    """

    def __init__(self, domain: Domain, seed: int) -> None:
        self._domain = domain
        self._seed = seed
        self._seen: set[str] = set()

    def seen(self, points: Iterable[Point]) -> None:
        """Remember points that were evaluated, or are being."""
        self._seen.update(map(self._domain.key, points))

    @property
    def left(self) -> int | None:
        """How many points were not seen; None if there is no end of them."""
        cells = self._domain.cells
        return None if cells is None else cells - len(self._seen)

    def fresh(self, asked: Sequence[Point], batch: int, count: int) -> list[Point]:
        """Give so many points that were not seen, and remember them: those asked for, if possible.

        Fewer only if there are no more.
        """
        draw = np.random.default_rng([self._seed, batch, zlib.crc32(b"novelty")])
        found: list[Point] = []
        again: list[Point] = []
        for point in asked[:count]:
            (found if self._take(point) else again).append(self._domain.snap(point))
        for point in again:
            other = next(self._around(point, draw), None)
            if other is not None and self._take(other):
                found.append(other)
        while len(found) < count and (other := self._anywhere(draw)) is not None:
            self._take(other)
            found.append(other)
        return found

    def _take(self, point: Point) -> bool:
        """Remember a point; tell whether it is new."""
        key = self._domain.key(point)
        if key in self._seen:
            return False
        self._seen.add(key)
        return True

    def _around(self, point: Point, draw: np.random.Generator) -> Iterator[Point]:
        """Give unseen points around one, the nearest first."""
        if self._domain.cells is None:
            yield from self._jittered(point, draw)
            return
        queue = deque([point])
        met = {self._domain.key(point)}
        while queue and len(met) <= AROUND_MAX:
            beside = self._domain.beside(queue.popleft())
            for place in draw.permutation(len(beside)).tolist():
                key = self._domain.key(beside[place])
                if key in met:
                    continue
                met.add(key)
                if key not in self._seen:
                    yield beside[place]
                queue.append(beside[place])

    def _jittered(self, point: Point, draw: np.random.Generator) -> Iterator[Point]:
        here = self._domain.unit([point])[0]
        for turn in range(DRAWS_MAX):
            away = JITTER * (1 + turn) * draw.standard_normal(len(here))
            other = self._domain.back((here + away).clip(0, 1)[None])[0]
            if self._domain.key(other) not in self._seen:
                yield other

    def _anywhere(self, draw: np.random.Generator) -> Point | None:
        """Draw an unseen point; None if there is none."""
        if self.left is not None and self.left <= 0:
            return None
        for point in self._domain.back(draw.random((DRAWS_MAX, len(self._domain.axes)))):
            if self._domain.key(point) not in self._seen:
                return point
        cells = self._domain.cells
        if cells is None:
            return None
        first = int(draw.integers(cells)) if cells < 2**62 else 0
        for step in range(len(self._seen) + 1):
            point = self._domain.at((first + step) % cells)
            if self._domain.key(point) not in self._seen:
                return point
        return None
