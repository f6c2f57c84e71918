"""Samplers that learn find what others do not, at the same cost."""

import numpy as np
import pytest

from daemon.adapters.samplers import make
from daemon.search.studies.domain import Domain, Whole
from tests.contract.samplers.kit import CUBE, PLANTS, area, best, mean_best, search, two_ends


@pytest.mark.parametrize(
    ("kind", "left"), [("tpe", 0.2), ("cmaes", 0.25), ("gp", 0.01), ("nsga2", 0.9)]
)
def test_the_top_of_a_hill_is_found(kind, left):
    """What is left to the top is at most a share of what chance leaves."""
    assert mean_best(kind, "bowl", 80) > left * mean_best("random", "bowl", 80)


@pytest.mark.parametrize(("kind", "left"), [("tpe", 0.4), ("cmaes", 0.4), ("gp", 0.4)])
def test_a_valley_across_the_axes_is_followed(kind, left):
    assert mean_best(kind, "valley", 80) > left * mean_best("random", "valley", 80)


@pytest.mark.parametrize(("kind", "at_least"), [("tpe", 0.9), ("gp", 0.95), ("nsga2", 0.5)])
def test_words_steps_and_conditions_are_learnt(kind, at_least):
    assert mean_best("random", "trading", 80) < 0.5
    assert mean_best(kind, "trading", 80) > at_least


@pytest.mark.parametrize(
    ("kind", "at_least"), [("tpe", 1.75), ("gp", 1.75), ("nsga2", 1.5), ("cmaes", 1.5)]
)
def test_constraints_reach_samplers_that_know_them(kind, at_least):
    """Only one point in three hundred is allowed; the best of those is worth 1.9."""
    assert mean_best(kind, "fenced", 80) > at_least


@pytest.mark.parametrize("kind", ["tpe", "nsga2"])
def test_a_front_is_found(kind):
    def mean_area(kind):
        found = []
        for seed in range(3):
            sampler = make(kind, CUBE, ["minimize", "minimize"], seed, {})
            found.append(area(search(sampler, CUBE, two_ends, trials=128, seed=seed)))
        return np.mean(found)

    assert mean_area(kind) > mean_area("random") + 0.3


def test_batches_are_nearly_as_good_as_one_at_a_time():
    domain, system = PLANTS["bowl"]
    found = {
        batch: best(
            search(make("gp", domain, ["maximize"], 0, {}), domain, system, trials=48, batch=batch)
        )
        for batch in (4, 16)
    }
    assert found[16] > -0.02
    assert found[4] > -0.01


def test_half_of_a_coarse_grid_is_as_many_points():
    domain = Domain((Whole("a", 0, 19), Whole("b", 0, 19)))

    def system(point):
        return (-((point["a"] - 7) ** 2) - (point["b"] - 12) ** 2,), 0.0

    for kind in ("tpe", "cmaes"):
        sampler = make(kind, domain, ["maximize"], 0, {})
        found = search(sampler, domain, system, trials=200)
        assert len({domain.key(one.point) for one in found}) == 200
        assert best(found) == 0
