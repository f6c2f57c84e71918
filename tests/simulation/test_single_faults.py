"""One thing goes wrong, at every effect there is, in every way there is: all comes to rest."""

from collections import Counter

import pytest

from tests.simulation import faults, runs
from tests.simulation.faults import POINTS

CYCLES = 9
"""As many as a change takes from its proposal to its verdict, from the ground on."""

PLAN = runs.Plan(cycles=CYCLES)
STORIES = {"one": "keep", "worse": "rollback"}
"""Grounds from which a run without faults comes to both ends that a change can have."""


@pytest.mark.parametrize("variant", STORIES)
def test_the_run_without_faults_has_a_change_from_its_proposal_to_its_end(variant):
    points = Counter(runs.points(variant, CYCLES))
    assert set(points) == set(POINTS)
    assert points["controls.write"] >= 1


@pytest.mark.parametrize("kind", faults.KINDS)
@pytest.mark.parametrize("variant", STORIES)
def test_a_single_fault_at_any_effect_comes_to_rest(variant, kind):
    places = [
        number for number, point in enumerate(runs.points(variant, CYCLES)) if kind in POINTS[point]
    ]
    assert places
    for number in places:
        world = runs.one_fault(variant, number, kind, PLAN)
        assert world.injected[kind] == 1
