"""The statistics of studies: what they must hold for any trials whatever."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from daemon.search.studies.contour import CELLS, contour, contours
from daemon.search.studies.crowd import shares, spread
from daemon.search.studies.gates import Findings, judge
from daemon.search.studies.importance import importance
from daemon.search.studies.null import (
    BINS_MIN,
    block_lengths,
    memory,
    reality_check,
    resampled,
)
from daemon.search.studies.outlook import rank_correlation, stitched
from daemon.search.studies.plateau import plateau, robust_ranks
from tests.domain_strategies import domains

seeds = st.integers(0, 2**32)
money = st.floats(-1e6, 1e6)


@st.composite
def gains(draw, least=BINS_MIN):
    """What some trials gained bin by bin: noise of any kind, some of which never trade."""
    bins, trials = draw(st.integers(least, 60)), draw(st.integers(1, 6))
    rng = np.random.default_rng(draw(seeds))
    found = rng.standard_t(3, (bins, trials)) * draw(st.sampled_from([1e-6, 1.0, 1e6]))
    if draw(st.booleans()):
        found *= rng.random((bins, trials)) < 0.2
    if draw(st.booleans()):
        found += rng.normal(size=(bins, 1))
    idle = draw(st.lists(st.booleans(), min_size=trials, max_size=trials))
    found[:, np.array(idle, np.bool_)] = 0.0
    return np.round(found, 6)


def checked(found, winner, seed=1, resamples=40):
    return reality_check(found, winner, resamples, np.random.default_rng(seed))


# ── the reality check ────────────────────────────────────────────────────────
@given(gains(), st.data())
def test_shares_of_draws_are_shares_and_lifting_all_never_helps(found, data):
    winner = data.draw(st.integers(0, found.shape[1] - 1))
    told = checked(found, winner)
    if not np.ptp(found[:, winner]):
        assert told is None
        return
    assert 0 < told.p_alone <= told.p_all <= 1
    assert 0 < told.p_value <= told.p_all
    assert told.null_median <= told.null_95
    assert 1 <= told.block <= len(found)


@given(gains(), st.data())
def test_sizes_of_trials_do_not_matter_nor_their_order(found, data):
    winner = data.draw(st.integers(0, found.shape[1] - 1))
    told = checked(found, winner)
    assume(told is not None)
    sizes = 2.0 ** np.array(
        data.draw(st.lists(st.integers(-3, 3), min_size=found.shape[1], max_size=found.shape[1]))
    )
    assert checked(found * sizes, winner) == told
    order = np.array(data.draw(st.permutations(range(found.shape[1]))))
    again = checked(found[:, order], int(np.flatnonzero(order == winner)[0]))
    assert again.p_value == pytest.approx(told.p_value)
    assert again.statistic == pytest.approx(told.statistic)


@given(gains())
def test_rivals_only_make_it_harder_and_hopeless_ones_do_not(found):
    alone, told = checked(found[:, :1], 0), checked(found, 0)
    assume(alone is not None and alone.block == told.block)
    assert told.p_all >= alone.p_all - 1e-12
    hopeless = found - 100 * np.abs(found).max()
    padded = checked(np.hstack((found, hopeless)), 0)
    if told.statistic > 0 and told.block == padded.block:
        assert padded.p_value == pytest.approx(told.p_value)


@given(st.integers(BINS_MIN, 80), st.integers(1, 30), st.floats(1, 40), seeds)
def test_every_draw_has_as_many_bins_as_there_are(bins, resamples, block, seed):
    found = resampled(bins, resamples, block, np.random.default_rng(seed))
    assert found.shape == (resamples, bins)
    assert np.allclose(found.sum(axis=1), 1)
    assert np.allclose(found * bins, np.round(found * bins))


@given(gains())
def test_blocks_and_memories_stay_in_their_bounds(found):
    bins = len(found)
    lengths = block_lengths(found)
    assert ((lengths >= 1) & (lengths <= math.ceil(bins / 3))).all()
    drawn, lasting = memory(found, float(lengths.max()))
    assert (drawn >= 1).all()
    assert (lasting >= drawn - 1e-12).all()
    assert np.isfinite(lasting).all()


# ── in and out of sample ─────────────────────────────────────────────────────
ranks = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20)


@given(ranks)
def test_rankings_agree_with_themselves_and_both_ways_round(pairs):
    one, other = (
        (np.array(side, np.int64) for side in zip(*pairs, strict=True))
        if pairs
        else 2 * (np.zeros(0, np.int64),)
    )
    found = rank_correlation(one, other)
    back = rank_correlation(other, one)
    assert found == pytest.approx(back, nan_ok=True)
    assert math.isnan(found) or -1 - 1e-9 <= found <= 1 + 1e-9
    itself = rank_correlation(one, one)
    assert math.isnan(itself) or itself == pytest.approx(1)


@given(st.lists(st.lists(st.floats(-100, 100), min_size=1, max_size=9), min_size=1, max_size=4))
def test_stitched_tests_add_up(parts):
    tests = [np.array(one) for one in parts]
    found = stitched(tests, tests, 10_000.0)
    worth, peak, deepest = 10_000.0, 10_000.0, 0.0
    for gain in np.concatenate(tests).tolist():
        worth += gain
        peak = max(peak, worth)
        deepest = max(deepest, 100 * (peak - worth) / peak)
    assert found.pnl_usd == pytest.approx(worth - 10_000.0, abs=1e-6)
    assert found.max_drawdown_pct == pytest.approx(deepest, abs=1e-6)
    assert found.trades == sum(map(len, tests))


# ── plateaus ─────────────────────────────────────────────────────────────────
@given(st.lists(st.tuples(money, st.lists(money | st.just(math.nan), max_size=6)), max_size=6))
def test_plateaus_lie_between_the_worst_and_the_best_around(trials):
    found = [plateau(own, np.array(around, np.float64)) for own, around in trials]
    for one, (own, around) in zip(found, trials, strict=True):
        known = [value for value in around if math.isfinite(value)]
        assert one.neighbours == len(known)
        if 2 * len(known) < len(around):
            assert math.isnan(one.score)
            continue
        everybody = [own, *known]
        assert one.worst == min(everybody)
        assert min(everybody) - 1e-6 <= one.score <= max(everybody) + 1e-6
    order = robust_ranks(found)
    for one, mine in zip(found, order.tolist(), strict=True):
        assert (mine == 0) == math.isnan(one.score)
        if mine:
            ahead = sum(other.score > one.score + 1e-3 for other in found)
            assert mine > ahead


# ── what matters ─────────────────────────────────────────────────────────────
@st.composite
def clouds(draw):
    """Points somewhere on some axes, at which some of them are not looked at, and values."""
    count, axes = draw(st.integers(0, 120)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(seeds))
    unit = rng.random((count, axes))
    if draw(st.booleans()):
        unit[:, 0] = np.round(unit[:, 0] * 3) / 3
    if draw(st.booleans()):
        unit[rng.random(count) < 0.5, -1] = np.nan
    values = rng.normal(size=count) + np.nan_to_num(unit[:, 0]) * draw(st.integers(0, 9))
    values[rng.random(count) < 0.1] = np.nan
    return unit, values


@given(clouds(), st.floats(0.5, 100), st.floats(-100, 100))
def test_importance_is_a_share_and_knows_no_units(cloud, scale, shift):
    unit, values = cloud
    found = importance(unit, values)
    known = np.isfinite(found)
    assert ((found[known] >= 0) & (found[known] <= 1)).all()
    again = importance(unit, values * scale + shift)
    assert np.allclose(found, again, atol=1e-6, equal_nan=True)
    if np.isfinite(values).sum() < 32:
        assert not known.any()


@given(clouds())
def test_contours_hold_every_point_once(cloud):
    unit, values = cloud
    assume(unit.shape[1] > 1)
    found = contour(unit, values, 0, 1)
    known = np.isfinite(values) & np.isfinite(unit[:, :2]).all(axis=1)
    assert found.count.sum() == known.sum()
    assert max(found.count.shape) <= CELLS
    some = found.count > 0
    assert np.array_equal(np.isfinite(found.mean), some)
    assert (found.best[some] >= found.mean[some] - 1e-9).all()
    total = (found.mean * found.count)[some].sum()
    assert total == pytest.approx(values[known].sum(), abs=1e-6)
    pairs = [one.axes for one in contours(unit, values, importance(unit, values))]
    assert len(pairs) == len(set(pairs))
    assert all(one < other for one, other in pairs)


# ── points spread evenly ─────────────────────────────────────────────────────
@given(domains(), st.integers(1, 40))
def test_spread_points_belong_to_the_domain_and_are_all_different(domain, count):
    found = spread(domain, count)
    assert 1 <= len(found) <= count
    for point in found:
        domain.check(point)
    assert len({domain.key(point) for point in found}) == len(found)
    if domain.cells is not None and domain.cells <= count:
        assert len(found) == domain.cells
    assert spread(domain, count) == found


@given(st.integers(1, 20), st.integers(50, 400))
def test_no_stretch_of_an_axis_is_left_out(axes, count):
    found = shares(count, axes)
    assert found.shape == (count, axes)
    assert ((found >= 0) & (found < 1)).all()
    for column in found.T:
        gaps = np.diff(np.concatenate(([0.0], np.sort(column), [1.0])))
        assert gaps.max() < 4 / count


# ── gates ────────────────────────────────────────────────────────────────────
numbers = st.none() | st.floats(-1, 2) | st.just(math.nan)


@given(
    st.builds(
        Findings,
        winner=st.integers(1, 99),
        feasible=st.booleans(),
        quoted=st.booleans(),
        trades=st.integers(0, 60),
        pnl_usd=st.floats(-9, 9),
        out_of_sample_usd=numbers,
        walked=st.booleans(),
        p_value=numbers,
        deflated=numbers,
        pbo=st.none() | st.floats(0, 1),
        loss_share=st.none() | st.floats(0, 1),
        chosen_from=st.integers(1, 9),
        stressed=st.dictionaries(
            st.sampled_from(["costs", "shift", "masked"]),
            st.tuples(st.floats(-9, 9), st.just("so")),
        ),
        kept=numbers,
        neighbours=st.integers(0, 4),
    )
)
def test_a_winner_is_declared_only_if_every_gate_holds(found):
    told = judge(found)
    assert told.declared == all(gate.held for gate in told.gates)
    assert len({gate.name for gate in told.gates}) == len(told.gates)
    assert len(told.advice) == sum(not gate.held for gate in told.gates)
    assert ("no winner" in told.said) == (not told.declared)
    for gate in told.gates:
        assert gate.text in told.said or gate.name in told.said or gate.held
        assert gate.value is None or math.isfinite(gate.value)
        assert gate.value is not None or not gate.held
