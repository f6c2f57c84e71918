import core
import numpy as np
import pytest
from core import core_guard, core_policy, core_toggles, core_verdicts, learned
from judges import HISTORY, SETTLE, WINDOW
from noise import BLOCK, FAMILIES, SMALLEST_EFFECT_SD
from plants import BY_NAME, Plant
from systems import WARN
from trials import Seen, play

from daemon.tuning.decide import decide
from daemon.tuning.model import Observation
from daemon.tuning.vocabulary import DecisionKind
from daemon.tuning.windows import Blocks

CHANGE = HISTORY + WINDOW


def drawn(family="white", rows=6, after=SETTLE + 2 * WINDOW, seed=1):
    return FAMILIES[family](np.random.default_rng(seed), rows, CHANGE + after)


# ── on a plant ───────────────────────────────────────────────────────────────
def test_on_a_plant_without_traps_it_finds_most_of_the_gain_and_says_what_it_judged():
    plant = Plant(BY_NAME["linear"], 1, 1.5)
    policy = core_policy(plant)
    changes = play(plant, policy)
    assert changes
    assert any(one.kept for one in policy.judged)
    assert plant.truth[-1].max() < plant.truth[0].max()


def test_it_is_given_every_signal_in_its_own_column():
    plant = Plant(BY_NAME["linear"], 1, 0.05)
    policy = core_policy(plant)
    seen = Seen(plant)
    seen.watch(plant)
    policy.tick(seen.now_s, seen)
    names = [signal.name for signal in plant.spec.system.signals]
    blocks = policy._blocks
    found = dict(zip(blocks.signals, blocks.mean[0], strict=True))
    assert [found[name] for name in names] == pytest.approx(seen.samples.mean(axis=0), rel=0.2)


def test_its_policy_is_the_one_of_the_plant_with_two_rules_at_once():
    policy = core_policy(Plant(BY_NAME["coupled"], 1, 0.05)).policy
    assert policy.max_concurrent_changes == 2
    assert {target.scale for target in policy.targets} == {12.0, 0.004, 8.0, 0.15}


# ── on one signal ────────────────────────────────────────────────────────────
def test_what_is_learned_of_many_at_once_is_what_each_alone_would_have_shown():
    mean, count = core.blocked(drawn("AR .9", rows=3)[:, :CHANGE])
    together = learned(mean, count, core.POLICY)[1]
    state = None
    blocks = Blocks.empty((core.SIGNAL,)).extend(0, mean[:, 1:2], count[:, 1:2])
    for end in range(1, len(mean) + 1):
        seen = Observation(blocks=blocks.between(0, end), rules=core.AT_REST, held="watching")
        _, state = decide(state, seen, core.POLICY)
    assert np.allclose(together.believed.mean, state.believed.mean, rtol=1e-9)
    assert np.allclose(together.believed.cov, state.believed.cov, rtol=1e-9)
    assert together.score == pytest.approx(state.score)
    assert together.frame.anchor == state.frame.anchor


def test_a_change_that_helps_a_lot_is_kept_and_one_that_harms_is_taken_back():
    samples = drawn()
    samples[:3, CHANGE:] -= 4 * SMALLEST_EFFECT_SD
    samples[3:, CHANGE:] += 4 * SMALLEST_EFFECT_SD
    kept, taken_back = core_verdicts(samples, CHANGE)
    assert kept.tolist() == [True] * 3 + [False] * 3
    assert taken_back.tolist() == [False] * 3 + [True] * 3


def test_too_few_samples_are_no_verdict_until_more_arrive():
    samples = drawn(rows=2)
    samples[:, CHANGE + SETTLE :: 2] = np.nan
    samples[:, CHANGE:] -= 4 * SMALLEST_EFFECT_SD
    assert core_verdicts(samples, CHANGE)[0].all()
    short = samples[:, : CHANGE + SETTLE + WINDOW]
    assert not core_verdicts(short, CHANGE)[0].any()


def test_a_change_that_helps_is_kept_at_once_and_one_that_does_nothing_is_given_up():
    noise = drawn(rows=2, after=2 * 3600 * 5)
    (ending,) = core_toggles(noise[:1], CHANGE, 2 * SMALLEST_EFFECT_SD)
    assert (ending.kept, ending.given_up, ending.made) == (True, False, 1)
    assert ending.took_s == 120
    (ending,) = core_toggles(noise[1:], CHANGE, 0.0)
    assert not ending.kept


def test_time_that_is_up_is_neither():
    noise = drawn(rows=1, after=10 * BLOCK)
    (ending,) = core_toggles(noise, CHANGE, 0.0)
    assert not ending.kept
    assert not ending.given_up


def test_the_guard_needs_two_blocks_to_see_what_is_beyond_doubt():
    samples = drawn(rows=2, after=120 * 5)
    samples[0, CHANGE:] += 2 * core.WARN_SD
    taken = core_guard(samples, CHANGE)
    assert taken[0] == 10
    assert np.isnan(taken[1])
    assert core_guard(samples, CHANGE, core.ONLY_GUARDED)[0] == 10


def test_a_guard_allows_what_it_allows_on_the_plants():
    assert pytest.approx(WARN * core.SCALE_SD) == core.WARN_SD
    assert DecisionKind.HOLD not in core.JUDGED
