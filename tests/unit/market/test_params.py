"""What can be asked of a backtest, and that equal questions have one name."""

import math

import numpy as np
import pytest

from daemon.market.params import Combinations, ExitModel, Params
from tests.market_kit import params

NUMBERS = ["min_spread_bps", "taker_fee_a_bps", "taker_fee_b_bps", "slippage_bps",
           "max_position_usd", "initial_balance_usd", "stop_on_drawdown_pct",
           "exchange_a_to_b_rate"]  # fmt: skip
FROM_ZERO = NUMBERS[:4]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -1, "5", True, 10**400])
def test_what_is_no_number_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"{name} is "):
        params(**{name: value})


@pytest.mark.parametrize("name", NUMBERS)
def test_zero_is_taken_where_it_means_something(name):
    if name in FROM_ZERO:
        assert getattr(params(**{name: 0}), name) == 0
    else:
        with pytest.raises(ValueError, match=f"{name} is 0: it must be finite and more than zero"):
            params(**{name: 0})


@pytest.mark.parametrize("value", [0, -1, 2**31, 1.5, 2.0, True, "1", None])
def test_trades_are_counted_in_whole_numbers_from_one(value):
    with pytest.raises(ValueError, match="max_open_trades is "):
        params(max_open_trades=value)


def test_exit_models_are_two():
    assert params(exit_model="quoted").exit_model is ExitModel.QUOTED
    with pytest.raises(ValueError, match="exit_model is 'best': it can be convergence or quoted"):
        params(exit_model="best")


def test_equal_parameters_have_one_form_however_they_were_written():
    plain = params(min_spread_bps=20.0, slippage_bps=0.0)
    other = params(min_spread_bps=20, slippage_bps=-0.0, exit_model="convergence",
                   max_position_usd=np.float64(1000), max_open_trades=np.int64(1))  # fmt: skip
    assert other == plain
    assert other.canonical() == plain.canonical()
    assert other.digest() == plain.digest()


def test_the_form_stays_what_it_is():
    """Results are keyed by it: whoever changes it orphans every result that was stored."""
    assert params(stop_on_drawdown_pct=20).canonical() == (
        '{"exchange_a_to_b_rate":1.0,"exit_model":"convergence","initial_balance_usd":10000.0,'
        '"max_open_trades":1,"max_position_usd":1000.0,"min_spread_bps":5.0,"slippage_bps":2.5,'
        '"stop_on_drawdown_pct":20.0,"taker_fee_a_bps":1.0,"taker_fee_b_bps":1.5}'
    )
    assert '"stop_on_drawdown_pct":null' in params().canonical()
    assert params().digest().startswith("2fc23ec13d671626")


@pytest.mark.parametrize("changed", [{"min_spread_bps": 5.5}, {"max_open_trades": 2},
                                     {"stop_on_drawdown_pct": 1}, {"exit_model": "quoted"},
                                     {"exchange_a_to_b_rate": 1.1}])  # fmt: skip
def test_other_parameters_have_another_name(changed):
    assert params(**changed).digest() != params().digest()


# ── side by side ─────────────────────────────────────────────────────────────
def test_parameters_survive_being_laid_side_by_side():
    ways = [params(), params(max_open_trades=3, stop_on_drawdown_pct=20, exit_model="quoted",
                             exchange_a_to_b_rate=1.5, initial_balance_usd=7)]  # fmt: skip
    combinations = Combinations.of(ways)
    assert [combinations[place] for place in range(len(combinations))] == ways
    assert combinations.costs_bps.tolist() == [one.costs_bps for one in ways]


def test_a_column_may_be_one_value_for_all():
    combinations = Combinations.from_columns(
        3, min_spread_bps=[1, 2, 3], taker_fee_a_bps=1, taker_fee_b_bps=0, slippage_bps=0,
        max_position_usd=10,
    )  # fmt: skip
    assert combinations[2] == Params(
        min_spread_bps=3, taker_fee_a_bps=1, taker_fee_b_bps=0, slippage_bps=0, max_position_usd=10
    )


COLUMNS = {"min_spread_bps": 1.0, "taker_fee_a_bps": 1.0, "taker_fee_b_bps": 0.0,
           "slippage_bps": 0.0, "max_position_usd": 10.0}  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"min_spread_bps": [1, -1]}, r"min_spread_bps cannot be -1 \(combination 1\)"),
        ({"min_spread_bps": [math.nan, 1]}, r"min_spread_bps cannot be nan \(combination 0\)"),
        ({"max_position_usd": [1, 0]}, r"max_position_usd cannot be 0 \(combination 1\)"),
        ({"initial_balance_usd": math.inf}, r"initial_balance_usd cannot be inf"),
        ({"stop_on_drawdown_pct": [1, math.nan]}, r"stop_on_drawdown_pct cannot be nan"),
        ({"stop_on_drawdown_pct": [1, 0]}, r"stop_on_drawdown_pct cannot be 0"),
        ({"max_open_trades": [1, 1.5]}, r"max_open_trades cannot be 1.5 \(combination 1\)"),
        ({"max_open_trades": [0, 1]}, r"max_open_trades cannot be 0 \(combination 0\)"),
        ({"slippage_bps": [1, 2, 3]}, r"slippage_bps has shape \(3,\), and there are 2"),
        ({"slippage": 1}, "there is no parameter slippage"),
    ],
)
def test_a_column_that_does_not_fit_is_refused(changed, reason):
    with pytest.raises(ValueError, match=reason):
        Combinations.from_columns(2, **COLUMNS | changed)


def test_a_column_that_has_no_default_must_be_given():
    without = {name: value for name, value in COLUMNS.items() if name != "max_position_usd"}
    with pytest.raises(ValueError, match="max_position_usd must be given"):
        Combinations.from_columns(2, **without)
