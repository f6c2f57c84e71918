"""Quotes on which nobody can gain by choosing parameters, and the same with an edge of known size.

Prices wander alike on both venues; what differs between the kinds is the gap between
them, in bps. In *episodes* the gap opens to some size and, some rows later, ends in one
of two ways: it closes, which a trade gains from, or B's quotes widen for a row, which
forces the trade out at a loss. How often it ends well is set, for every size of a gap,
so that a trade brings nothing on average after all costs, or as much as is planted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon.market.quotes import Quotes

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Draw = np.random.Generator
    Kind = Callable[[Draw, int], Quotes]

START_US = 1_700_000_000_000_000
ROW_US = 60_000_000
DAY_ROWS = 960

DRIFT_BPS = 2.0
"""How far prices wander in a row."""

HALF = 1.0
"""Half of what lies between bid and ask of a venue, in bps."""

FEE_BPS = 1.0
"""Of each venue; there is no slippage."""

SIZE_MAX = 1_000.0
"""Of a gap, in bps, before it is made larger or smaller by the hour or the week."""


def made(draw: Draw, gap: Floats, half_a: Floats, half_b: Floats) -> Quotes:
    """Quote both venues around prices that wander; B's lie apart by the gap."""
    rows = len(gap)
    middle = 30_000 * np.exp(np.cumsum(draw.normal(0, DRIFT_BPS / 1e4, rows)))
    other = middle * (1 + gap / 1e4)
    return Quotes(
        middle * (1 - half_a / 1e4),
        middle * (1 + half_a / 1e4),
        other * (1 - half_b / 1e4),
        other * (1 + half_b / 1e4),
        START_US + ROW_US * np.arange(rows),
    )


# ── gaps that follow a process ───────────────────────────────────────────────
def walk(draw: Draw, rows: int) -> Quotes:
    """The gap is a random walk, and both venues quote now narrowly and now widely."""
    widths = HALF * np.exp(draw.normal(0, 0.5, (2, rows)))
    return made(draw, np.cumsum(draw.normal(0, 1.5, rows)), *widths)


def independent(draw: Draw, rows: int) -> Quotes:
    """Each venue is off by itself, anew on every row, and never far enough to pay for a trade."""
    return made(draw, draw.normal(0, 1.6, rows), *np.full((2, rows), HALF))


def reverting(draw: Draw, rows: int) -> Quotes:
    """The gap comes back to zero, from so near that it does not pay the costs."""
    return made(draw, remembered(draw.normal(0, 0.7, rows), 0.9), *np.full((2, rows), HALF))


def remembered(shocks: Floats, keeps: float) -> Floats:
    """Let every value keep a share of the one before it."""
    found, last = np.empty(len(shocks)), 0.0
    for place, shock in enumerate(shocks.tolist()):
        last = keeps * last + shock
        found[place] = last
    return found


# ── gaps in episodes ─────────────────────────────────────────────────────────
@dataclass(frozen=True)
class Episodes:
    """Gaps that open and end, well or badly."""

    edge_bps: float = 0.0
    """What a trade brings on average after all costs, whatever the size of its gap."""
    heavy: bool = False
    """Sizes have heavy tails."""
    diurnal: bool = False
    """There are more gaps, and larger ones, at some hours."""
    clustered: bool = False
    """There are wild weeks and calm ones."""
    every: int = 20
    """Rows from one gap to the next, on average."""

    def __call__(self, draw: Draw, rows: int) -> Quotes:
        """Draw quotes."""
        gap, half_b = np.zeros(rows), np.full(rows, HALF)
        wild = self._wild(draw, rows)
        row = 1
        while (row := row + 1 + int(draw.exponential(self.every / wild[row]))) < rows - 12:
            size = self._size(draw) * wild[row]
            lasts = 2 + int(draw.exponential(2.0))
            stop = min(row + lasts, rows - 2)
            sign = 1.0 if draw.random() < 0.5 else -1.0
            gap[row:stop] = sign * size
            if draw.random() >= self.ends_well(size, sign):
                gap[stop] = sign * size
                half_b[stop] = wide(size)
            row = stop + 1
        return made(draw, gap, np.full(rows, HALF), half_b)

    def _wild(self, draw: Draw, rows: int) -> Floats:
        """Say how wild each row is; 1 is usual."""
        found = np.ones(rows)
        if self.diurnal:
            found *= 1 + 0.7 * np.sin(2 * np.pi * np.arange(rows) / DAY_ROWS)
        if self.clustered:
            found *= np.exp(remembered(draw.normal(0, 0.03, rows), 0.995))
        return found

    def _size(self, draw: Draw) -> float:
        more = 8 * abs(draw.standard_t(3)) if self.heavy else draw.exponential(10.0)
        return min(10 + float(more), SIZE_MAX)

    def ends_well(self, size: float, sign: float) -> float:
        """Give the share of gaps of a size that close, for the edge that is planted."""
        gain = outcome(size, sign, 0.0, HALF)
        loss = -outcome(size, sign, sign * size, wide(size))
        return min(max((loss + self.edge_bps) / (gain + loss), 0.0), 1.0)


def wide(size: float) -> float:
    """Say how widely B must quote for a gap of this size to be gone for who wants to trade it."""
    return 1.1 * size + 3 * HALF


def outcome(size: float, sign: float, gap: float, half_b: float) -> float:
    """Give what a trade brings in bps that takes a gap and gets out at another, to the last digit.

    Half of the losses are shares of a higher price: over many trades that shows.
    """
    bid_b, ask_b = _quoted(sign * size, HALF)
    later_bid, later_ask = _quoted(gap, half_b)
    bid_a, ask_a = _quoted(0.0, HALF)
    ratios = bid_b / ask_a + bid_a / later_ask if sign > 0 else bid_a / ask_b + later_bid / ask_a
    return (ratios - 2) * 1e4 - 4 * FEE_BPS


def _quoted(gap: float, half: float) -> tuple[float, float]:
    middle = 1 + gap / 1e4
    return middle * (1 - half / 1e4), middle * (1 + half / 1e4)


NOISE: dict[str, Kind] = {
    "random walk": walk,
    "independent": independent,
    "reverting": reverting,
    "fair gaps": Episodes(),
    "heavy tails": Episodes(heavy=True),
    "diurnal": Episodes(diurnal=True),
    "clustered": Episodes(clustered=True, heavy=True),
}
