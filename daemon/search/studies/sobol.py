"""Points that fill a space more evenly than chance would: Sobol's sequence, scrambled by a seed.

Point n has in every axis, among the first 2^m points, one of 2^m equal parts for
itself. Scrambling (a random triangular matrix over bits and a random shift, after
Matoušek, 1998) keeps that and removes what the plain sequence has of its own: its
first point is a corner, and axes follow each other.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bits = NDArray[np.uint64]

AXES_MAX = 16

BITS = 32
"""Digits of a coordinate: 2^32 points until it repeats."""

# Of each axis after the first: a primitive polynomial over bits, without its first and
# last term, and the first direction numbers, chosen by Joe and Kuo (2008).
_STARTS = (
    (0, (1,)),
    (1, (1, 3)),
    (1, (1, 3, 1)),
    (2, (1, 1, 1)),
    (1, (1, 1, 3, 3)),
    (4, (1, 3, 5, 13)),
    (2, (1, 1, 5, 5, 17)),
    (4, (1, 1, 5, 5, 5)),
    (7, (1, 1, 7, 11, 19)),
    (11, (1, 1, 5, 1, 1)),
    (13, (1, 1, 1, 3, 11)),
    (14, (1, 3, 5, 5, 31)),
    (1, (1, 3, 3, 9, 7, 49)),
    (13, (1, 1, 1, 15, 21, 21)),
    (16, (1, 3, 1, 13, 27, 49)),
)


class Sobol:
    """A sequence of points in a cube.

    Raises:
        ValueError: it has more axes than there are direction numbers for.
    """

    def __init__(self, axes: int, seed: int) -> None:
        if not 1 <= axes <= AXES_MAX:
            raise ValueError(f"points are spread over 1 to {AXES_MAX} axes, not over {axes}")
        self._axes = axes
        self._draw = np.random.default_rng([seed, axes])

    def points(self, first: int, count: int) -> Floats:
        """Give some points, (count, axes), each from 0 to below 1; the first has number 0."""
        numbers = np.arange(first, first + count, dtype=np.uint64)
        gray = numbers ^ (numbers >> np.uint64(1))
        directions, shift = self._scrambled
        found = np.broadcast_to(shift, (count, self._axes)).copy()
        for bit in range(BITS):
            has = (gray >> np.uint64(bit)) & np.uint64(1) == 1
            found[has] ^= directions[:, bit]
        shares: Floats = (found.astype(np.float64) + 0.5) / 2.0**BITS
        return shares

    @cached_property
    def _scrambled(self) -> tuple[Bits, Bits]:
        """Draw what scrambles each axis: its direction numbers, mixed, and a shift."""
        plain = np.array([_directions(axis) for axis in range(self._axes)], np.uint64)
        mixed = np.zeros_like(plain)
        high = 1 << (BITS - 1)
        for place in range(BITS):
            # Digit `place` of a result: its own, and some of those before it.
            below = self._draw.integers(0, high, self._axes, dtype=np.uint64) >> np.uint64(
                BITS - 1 - place
            )
            own = np.uint64(1) << np.uint64(BITS - 1 - place)
            mask = own | (below << np.uint64(BITS - place) if place else np.uint64(0))
            odd = _parity(plain & np.broadcast_to(mask, self._axes)[:, None])
            mixed |= odd << np.uint64(BITS - 1 - place)
        shift = self._draw.integers(0, 1 << BITS, self._axes, dtype=np.uint64)
        return mixed, shift


def _directions(axis: int) -> list[int]:
    """Give the direction numbers of an axis, the first digit of a number in the highest bit."""
    if axis == 0:
        return [1 << (BITS - 1 - place) for place in range(BITS)]
    polynomial, start = _STARTS[axis - 1]
    degree = len(start)
    found = [number << (BITS - 1 - place) for place, number in enumerate(start)]
    for place in range(degree, BITS):
        number = found[place - degree] ^ (found[place - degree] >> degree)
        for term in range(1, degree):
            if polynomial >> (degree - 1 - term) & 1:
                number ^= found[place - term]
        found.append(number)
    return found


def _parity(bits: Bits) -> Bits:
    """Say of each number whether an odd number of its bits is set."""
    return np.bitwise_count(bits).astype(np.uint64) & np.uint64(1)
