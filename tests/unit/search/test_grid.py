"""A session as a grid: which cells there are, and who stands beside whom."""

import numpy as np
import pytest

from daemon.search.grid import Grid
from daemon.search.space import Axis, Space


def axes(**named):
    return [Axis(name, tuple(values)) for name, values in named.items()]


def shaped(grid):
    return grid.shape, [line.pairs.tolist() for line in grid.lines]


def test_a_whole_grid_has_every_value_and_its_neighbours_by_size():
    grid = Grid.of(axes(a=[30, 10, 20.5], b=["x", "y"]), 6)
    assert shaped(grid) == ((3, 2), [[[1, 2], [2, 0]], [[0, 1]]])
    assert [line.whole for line in grid.lines] == [True, True]
    assert [line.ordered for line in grid.lines] == [True, False]


def test_a_limit_leaves_the_values_that_occur():
    grid = Grid.of(axes(a=range(10_000), b=[1, 2], c=[1, 2, 3]), 7)
    assert shaped(grid) == ((2, 2, 3), [[[0, 1]], [[0, 1]], [[0, 1], [1, 2]]])
    assert [line.whole for line in grid.lines] == [False, True, True]


def test_values_with_one_between_them_that_does_not_occur_are_no_neighbours():
    grid = Grid.of(axes(a=[10, 30, 20], b=[1]), 2)
    assert shaped(grid) == ((2, 1), [[], []])


def test_a_product_of_any_size_costs_nothing():
    grid = Grid.of(axes(a=range(10_000), b=range(10_000), c=range(10_000)), 10_001)
    assert grid.shape == (1, 2, 10_000)


def test_job_and_cell_have_one_number():
    space = Space({}, tuple(axes(min_spread_bps=[3, 1], slippage_bps=range(5))), limit=7)
    grid = Grid.of(space.axes, space.jobs)
    cells = grid.fill(np.arange(7), -1)
    for job, place in enumerate(space.coordinates(np.arange(7)).tolist()):
        assert cells[tuple(place)] == job
    assert (cells == -1).sum() == 3
    assert grid.flat(cells).tolist() == list(range(7))


def test_without_axes_there_is_one_cell():
    grid = Grid.of([], 1)
    assert grid.fill(np.array([5.0]), 0.0) == 5.0


def test_more_jobs_than_combinations_are_refused():
    with pytest.raises(ValueError, match="7 jobs, and only 6"):
        Grid.of(axes(a=[1, 2, 3], b=[1, 2]), 7)
