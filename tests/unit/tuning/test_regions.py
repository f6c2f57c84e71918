from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.tuning.model import Rule
from daemon.tuning.regions import Ranked, regions_of

SPREAD = Rule(name="min_spread_bps", low=5, high=60, step=2, init=30)
SLIP = Rule(name="slippage_bps", low=1, high=9, step=1, init=3)


def grid(score):
    return [
        Ranked({"min_spread_bps": spread, "slippage_bps": slip}, score(spread, slip))
        for spread, slip in itertools.product([10.0, 20.0, 30.0, 40.0, 50.0], [3.0, 5.0, 7.0])
    ]


def test_the_best_value_is_found_and_trusted_as_far_as_it_explains_the_scores():
    (region, _) = regions_of(
        grid(lambda spread, slip: -abs(spread - 20) - 0.01 * slip), [SPREAD, SLIP]
    )
    assert region.best == 20
    assert region.radius == 5
    assert region.trust > 0.99


def test_a_rule_that_made_no_difference_is_no_hint():
    found = {one.rule: one for one in regions_of(grid(lambda spread, _: spread), [SPREAD, SLIP])}
    assert found["min_spread_bps"].best == 50
    assert found["slippage_bps"].trust == pytest.approx(0, abs=1e-12)


def test_neighbours_that_did_as_well_belong_to_the_region():
    (region,) = regions_of(grid(lambda spread, _: min(spread, 30)), [SPREAD])
    assert (region.best, region.radius) == (40, 10)


def test_a_neighbour_that_chance_may_have_put_second_belongs_to_it():
    scores = {10.0: (0.0, 0.0), 20.0: (0.8, 1.2), 30.0: (0.7, 1.4)}
    results = [
        Ranked({"min_spread_bps": value}, score) for value, two in scores.items() for score in two
    ]
    (region,) = regions_of(results, [SPREAD])
    assert (region.best, region.radius) == (25, 5)


def test_the_best_is_never_out_of_bounds():
    narrow = Rule(name="min_spread_bps", low=5, high=35, step=2, init=30)
    (region,) = regions_of(grid(lambda spread, _: spread), [narrow])
    assert region.best == 35


@pytest.mark.parametrize(
    "results",
    [
        [],
        grid(lambda *_: 1.0),
        grid(lambda *_: float("nan")),
        [Ranked({"min_spread_bps": value}, value) for value in (1.0, 2.0)],
        [Ranked({"other": value}, value) for value in (1.0, 2.0, 3.0)],
    ],
    ids=["nothing", "all alike", "no numbers", "two values", "another parameter"],
)
def test_nothing_is_said_where_nothing_was_learned(results):
    assert regions_of(results, [SPREAD]) == ()


@given(
    st.lists(st.tuples(st.sampled_from([5.0, 10.0, 20.0, 60.0]), st.floats(-1e6, 1e6)), max_size=30)
)
def test_a_region_lies_within_the_bounds_and_its_trust_is_a_share(rows):
    results = [Ranked({"min_spread_bps": value}, score) for value, score in rows]
    for region in regions_of(results, [SPREAD]):
        assert SPREAD.low <= region.best <= SPREAD.high
        assert region.radius >= SPREAD.step / 2
        assert -1e-9 <= region.trust <= 1 + 1e-9
