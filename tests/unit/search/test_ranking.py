"""Ranking: the order, ties, who is left out and why, and the best of very many."""

import math
from collections import Counter
from itertools import permutations

import numpy as np
import pytest

from daemon.search.ranking import Best, Filters, natural, natural_order, rank
from tests.ranking_kit import columns, nearly, picked


def numbers(table, order=None, **asked):
    """The job numbers, best first."""
    order = np.arange(1, len(table["total_trades"]) + 1) if order is None else np.array(order)
    found = rank(table, order, **asked)
    return order[found.places].tolist()


# ── the order ────────────────────────────────────────────────────────────────
def test_the_most_pnl_comes_first_then_less_drawdown_then_the_lower_number():
    table = columns([5, 9, 9, -1, 9], drawdown=[0, 2, 1, 0, 2])
    assert numbers(table) == [3, 2, 5, 1, 4]
    assert numbers(table, [1, 5, 3, 4, 2]) == [3, 2, 5, 1, 4]


def test_who_is_equal_in_both_is_tied():
    found = rank(columns([5, 9, 9, 9, 1], drawdown=[0, 1, 0, 1, 0]), np.arange(1, 6))
    assert found.labels() == ["1", "2=", "2=", "4", "5"]
    assert found.ranks.tolist() == [1, 2, 2, 4, 5]
    assert found.tied.tolist() == [False, True, True, False, False]


@pytest.mark.parametrize("scale", [1.0, -1.0, 1e6, -1e6])
def test_rounding_does_not_decide(scale):
    pnl = [nearly(scale, steps) for steps in (-2, 0, 3)]
    found = rank(columns(pnl, drawdown=[nearly(2.0, 1), 2.0, 2.0]), np.arange(1, 4))
    assert found.places.tolist() == [0, 1, 2]
    assert found.labels() == ["1=", "1=", "1="]


def test_what_is_more_than_rounding_does_decide():
    assert numbers(columns([100.0, 100.0 + 2e-7])) == [2, 1]
    assert numbers(columns([0.0, 2e-9])) == [2, 1]
    assert numbers(columns([0.0, 0.5e-9])) == [1, 2]
    assert numbers(columns([1.0, 1.0], drawdown=[3e-9, 0.0])) == [2, 1]


def test_equality_is_measured_from_the_best_and_does_not_creep():
    ladder = [7e-10 * step for step in range(5)]  # each step is within reach of the next
    found = rank(columns(ladder), np.arange(1, 6))
    assert found.places.tolist() == [3, 4, 1, 2, 0]
    assert found.labels() == ["1=", "1=", "3=", "3=", "5"]


def test_the_order_of_the_input_is_no_matter():
    table = columns(
        [3.0, nearly(3.0, 2), 3.0, 2.0, -4.0, 0.0, -0.0],
        drawdown=[1, 1, 0.5, 0, 0, nearly(2, 1), 2],
    )
    order = np.arange(1, 8)
    wanted = rank(table, order)
    names = order[wanted.places].tolist()
    seen = 0
    for limit in (None, 3):
        for mixed in permutations(range(7)):
            places = np.array(mixed)
            found = rank(picked(table, places), order[places], limit=limit)
            assert order[places][found.places].tolist() == names[:limit]
            assert found.labels() == wanted.labels()[:limit]
            seen += 1
    assert seen > 10_000


def test_no_jobs_are_ranked_too():
    found = rank(columns([]), np.arange(0))
    assert (len(found), found.eligible, found.labels()) == (0, 0, [])


# ── how many ─────────────────────────────────────────────────────────────────
def test_only_so_many_are_shown_and_a_tie_with_one_who_is_not_is_told():
    found = rank(columns([9, 8, 8, 8]), np.arange(1, 5), limit=2)
    assert found.labels() == ["1", "2="]
    assert found.eligible == 4
    assert len(rank(columns([9, 8]), np.arange(2), limit=0)) == 0


def test_of_many_that_are_equal_one_more_than_shown_is_enough():
    found = rank(columns([8, 8, 8, 8]), np.arange(1, 5), limit=1)
    assert found.labels() == ["1="]


def test_who_is_just_within_reach_of_the_last_is_still_held():
    found = rank(columns([0, 0, -1e-9], drawdown=[5, 5, 0]), np.arange(1, 4), limit=1)
    assert found.places.tolist() == [2]
    drawdown = [1e-9, 0, 0]
    found = rank(columns([5, 5, 5], drawdown=drawdown), np.array([1, 2, 3]), limit=1)
    assert found.places.tolist() == [0]


def test_fewer_than_none_are_refused():
    with pytest.raises(ValueError, match="first -1 jobs"):
        rank(columns([1]), np.arange(1), limit=-1)


def test_the_best_of_very_many_are_held_and_not_much_else():
    rng = np.random.default_rng(5)
    count, block = 200_000, 4_096
    pnl = rng.integers(-50, 50, count).astype(np.float64)  # ties by the thousand
    table = columns(pnl + 1e-13 * rng.integers(0, 3, count), drawdown=rng.integers(0, 2, count))
    order = rng.permutation(count)
    best, most = Best(100), 0
    for start in range(0, count, block):
        part = np.arange(start, min(start + block, count))
        best.feed(picked(table, part), order[part])
        most = max(most, len(best))
    whole = rank(table, order)
    found = best.ranked()
    assert found.places.tolist() == whole.places[:100].tolist()
    assert found.labels() == whole.labels()[:100]
    assert found.eligible == count
    assert most <= 1_000


def test_one_balance_among_thousands_of_equal_pnl_is_found():
    """Equal pnl with ever another drawdown is not held either."""
    best = Best(5)
    for start in range(0, 50_000, 1_000):
        numbers = np.arange(start, start + 1_000)
        best.feed(columns(np.ones(1_000), drawdown=100.0 - numbers / 1_000), numbers)
    assert len(best) == 6
    assert best.ranked().places.tolist() == [49_999, 49_998, 49_997, 49_996, 49_995]


# ── who is left out ──────────────────────────────────────────────────────────
def test_failed_jobs_are_counted_and_their_columns_not_read():
    table = columns([math.nan, 5, 7], drawdown=[0, 0, 99])
    found = rank(table, np.array([4, 8, 6]), done=np.array([False, True, False]))
    assert found.places.tolist() == [1]
    assert found.excluded == Counter({"error": 2})
    assert found.examples == {"error": [4, 6]}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("metric", ["realized_pnl_usd", "max_drawdown_pct", "win_rate"])
def test_what_is_no_number_keeps_a_job_out_by_its_name(metric, value):
    table = columns([1, 2, 3])
    table[metric] = table[metric].copy()
    table[metric][1] = value
    found = rank(table, np.arange(1, 4))
    assert found.places.tolist() == [2, 0]
    assert found.excluded == Counter({f"{metric} not finite": 1})
    assert found.examples == {f"{metric} not finite": [2]}


@pytest.mark.parametrize("metric", ["realized_pnl_usd", "max_drawdown_pct", "total_trades"])
def test_a_metric_that_is_not_there_at_all_leaves_nobody(metric):
    table = columns([1, 2])
    del table[metric]
    found = rank(table, np.arange(1, 3), Filters(max_drawdown_pct=50, min_trades=1))
    assert len(found) == 0
    assert found.excluded == Counter({f"{metric} missing": 2})


def test_a_metric_that_nobody_is_ranked_by_may_mean_nothing():
    assert numbers(columns([1, 2], profit_factor=[math.nan, math.inf])) == [2, 1]
    table = columns([1, 2])
    del table["win_rate"]
    assert numbers(table) == [2, 1]


def test_filters_let_their_bounds_pass():
    table = columns([1, 2, 3, 4], drawdown=[5, 5.1, 0, 0], trades=[10, 10, 9, 10])
    found = rank(table, np.arange(1, 5), Filters(max_drawdown_pct=5, min_trades=10))
    assert found.places.tolist() == [3, 0]
    assert found.excluded == Counter({"max_drawdown_pct above 5": 1, "total_trades below 10": 1})
    assert found.examples == {"max_drawdown_pct above 5": [2], "total_trades below 10": [3]}


def test_each_job_is_left_out_for_one_reason():
    table = columns([math.nan, 1, 1], drawdown=[9, 9, 9], trades=[0, 0, 0])
    done = np.array([True, False, True])
    found = rank(table, np.arange(3), Filters(max_drawdown_pct=1, min_trades=1), done=done)
    assert sum(found.excluded.values()) + found.eligible == 3


def test_of_many_only_the_lowest_numbers_are_named():
    best = Best(3)
    for start in (20, 0, 10):
        block = np.arange(start, start + 10)
        best.feed(columns(np.zeros(10)), block, np.zeros(10, np.bool_))
    assert best.ranked().examples == {"error": [0, 1, 2, 3, 4]}
    assert best.ranked().excluded["error"] == 30


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_drawdown_pct": math.nan},
        {"max_drawdown_pct": math.inf},
        {"max_drawdown_pct": -1.0},
        {"max_drawdown_pct": True},
        {"max_drawdown_pct": "5"},
        {"min_trades": -1},
        {"min_trades": 1.5},
        {"min_trades": math.nan},
        {"min_trades": True},
    ],
)
def test_a_senseless_filter_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Filters(**wrong)


def test_filters_are_written_down_where_they_are_set():
    assert Filters().document() == {}
    assert Filters(min_trades=0).document() == {"min_trades": 0}
    assert Filters(max_drawdown_pct=15).document() == {"max_drawdown_pct": 15}


# ── ids ──────────────────────────────────────────────────────────────────────
def test_ids_stand_in_their_natural_order():
    ids = ["s_10000", "s_9999", "a_2", "s_0010", "s_10", "10", "", "s_9", "9" * 5000]
    wanted = ["", "10", "9" * 5000, "a_2", "s_9", "s_0010", "s_10", "s_9999", "s_10000"]
    assert sorted(ids, key=natural) == wanted
    order = natural_order(ids)
    assert [ids[place] for place in np.argsort(order)] == wanted


def test_ten_thousand_ids_of_a_session_stand_as_they_were_planned():
    ids = [f"sess_{n:04d}" for n in range(1, 10_050)]
    assert natural_order(ids).tolist() == list(range(len(ids)))
