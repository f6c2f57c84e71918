"""What is tried next: which steps there are, which of them is best, why the others are not."""

from dataclasses import replace

import numpy as np
import pytest

from daemon.tuning.model import Region, Shift, Target
from daemon.tuning.propose import SHOWN, choose, key_of, options, stepped
from daemon.tuning.reasons import Reason
from daemon.tuning.state import NoGo
from tests.tuning_kit import (
    NOW,
    a_policy,
    a_rule,
    a_state,
    beliefs,
    calm,
    lone,
    seen,
    with_memory,
)

FAR = -1.0


def chosen(policy, state, **more):
    """The moves that are proposed, as a mapping; empty if none are."""
    option, _, _ = choose(state, seen(policy, calm(policy, length=5), **more), policy)
    return {move.rule: move.new for move in option.moves} if option else {}


def way(policy, state, **more):
    """Which rule is proposed to go which way."""
    option, _, _ = choose(state, seen(policy, calm(policy, length=5), **more), policy)
    return option.key if option else None


def single(responses=None, doubt=0.15, level=FAR, **changed):
    """A lone signal below its target, and one rule."""
    policy = lone(**changed)
    believed = beliefs([level], responses or [[0.0] * len(policy.rules)], doubt=doubt)
    return policy, a_state(policy, believed=believed)


def steps_of(policy, state):
    return {option.key: [] for option in options(state, policy)} | {
        key: [
            tuple(option.steps.tolist()) for option in options(state, policy) if option.key == key
        ]
        for key in {option.key for option in options(state, policy)}
    }


# ── which steps there are ────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("value", "steps", "goal"),
    [(5.0, 1.0, 6.0), (5.0, -2.0, 3.0), (9.5, 1.0, 10.0), (0.5, -4.0, 0.0), (10.0, 1.0, 10.0)],
)
def test_a_step_goes_no_further_than_the_bounds(value, steps, goal):
    assert stepped(a_rule(), value, steps) == goal


def test_a_key_names_which_rules_go_which_way():
    assert key_of((("q", 1), ("r", -1))) == "q+,r-"


def test_every_rule_goes_up_or_down_by_a_whole_step_or_a_half():
    policy, state = single()
    assert steps_of(policy, state) == {"r+": [(1.0,), (0.5,)], "r-": [(-1.0,), (-0.5,)]}


def test_a_step_of_a_rule_is_in_the_rule_s_own_steps():
    policy = a_policy()
    goals = {
        (option.moves[0].rule, option.moves[0].new, option.moves[0].old)
        for option in options(a_state(policy), policy)
    }
    assert ("r", 5.5, 5.0) in goals
    assert ("q", 4.0, 5.0) in goals


def test_two_rules_go_together_where_two_may_be_changed():
    policy = a_policy(max_concurrent_changes=2)
    keys = set(steps_of(policy, a_state(policy)))
    assert keys == {"q+", "q-", "r+", "r-", "q+,r+", "q+,r-", "q-,r+", "q-,r-"}
    pair = next(o for o in options(a_state(policy), policy) if o.key == "q+,r-")
    assert pair.steps.tolist() == [1.0, -1.0]
    assert [(move.rule, move.new) for move in pair.moves] == [("q", 6.0), ("r", 4.5)]
    assert set(steps_of(a_policy(), a_state(a_policy()))) == {"q+", "q-", "r+", "r-"}


def test_of_three_rules_never_more_than_two_go_together():
    policy = a_policy(rules=tuple(map(a_rule, "abc")), max_concurrent_changes=3)
    found = list(options(a_state(policy), policy))
    assert max(len(option.moves) for option in found) == 2


def test_a_key_that_a_single_step_said_nothing_about_may_go_further():
    policy, state = single(max_step_mult=3.0)
    state = with_memory(state, doubled=("r+",))
    assert steps_of(policy, state)["r+"] == [(1.0,), (0.5,), (3.0,)]
    assert steps_of(policy, state)["r-"] == [(-1.0,), (-0.5,)]
    state = with_memory(state, repeats={"r+": 1})
    assert steps_of(policy, state)["r+"] == [(1.0,), (3.0,)]


def test_two_rules_together_may_go_further_too():
    policy = a_policy(max_concurrent_changes=2)
    state = with_memory(a_state(policy), doubled=("q+,r+",))
    assert steps_of(policy, state)["q+,r+"] == [(1.0, 1.0), (2.0, 2.0)]
    assert steps_of(policy, state)["q+,r-"] == [(1.0, -1.0)]


def test_nothing_goes_further_where_one_step_is_the_longest():
    policy, state = single(max_step_mult=1.0)
    state = with_memory(state, doubled=("r+",))
    assert steps_of(policy, state)["r+"] == [(1.0,), (0.5,)]


@pytest.mark.parametrize(
    ("value", "ups"), [(9.0, [(1.0,), (0.5,)]), (9.7, [0.3, 0.3]), (9.9, []), (10.0, [])]
)
def test_a_step_that_the_bounds_leave_nothing_of_is_none(value, ups):
    policy, state = single()
    found = steps_of(policy, replace(state, setting=(value,))).get("r+", [])
    assert [one[0] for one in found] == pytest.approx([np.ravel(up)[0] for up in ups])
    assert "r-" in steps_of(policy, replace(state, setting=(value,)))


# ── which is best ────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("response", "expected"), [(0.3, "r+"), (-0.3, "r-")])
def test_the_way_that_is_known_to_help_is_taken(response, expected):
    assert way(*single([[response]], doubt=0.02)) == expected


def test_of_two_rules_the_one_that_helps_more_is_taken():
    policy, state = single([[0.1, 0.3]], doubt=0.02, rules=(a_rule("q"), a_rule("r")))
    assert way(policy, state) == "r+"


def test_two_that_help_are_taken_together_where_they_may():
    rules = (a_rule("q"), a_rule("r"))
    policy, state = single([[0.2, 0.2]], doubt=0.02, rules=rules, max_concurrent_changes=2)
    assert way(policy, state) == "q+,r+"
    assert chosen(policy, state) == {"q": 6.0, "r": 6.0}


def test_half_a_step_is_taken_where_a_whole_one_is_too_far():
    target = Target(signal="s", low=0.8, high=1.2, scale=1.0, weight=1.0)
    policy, state = single([[1.0]], doubt=0.01, level=-0.5, targets=(target,))
    assert chosen(policy, state) == {"r": 5.5}


def test_not_knowing_draws_where_exploring_is_asked_for():
    rules = (a_rule("q"), a_rule("r"))
    policy = lone(rules=rules, exploration=2.0)
    believed = beliefs([FAR], [[0.1, 0.08]], doubt=0.01)
    believed.cov[:, 3, 3] = 0.15**2
    state = a_state(policy, believed=believed)
    assert way(policy, state) == "r+"
    assert way(replace(policy, exploration=0.0), state) == "q+"


def test_of_equals_the_rule_that_the_operator_prefers_is_taken():
    for light, heavy in (("q", "r"), ("r", "q")):
        weight = {light: 1.0, heavy: 3.0}
        rules = tuple(a_rule(name, weight=weight[name]) for name in "qr")
        policy, state = single([[0.2, 0.2]], doubt=0.02, rules=rules)
        assert way(policy, state) == f"{heavy}+"


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("target", [{"low": 1.0}, {"high": 1.0}])
def test_a_hint_says_which_way_first_whatever_the_target_wants(direction, target):
    policy = lone(
        targets=(Target(signal="s", scale=1.0, weight=1.0, **target),),
        rules=(a_rule(direction=direction),),
    )
    level = FAR if "low" in target else -FAR
    state = a_state(policy, believed=beliefs([level], [[0.0]]))
    assert way(policy, state) == ("r+" if direction > 0 else "r-")


def test_a_hint_is_overruled_by_what_is_known():
    policy, state = single([[0.2]], doubt=0.01, rules=(a_rule(direction=-1),))
    assert way(policy, state) == "r+"


def test_a_session_s_finding_comes_before_the_hint_until_one_is_near():
    rules = (a_rule(direction=1),)
    for best, trust, expected in ((2.0, 1.0, "r-"), (8.0, 1.0, "r+"), (4.5, 1.0, "r+")):
        region = Region(rule="r", best=best, radius=1.0, trust=trust)
        assert way(*single(rules=rules, regions=(region,))) == expected


def test_a_session_that_nobody_trusts_and_one_of_another_rule_say_nothing():
    other = Region(rule="z", best=0.0, radius=0.1)
    policy, state = single(rules=(a_rule(direction=1),), regions=(other,))
    assert way(policy, state) == "r+"
    doubtful = Region(rule="r", best=2.0, radius=1.0, trust=0.0)
    _, told, _ = choose(state, seen(policy), replace(policy, regions=(doubtful,)))
    _, untold, _ = choose(state, seen(policy), lone())
    assert told.gain == untold.gain


def test_a_hint_moves_no_signal_that_is_only_guarded():
    """What heat does is not hinted at: the score is all that a hint may promise."""
    policy = a_policy(rules=(a_rule("q", direction=1), a_rule("r")))
    state = a_state(policy, levels=[1.0, 0.0, -1.0])
    assert way(policy, state) == "q+"


# ── what is passed over ──────────────────────────────────────────────────────
def reasons(policy, state, **more):
    option, best, passed = choose(state, seen(policy, calm(policy, length=5), **more), policy)
    assert (option is None) == (best is None)
    return option, {candidate.refused for candidate in passed}


def test_where_all_targets_are_met_nothing_is_worth_it():
    option, why = reasons(*single(level=2.0))
    assert option is None
    assert Reason.NOT_WORTH_IT in why


def test_a_gain_below_the_smallest_is_not_worth_it():
    option, why = reasons(*single([[0.01]], doubt=0.001, min_gain=0.05))
    assert option is None
    assert why == {Reason.NOT_WORTH_IT}


def test_what_may_lose_more_than_the_harm_budget_is_too_risky():
    """At its target a step of any length can only lose."""
    policy, state = single(doubt=0.6, level=0.03, harm_budget=0.05)
    option, why = reasons(policy, state)
    assert option is None
    assert Reason.TOO_RISKY in why


def test_risk_is_the_chance_of_losing_more_than_the_budget():
    policy, state = single([[0.1]], doubt=0.1, harm_budget=0.1)
    _, best, _ = choose(state, seen(policy), policy)
    assert best.moves[0].new == 6.0
    assert best.gain == pytest.approx(0.1, abs=0.02)
    assert best.spread == pytest.approx(0.1, rel=0.2)
    assert best.risk == pytest.approx(0.0228, abs=0.02)  # two deviations


def test_those_that_would_do_as_well_were_outbid():
    option, why = reasons(*single([[0.3]], doubt=0.05))
    assert option is not None
    assert Reason.OUTBID in why
    assert None not in why


def test_what_may_not_be_done_is_told_with_its_reason():
    policy, state = single([[0.3]], doubt=0.05)
    option, why = reasons(policy, state, barred={"r": "frozen"})
    assert option is None
    assert why == {Reason.BARRED}
    state = with_memory(state, until={"r-": NOW + 1}, no_go=(NoGo((("r", 1, 6.0),), NOW + 1),))
    option, why = reasons(policy, state)
    assert {move.new for move in option.moves} == {5.5}
    assert why == {Reason.BACKED_OFF, Reason.NO_GO}


def test_a_long_list_is_cut_short():
    policy = a_policy(rules=tuple(map(a_rule, "abcdef")), max_concurrent_changes=2)
    _, _, passed = choose(a_state(policy, levels=[1.0, 0, -1.0]), seen(policy), policy)
    assert len(passed) == SHOWN
    _, _, barred = choose(
        a_state(policy), seen(policy, barred=dict.fromkeys("abcdef", "frozen")), policy
    )
    assert len(barred) == SHOWN


def test_a_guard_alone_is_nothing_to_gain():
    policy = a_policy(
        targets=(Target(signal="errors", high=1.0, scale=0.5, weight=0.0),),
        warn={"errors": Shift(rise=1.0)},
    )
    option, _ = reasons(policy, a_state(policy, levels=[3.0]))
    assert option is None
