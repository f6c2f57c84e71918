"""Days of quotes: which count, where their spreads and volatility lie, what was earned on them."""

from dataclasses import replace

import numpy as np
import pytest

from daemon.market.params import Combinations
from daemon.market.quotes import DAY_US, Quotes
from daemon.market.staircase import sweep
from daemon.search.studies import drift, earnings
from daemon.search.studies.drift import Days, days_of
from tests import market_kit

BEGIN = 1_700_000_000_000_000
PER_DAY = 288
LAST = BEGIN + 10 * DAY_US - 1
"""The last moment of the tenth day."""


def market(days=14, seed=1, **louder):
    draw, rows = np.random.default_rng(seed), days * PER_DAY
    since = np.arange(rows) >= 10 * PER_DAY
    size = np.where(since, louder.get("spread", 1.0), 1.0)
    moves = np.where(since, louder.get("volatility", 1.0), 1.0)
    middle = 100 * np.exp(np.cumsum(moves * draw.normal(0, 2e-4, rows)))
    other = middle * (1 + size * draw.normal(0, 1e-3, rows))
    prices = [one * (1 + side * 1e-4) for one in (middle, other) for side in (-1, 1)]
    return Quotes(*prices, at_us=BEGIN + np.arange(rows) * (DAY_US // PER_DAY))


def numbered(quotes, last_us=LAST):
    return days_of(quotes.at_us, last_us, quotes.spreads().valid)


# ── days ─────────────────────────────────────────────────────────────────────
def test_days_count_from_the_last_row_that_was_seen():
    found = numbered(market())
    assert found.numbers.tolist() == list(range(-10, 4))
    assert found.seen == 10
    assert found.of_row[[0, 10 * PER_DAY - 1, 10 * PER_DAY, -1]].tolist() == [-10, -1, 0, 3]


def test_a_day_that_is_not_over_does_not_count():
    quotes = market()
    cut = Quotes(
        *(column[: -PER_DAY // 2] for column in quotes.prices), quotes.at_us[: -PER_DAY // 2]
    )
    assert numbered(cut).numbers[-1] == 2
    nearly = Quotes(*(column[:-2] for column in quotes.prices), quotes.at_us[:-2])
    assert numbered(nearly).numbers[-1] == 3


def test_a_first_day_that_was_seen_in_part_does_not_count():
    quotes = market()
    found = numbered(Quotes(*(column[99:] for column in quotes.prices), quotes.at_us[99:]))
    assert found.numbers[0] == -9


@pytest.mark.parametrize(("kept", "counts"), [(PER_DAY // 5, False), (PER_DAY // 2, True)])
def test_a_day_with_few_sound_rows_does_not_count(kept, counts):
    quotes = market()
    bid_a = quotes.best_bid_a.copy()
    bid_a[4 * PER_DAY + kept : 5 * PER_DAY] = np.nan
    sick = Quotes(bid_a, *quotes.prices[1:], quotes.at_us)
    assert (-6 in numbered(sick).numbers) is counts


def test_without_rows_there_are_no_days():
    found = days_of(np.empty(0, np.int64), LAST, np.empty(0, np.bool_))
    assert (len(found.numbers), found.seen, len(found.places())) == (0, 0, 0)


def test_rows_of_days_that_do_not_count_have_no_place():
    days = Days(np.array([-2, -1, 0, 1, 2]), np.array([-2, 0, 1]))
    assert days.places().tolist() == [0, -1, 1, 2, -1]


# ── distributions ────────────────────────────────────────────────────────────
def indices(quotes):
    spread, volatility = drift.channels(quotes, numbered(quotes), 1.0)
    assert (spread.name, volatility.name) == ("spread", "volatility")
    return [
        float(drift.psi(one.seen.mean(axis=0), one.newer.mean(axis=0)))
        for one in (spread, volatility)
    ]


def test_tenths_of_the_past_hold_a_tenth_each():
    quotes = market()
    for one in drift.channels(quotes, numbered(quotes), 1.0):
        assert one.seen.shape == (10, 10)
        assert one.newer.shape == (4, 10)
        assert one.seen.mean(axis=0) == pytest.approx(np.full(10, 0.1), abs=0.002)
        assert one.newer.sum(axis=1) == pytest.approx(np.ones(4))


def test_nothing_changed_is_a_small_index():
    assert max(indices(market())) < 0.1


def test_wider_spreads_move_the_index_of_spreads():
    assert indices(market(spread=2))[0] > 0.3


def test_a_wilder_price_moves_the_index_of_volatility_alone():
    spread, volatility = indices(market(volatility=30))
    assert spread < 0.1
    assert volatility > 1


def test_what_happens_over_a_gap_is_no_movement():
    quotes = market()
    prices = [column.copy() for column in quotes.prices]
    at_us = quotes.at_us.copy()
    for column in prices:
        column[11 * PER_DAY + 50 :] *= 1.5
    there = np.ones(len(at_us), np.bool_)
    there[11 * PER_DAY + 40 : 11 * PER_DAY + 60] = False
    holed = Quotes(*(column[there] for column in prices), at_us[there])
    assert indices(holed)[1] < 0.1


def test_prices_that_never_move_are_no_drift():
    rows = 14 * PER_DAY
    still = market_kit.quotes([market_kit.ab(9)] * rows, every_us=DAY_US // PER_DAY)
    quotes = Quotes(*still.prices, BEGIN + np.arange(rows) * (DAY_US // PER_DAY))
    assert indices(quotes) == pytest.approx([0, 0], abs=1e-12)


def test_rows_without_moments_in_between_are_steps_all_the_same():
    quotes = market()
    days = numbered(quotes)
    timed, untimed = (
        drift.channels(Quotes(*quotes.prices, at_us), days, 1.0)[1]
        for at_us in (quotes.at_us, None)
    )
    assert (timed.newer == untimed.newer).all()


def test_one_row_a_day_has_no_volatility():
    at_us = BEGIN + DAY_US * np.arange(14) + 1
    plain = market()
    daily = Quotes(*(column[:14] for column in plain.prices), at_us)
    spread, volatility = drift.channels(daily, numbered(daily), 1.0)
    assert len(spread.seen) == len(volatility.seen)
    assert np.ptp(np.concatenate([volatility.seen, volatility.newer]), axis=0).max() == 0


def test_a_day_without_any_step_is_like_the_past():
    quotes = market()
    there = np.ones(len(quotes), np.bool_)
    there[12 * PER_DAY : 13 * PER_DAY] = np.arange(PER_DAY) % 6 == 0
    holed = Quotes(*(column[there] for column in quotes.prices), quotes.at_us[there])
    days = replace(numbered(holed), numbers=np.arange(-10, 4))  # another symbol has that day
    _, volatility = drift.channels(holed, days, 1.0)
    assert volatility.newer[2] == pytest.approx(volatility.seen.mean(axis=0), abs=0.005)


def test_a_name_tells_symbols_apart():
    quotes = market()
    found = drift.channels(quotes, numbered(quotes), 1.0, "btc ")
    assert [one.name for one in found] == ["btc spread", "btc volatility"]


# ── earnings ─────────────────────────────────────────────────────────────────
TRIAL = Combinations.of([market_kit.params(min_spread_bps=2.0, exit_model="quoted")])


def test_days_add_up_to_the_whole():
    quotes = market()
    days = numbered(quotes)
    found = earnings.earned(quotes, TRIAL, days.of_row, days)
    whole = sweep(quotes, TRIAL).columns
    assert whole["closed_trades"][0] > 10
    total = whole["realized_pnl_usd"][0] + whole["unrealized_pnl_usd"][0]
    assert found.usd.sum() == pytest.approx(total)
    assert found.rows.tolist() == [PER_DAY] * 14


def test_parts_add_up_and_days_that_are_half_covered_promise_nothing():
    quotes = market()
    days = numbered(quotes)
    half = slice(0, 2 * PER_DAY + PER_DAY // 2)
    part = Quotes(*(column[half] for column in quotes.prices), quotes.at_us[half])
    found = earnings.earned(part, TRIAL, days.of_row[half], days)
    assert earnings.covered(found, np.full(14, PER_DAY)).tolist() == [0, 1]
    twice = found.times(2).plus(found)
    assert twice.usd == pytest.approx(3 * found.usd)
    assert twice.rows.tolist() == (2 * found.rows).tolist()


def test_nothing_is_earned_on_no_rows():
    days = numbered(market())
    empty = Quotes(*(np.empty(0) for _ in range(4)), at_us=np.empty(0, np.int64))
    assert not earnings.earned(empty, TRIAL, np.empty(0, np.int64), days).usd.any()
