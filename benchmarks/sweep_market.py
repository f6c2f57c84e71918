"""What a sweep is measured on: quotes of two venues, grids of parameters, and a bare loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from daemon.market.params import Combinations, Params
from daemon.market.quotes import Quotes

if TYPE_CHECKING:
    from pathlib import Path

START_US = 1_650_000_000_000_000
MINUTE_US = 60_000_000

HALF = 1.5e-4
"""Half of what lies between bid and ask, as a share of the price."""

KEEPS = 0.9
"""What share of the difference between the venues is left a row later."""

MOVES = 12e-4
DRIFT = 2e-4
SEED = 7


def a_market(rows: int) -> Quotes:
    """Prices that wander, a difference that comes back; one row in a thousand is broken."""
    draw = np.random.default_rng(SEED)
    middle = 30_000 * np.exp(np.cumsum(draw.normal(0, DRIFT, rows)))
    moves = draw.normal(0, MOVES, rows).tolist()
    apart, differ = [], 0.0
    for move in moves:
        differ = KEEPS * differ + move
        apart.append(differ)
    other = middle * (1 + np.array(apart))
    columns = [middle * (1 - HALF), middle * (1 + HALF), other * (1 - HALF), other * (1 + HALF)]
    for column in columns:
        np.round(column, 2, out=column)
    columns[0][draw.random(rows) < 1e-3] = 0.0
    bid_a, ask_a, bid_b, ask_b = columns
    return Quotes(bid_a, ask_a, bid_b, ask_b, START_US + MINUTE_US * np.arange(rows))


def fresh(quotes: Quotes) -> Quotes:
    """Give quotes of which nothing was computed yet."""
    bid_a, ask_a, bid_b, ask_b = quotes.prices
    return Quotes(bid_a, ask_a, bid_b, ask_b, quotes.at_us)


def write(quotes: Quotes, path: Path) -> None:
    """Write quotes as CSV."""
    assert quotes.at_us is not None
    moments = np.datetime_as_string(quotes.at_us.astype("datetime64[us]"), unit="s")
    with path.open("w", encoding="utf-8") as file:
        file.write("timestamp,best_bid_a,best_ask_a,best_bid_b,best_ask_b\n")
        columns = (column.tolist() for column in quotes.prices)
        for moment, *prices in zip(moments.tolist(), *columns, strict=True):
            file.write(f"{moment}Z,{','.join(f'{price:.2f}' for price in prices)}\n")


# ── grids ────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Grid:
    """How many values each parameter has."""

    spreads: int
    slippages: int
    trades: int
    positions: int

    @property
    def size(self) -> int:
        """How many combinations it has."""
        return self.spreads * self.slippages * self.trades * self.positions

    def combinations(self, *, quoted: bool) -> Combinations:
        """Lay them out, the last parameter turning fastest."""
        axes = np.meshgrid(
            np.arange(self.spreads) * 0.5 + 5,
            np.arange(self.slippages) * 0.5,
            np.arange(self.trades) + 1,
            100.0 * (np.arange(self.positions) + 1),
            indexing="ij",
        )
        spread, slippage, trades, position = (axis.reshape(-1) for axis in axes)
        return Combinations.from_columns(
            self.size,
            min_spread_bps=spread,
            slippage_bps=slippage,
            taker_fee_a_bps=2.0,
            taker_fee_b_bps=2.0,
            max_open_trades=trades,
            max_position_usd=position,
            quoted=quoted,
        )


GRIDS = {
    9: Grid(3, 3, 1, 1),
    1_000: Grid(20, 10, 1, 5),
    20_000: Grid(50, 20, 4, 5),
    1_000_000: Grid(125, 80, 4, 25),
}


# ── a bare loop ──────────────────────────────────────────────────────────────
def bare_loop(quotes: Quotes, params: Params) -> float:
    """Backtest one combination by as little as Python can do with; gives the realized pnl."""
    costs, least = params.costs_bps, params.min_spread_bps
    most, size, rate = params.max_open_trades, params.max_position_usd, params.exchange_a_to_b_rate
    opened: list[tuple[bool, float]] = []
    realized = peak = deepest = 0.0
    for bid_a, ask_a, bid_b, ask_b in zip(
        *(column.tolist() for column in quotes.prices), strict=True
    ):
        if not (0 < bid_a < ask_a and 0 < bid_b < ask_b):
            continue
        ab = (bid_b * rate - ask_a) / ask_a * 1e4
        ba = (bid_a - ask_b * rate) / (ask_b * rate) * 1e4
        if opened:
            left = []
            for long_a, spread in opened:
                own, other = (ab, ba) if long_a else (ba, ab)
                if own >= 0:
                    left.append((long_a, spread))
                else:
                    pnl = spread + other - 2 * costs if params.quoted else spread - costs
                    realized += pnl / 1e4 * size
            opened = left
        if len(opened) < most and max(ab, ba) - costs >= least:
            opened.append((ab >= ba, max(ab, ba)))
        peak = max(peak, realized)
        balance = params.initial_balance_usd + peak
        deepest = max(deepest, (peak - realized) / balance)
    return realized
