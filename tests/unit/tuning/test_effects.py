"""The response model: against a Kalman filter written out plainly, and against itself."""

import numpy as np
import pytest

from daemon.tuning.effects import (
    DRIFT,
    FIRST,
    LEVEL,
    SLOW,
    SPREAD_MAX,
    STEP_SD,
    SURPRISE,
    Response,
    moved,
    reframed,
    restarted,
    tracker,
    unlearned,
)
from daemon.tuning.model import BLOCK_S
from daemon.tuning.null import Noise
from tests.tuning_kit import PER_BLOCK, a_noise, a_process, beliefs

NAN = float("nan")
SIGNALS, RULES = 3, 2
FORGET_H = 10.0


@pytest.fixture
def noise():
    return Noise((a_process(1, np.array([0.0, 0.6, 0.95]), np.array([0.01, 0.04, 0.0009])),))


@pytest.fixture
def believed():
    return some_beliefs()


def some_beliefs(seed=5, scale=0.05):
    """Means and covariances of any kind, none of them zero."""
    random = np.random.default_rng(seed)
    mean = random.standard_normal((SIGNALS, FIRST + RULES))
    root = scale * random.standard_normal((SIGNALS, FIRST + RULES, FIRST + RULES))
    return Response(mean, root @ root.transpose(0, 2, 1))


def plainly(mean, cov, noise_of_signal, row, count):
    """One signal's filter, dense: x' = F x + w, z = H x + v, nothing saved."""
    memory, slow, fast = noise_of_signal
    width = len(mean)
    transition = np.eye(width)
    transition[SLOW, SLOW] = memory
    grown = np.zeros((width, width))
    grown[LEVEL, LEVEL] = DRIFT**2 * BLOCK_S / 3600
    grown[SLOW, SLOW] = slow * (1 - memory**2)
    for rule in range(FIRST, width):
        grown[rule, rule] = STEP_SD**2 * BLOCK_S / 3600 / FORGET_H
    mean, cov = transition @ mean, transition @ cov @ transition.T + grown
    if not count:
        return mean, cov
    look = np.zeros(width)
    look[[LEVEL, SLOW]] = 1.0
    variance = look @ cov @ look + fast * PER_BLOCK / count
    gain = cov @ look / variance
    off = np.clip(row - look @ mean, -SURPRISE * variance**0.5, SURPRISE * variance**0.5)
    return mean + gain * off, cov - np.outer(gain, gain) * variance


def follow_plainly(believed, noise, rows, counts):
    mean, cov = believed.mean.copy(), believed.cov.copy()
    for row, count in zip(rows, counts, strict=True):
        for s, of_signal in enumerate(zip(*noise.split(), strict=True)):
            mean[s], cov[s] = plainly(mean[s], cov[s], of_signal, row[s], count[s])
    return mean, cov


def follow(believed, noise, rows, counts):
    filtered = tracker(noise, PER_BLOCK, FORGET_H, believed.mean.shape[1] - FIRST)
    for row, count in zip(rows, counts, strict=True):
        believed = filtered.follow(believed, np.array(row), np.array(count))
    return believed


# ── following ────────────────────────────────────────────────────────────────
def test_blocks_are_followed_as_a_dense_filter_would(noise, believed):
    rows = believed.mean[:, LEVEL] + 0.1 * np.random.default_rng(1).standard_normal((40, SIGNALS))
    counts = np.random.default_rng(2).integers(1, 30, (40, SIGNALS))
    mean, cov = follow_plainly(believed, noise, rows, counts)
    found = follow(believed, noise, rows, counts)
    np.testing.assert_allclose(found.mean, mean, atol=1e-12)
    np.testing.assert_allclose(found.cov, cov, atol=1e-12)


def test_signals_without_samples_only_age(noise, believed):
    rows = np.full((20, SIGNALS), NAN)
    rows[:, 1] = 0.3
    counts = np.where(np.isfinite(rows), 25, 0)
    mean, cov = follow_plainly(believed, noise, np.nan_to_num(rows), counts)
    found = follow(believed, noise, rows, counts)
    np.testing.assert_allclose(found.mean, mean, atol=1e-12)
    np.testing.assert_allclose(found.cov, cov, atol=1e-12)


def test_a_block_without_any_sample_is_a_block_that_passed(noise, believed):
    filtered = tracker(noise, PER_BLOCK, FORGET_H, RULES)
    aged = filtered.age(believed)
    followed = filtered.follow(believed, np.full(SIGNALS, NAN), np.zeros(SIGNALS, int))
    assert (aged.mean == followed.mean).all()
    assert (aged.cov == followed.cov).all()


def test_a_surprise_counts_as_no_more_than_so_many_deviations(noise, believed):
    far, further = (
        follow(believed, noise, [np.full(SIGNALS, at)], [[25] * SIGNALS]) for at in (1e3, 1e9)
    )
    assert (far.mean == further.mean).all()
    mean, _ = follow_plainly(believed, noise, [np.full(SIGNALS, 1e9)], [[25] * SIGNALS])
    np.testing.assert_allclose(further.mean, mean, atol=1e-12)


def test_fewer_samples_teach_less(noise, believed):
    row = [believed.mean[:, LEVEL] + 0.5]
    few, many = (follow(believed, noise, row, [[n] * SIGNALS]) for n in (1, 100))
    assert (few.level_sd > many.level_sd).all()


def test_what_is_passed_in_is_left_as_it_was(noise, believed):
    believed.mean.flags.writeable = believed.cov.flags.writeable = False
    follow(believed, noise, [np.ones(SIGNALS)], [[25] * SIGNALS])
    moved(believed, np.ones(RULES), new_ground=True)
    tracker(noise, PER_BLOCK, FORGET_H, RULES).age(believed)
    restarted(believed, noise)


def test_a_long_look_finds_the_level_whatever_was_believed():
    noise = a_noise(1, phi=0.5, variance=0.01)
    rows = 3.0 + 0.1 * np.random.default_rng(4).standard_normal((400, 1))
    found = follow(unlearned(1, 1), noise, rows, np.full((400, 1), 25))
    assert found.level == pytest.approx([3.0], abs=4 * found.level_sd[0])
    assert found.level_sd[0] < 0.02


def test_the_response_to_a_step_is_learned_and_drift_before_it_is_not():
    noise = a_noise(1, phi=0.3, variance=0.0025)
    random = np.random.default_rng(8)
    rows = np.concatenate([np.zeros(150), np.full(150, 0.2)])
    rows = (rows + 0.05 * random.standard_normal(300))[:, None]
    counts = np.full((150, 1), 25)
    found = follow(unlearned(1, 1), noise, rows[:150], counts)
    found = follow(moved(found, np.ones(1), new_ground=True), noise, rows[150:], counts)
    effect, doubt = found.of_steps(np.ones((1, 1)))
    assert effect[0, 0] == pytest.approx(0.2, abs=3 * doubt[0, 0])
    assert doubt[0, 0] < 0.05


@pytest.mark.parametrize(("after", "blocks"), [(0, 1), (0, 6), (3, 2), (20, 6)])
def test_what_is_foretold_has_the_variance_of_its_parts(noise, believed, after, blocks):
    """The mean of level + slow + fast over some blocks to come, every covariance added up."""
    mean, variance = tracker(noise, PER_BLOCK, FORGET_H, RULES).predicted(believed, after, blocks)
    ahead = range(after + 1, after + blocks + 1)
    for s, (memory, slow, fast) in enumerate(zip(*noise.split(), strict=True)):
        left = sum(memory**k for k in ahead) / blocks
        assert mean[s] == pytest.approx(believed.mean[s, LEVEL] + left * believed.mean[s, SLOW])
        look = np.zeros(FIRST + RULES)
        look[[LEVEL, SLOW]] = 1.0, left
        known = look @ believed.cov[s] @ look
        new = sum(slow * (memory ** abs(i - j) - memory ** (i + j)) for i in ahead for j in ahead)
        assert variance[s] == pytest.approx(known + new / blocks**2 + fast / blocks)


@pytest.mark.parametrize("factor", [0.5, 1000.0])
def test_other_units_say_the_same(noise, believed, factor):
    ratio, shift = np.full(SIGNALS, factor), np.array([0.0, 1.0, -2.0])
    other = reframed(believed, ratio, shift)
    np.testing.assert_allclose(other.level, believed.level * factor + shift)
    np.testing.assert_allclose(other.level_sd, believed.level_sd * factor)
    steps = np.array([[1.0, -0.5]])
    for one, many in zip(believed.of_steps(steps), other.of_steps(steps), strict=True):
        np.testing.assert_allclose(many, one * factor)


# ── what a move does ─────────────────────────────────────────────────────────
@pytest.mark.parametrize("steps", [(1.0, 0.0), (-0.5, 2.0), (0.0, 0.0)])
def test_there_and_back_is_where_one_was(believed, steps):
    there = moved(believed, np.array(steps), new_ground=False)
    back = moved(there, -np.array(steps), new_ground=False)
    np.testing.assert_allclose(back.mean, believed.mean, atol=1e-12)
    np.testing.assert_allclose(back.cov, believed.cov, atol=1e-12)


def test_back_from_new_ground_the_means_are_what_they_were(believed):
    there = moved(believed, np.array([1.0, -2.0]), new_ground=True)
    back = moved(there, np.array([-1.0, 2.0]), new_ground=False)
    np.testing.assert_allclose(back.mean, believed.mean, atol=1e-12)
    assert (np.diagonal(back.cov, axis1=1, axis2=2) >= 0).all()


def test_a_move_takes_the_level_along_by_the_response(believed):
    there = moved(believed, np.array([2.0, -1.0]), new_ground=False)
    expected = believed.level + 2 * believed.mean[:, FIRST] - believed.mean[:, FIRST + 1]
    np.testing.assert_allclose(there.level, expected)
    np.testing.assert_array_equal(there.mean[:, SLOW:], believed.mean[:, SLOW:])


def test_new_ground_makes_only_the_rules_that_moved_less_known():
    known = beliefs([0.0], [[0.1, 0.1]], doubt=0.01)
    there = moved(known, np.array([1.0, 0.0]), new_ground=True)
    _, before = known.of_steps(np.eye(2))
    _, after = there.of_steps(np.eye(2))
    assert after[0, 0] > before[0, 0]
    assert after[1, 0] == before[1, 0]


def test_no_response_becomes_less_known_than_anything_can_be():
    found = unlearned(2, 2)
    for _ in range(200):
        found = moved(found, np.array([4.0, 0.0]), new_ground=True)
        found = moved(found, np.array([-4.0, 0.0]), new_ground=True)
    _, doubt = found.of_steps(np.eye(2))
    assert doubt.max() <= SPREAD_MAX * STEP_SD * (1 + 1e-9)
    assert np.isfinite(found.cov).all()


# ── what is told ─────────────────────────────────────────────────────────────
def test_a_step_does_its_responses_with_the_variance_of_their_sum(believed):
    steps = np.array([[1.0, 0.0], [0.5, -2.0]])
    effect, doubt = believed.of_steps(steps)
    for m, step in enumerate(steps):
        for s in range(SIGNALS):
            assert effect[m, s] == pytest.approx(believed.mean[s, FIRST:] @ step)
            variance = step @ believed.cov[s, FIRST:, FIRST:] @ step
            assert doubt[m, s] == pytest.approx(variance**0.5)


def test_without_a_move_that_was_made_the_level_is_where_it_was(believed):
    steps = np.array([1.0, -0.5])
    level, spread = moved(believed, steps, new_ground=False).before(steps)
    np.testing.assert_allclose(level, believed.level, atol=1e-12)
    np.testing.assert_allclose(spread, believed.level_sd, atol=1e-9)


def test_rounding_below_nothing_is_nothing():
    negative = Response(np.zeros((1, 3)), np.diag([-1e-20, 0.0, -1e-20])[None])
    assert negative.level_sd == [0.0]
    assert negative.of_steps(np.ones((1, 1)))[1] == [[0.0]]
    assert negative.before(np.ones(1))[1] == [0.0]


# ── the beginning, and a new one ─────────────────────────────────────────────
def test_at_first_nothing_is_known_and_a_step_may_do_either():
    effect, doubt = unlearned(2, 1).of_steps(np.array([[1.0], [2.0]]))
    assert (effect == 0).all()
    np.testing.assert_allclose(doubt, STEP_SD * np.array([[1, 1], [2, 2]]))
    assert (unlearned(2, 1).level_sd > 10).all()


def test_another_system_halves_what_was_learned_and_doubts_all_of_it(noise, believed):
    found = restarted(believed, noise)
    np.testing.assert_allclose(found.mean[:, FIRST:], believed.mean[:, FIRST:] / 2)
    np.testing.assert_array_equal(found.level, believed.level)
    assert (found.mean[:, SLOW] == 0).all()
    np.testing.assert_allclose(found.cov[:, SLOW, SLOW], noise.split()[1])
    assert (found.level_sd >= 1.0).all()
    _, doubt = found.of_steps(np.eye(RULES))
    np.testing.assert_allclose(doubt, STEP_SD)
