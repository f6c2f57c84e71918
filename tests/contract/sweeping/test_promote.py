"""From a finding to a proposal: a step at a time, and only where the finding is sound."""

from dataclasses import replace

import pytest

from daemon.services.sweeping import reading
from daemon.services.sweeping.judging import promote
from daemon.services.sweeping.judging.promote import PBO_MAX
from daemon.services.sweeping.judging.ranked import Ranking
from daemon.services.sweeping.judging.summary import Summary
from daemon.services.sweeping.record import Record
from daemon.store import proposals, rules, sessions
from daemon.store.rules import RuleLimits
from daemon.store.sessions import Place
from tests.contract.rows import T0
from tests.sweeping_kit import run, small, tools, wanted

BODY = {"strategy": {"max_step_mult": 2.0, "max_concurrent_changes": 1}}


def rule(name="min_spread_bps", value=10.0, low=0.0, high=50.0, step=2.0):
    return RuleLimits(name=name, init=value, min_value=low, max_value=high, step=step)


def govern(store, *limits, body=BODY):
    policy = rules.Policy(digest="d" * 64, body=body)
    with store.write() as tx:
        rules.adopt_policy(tx, policy, limits or [rule()], T0)


@pytest.fixture
def used(store):
    """A store with a session that is done."""
    run(tools(store))
    return tools(store)


def ranking(store, pbo=0.1, score=5.0, **params):
    """A ranking whose robust winner has these parameters."""
    with store.read() as view:
        session = sessions.get(view, 1)
    metrics = {"realized_pnl_usd": 7.0, "max_drawdown_pct": 1.0}
    record = Record(3, "s_0003", {"min_spread_bps": 30.0, **params}, metrics, 0.1, None)
    return Ranking(
        session=session,
        summary=Summary(total_jobs=12, success_jobs=12, error_jobs=0),
        report={"luck": {"pbo": pbo, "deflated_sharpe": 0.9}},
        winner=record,
        robust=record,
        place=Place(rank=4, n=3, robust_rank=1, robust_score=score),
    )


def listed(store):
    with store.read() as view:
        return proposals.listed(view)


def promoted(used, found, *names):
    return promote.promote(used, found, names or ["min_spread_bps"])


def settle(store, number, state, value=None):
    """Decide a proposal, and say where the rule stands afterwards."""
    with store.write() as tx:
        if state == proposals.APPLIED:
            assert proposals.decide(tx, number, proposals.APPROVED, "me", T0)
            assert proposals.carried_out(tx, number)
        else:
            assert proposals.decide(tx, number, state, "me", T0)
        if value is not None:
            rules.set_foreign(tx, "min_spread_bps", value, T0)
            rules.adopt(tx, "min_spread_bps")


def test_a_goal_that_is_far_away_is_proposed_as_its_first_step(store, used):
    govern(store)
    (done,) = promoted(used, ranking(store))
    (one,) = listed(store)
    assert done.proposal == one.id
    assert (one.origin, one.session_id, one.state) == ("session", 1, "pending")
    assert dict(one.base) == {"min_spread_bps": 10}
    assert dict(one.target) == {"min_spread_bps": 14}
    assert one.expected["goal"] == {"min_spread_bps": 30}
    assert one.expected["steps"] == 5
    assert one.expires_at_us > one.at_us
    for words in ("first of 5 steps", "s_0003", "session 1", "place 4 of 12", "0.10"):
        assert words in one.reason


def test_a_goal_within_a_step_is_proposed_as_it_is(store, used):
    govern(store, rule(value=28.5))
    promoted(used, ranking(store))
    (one,) = listed(store)
    assert dict(one.target) == {"min_spread_bps": 30}
    assert "first of" not in one.reason


def test_nothing_is_proposed_beyond_a_bound(store, used):
    govern(store, rule(value=19.0, high=20.0))
    (done,) = promoted(used, ranking(store))
    (one,) = listed(store)
    assert dict(one.target) == {"min_spread_bps": 20}
    assert one.expected["goal"] == {"min_spread_bps": 20}
    govern(store, rule(value=19.0, high=20.0))
    with store.write() as tx:
        rules.set_foreign(tx, "min_spread_bps", 20.0, T0)
    (done,) = promoted(used, ranking(store))
    assert done.proposal is None
    assert "already" in done.said


@pytest.mark.parametrize("state", ["pending", "rejected", "expired", "superseded"])
def test_the_same_finding_is_not_proposed_twice(store, used, state):
    govern(store)
    promoted(used, ranking(store))
    if state != "pending":
        settle(store, 1, state)
    (done,) = promoted(used, ranking(store))
    assert done.proposal is None
    assert f"is {state}" in done.said
    assert len(listed(store)) == 1


def test_once_a_step_was_kept_the_next_one_is_proposed(store, used):
    govern(store)
    promoted(used, ranking(store))
    settle(store, 1, proposals.APPLIED, value=14.0)
    (done,) = promoted(used, ranking(store))
    assert done.proposal == 2
    assert dict(listed(store)[0].target) == {"min_spread_bps": 18}


def test_a_step_that_was_taken_back_is_not_tried_again(store, used):
    govern(store)
    promoted(used, ranking(store))
    settle(store, 1, proposals.APPLIED, value=10.0)
    (done,) = promoted(used, ranking(store))
    assert done.proposal is None


def test_another_finding_is_another_proposal(store, used):
    govern(store)
    promoted(used, ranking(store))
    (done,) = promoted(used, ranking(store, min_spread_bps=4.0))
    assert done.proposal == 2
    assert dict(listed(store)[0].target) == {"min_spread_bps": 6}


def test_rules_are_moved_as_many_at_once_as_the_policy_allows(store, used):
    names = ["min_spread_bps", "slippage_bps", "max_position_usd"]
    limits = [rule(names[0]), rule(names[1], 5.0), rule(names[2], 500.0, 0.0, 5e3, 100.0)]
    found = ranking(store, slippage_bps=9.0, max_position_usd=1000.0)
    govern(store, *limits, body={"strategy": {"max_step_mult": 2, "max_concurrent_changes": 2}})
    done = promoted(used, found, *names)
    assert [one.rules for one in done] == [tuple(names[:2]), (names[2],)]
    targets = {frozenset(one.target) for one in listed(store)}
    assert targets == {frozenset(names[:2]), frozenset(names[2:])}


def test_a_name_that_no_rule_has_is_said_and_the_others_are_proposed(store, used):
    govern(store)
    done = promoted(used, ranking(store, exit_model="quoted"), "slippage_bps", "min_spread_bps")
    assert "no rule is called so" in done[0].said
    assert done[1].proposal == 1


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        ({"pbo": PBO_MAX}, "overfitting is 0.50"),
        ({"pbo": None}, "not known"),
        ({"score": -1.0}, "neighbours"),
        ({"score": None}, "neighbours"),
    ],
)
def test_a_doubtful_winner_is_not_followed(store, used, spoil, word):
    govern(store)
    (done,) = promoted(used, ranking(store, **spoil))
    assert done.proposal is None
    assert word in done.said
    assert not listed(store)


def test_a_winner_that_loses_money_or_stands_alone_is_not_followed(store, used):
    govern(store)
    found = ranking(store)
    poor = replace(found.robust, metrics={"realized_pnl_usd": 0.0})
    session = replace(found.session, jobs_done=11)
    for spoiled, word in (
        (replace(found, robust=poor), "gains nothing"),
        (replace(found, robust=None, place=None), "neighbours on a grid"),
        (replace(found, session=session), "not finished"),
    ):
        (done,) = promoted(used, spoiled)
        assert done.proposal is None
        assert word in done.said


def test_a_session_that_says_so_proposes_by_itself(store):
    govern(store, rule(value=1.0, step=0.5))
    outcome = run(tools(store), wanted(small(count=20), promote=["min_spread_bps"]), fast=False)
    (done,) = outcome.promoted
    found = outcome.ranking
    if done.proposal is None:
        assert done.said.startswith("nothing is proposed")
        assert promote._unsound(found)
    else:
        (one,) = listed(store)
        assert one.expected["goal"]["min_spread_bps"] == found.robust.params["min_spread_bps"]
    assert reading.grids_of(found.session) == ("min_spread_bps", "max_open_trades")


def test_run_again_a_session_proposes_the_next_step(store):
    govern(store, rule(value=1.0, step=0.5))
    asked = wanted(small(count=20), promote=["min_spread_bps"])
    first = run(tools(store), asked, fast=False)
    again = run(tools(store), asked, fast=False)
    assert again.nothing_to_do
    if first.promoted[0].proposal is None:
        assert again.promoted[0].said == first.promoted[0].said
    else:
        assert "is pending" in again.promoted[0].said
