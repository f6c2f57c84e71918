"""What a step should do to each signal: what is believed, in the signals' own units."""

from dataclasses import replace

import pytest

from daemon.tuning.model import Move
from daemon.tuning.prospect import prospects
from tests.replay_kit import a_policy, a_run

POLICY = a_policy()


@pytest.fixture(scope="module")
def run():
    """A run of the real core on a small system: a worker more is 6 ms less."""
    return a_run(200)


def step(run, by):
    now = dict(zip(("batch", "workers"), run.state.setting, strict=True))
    return (Move("workers", now["workers"], now["workers"] + by),)


def test_a_step_promises_what_past_ones_did(run):
    errors, latency = prospects(run.state, run.policy, step(run, 1.0))
    assert (errors.signal, latency.signal) == ("errors", "latency")
    assert latency.delta == pytest.approx(-6.0, abs=1.0)
    assert errors.delta == pytest.approx(0.001, abs=0.0005)
    assert latency.low < latency.delta < latency.high


def test_twice_the_step_promises_twice_as_much_and_is_twice_as_unsure(run):
    _, once = prospects(run.state, run.policy, step(run, 1.0))
    _, twice = prospects(run.state, run.policy, step(run, 2.0))
    assert twice.delta == pytest.approx(2 * once.delta)
    assert twice.high - twice.low == pytest.approx(2 * (once.high - once.low))
    assert twice.before == once.before


def test_what_moves_nothing_promises_nothing(run):
    effects = prospects(run.state, run.policy, step(run, 0.0))
    assert [(one.delta, one.low, one.high) for one in effects] == [(0, 0, 0)] * 2


def test_nothing_is_promised_where_nothing_is_known(run):
    moves = step(run, 1.0)
    assert prospects(None, run.policy, moves) == ()
    assert prospects(replace(run.state, believed=None), run.policy, moves) == ()
    assert prospects(run.state, a_policy(targets=POLICY.targets[:1]), moves) == ()
    other = replace(POLICY.targets[1], high=90.0)
    assert prospects(run.state, a_policy(targets=(POLICY.targets[0], other)), moves) == ()
