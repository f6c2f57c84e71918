"""What Hypothesis draws for the market: quotes full of ties and holes, and who trades them.

Prices lie on a coarse lattice, so that spreads are equal more often than not;
thresholds and stops are taken from what the quotes hold, so that they are met to
the last digit.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from hypothesis import strategies as st

from daemon.market.metrics import ROUNDED
from daemon.market.params import ExitModel, Params
from daemon.market.quotes import Quotes
from tests.market_kit import START_US, drawdowns

bad_prices = st.sampled_from([math.nan, math.inf, -math.inf, 0.0, -1.0, 1000.0, 1.0])


@st.composite
def markets(draw, most=40):
    """Quotes of two venues that take turns in being dearer, some rows invalid."""
    count = draw(st.integers(0, most))
    table = np.empty((count, 4))
    steps = draw(st.sampled_from([0.25, 0.25, 0.5, 0.0625]))
    for row in table:
        a, b = (100 + steps * draw(st.integers(-4, 4)) for _ in range(2))
        half_a, half_b = (draw(st.sampled_from([0.03125, 0.125])) for _ in range(2))
        row[:] = a - half_a, a + half_a, b - half_b, b + half_b
        if draw(st.integers(0, 9)) == 0:
            row[draw(st.integers(0, 3))] = draw(bad_prices)
    return Quotes(*(np.ascontiguousarray(column) for column in table.T), at_us=draw(times(count)))


@st.composite
def wild_markets(draw, most=25):
    """The same at prices of any size, now and then a venue quoting nine digits too much or few."""
    plain = draw(markets(most))
    scale = draw(st.sampled_from([1e-290, 1e-10, 1.0, 1e10, 1e290]))
    slips = draw(
        st.lists(
            st.sampled_from([1.0, 1.0, 1.0, 1e-9, 1e9, 0.1]),
            min_size=len(plain),
            max_size=len(plain),
        )
    )
    bid_a, ask_a, bid_b, ask_b = (column * scale for column in plain.prices)
    slip = np.array(slips, np.float64)
    return Quotes(bid_a, ask_a, bid_b * slip, ask_b * slip, at_us=plain.at_us)


@st.composite
def times(draw, count):
    """Moments: minutes or many hours apart, now and then out of order; or none at all."""
    kind = draw(st.sampled_from(["minutes", "hours", "hours", "any", "none"]))
    if kind == "none":
        return None
    if kind == "any":
        days = draw(st.lists(st.integers(0, 5), min_size=count, max_size=count))
        return START_US + 86_400_000_000 * np.array(days, np.int64)
    step = 60_000_000 if kind == "minutes" else 13 * 3_600_000_000
    return START_US + step * np.arange(count)


@st.composite
def traders(draw, market):
    """Parameters that fit a market: thresholds that some spread just reaches, stops likewise."""
    rate = draw(st.sampled_from([1.0, 1.0, 1.0, 1.0025, 2.5]))
    spreads = market.spreads(rate)
    best = np.maximum(spreads.ab, spreads.ba)[spreads.valid]
    reachable = sorted({0.0, 10.0, *best[best >= 0].tolist()})
    costs = draw(st.sampled_from([(0.0, 0.0, 0.0), (5.0, 5.0, 0.0), (1.1, 2.2, 3.3)]))
    low = draw(st.sampled_from(reachable))
    total = sum(costs)
    if draw(st.booleans()):  # costs alone that some spread just reaches
        costs, total = (low, 0.0, 0.0), low
    one = Params(
        min_spread_bps=draw(st.sampled_from([0.0, max(low - total, 0.0), 10.0])),
        taker_fee_a_bps=costs[0],
        taker_fee_b_bps=costs[1],
        slippage_bps=costs[2],
        max_position_usd=draw(st.sampled_from([1.0, 1000.0, 20_000.0])),
        max_open_trades=draw(st.sampled_from([1, 1, 2, 3, 4, 5, 17, 100])),
        initial_balance_usd=draw(st.sampled_from([100.0, 10_000.0])),
        exchange_a_to_b_rate=rate,
        exit_model=draw(st.sampled_from(ExitModel)),
    )
    return dataclasses.replace(one, stop_on_drawdown_pct=draw(stops(market, one)))


@st.composite
def stops(draw, market, one):
    """A drawdown that stops a run: none, one that is met exactly, or all but."""
    found = drawdowns(market, one)
    if not found or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from([None, None, 0.5]))
    met = draw(st.sampled_from(found))
    least = met / (1 - ROUNDED)  # the highest threshold that counts as met, but for rounding
    around = [float(np.nextafter(value, way)) for value in (met, least) for way in (0, 1e9)]
    return draw(st.sampled_from([met, least, *around, least * (1 - 1e-12), least * (1 + 1e-12)]))


@st.composite
def sessions(draw, most_rows=40, most=8):
    """A market and several combinations over it."""
    market = draw(markets(most_rows))
    return market, draw(st.lists(traders(market), min_size=1, max_size=most))
