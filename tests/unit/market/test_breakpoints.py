"""Where the edges of a threshold lie, by examples that can be worked out by hand."""

import math

import numpy as np
import pytest

from daemon.market.breakpoints import Interval, pnl_usd, unchanged
from daemon.market.simulator import trades
from tests.market_kit import NOTHING, QUOTED, ab, ba, dear, params, quotes

FREE = {"taker_fee_a_bps": 0.0, "taker_fee_b_bps": 0.0, "slippage_bps": 0.0}


def edges(rows, **changed):
    found = unchanged(quotes(rows), params(**FREE | changed))
    return tuple(None if edge is None else pytest.approx(edge) for edge in (found.low, found.high))


def test_the_poorest_trade_and_the_row_that_just_misses_are_the_edges():
    rows = [ab(30), ab(-1), ab(12), ab(-1), ab(20), ab(-1)]
    assert edges(rows, min_spread_bps=15) == (12, 20)
    assert edges(rows, min_spread_bps=25) == (20, 30)
    assert edges(rows, min_spread_bps=40) == (30, None)
    assert edges(rows, min_spread_bps=5) == (None, 12)
    assert edges(rows, min_spread_bps=0) == (None, 12)


def test_costs_move_the_edges():
    rows = [ab(30), ab(-1), ab(20), ab(-1)]
    assert edges(rows, min_spread_bps=15, slippage_bps=4, taker_fee_b_bps=2) == (14, 24)
    assert edges(rows, min_spread_bps=0, slippage_bps=21) == (None, 9)


def test_a_row_for_which_there_was_no_room_is_no_edge():
    rows = [ab(30), ab(18), ab(-1), ab(12), ab(-1)]
    assert edges(rows, min_spread_bps=20) == (12, 30)
    assert edges(rows, min_spread_bps=20, max_open_trades=2) == (18, 30)


def test_a_row_that_would_come_first_is_one():
    rows = [ab(18), ab(30), ab(-1)]
    assert edges(rows, min_spread_bps=20) == (18, 30)
    assert edges(rows, min_spread_bps=10) == (None, 18)


def test_both_sides_count_and_rows_that_are_not_valid_do_not():
    rows = [ab(30), NOTHING, ba(17), ba(-1), ab(21), ab(-1)]
    assert edges(rows, min_spread_bps=18) == (17, 21)


def test_what_comes_after_the_stop_changes_nothing():
    rows = [ab(30), dear(40), ab(22), ab(-1), ab(25), ab(-1)]
    free = {"exit_model": QUOTED, "slippage_bps": 10.0}
    assert edges(rows, min_spread_bps=14, **free) == (12, 15)
    assert edges(rows, min_spread_bps=14, stop_on_drawdown_pct=1e-3, **free) == (None, 20)


def test_nothing_to_trade_is_the_same_with_every_threshold():
    assert unchanged(quotes([]), params()) == Interval(None, None)
    assert unchanged(quotes([NOTHING, ab(-3)]), params()) == Interval(None, None)


def test_an_interval_holds_its_upper_edge_and_not_its_lower_one():
    assert 2.0 in Interval(1.0, 2.0)
    assert 1.0 not in Interval(1.0, 2.0)
    assert 2.1 not in Interval(1.0, 2.0)
    assert 0.0 in Interval(None, 0.0)
    assert math.inf in Interval(1.0, None)


def test_trades_bring_what_they_bring_row_by_row():
    market = quotes([ab(30), ab(21), ab(-4), ba(25), ab(-1), ab(50)])
    for changed in ({}, {"exit_model": QUOTED}, {"max_open_trades": 3}):
        one = params(**changed)
        assert pnl_usd(market, one).tolist() == [trade.pnl_usd for trade in trades(market, one)]
    assert len(pnl_usd(market, params(min_spread_bps=100))) == 0


def test_a_position_too_large_for_a_number_raises_nothing():
    assert np.isinf(pnl_usd(quotes([ab(1e6), ab(-1)]), params(max_position_usd=1e308))).all()
