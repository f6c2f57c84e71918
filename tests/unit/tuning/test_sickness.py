"""Streams that look alive and are not, and healthy ones that look a little like them."""

import numpy as np
import pytest

from daemon.tuning import sickness
from daemon.tuning.sickness import (
    BEYOND,
    KNOWN,
    LONGER,
    STAYS,
    STILL,
    VARIED,
    Jump,
    Level,
    Run,
    level,
    runs,
    stillness,
    unit_jump,
    worst,
)

NAN = float("nan")


def noisy(length=120, at=10.0, sd=0.5, seed=1):
    return at + sd * np.random.default_rng(seed).standard_normal(length)


def column(*parts):
    return np.concatenate([np.atleast_1d(np.asarray(part, float)) for part in parts])


# ── runs ─────────────────────────────────────────────────────────────────────
def test_runs_are_cut_where_the_mean_changes_and_pass_over_gaps():
    mean = column(NAN, 1, 1, NAN, 1, 2, NAN, NAN, 3, 3)
    assert runs(mean) == [Run(1, 4, 3, 1.0), Run(5, 5, 1, 2.0), Run(8, 9, 2, 3.0)]
    assert runs(np.full(5, NAN)) == []
    assert runs(np.array([])) == []


# ── standing still ───────────────────────────────────────────────────────────
def test_a_signal_that_used_to_move_and_stands_is_still():
    mean = column(noisy(), np.full(STILL, 10.0))
    assert stillness(mean, 120) == Run(120, 125, STILL, 10.0)
    assert stillness(mean[:-1], 120) is None


def test_stillness_is_found_also_when_it_is_over_as_long_as_it_matters():
    mean = column(noisy(), np.full(9, 10.0), noisy(30, seed=2))
    assert stillness(mean, 128) == Run(120, 128, 9, 10.0)
    assert stillness(mean, 129) is None


def test_the_newest_of_two_is_found():
    mean = column(noisy(), np.full(9, 10.0), noisy(20, seed=2), np.full(9, 11.0))
    assert stillness(mean, 0).value == 11.0


def test_a_signal_that_never_moved_is_not_still():
    assert stillness(np.zeros(1000), 0) is None
    few = column(np.arange(VARIED - 1), np.full(100, 3.0))
    assert stillness(few, 0) is None
    assert stillness(column(np.arange(VARIED), np.full(100, 3.5)), 0) is not None


def test_a_signal_that_often_stands_may_stand_that_long_again():
    day = column(*[column(np.zeros(40), noisy(10, seed=seed)) for seed in range(20)])
    assert stillness(column(day, np.zeros(LONGER * 40)), len(day)) is None
    assert stillness(column(day, np.zeros(LONGER * 40 + 1)), len(day)) is not None


def test_having_been_frozen_once_is_no_excuse():
    past = column(noisy(600), np.full(120, 9.0), noisy(600, seed=2))
    assert stillness(column(past, np.full(STILL, 11.0)), len(past)) is not None


def test_a_source_that_repeats_its_last_block_is_still_whatever_happens_within_it():
    """One mean a block, though the samples of a block swing: means are all that is looked at."""
    assert stillness(column(noisy(), np.full(STILL, 10.25)), 120).value == 10.25


# ── a level ──────────────────────────────────────────────────────────────────
def test_a_level_is_a_median_and_how_far_the_blocks_lie_from_it():
    assert level(column(np.arange(1, 14), NAN)) == Level(7.0, 3.0)
    assert level(column(np.ones(KNOWN - 1), NAN)) is None
    assert level(np.zeros(100)) is None


# ── another unit ─────────────────────────────────────────────────────────────
@pytest.mark.parametrize("factor", [8, 60, 100, 1000, 1024, 3600, 86400, 1e6, 1e9])
@pytest.mark.parametrize("way", [1, -1])
@pytest.mark.parametrize("length", [STAYS, 30])
def test_another_unit_is_seen_at_once_and_for_as_long_as_it_lasts(factor, way, length):
    by = float(factor) ** way
    mean = column(noisy(), by * noisy(length, seed=2))
    jump = unit_jump(mean, 120, level(mean[:120]))
    assert jump.row == 120
    assert jump.factor == pytest.approx(by, rel=0.03)


def test_it_must_stay():
    mean = column(noisy(), 1000 * noisy(STAYS - 1, seed=2), noisy(10, seed=3))
    assert unit_jump(mean, 120, level(mean[:120])) is None


def test_it_is_found_also_when_it_is_over_as_long_as_it_matters():
    mean = column(noisy(), 1000 * noisy(5, seed=2), noisy(10, seed=3))
    before = level(mean[:120])
    assert unit_jump(mean, 124, before).row == 120
    assert unit_jump(mean, 125, before) is None


def test_a_block_in_between_may_be_mixed():
    mean = column(noisy(), 350, 1000 * noisy(9, seed=2))
    assert unit_jump(mean, 120, level(mean[:120])).row in {120, 121}


def test_a_level_that_is_no_longer_among_the_rows_is_enough():
    mean = 1000 * noisy(30, seed=2)
    assert unit_jump(mean, 0, Level(10.0, 0.3)) == Jump(0, 1000.0)


def test_a_factor_that_no_units_differ_by_is_none_unless_it_is_absurd():
    for factor in (1.5, 5, 20, 300):
        mean = column(noisy(), factor * noisy(30, seed=2))
        assert unit_jump(mean, 120, level(mean[:120])) is None
        mean = column(noisy(), noisy(30, seed=2) / factor)
        assert unit_jump(mean, 120, level(mean[:120])) is None
    mean = column(noisy(), 2e4 * noisy(30, seed=2))
    assert unit_jump(mean, 120, level(mean[:120])).factor > BEYOND


def test_what_a_rule_moves_keeps_its_noise():
    """A cache that turned 60 ms into 1 ms: the level fell as if by a unit, the noise did not."""
    before = noisy(at=60.0, sd=0.4)
    assert unit_jump(column(before, noisy(20, at=1.0, sd=0.4, seed=2)), 120, level(before)) is None
    scaled = column(before, noisy(20, at=60.0, sd=0.4, seed=2) / 60)
    assert unit_jump(scaled, 120, level(before)).factor == pytest.approx(1 / 60)


def test_what_goes_there_slowly_is_no_jump():
    for slope in (np.geomspace(10, 10_000, 40), np.geomspace(10, 0.01, 40)):
        mean = column(noisy(), slope, slope[-1] * noisy(20, seed=2) / 10)
        assert unit_jump(mean, 120, level(mean[:120])) is None


def test_a_signal_without_noise_has_units_all_the_same():
    mean = column(np.full(50, 4.0), np.full(20, 4000.0))
    assert unit_jump(mean, 50, level(mean[:50])) == Jump(50, 1000.0)


def test_other_signs_zeros_and_gaps_are_no_units():
    before = Level(10.0, 0.1)
    assert unit_jump(np.zeros(20), 0, before) is None
    assert unit_jump(np.full(20, -10_000.0), 0, before) is None
    assert unit_jump(np.full(20, NAN), 0, before) is None
    assert unit_jump(column(10, NAN, NAN, 1e4, NAN, 1e4, 1e4), 3, before) == Jump(3, 1000.0)


def test_a_negative_level_has_units_too():
    mean = column(-noisy(), -1000 * noisy(20, seed=2))
    assert unit_jump(mean, 120, level(mean[:120])).factor == 1000.0


def test_values_beyond_all_bounds_are_no_error():
    assert unit_jump(np.full(20, 1e300), 0, Level(1e-300, 0.0)).factor > BEYOND


# ── refused samples ──────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("faults", "good", "state"),
    [
        ({}, 0, None),
        ({"future": 20}, 80, None),
        ({"future": 21}, 79, "future"),
        ({"late": 1}, 0, "late"),
        ({"late": 30, "not_finite": 31}, 40, "not_finite"),
        ({"not_finite": 30, "late": 30}, 40, "late"),
    ],
)
def test_too_large_a_share_of_refused_samples_has_a_name(faults, good, state):
    assert worst(faults, good) == state


def test_the_factors_rise():
    assert list(sickness.UNITS) == sorted(sickness.UNITS)
