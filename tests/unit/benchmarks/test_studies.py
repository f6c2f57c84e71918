"""What samplers are measured on is what it says it is, and both rivals search it."""

import numpy as np
import pytest
from studies_ground import Backtests, Hills, ours, usual


@pytest.fixture(scope="module")
def backtests():
    return Backtests(600)


def test_nothing_is_higher_than_the_top_of_the_hills():
    hills = Hills()
    draw = np.random.default_rng(0)
    assert max(hills.values(hills.domain.back(draw.random((4000, 4))))) < hills.top
    assert max(ours("gp", hills, 0, 64)) == pytest.approx(hills.top, abs=0.05)


def test_a_backtest_is_known_once_it_was_made(backtests):
    points = backtests.domain.back(np.random.default_rng(1).random((20, 3)))
    once = backtests.values(points)
    assert backtests.values(points[::-1]) == once[::-1]
    assert max(once) <= backtests.top


def test_both_spend_the_same_budget(backtests):
    assert len(ours("tpe", backtests, 3, 40)) == 40
    values, keys = usual(backtests, 3, 40)
    assert len(values) == 40
    assert len(keys) <= 40
    assert usual(backtests, 3, 40)[0] == values
    assert ours("tpe", backtests, 3, 40) == ours("tpe", backtests, 3, 40)
