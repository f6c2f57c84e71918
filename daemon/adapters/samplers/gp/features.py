"""Points as numbers that a kernel can measure distances between."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from daemon.search.studies.domain import Domain, Point

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

IDLE = 0.5
"""Where a parameter stands that is not active: what it depends on tells such points apart."""


class Features:
    """A column for each axis that has an order, and one for each word of the others.

    Two words are as far apart as the ends of an axis.
    """

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._words = [0 if axis.ordered else axis.size or 0 for axis in domain.axes]
        owners = [number for number, words in enumerate(self._words) for _ in range(max(words, 1))]
        self.owners: Ints = np.array(owners, np.int64)
        """Which axis each column belongs to."""

    def of(self, points: Iterable[Point]) -> Floats:
        """Lay points out, (n, columns)."""
        shares = self._domain.unit(points)
        parts = []
        for number, words in enumerate(self._words):
            column = shares[:, number]
            if words:
                place = np.floor(np.nan_to_num(column, nan=-1.0) * words)
                parts.append((place[:, None] == np.arange(words)) / math.sqrt(2))
            else:
                parts.append(np.nan_to_num(column, nan=IDLE)[:, None])
        return np.hstack(parts)

    def apart(self, one: Floats, other: Floats) -> Floats:
        """Give the squared distances along each axis, (axes, n, m)."""
        found = np.zeros((len(self._words), len(one), len(other)))
        for column, owner in enumerate(self.owners.tolist()):
            found[owner] += (one[:, column, None] - other[None, :, column]) ** 2
        return found
