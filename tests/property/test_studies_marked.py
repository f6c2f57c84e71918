"""Trials marked to the market: what is said of a bin is what a backtest up to its end would say."""

import dataclasses
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daemon.market import simulator
from daemon.market.params import Combinations
from daemon.market.quotes import Quotes
from daemon.market.staircase import sweep
from daemon.search.studies.marked import by_rows, by_time, deals, marked, trade_pnl
from daemon.search.studies.stress import dearer, late_pnl, without
from tests.market_strategies import markets, sessions, traders


def first(market, rows):
    at_us = None if market.at_us is None else market.at_us[:rows]
    return Quotes(*(column[:rows] for column in market.prices), at_us)


def worth(market, asked):
    found = sweep(market, Combinations.of([asked]))[0]
    return found.realized_pnl_usd + found.unrealized_pnl_usd


def close(one, other):
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-6)


@given(sessions(), st.data())
def test_gains_up_to_a_bin_are_those_of_a_run_that_ends_there(session, data):
    market, asked = session
    if not len(market):
        return
    ends = sorted(data.draw(st.sets(st.integers(0, len(market) - 1), min_size=1, max_size=4)))
    found = np.cumsum(marked(market, Combinations.of(asked), np.array(ends)), axis=0)
    for place, one in enumerate(asked):
        if one.stop_on_drawdown_pct is not None:  # a stop is met by what is realized: see below
            continue
        for end, told in zip(ends, found[:, place].tolist(), strict=True):
            assert close(told, worth(first(market, end + 1), one))


@given(sessions())
def test_all_bins_together_are_the_whole_run_stopped_or_not(session):
    market, asked = session
    if not len(market):
        return
    ends = by_rows(len(market), min(3, len(market)))
    found = marked(market, Combinations.of(asked), ends).sum(axis=0)
    for one, told in zip(asked, found.tolist(), strict=True):
        assert close(told, worth(market, one))


@given(st.data())
def test_trades_are_those_of_the_simulator(data):
    market = data.draw(markets())
    one = data.draw(traders(market))
    run = simulator.simulate(market, one)
    told = simulator.backtest(market, one)
    found = deals(market, one, told.rows_processed)
    closed = found.closed < len(market)
    assert np.count_nonzero(closed) == told.closed_trades
    assert np.count_nonzero(~closed) == told.open_trades
    brought = trade_pnl(market, one, told.rows_processed)
    assert np.allclose(brought[closed], [trade.pnl_usd for trade in run.trades], atol=1e-9)
    assert close(float(brought[~closed].sum()), told.unrealized_pnl_usd)


@given(st.data())
def test_fills_that_are_not_late_change_nothing(data):
    market = data.draw(markets())
    one = data.draw(traders(market))
    processed = simulator.backtest(market, one).rows_processed
    plain = trade_pnl(market, one, processed)
    assert np.allclose(late_pnl(market, one, 0, processed), plain, atol=1e-9)


@given(st.data(), st.integers(1, 50))
def test_late_fills_are_numbers_for_every_trade(data, rows):
    market = data.draw(markets())
    one = data.draw(traders(market))
    processed = simulator.backtest(market, one).rows_processed
    found = late_pnl(market, one, rows, processed)
    assert len(found) == len(trade_pnl(market, one, processed))
    assert np.isfinite(found).all()


@given(sessions(), st.floats(0, 300))
def test_dearer_trials_pay_more_in_the_same_proportion(session, percent):
    _, asked = session
    found = dearer(Combinations.of(asked), percent)
    for place, one in enumerate(asked):
        assert math.isclose(found.costs_bps[place], one.costs_bps * (1 + percent / 100))
        kept = dataclasses.replace(found[place], **costs(one))
        assert kept == one


def costs(one):
    return {
        name: getattr(one, name) for name in ("taker_fee_a_bps", "taker_fee_b_bps", "slippage_bps")
    }


@given(st.data())
def test_rows_that_are_left_out_open_and_close_nothing(data):
    market = data.draw(markets())
    one = data.draw(traders(market))
    marks = data.draw(st.lists(st.booleans(), min_size=len(market), max_size=len(market)))
    masked = without(market, np.array(marks, np.bool_))
    found = deals(masked, one)
    touched = {*found.opened.tolist(), *(row for row in found.closed.tolist() if row < len(market))}
    assert not touched & {row for row, out in enumerate(marks) if out}
    if not any(marks):
        assert close(worth(masked, one), worth(market, one))


@given(
    st.lists(st.lists(st.integers(0, 1000), min_size=1, max_size=30), min_size=1, max_size=3),
    st.integers(1, 20),
)
def test_bins_of_time_part_every_series_at_the_same_moments(series, bins):
    moments = [np.sort(np.array(one, np.int64)) for one in series]
    found = by_time(moments, bins)
    low, high = min(one[0] for one in moments), max(one[-1] for one in moments)
    for one, ends in zip(moments, found, strict=True):
        assert len(ends) == bins
        assert ends[-1] == len(one) - 1
        assert (np.diff(ends) >= 0).all()
        for number, end in enumerate(ends.tolist(), 1):
            border = low + (high - low + 1) * number // bins
            assert (one[: end + 1] < border).all()
            assert (one[end + 1 :] >= border).all()
