"""Breakpoints: on this side of an edge everything is equal, on the other the trades differ."""

import dataclasses
import math

from hypothesis import given
from hypothesis import strategies as st

from daemon.market import simulator
from daemon.market.breakpoints import pnl_usd, unchanged
from tests.market_kit import assert_same
from tests.market_strategies import markets, traders


@st.composite
def cases(draw):
    market = draw(markets())
    return market, draw(traders(market))


def listed(market, one):
    """Every trade that was opened: the closed ones, then those that were still open."""
    run = simulator.simulate(market, one)
    return [trade.entry_row for trade in run.trades], [trade.row for trade in run.state.open]


def at(one, threshold):
    return dataclasses.replace(one, min_spread_bps=threshold)


@given(cases(), st.floats(0, 1))
def test_within_the_edges_nothing_changes(case, share):
    market, one = case
    found = unchanged(market, one)
    assert one.min_spread_bps in found
    low = 0.0 if found.low is None else math.nextafter(found.low, math.inf)
    high = max(low, 2 * one.min_spread_bps, 1e4) if found.high is None else found.high
    between = min(max(low + share * (high - low), low), high)
    told = simulator.backtest(market, one)
    for threshold in (low, between, high):
        assert threshold in found
        assert listed(market, at(one, threshold)) == listed(market, one)
        assert_same(told, simulator.backtest(market, at(one, threshold)))


@given(cases())
def test_beyond_an_edge_other_trades_are_made(case):
    market, one = case
    found = unchanged(market, one)
    if found.low is not None:
        assert found.low not in found
        assert listed(market, at(one, found.low)) != listed(market, one)
    if found.high is not None:
        above = math.nextafter(found.high, math.inf)
        assert above not in found
        assert listed(market, at(one, above)) != listed(market, one)


@given(cases())
def test_trades_bring_what_they_bring_row_by_row(case):
    market, one = case
    wanted = [trade.pnl_usd for trade in simulator.trades(market, one)]
    assert pnl_usd(market, one).tolist() == wanted
