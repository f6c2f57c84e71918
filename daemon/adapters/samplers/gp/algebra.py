"""Products and inverses that come out the same on any number of processors.

A library that shares a large product out among processors adds up in another order
for each number of them. The last digits differ then, and in the end a proposal does:
a study that goes on elsewhere would not be the study that it was. What is cut into
small squares first is not shared out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SQUARE = 48
"""Rows and columns of what is computed at once."""


def product(one: Floats, other: Floats) -> Floats:
    """Multiply two matrices."""
    (rows, _), (_, columns) = one.shape, other.shape
    left, right = _squares(one), _squares(other)
    found = np.zeros((len(left), right.shape[1], SQUARE, SQUARE))
    for place in range(len(right)):
        found += np.matmul(left[:, place, None], right[None, place])
    across, down = len(left) * SQUARE, right.shape[1] * SQUARE
    return found.transpose(0, 2, 1, 3).reshape(across, down)[:rows, :columns]


def applied(matrix: Floats, vector: Floats) -> Floats:
    """Apply a matrix to a vector."""
    found: Floats = np.einsum("ij,j->i", matrix, vector)
    return found


def unrooted(matrix: Floats) -> Floats:
    """Give the inverse of the root (Cholesky's) of a positive matrix, halving it until it is small.

    Raises:
        LinAlgError: it is not positive.
    """
    size = len(matrix)
    if size <= SQUARE:
        return np.tril(np.asarray(np.linalg.inv(np.linalg.cholesky(matrix)), np.float64))
    half = size // 2
    found = np.zeros_like(matrix)
    above = found[:half, :half] = unrooted(matrix[:half, :half])
    side = product(matrix[half:, :half], above.T)
    below = found[half:, half:] = unrooted(matrix[half:, half:] - product(side, side.T))
    found[half:, :half] = -product(below, product(side, above))
    return found


def _squares(matrix: Floats) -> Floats:
    """Cut a matrix into squares, filled up with zeros: (down, across, rows, columns)."""
    down, across = (-(-length // SQUARE) for length in matrix.shape)
    padded = np.zeros((down * SQUARE, across * SQUARE))
    padded[: matrix.shape[0], : matrix.shape[1]] = matrix
    cut = padded.reshape(down, SQUARE, across, SQUARE).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(cut)
