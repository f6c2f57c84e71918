"""The robust rank: plateaus before lone peaks, and what is true before what was lucky."""

import numpy as np
import pytest

from daemon.search.grid import Grid
from daemon.search.ranking import Filters
from daemon.search.robustness import robust
from daemon.search.space import Axis
from tests.ranking_kit import columns


def grid(shape, jobs=None, values=None):
    lines = [
        Axis(f"axis_{place}", tuple(range(size)) if values is None else values[place])
        for place, size in enumerate(shape)
    ]
    return Grid.of(lines, int(np.prod(shape)) if jobs is None else jobs)


def scored(surface, **asked):
    surface = np.array(surface, np.float64)
    return robust(grid(surface.shape), columns(surface.reshape(-1)), **asked)


# ── the score ────────────────────────────────────────────────────────────────
def test_the_mean_of_the_neighbourhood_counts_the_cell_twice_along_each_axis():
    found = scored([1.0, 2.0, 6.0, 0.0])
    assert found.score.tolist() == pytest.approx([4 / 3, 11 / 4, 14 / 4, 2.0])
    assert found.worst.tolist() == [1, 1, 0, 0]
    assert found.spread.tolist() == [1, 5, 6, 6]
    assert found.neighbours.tolist() == [1, 2, 2, 1]
    assert found.rank.tolist() == [4, 2, 1, 3]
    assert found.best == 2


def test_diagonal_neighbours_count_too():
    surface = np.zeros((3, 3))
    surface[0, 0] = 16
    found = scored(surface)
    assert found.score[4] == 1.0
    assert found.score[0] == pytest.approx(64 / 9)
    assert found.neighbours.tolist() == [3, 5, 3, 5, 8, 5, 3, 5, 3]


def test_values_are_neighbours_by_size_however_they_were_written():
    lines = grid((4,), values=[(30, 10, 40, 20)])
    found = robust(lines, columns([6.0, 1.0, 0.0, 2.0]))
    assert found.score.tolist() == pytest.approx([14 / 4, 4 / 3, 2.0, 11 / 4])
    assert found.axes == ("axis_0",)


def test_words_have_no_neighbours():
    lines = grid((2, 2), values=[("quoted", "convergence"), (1, 2)])
    found = robust(lines, columns([9.0, 0.0, 4.0, 4.0]))
    assert found.score.tolist() == [6.0, 3.0, 4.0, 4.0]
    assert found.axes == ("axis_1",)
    alone = robust(grid((3,), values=[("a", "b", "c")]), columns([1.0, 3.0, 2.0]))
    assert alone.axes == ()
    assert alone.score.tolist() == [1.0, 3.0, 2.0]
    assert alone.rank.tolist() == [3, 1, 2]


def test_a_lone_peak_loses_to_a_plateau():
    surface = np.zeros((6, 6))
    surface[1, 1] = 3.0
    surface[3:6, 3:6] = 1.0
    assert scored(surface).best == 4 * 6 + 4


def test_without_noise_a_hill_keeps_its_top_wherever_it_stands():
    for top in np.ndindex(3, 4):
        far = [((np.arange(size) - at) / 1.5) ** 2 for size, at in zip((3, 4), top, strict=True)]
        hill = np.exp(-(far[0][:, None] + far[1][None, :]))
        assert scored(hill).best == np.ravel_multi_index(top, (3, 4))


def test_of_equal_scores_the_better_worst_neighbour_wins():
    line = robust(grid((3, 2), values=[("a", "b", "c"), (1, 2)]), columns([3, 3, 0, 4.5, 3, 3]))
    assert line.score.tolist() == [3, 3, 1.5, 3, 3, 3]
    assert line.rank.tolist() == [1, 1, 6, 5, 1, 1]


# ── what is not known ────────────────────────────────────────────────────────
def test_cells_without_a_result_count_in_no_mean():
    surface = [3.0, np.nan, 6.0, 9.0, 100.0]
    done = np.array([True, True, True, True, False])
    found = robust(grid((5,)), columns(surface), done=done)
    assert found.score.tolist() == pytest.approx([np.nan, np.nan, 7, 8, np.nan], nan_ok=True)
    assert found.neighbours.tolist() == [0, 0, 1, 1, 0]
    assert found.rank.tolist() == [0, 0, 2, 1, 0]


def test_a_lone_survivor_is_not_its_own_neighbourhood():
    surface = np.full((3, 3), np.nan)
    surface[1, 1] = 1e6
    found = scored(surface)
    assert found.best is None
    assert not found.rank.any()


def test_cells_that_were_never_planned_are_no_loss():
    found = robust(grid((3, 3), jobs=5), columns([1.0, 1.0, 1.0, 4.0, 4.0]))
    assert found.best == 3
    assert found.neighbours.tolist() == [3, 4, 2, 3, 4]
    assert robust(grid((3, 3), jobs=1), columns([7.0])).best == 0


def test_who_does_not_pass_the_filters_has_neighbours_but_no_rank():
    table = columns([1.0, 9.0, 2.0], drawdown=[0, 50, 0])
    found = robust(grid((3,)), table, Filters(max_drawdown_pct=20))
    assert found.score.tolist() == pytest.approx([11 / 3, 21 / 4, 13 / 3])
    assert found.rank.tolist() == [2, 0, 1]


def test_no_job_is_scored_too():
    found = robust(grid((3,), jobs=0), columns([]))
    assert found.best is None


# ── what it is for ───────────────────────────────────────────────────────────
@pytest.mark.parametrize("noise", [0.2, 0.6])
@pytest.mark.parametrize(
    ("shape", "top", "width"),
    [((10, 10), (4.5, 4.5), 3), ((10, 10), (0, 0), 4), ((5, 5), (0, 4), 2), ((20,), (10,), 4)],
)
def test_on_noisy_hills_the_robust_pick_is_truly_better_than_the_best(shape, top, width, noise):
    axes = np.meshgrid(*(np.arange(size) for size in shape), indexing="ij")
    distance = sum((axis - at) ** 2 for axis, at in zip(axes, top, strict=True))
    true = np.exp(-distance / width**2).reshape(-1)
    rng = np.random.default_rng(20230301)
    lines = grid(shape)
    gained = []
    for _ in range(250):
        seen = true + noise * rng.normal(size=len(true))
        pick = robust(lines, columns(seen)).best
        gained.append(true[pick] - true[seen.argmax()])
    error = np.std(gained, ddof=1) / np.sqrt(len(gained))
    assert np.mean(gained) > 2 * error
