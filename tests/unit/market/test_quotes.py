"""Which rows are sound, and what the spreads are."""

import math

import numpy as np
import pytest

from daemon.market.quotes import Quotes
from tests.market_kit import START_US, ab, quotes

NAN, INF = math.nan, math.inf
SOUND = (99.0, 100.0, 101.0, 102.0)


def test_spreads_are_what_each_way_brings_in_basis_points():
    spreads = quotes([SOUND]).spreads()
    assert spreads.ab[0] == pytest.approx(100)  # buy at 100, sell at 101
    assert spreads.ba[0] == pytest.approx((99 - 102) / 102 * 1e4)
    assert spreads.valid.all()


def test_the_rate_is_applied_to_the_prices_of_b():
    spreads = quotes([SOUND]).spreads(2.0)
    assert spreads.ab[0] == pytest.approx((202 - 100) / 100 * 1e4)
    assert spreads.ba[0] == pytest.approx((99 - 204) / 204 * 1e4)


@pytest.mark.parametrize("place", range(4))
@pytest.mark.parametrize("price", [NAN, INF, -INF, 0.0, -0.0, -5.0])
def test_a_price_that_is_none_makes_a_row_invalid(place, price):
    row = list(SOUND)
    row[place] = price
    assert not quotes([row]).spreads().valid.any()


@pytest.mark.parametrize("row", [(100, 100, 101, 102), (101, 100, 101, 102),
                                 (99, 100, 102, 102), (99, 100, 103, 102)])  # fmt: skip
def test_a_bid_that_is_no_lower_than_the_ask_makes_a_row_invalid(row):
    assert not quotes([row]).spreads().valid.any()


@pytest.mark.parametrize("rate", [1e308, 1e-320])
def test_a_rate_that_leaves_no_price_makes_a_row_invalid(rate):
    assert not quotes([(99, 100, 101, 102), (1e-5, 1e-4, 1e-5, 1e-4)]).spreads(rate).valid.any()


def test_a_bid_that_the_rate_makes_nothing_is_none():
    assert not quotes([(1e-310, 2e-310, 1e-5, 1.0)]).spreads(5e-324).valid.any()


def test_a_spread_beyond_all_numbers_makes_a_row_invalid():
    assert not quotes([(1e-308, 2e-308, 1e10, 2e10)]).spreads().valid.any()


@pytest.mark.parametrize("rows", [1, 70_000])
def test_many_rows_are_as_one(rows):
    spreads = quotes([ab(30)] * rows).spreads()
    assert len({*spreads.ab.tolist()}) == 1
    assert spreads.valid.sum() == rows


def test_what_was_computed_is_not_computed_again():
    market = quotes([ab(30)])
    assert market.spreads() is market.spreads(1.0)
    assert market.spreads(1.5) is not market.spreads()


def test_a_part_is_what_its_rows_are_and_keeps_what_is_known_of_each():
    market = quotes([ab(30), ab(-1), ab(12), ab(20)])
    whole = market.spreads(1.5)
    part = market.part(slice(1, 3))
    assert part.best_ask_b.tolist() == market.best_ask_b[1:3].tolist()
    assert part.at_us.tolist() == market.at_us[1:3].tolist()
    assert np.shares_memory(part.spreads(1.5).ab, whole.ab)
    fresh = Quotes(*part.prices, part.at_us).spreads(1.5)
    for name in ("ab", "ba", "valid"):
        assert np.array_equal(getattr(part.spreads(1.5), name), getattr(fresh, name))
    assert part.days().count == 1


def test_days_are_numbered_as_they_come():
    day = 86_400_000_000
    column = np.ones(5)
    order = [3, 3, 1, 3, 2]
    market = Quotes(column, column, column, column, START_US + day * np.array(order))
    assert market.days().of_row.tolist() == [0, 0, 1, 0, 2]
    assert market.days().seen.tolist() == [1, 1, 2, 2, 3]
    assert market.days().count == 3
    ordered = Quotes(column, column, column, column, START_US + day * np.sort(order))
    assert ordered.days().of_row.tolist() == [0, 1, 2, 2, 2]
    assert ordered.days().seen.tolist() == [1, 2, 3, 3, 3]


def test_without_moments_there_are_no_days():
    assert quotes([ab(30)], timed=False).days() is None


def test_columns_are_equally_long():
    with pytest.raises(ValueError, match=r"differ in length: \[1, 2\]"):
        Quotes(np.ones(1), np.ones(1), np.ones(2), np.ones(1))
