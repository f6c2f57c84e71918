"""Slices of time: what trials brought in each of them."""

import numpy as np
import pytest

from daemon.market.params import Combinations
from daemon.market.simulator import backtest
from daemon.search.slices import cut, slice_pnl
from tests.market_kit import NOTHING, QUOTED, ab, params, quotes

ROWS = [ab(30), ab(-1), ab(12), ab(20), ab(-3), NOTHING, ab(40), ab(-1)] * 5


def test_slices_follow_each_other_and_leave_nothing_out():
    market = quotes(ROWS)
    parts = cut(market, 6)
    assert [len(part) for part in parts] == [6, 7, 7, 6, 7, 7]
    for place, column in enumerate(market.prices):
        joined = np.concatenate([part.prices[place] for part in parts])
        assert np.array_equal(joined, column, equal_nan=True)
    assert np.array_equal(np.concatenate([part.at_us for part in parts]), market.at_us)
    assert all(part.at_us is None for part in cut(quotes(ROWS, timed=False), 4))


def test_every_trial_runs_over_every_slice():
    market = quotes(ROWS)
    trials = [params(), params(min_spread_bps=20), params(exit_model=QUOTED, max_open_trades=2)]
    found = slice_pnl(market, Combinations.of(trials), 5)
    assert found.shape == (5, 3)
    for row, part in enumerate(cut(market, 5)):
        for column, one in enumerate(trials):
            assert found[row, column] == pytest.approx(backtest(part, one).realized_pnl_usd)


def test_where_no_trade_crosses_a_border_slices_add_up():
    market = quotes(ROWS)
    one = params()
    found = slice_pnl(market, Combinations.of([one]), 5)
    assert found.sum() == pytest.approx(backtest(market, one).realized_pnl_usd)


def test_what_is_no_number_gained_nothing():
    market = quotes([ab(1e6), ab(-1)] * 2)
    found = slice_pnl(market, Combinations.of([params(max_position_usd=1e308)]), 2)
    assert found.tolist() == [[0.0], [0.0]]


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match="3 rows cannot be cut into 4 slices"):
        cut(quotes(ROWS[:3]), 4)
