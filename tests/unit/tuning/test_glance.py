"""A glance at a stored state sees what the state says."""

import json
import math
from dataclasses import replace

import pytest

from daemon.tuning.codec import dump
from daemon.tuning.glance import Glance, glance
from tests.unit.tuning.test_codec import NAMES, states


def seen(state):
    """Look at a state as the database gives it back."""
    return glance(json.loads(json.dumps(dump(state))))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("score", [None, 0.1, 1.0, 0, math.inf])
def test_it_sees_what_the_state_says(name, score):
    state = replace(states()[name], score=score)
    assert seen(state) == Glance(
        phase=state.phase,
        score=score,
        look=state.look,
        idle_until=state.memory.idle_until,
    )
    assert type(seen(state).phase) is type(state.phase)


def test_a_score_that_is_no_number_is_seen_as_that():
    assert math.isnan(seen(replace(states()["idle"], score=math.nan)).score)


@pytest.mark.parametrize(
    "spoilt",
    [
        {"phase": {"_": "Phase", "is": "dancing"}},
        {"phase": "idle"},
        {"score": "much"},
        {"look": None},
        {"memory": None},
        {"memory": {"_": "Memory"}},
    ],
)
def test_what_is_no_state_of_this_version_is_not_seen(spoilt):
    assert glance({**dump(states()["idle"]), **spoilt}) is None
    assert glance({}) is None
