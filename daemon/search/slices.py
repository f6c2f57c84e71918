"""What trials brought in each of several slices of time.

The quotes are cut into slices of equally many rows, and every trial is run over
each of them from the start. That is an approximation, and what it leaves out is
small where trades are short beside a slice: no trade crosses a border, what is
open at the end of a slice is not counted, and the balance, its peak and a stop by
drawdown begin anew with every slice. So slices do not add up exactly to a run over
all of the quotes.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from daemon.market.staircase import realized_usd
from daemon.search.overfitting import SLICES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from daemon.market.params import Combinations
    from daemon.market.quotes import Quotes

    Floats = NDArray[np.float64]


def cut(quotes: Quotes, slices: int = SLICES) -> list[Quotes]:
    """Cut quotes into slices whose lengths differ by one row at most.

    Raises:
        ValueError: there are fewer rows than slices.
    """
    if len(quotes) < slices:
        raise ValueError(f"{len(quotes)} rows cannot be cut into {slices} slices")
    borders = [len(quotes) * number // slices for number in range(slices + 1)]
    return [quotes.part(slice(*border)) for border in pairwise(borders)]


def slice_pnl(quotes: Quotes, trials: Combinations, slices: int = SLICES) -> Floats:
    """Give the realized pnl of every trial in every slice: (slices, trials).

    What is no finite number counts as nothing gained.

    Raises:
        ValueError: there are fewer rows than slices.
    """
    rows = [realized_usd(part, trials) for part in cut(quotes, slices)]
    found = np.stack(rows)
    return np.where(np.isfinite(found), found, 0.0)
