"""What may not be done: one test for every refusal, and what each does not refuse."""

from dataclasses import replace

import pytest

from daemon.tuning.guards import HOUR, admissible, forbidden, refusal, spent
from daemon.tuning.model import Move
from daemon.tuning.reasons import Reason
from daemon.tuning.state import NoGo
from tests.tuning_kit import NOW, a_policy, a_state, calm, seen, with_memory

POLICY = a_policy(max_concurrent_changes=2)
STATE = a_state(POLICY)
UP = Move("r", 5.0, 5.5)


def refused(state=STATE, moves=(UP,), key="r+", policy=POLICY, at=NOW, **more):
    observation = seen(policy, calm(policy, length=5, end=at), **more)
    return refusal(key, moves, state, observation, policy)


def test_a_step_that_nothing_speaks_against_is_allowed():
    assert refused() is None


def test_a_rule_that_is_barred_is_not_moved_alone_or_together():
    assert refused(barred={"r": "frozen"}) is Reason.BARRED
    both = (Move("q", 5.0, 6.0), UP)
    assert refused(moves=both, barred={"r": "frozen"}) is Reason.BARRED
    assert refused(barred={"q": "frozen"}) is None


def test_a_rule_rests_until_its_block():
    state = with_memory(STATE, resting={"r": NOW + 3})
    assert refused(state, at=NOW + 2) is Reason.COOLDOWN
    assert refused(state, at=NOW + 3) is None
    assert refused(state, moves=(Move("q", 5.0, 6.0),)) is None
    assert refused(state, moves=(Move("q", 5.0, 6.0), UP)) is Reason.COOLDOWN


def test_a_key_is_backed_off_from_until_its_block():
    state = with_memory(STATE, until={"r+": NOW + 3})
    assert refused(state, at=NOW + 2) is Reason.BACKED_OFF
    assert refused(state, at=NOW + 3) is None
    assert refused(state, key="r-", moves=(Move("r", 5.0, 4.5),)) is None


def test_a_corner_that_broke_a_guard_is_refused_until_its_block():
    state = with_memory(STATE, no_go=(NoGo((("r", 1, 5.5),), NOW + 3),))
    assert refused(state, at=NOW + 2) is Reason.NO_GO
    assert refused(state, at=NOW + 3) is None


@pytest.mark.parametrize(
    ("moves", "allowed"),
    [
        ((Move("r", 9.5, 10.0),), True),
        ((Move("r", 9.5, 10.1),), False),
        ((Move("r", 0.5, 0.0),), True),
        ((Move("r", 0.5, -0.1),), False),
        ((Move("r", 5.0, 6.0),), True),  # two steps of a half
        ((Move("r", 5.0, 6.1),), False),
        ((Move("r", 5.0, 3.9),), False),
        ((Move("q", 5.0, 6.0), Move("r", 5.0, 5.5)), True),
        ((Move("q", 5.0, 6.0), Move("r", 5.0, 99.0)), False),
        ((Move("q", 5.0, 6.0), Move("r", 5.0, 5.5), Move("q", 5.0, 6.0)), False),
    ],
)
def test_values_stay_within_bounds_and_steps_within_their_length(moves, allowed):
    assert admissible(moves, POLICY) is allowed
    assert refused(moves=moves) is (None if allowed else Reason.AT_BOUND)


def test_one_change_at_a_time_is_one_rule_at_a_time():
    both = (Move("q", 5.0, 6.0), UP)
    assert not admissible(both, replace(POLICY, max_concurrent_changes=1))


def test_a_whole_step_is_allowed_whatever_the_longest():
    assert admissible((UP,), replace(POLICY, max_step_mult=0.5))
    assert not admissible((Move("r", 5.0, 5.6),), replace(POLICY, max_step_mult=0.5))


@pytest.mark.parametrize("value", [0.1, 0.7, 1e9, -3.3])
def test_rounding_makes_no_step_too_long(value):
    rule = replace(POLICY.rules[1], low=-1e12, high=1e12, step=0.1)
    policy = replace(POLICY, rules=(POLICY.rules[0], rule), max_step_mult=1.0)
    assert admissible((Move("r", value, value + 0.1),), policy) or abs(value) > 1e6


# ── corners ──────────────────────────────────────────────────────────────────
def stopped(*beyond, moves, setting=(5.0, 5.0)):
    state = with_memory(replace(STATE, setting=setting), no_go=(NoGo(beyond, NOW + 1),))
    return forbidden(moves, state, POLICY, NOW)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (5.0, 5.5, False),
        (5.5, 6.0, True),  # there
        (5.5, 6.0 - 1e-12, True),  # there, but for rounding
        (6.0, 6.5, True),  # beyond
        (7.0, 6.5, False),  # still beyond, on the way out
        (6.5, 6.0, False),
        (5.0, 4.5, False),
    ],
)
def test_a_corner_of_one_rule_is_shut_to_whoever_goes_in_and_open_to_whoever_leaves(
    old, new, expected
):
    found = stopped(("r", 1, 6.0), moves=(Move("r", old, new),), setting=(5.0, old))
    assert found is expected


def test_a_corner_below_is_shut_as_one_above():
    assert stopped(("r", -1, 4.0), moves=(Move("r", 4.5, 4.0),))
    assert not stopped(("r", -1, 4.0), moves=(Move("r", 3.5, 4.0),))
    assert not stopped(("r", -1, 4.0), moves=(Move("r", 5.0, 4.5),))


CORNER = (("q", 1, 7.0), ("r", -1, 4.0))


@pytest.mark.parametrize(
    ("setting", "moves", "expected"),
    [
        ((6.0, 4.5), (Move("q", 6.0, 7.0), Move("r", 4.5, 4.0)), True),
        ((6.0, 5.0), (Move("q", 6.0, 7.0), Move("r", 5.0, 4.5)), False),  # one of both
        ((6.0, 5.0), (Move("q", 6.0, 7.0),), False),
        ((6.0, 4.0), (Move("q", 6.0, 7.0),), True),  # the other one is there already
        ((7.0, 4.5), (Move("r", 4.5, 4.0),), True),
        ((8.0, 3.5), (Move("q", 8.0, 7.0),), False),  # on the way out
    ],
)
def test_of_two_rules_that_broke_a_guard_together_only_both_together_are_shut(
    setting, moves, expected
):
    assert stopped(*CORNER, moves=moves, setting=setting) is expected


def test_a_corner_opens_again():
    state = with_memory(STATE, no_go=(NoGo((("r", 1, 5.5),), NOW),))
    assert not forbidden((UP,), state, POLICY, NOW)
    assert forbidden((UP,), state, POLICY, NOW - 1)


# ── the budget ───────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("tried", "expected"),
    [
        ((), False),
        ((NOW - 5, NOW - 4), False),
        ((NOW - 5, NOW - 4, NOW - 3), True),
        ((NOW - HOUR, NOW - 4, NOW - 3), False),
        ((NOW - HOUR + 1, NOW - 4, NOW - 3), True),
    ],
)
def test_a_rolling_hour_holds_so_many_changes_and_no_more(tried, expected):
    policy = replace(POLICY, changes_per_hour=3)
    assert spent(with_memory(STATE, tried=tried), policy, NOW) is expected
