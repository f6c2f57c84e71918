"""Axes that change nothing are found, all of them, and no other."""

import math

import numpy as np
import pytest

from daemon.market.metrics import NAMES
from daemon.search.axes import Alike, changes, equal
from daemon.search.grid import Grid
from daemon.search.space import Axis


def grid(jobs=None, **named):
    lines = [Axis(name, tuple(values)) for name, values in named.items()]
    return Grid.of(lines, math.prod(len(line.values) for line in lines) if jobs is None else jobs)


def table(surface):
    """Every metric follows one surface, in its own way."""
    flat = np.asarray(surface, np.float64).reshape(-1)
    made = {name: flat * (number + 1) for number, name in enumerate(NAMES)}
    return made | {"total_trades": flat.astype(np.int64), "stopped": flat > 3}


def test_an_axis_that_changes_nothing_is_dead():
    lines = grid(a=[1, 2, 3], b=[5, 6])
    assert changes(lines, table([[1, 1], [2, 2], [3, 3]])).dead == ("b",)
    assert changes(lines, table([[1, 4], [1, 4], [1, 4]])).dead == ("a",)
    assert changes(lines, table([[1, 1], [1, 1], [1, 1]])).dead == ("a", "b")
    assert changes(lines, table([[1, 1], [1, 1], [1, 2]])).dead == ()


def test_one_metric_of_one_job_is_enough_to_be_alive():
    lines = grid(a=[1, 2], b=[1, 2])
    for name in NAMES:
        told = table(np.ones((2, 2)))
        told[name] = told[name].copy()
        told[name][3] = not told[name][3] if name == "stopped" else told[name][3] + 1
        assert changes(lines, told).dead == (), name


def test_what_means_nothing_equals_its_like_and_nothing_else():
    lines = grid(a=[1, 2])
    told = table([1, 1]) | {"profit_factor": np.array([np.nan, np.nan])}
    assert changes(lines, told).dead == ("a",)
    told["profit_factor"] = np.array([np.nan, 1.0])
    assert changes(lines, told).dead == ()
    told["profit_factor"] = np.array([np.inf, np.inf])
    assert changes(lines, told).dead == ("a",)


def test_rounding_is_no_change_and_a_trade_is():
    lines = grid(a=[1, 2])
    told = table([1, 1]) | {"realized_pnl_usd": np.array([1e6, 1e6 * (1 + 5e-10)])}
    assert changes(lines, told).dead == ("a",)
    told["realized_pnl_usd"] = np.array([1e6, 1e6 * (1 + 5e-9)])
    assert changes(lines, told).dead == ()
    told = table([1, 1]) | {"total_trades": np.array([10**12, 10**12 + 1])}
    assert changes(lines, told).dead == ()


def test_values_between_which_nothing_changed_are_named_in_their_order():
    lines = grid(a=[40, 10, 20, 30, 50], b=["x", "y"])
    found = changes(lines, table([[2, 2], [1, 5], [1, 5], [1, 5], [2, 2]]))
    assert found.dead == ()
    assert found.alike == (Alike("a", (10, 20, 30)), Alike("a", (40, 50)))


def test_values_of_words_are_compared_as_they_are_written():
    found = changes(grid(a=["x", "y", "z"]), table([1, 1, 2]))
    assert found.alike == (Alike("a", ("x", "y")),)


def test_a_dead_axis_needs_no_list_of_values():
    assert changes(grid(a=[1, 2, 3]), table([1, 1, 1])).alike == ()


def test_an_axis_of_one_value_is_not_said_to_be_dead():
    assert changes(grid(a=[1], b=[1, 2]), table([[1, 2]])).dead == ()


# ── what is not known ────────────────────────────────────────────────────────
def test_a_failure_beside_a_result_is_a_change():
    lines = grid(a=[1, 2], b=[1, 2])
    told = table(np.ones((2, 2)))
    assert changes(lines, told, done=np.array([True, True, True, False])).dead == ()
    found = changes(lines, told, done=np.array([True, True, False, False]))
    assert found.dead == ("b",)


def test_values_that_were_never_run_prove_nothing():
    lines = grid(a=[1, 2, 3], b=[1, 2], jobs=3)
    assert changes(lines, table([1, 1, 1])).dead == ("b",)
    assert changes(grid(a=[1, 2, 3], b=[1, 2], jobs=5), table([1] * 5)).dead == ("a", "b")
    assert changes(grid(a=[1, 2, 3], b=[1, 2], jobs=1), table([1])).dead == ()
    assert changes(lines, table([1, 1, 1]), done=np.zeros(3, np.bool_)).dead == ()


def test_values_with_one_between_them_that_was_not_run_are_two_groups():
    found = changes(grid(a=[10, 20, 40, 50, 30], jobs=4), table([1, 1, 1, 1]))
    assert found.dead == ()
    assert found.alike == (Alike("a", (10, 20)), Alike("a", (40, 50)))


def test_metrics_that_are_not_there_are_not_compared():
    assert changes(grid(a=[1, 2]), {"total_trades": np.array([3, 3])}).dead == ("a",)


# ── planted ──────────────────────────────────────────────────────────────────
def test_planted_sessions_are_told_without_a_miss_or_a_false_claim():
    rng = np.random.default_rng(4)
    for _ in range(100):
        shape = tuple(rng.integers(2, 6, rng.integers(1, 5)).tolist())
        dead = rng.random(len(shape)) < 0.4
        small = tuple(1 if gone else size for size, gone in zip(shape, dead.tolist(), strict=True))
        surface = np.broadcast_to(rng.permutation(math.prod(small)).reshape(small), shape)
        order = [rng.permutation(size).tolist() for size in shape]
        lines = grid(**{f"axis_{place}": values for place, values in enumerate(order)})
        found = changes(lines, table(surface))
        assert found.dead == tuple(f"axis_{place}" for place in np.flatnonzero(dead))
        assert found.alike == ()


def test_planted_plateaus_are_told_without_a_miss_or_a_false_claim():
    rng = np.random.default_rng(7)
    for _ in range(100):
        levels = np.sort(rng.integers(0, 4, 8))
        levels[-1] = 9  # so that the axis is alive
        written = rng.permutation(8)
        rows = rng.permutation(1_000)[: 10 * 3].reshape(10, 3)[levels[written]]
        found = changes(grid(a=(written * 10).tolist(), b=[1, 2, 3]), table(rows))
        wanted = [np.flatnonzero(levels == level) * 10 for level in np.unique(levels)]
        assert found.alike == tuple(
            Alike("a", tuple(values.tolist())) for values in wanted if len(values) > 1
        )


@pytest.mark.parametrize("large", [1e300, np.inf])
def test_comparing_overflows_nothing(large):
    assert equal(np.array([large]), np.array([-large])).tolist() == [False]
    assert equal(np.array([large]), np.array([large])).tolist() == [True]
    assert equal(np.array([large]), np.array([np.nan])).tolist() == [False]
