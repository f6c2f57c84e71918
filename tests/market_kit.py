"""Quotes to be traded: a row as it is written, and rows with the spreads that a test wants."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from daemon.market import simulator
from daemon.market.metrics import NAMES, Metrics
from daemon.market.params import Combinations, ExitModel, Params
from daemon.market.quotes import Quotes
from daemon.market.staircase import sweep

START_US = 1_677_628_800_000_000
"""2023-03-01, at midnight."""

MINUTE_US = 60_000_000
ASK_A = 100.0
TIGHT = 0.01

NOTHING = (math.nan, 1.0, 1.0, 2.0)
"""A row that is not valid."""


def quotes(rows, *, every_us=MINUTE_US, timed=True):
    """Make quotes of rows ``(bid_a, ask_a, bid_b, ask_b)``."""
    table = np.array(rows, np.float64).reshape(-1, 4)
    at_us = START_US + every_us * np.arange(len(table)) if timed else None
    return Quotes(*(np.ascontiguousarray(column) for column in table.T), at_us=at_us)


def ab(bps):
    """A row on which buying on A and selling on B brings so much."""
    bid_b = ASK_A * (1 + bps / 1e4)
    return ASK_A - TIGHT, ASK_A, bid_b, bid_b + TIGHT


def ba(bps):
    """A row on which buying on B and selling on A brings so much."""
    ask_b = (ASK_A - TIGHT) / (1 + bps / 1e4)
    return ASK_A - TIGHT, ASK_A, ask_b - TIGHT, ask_b


def dear(bps):
    """A row on which B quotes so widely that both ways lose: the reverse of a long A this much."""
    return ASK_A - TIGHT, ASK_A, ASK_A - TIGHT, (ASK_A - TIGHT) / (1 - bps / 1e4)


def params(**changed):
    """Parameters that trade from 10 bps on, for 5 bps of costs; $1,000 a trade."""
    plain = {
        "min_spread_bps": 5.0,
        "taker_fee_a_bps": 1.0,
        "taker_fee_b_bps": 1.5,
        "slippage_bps": 2.5,
        "max_position_usd": 1000.0,
    }
    return Params(**(plain | changed))


QUOTED = ExitModel.QUOTED


def both(market, one):
    """Backtest row by row and all at once; they must agree. Gives the metrics."""
    slow = simulator.backtest(market, one)
    assert_same(slow, sweep(market, Combinations.of([one]))[0])
    return slow


def assert_same(slow: Metrics, fast: Metrics, about=""):
    """Compare: whole numbers exactly, others to 1e-9."""
    differ = {
        name: (getattr(slow, name), getattr(fast, name))
        for name in NAMES
        if not _alike(getattr(slow, name), getattr(fast, name))
    }
    assert not differ, f"row by row and all at once differ: {differ} {about}"


def _alike(one, other):
    if isinstance(one, bool | int):
        return one == other
    return (math.isnan(one) and math.isnan(other)) or math.isclose(
        one, other, rel_tol=1e-9, abs_tol=1e-9
    )


def drawdowns(market, one):
    """The distinct drawdowns that one combination goes through if nothing stops it."""
    free = dataclasses.replace(one, stop_on_drawdown_pct=None)
    state, found = simulator.FRESH, set()
    for row in simulator.rows_of(market, one.exchange_a_to_b_rate):
        state, _ = simulator.step(state, row, free)
        found.add(state.drawdown_pct)
    return sorted(found - {0.0})
