"""A fold ranked on both sides of its seam, and what its choice brought behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon.market.staircase import sweep
from daemon.search.studies.marked import bins_of, by_rows, marked, trade_pnl
from daemon.search.studies.outlook import rank_correlation
from daemon.services.studying.layout import sliced
from daemon.services.sweeping.keys import some

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from daemon.market.quotes import Quotes
    from daemon.search.studies.objective import Ordered
    from daemon.services.studying.evidence import Evidence, FoldEvidence

    Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Walked:
    """A fold, and how its trials stand in sample and out of sample."""

    fold: FoldEvidence
    inside: Ordered
    outside: Ordered | None
    test_values: Floats | None
    """The first objective of every trial on the test rows; None without a test."""
    correlation: float | None
    """How far both rankings agree; None without a test."""
    gains: Floats | None
    """What its choice gained on the test rows, bin by bin; None without a choice or a test."""
    trades: Floats | None
    """What each of its trades brought there."""


def walked(evidence: Evidence, fold: FoldEvidence) -> Walked:
    """Rank the trials of a fold on its training rows and on its test rows."""
    evidence.go_on()
    aim = evidence.wanted.aim
    inside, columns = aim.order(fold.values, fold.violation), fold.test_columns
    outside = values = agree = None
    if columns is not None:
        values = aim.values(columns)
        outside = aim.order(values, aim.violation(columns))
        agree = rank_correlation(inside.ranks, outside.ranks)
    gains, trades = _tested(evidence, fold)
    return Walked(
        fold=fold,
        inside=inside,
        outside=outside,
        test_values=None if values is None else values[:, 0],
        correlation=agree,
        gains=gains,
        trades=trades,
    )


def _tested(evidence: Evidence, fold: FoldEvidence) -> tuple[Floats | None, Floats | None]:
    """Run the choice of a fold over its test rows."""
    parts = [] if fold.test_columns is None else _parts(evidence, fold)
    if fold.chosen is None or not parts:
        return None, None
    chosen = some(fold.params, slice(fold.chosen, fold.chosen + 1))
    bins = bins_of(min(len(quotes) for _, quotes in parts))
    gains, trades = np.zeros(bins), [np.zeros(0)]
    for weight, quotes in parts:
        gains += weight * marked(quotes, chosen, by_rows(len(quotes), bins))[:, 0]
        processed = int(sweep(quotes, chosen).columns["rows_processed"][0])
        trades.append(weight * trade_pnl(quotes, chosen[0], processed))
    return gains, np.concatenate(trades)


def _parts(evidence: Evidence, fold: FoldEvidence) -> list[tuple[float, Quotes]]:
    """Give the test rows of each symbol, and how much they count."""
    return [
        (one.weight, sliced(one.quotes, fold.test[one.symbol]))
        for one in evidence.data
        if len(fold.test[one.symbol])
    ]
