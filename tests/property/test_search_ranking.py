"""Ranking: whatever arrives in whatever blocks, the order is the one written out plainly."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daemon.search.ranking import Best, natural, rank
from tests.ranking_kit import columns, nearly, picked, plainly

base = st.sampled_from([0.0, 1e-9, 2e-9, 1.0, -1.0, 1250.0, -3e5, 1e300, -1e300, 5e-324])
figures = st.one_of(
    base,
    st.builds(nearly, base, st.integers(-3, 3)),
    st.builds(lambda value, share: value * (1 + share * 3e-10), base, st.integers(-8, 8)),
    st.builds(lambda share: share * 3e-10, st.integers(-8, 8)),
)
drawdowns = figures.map(lambda value: min(abs(value), 1e6))


@st.composite
def jobs(draw, most=12):
    """Jobs with figures that are often all but equal; each has a number of its own."""
    both = draw(st.lists(st.tuples(figures, drawdowns), max_size=most))
    numbers = draw(st.permutations(range(len(both))))
    return [(*figure, number) for figure, number in zip(both, numbers, strict=True)]


def table(some):
    return columns([job[0] for job in some], drawdown=[job[1] for job in some])


def told(found, order):
    return order[found.places].tolist(), found.ranks.tolist(), found.tied.tolist()


@given(jobs())
def test_the_order_is_the_one_written_out_plainly(some):
    order = np.array([job[2] for job in some], np.int64)
    assert told(rank(table(some), order), order) == plainly(some)


@given(jobs(), st.data())
def test_the_order_of_the_input_is_no_matter(some, data):
    order = np.array([job[2] for job in some], np.int64)
    places = np.array(data.draw(st.permutations(range(len(some)))), np.int64)
    mixed = rank(picked(table(some), places), order[places])
    assert told(mixed, order[places]) == told(rank(table(some), order), order)


@given(jobs(most=25), st.integers(0, 6), st.data())
def test_blocks_change_nothing(some, limit, data):
    order = np.array([job[2] for job in some], np.int64)
    whole = table(some)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(some)), max_size=4)))
    best = Best(limit)
    for begin, end in zip([0, *cuts], [*cuts, len(some)], strict=True):
        part = np.arange(begin, end)
        best.feed(picked(whole, part), order[part])
    wanted = tuple(part[:limit] for part in told(rank(whole, order), order))
    assert told(best.ranked(), order) == wanted


@given(st.lists(st.sampled_from([1.0, 2.0, math.nan, math.inf]), max_size=12), st.data())
def test_everybody_is_ranked_or_counted(pnl, data):
    done = np.array([data.draw(st.booleans()) for _ in pnl], np.bool_)
    found = rank(columns(pnl), np.arange(len(pnl)), done=done)
    assert len(found) == found.eligible
    assert found.eligible + sum(found.excluded.values()) == len(pnl)
    assert np.isfinite(np.array(pnl)[found.places]).all()


@given(st.lists(st.text("a_-0129", max_size=6), max_size=8), st.randoms(use_true_random=False))
def test_ids_have_one_order(ids, random):
    mixed = random.sample(ids, len(ids))
    assert sorted(ids, key=natural) == sorted(mixed, key=natural)


@given(st.text("ab_", max_size=3), st.integers(0, 10**12), st.integers(0, 10**12))
def test_numbers_in_ids_count_as_numbers(prefix, one, other):
    ids = sorted([f"{prefix}{one:04d}", f"{prefix}{other:04d}"], key=natural)
    assert [int(name.removeprefix(prefix)) for name in ids] == sorted([one, other])
