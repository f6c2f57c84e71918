"""Simulated worlds in which anything may go wrong: nothing that must never happen does."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation import faults, runs
from tests.simulation.oracle import Violation

SEEDS = 300
AT_ONCE = 15
PLAN = runs.Plan(cycles=16)
SURE = 1
"""A seed in which a control is set."""

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("first", range(0, SEEDS, AT_ONCE))
def test_whatever_goes_wrong_every_promise_holds(first):
    total = runs.Tally()
    for seed in range(first, first + AT_ONCE):
        total.add(runs.tally(runs.one_seed(seed, PLAN)))
    assert total.cycles > AT_ONCE * PLAN.cycles
    assert total.faults
    assert total.decisions["apply"] > 2


@pytest.mark.parametrize(
    ("seed", "cycles"), [(290, 60), (294, 24), (524, 40), (6954, 40), (6966, 40), (15489, 40)]
)
def test_what_once_went_wrong_goes_right(seed, cycles):
    """290: an order that landed late; 294: a rest after halves; 524: a rollback cut off.

    6954: a person wants an observation longer than all else takes;
    6966: what a person sets last is not looked at before the run would have ended;
    15489: a leader that slept before it looked for a HOLD that was gone when it woke.
    """
    runs.one_seed(seed, runs.Plan(cycles=cycles))


def record(world):
    """Everything that is on record but what names a moment of the real world."""
    streams = ("decisions", "change_events", "rule_history", "events", "commands", "samples")
    return {
        stream: world.connection.execute(f"select * from {stream} order by 1, 2").fetchall()
        for stream in streams
    }


def test_the_same_seed_is_the_same_run_to_the_last_bit():
    first = record(runs.one_seed(4, PLAN))
    runs.one_seed(5, PLAN)
    assert record(runs.one_seed(4, PLAN)) == first


def test_all_kinds_of_faults_happen_in_some_seed_or_other():
    kinds = set()
    for seed in range(60):
        random = runs.Random(seed)
        swarm = faults.Swarm(random)
        kinds |= swarm.kinds | set(swarm.worldly)
    assert kinds == {*faults.KINDS, *faults.WORLD}


def test_a_seed_that_fails_says_how_to_see_it_again():
    plan = runs.Plan(cycles=24, mutant="write_first")
    with pytest.raises(Violation) as failed:
        runs.one_seed(SURE, plan)
    command = str(failed.value).splitlines()[-1].split()
    assert command[:3] == ["python", "-m", "tests.simulation.run"]
    again = subprocess.run(
        [sys.executable, *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert again.returncode == 1
    assert str(failed.value).splitlines()[0] in again.stderr
