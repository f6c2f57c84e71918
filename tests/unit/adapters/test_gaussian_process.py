"""The Gaussian process: slopes that are slopes, lengths that are found, and what it expects."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest

from daemon.adapters.samplers.gp.algebra import applied, product, unrooted
from daemon.adapters.samplers.gp.features import Features
from daemon.adapters.samplers.gp.process import Process, _unlikeliness, fit
from daemon.adapters.samplers.gp.sampler import learn_from, warped
from daemon.adapters.samplers.gp.worth import log_below, log_improvement
from daemon.search.studies.domain import Choice, Domain, Real
from daemon.search.studies.tellings import Telling

PLANE = Domain((Real("a", 0, 1), Real("b", 0, 1)))
FEATURES = Features(PLANE)


def wavy(points):
    """Change quickly along a, hardly along b."""
    found = np.sin(8 * points[:, 0]) + 0.05 * points[:, 1]
    return (found - found.mean()) / found.std()


@pytest.fixture
def points():
    return np.random.default_rng(1).random((40, 2))


def test_the_slope_is_the_slope(points):
    apart, seen = FEATURES.apart(points, points), wavy(points)
    theta = np.log(np.array([0.3, 0.8, 1e-3]))
    _, slope = _unlikeliness(theta, apart, seen)
    for place in range(3):
        step = np.zeros(3)
        step[place] = 1e-5
        up, down = (_unlikeliness(theta + sign * step, apart, seen)[0] for sign in (1, -1))
        assert slope[place] == pytest.approx((up - down) / 2e-5, rel=1e-4, abs=1e-4)


def test_an_axis_that_changes_nothing_is_long_and_noise_is_seen(points):
    draw = np.random.default_rng(2)
    apart = FEATURES.apart(points, points)
    clean = fit(apart, wavy(points))
    assert clean.lengths[1] > 3 * clean.lengths[0]
    assert clean.noise < 1e-3
    noisy = fit(apart, wavy(points) + draw.normal(0, 0.5, len(points)))
    assert noisy.noise > 10 * clean.noise


def test_what_was_seen_is_expected_and_far_away_is_uncertain(points):
    seen = wavy(points)
    process = Process(FEATURES, points, seen, fit(FEATURES.apart(points, points), seen))
    mean, deviation = process.expect(points)
    assert np.abs(mean - seen).max() < 0.05
    assert deviation.max() < 0.1
    other = np.random.default_rng(3).random((50, 2))
    expected = np.sin(8 * other[:, 0]) + 0.05 * other[:, 1]
    original = np.sin(8 * points[:, 0]) + 0.05 * points[:, 1]
    expected = (expected - original.mean()) / original.std()
    assert np.abs(process.expect(other)[0] - expected).mean() < 0.1


def test_a_belief_leaves_expectations_and_takes_doubt_away(points):
    seen = wavy(points)
    fitted = fit(FEATURES.apart(points, points), seen)
    process = Process(FEATURES, points[:10], seen[:10], fitted)
    other = points[20:30]
    before, doubt = process.expect(other)
    process.believe(other[:1])
    after, less = process.expect(other)
    assert np.allclose(before, after)
    assert (less <= doubt + 1e-9).all()
    assert less[0] < 0.1 * doubt[0]
    again = Process(
        FEATURES, np.vstack([points[:10], other[:1]]), np.append(seen[:10], before[0]), fitted
    )
    assert np.allclose(again.expect(other)[0], after, atol=1e-6)


def test_an_improvement_far_away_is_small_and_never_nothing():
    mean = np.array([-1.0, 0.0, 5.0, 50.0, 500.0])
    found = log_improvement(0.0, mean, np.ones(5))
    assert (np.diff(found) < 0).all()
    assert np.isfinite(found).all()
    assert found[1] == pytest.approx(math.log(1 / math.sqrt(2 * math.pi)))
    beside = log_improvement(0.0, np.array([5.999999, 6.000001]), np.ones(2))
    assert beside[0] == pytest.approx(beside[1], rel=2e-3)


def test_a_probability_far_away_is_small_and_never_nothing():
    found = log_below(np.array([-3.0, 0.0, 3.0, 300.0]), np.ones(4))
    assert found[1] == pytest.approx(math.log(0.5))
    assert np.isfinite(found).all()
    assert (np.diff(found) < 0).all()


def test_words_are_as_far_apart_as_the_ends_of_an_axis_and_idle_ones_are_nowhere():
    domain = Domain((Choice("w", ("x", "y", "z")), Real("a", 0, 1, when={"w": "x"})))
    features = Features(domain)
    laid = features.of([{"w": "x", "a": 1.0}, {"w": "x", "a": 0.0}, {"w": "y"}, {"w": "z"}])
    apart = features.apart(laid, laid)
    assert apart[0].round(9).tolist() == [[0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 0]]
    assert apart[1][0].tolist() == [0, 1, 0.25, 0.25]


def telling(number, cost, violation=0.0):
    costs = None if cost is None else (cost,)
    return Telling(0, f"{number:04}", {"a": 0.0, "b": 0.0}, costs, violation)


def test_a_disaster_does_not_make_everything_else_alike():
    found = warped([telling(n, cost) for n, cost in enumerate([1.0, 2.0, 3.0, 4.0, 1e9, None])])
    assert (np.diff(found[:5]) > 0).all()
    assert found[5] == found[4]
    assert found[1] - found[0] > 0.02 * (found[4] - found[0])
    assert warped([telling(0, 2.0), telling(1, 2.0)]).tolist() == [0, 0]


def test_of_too_many_the_best_are_kept_and_some_of_the_others():
    told = [telling(n, float(n % 50)) for n in range(200)]
    some = learn_from(told, 40)
    assert len(some) == 40
    assert sum(one.costs[0] < 5 for one in some) >= 20
    assert any(one.costs[0] > 40 for one in some)
    assert some == sorted(some, key=lambda one: one.key)
    assert learn_from(told, 200) is told


# ── algebra ──────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("size", [1, 47, 48, 49, 100, 200])
def test_what_is_cut_into_squares_is_what_it_would_be_whole(size):
    draw = np.random.default_rng(size)
    one, other = draw.normal(size=(size, 70)), draw.normal(size=(70, 2 * size))
    assert np.allclose(product(one, other), one @ other, rtol=0, atol=1e-12)
    assert np.allclose(applied(one, other[:, 0]), one @ other[:, 0], rtol=0, atol=1e-12)
    matrix = one @ one.T + 1e-3 * np.eye(size)
    unroot = unrooted(matrix)
    assert np.allclose(unroot @ matrix @ unroot.T, np.eye(size), atol=1e-9)
    assert (np.triu(unroot, 1) == 0).all()


def test_a_matrix_that_is_not_positive_is_refused():
    with pytest.raises(np.linalg.LinAlgError):
        unrooted(-np.eye(100))


PROPOSES = """
import zlib
import numpy as np
from daemon.adapters.samplers import make
from daemon.ports import Told
from daemon.search.studies.domain import Domain, Real
domain = Domain(tuple(Real(name, 0, 1) for name in "abc"))
sampler = make("gp", domain, ["maximize"], 0, {})
points = domain.back(np.random.default_rng(0).random((180, 3)))
values = np.sin(7 * domain.unit(points)).sum(axis=1).tolist()
sampler.tell([
    Told(point=point, values=(value,), violation=float(value > 2), batch=0)
    for point, value in zip(points, values, strict=True)
])
print(sampler.ask(8, 1))
"""


def test_what_is_proposed_does_not_depend_on_how_many_processors_there_are():
    said = [
        subprocess.run(
            [sys.executable, "-c", PROPOSES],
            env={**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads},
            check=True,
            capture_output=True,
            timeout=60,
        ).stdout
        for threads in ("1", "2")
    ]
    assert said[0] == said[1] != b""
