"""Where exactly a combination begins to trade, and between which thresholds a spread lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

CELLS = 16
"""Cells of equal width for each threshold: all but a few hold none."""

NARROW = 1e-290
"""Thresholds that lie closer together are not worth a table."""


def entry_threshold(min_spread_bps: Floats, costs_bps: Floats) -> Floats:
    """Give the smallest spread that opens a trade: ``spread - costs >= min_spread`` as doubles.

    Rounding keeps order, so there is one, a step or two from the rounded sum. A
    spread and a threshold are then compared without any rounding at all.
    """
    with np.errstate(over="ignore"):
        found = min_spread_bps + costs_bps
        while (low := found - costs_bps < min_spread_bps).any():
            found = np.where(low, np.nextafter(found, np.inf), found)
        while True:
            below = np.nextafter(found, -np.inf)
            high = below - costs_bps >= min_spread_bps
            if not high.any():
                return found
            found = np.where(high, below, found)


def reached(thresholds: Floats, spreads: Floats) -> Ints:
    """Count the thresholds that each spread reaches, which reaches the first; they are in order.

    A table of cells answers for most spreads. Which cell a number falls into
    never falls as the number grows, whatever is rounded: a threshold in a lower
    cell is smaller, and only those in the same cell must be compared.
    """
    width = float(thresholds[-1] - thresholds[0])
    count = CELLS * len(thresholds)
    scale = count / width if width > NARROW else 0.0
    if not scale:
        return np.searchsorted(thresholds, spreads, side="right").astype(np.int64)
    held = np.bincount(_cell(thresholds, thresholds[0], scale, count), minlength=count + 1)
    lower = np.cumsum(held) - held
    cell = _cell(spreads, thresholds[0], scale, count)
    found = lower[cell]
    near = np.flatnonzero(held.astype(np.bool_)[cell])
    found[near] = np.searchsorted(thresholds, spreads[near], side="right")
    return found


def _cell(values: Floats, first: float, scale: float, count: int) -> Ints:
    """Number the cells from the first threshold on; beyond the last there is one more."""
    with np.errstate(over="ignore"):
        place = (values - first) * scale
    return np.minimum(place, count, out=place).astype(np.int64)
