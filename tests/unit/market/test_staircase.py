"""All at once, where the drawn cases are too small or too rare to get."""

import dataclasses

import numpy as np
import pytest

from daemon.market import drawdowns, metrics, simulator
from daemon.market.closes import Closes
from daemon.market.metrics import NAMES
from daemon.market.params import Combinations, ExitModel
from daemon.market.quotes import Quotes
from daemon.market.runs import runs_of
from daemon.market.staircase import sweep
from tests.market_kit import (
    NOTHING,
    QUOTED,
    START_US,
    ab,
    assert_same,
    ba,
    both,
    dear,
    params,
    quotes,
)


def a_market(rows, seed=3):
    """Prices that wander, and a difference that comes back."""
    draw = np.random.default_rng(seed)
    middle = 30_000 * np.exp(np.cumsum(draw.normal(0, 2e-4, rows)))
    apart = np.zeros(rows)
    for row in range(1, rows):
        apart[row] = 0.9 * apart[row - 1] + draw.normal(0, 12e-4)
    half = middle * 1.5e-4
    other = middle * (1 + apart)
    columns = [middle - half, middle + half, other - half, other + half]
    columns[0][draw.random(rows) < 0.01] = 0
    return Quotes(*columns, at_us=START_US + 600_000_000 * np.arange(rows))


def a_grid(**changed):
    """Combinations that share much: lists, costs, paths."""
    ways = [
        dataclasses.replace(
            params(**changed),
            min_spread_bps=low,
            slippage_bps=slippage,
            max_open_trades=most,
            max_position_usd=position,
            exit_model=model,
            stop_on_drawdown_pct=stop,
        )
        for low in (0, 10, 25)
        for slippage in (0, 5, 12.5)
        for most in (1, 3, 90, 99)
        for position in (100, 5000)
        for model in ExitModel
        for stop in (None, 2.5)
    ]
    return ways, Combinations.of(ways)


def test_a_grid_over_a_long_market_is_what_it_is_row_by_row():
    market = a_market(3_000)
    ways, combinations = a_grid()
    swept = sweep(market, combinations)
    assert len(swept) == len(ways)
    for place, one in enumerate(ways):
        if place % 5 == 0:
            assert_same(simulator.backtest(market, one), swept[place], one)
    assert swept.columns["stopped"].any()
    assert not swept.columns["stopped"].all()


def test_combinations_that_trade_alike_share_a_list():
    _, combinations = a_grid()
    market = a_market(500)
    assert np.bincount(runs_of(market, 1.0).run).max() < 90  # so that 90 are as good as no limit
    swept = sweep(market, combinations)
    thresholds = {low + slippage for low in (0, 10, 25) for slippage in (0, 5, 12.5)}
    assert swept.lists == len(thresholds) * 3


def test_every_rate_has_its_own_spreads():
    market = a_market(800)
    ways = [params(exchange_a_to_b_rate=rate, exit_model=model)
            for rate in (1.0, 1.001, 0.998, 2.5) for model in ExitModel]  # fmt: skip
    swept = sweep(market, Combinations.of(ways))
    for place, one in enumerate(ways):
        assert_same(simulator.backtest(market, one), swept[place])


@pytest.mark.parametrize("rows", [[], [NOTHING] * 3, [ab(-1)] * 3, [ab(30)], [ba(30), NOTHING]])
@pytest.mark.parametrize("timed", [True, False])
def test_markets_in_which_little_happens(rows, timed):
    market = quotes(rows, timed=timed)
    ways = [params(exit_model=model, max_open_trades=most)
            for model in ExitModel for most in (1, 20)]  # fmt: skip
    swept = sweep(market, Combinations.of(ways))
    for place, one in enumerate(ways):
        assert_same(simulator.backtest(market, one), swept[place])


def test_no_combinations_are_no_trouble():
    assert len(sweep(quotes([ab(30)]), Combinations.of([]))) == 0


def test_trades_that_all_bring_the_same_do_not_differ():
    rows = [ab(30), ab(-1)] * 200
    for model in ExitModel:
        both(quotes(rows), params(exit_model=model))
        both(quotes(rows, every_us=86_400_000_000), params(exit_model=model))


def test_a_few_trades_that_nearly_agree_among_many_that_do_not():
    """Squares around a common centre have lost the digits that count here."""
    rows = [ab(500), ab(-1), ab(500.01), ab(-1), ab(499.99), ab(-1), *[ab(6), ab(-1)] * 400]
    market, ways = quotes(rows), [params(min_spread_bps=low) for low in (0, 400)]
    swept = sweep(market, Combinations.of(ways))
    for place, one in enumerate(ways):
        assert_same(simulator.backtest(market, one), swept[place])
    assert swept[1].closed_trades == 3
    assert swept[1].sharpe_per_trade == pytest.approx(495 / 0.01)


def test_days_that_hardly_earn_their_costs():
    """What is left of each day is less than a millionth of what it is the difference of."""
    rows = [ab(30.001 + 0.0005 * (number % 3)) if number % 5 else ab(-1) for number in range(200)]
    for model in ExitModel:
        one = params(min_spread_bps=0, slippage_bps=27.5, max_open_trades=3, exit_model=model)
        assert both(quotes(rows, every_us=3_600_000_000), one).sharpe_per_day != 0


def test_a_stop_is_exact_for_every_size_and_balance_on_one_path():
    market = a_market(2_000)
    free = params(exit_model=QUOTED, min_spread_bps=0, max_open_trades=2)
    ways = []
    for position, balance in [(100, 1e4), (5000, 1e4), (5000, 77.7)]:
        sized = dataclasses.replace(free, max_position_usd=position, initial_balance_usd=balance)
        for met in _met(market, sized):
            ways += [dataclasses.replace(sized, stop_on_drawdown_pct=float(np.nextafter(met, way)))
                     for way in (0, met, 1e9)]  # fmt: skip
    swept = sweep(market, Combinations.of(ways))
    for place, one in enumerate(ways):
        assert_same(simulator.backtest(market, one), swept[place], one)


def _met(market, one):
    """Drawdowns that are the deepest so far: there, and nowhere else, a run can stop."""
    state, deepest, found = simulator.FRESH, 0.0, []
    for row in simulator.rows_of(market, 1.0):
        state, _ = simulator.step(state, row, one)
        if state.drawdown_pct > deepest:
            deepest = state.drawdown_pct
            found.append(deepest)
    return found[:: max(len(found) // 4, 1)]


@pytest.mark.parametrize("tenths", range(1, 120))
def test_a_drawdown_that_is_exactly_the_threshold_stops_however_it_was_rounded(tenths):
    """Bought where both venues agree, sold so many tenths of a percent lower: no more, no less."""
    ask_b = 1000.0
    rows = [(99.0, 100.0, 100.0, 101.0), (ask_b - tenths, 2 * ask_b, ask_b - 1, ask_b), ab(30)]
    free = {"taker_fee_a_bps": 0, "taker_fee_b_bps": 0, "slippage_bps": 0, "min_spread_bps": 0}
    one = params(exit_model=QUOTED, initial_balance_usd=1000, **free)
    met = dataclasses.replace(one, stop_on_drawdown_pct=tenths / 10)
    missed = dataclasses.replace(one, stop_on_drawdown_pct=tenths / 10 + 1e-6)
    assert both(quotes(rows), met).rows_processed == 2
    assert both(quotes(rows), missed).rows_processed == 3


def test_where_rounding_may_decide_it_is_done_as_row_by_row():
    """A balance that is back where it was, but for the last digits of a sum."""
    rows = [ab(40.1), dear(13.3), ab(15), dear(60), ab(70), ab(-1), ab(10.1), ab(-1)] * 30
    market = quotes(rows)
    for slippage in np.linspace(0, 20, 41).tolist():
        both(market, params(exit_model=QUOTED, min_spread_bps=0, slippage_bps=slippage))


def test_a_fall_that_rounding_could_hide_is_looked_at_exactly():
    flat = metrics.FLAT_BPS
    moved = flat / 10 / (4 * metrics.EPS)  # so much that rounding may have moved it by a tenth
    for fall, unsure in [(flat, True), (flat * 1.05, True), (flat * 0.95, True), (flat * 2, False),
                         (flat / 2, False), (0.0, False)]:  # fmt: skip
        balances = np.array([1.0, 1.0 - fall]).reshape(1, 2, 1)
        closes = Closes(
            np.array([0, 1, 1]), balances, np.ones((1, 2, 1)), np.zeros(1), np.array([moved])
        )
        path = drawdowns.Paths(np.zeros(1, int), np.zeros(1), np.array([1]), np.array([1]))
        depths, _ = drawdowns.follow(quotes([ab(1), ab(2)]), closes, path)
        assert depths.unsure.tolist() == [unsure]


def test_the_metrics_have_one_list_of_names():
    swept = sweep(quotes([ab(30)]), Combinations.of([params()]))
    assert tuple(swept.columns) != ()
    assert set(swept.columns) == set(NAMES)
    assert set(swept[0].document()) == set(NAMES)


def test_numbers_beyond_all_bounds_are_no_numbers_and_no_trouble():
    market = quotes([(1e-300, 2e-300, 1.0, 2.0), ab(-1), ab(30), ab(-1)])
    ways = [params(exit_model=model, max_position_usd=1e300, min_spread_bps=low)
            for model in ExitModel for low in (1, 1e308)]  # fmt: skip
    swept = sweep(market, Combinations.of(ways))
    assert swept.columns["closed_trades"].tolist() == [2, 0, 2, 0]
    assert not np.isfinite(swept.columns["realized_pnl_usd"][0])
    assert swept.columns["realized_pnl_usd"][[1, 3]].tolist() == [0, 0]
