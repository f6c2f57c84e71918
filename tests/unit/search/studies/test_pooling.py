"""Several symbols as one: what is added up, what is averaged, and of what the worst counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.market.metrics import NAMES
from daemon.search.studies.pooling import COUNTED, SUMMED, WORST, pool


def columns(*rows):
    """Metrics of some trials: all of one trial have one value."""
    return {name: np.array(rows, np.float64) for name in NAMES}


def test_every_metric_is_pooled_in_one_way():
    assert set(NAMES) > SUMMED | COUNTED | WORST
    assert not SUMMED & COUNTED
    assert not (SUMMED | COUNTED) & WORST


def test_one_symbol_alone_is_what_it_is_however_much_it_counts():
    mine = columns(1.0, -2.0)
    assert pool([mine], [5.0]) is mine


def test_money_is_added_up_trades_are_counted_and_the_worst_drawdown_counts():
    found = pool([columns(10.0, -1.0), columns(2.0, 4.0)], [1.0, 3.0])
    assert found["realized_pnl_usd"].tolist() == [16.0, 11.0]
    assert found["total_trades"].tolist() == [12.0, 3.0]
    assert found["max_drawdown_pct"].tolist() == [10.0, 4.0]
    assert found["win_rate"].tolist() == [4.0, 2.75]
    assert list(found) == list(NAMES)


def test_an_average_is_that_of_the_symbols_that_have_it():
    nothing = float("nan")
    found = pool([columns(2.0, nothing), columns(nothing, nothing)], [1.0, 9.0])
    assert found["profit_factor"][0] == 2.0
    assert np.isnan(found["profit_factor"][1])
    assert np.isnan(found["realized_pnl_usd"][0]), "money that is not known is not zero"


VALUES = st.floats(-1e6, 1e6)
WEIGHTS = st.floats(0.01, 100)


@given(st.lists(st.tuples(VALUES, WEIGHTS), min_size=2, max_size=5), st.randoms())
def test_the_order_of_symbols_means_nothing(symbols, random):
    one = pool([columns(value) for value, _ in symbols], [weight for _, weight in symbols])
    random.shuffle(symbols)
    other = pool([columns(value) for value, _ in symbols], [weight for _, weight in symbols])
    for name in NAMES:
        assert one[name][0] == pytest.approx(other[name][0], rel=1e-9, abs=1e-6)


@given(st.lists(st.tuples(VALUES, WEIGHTS), min_size=2, max_size=5))
def test_an_average_lies_between_those_it_is_of(symbols):
    found = pool([columns(value) for value, _ in symbols], [weight for _, weight in symbols])
    values = [value for value, _ in symbols]
    assert min(values) - 1e-6 <= found["win_rate"][0] <= max(values) + 1e-6
    assert found["max_drawdown_pct"][0] == max(values)
