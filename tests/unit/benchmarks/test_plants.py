import math
from pathlib import Path

import numpy as np
import pytest
import yaml
from plants import BLOCK, BY_NAME, SPECS, Plant, robust_blocks
from systems import FLOOR, Units, score

from daemon.config.policy_file import policy_from
from daemon.config.yaml_safe import read_yaml

NAMES = [spec.name for spec in SPECS]


def plant(name="linear", seed=1, hours=0.5):
    return Plant(BY_NAME[name], seed, hours)


def governed(subject, orders=None):
    """Run to the end; orders are settings by the number of the block before which they come."""
    rows = []
    while subject.done < subject.total:
        if orders and subject.done in orders:
            subject.order(subject.units.values(orders[subject.done]))
        rows.append(subject.advance())
    return np.concatenate(rows)


@pytest.mark.parametrize("name", NAMES)
def test_everybody_meets_the_same_noise(name):
    subject = plant(name)
    idle = subject.units.misses(governed(subject))
    idle_truth = subject.truth
    subject.reset()
    moved = subject.units.misses(governed(subject, {30: subject.units.start + 0.2}))
    noises = [
        (seen.reshape(-1, BLOCK, 4) - truth[:, None]).mean(axis=1)
        for seen, truth in ((idle, idle_truth), (moved, subject.truth))
    ]
    assert np.allclose(*noises, equal_nan=True)
    assert subject.spec.effective != np.allclose(idle_truth, subject.truth)


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_is_an_instance(name):
    first, again, other = (governed(plant(name, seed)) for seed in (1, 1, 2))
    assert np.array_equal(first, again, equal_nan=True)
    assert not np.allclose(first, other, equal_nan=True)


@pytest.mark.parametrize("name", NAMES)
def test_there_is_something_to_be_gained_wherever_a_rule_has_an_effect(name):
    subject = plant(name)
    axis = np.linspace(0, 1, 11)
    grid = np.stack(np.meshgrid(*[axis] * len(subject.units.start)), axis=-1)
    reached = score(subject.settled(grid, 0.0)).max()
    idle = score(subject.settled(subject.units.start, 0.0))
    assert (reached > idle + 0.15) == subject.spec.effective
    assert idle < 0.75


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scales", [False, True])
def test_the_policy_of_a_plant_is_a_policy(name, scales):
    spec = BY_NAME[name]
    text = yaml.safe_dump(spec.policy(scales=scales), sort_keys=False)
    signals = [signal.name for signal in spec.system.signals]
    loaded = policy_from(read_yaml(text, name="p.yaml"), Path("p.yaml"), signals=signals)
    assert not loaded.warnings
    assert list(loaded.policy.rules) == [rule.name for rule in spec.system.rules]


def test_only_one_plant_is_told_a_wrong_direction():
    wrong = [
        spec.name
        for spec in SPECS
        if spec.hints != tuple(rule.towards for rule in spec.system.rules)
    ]
    assert wrong == ["wrong hint"]


# ── how rules become signals ─────────────────────────────────────────────────
def test_rules_stay_within_their_bounds():
    subject = plant()
    subject.order({rule.name: 1e9 for rule in subject.spec.system.rules})
    assert subject.rules == {rule.name: rule.high for rule in subject.spec.system.rules}


def test_an_order_that_changes_nothing_is_none():
    subject = plant()
    assert not subject.order(subject.rules)
    assert subject.order({"pool_size": 24.0})
    assert subject.rules["batch_ms"] == 16.0


def test_a_delayed_rule_shows_nothing_for_twenty_seconds():
    subject = plant("delay")
    governed(subject, {10: subject.units.start + 0.2})
    moved = np.abs(np.diff(subject.truth[:, 0])) > 1e-9
    assert moved.nonzero()[0].tolist() == [13]


def test_a_lagging_signal_has_gone_two_thirds_after_its_time_constant():
    subject = plant("lag")
    wanted = subject.units.start + 0.2
    governed(subject, {10: wanted})
    start = subject.settled(subject.units.start, 0.0)
    gone = (subject.truth - start) / (subject.settled(wanted, 0.0) - start)
    assert gone[10 + 6] == pytest.approx(1 - math.exp(-32.5 / 35), abs=0.01)
    assert gone[-1] == pytest.approx(1, abs=1e-6)


def test_play_swallows_most_of_a_step_each_time_it_turns():
    subject = plant("backlash")
    step, start = subject.units.step, subject.units.start
    governed(subject, {10: start + step, 100: start + 2 * step, 200: start + step})
    assert np.allclose(subject.promised, start + 1.2 * step)
    subject.reset()
    assert np.allclose(subject.promised, start)


def test_what_comes_later_takes_its_time():
    subject = plant("late harm", hours=3)
    wanted = subject.units.setting({"batch_ms": 10.0}, subject.units.start)
    governed(subject, {10: wanted})
    at_once, in_the_end = score(subject.truth[11]), score(subject.truth[-1])
    assert at_once > score(subject.truth[0]) > in_the_end
    assert in_the_end == pytest.approx(score(subject.settled(wanted, 0.0)), abs=0.01)


def test_past_its_edge_a_cliff_is_worse_than_the_start():
    subject = plant("cliff")
    moves = np.linspace(0, 0.6, 61)[:, None] * subject.towards * [1, 0]
    along = score(subject.settled(subject.units.start + moves, 0.0))
    assert np.diff(along).min() < -0.5
    assert along.max() > along[0] + 0.2


# ── units and blocks ─────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", NAMES)
def test_units_lead_there_and_back(name):
    units = Units(BY_NAME[name].system)
    misses = np.array([[0.5, -0.5, 0.0, 2.0]])
    assert np.allclose(units.misses(units.signals(misses)), misses)
    setting = units.start + 0.1
    assert np.allclose(units.setting(units.values(setting), units.start), setting)


def test_a_score_is_one_when_all_targets_are_met_and_no_signal_can_sink_it():
    assert score(np.array([0.0, -1.0, -5.0, 0.0])) == pytest.approx(1)
    assert score(np.full(4, 1.0)) == pytest.approx(0)
    assert score(np.full(4, 99.0)) == pytest.approx(FLOOR)


def test_a_block_draws_its_outliers_in_and_counts_what_is_there():
    values = np.random.default_rng(1).standard_normal((3 * BLOCK, 1))
    values[3] = 1e6
    values[BLOCK : BLOCK + 10] = np.nan
    values[2 * BLOCK :] = np.nan
    means, counts = robust_blocks(values)
    assert counts[:, 0].tolist() == [BLOCK, BLOCK - 10, 0]
    assert abs(means[0, 0]) < 1
    present = values[BLOCK + 10 : 2 * BLOCK, 0]
    middle = np.median(present)
    reach = 3 * 1.4826 * np.median(np.abs(present - middle))
    expected = np.clip(present, middle - reach, middle + reach).mean()
    assert means[1, 0] == pytest.approx(expected)
    assert np.isnan(means[2, 0])
