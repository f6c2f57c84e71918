"""What is unusual among days, whatever the days are like."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from daemon.search.studies import watching
from daemon.search.studies.drift import PSI, psi
from daemon.search.studies.watching import SHORTFALL, Channel

FIGURES = st.floats(-1e3, 1e3, allow_nan=False, width=32)
DAYS = st.integers(watching.FEWEST, 20)


@st.composite
def scalars(draw, days=DAYS):
    return draw(arrays.arrays(np.float64, (draw(days), 1), elements=FIGURES))


@st.composite
def shares(draw, days=DAYS, bins=5):
    raw = draw(
        arrays.arrays(np.float64, (draw(days), bins), elements=st.floats(0.0078125, 1, width=32))
    )
    return raw / raw.sum(axis=1, keepdims=True)


def learned(figures, measure=SHORTFALL, per_month=0.2, horizon=14, seed=1):
    channel = Channel("x", figures, figures[:0])
    return watching.learn([channel], measure, per_month, horizon, np.random.default_rng(seed))


def ratio(figures, newer, threshold, measure=SHORTFALL):
    found = watching.look([Channel("x", figures, newer)], measure, threshold)
    return found.ratio


@given(scalars())
def test_the_same_draws_give_the_same_threshold(figures):
    one, two = learned(figures), learned(figures)
    assert one.limit == two.limit
    assert (one.usual == two.usual).all()


@given(scalars(), st.floats(0.05, 1), st.floats(1.1, 4))
def test_a_larger_budget_is_never_stricter(figures, per_month, more):
    rare, often = (
        learned(figures, per_month=per_month),
        learned(figures, per_month=per_month * more),
    )
    assert often.limit <= rare.limit


@given(scalars(), st.floats(0, 100), st.floats(0, 100))
def test_a_deeper_fall_is_never_calmer(figures, fall, deeper):
    threshold = learned(figures)
    spread = figures.std() + 1
    one = ratio(figures, figures[-3:] - fall * spread, threshold)
    two = ratio(figures, figures[-3:] - (fall + deeper) * spread, threshold)
    assert two >= one - 1e-9 * abs(one)


@given(scalars())
def test_a_fall_beyond_all_measure_is_found_and_a_rise_is_not(figures):
    threshold = learned(figures)
    spread = np.ptp(figures) + 1
    assert ratio(figures, figures[-4:] - 1e4 * spread, threshold) > 1
    assert ratio(figures, figures[-4:] + 1e4 * spread, threshold) < 1


@given(
    arrays.arrays(np.float64, (12, 1), elements=st.integers(-800, 800)),
    st.sampled_from([2.0**-8, 4.0, 2.0**20]),
    st.integers(-100, 100),
)
def test_the_unit_of_a_figure_does_not_matter(figures, size, origin):
    assume(np.ptp(figures) > 0)
    newer = figures[:3] - np.ptp(figures)
    plain = ratio(figures, newer, learned(figures))
    scaled = ratio(
        size * (figures + origin), size * (newer + origin), learned(size * (figures + origin))
    )
    assert scaled == pytest.approx(plain, rel=1e-6)


@given(shares())
def test_days_as_they_were_are_no_drift(figures):
    threshold = learned(figures, PSI)
    middle = np.repeat(figures.mean(axis=0)[None], 5, axis=0)
    assert ratio(figures, middle, threshold, PSI) < 1


@given(shares(st.just(1)), shares(st.just(1)))
def test_the_index_is_symmetric_and_zero_only_among_equals(one, two):
    assert psi(one[0], two[0]) == pytest.approx(psi(two[0], one[0]))
    assert psi(one[0], one[0]) == 0
    assert psi(one[0], two[0]) >= 0


@given(scalars())
def test_persistence_is_a_share_and_blocks_fit(figures):
    kept = watching.persistence(figures)
    assert 0 <= kept <= watching.KEPT_MAX
    assert 1 <= watching.block_length(kept, len(figures)) <= len(figures)


@given(st.integers(1, 40), st.integers(1, 60), st.integers(1, 50))
def test_blocks_are_days_that_follow_each_other(days, block, count):
    found = watching.blocks(np.random.default_rng(1), days, block, count)
    assert found.shape == (watching.DRAWS, count)
    assert ((found >= 0) & (found < days)).all()
    block = min(block, days)
    step = np.diff(found, axis=1) % days
    inside = np.arange(1, count) % block != 0
    assert (step[:, inside] == (1 % days)).all()


@given(scalars(st.integers(0, watching.FEWEST - 1)))
def test_from_a_few_days_nothing_is_learned(figures):
    with pytest.raises(ValueError, match="too few"):
        learned(figures)


@given(scalars(), st.integers(14, 20))
def test_a_window_longer_than_what_was_drawn_is_not_looked_at(figures, horizon):
    threshold = learned(figures, horizon=horizon)
    newer = np.repeat(figures, 6, axis=0)[:40]
    found = watching.readings([Channel("x", figures, newer)], SHORTFALL, threshold)
    assert max(one.days for one in found) <= horizon


def test_chance_keeps_to_its_budget():
    """A hundred futures of two months each, without a change: 0.3 a month are allowed."""
    count = 0
    for number in range(100):
        rng = np.random.default_rng(number)
        figures = rng.standard_t(4, (90, 1))
        seen, newer = figures[:30], figures[30:]
        threshold = learned(seen, per_month=0.3, horizon=60, seed=number)
        count += any(ratio(seen, newer[: day + 1], threshold) > 1 for day in range(len(newer)))
    assert 1 <= count <= 60  # 45 % of them are allowed to
