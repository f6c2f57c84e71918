import numpy as np
import pytest
from noise import FAMILIES, SMALLEST_EFFECT_SD, correlated

MEMORIES = [0.0, 0.5, 0.9, 0.99, 0.999]


def draw(family, seed, repetitions, samples):
    return FAMILIES[family](np.random.default_rng(seed), repetitions, samples)


@pytest.mark.parametrize("lag_one", MEMORIES)
def test_doubling_gives_what_a_loop_over_time_gives(lag_one):
    shocks = np.random.default_rng(1).standard_normal((2, 3000))
    expected = shocks.copy()
    for moment in range(1, 3000):
        fresh = np.sqrt(1 - lag_one**2) * shocks[:, moment]
        expected[:, moment] = lag_one * expected[:, moment - 1] + fresh
    assert np.allclose(correlated(shocks, lag_one), expected, atol=1e-12)


@pytest.mark.parametrize("lag_one", MEMORIES)
def test_memory_leaves_the_variance_alone_from_the_first_sample_on(lag_one):
    series = correlated(np.random.default_rng(2).standard_normal((4000, 60)), lag_one)
    assert series[:, 0].std() == pytest.approx(1, abs=0.05)
    assert series[:, -1].std() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_gives_the_same_for_the_same_seed_and_something_else_for_another(family):
    first, again, other = (draw(family, seed, 3, 400) for seed in (1, 1, 2))
    assert first.shape == (3, 400)
    assert np.array_equal(first, again, equal_nan=True)
    assert not np.array_equal(first, other, equal_nan=True)


def test_two_fifths_are_missing_from_dropouts_and_nothing_from_the_others():
    missing = {family: np.isnan(draw(family, 1, 20, 2000)).mean() for family in FAMILIES}
    assert missing.pop("dropouts") == pytest.approx(0.4, abs=0.01)
    assert not any(missing.values())


def test_drift_moves_one_smallest_effect_in_fifteen_minutes():
    drawn = draw("drift", 1, 400, 2 * 4500)
    moved = drawn[:, 4500:].mean(axis=1) - drawn[:, :4500].mean(axis=1)
    assert np.abs(moved).mean() == pytest.approx(SMALLEST_EFFECT_SD, rel=0.05)


def test_outliers_are_wide_and_rare():
    wild = np.abs(draw("outliers", 1, 50, 2000)) > 6
    assert 0.005 < wild.mean() < 0.01
