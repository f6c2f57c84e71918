import numpy as np
import pytest
from baselines import BASELINES, Nothing
from plants import BLOCK, BY_NAME, SPECS, Plant
from trials import Seen, judge, play, reference


class Scripted:
    """Does what it is told at a moment, and calls each a trial that it kept."""

    def __init__(self, orders):
        self.orders = orders
        self.judged = []

    def tick(self, now_s, seen):
        assert now_s == seen.now_s == len(seen.samples) / 5
        return self.orders.get(now_s)


def judged(orders, name="linear", hours=2.0):
    plant = Plant(BY_NAME[name], 1, hours)
    policy = Scripted(orders)
    return judge(plant, policy, play(plant, policy), reference(plant))


def best_of(plant):
    axis = np.linspace(0, 1, 41)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    from systems import score  # noqa: PLC0415 - beside the other names of the benchmarks

    return plant.units.values(grid[score(plant.settled(grid, 0.0)).argmax()])


def test_doing_nothing_gains_nothing_and_harms_nobody():
    result = judged({})
    assert result.gain == pytest.approx(0)
    assert (result.harmful, result.changes, result.below_share) == (0, 0, 0)
    assert result.hours_to_90 is None


def test_the_best_setting_from_the_start_gains_all():
    result = judged({5.0: best_of(Plant(BY_NAME["linear"], 1, 2.0))})
    assert result.gain == pytest.approx(1, abs=0.01)
    assert result.hours_to_90 == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize(("back_s", "harmful", "long"), [(700, 0, 0), (800, 1, 0), (2000, 1, 1)])
def test_harm_counts_when_it_was_held(back_s, harmful, long):
    result = judged({600.0: {"pool_size": 12.0}, float(back_s): {"pool_size": 20.0}})
    assert (result.harmful, result.harmful_long) == (harmful, long)
    assert result.below_share == pytest.approx((back_s - 600) / 7200, abs=0.001)
    assert result.changes == 2


def test_a_plant_without_effect_has_no_gain_to_share():
    assert judged({600.0: {"workers": 20.0}}, "no effect .9").gain is None


@pytest.mark.parametrize("name", ["daily", "jump", "drifting"])
def test_what_varies_by_itself_is_nobodys_gain(name):
    result = judged({}, name)
    assert result.gain == pytest.approx(0, abs=1e-9)
    assert result.below_share == 0


def test_a_window_weighs_blocks_by_what_they_hold():
    plant = Plant(BY_NAME["dropouts"], 1, 0.5)
    seen = Seen(plant)
    while plant.done < plant.total:
        seen.watch(plant)
    counts, means = seen.counts[6:24], seen.means[6:24]
    expected = np.nansum(means * counts, axis=0) / counts.sum(axis=0)
    assert np.allclose(seen.window(30, 120), expected)
    assert seen.counts.max() <= BLOCK
    assert np.isnan(seen.window(0, 0)).all()


# ── what people use today ────────────────────────────────────────────────────
@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_baseline_runs_on_every_plant_and_repeats_itself(name, spec):
    plant = Plant(spec, 1, 0.5)
    runs = [play(plant, BASELINES[name](plant)) for _ in range(2)]
    assert [change.at_s for change in runs[0]] == [change.at_s for change in runs[1]]
    for change in runs[0]:
        assert (change.new >= -1e-9).all()
        assert (change.new <= 1 + 1e-9).all()
    assert bool(runs[0]) == (name != "nothing")


def test_steps_are_no_longer_than_the_policy_allows():
    plant = Plant(BY_NAME["linear"], 1, 2.0)
    longest = {"threshold": 1, "threshold+back": 1, "pattern": 2}
    for name, steps in longest.items():
        for change in play(plant, BASELINES[name](plant)):
            moved = np.abs(change.new - change.old) / plant.units.step
            assert moved.max() <= steps + 1e-9, name


def test_the_first_change_of_a_loop_is_the_hinted_one():
    plant = Plant(BY_NAME["wrong hint"], 1, 0.5)
    change = play(plant, BASELINES["threshold"](plant))[0]
    assert change.new[0] - change.old[0] == pytest.approx(-plant.units.step[0])
    assert change.at_s == 120


def test_nothing_does_nothing():
    plant = Plant(BY_NAME["linear"], 1, 0.5)
    assert play(plant, Nothing(plant)) == []
