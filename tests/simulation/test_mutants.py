"""A daemon with a bug in it is caught: every one of them, or the simulation proves nothing."""

import pytest

from tests.simulation import runs
from tests.simulation.mutants import MUTANTS
from tests.simulation.oracle import Violation

SEEDS = 60
CYCLES = 30

FIRST = {
    "no_epoch_push": 6,
    "two_steps": 32,
    "no_read_back": 4,
    "no_evidence": 19,
    "no_limits": 14,
    "no_cooldown": 4,
    "reapplies": 2,
    "no_stamps": 21,
    "wrong_target": 6,
    "ignores_kill": 5,
    "ignores_hold": 4,
    "dry_run_writes": 1,
    "retry_new_key": 9,
}
"""Seeds that brought a bug to light before: looked at first, to save time and for nothing else."""


def test_there_are_enough_of_them_to_mean_something():
    assert len(MUTANTS) >= 12
    assert set(FIRST) <= set(MUTANTS)


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_bug_is_caught(name):
    plan = runs.Plan(CYCLES, name, MUTANTS[name].fond)
    assert any(is_caught(seed, plan) for seed in (FIRST.get(name, 0), *range(SEEDS)))


def is_caught(seed, plan):
    try:
        runs.one_seed(seed, plan)
    except Violation:
        return True
    return False
