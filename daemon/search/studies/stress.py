"""Would a trial still gain if the world were less kind than its backtest?

Three ways in which it could be: costs are higher; orders on venue B are filled some
rows later, at whatever it quotes then; some rows are not to be believed and are left
out. What is *decided* stays the same under late fills: the trades open and close on the
rows on which they did, and only the prices of B's leg are later ones.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from daemon.market.metrics import usd
from daemon.market.quotes import BPS, Quotes
from daemon.search.studies.marked import deals

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from daemon.market.params import Combinations, Params

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

COSTS = ("taker_fee_a_bps", "taker_fee_b_bps", "slippage_bps")


# ── higher costs ─────────────────────────────────────────────────────────────
def dearer(trials: Combinations, percent: float) -> Combinations:
    """Raise all costs, fees and slippage, by a percentage."""
    return _with(trials, **{name: getattr(trials, name) * (1 + percent / 100) for name in COSTS})


def _with(trials: Combinations, **columns: Any) -> Combinations:
    return replace(trials, **columns)


# ── rows that nobody believes ────────────────────────────────────────────────
def without(quotes: Quotes, suspicious: Bools) -> Quotes:
    """Leave out rows: they stay where they are, and are no quotes that anybody could trade at.

    Raises:
        ValueError: there are not as many marks as rows.
    """
    if len(suspicious) != len(quotes):
        raise ValueError(f"{len(suspicious)} rows are marked or not, and there are {len(quotes)}")
    bid_a, ask_a, bid_b, ask_b = (np.where(suspicious, np.nan, one) for one in quotes.prices)
    return Quotes(bid_a, ask_a, bid_b, ask_b, quotes.at_us)


# ── fills that come late ─────────────────────────────────────────────────────
def late_pnl(quotes: Quotes, params: Params, rows: int, processed: int | None = None) -> Floats:
    """Give what each trade brings in USD if venue B's leg is filled so many rows later.

    A leg meets the first row from there on at which B quotes anything, and the last
    such row where there is none. Trades that are still open count as they stand.
    """
    found = deals(quotes, params, processed)
    if not len(found):
        return np.zeros(0)
    rate, count = params.exchange_a_to_b_rate, len(quotes)
    bid_a, ask_a, bid_b, ask_b = quotes.prices
    met = _met(quotes)
    opened, closed = found.opened, _last_valid(quotes, rate)[np.minimum(found.closed, count - 1)]
    late_in, late_out = (met[np.minimum(at + rows, count - 1)] for at in (opened, closed))
    buys_a = found.sold_b > 0
    with np.errstate(all="ignore"):
        entry = np.where(
            buys_a,
            (bid_b[late_in] * rate - ask_a[opened]) / ask_a[opened],
            (bid_a[opened] - ask_b[late_in] * rate) / (ask_b[late_in] * rate),
        )
        out = np.where(
            buys_a,
            (bid_a[closed] - ask_b[late_out] * rate) / (ask_b[late_out] * rate),
            (bid_b[late_out] * rate - ask_a[closed]) / ask_a[closed],
        )
    free = ~np.asarray(params.quoted | (found.closed >= count))
    late = replace(found, entry=entry * BPS, out=np.where(free, 0.0, out * BPS))
    brought = usd(
        late.pnl_bps(params.costs_bps, quoted=params.quoted, rows=count), params.max_position_usd
    )
    made: Floats = np.where(np.isfinite(brought), brought, 0.0)
    return made


def _met(quotes: Quotes) -> Ints:
    """Give, for every row, the first from it on at which B quotes, or else the last that does."""
    _, _, bid, ask = quotes.prices
    sound = (bid > 0) & (bid < ask) & (ask < np.inf)
    rows = np.arange(len(quotes))
    last = int(rows[sound][-1]) if sound.any() else 0
    ahead = np.where(sound, rows, len(quotes))[::-1]
    found: Ints = np.minimum(np.minimum.accumulate(ahead)[::-1], last)
    return found


def _last_valid(quotes: Quotes, rate: float) -> Ints:
    """Give, for every row, the last valid one up to it."""
    valid = quotes.spreads(rate).valid
    return np.maximum.accumulate(np.where(valid, np.arange(len(quotes)), 0))
