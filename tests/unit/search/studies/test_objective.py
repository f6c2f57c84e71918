"""Objectives, constraints and fronts."""

import re

import numpy as np
import pytest

from daemon.search.studies.objective import UNKNOWN, Aim, Constraint, Objective
from daemon.search.studies.pareto import balance, crowding, fronts

NAN = float("nan")


def columns(**given):
    return {name: np.array(values, np.float64) for name, values in given.items()}


def test_the_larger_leads_or_the_smaller_where_that_is_asked():
    found = columns(realized_pnl_usd=[1, 3, 2], max_drawdown_pct=[1, 3, 2])
    most, least = Aim(), Aim((Objective("max_drawdown_pct", maximize=False),))
    for aim, order in ((most, [1, 2, 0]), (least, [0, 2, 1])):
        ordered = aim.order(aim.values(found), aim.violation(found))
        assert ordered.places.tolist() == order
        assert ordered.best == order[0]
    assert least.directions == ("minimize",)


def test_equal_ones_share_a_rank_and_the_first_leads():
    found = columns(realized_pnl_usd=[1, 2, 2, 0])
    ordered = Aim().order(Aim().values(found), np.zeros(4))
    assert ordered.places.tolist() == [1, 2, 0, 3]
    assert ordered.ranks.tolist() == [3, 1, 1, 4]
    assert ordered.tied.tolist() == [False, True, True, False]


def test_who_breaks_a_constraint_comes_last_and_who_has_no_value_nowhere():
    aim = Aim(constraints=(Constraint("total_trades", min=10), Constraint("win_rate", max=0.9)))
    found = columns(
        realized_pnl_usd=[9, 5, 7, NAN, 8], total_trades=[4, 10, 8, 10, 20], win_rate=[0.5] * 5
    )
    violation = aim.violation(found)
    assert violation.tolist() == pytest.approx([0.6, 0, 0.2, 0, 0])
    ordered = aim.order(aim.values(found), violation)
    assert ordered.places.tolist() == [4, 1, 2, 0]
    assert ordered.ranks.tolist() == [4, 2, 3, 0, 1]
    assert ordered.feasible.tolist() == [False, True, False, False, True]


def test_nobody_is_best_where_nobody_keeps_the_constraints():
    aim = Aim(constraints=(Constraint("total_trades", min=10),))
    found = columns(realized_pnl_usd=[9, 5], total_trades=[NAN, 3])
    violation = aim.violation(found)
    assert violation.tolist() == pytest.approx([UNKNOWN, 0.7])
    ordered = aim.order(aim.values(found), violation)
    assert ordered.best is None
    assert ordered.places.tolist() == [1, 0]
    assert Aim().order(np.zeros((0, 1)), np.zeros(0)).best is None


def test_of_several_objectives_the_compromise_leads_its_front():
    aim = Aim((Objective("realized_pnl_usd"), Objective("max_drawdown_pct", maximize=False)))
    found = columns(realized_pnl_usd=[10, 9, 1, 0, 8], max_drawdown_pct=[20, 3, 2, 1, 5])
    ordered = aim.order(aim.values(found), np.zeros(5))
    assert ordered.front.tolist() == [1, 1, 1, 1, 2]
    assert ordered.best == 1
    assert ordered.places.tolist()[-1] == 4


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Objective("profit"), "there is no metric 'profit': it can be total_trades,"),
        (lambda: Constraint("win_rate"), "neither min nor max"),
        (lambda: Constraint("win_rate", min=NAN), "a bound of win_rate is no finite number"),
        (lambda: Constraint("win_rate", min=2, max=1), "cannot be at least 2 and at most 1"),
        (lambda: Aim(()), "there is no objective"),
        (lambda: Aim((Objective("win_rate"), Objective("win_rate", maximize=False))), "twice"),
        (lambda: Aim(constraints=(Constraint("win_rate", min=0),) * 2), "twice: win_rate"),
    ],
)
def test_what_nobody_could_want_is_refused(make, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        make()


def test_a_constraint_says_what_it_asks():
    assert (
        Constraint("win_rate", min=0.5, max=0.9).said() == "win_rate at least 0.5 and at most 0.9"
    )
    aim = Aim(constraints=(Constraint("win_rate", max=1),))
    assert aim.metrics == ("realized_pnl_usd", "win_rate")


def test_fronts_of_very_many_take_no_time():
    found = np.random.default_rng(1).random((3_000, 2))
    front = fronts(found)
    assert front.min() == 1
    assert crowding(found, front)[front == 1].max() == np.inf
    assert 0 <= balance(found).min() <= balance(found).max() <= 1
    assert balance(found[:1]).tolist() == [1.0]
