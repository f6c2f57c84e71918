"""Grids: neighbourhoods and axes as they are found cell by cell, on grids full of holes."""

import math
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daemon.search.axes import changes
from daemon.search.grid import Grid
from daemon.search.overfitting import effective_trials, overfitting
from daemon.search.robustness import robust
from daemon.search.space import Axis, Space
from tests.ranking_kit import columns

NAMES = ("min_spread_bps", "slippage_bps", "max_position_usd", "exit_model")
words = st.sampled_from([("quoted", "convergence"), ("quoted",)])
numbers = st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True).map(tuple)


@st.composite
def spaces(draw):
    """Up to three axes of numbers in any order, perhaps one of words, perhaps cut short."""
    axes = [
        Axis(name, draw(numbers))
        for name in draw(st.permutations(NAMES[:3]))[: draw(st.integers(0, 3))]
    ]
    if draw(st.booleans()):
        axes.insert(draw(st.integers(0, len(axes))), Axis("exit_model", draw(words)))
    cells = math.prod(len(axis.values) for axis in axes)
    return Space({}, tuple(axes), draw(st.integers(1, cells)))


@st.composite
def outcomes(draw, values):
    """A space, what each job brought, and which jobs have a result."""
    space = draw(spaces())
    pnl = draw(st.lists(values, min_size=space.jobs, max_size=space.jobs))
    done = draw(
        st.lists(st.sampled_from([True] * 4 + [False]), min_size=len(pnl), max_size=len(pnl))
    )
    return space, np.array(pnl, np.float64), np.array(done, np.bool_)


def step(axis, one, other):
    """How many steps lie between two places of an axis; none at all between words."""
    if one == other:
        return 0
    if isinstance(axis.values[0], str):
        return math.inf
    order = sorted(axis.values)
    return abs(order.index(axis.values[one]) - order.index(axis.values[other]))


def neighbourhood(space, index):
    """Jobs at most a step away along every axis, and how often each counts."""
    here = space.coordinates(np.array([index]))[0].tolist()
    for other in range(space.jobs):
        there = space.coordinates(np.array([other]))[0].tolist()
        steps = [step(axis, *both) for axis, *both in zip(space.axes, here, there, strict=True)]
        if max(steps, default=0) <= 1:
            yield other, steps


@given(outcomes(st.integers(-5, 5) | st.just(math.nan)))
def test_neighbourhoods_are_those_found_cell_by_cell(case):
    space, pnl, done = case
    grid = Grid.of(space.axes, space.jobs)
    found = robust(grid, columns(pnl), done=done)
    known = done & np.isfinite(pnl)
    paired = [bool(line.ordered and len(line.pairs)) for line in grid.lines]
    for index in range(space.jobs):
        near = [*neighbourhood(space, index)]
        mine = [(other, steps) for other, steps in near if known[other]]
        if not known[index] or 2 * (len(mine) - 1) < len(near) - 1:
            assert math.isnan(found.score[index])
            assert found.rank[index] == 0
            continue
        weights = [
            math.prod(
                2 if not away and both else 1 for away, both in zip(steps, paired, strict=True)
            )
            for _, steps in mine
        ]
        seen = [pnl[other] for other, _ in mine]
        assert math.isclose(found.score[index], np.average(seen, weights=weights), abs_tol=1e-12)
        assert found.worst[index] == min(seen)
        assert found.spread[index] == max(seen) - min(seen)
        assert found.neighbours[index] == len(mine) - 1
    if found.best is not None:
        assert found.score[found.best] >= np.nanmax(found.score) - 1e-9
        assert found.rank[found.best] == 1


@given(outcomes(st.integers(0, 1)))
def test_axes_that_change_nothing_are_those_found_pair_by_pair(case):
    space, pnl, done = case
    found = changes(Grid.of(space.axes, space.jobs), {"total_trades": pnl}, done=done)
    places = space.coordinates(np.arange(space.jobs)).tolist()

    def same(number, one, other):
        """Whether two values of an axis never differed, and were compared at all."""
        pairs = [
            (index, places.index([*place[:number], other, *place[number + 1 :]]))
            for index, place in enumerate(places)
            if place[number] == one and [*place[:number], other, *place[number + 1 :]] in places
        ]
        compared = [(a, b) for a, b in pairs if done[a] and done[b]]
        return (
            bool(compared)
            and all(pnl[a] == pnl[b] for a, b in compared)
            and not any(done[a] != done[b] for a, b in pairs)
        )

    dead = [
        axis.name
        for number, axis in enumerate(space.axes)
        if len(axis.values) > 1
        and all(same(number, 0, other) for other in range(1, len(axis.values)))
    ]
    assert [*found.dead] == dead
    for group in found.alike:
        number = [axis.name for axis in space.axes].index(group.axis)
        values = space.axes[number].values
        at = [values.index(value) for value in group.values]
        assert len(at) > 1
        assert all(same(number, one, other) for one, other in pairwise(at))


@given(spaces())
def test_every_job_has_its_own_cell(space):
    grid = Grid.of(space.axes, space.jobs)
    assert math.prod(grid.shape) <= 2 * space.jobs
    cells = grid.fill(np.arange(space.jobs), -1)
    for index, place in enumerate(space.coordinates(np.arange(space.jobs)).tolist()):
        assert cells[tuple(place)] == index
    for line, axis in zip(grid.lines, space.axes, strict=True):
        assert line.values == axis.values[: len(line.values)]


@given(
    st.integers(1, 3).flatmap(
        lambda half: st.lists(
            st.lists(st.integers(-3, 3), min_size=2 * half, max_size=2 * half),
            min_size=1,
            max_size=6,
        )
    ),
    st.randoms(use_true_random=False),
)
def test_how_trials_are_mixed_and_sized_says_nothing_of_luck(trials, random):
    pnl = np.array(trials, np.float64).T
    first = overfitting(pnl)
    larger = overfitting(pnl * 1e6)
    assert first == larger
    assert first is None or 0 <= first.probability <= 1
    bets = effective_trials(pnl, len(trials))
    assert 1 <= bets <= len(trials)
    mixed = random.sample(range(len(trials)), len(trials))
    assert math.isclose(effective_trials(pnl[:, mixed] * 7, len(trials)), bets, rel_tol=1e-6)
