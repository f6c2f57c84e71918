"""Luck among many trials: against figures worked out elsewhere, on noise, and with an edge."""

import math
from itertools import combinations

import numpy as np
import pytest

from daemon.search.overfitting import (
    deflated,
    effective_trials,
    expected_best,
    overfitting,
    probability_above,
    spread_of,
)


# ── the deflated Sharpe ratio ────────────────────────────────────────────────
def test_the_published_example_gives_the_published_figures():
    """A yearly ratio of 2.5 in 1,250 days, the best of 100 trials whose variance is 1/2."""
    deviation = math.sqrt(0.5 / 250)
    best = expected_best(100, deviation)
    sharpe = 2.5 / math.sqrt(250)
    assert best == pytest.approx(0.1132, abs=5e-5)
    assert probability_above(sharpe, best, 1250, -3, 10) == pytest.approx(0.9004, abs=5e-5)
    best = expected_best(46, deviation)
    assert probability_above(sharpe, best, 1250, -3, 10) == pytest.approx(0.9505, abs=5e-5)


def test_a_small_example_by_hand():
    found = deflated(np.array([1.0, 2.0, 3.0, 6.0]), trials=1, deviation=9.9)
    variance = (4 + 1 + 0 + 9) / 4  # about the mean of 3
    assert found.trades == 4
    assert found.sharpe == pytest.approx(3 / math.sqrt(14 / 3))
    assert found.skewness == pytest.approx((-8 - 1 + 27) / 4 / variance**1.5)
    assert found.kurtosis == pytest.approx((16 + 1 + 81) / 4 / variance**2)
    assert found.expected_best == 0
    spread = 1 - found.skewness * found.sharpe + (found.kurtosis - 1) / 4 * found.sharpe**2
    below = math.erf(found.sharpe * math.sqrt(3 / spread) / math.sqrt(2))
    assert found.probability == pytest.approx((1 + below) / 2)


def test_the_best_of_one_or_none_is_expected_to_show_nothing():
    assert expected_best(1, 5.0) == 0
    assert expected_best(0, 5.0) == 0
    assert expected_best(1.2, 5.0) == 0
    assert expected_best(50, 0.0) == 0


def test_the_expected_best_is_about_what_the_best_of_noise_is():
    rng = np.random.default_rng(3)
    for trials in (10, 100, 1_000):
        best = rng.normal(size=(2_000, trials)).max(axis=1).mean()
        assert expected_best(trials, 1.0) == pytest.approx(best, rel=0.03)


@pytest.mark.parametrize("pnl", [[], [1.0], [1.0, 2.0], [5.0] * 50, [0.0] * 50])
def test_trades_that_are_too_few_or_do_not_differ_have_no_ratio(pnl):
    assert deflated(np.array(pnl), 10, 0.1) is None


def test_trades_with_a_ratio_beyond_its_own_formula_still_have_an_answer():
    """Lopsided enough for the variance of the ratio to come out below zero."""
    assert probability_above(2.0, 1.0, 50, 5.0, 3.0) == 1
    assert probability_above(2.0, 3.0, 50, 5.0, 3.0) == 0


def test_ratios_found_in_few_trades_lie_no_further_apart_than_their_number_explains():
    rng = np.random.default_rng(8)
    counts = rng.integers(3, 400, 3_000)
    sharpes = rng.normal(size=3_000) / np.sqrt(counts)
    assert spread_of(sharpes, counts, 100) == pytest.approx(0.1, rel=0.05)
    assert np.std(sharpes) > 0.1


def test_trials_without_a_ratio_are_left_out():
    sharpes = np.array([0.1, np.nan, 0.9, np.inf, 7.0])
    counts = np.array([50, 50, 50, 50, 1])
    assert spread_of(sharpes, counts, 50) == pytest.approx(np.std([0.1, 0.9], ddof=1))


def test_ratios_lie_no_closer_together_than_chance_makes_them():
    close = np.array([0.5, 0.5001])
    for sharpes in (close, close[:1], close[:0]):
        counts = np.full(len(sharpes), 100)
        assert spread_of(sharpes, counts, 100) == pytest.approx(0.1)
    assert spread_of(close, np.full(2, 100), 0) == 1


def trades_of(rng, trials, trades, edge=0.0):
    """Trades of trials that have no edge, but for the first."""
    made = rng.standard_t(5, size=(trials, trades))
    made[0] += edge * made[0].std()
    return made


def verdict(made):
    sharpes = made.mean(axis=1) / made.std(axis=1, ddof=1)
    counts = np.full(len(made), made.shape[1])
    winner = made[int(sharpes.argmax())]
    spread = spread_of(sharpes, counts, len(winner))
    return deflated(winner, len(made), spread).probability


def test_on_noise_hardly_any_winner_is_believed_and_a_real_edge_is():
    rng = np.random.default_rng(11)
    noise = [verdict(trades_of(rng, 50, 200)) for _ in range(200)]
    assert np.mean(np.array(noise) > 0.95) <= 0.05
    real = [verdict(trades_of(rng, 50, 600, edge=0.3)) for _ in range(40)]
    assert np.mean(np.array(real) > 0.95) >= 0.9


# ── how many trials there really were ────────────────────────────────────────
def test_trials_that_have_nothing_to_do_with_each_other_all_count():
    pnl = np.random.default_rng(1).normal(size=(16, 200))
    assert effective_trials(pnl, 200) == pytest.approx(200, rel=0.02)


def test_trials_that_are_equal_but_for_their_size_are_one():
    pnl = np.random.default_rng(1).normal(size=(16, 3))
    copies = np.concatenate((pnl, 2 * pnl, 7 * pnl + 3), axis=1)
    assert effective_trials(copies, 9) == pytest.approx(effective_trials(pnl, 3))
    assert effective_trials(pnl[:, [0] * 9], 9) == 1


def test_correlation_leaves_fewer_bets():
    rng = np.random.default_rng(2)
    shared = rng.normal(size=(400, 1))
    pnl = shared + rng.normal(size=(400, 100))  # a correlation of one half
    assert effective_trials(pnl, 100) == pytest.approx(50.5, rel=0.1)


def test_three_slices_by_hand():
    pnl = np.array([[1.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    assert effective_trials(pnl, 2) == pytest.approx(0.5 + 0.5 * 2 * 2 / 3)


def test_a_sample_speaks_for_all_trials():
    pnl = np.random.default_rng(1).normal(size=(16, 100))
    assert effective_trials(pnl, 10_000) == pytest.approx(10_000, rel=0.03)


def test_trials_that_never_trade_are_one():
    assert effective_trials(np.zeros((16, 9)), 9) == pytest.approx(1)
    assert effective_trials(np.zeros((16, 0)), 1) == 1


# ── the probability of overfitting ───────────────────────────────────────────
def plainly(pnl):
    """Every half, one after the other, in whole numbers."""
    slices, trials = pnl.shape
    below, losses, ranks = 0.0, 0, []
    ways = [*combinations(range(slices), slices // 2)]
    for half in ways:
        inside = [sum(pnl[row][trial] for row in half) for trial in range(trials)]
        rest = [row for row in range(slices) if row not in half]
        outside = [sum(pnl[row][trial] for row in rest) for trial in range(trials)]
        own = outside[inside.index(max(inside))]
        beaten, lost = sum(v < own for v in outside), sum(v > own for v in outside)
        below += 1.0 if beaten < lost else 0.5 if beaten == lost else 0.0
        losses += own < 0
        ranks.append((beaten - lost) / (trials - 1))
    return below / len(ways), losses / len(ways), (np.median(ranks) + 1) / 2


@pytest.mark.parametrize(
    ("pnl", "probability", "median_rank", "loss_share"),
    [
        ([[1, 0], [0, 1]], 1.0, 0.0, 0.0),  # each half chooses what the other regrets
        ([[1, 0], [1, 0]], 0.0, 1.0, 0.0),
        ([[1, 0], [1, 1]], 0.25, 0.75, 0.0),  # a tie on the other half is half a failure
        ([[2, 0, 1], [-1, -2, -3]], 0.0, 1.0, 0.5),  # the best of all, and it loses
        ([[2, 0, 1], [-2, 0, -1]], 1.0, 0.0, 0.5),
    ],
)
def test_two_slices_by_hand(pnl, probability, median_rank, loss_share):
    found = overfitting(np.array(pnl, np.float64))
    assert (found.probability, found.median_rank) == (probability, median_rank)
    assert found.loss_share == loss_share
    assert (found.halves, found.trials) == (2, len(pnl[0]))


def test_whole_numbers_full_of_ties_are_counted_as_one_by_one():
    rng = np.random.default_rng(6)
    for _ in range(50):
        pnl = rng.integers(-2, 3, (4, rng.integers(2, 6)))
        pnl = pnl[:, np.sort(np.unique(pnl, axis=1, return_index=True)[1])]
        if pnl.shape[1] < 2:
            continue
        found = overfitting(pnl.astype(np.float64))
        wanted = plainly(pnl)
        assert (found.probability, found.loss_share, found.median_rank) == pytest.approx(wanted)


def test_what_is_equal_stays_equal_whatever_it_is_added_up_of():
    """Thirds and their sums would round each in its own way."""
    pnl = np.array([[1, 2, 0], [2, 1, 0], [1, 2, 1], [2, 1, 1]]) / 3 * 1e7
    found, whole = overfitting(pnl), overfitting(np.round(pnl * 3e-7))
    assert found == whole


def test_trials_that_are_equal_count_once():
    pnl = np.random.default_rng(2).normal(size=(6, 4))
    assert overfitting(pnl[:, [0, 1, 1, 2, 2, 2, 3]]) == overfitting(pnl)
    assert overfitting(pnl[:, [1, 1, 1]]) is None
    assert overfitting(np.zeros((6, 0))) is None
    assert overfitting(np.zeros((6, 5))) is None


@pytest.mark.parametrize("slices", [0, 1, 7, 22])
def test_slices_that_cannot_be_halved_are_refused(slices):
    with pytest.raises(ValueError, match=f"{slices} slices"):
        overfitting(np.zeros((slices, 3)))


def test_on_noise_the_choice_is_a_coin_flip_and_with_an_edge_it_is_not():
    rng = np.random.default_rng(12)
    noise = [overfitting(rng.normal(size=(10, 27))).probability for _ in range(150)]
    error = np.std(noise, ddof=1) / math.sqrt(len(noise))
    assert abs(np.mean(noise) - 0.5) < 3 * error
    assert error < 0.02
    planted = []
    for _ in range(40):
        pnl = rng.normal(size=(12, 27))
        pnl[:, 5] += 2.0
        planted.append(overfitting(pnl).probability)
    assert max(planted) < 0.1
    assert np.mean(planted) < 0.01


def test_thousands_of_trials_are_weighed_in_parts(monkeypatch):
    pnl = np.random.default_rng(3).normal(size=(8, 40))
    whole = overfitting(pnl)
    monkeypatch.setattr("daemon.search.overfitting.AT_ONCE", 100)
    assert overfitting(pnl) == whole
