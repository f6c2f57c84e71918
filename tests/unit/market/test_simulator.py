"""The rules of a backtest, each by an example that can be worked out by hand."""

import math

import pytest

from daemon.market.simulator import (
    FRESH,
    Action,
    Position,
    Row,
    Side,
    State,
    backtest,
    simulate,
    step,
    trades,
)
from tests.market_kit import MINUTE_US, NOTHING, QUOTED, ab, ba, both, dear, params, quotes

FREE = {"taker_fee_a_bps": 0.0, "taker_fee_b_bps": 0.0, "slippage_bps": 0.0}


def through(rows, one, actions=()):
    """Step through rows; give the last state and every trade that was closed."""
    state, closed = FRESH, []
    wanted = dict(enumerate(actions))
    for number, (spread_ab, spread_ba) in enumerate(rows):
        row = Row(number, spread_ab, spread_ba)
        state, ended = step(state, row, one, wanted.get(number))
        closed.extend(ended)
    return state, closed


# ── opening ──────────────────────────────────────────────────────────────────
def test_a_trade_opens_where_the_spread_pays_costs_and_the_least_that_is_wanted():
    told = both(quotes([ab(30), ab(-1)]), params())
    assert (told.total_trades, told.closed_trades, told.open_trades) == (1, 1, 0)
    assert told.realized_pnl_usd == pytest.approx(2.5)  # (30 - 5) bps of $1,000
    assert told.final_balance_usd == pytest.approx(10_002.5)
    assert told.win_rate == 1
    assert told.avg_pnl_per_trade_usd == pytest.approx(2.5)


def test_the_least_that_is_wanted_is_enough():
    market = quotes([ab(30), ab(-1)])
    spread = float(market.spreads().ab[0])
    just = params(**FREE | {"min_spread_bps": spread})
    over = params(**FREE | {"min_spread_bps": math.nextafter(spread, math.inf)})
    assert both(market, just).total_trades == 1
    assert both(market, over).total_trades == 0


def test_a_spread_that_only_pays_the_costs_opens_a_trade_that_wins_nothing():
    market = quotes([ab(30), ab(-1)])
    one = params(**FREE | {"min_spread_bps": 0, "slippage_bps": float(market.spreads().ab[0])})
    told = both(market, one)
    assert (told.closed_trades, told.win_rate, told.realized_pnl_usd) == (1, 0, 0)


@pytest.mark.parametrize("model", ["convergence", "quoted"])
def test_fees_count_and_every_one_of_them(model):
    market = quotes([ab(30), ab(-1), ab(30), ab(-1)])
    without = both(market, params(**FREE, exit_model=model))
    for fee in FREE:
        told = both(market, params(**FREE | {fee: 4.0}, exit_model=model))
        ways = 2 if model == "quoted" else 1
        assert told.realized_pnl_usd == pytest.approx(without.realized_pnl_usd - 0.8 * ways)


def test_of_equal_spreads_buying_on_a_is_chosen():
    state, _ = step(FRESH, Row(0, 20.0, 20.0), params())
    assert state.open == (Position(0, Side.A_TO_B, 20.0),)


def test_the_better_side_is_opened():
    assert [trade.side for trade in trades(quotes([ab(30), ab(-1)]), params())] == [Side.A_TO_B]
    assert [trade.side for trade in trades(quotes([ba(30), ab(-1)]), params())] == [Side.B_TO_A]


def test_at_most_one_trade_opens_on_a_row_and_no_more_than_may_be_open():
    market = quotes([ab(30), ab(31), ab(32), ab(33), ab(-1)])
    for most, opened in [(1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (9, [0, 1, 2, 3])]:
        one = params(max_open_trades=most)
        assert [trade.entry_row for trade in trades(market, one)] == opened
        assert both(market, one).closed_trades == len(opened)


# ── closing ──────────────────────────────────────────────────────────────────
def test_a_trade_stays_open_at_zero_and_closes_below():
    state, closed = through([(20, -30), (0.0, -10), (-0.0, -10)], params())
    assert (len(state.open), closed) == (1, [])
    _, closed = through([(20, -30), (0.0, -10), (-1e-9, -10)], params())
    assert [trade.exit_row for trade in closed] == [2]


EVEN = (99.0, 100.0, 100.0, 101.0)
"""A row on which buying on A and selling on B brings exactly nothing."""


def test_a_spread_of_nothing_opens_where_nothing_is_asked_and_closes_nothing():
    free = params(**FREE | {"min_spread_bps": 0, "max_open_trades": 2})
    told = both(quotes([EVEN, ab(30), EVEN, ab(-1)]), free)
    assert (told.total_trades, told.avg_holding_rows) == (2, 2.5)
    told = both(quotes([ab(30), EVEN, ab(-1)]), params())
    assert told.avg_holding_rows == 2


def test_a_trade_looks_at_its_own_side_only():
    state, closed = through([(-30, 20), (-5, 3)], params())
    assert (len(state.open), closed) == (1, [])


def test_everything_on_a_side_closes_together_in_the_order_in_which_it_opened():
    _, closed = through([(20, -30), (30, -40), (-1, -9)], params(max_open_trades=3))
    assert [(trade.entry_row, trade.exit_row) for trade in closed] == [(0, 2), (1, 2)]


def test_a_row_closes_before_it_opens():
    told = both(quotes([ab(30), ba(40), ab(-1)]), params())
    assert (told.total_trades, told.closed_trades) == (2, 2)


def test_quoted_exits_bring_the_reverse_spread_and_pay_both_ways():
    _, [trade] = through([(30, -40), (-2, -9)], params(exit_model=QUOTED))
    assert trade.exit_spread_bps == -9
    assert trade.pnl_bps == 30 - 9 - 2 * 5
    assert trade.pnl_usd == pytest.approx(1.1)


def test_converged_exits_bring_nothing_more():
    _, [trade] = through([(30, -40), (-2, -9)], params())
    assert (trade.exit_spread_bps, trade.pnl_bps) == (0, 25)


def test_quoted_exits_can_lose():
    told = both(quotes([ab(12), dear(9), ab(40), ab(-1)]), params(exit_model=QUOTED))
    assert (told.closed_trades, told.win_rate) == (2, 0.5)
    assert told.gross_profit_usd - told.gross_loss_usd == pytest.approx(told.realized_pnl_usd)
    assert told.profit_factor == pytest.approx(told.gross_profit_usd / told.gross_loss_usd)
    assert told.max_drawdown_pct > 0


# ── rows that say nothing ────────────────────────────────────────────────────
def test_an_invalid_row_closes_and_opens_nothing_and_counts_as_a_step():
    told = both(quotes([NOTHING, ab(30), NOTHING, ab(20), NOTHING]), params())
    assert (told.closed_trades, told.open_trades, told.rows_processed) == (0, 1, 5)
    assert told.exposure == 4 / 5


def test_what_is_open_is_valued_at_the_last_valid_row():
    told = both(quotes([ab(30), ab(20), NOTHING]), params(exit_model="convergence"))
    reverse = quotes([ab(20)]).spreads().ba[0]
    assert told.open_trades == 1
    assert told.realized_pnl_usd == 0
    assert told.unrealized_pnl_usd == pytest.approx((30 + reverse - 2 * 5) / 10)


def test_the_rate_makes_the_prices_of_b_comparable():
    in_euros = [(bid_a, ask_a, bid_b / 1.25, ask_b / 1.25) for bid_a, ask_a, bid_b, ask_b in
                [ab(30), ab(-1)]]  # fmt: skip
    told = both(quotes(in_euros), params(exchange_a_to_b_rate=1.25))
    assert told.realized_pnl_usd == pytest.approx(2.5)


def test_without_rows_nothing_happens():
    told = both(quotes([]), params())
    assert (told.total_trades, told.rows_processed, told.exposure) == (0, 0, 0)
    assert (told.win_rate, told.avg_pnl_per_trade_usd) == (0, 0)
    assert math.isnan(told.profit_factor)
    assert math.isnan(told.sharpe_per_trade)


# ── balance and drawdown ─────────────────────────────────────────────────────
ONE_PERCENT = params(**FREE | {"max_position_usd": 10_000.0, "exit_model": QUOTED})
"""A hundred basis points are a percent of the balance at the start."""


def test_drawdown_is_measured_from_the_peak():
    rows = [(100, -200), (-1, 900), (100, -200), (-1, -650)]
    state, _ = through(rows, ONE_PERCENT, [None, Action.WAIT] * 2)
    assert state.peak_usd == pytest.approx(1000)
    assert state.drawdown_pct == pytest.approx(100 * 550 / 11_000)


def test_a_drawdown_that_has_been_made_up_for_is_remembered():
    told = both(quotes([ab(10), dear(30), ab(90), ab(-1)]), ONE_PERCENT)
    assert told.max_drawdown_pct == pytest.approx(0.2)
    assert told.realized_pnl_usd > 0


def test_trades_that_close_on_one_row_count_as_one():
    one = params(**FREE | {"exit_model": QUOTED, "max_open_trades": 2})
    state, closed = through([(50, -60), (10, -20), (-1, -30)], one)
    assert [trade.pnl_bps for trade in closed] == [20, -20]
    assert (state.peak_usd, state.drawdown_pct) == (0, 0)


@pytest.mark.parametrize("percent", [1, 7, 14, 28, 29, 55, 58])
def test_a_drawdown_of_exactly_the_limit_stops(percent):
    lost = -100.0 * percent
    for limit, stops in [(percent, True), (percent * (1 + 2e-9), False)]:
        one = params(**FREE | {"exit_model": QUOTED, "max_position_usd": 10_000.0,
                               "stop_on_drawdown_pct": limit})  # fmt: skip
        state, _ = through([(8.0, -9.0), (-1.0, lost - 8)], one)
        assert state.stopped is stops


def test_the_row_that_stops_a_run_is_its_last():
    rows = [ab(10), dear(90), ab(60), ab(-1)]
    told = both(quotes(rows), params(**FREE | {"exit_model": QUOTED, "stop_on_drawdown_pct": 0.01}))
    assert told.stopped
    assert (told.rows_processed, told.total_trades, told.open_trades) == (2, 1, 0)
    assert told.exposure == 1 / 2


def test_nothing_comes_after_a_stop():
    with pytest.raises(ValueError, match="row 7 comes after the run was stopped"):
        step(State(stopped=True), Row(7, 0.0, 0.0), params())


# ── the other figures ────────────────────────────────────────────────────────
def test_how_long_trades_were_open():
    told = both(quotes([ab(30), ab(20), ab(-1), ab(-1), ab(30), ab(-1)]), params())
    assert told.avg_holding_rows == 1.5
    assert told.avg_holding_seconds == 90
    assert told.exposure == 3 / 6


def test_how_long_the_balance_stood_below_its_peak():
    falls, rises = [ab(10), dear(90)], [ab(300), ab(-1)]
    market = quotes([*falls, ab(-1), ab(-1), *rises, *falls])
    told = both(market, params(**FREE, exit_model=QUOTED))
    assert told.longest_drawdown_rows == 4
    assert told.longest_drawdown_seconds == 4 * 60


def test_a_drawdown_that_lasts_until_the_end_is_counted_until_there():
    told = both(quotes([ab(10), dear(90), ab(-1)]), params(**FREE, exit_model=QUOTED))
    assert told.longest_drawdown_rows == 2
    assert told.longest_drawdown_seconds == 60


def test_sharpe_compares_the_mean_with_how_much_trades_differ():
    market = quotes([ab(30), ab(-1), ab(20), ab(-1)])
    told = both(market, params())
    assert told.sharpe_per_trade == pytest.approx(20 / math.sqrt(50))
    alike = quotes([ab(30), ab(-1), ab(30), ab(-1)])
    assert math.isnan(both(alike, params()).sharpe_per_trade)
    assert math.isnan(both(quotes([ab(30), ab(-1)]), params()).sharpe_per_trade)


def test_sharpe_of_days_counts_every_day_that_has_rows():
    day = 24 * 60 * MINUTE_US
    rows = [ab(30), ab(-1), ab(-1), ab(20), ab(-1), ab(-1)]  # on days 0, 0, 1, 1, 2, 2
    told = both(quotes(rows, every_us=day // 2), params())
    by_day = [25.0, 0.0, 15.0]
    mean = sum(by_day) / 3
    deviation = math.sqrt(sum((value - mean) ** 2 for value in by_day) / 2)
    assert told.sharpe_per_day == pytest.approx(mean / deviation)


def test_without_moments_nothing_is_said_of_time():
    told = both(quotes([ab(30), ab(-1)], timed=False), params())
    assert told.avg_holding_rows == 1
    assert math.isnan(told.avg_holding_seconds)
    assert math.isnan(told.longest_drawdown_seconds)
    assert math.isnan(told.sharpe_per_day)
    assert told.document()["avg_holding_seconds"] is None


def test_what_means_nothing_is_null():
    document = backtest(quotes([ab(30), ab(-1)]), params()).document()
    assert document["profit_factor"] is None
    assert document["closed_trades"] == 1
    assert document["stopped"] is False


# ── actions ──────────────────────────────────────────────────────────────────
def test_whoever_waits_opens_nothing():
    state, _ = through([(90, -95)], params(), [Action.WAIT])
    assert state is FRESH


def test_whoever_enters_needs_no_threshold_but_room():
    state, _ = through([(1, -9), (2, -9)], params(), [Action.ENTER] * 2)
    assert [position.row for position in state.open] == [0]


def test_whoever_exits_is_paid_what_is_quoted():
    state, [trade] = through([(90, -95), (60, -70)], params(), [None, Action.EXIT])
    assert state.open == ()
    assert trade.pnl_bps == 90 - 70 - 2 * 5


def test_what_has_converged_closes_whatever_is_wanted():
    _, [trade] = through([(90, -95), (-1, -2)], params(), [None, Action.WAIT])
    assert trade.pnl_bps == 85


def test_a_row_on_which_nothing_happens_leaves_the_state_as_it_is():
    state, closed = step(FRESH, Row(0, 1.0, -2.0), params())
    assert state is FRESH
    assert closed == ()


def test_a_run_can_be_looked_at_trade_by_trade():
    run = simulate(quotes([ab(30), ab(-1), ba(40)]), params())
    assert [(trade.entry_row, trade.exit_row) for trade in run.trades] == [(0, 1)]
    assert [position.side for position in run.state.open] == [Side.B_TO_A]
