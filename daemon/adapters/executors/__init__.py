"""Who runs backtests: processes of this machine, or workers on many.

Executors are strangers to each other, so what they share stands here, above
them: what a batch is put to, how combinations travel, and how failures are told.
"""

from __future__ import annotations

import hashlib
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.log import mask, printable
from daemon.market.params import Combinations
from daemon.market.runs import runs_of
from daemon.market.staircase import sweep

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from daemon.market.metrics import Columns
    from daemon.market.quotes import Quotes

    Work = Callable[[Quotes, Combinations], Columns]
    """What a batch is put to; it knows only numbers."""
    Packed = Mapping[str, NDArray[Any]]
    """Combinations as they travel."""

COMMON_ROWS = 4_000_000
"""Of longer quotes nothing is worked out beforehand: whoever does it answers nobody meanwhile."""

COMMON_RATES = 4
"""Of so many rates between the venues at most."""

TOLD = 400
"""Characters that are kept of what an exception said."""

_NAMES = tuple(item.name for item in fields(Combinations))


def backtested(quotes: Quotes, combinations: Combinations) -> Columns:
    """Backtest every combination; a column a metric."""
    return sweep(quotes, combinations).columns


def in_common(quotes: Quotes, combinations: Combinations) -> None:
    """Work out what all batches on some quotes need, so that whoever is forked then has it."""
    if len(quotes) > COMMON_ROWS:
        return
    quotes.days()
    with np.errstate(over="ignore", invalid="ignore"):
        for rate in np.unique(combinations.exchange_a_to_b_rate)[:COMMON_RATES].tolist():
            runs_of(quotes, rate)


def packed(combinations: Combinations) -> Packed:
    """Make combinations ready to travel: of a column that holds one value, that value travels."""
    columns = {name: getattr(combinations, name) for name in _NAMES}
    return {
        name: column[:1] if len(column) and not any(column.strides) else column
        for name, column in columns.items()
    }


def unpacked(parcel: Packed) -> Combinations:
    """Give the combinations that were packed."""
    count = max(len(column) for column in parcel.values())
    return Combinations(
        **{name: np.broadcast_to(column, (count,)) for name, column in parcel.items()}
    )


def name_of(quotes: Quotes) -> str:
    """Name quotes by what they hold, also where nobody has computed their digest."""
    return quotes.digest or quotes.once("name", lambda: _digest(quotes))


def _digest(quotes: Quotes) -> str:
    found = hashlib.sha256(b"untimed" if quotes.at_us is None else quotes.at_us.tobytes())
    for column in quotes.prices:
        found.update(column.tobytes())
    return f"unnamed-{found.hexdigest()}"


def told(error: BaseException) -> str:
    """Say what was raised, no longer than a row can bear, and no password."""
    said = printable(mask(str(error))).strip()
    name = type(error).__name__
    return f"{name}: {said}"[:TOLD] if said else name
