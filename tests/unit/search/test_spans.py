"""Between which figures columns lie, and what need not be read for it."""

import math

import numpy as np
import pytest

from daemon.search.ranking import CHECKED, Best, Filters
from daemon.search.spans import EXACT, best_of, highest, lowest, spans_of
from tests.ranking_kit import columns

ALL = np.ones(3, np.bool_)


class Shut(dict):
    """Columns of which some may not be read."""

    def __init__(self, table, *names):
        super().__init__(table)
        self.names = names

    def __getitem__(self, name):
        assert name not in self.names, f"{name} was read"
        return super().__getitem__(name)


def test_only_jobs_that_are_done_count():
    table = {"pnl": np.array([3.0, math.nan, -1.0]), "trades": np.array([4, 0, 9])}
    done = np.array([True, False, True])
    assert spans_of(table, table, done) == {"pnl": (-1.0, 3.0), "trades": (4.0, 9.0)}
    assert spans_of(table, table, ALL) == {"trades": (0.0, 9.0)}
    assert spans_of(table, table, ~ALL) == {}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nothing_is_said_of_a_column_with_what_is_no_number(value):
    assert spans_of({"pnl": np.array([1.0, value, 2.0])}, ["pnl"], ALL) == {}


@pytest.mark.parametrize("value", [EXACT, -EXACT, 2.0**62])
def test_nothing_is_said_of_counts_that_are_no_floats(value):
    assert spans_of({"trades": np.array([1, int(value), 2])}, ["trades"], ALL) == {}
    assert spans_of({"pnl": np.array([1.0, value, 2.0])}, ["pnl"], ALL) != {}


def test_zeros_have_no_sign():
    ((low, high),) = spans_of({"pnl": np.array([-0.0, -0.0, -0.0])}, ["pnl"], ALL).values()
    assert (math.copysign(1, low), math.copysign(1, high)) == (1.0, 1.0)


def test_where_nothing_is_known_anything_may_be():
    assert (lowest({}, "pnl"), highest({}, "pnl")) == (-math.inf, math.inf)
    assert (lowest({"pnl": (1.0, 2.0)}, "pnl"), highest({"pnl": (1.0, 2.0)}, "pnl")) == (1.0, 2.0)


def test_of_jobs_that_are_behind_nothing_is_read():
    best = Best(2, Filters(max_drawdown_pct=50, min_trades=1))
    best.feed(columns([9, 8, 8]), np.arange(3))
    table = columns([1, 5, nearly_eight()])
    spans = spans_of(table, CHECKED, ALL)
    best.feed(Shut(table, *CHECKED), np.arange(3, 6), ALL, spans)
    assert best.ranked().eligible == 6
    assert best.ranked().places.tolist() == [0, 1]


def nearly_eight():
    """Less than eight by more than rounding."""
    return 8 * (1 - 2e-9)


def test_who_may_be_tied_with_the_last_is_read():
    best = Best(2)
    best.feed(columns([9, 8, 8]), np.arange(1, 4))
    table = columns([8 * (1 - 5e-10)], drawdown=[0.0])
    best.feed(table, np.array([0]), ALL[:1], spans_of(table, CHECKED, ALL[:1]))
    assert best.ranked().places.tolist() == [0, 3], "equal, and of the lower number"
    assert best.ranked().labels() == ["1", "2="]


def test_only_what_a_bound_may_refuse_is_read():
    table = columns([1, 2, 3], drawdown=[5, 6, 7], trades=[3, 4, 5])
    spans = spans_of(table, CHECKED, ALL)
    shut = Shut(table, "max_drawdown_pct")
    found = Filters(max_drawdown_pct=7, min_trades=4).refusals(shut, spans)
    assert [(why, bad.tolist()) for why, bad in found] == [
        ("total_trades below 4", [True, False, False])
    ]
    shut = Shut(table, "total_trades")
    found = Filters(max_drawdown_pct=6.5, min_trades=3).refusals(shut, spans)
    assert [(why, bad.tolist()) for why, bad in found] == [
        ("max_drawdown_pct above 6.5", [False, False, True])
    ]


def test_reasons_are_told_in_one_order_whatever_came_first():
    parts = [columns([1], trades=[0]), columns([math.nan]), columns([2], drawdown=[99])]
    bounds = Filters(max_drawdown_pct=50, min_trades=1)
    told = ["realized_pnl_usd not finite", "max_drawdown_pct above 50", "total_trades below 1"]
    for turn in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        best = Best(5, bounds)
        for at in turn:
            best.feed(parts[at], np.array([at]))
        assert list(best.ranked().excluded) == told


# ── the best of a block ──────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("pnl", "count", "found"),
    [
        ([3.0, 9.0, 1.0, 8.0], 2, [1, 3]),
        ([5.0, 5.0, 9.0, 5.0], 3, [0, 1, 2]),
        ([5.0, 5.0, 5.0, 9.0], 1, [3]),
        ([math.nan, 1.0, math.inf, 0.0], 3, [1, 3]),
        ([math.nan] * 4, 2, []),
        ([-1.0, -3.0, -2.0, -4.0], 4, [0, 1, 2, 3]),
    ],
)
def test_the_best_of_a_block_are_those_with_the_most_pnl_and_of_equal_ones_the_first(
    pnl, count, found
):
    table = {"realized_pnl_usd": np.array(pnl)}
    assert best_of(table, np.ones(4, np.bool_), count).tolist() == found
    assert best_of(table, np.zeros(4, np.bool_), count).tolist() == []


def test_who_failed_is_not_among_the_best_of_a_block():
    table = {"realized_pnl_usd": np.array([9.0, 8.0, 7.0])}
    assert best_of(table, np.array([False, True, True]), 1).tolist() == [1]
