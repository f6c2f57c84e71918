"""What samplers share: points that fill a space, what was told in one order, nothing twice."""

import math

import numpy as np
import pytest

from daemon.ports import Told
from daemon.search.studies.domain import Choice, Domain, Real, Whole
from daemon.search.studies.novelty import Novelty
from daemon.search.studies.sobol import AXES_MAX, Sobol
from daemon.search.studies.tellings import WORST, Tellings, standing

GRID = Domain((Whole("a", 0, 19), Whole("b", 0, 19)))
LINE = Domain((Real("a", 0, 1),))


# ── evenly ───────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("seed", range(3))
def test_every_power_of_two_of_points_has_one_in_each_part_of_every_axis(seed):
    points = Sobol(AXES_MAX, seed).points(0, 256)
    for count in (2, 16, 256):
        parts = np.sort((points[:count] * count).astype(int), axis=0)
        assert (parts == np.arange(count)[:, None]).all()


def test_two_axes_together_are_filled_as_well():
    cells = (Sobol(2, 4).points(0, 256) * 16).astype(int)
    assert len({tuple(cell) for cell in cells.tolist()}) == 256


def test_the_sequence_goes_on_where_it_ended_and_another_seed_is_another():
    whole = Sobol(3, 9).points(0, 40)
    assert (Sobol(3, 9).points(25, 15) == whole[25:]).all()
    assert (Sobol(3, 10).points(0, 40) != whole).all()


def test_means_are_nearer_than_chance_brings_them():
    def mean(points):
        return float(np.prod(1 + 0.5 * (points - 0.5), axis=1).mean())

    for seed in range(5):
        assert abs(mean(Sobol(8, seed).points(0, 1024)) - 1) < 2e-3


@pytest.mark.parametrize("axes", [0, AXES_MAX + 1])
def test_more_axes_than_there_are_numbers_for_are_refused(axes):
    with pytest.raises(ValueError, match="1 to 16 axes"):
        Sobol(axes, 0)


# ── what was told ────────────────────────────────────────────────────────────
def told(a, values, violation=0.0, batch=0):
    return Told(point={"a": a}, values=values, violation=violation, batch=batch)


def test_the_order_of_hearing_does_not_matter():
    rows = [told(0.1 * n, (float(n),), batch=n % 3) for n in range(7)]
    one, other = Tellings(LINE, ["maximize"]), Tellings(LINE, ["maximize"])
    one.tell(rows)
    for row in reversed(rows):
        other.tell([row])
    assert list(one) == list(other)
    assert [len(batch) for batch in one.batches()] == [3, 2, 2]
    assert len(one) == 7
    assert one.keys() == {LINE.key(row.point) for row in rows}


def test_values_become_costs_and_what_is_no_number_becomes_nothing():
    tellings = Tellings(LINE, ["maximize", "minimize"])
    tellings.tell(
        [
            told(0.1, (2.0, 3.0)),
            told(0.2, (math.nan, 3.0)),
            told(0.3, None),
            told(0.4, (1.0, 1.0), math.inf),
            told(0.5, (1.0, 1.0), -3.0),
            told(0.6, (1.0, 1.0), math.nan),
        ]
    )
    assert [one.costs for one in tellings] == [(-2, 3), None, None, (-1, 1), (-1, 1), (-1, 1)]
    assert [one.violation for one in tellings] == [0, WORST, WORST, WORST, 0, WORST]


def test_allowed_ones_stand_first_then_by_how_far_they_are_from_it():
    tellings = Tellings(LINE, ["minimize"])
    rows = [((5.0,), 0), ((1.0,), 0.2), (None, 0), ((3.0,), 0), ((0.0,), 0.1), ((5.0,), 0)]
    tellings.tell([told(0.1 * n, *row) for n, row in enumerate(rows)])
    assert standing([*tellings]).tolist() == [1, 3, 4, 0, 2, 1]


# ── nothing twice ────────────────────────────────────────────────────────────
def test_what_is_new_is_given_as_it_was_asked_for():
    asked = [GRID.at(n) for n in (3, 30, 300)]
    assert Novelty(GRID, 0).fresh(asked, 0, 3) == asked


def test_what_was_seen_is_replaced_by_the_nearest_that_was_not():
    novelty = Novelty(GRID, 0)
    here = {"a": 7, "b": 12}
    novelty.seen([here, {"a": 8, "b": 12}])
    found = novelty.fresh([here] * 5, 0, 5)
    away = [abs(point["a"] - 7) + abs(point["b"] - 12) for point in found]
    assert away[:3] == [1, 1, 1]
    assert max(away) == 2


def test_too_few_proposals_are_filled_up():
    novelty = Novelty(GRID, 3)
    found = novelty.fresh([], 0, 390)
    assert len({GRID.key(point) for point in found}) == 390
    assert novelty.left == 10
    assert len(novelty.fresh([], 1, 390)) == 10


def test_without_steps_another_point_is_found_close_by():
    novelty = Novelty(LINE, 3)
    found = [point["a"] for point in novelty.fresh([{"a": 0.5}] * 20, 0, 20)]
    assert len(set(found)) == 20
    assert max(abs(a - 0.5) for a in found) < 0.1
    assert novelty.left is None


def test_a_word_that_was_tried_is_replaced_by_another():
    domain = Domain((Choice("w", ("x", "y", "z")),))
    found = Novelty(domain, 0).fresh([{"w": "x"}] * 3, 0, 3)
    assert sorted(point["w"] for point in found) == ["x", "y", "z"]


def test_the_same_story_gives_the_same_points():
    def story(seed):
        novelty = Novelty(GRID, seed)
        novelty.seen([GRID.at(5)])
        return [novelty.fresh([GRID.at(5)] * 4, batch, 6) for batch in range(3)]

    assert story(1) == story(1)
    assert story(1) != story(2)
