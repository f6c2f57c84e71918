"""The reality check: how often it is wrong about noise of many kinds, and what it still finds."""

import numpy as np
import pytest

from daemon.search.overfitting import expected_best
from daemon.search.studies.null import (
    BINS_MIN,
    block_lengths,
    independent,
    memory,
    reality_check,
)

TURNS, BINS, TRIALS = 30, 128, 24


def remembering(rng, keeps):
    found = rng.normal(size=(BINS, TRIALS))
    for row in range(1, BINS):
        found[row] += keeps * found[row - 1]
    return found


def gambling(rng, wins):
    """Bets that are fair: many small gains and a rare large loss, or the other way round."""
    won = rng.random((BINS, TRIALS)) < wins
    made = rng.random((BINS, TRIALS)) < 0.3
    return np.where(won, (1 - wins) / wins, -1.0) * made


NOISE = {
    "white": lambda rng: rng.normal(size=(BINS, TRIALS)),
    "remembering": lambda rng: remembering(rng, 0.5),
    "long memory": lambda rng: remembering(rng, 0.8),
    "heavy tails": lambda rng: rng.standard_t(3, (BINS, TRIALS)),
    "alike": lambda rng: 0.3 * rng.normal(size=(BINS, TRIALS)) + rng.normal(size=(BINS, 1)),
    "rare losses": lambda rng: gambling(rng, 0.85),
    "rare gains": lambda rng: gambling(rng, 0.15),
}


def best_of(found):
    return int(np.argmax(found.mean(axis=0) / found.std(axis=0)))


@pytest.mark.parametrize("kind", NOISE)
def test_the_best_of_noise_is_seldom_believed(kind):
    rng = np.random.default_rng(5)
    believed = forgot = 0
    for _ in range(TURNS):
        found = NOISE[kind](rng)
        told = reality_check(found, best_of(found), 120, rng)
        believed += told.p_value <= 0.05
        forgot += told.p_alone <= 0.05
    assert believed <= 0.2 * TURNS  # 5 % are meant
    assert forgot >= believed


def test_who_forgets_the_search_believes_nearly_every_time():
    rng = np.random.default_rng(5)
    found = [NOISE["white"](rng) for _ in range(20)]
    told = [reality_check(one, best_of(one), 200, rng) for one in found]
    assert sum(one.p_alone <= 0.05 for one in told) >= 11


def test_an_edge_is_found_among_many_without_one():
    rng, seen = np.random.default_rng(2), 0
    for _ in range(20):
        found = rng.normal(size=(BINS, TRIALS))
        found[:, 3] += 0.4
        seen += reality_check(found, 3, 200, rng).p_value <= 0.05
    assert seen >= 16


def test_equal_seeds_give_equal_answers():
    found = np.random.default_rng(1).normal(size=(BINS, 5))
    one, other = (reality_check(found, 0, 50, np.random.default_rng(4)) for _ in range(2))
    assert one == other


@pytest.mark.parametrize("bins", [1, BINS_MIN - 1])
def test_too_few_bins_say_nothing(bins):
    rng = np.random.default_rng(1)
    assert reality_check(rng.normal(size=(bins, 3)), 0, 50, rng) is None


@pytest.mark.parametrize("value", [0.0, 3.5])
def test_a_trial_that_never_moves_says_nothing(value):
    rng = np.random.default_rng(1)
    found = rng.normal(size=(50, 3))
    found[:, 1] = value
    assert reality_check(found, 1, 50, rng) is None
    assert reality_check(found, 2, 50, rng).trials == 2


def test_blocks_grow_with_memory():
    rng = np.random.default_rng(1)
    lengths = [
        float(np.median(block_lengths(remembering(rng, keeps)))) for keeps in (0.0, 0.5, 0.9)
    ]
    assert lengths[0] < 3 < lengths[1] < lengths[2]


def test_errors_grow_with_memory_as_they_should():
    """A sum of a series that keeps half of the last value is off by the square root of 3 more."""
    rng = np.random.default_rng(1)
    _, lasting = memory(remembering(rng, 0.5), 6.0)
    assert float(np.median(lasting)) == pytest.approx(3**0.5, rel=0.1)


@pytest.mark.parametrize("count", [2, 5, 100, 1e6])
def test_bets_are_counted_by_how_good_the_best_of_them_looks(count):
    assert independent(expected_best(count, 1.0)) == pytest.approx(count, rel=1e-6)


@pytest.mark.parametrize("best", [-1.0, 0.0])
def test_who_looks_no_better_than_one_is_at_most_two_bets(best):
    assert 1 <= independent(best) < 2


def test_trials_that_do_the_same_are_one_bet_and_those_that_do_not_are_many():
    rng = np.random.default_rng(1)
    one, many = rng.normal(size=(BINS, 1)), rng.normal(size=(BINS, TRIALS))
    alike = reality_check(np.repeat(one, TRIALS, axis=1) * np.arange(1, TRIALS + 1), 0, 500, rng)
    apart = reality_check(many, 0, 500, rng)
    assert alike.bets < 2
    assert TRIALS / 3 < apart.bets < TRIALS * 3
