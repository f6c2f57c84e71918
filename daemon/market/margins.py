"""What trades gain and what they lose, for every list and every cost at once.

Which trades gain something changes only from one cost that somebody pays to the
next. So trades are counted and added up by the two costs between which their
value lies, list by list; what is gained at one cost follows from the next one by
adding, and nothing is ever subtracted that could hide a small sum in a large one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon.market.columns import SideBySide

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from daemon.market.paths import Trades

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

CELLS = 1 << 20
"""Lists times costs that are laid out at once."""


@dataclass(frozen=True, eq=False, slots=True)
class Margins(SideBySide):
    """What closed trades brought, in bps of a position."""

    wins: Ints
    gain: Floats
    """Of those that gained something,"""
    loss: Floats
    """and of those that lost, as a positive number."""


def margins(trades: Trades, place: Ints, costs_bps: Floats) -> Margins:
    """Answer combinations, each by the number of its list and what a trade pays in all."""
    made = Margins.empty(len(place))
    order = np.argsort(place, kind="stable")
    number = place[order]
    todo = [(0, trades.entries.thresholds)]
    while todo:  # each turn answers some lists or halves them
        first, stop = todo.pop()
        some = order[slice(*np.searchsorted(number, [first, stop]).tolist())]
        costs, which = np.unique(costs_bps[some], return_inverse=True)
        if (len(costs) + 1) * (stop - first + 1) > CELLS and stop - first > 1:
            middle = (first + stop) // 2
            todo += [(first, middle), (middle, stop)]
        elif len(some):
            wins, gain, loss = _table(trades.between(first, stop), costs)
            cell = which, place[some] - first
            made.put(some, wins=wins[cell], gain=gain[cell], loss=loss[cell])
    return made


def _table(trades: Trades, costs: Floats) -> tuple[Ints, Floats, Floats]:
    """Lay out wins, gains and losses: a row a cost and a column a list."""
    value, entries = trades.value, trades.entries
    beaten = np.searchsorted(costs, value)
    groups = len(costs) + 1
    count = entries.grouped(beaten, groups, np.ones(len(value))).astype(np.int64)
    over = entries.grouped(beaten, groups, value - np.append(costs[:1], costs)[beaten])[1:]
    under = entries.grouped(beaten, groups, np.append(costs, costs[-1:])[beaten] - value)[:-1]
    wins = np.cumsum(count[::-1], axis=0)[-2::-1]
    losses = np.cumsum(count, axis=0)[:-1]
    step = np.diff(costs)[:, None]
    over[:-1] += step * wins[1:]
    under[1:] += step * losses[:-1]
    return wins, np.cumsum(over[::-1], axis=0)[::-1], np.cumsum(under, axis=0)
