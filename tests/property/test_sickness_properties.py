"""What holds of sick streams whatever the numbers: units do not matter, health is never sick."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from daemon.tuning.sickness import STAYS, STILL, UNITS, level, runs, stillness, unit_jump

seeds = st.integers(0, 2**32)
levels = st.sampled_from([-1e6, -3.0, 1e-6, 0.05, 1.0, 250.0, 1e9])
relative = st.floats(0.001, 0.25)
lengths = st.integers(20, 400)
few = st.floats(-3, 3, allow_nan=False).map(round) | st.just(float("nan"))
columns = st.lists(few, max_size=80).map(lambda values: np.array(values, float))


def noisy(seed, length, at, spread):
    """Noise that remembers, as live signals have."""
    random = np.random.default_rng(seed)
    steps = random.standard_normal(length)
    for index in range(1, length):
        steps[index] = 0.6 * steps[index - 1] + 0.8 * steps[index]
    return at * (1 + spread * steps)


@given(columns)
def test_runs_cover_what_was_seen_in_order(mean):
    found = runs(mean)
    seen = mean[np.isfinite(mean)]
    assert np.concatenate([[run.value] * run.length for run in found] or [[]]).tolist() == (
        seen.tolist()
    )
    assert all(one.last < other.first for one, other in pairwise(found))
    assert all(one.value != other.value for one, other in pairwise(found))


@given(columns, st.integers(0, 80), st.sampled_from([0.001, 8.0, 1e6]))
def test_stillness_does_not_depend_on_the_unit(mean, since, unit):
    one, other = stillness(mean, since), stillness(mean * unit, since)
    assert (one and (one.first, one.last)) == (other and (other.first, other.last))


@given(seeds, lengths, levels, relative, st.integers(0, 400))
def test_a_healthy_signal_is_neither_still_nor_in_another_unit(seed, length, at, spread, since):
    mean = noisy(seed, length, at, spread)
    assert stillness(mean, min(since, length)) is None
    before = level(mean[:since])
    if before is not None and spread <= 0.1:
        assert unit_jump(mean, since, before) is None


@given(seeds, lengths, levels, relative, st.integers(STILL, 60))
def test_a_signal_that_freezes_is_still(seed, length, at, spread, frozen):
    mean = noisy(seed, length, at, spread)
    mean = np.concatenate([mean, np.full(frozen, mean[-1])])
    found = stillness(mean, length)
    assert found is not None
    assert found.last == len(mean) - 1


@given(seeds, levels, st.floats(0.001, 0.03), st.sampled_from(UNITS[1:]), st.booleans())
def test_another_unit_is_noticed_and_the_same_one_is_not(seed, at, spread, factor, up):
    mean = noisy(seed, 100 + 20, at, spread)
    before = level(mean[:100])
    assert before is not None
    assert unit_jump(mean, 100, before) is None
    by = factor if up else 1 / factor
    for stays in (STAYS, 20):
        changed = np.concatenate([mean[:100], by * mean[100 : 100 + stays]])
        found = unit_jump(changed, 100, before)
        assert found is not None
        assert (found.factor > 1) is up


@given(seeds, levels, st.floats(0.001, 0.05), st.floats(-0.75, 4.0))
def test_a_step_of_a_rule_is_no_unit(seed, at, spread, by):
    """To a quarter, to five times: the level moves, and no unit is meant."""
    mean = noisy(seed, 140, at, spread)
    mean[100:] += by * at
    before = level(mean[:100])
    assume(before is not None)
    assert unit_jump(mean, 100, before) is None
