"""The market: all at once is row by row, and what every backtest obeys."""

import dataclasses
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daemon.market import (
    closes,
    drawdowns,
    lists,
    margins,
    paths,
    simulator,
    staircase,
    stops,
)
from daemon.market.entries import entries
from daemon.market.params import Combinations, ExitModel
from daemon.market.quotes import Quotes
from daemon.market.runs import runs_of
from daemon.market.simulator import Side
from daemon.market.thresholds import entry_threshold, reached
from tests.market_kit import assert_same
from tests.market_strategies import markets, sessions, traders, wild_markets

costs = st.floats(0, 1e4) | st.sampled_from([0.0, 5e-324, 1e-300, 0.1, 1e16, 1e300])


@given(sessions())
def test_all_at_once_is_row_by_row(session):
    market, asked = session
    swept = staircase.sweep(market, Combinations.of(asked))
    for place, one in enumerate(asked):
        assert_same(simulator.backtest(market, one), swept[place], one)


@given(st.data())
def test_so_it_is_at_prices_of_any_size(data):
    market = data.draw(wild_markets())
    asked = data.draw(st.lists(traders(market), min_size=1, max_size=4))
    swept = staircase.sweep(market, Combinations.of(asked))
    for place, one in enumerate(asked):
        assert_same(simulator.backtest(market, one), swept[place], one)


@given(sessions())
def test_what_is_realized_is_the_same_where_nothing_else_is_asked(session):
    market, asked = session
    combinations = Combinations.of(asked)
    wanted = staircase.sweep(market, combinations).columns["realized_pnl_usd"]
    found = staircase.realized_usd(market, combinations)
    assert np.allclose(found, wanted, rtol=1e-12, atol=1e-12, equal_nan=True)


@given(sessions(most=4))
def test_no_matter_how_much_is_done_at_once(session):
    market, asked = session
    combinations = Combinations.of(asked)
    plain = staircase.sweep(market, combinations)
    small = {(paths, "AT_ONCE"): 2, (lists, "TRADES"): 1, (lists, "CELLS"): 1, (stops, "PAIRS"): 1}
    small |= {(drawdowns, "AT_ONCE"): 1, (drawdowns, "ABREAST"): 1, (drawdowns, "TOGETHER"): 2}
    small |= {(closes, "HEIGHT"): 2, (margins, "CELLS"): 1}
    small[staircase, "LEVELS"] = 1
    kept = {place: getattr(*place) for place in small}
    try:
        for (module, name), size in small.items():
            setattr(module, name, size)
        again = staircase.sweep(market, combinations)
    finally:
        for (module, name), size in kept.items():
            setattr(module, name, size)
    for place in range(len(asked)):
        assert_same(plain[place], again[place])


@given(sessions(most=5), st.randoms(use_true_random=False))
def test_a_combination_brings_the_same_whoever_stands_beside_it(session, random):
    market, asked = session
    alone = [staircase.sweep(market, Combinations.of([one]))[0] for one in asked]
    order = list(range(len(asked)))
    random.shuffle(order)
    mixed = staircase.sweep(market, Combinations.of([asked[place] for place in order]))
    for place, number in enumerate(order):
        assert_same(alone[number], mixed[place])


@given(st.data())
def test_every_backtest_keeps_its_books(data):
    market = data.draw(markets())
    one = data.draw(traders(market))
    run = simulator.simulate(market, one)
    told = simulator.backtest(market, one)
    spreads = market.spreads(one.exchange_a_to_b_rate)
    assert math.isclose(
        told.realized_pnl_usd, sum(trade.pnl_usd for trade in run.trades), abs_tol=1e-9
    )
    assert told.total_trades == len(run.trades) + told.open_trades
    assert told.open_trades <= one.max_open_trades
    for trade in run.trades:
        own, other = (
            (spreads.ab, spreads.ba) if trade.side is Side.A_TO_B else (spreads.ba, spreads.ab)
        )
        assert spreads.valid[[trade.entry_row, trade.exit_row]].all()
        assert own[trade.entry_row] == trade.entry_spread_bps >= other[trade.entry_row]
        assert trade.entry_spread_bps - one.costs_bps >= one.min_spread_bps
        assert own[trade.exit_row] < 0
        between = slice(trade.entry_row, trade.exit_row)
        assert (own[between][spreads.valid[between]] >= 0).all()
    opened = [trade.entry_row for trade in run.trades]
    opened += [trade.row for trade in run.state.open]
    assert len(set(opened)) == len(opened), "at most one trade opens on a row"


@given(st.data())
def test_convergence_cannot_lose_and_a_stop_never_acts_on_it(data):
    market = data.draw(markets())
    one = dataclasses.replace(data.draw(traders(market)), exit_model=ExitModel.CONVERGENCE)
    told = simulator.backtest(market, one)
    assert told.gross_loss_usd == 0
    assert told.max_drawdown_pct == 0
    assert not told.stopped
    assert told.rows_processed == len(market)


@given(markets())
def test_invalid_rows_between_valid_ones_change_only_how_long_things_take(market):
    one = {"min_spread_bps": 0.0, "taker_fee_a_bps": 1.0, "taker_fee_b_bps": 0.0}
    asked = Combinations.from_columns(
        4, **one, slippage_bps=0.0, max_position_usd=1.0, max_open_trades=[1, 2, 1, 2],
        quoted=[False, False, True, True],
    )  # fmt: skip
    valid = market.spreads().valid
    without = Quotes(*(column[valid] for column in market.prices))
    plain, closed_up = staircase.sweep(market, asked), staircase.sweep(without, asked)
    for name in ("total_trades", "closed_trades", "realized_pnl_usd", "max_drawdown_pct"):
        assert np.array_equal(plain.columns[name], closed_up.columns[name])


@given(st.lists(st.tuples(costs, costs), min_size=1, max_size=5))
def test_a_threshold_is_the_smallest_spread_that_opens(pairs):
    low, paid = (np.array(column) for column in zip(*pairs, strict=True))
    found = entry_threshold(low, paid)
    below = np.nextafter(found, -np.inf)
    assert (found - paid >= low).all()
    assert not (below - paid >= low).any()


@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=20).map(lambda drawn: sorted({*drawn})),
    st.lists(st.floats(0, 1e6) | st.sampled_from([0.0, 5e-324, 1e300]), max_size=20),
)
def test_thresholds_are_counted_as_by_comparing_with_each(thresholds, spreads):
    spreads = [spread for spread in [*spreads, *thresholds] if spread >= thresholds[0]]
    counted = reached(np.array(thresholds), np.array(spreads))
    assert counted.tolist() == [
        sum(threshold <= spread for threshold in thresholds) for spread in spreads
    ]


@given(markets(), st.lists(st.integers(0, 200), min_size=1, max_size=6, unique=True))
def test_lists_are_the_same_whether_they_are_looked_for_or_sorted(market, marks):
    thresholds = np.array(sorted(marks), np.float64)
    runs = runs_of(market, 1.0)
    for trades, opens in entries(runs, thresholds, [1, 2, 3]):
        for first in range(len(thresholds)):
            begins, which = opens.lists(first, len(thresholds))
            for number in range(first, len(thresholds)):
                found = opens.at[which[begins[number - first] : begins[number - first + 1]]]
                expected = first_of_runs(runs, thresholds[number], trades)
                assert found.tolist() == expected
        assert opens.count().tolist() == [
            len(first_of_runs(runs, threshold, trades)) for threshold in thresholds
        ]


def first_of_runs(runs, threshold, trades):
    """The first rows of each run that reach a threshold, found one by one."""
    room = {}
    found = []
    for place, (run, spread) in enumerate(zip(runs.run, runs.spread, strict=True)):
        if spread >= threshold and room.setdefault(int(run), trades):
            room[int(run)] -= 1
            found.append(place)
    return found


@given(markets(), st.lists(st.floats(0, 1e9), min_size=1, max_size=4, unique=True), st.data())
def test_sums_over_trades_lose_nothing_that_can_be_seen(market, scales, data):
    thresholds = np.array([0.0, 5.0, 20.0])
    for _, opens in entries(runs_of(market, 1.0), thresholds, [1, 3]):
        drawn = data.draw(
            st.lists(
                st.sampled_from([*scales, -1e9, 1e-9, 3.3]),
                min_size=len(opens),
                max_size=len(opens),
            )
        )
        values = np.array(drawn, np.float64)
        found = opens.sum(values)
        groups = opens.grouped(np.arange(len(opens)) % 2, 2, values)
        for number in range(len(thresholds)):
            mine = (opens.low <= number) & (opens.high > number)
            assert_sum(found[number], values[mine], values)
            for group in range(2):
                part = mine & (np.arange(len(opens)) % 2 == group)
                assert_sum(groups[group, number], values[part], values)


def assert_sum(found, mine, values):
    largest = np.abs(values).max(initial=0)
    assert math.isclose(found, math.fsum(mine), rel_tol=1e-15, abs_tol=largest * 2.0**-90)
