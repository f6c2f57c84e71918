"""A state outlives its process: to the last bit, or it says that it cannot be read."""

import json
import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from daemon.tuning.codec import Unreadable, dump, load
from daemon.tuning.decide import decide
from daemon.tuning.model import Asked, Effect, Move
from daemon.tuning.reasons import Reason
from daemon.tuning.state import Memory, NoGo, Phase, Quiet
from daemon.tuning.vocabulary import DecisionKind, Verdict
from tests.tuning_kit import (
    NOW,
    Loop,
    System,
    a_judgement,
    a_policy,
    a_state,
    bits,
    calm,
    closing,
    lone,
    observing,
    opening,
    returning,
    seen,
    stored,
    with_memory,
)

POLICY = a_policy(max_concurrent_changes=2)


NAMES = [str(phase) for phase in Phase]


@cache
def states():
    """A state of every phase, with everything in it that one can hold."""
    first = seen(POLICY, calm(POLICY, length=5), rules={"q": 5.0, "r": 0.1 + 0.2})
    warming = decide(None, first, POLICY)[1]
    told = a_judgement(effects=(Effect(signal="s", before=0.1, delta=-0.2, low=-1.0, high=1.0),))
    memory = Memory(
        tried=(1, 2),
        resting={"r": NOW + 3},
        failures={"r+": 2, "!q-": 1},
        until={"r+": NOW + 9},
        repeats={"q+": 1},
        doubled=("q+", "r-"),
        no_go=(NoGo((("q", 1, 7.0), ("r", -1, 0.1)), NOW + 5),),
        given_up=3,
        idle_until=NOW,
        score=0.1,
        ground=((5.0, 5.0, 6.0, 5.0),),
    )
    quiet = (Quiet(first=3, end=9, setting=(5.0, 0.1)),)
    return {
        "warming": warming,
        "idle": a_state(POLICY, memory=memory, quiet=quiet),
        "opening": opening(POLICY),
        "observing": observing(POLICY, {"q": 1.0, "r": -0.5}),
        "closing": closing(POLICY, found=told),
        "returning": returning(POLICY, found=told),
    }


def test_there_is_a_state_of_every_phase():
    assert {name: str(state.phase) for name, state in states().items()} == {n: n for n in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_state_comes_back_to_the_last_bit(name):
    state = states()[name]
    assert bits(stored(state)) == bits(state)
    again = stored(state)
    assert (again.phase, again.setting, again.quiet) == (state.phase, state.setting, again.quiet)
    assert again.memory == state.memory
    assert type(again.reason) is Reason


@pytest.mark.parametrize("name", NAMES)
def test_a_state_that_came_back_decides_the_same(name):
    state = states()[name]
    for observation in (seen(POLICY), seen(POLICY, held="by hand")):
        one, after = decide(state, observation, POLICY)
        other, again = decide(stored(state), observation, POLICY)
        assert repr(one) == repr(other)
        assert bits(after) == bits(again)


def test_a_process_that_dies_after_every_cycle_decides_as_one_that_lives():
    policy = lone(cooldown_s=10.0)
    loops = [Loop(policy, System(policy, [[0.3]], [-0.5], seed=4)) for _ in range(2)]
    for _ in range(120):
        loops[1].state = stored(loops[1].state) if loops[1].state else None
        one, other = (loop.cycle() for loop in loops)
        assert repr(one) == repr(other)
    assert {DecisionKind.APPLY, DecisionKind.KEEP} <= {d.kind for d in loops[0].decisions}


@pytest.mark.parametrize(
    "value",
    [
        *(0.0, -0.0, 5e-324, 1e300, 0.1, math.inf, -math.inf, 7, "text", None, True),
        *((1.0, (2.0, "x"), ()), {"a": 1, "b": (1.5,)}, {}),
        *(Reason.NO_GO, Verdict.WORSE, Phase.CLOSING, Move("r", -math.inf, 0.1)),
        *(Asked(kind="step", moves=(Move("r", 0.1, 0.3),)), Asked(kind="extend", blocks=7)),
    ],
)
def test_a_value_comes_back_as_it_was(value):
    again = stored(value)
    assert again == value
    assert type(again) is type(value)
    assert repr(again) == repr(value)


def test_not_a_number_comes_back_as_none_either():
    assert math.isnan(stored(math.nan))


@pytest.mark.parametrize("shape", [(0,), (3,), (0, 2), (2, 3), (2, 2, 2)])
def test_an_array_comes_back_with_its_shape_and_bits(shape):
    array = np.random.default_rng(1).standard_normal(shape)
    array.ravel()[::2] = np.nan
    again = stored(array)
    assert (again.shape, again.dtype) == (array.shape, np.float64)
    assert again.tobytes() == array.tobytes()
    turned = stored(array.T)
    assert turned.tobytes() == np.ascontiguousarray(array.T).tobytes()


def test_a_list_comes_back_as_a_tuple():
    assert stored([1, [2]]) == (1, (2,))


def test_what_is_dumped_is_plain_json():
    text = json.dumps(dump(states()["returning"]), allow_nan=False)
    assert json.loads(text)["_"] == "State"


@pytest.mark.parametrize(
    "plain",
    [
        {},
        {"is": "inf"},
        {"_": "State"},
        {"_": "Stranger", "is": 1},
        {"_": ["State"]},
        {"_": "float", "is": "many"},
        {"_": "float"},
        {"_": "Reason", "is": "no_reason"},
        {"_": "Phase"},
        {"_": "array", "rows": [1.0]},
        {"_": "array", "rows": [1.0], "shape": [2]},
        {"_": "array", "rows": ["x"], "shape": [1]},
        {"_": "array", "rows": [10**400], "shape": [1]},
        {"_": "map"},
        {"_": "map", "of": [1]},
        {"_": "NoGo", "beyond": [], "until": 1, "unknown": 2},
        [{"_": "Move", "rule": "r"}],
        {"_": "map", "of": {"deep": {"_": "nothing"}}},
    ],
    ids=lambda plain: str(plain)[:40],
)
def test_what_this_version_did_not_write_is_unreadable(plain):
    with pytest.raises(Unreadable, match="not a state of this version"):
        load(plain)


def test_a_field_that_came_later_is_only_written_down_where_it_says_something():
    """A memory of an older version can be read, and is what this one writes."""
    state = states()["observing"]
    plain = dump(state)
    assert "extra" not in plain["trial"]
    assert load(plain).trial.extra == 0
    longer = replace(state, trial=replace(state.trial, extra=7))
    assert dump(longer)["trial"] == {**plain["trial"], "extra": 7}
    assert stored(longer).trial.extra == 7


def test_a_field_that_another_version_had_is_unreadable():
    plain = dump(with_memory(states()["idle"]))
    plain["memory"]["forgotten"] = 1
    with pytest.raises(Unreadable):
        load(plain)
