"""Plateaus, importance, contours, stitched tests and gates on examples."""

import math

import numpy as np
import pytest

from daemon.search.studies.contour import contour
from daemon.search.studies.crowd import shares
from daemon.search.studies.gates import ADVICE, BLIND, Findings, judge, nobody
from daemon.search.studies.importance import POINTS_MIN, importance
from daemon.search.studies.outlook import rank_correlation, stitched
from daemon.search.studies.plateau import plateau, robust_ranks
from daemon.search.studies.stress import late_pnl, without
from tests.market_kit import ab, params, quotes

GOOD = {
    "winner": 7,
    "feasible": True,
    "quoted": True,
    "trades": 80,
    "pnl_usd": 12.0,
    "walked": True,
    "out_of_sample_usd": 3.0,
    "p_value": 0.01,
    "deflated": 0.99,
    "pbo": 0.1,
    "loss_share": 0.0,
    "chosen_from": 9,
    "stressed": {"costs": (4.0, "with costs 50 % higher"), "shift": (5.0, "late")},
    "kept": 0.8,
    "neighbours": 4,
}


# ── plateaus ─────────────────────────────────────────────────────────────────
def test_a_peak_is_scored_below_a_plateau():
    peak, flat = plateau(10.0, np.array([0.0, -4.0])), plateau(8.0, np.array([7.0, 8.0]))
    assert peak.score == pytest.approx(4.0)
    assert peak.worst == -4.0
    assert peak.kept == pytest.approx(0.4)
    assert flat.score == pytest.approx(7.75)
    assert robust_ranks([peak, flat, plateau(math.nan, np.zeros(2))]).tolist() == [2, 1, 0]


def test_without_neighbours_a_trial_stands_for_itself():
    alone = plateau(3.0, np.zeros(0))
    assert (alone.score, alone.worst, alone.neighbours) == (3.0, 3.0, 0)


def test_who_gains_nothing_keeps_no_share_of_it():
    assert math.isnan(plateau(-1.0, np.array([1.0])).kept)


def test_most_neighbours_must_be_known():
    assert math.isnan(plateau(1.0, np.array([math.nan, math.nan, 1.0])).score)


# ── what matters ─────────────────────────────────────────────────────────────
def test_importance_finds_what_a_value_depends_on():
    rng = np.random.default_rng(1)
    unit = shares(256, 3)
    values = np.sin(6 * unit[:, 0]) + unit[:, 1] + 0.1 * rng.normal(size=256)
    found = importance(unit, values)
    assert found[0] > 0.7
    assert 0.05 < found[1] < 0.25
    assert found[2] < 0.05


def test_noise_makes_nothing_important():
    rng = np.random.default_rng(1)
    found = [importance(shares(256, 2), rng.normal(size=256)) for _ in range(50)]
    assert np.mean(found) < 0.03


def test_a_parameter_that_is_looked_at_here_and_there_is_told_apart_from_none():
    rng = np.random.default_rng(1)
    unit = rng.random((200, 2))
    unit[::2, 1] = np.nan
    values = np.where(np.isnan(unit[:, 1]), 5.0, 0.0) + 0.1 * rng.normal(size=200)
    assert importance(unit, values)[1] > 0.9


@pytest.mark.parametrize("count", [0, 1, POINTS_MIN - 1])
def test_too_few_points_say_nothing(count):
    rng = np.random.default_rng(1)
    assert np.isnan(importance(rng.random((count, 2)), rng.random(count))).all()


def test_where_all_are_equal_nothing_matters_that_could_be_told():
    unit = shares(64, 2)
    assert np.isnan(importance(unit, np.full(64, 3.0))).all()
    unit[:, 1] = 0.5
    assert np.isnan(importance(unit, unit[:, 0])[1])


def test_contours_have_a_cell_for_every_value_where_there_are_few():
    unit = np.array([[0.0, 0.1], [0.5, 0.2], [1.0, 0.3], [1.0, 0.3], [np.nan, 0.1]])
    found = contour(unit, np.array([1.0, 2.0, 3.0, 5.0, 9.0]), 0, 1)
    assert found.count.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 2]]
    told = found.document(["a", "b"])
    assert told["axes"] == ["a", "b"]
    assert told["edges"][0] == [0.0, 0.25, 0.75, 1.0]
    assert told["mean"] == [[1.0, None, None], [None, 2.0, None], [None, None, 4.0]]
    assert told["best"][2] == [None, None, 5.0]


# ── stress ───────────────────────────────────────────────────────────────────
def test_b_is_filled_at_what_it_quotes_later():
    """Opened at 40 bps; a row later B pays 20 bps less, and it gets out where it meant to."""
    market = quotes([ab(-5), ab(40), ab(20), ab(20), ab(-5), ab(-5)])
    one = params(exit_model="quoted")
    soon, late = late_pnl(market, one, 0), late_pnl(market, one, 1)
    assert len(soon) == len(late) == 1
    assert soon[0] - late[0] == pytest.approx(2.0, abs=0.01)  # 20 bps of $1,000


def test_who_does_not_trade_is_not_late_either():
    assert len(late_pnl(quotes([ab(-5)] * 3), params(), 1)) == 0


def test_every_row_is_marked_or_not():
    with pytest.raises(ValueError, match="2 rows are marked or not, and there are 3"):
        without(quotes([ab(-5)] * 3), np.array([True, False]))


# ── in and out of sample ─────────────────────────────────────────────────────
def test_ranks_that_agree_and_ranks_that_do_not():
    one = np.array([1, 2, 3, 4])
    assert rank_correlation(one, one[::-1]) == pytest.approx(-1)
    assert rank_correlation(one, np.array([1, 1, 3, 3])) == pytest.approx(0.894, abs=1e-3)
    assert math.isnan(rank_correlation(one, np.array([0, 0, 1, 2])))
    assert math.isnan(rank_correlation(one, np.ones(4, np.int64)))


def test_tests_are_stitched():
    gains = [np.array([10.0, -30.0]), np.array([5.0, 25.0])]
    found = stitched(gains, [np.array([10.0, -30.0]), np.array([30.0])], 100.0)
    assert found.pnl_usd == 10.0
    assert found.max_drawdown_pct == pytest.approx(100 * 30 / 110)
    assert (found.folds, found.trades) == (2, 3)
    assert found.sharpe_per_trade == pytest.approx(10 / 3 / np.std([10, -30, 30], ddof=1))
    assert stitched([], [], 100.0) is None
    assert math.isnan(stitched(gains, [np.zeros(0)], 100.0).sharpe_per_trade)


# ── gates ────────────────────────────────────────────────────────────────────
def test_a_winner_that_passes_everything_is_declared():
    told = judge(Findings(**GOOD))
    assert told.declared
    assert told.said == "trial 7 is declared the winner: all 11 gates hold"
    assert told.document()["next"] == []


@pytest.mark.parametrize(
    ("changed", "gate"),
    [
        ({"feasible": False}, "constraints"),
        ({"quoted": False}, "exits"),
        ({"trades": 19}, "trades"),
        ({"pnl_usd": 0.0}, "profit"),
        ({"out_of_sample_usd": -0.1}, "out_of_sample"),
        ({"p_value": 0.026}, "reality_check"),
        ({"p_value": None}, "reality_check"),
        ({"deflated": 0.94}, "deflated_sharpe"),
        ({"deflated": None}, "deflated_sharpe"),
        ({"pbo": 0.5, "loss_share": 0.2}, "overfitting"),
        ({"stressed": {"costs": (0.0, "dearer")}}, "stress_costs"),
        ({"stressed": {"shift": (-1.0, "late")}}, "stress_shift"),
        ({"stressed": {"masked": (-1.0, "without 3 rows")}}, "stress_masked"),
        ({"kept": 0.49}, "plateau"),
        ({"kept": None}, "plateau"),
        ({"kept": math.nan}, "plateau"),
    ],
)
def test_one_gate_that_does_not_hold_is_enough(changed, gate):
    told = judge(Findings(**(GOOD | changed)))
    assert not told.declared
    assert [one.name for one in told.gates if not one.held] == [gate]
    assert told.said.startswith("no winner is declared: ")
    assert told.advice == (ADVICE[gate],)


def test_choosing_among_equals_is_no_overfitting():
    told = judge(Findings(**(GOOD | {"pbo": 0.6, "loss_share": 0.05})))
    assert told.declared
    assert "hardly matters" in next(one.text for one in told.gates if one.name == "overfitting")


def test_what_cannot_be_asked_is_not_asked():
    told = judge(Findings(**(GOOD | {"pbo": None, "neighbours": 0})))
    assert not {"overfitting", "plateau"} & {one.name for one in told.gates}
    assert told.declared


def test_nothing_is_declared_where_nothing_is_held_back():
    told = judge(Findings(**(GOOD | {"walked": False})))
    assert told.said == (
        "no winner is declared: no rows were held back, so nothing vouches for the choice"
    )
    assert told.advice == (BLIND,)


def test_folds_that_chose_nobody_vouch_for_nobody():
    told = judge(Findings(**(GOOD | {"out_of_sample_usd": None})))
    assert "no fold chose anybody" in told.said
    assert told.advice == (BLIND,)


def test_several_that_do_not_hold_are_named():
    told = judge(Findings(**(GOOD | {"trades": 1, "p_value": 0.5})))
    assert told.said.endswith("(nor held: reality_check)")
    assert nobody("so it is").said == "no winner is declared: so it is"
